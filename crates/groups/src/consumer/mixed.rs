//! Members of the classic protocol in a KIP-848 group, and how a group changes from one protocol
//! to the other while members are in it.
//!
//! Such a member is one like all others, but that it says what it has, and hears what it shall
//! have, by JoinGroup and SyncGroup: join.rs and beat.rs take its requests. Its generation is its
//! epoch, and whenever it is to take a step, Heartbeat tells it that a rebalance is in progress.
//! The group never waits for it: who does not come in time is removed. upgrade.rs makes a classic
//! group one of KIP-848 when the first member of that comes, downgrade.rs takes it back when the
//! last went; embedded.rs reads and writes what consumers say within the classic protocol. Rules
//! and records are those of Kafka's GroupMetadataManager. Must hold: nobody has to give anything
//! up because of the change itself.

mod beat;
mod downgrade;
mod embedded;
mod join;
#[cfg(test)]
mod tests;
mod upgrade;

pub(crate) use downgrade::{downgrade, may_downgrade};
pub(crate) use embedded::subscription;
#[cfg(test)]
pub(crate) use embedded::{assignment, assignment_bytes};
pub(crate) use upgrade::{check_upgrade, upgrade};
