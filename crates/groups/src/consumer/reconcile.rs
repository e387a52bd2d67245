//! How a member comes from what it has to what it shall have, one heartbeat at a time.
//!
//! The rules are those of Kafka's CurrentAssignmentBuilder. A member first lets go what it shall
//! not have, in its old epoch, then gets what is free in the new one, and asks again for what
//! others still have. Not here: what it shall have (target.rs). Must hold: no partition is
//! assigned that somebody else has or is about to let go.

use std::collections::BTreeSet;

use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::{ErrorCode, MemberEpoch, PartitionIndex, TopicId};

use crate::consumer::partitions::Partitions;
use crate::consumer::state::{Current, MemberState};

/// What a member's next step depends on.
pub(crate) struct Reconciliation<'a> {
    /// What it has.
    pub(crate) current: &'a Current,
    pub(crate) target_epoch: MemberEpoch,
    pub(crate) target: &'a Partitions,
    /// The topics that it subscribes to.
    pub(crate) subscribed: &'a BTreeSet<TopicId>,
    pub(crate) subscription_changed: bool,
    /// What it says it has; none when it does not say.
    pub(crate) owned: Option<&'a [TopicPartitions]>,
    /// Whether somebody else has a partition.
    pub(crate) is_held: &'a dyn Fn(TopicId, PartitionIndex) -> bool,
}

impl Reconciliation<'_> {
    /// What the member has next; the same when nothing changes.
    pub(crate) fn next(&self) -> Result<Current, ErrorCode> {
        let current = self.current;
        match current.state {
            MemberState::Stable if current.epoch != self.target_epoch => Ok(self.advance()),
            MemberState::Stable if self.subscription_changed => Ok(self.let_go_unsubscribed()),
            MemberState::Stable => Ok(current.clone()),
            MemberState::Unrevoked if self.owns_any(&current.revoking) => {
                if self.subscription_changed {
                    Ok(self.let_go_unsubscribed())
                } else {
                    Ok(current.clone())
                }
            }
            MemberState::Unrevoked | MemberState::Unreleased => Ok(self.advance()),
            // Whoever knew that state is gone: the member begins anew.
            MemberState::Unknown(_) if self.owned.is_none_or(|owned| !owned.is_empty()) => {
                Err(ErrorCode::FENCED_MEMBER_EPOCH)
            }
            MemberState::Unknown(_) => Ok(self.advance()),
        }
    }

    /// The next step towards the target.
    fn advance(&self) -> Current {
        let current = self.current;
        let wanted = |topic, partition| {
            self.subscribed.contains(&topic) && self.target.contains(topic, partition)
        };
        let (mut kept, mut revoked) = (Partitions::default(), Partitions::default());
        for (topic, partition, epoch) in current.assigned.iter() {
            let place = if wanted(topic, partition) { &mut kept } else { &mut revoked };
            place.insert(topic, partition, epoch);
        }
        if !revoked.is_empty() && self.owns_any(&revoked) {
            return Current {
                epoch: current.epoch,
                previous_epoch: current.epoch,
                state: MemberState::Unrevoked,
                assigned: kept,
                revoking: revoked,
            };
        }
        let mut waits = false;
        for (topic, partition, _) in self.target.iter() {
            if !self.subscribed.contains(&topic) || kept.contains(topic, partition) {
                continue;
            }
            if (self.is_held)(topic, partition) {
                waits = true;
            } else {
                kept.insert(topic, partition, self.target_epoch);
            }
        }
        Current {
            epoch: self.target_epoch,
            previous_epoch: current.epoch,
            state: if waits { MemberState::Unreleased } else { MemberState::Stable },
            assigned: kept,
            revoking: Partitions::default(),
        }
    }

    /// Takes away what the member does not subscribe to any more, ahead of the next target.
    fn let_go_unsubscribed(&self) -> Current {
        let current = self.current;
        let (mut kept, mut revoking) = (Partitions::default(), current.revoking.clone());
        let mut changed = false;
        for (topic, partition, epoch) in current.assigned.iter() {
            if self.subscribed.contains(&topic) {
                kept.insert(topic, partition, epoch);
            } else {
                revoking.insert(topic, partition, epoch);
                changed = true;
            }
        }
        if !changed {
            return current.clone();
        }
        let next = Current { previous_epoch: current.epoch, assigned: kept, ..current.clone() };
        if self.owns_any(&revoking) {
            Current { state: MemberState::Unrevoked, revoking, ..next }
        } else {
            next
        }
    }

    /// Whether the member has one of these, as far as it says: if it says nothing, it has.
    fn owns_any(&self, partitions: &Partitions) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|topic| {
            let mut indexes = topic.partitions.iter();
            indexes.any(|partition| partitions.contains(topic.topic_id, *partition))
        })
    }
}
