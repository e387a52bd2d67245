//! The epochs of a group whose members are told what to have (KIP-848, KIP-932, KIP-1071): its own,
//! and the one that its targets are for.
//!
//! Not here: the epochs of members. Must hold: what a change gives takes exactly that change back.

use ottla_wire::{MemberEpoch, Timestamp};

/// The epochs of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Epochs {
    /// Epoch and hash of the subscribed topics; none before the first record that says so.
    header: Option<(MemberEpoch, i64)>,
    target: Option<(MemberEpoch, Timestamp)>,
}

/// Takes one change back.
#[derive(Debug)]
pub(crate) enum EpochsUndo {
    Header(Option<(MemberEpoch, i64)>),
    Target(Option<(MemberEpoch, Timestamp)>),
}

impl Epochs {
    pub(crate) fn epoch(&self) -> MemberEpoch {
        self.header.map_or(FIRST_EPOCH, |(epoch, _)| epoch)
    }

    /// The epoch that the group goes to when something in it changes.
    pub(crate) fn next(&self) -> MemberEpoch {
        MemberEpoch(self.epoch().0.saturating_add(1))
    }

    pub(crate) fn metadata_hash(&self) -> i64 {
        self.header.map_or(0, |(_, hash)| hash)
    }

    /// The group epoch that the targets were computed for.
    pub(crate) fn target_epoch(&self) -> MemberEpoch {
        self.target.map_or(FIRST_EPOCH, |(epoch, _)| epoch)
    }

    /// When the targets were computed; none when never or when it was not written down.
    pub(crate) fn target_at(&self) -> Option<Timestamp> {
        self.target.map(|(_, at)| at).filter(|at| at.0 != 0)
    }

    /// Whether the group has changed since its targets were computed.
    pub(crate) fn is_ahead(&self) -> bool {
        self.epoch() > self.target_epoch()
    }

    /// The group's record: its epoch and the hash of its topics.
    pub(crate) fn change(&mut self, header: Option<(MemberEpoch, i64)>) -> EpochsUndo {
        EpochsUndo::Header(std::mem::replace(&mut self.header, header))
    }

    /// The record of the targets: their epoch and when they were computed.
    pub(crate) fn change_target(&mut self, target: Option<(MemberEpoch, Timestamp)>) -> EpochsUndo {
        EpochsUndo::Target(std::mem::replace(&mut self.target, target))
    }

    pub(crate) fn undo(&mut self, undo: EpochsUndo) {
        match undo {
            EpochsUndo::Header(before) => self.header = before,
            EpochsUndo::Target(before) => self.target = before,
        }
    }
}

/// In memory a group begins at this epoch and is assigned nothing in it, so that its first member
/// is told another one (Kafka's TargetAssignmentMetadata.INITIAL).
const FIRST_EPOCH: MemberEpoch = MemberEpoch(1);
