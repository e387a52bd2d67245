//! The life of one partition on one broker: who leads it in which epoch, who is in sync, and how
//! far the log is committed.
//!
//! A pure core: it sees no log and no clock. The caller tells it what the metadata says and how
//! far each replica's log reaches, and obeys what comes back. Every partition lives here from its
//! first day; with one replica the high watermark is simply the end of its log.
//! Not served: fetching from a leader, shrinking and growing the in-sync set.
//!
//! ```
//! use ottla_replication::{Leadership, Partition};
//! use ottla_wire::{BrokerId, LeaderEpoch, Offset};
//!
//! let mut partition = Partition::new(BrokerId(1), Offset(0));
//! partition.assign(&Leadership {
//!     leader: BrokerId(1),
//!     leader_epoch: LeaderEpoch(0),
//!     replicas: vec![BrokerId(1)],
//!     isr: vec![BrokerId(1)],
//!     min_isr: 1,
//! }, Offset(0));
//! assert_eq!(partition.local_end(Offset(7)), Some(Offset(7)));
//! assert_eq!(partition.high_watermark(), Offset(7));
//! ```

use ottla_wire::{BrokerId, LeaderEpoch, Offset};

/// What the metadata says of a partition, as far as its replicas act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader; -1 when there is none.
    pub leader: BrokerId,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// All replicas, in the order of the assignment.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
    /// `min.insync.replicas` of the topic; counts as at most the number of replicas.
    pub min_isr: usize,
}

/// What this replica is in the current epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// Not told yet.
    Unassigned,
    Leader(Leader),
    /// Somebody else leads, or nobody.
    Follower {
        leader: BrokerId,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Leader {
    /// The end of the own log when the epoch began.
    epoch_start: Offset,
    /// Log ends of the in-sync replicas, the own one included. They are few.
    isr_ends: Vec<(BrokerId, Offset)>,
    min_isr: usize,
}

impl Leader {
    fn end_of(&self, id: BrokerId) -> Option<Offset> {
        self.isr_ends.iter().find(|(known, _)| *known == id).map(|(_, end)| *end)
    }

    fn note(&mut self, id: BrokerId, end: Offset) {
        match self.isr_ends.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = end,
            None => self.isr_ends.push((id, end)),
        }
    }
}

/// Why a request that only the leader may answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLeader {
    /// Another broker leads, or nobody does.
    Elsewhere,
    /// The asker's epoch is older than ours.
    Fenced,
    /// The asker knows an epoch that we have not heard of.
    UnknownEpoch,
}

/// One partition as one of its replicas sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    me: BrokerId,
    role: Role,
    leader_epoch: LeaderEpoch,
    high_watermark: Offset,
}

impl Partition {
    /// A replica on broker `me` whose log was committed up to `high_watermark` when it was opened.
    pub fn new(me: BrokerId, high_watermark: Offset) -> Self {
        Partition { me, role: Role::Unassigned, leader_epoch: LeaderEpoch(-1), high_watermark }
    }

    /// Takes over what the metadata says; `local_end` is the end of the own log. Gives whether a
    /// new leader epoch begins here, which the caller then writes to the epoch checkpoint.
    pub fn assign(&mut self, to: &Leadership, local_end: Offset) -> bool {
        if to.leader_epoch < self.leader_epoch {
            return false;
        }
        let is_new = to.leader_epoch > self.leader_epoch;
        self.leader_epoch = to.leader_epoch;
        if to.leader != self.me {
            self.role = Role::Follower { leader: to.leader };
            return false;
        }
        let known = match &self.role {
            Role::Leader(leader) if !is_new => Some(leader),
            _ => None,
        };
        let end_of = |id: &BrokerId| {
            let known = known.and_then(|leader| leader.end_of(*id));
            (*id, known.unwrap_or(self.high_watermark))
        };
        let begins = is_new || !matches!(self.role, Role::Leader(_));
        let mut leader = Leader {
            epoch_start: known.map_or(local_end, |leader| leader.epoch_start),
            isr_ends: to.isr.iter().map(end_of).collect(),
            min_isr: to.min_isr.min(to.replicas.len()),
        };
        leader.note(self.me, local_end);
        self.role = Role::Leader(leader);
        self.advance();
        begins
    }

    /// The own log now ends at `end` (its synced end where `flush.messages` is 1). Gives the high
    /// watermark when it moved.
    pub fn local_end(&mut self, end: Offset) -> Option<Offset> {
        let me = self.me;
        if let Role::Leader(leader) = &mut self.role {
            leader.note(me, end);
        }
        self.advance()
    }

    /// Everything below is on all in-sync replicas.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The epoch of the current leader; -1 before the first assignment.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Who leads, when somebody does.
    pub fn leader(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Leader(_) => Some(self.me),
            Role::Follower { leader } if *leader >= BrokerId(0) => Some(*leader),
            Role::Follower { .. } | Role::Unassigned => None,
        }
    }

    /// Whether this replica leads, for an asker who believes in `epoch`; -1 believes in any.
    ///
    /// # Errors
    /// Why the asker must look for another leader or for newer metadata.
    pub fn check_leader(&self, epoch: LeaderEpoch) -> Result<LeaderEpoch, NotLeader> {
        if epoch >= LeaderEpoch(0) && epoch < self.leader_epoch {
            return Err(NotLeader::Fenced);
        }
        if epoch > self.leader_epoch {
            return Err(NotLeader::UnknownEpoch);
        }
        match self.role {
            Role::Leader(_) => Ok(self.leader_epoch),
            Role::Follower { .. } | Role::Unassigned => Err(NotLeader::Elsewhere),
        }
    }

    /// Whether enough replicas are in sync to acknowledge a write to all of them.
    pub fn has_enough_in_sync(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => leader.isr_ends.len() >= leader.min_isr,
            Role::Follower { .. } | Role::Unassigned => false,
        }
    }

    /// Whether the high watermark has reached the start of the leader's epoch: before that a new
    /// leader does not know what is committed.
    pub fn knows_commits(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => self.high_watermark >= leader.epoch_start,
            Role::Follower { .. } | Role::Unassigned => true,
        }
    }

    fn advance(&mut self) -> Option<Offset> {
        let Role::Leader(leader) = &self.role else { return None };
        if leader.isr_ends.len() < leader.min_isr {
            return None;
        }
        let reached = leader.isr_ends.iter().map(|(_, end)| *end).min()?;
        if reached <= self.high_watermark {
            return None;
        }
        self.high_watermark = reached;
        Some(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leadership(leader: i32, epoch: i32, isr: &[i32], min_isr: usize) -> Leadership {
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        Leadership {
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(epoch),
            replicas: ids(&[1, 2, 3]),
            isr: ids(isr),
            min_isr,
        }
    }

    fn led(isr: &[i32], min_isr: usize) -> Partition {
        let mut partition = Partition::new(BrokerId(1), Offset(0));
        assert!(partition.assign(&leadership(1, 4, isr, min_isr), Offset(10)));
        partition
    }

    #[test]
    fn a_sole_replica_commits_what_it_has() {
        let mut partition = led(&[1], 1);
        assert_eq!(partition.high_watermark(), Offset(10));
        assert_eq!(partition.local_end(Offset(12)), Some(Offset(12)));
        assert_eq!(partition.local_end(Offset(12)), None);
    }

    #[test]
    fn a_slower_replica_in_sync_holds_the_high_watermark_back() {
        let mut partition = led(&[1, 2], 1);
        assert_eq!(partition.local_end(Offset(20)), None);
        assert!(!partition.knows_commits());
        assert!(!partition.assign(&leadership(1, 4, &[1], 1), Offset(20)));
        assert_eq!(partition.high_watermark(), Offset(20));
    }

    #[test]
    fn too_few_in_sync_stop_the_high_watermark_and_writes_to_all() {
        let mut partition = led(&[1], 2);
        assert!(!partition.has_enough_in_sync());
        assert_eq!(partition.local_end(Offset(20)), None);
    }

    #[test]
    fn the_minimum_in_sync_counts_as_at_most_the_number_of_replicas() {
        assert!(led(&[1, 2, 3], 9).has_enough_in_sync());
    }

    #[test]
    fn epochs_tell_old_askers_from_early_ones() {
        let mut partition = led(&[1], 1);
        assert_eq!(partition.check_leader(LeaderEpoch(-1)), Ok(LeaderEpoch(4)));
        assert_eq!(partition.check_leader(LeaderEpoch(3)), Err(NotLeader::Fenced));
        assert_eq!(partition.check_leader(LeaderEpoch(5)), Err(NotLeader::UnknownEpoch));
        partition.assign(&leadership(2, 5, &[1, 2], 1), Offset(10));
        assert_eq!(partition.check_leader(LeaderEpoch(5)), Err(NotLeader::Elsewhere));
        assert_eq!(partition.leader(), Some(BrokerId(2)));
    }

    #[test]
    fn an_older_epoch_changes_nothing() {
        let mut partition = led(&[1], 1);
        let before = partition.clone();
        assert!(!partition.assign(&leadership(2, 3, &[2], 1), Offset(10)));
        assert_eq!(partition, before);
    }
}
