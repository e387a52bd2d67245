//! Numbers with a meaning, each a type of its own, so that an offset is never taken for an epoch.
//!
//! The inner value is public: conversions are spelled `Offset(5)` and `offset.0`. What -1 and the
//! like mean is the field's matter, not the type's.

use std::fmt;
use std::ops::{Add, Sub};

use crate::uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$inner> for $name {
            fn from(inner: $inner) -> Self {
                Self(inner)
            }
        }
    )*};
}

ids! {
    /// The place of a record in its partition.
    Offset(i64);
    /// How many leaders a partition (or the quorum) has had.
    LeaderEpoch(i32);
    /// How many times a partition's leader or ISR has changed.
    PartitionEpoch(i32);
    /// A node: broker, controller or voter.
    BrokerId(i32);
    /// The offset at which a broker registered.
    BrokerEpoch(i64);
    /// A partition within its topic.
    PartitionIndex(i32);
    /// A producer with idempotence or transactions.
    ProducerId(i64);
    /// The incarnation of a producer id.
    ProducerEpoch(i16);
    /// The generation of a classic group.
    Generation(i32);
    /// The epoch of a consumer, share or streams group, of its assignment and of its members, which
    /// follow one another in one sequence.
    MemberEpoch(i32);
    /// Milliseconds since 1970, or the special values of ListOffsets.
    Timestamp(i64);
    /// A topic's identity, which its name is not.
    TopicId(Uuid);
    /// A log directory's identity.
    DirectoryId(Uuid);
}

impl Offset {
    /// The offset behind this one; the last offset there is stays itself.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Add<i64> for Offset {
    type Output = Self;

    fn add(self, count: i64) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl Sub for Offset {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0)
    }
}

impl Add<i64> for Timestamp {
    type Output = Self;

    fn add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Sub for Timestamp {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl TopicId {
    /// No topic.
    pub const ZERO: Self = Self(Uuid::ZERO);
}

impl DirectoryId {
    /// A directory that is not known yet, which Kafka calls unassigned.
    pub const UNASSIGNED: Self = Self(Uuid::ZERO);
    /// A directory that has failed.
    pub const LOST: Self = Self(Uuid::from_u128(1));
    /// The directory of a replica that moves between brokers of an older kind.
    pub const MIGRATING: Self = Self(Uuid::from_u128(2));
}
