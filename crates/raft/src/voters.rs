//! The voters: who counts for elections and for commits.
//!
//! Not here: where voters can be reached, which is no matter of the core.

use std::collections::BTreeMap;

use ottla_wire::{BrokerId, DirectoryId};

/// One voter, by its node and the directory that holds its metadata log. With `kraft.version` 0
/// directories are not known and all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voter {
    /// The node.
    pub id: BrokerId,
    /// The directory of its metadata log.
    pub directory: DirectoryId,
}

/// All voters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet {
    by_id: BTreeMap<BrokerId, DirectoryId>,
}

impl VoterSet {
    /// A set of these; of two with one id the later one stays.
    pub fn of(voters: impl IntoIterator<Item = Voter>) -> VoterSet {
        VoterSet { by_id: voters.into_iter().map(|voter| (voter.id, voter.directory)).collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether `voter` is in the set; a directory that one side does not know matches any.
    pub fn contains(&self, voter: Voter) -> bool {
        let unknown = DirectoryId::default();
        self.by_id.get(&voter.id).is_some_and(|directory| {
            *directory == voter.directory || *directory == unknown || voter.directory == unknown
        })
    }

    /// The voters by id.
    pub fn iter(&self) -> impl Iterator<Item = Voter> {
        self.by_id.iter().map(|(id, directory)| Voter { id: *id, directory: *directory })
    }
}
