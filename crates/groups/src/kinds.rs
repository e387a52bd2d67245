//! The kinds of groups whose members are told what to have (KIP-848, KIP-932, KIP-1071): what they
//! have in common, said once.
//!
//! A kind is a folder, the rows of its records (entries.rs), an implementation of [`Kind`] and
//! [`AnyKind`], and a row in the table below. Everything that is asked of a group of whatever kind
//! goes through [`Kinds`]. Not here: classic groups, which are told nothing. Must hold: what a kind
//! gives for an applied entry takes exactly that entry back.

mod draft;
mod entries;

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use ottla_wire::{DecodeError, ErrorCode, MemberEpoch, Reader, StrBytes, Timestamp};

use crate::classic::Out;
use crate::consumer::{Committer, ConsumerEntry, ConsumerGroup, May};
use crate::share::{ShareEntry, ShareGroup};
use crate::streams::{StreamsEntry, StreamsGroup};
use crate::{GroupRecord, Groups, Now, Settings, Soft, Topics};

pub(crate) use draft::Draft;
pub(crate) use entries::{Entry, Stored, entries};

/// Why a request is not served, by a code and in words.
pub(crate) type Refusal = (ErrorCode, String);

/// The state of one group of a kind: what replaying its records gives.
pub(crate) trait Kind: AnyKind + Clone + fmt::Debug + Default + PartialEq {
    /// What a record says.
    type Entry: Entry;
    /// Takes one applied entry back.
    type Undo: fmt::Debug;

    /// Changes what one record changes.
    fn apply(&mut self, entry: &Self::Entry) -> Self::Undo;

    /// Takes back the newest applied entry that was not taken back yet.
    fn undo(&mut self, undo: Self::Undo);

    /// When there is something to do for groups of this kind.
    fn wake(soft: &Soft) -> Option<Timestamp>;

    /// Does what is due: ends memberships whose time is up, as many as one decision takes.
    fn tick(groups: &Groups, soft: &mut Soft, topics: &dyn Topics, out: &mut Out<'_>);

    /// Forgets what need not survive of a group.
    fn forget(soft: &mut Soft, id: &StrBytes);
}

/// What is asked of a group without asking for its kind.
pub(crate) trait AnyKind: Commits {
    /// Kafka's name of the kind, which is that of its protocol too.
    fn name(&self) -> &'static str;

    /// The group's state, by Kafka's name.
    fn state(&self) -> &'static str;

    /// Whether nobody is in it.
    fn is_empty(&self) -> bool;

    /// The tombstones of a group that nobody is in.
    fn tombstones(&self, id: &str) -> Vec<GroupRecord>;

    /// Starts the sessions of all members, as after a change of the coordinator.
    fn restart(&self, soft: &mut Soft, id: &StrBytes, now: Now, settings: &Settings);

    /// Whether the group may be deleted.
    fn may_go(&self) -> Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        Err((ErrorCode::NON_EMPTY_GROUP, ErrorCode::NON_EMPTY_GROUP.message().into()))
    }

    /// Ends a group that nobody is in.
    fn end(&self, soft: &mut Soft, id: &StrBytes, records: &mut Vec<GroupRecord>) {
        Kinds::forget(soft, id);
        records.extend(self.tombstones(id));
    }
}

/// Who may commit and fetch offsets of a group. A kind that says nothing here has none: what its
/// members have done stands elsewhere.
pub(crate) trait Commits {
    /// Whether its members commit offsets.
    fn keeps_offsets(&self) -> bool {
        false
    }

    /// The topics whose offsets somebody in it still needs.
    fn subscribed(&self) -> BTreeSet<StrBytes> {
        BTreeSet::new()
    }

    /// Whether this is a member that may commit, or nobody for a group of nobody.
    fn may_commit(&self, _committer: &Committer<'_>) -> Result<May, ErrorCode> {
        Err(ErrorCode::GROUP_ID_NOT_FOUND)
    }

    /// Whether this is a member in its epoch, or nobody.
    fn may_fetch(&self, _member: Option<&StrBytes>, _epoch: MemberEpoch) -> Result<(), ErrorCode> {
        Ok(())
    }
}

/// A record of a group of one kind; an entry without value takes back what it said.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordOf<E> {
    /// The group's id.
    pub group: StrBytes,
    /// What it says.
    pub entry: E,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident($entry:ty) $place:ident: $group:ty;)*) => {
        /// A record of a group of a kind whose members are told what to have.
        #[derive(Clone, Debug, PartialEq)]
        pub enum KindRecord {
            $($(#[doc = $doc])* $kind(RecordOf<$entry>),)*
        }

        /// Takes one replayed record back.
        #[derive(Debug)]
        pub(crate) enum KindUndo {
            $($kind(<$group as Kind>::Undo),)*
        }

        /// What an id stands for, by kind. That is one at most, unless a log says otherwise.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Kinds {
            $($(#[doc = $doc])* pub(crate) $place: Option<Box<$group>>,)*
        }

        impl Kinds {
            /// The group, if it is one of these kinds.
            pub(crate) fn group(&self) -> Option<&dyn AnyKind> {
                $(if let Some(group) = &self.$place {
                    return Some(group.as_ref());
                })*
                None
            }

            /// Replays a record of the group.
            pub(crate) fn replay(&mut self, record: &KindRecord) -> KindUndo {
                match record {
                    $(KindRecord::$kind(record) => KindUndo::$kind(
                        change(&mut self.$place, |group| group.apply(&record.entry)),
                    ),)*
                }
            }

            /// Takes a replayed record of the group back.
            pub(crate) fn undo(&mut self, undo: KindUndo) {
                match undo {
                    $(KindUndo::$kind(undo) => change(&mut self.$place, |group| group.undo(undo)),)*
                }
            }

            /// Starts the sessions of all members, as after a change of the coordinator.
            pub(crate) fn restart(
                &self,
                soft: &mut Soft,
                id: &StrBytes,
                now: Now,
                settings: &Settings,
            ) {
                $(if let Some(group) = &self.$place {
                    group.restart(soft, id, now, settings);
                })*
            }

            /// When there is something to do for a group of any of the kinds.
            pub(crate) fn wake(soft: &Soft) -> Option<Timestamp> {
                [$(<$group>::wake(soft),)*].into_iter().flatten().min()
            }

            /// Does what is due for groups of all kinds.
            pub(crate) fn tick(
                groups: &Groups,
                soft: &mut Soft,
                topics: &dyn Topics,
                out: &mut Out<'_>,
            ) {
                $(<$group>::tick(groups, soft, topics, out);)*
            }

            /// Forgets what need not survive of a group, of whatever kind it is.
            pub(crate) fn forget(soft: &mut Soft, id: &StrBytes) {
                $(<$group>::forget(soft, id);)*
            }
        }

        impl KindRecord {
            /// The group that the record is about.
            pub(crate) fn group(&self) -> &StrBytes {
                match self {
                    $(KindRecord::$kind(record) => &record.group,)*
                }
            }

            /// Whether the group is gone with it.
            pub(crate) fn ends_group(&self) -> bool {
                match self {
                    $(KindRecord::$kind(record) => record.entry.ends_group(),)*
                }
            }

            /// Reads a record of type `number` whose key goes on in `key`; none for a type that no
            /// kind has.
            pub(crate) fn decode(
                number: i16,
                key: &mut Reader,
                value: Option<&Bytes>,
            ) -> Result<Option<KindRecord>, DecodeError> {
                // What is kept are slices of the value, which is small, rather than of a batch.
                let value = value.map(|value| Bytes::copy_from_slice(value));
                $(if let Some((group, entry)) = <$entry>::decode(number, key, &value)? {
                    return Ok(Some(entry.of(StrBytes::copied(&group))));
                })*
                Ok(None)
            }

            /// The record's key and value.
            pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
                match self {
                    $(KindRecord::$kind(record) => record.entry.encode(record.group.clone()),)*
                }
            }
        }
    };
}

kinds! {
    /// A consumer group of KIP-848.
    Consumer(ConsumerEntry) consumers: ConsumerGroup;
    /// A share group (KIP-932).
    Share(ShareEntry) shares: ShareGroup;
    /// A streams group (KIP-1071).
    Streams(StreamsEntry) streams: StreamsGroup;
}

/// Changes the group in this place, and forgets it when nothing is left of it.
fn change<K: Kind, T>(place: &mut Option<Box<K>>, change: impl FnOnce(&mut K) -> T) -> T {
    let group = place.get_or_insert_default();
    let result = change(group);
    if **group == K::default() {
        *place = None;
    }
    result
}
