//! One partition's next state: who leads, who is in sync, who could still lead.
//!
//! The caller says what it wants (an ISR without a broker, other directories); the change then
//! ends a reassignment that is complete, keeps the eligible leader replicas (KIP-966), elects, and
//! becomes the record that tells exactly the difference.
//! Must hold: the leader is a replica and in the ISR; the ISR is never emptied unless eligible
//! replicas are kept.

use ottla_metadata::{LeaderRecoveryState, Partition};
use ottla_wire::messages::PartitionChangeRecord;
use ottla_wire::{BrokerId, PartitionIndex, TopicId};

/// Who may be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// Whoever has all records; the present leader rather than another.
    Clean,
    /// As `Clean`, but the preferred leader rather than the present one.
    Preferred,
    /// As `Clean`, and when there is nobody, any replica that is there, at the price of records.
    Unclean,
}

/// What holds for the partitions of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether eligible leader replicas are kept.
    pub(crate) keeps_elr: bool,
    /// The topic's `min.insync.replicas`.
    pub(crate) isr_min: usize,
    /// Whether a smaller ISR means a new leader epoch, as before metadata.version 3.6.
    pub(crate) bumps_on_shrink: bool,
    /// The topic's `unclean.leader.election.enable`.
    pub(crate) allows_unclean: bool,
}

/// A change of one partition under construction.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    topic: TopicId,
    index: PartitionIndex,
    before: &'a Partition,
    /// What the partition shall be; leader and eligible replicas are worked out.
    pub(crate) next: Partition,
    /// Replicas whose broker came back without having stopped cleanly: they may lack records.
    pub(crate) uncleanly_restarted: Option<BrokerId>,
    /// Who may be elected.
    pub(crate) election: Election,
}

impl<'a> Change<'a> {
    pub(crate) fn new(topic: TopicId, index: PartitionIndex, before: &'a Partition) -> Self {
        Change {
            topic,
            index,
            before,
            next: before.clone(),
            uncleanly_restarted: None,
            election: Election::Clean,
        }
    }

    /// The record of the change, unless nothing changes.
    pub(crate) fn record(
        mut self,
        rules: Rules,
        can_lead: impl Fn(BrokerId) -> bool,
    ) -> Option<PartitionChangeRecord> {
        self.end_reassignment();
        self.keep_eligible(rules);
        self.elect(rules, can_lead);
        if self.next.isr.is_empty() && !rules.keeps_elr {
            self.next.isr.clone_from(&self.before.isr);
        }
        self.difference(rules)
    }

    /// Ends a reassignment once all that it adds are in sync.
    fn end_reassignment(&mut self) {
        let next = &mut self.next;
        let is_complete = next.is_reassigning()
            && next.adding.iter().all(|id| next.isr.contains(id))
            && next.isr.iter().any(|id| !next.removing.contains(id));
        if !is_complete {
            return;
        }
        let removing = std::mem::take(&mut next.removing);
        next.adding.clear();
        let kept: Vec<_> = next
            .replicas
            .iter()
            .copied()
            .zip(next.directories.iter().copied())
            .filter(|(id, _)| !removing.contains(id))
            .collect();
        (next.replicas, next.directories) = kept.into_iter().unzip();
        next.isr.retain(|id| !removing.contains(id));
        next.elr.retain(|id| !removing.contains(id));
    }

    /// While the ISR is below its minimum, those that left it stay eligible to lead.
    fn keep_eligible(&mut self, rules: Rules) {
        let next = &mut self.next;
        let isr_min = rules.isr_min.min(next.replicas.len());
        if !rules.keeps_elr || next.isr.len() >= isr_min {
            next.elr.clear();
            return;
        }
        for id in &self.before.isr {
            if !next.elr.contains(id) {
                next.elr.push(*id);
            }
        }
        let (isr, replicas) = (&next.isr, &next.replicas);
        next.elr.retain(|id| {
            !isr.contains(id) && replicas.contains(id) && self.uncleanly_restarted != Some(*id)
        });
    }

    fn elect(&mut self, rules: Rules, can_lead: impl Fn(BrokerId) -> bool) {
        let (leader, is_clean) = match self.elected(rules, can_lead) {
            Some((leader, is_clean)) => (Some(leader), is_clean),
            None => (None, true),
        };
        let next = &mut self.next;
        next.leader = leader;
        match leader {
            Some(leader) => {
                next.last_known_elr.clear();
                if !is_clean {
                    next.isr = vec![leader];
                    next.elr.clear();
                    next.leader_recovery_state = LeaderRecoveryState::Recovering;
                } else if next.isr.is_empty() {
                    next.isr = vec![leader];
                    next.elr.retain(|id| *id != leader);
                    if rules.isr_min.min(next.replicas.len()) <= 1 {
                        next.elr.clear();
                    }
                }
            }
            None if rules.keeps_elr && next.isr.is_empty() => {
                if let Some(last) = self.before.leader.filter(|_| next.last_known_elr.is_empty()) {
                    next.last_known_elr = vec![last];
                }
            }
            None => {}
        }
    }

    /// Who leads next, and whether that one has all records.
    fn elected(
        &self,
        rules: Rules,
        can_lead: impl Fn(BrokerId) -> bool,
    ) -> Option<(BrokerId, bool)> {
        let next = &self.next;
        let has_all = |id: BrokerId| {
            next.isr.contains(&id) || (next.isr.is_empty() && next.elr.contains(&id))
        };
        let is_valid = |id: &BrokerId| next.replicas.contains(id) && has_all(*id) && can_lead(*id);
        let preferred = next.replicas.first().filter(|_| self.election == Election::Preferred);
        let present = self.before.leader.as_ref();
        let in_order = || next.replicas.iter().find(|id| is_valid(id));
        let clean = preferred
            .filter(|id| is_valid(id))
            .or(present.filter(|id| is_valid(id)))
            .or_else(in_order);
        if let Some(leader) = clean {
            return Some((*leader, true));
        }
        let nobody_has_all = next.isr.is_empty() && next.elr.is_empty();
        let last = match next.last_known_elr[..] {
            [last] if rules.keeps_elr && nobody_has_all => Some(last),
            _ => None,
        };
        if let Some(last) = last.filter(|id| next.replicas.contains(id) && can_lead(*id)) {
            return Some((last, false));
        }
        if self.election != Election::Unclean {
            return None;
        }
        next.replicas.iter().find(|id| can_lead(**id)).map(|leader| (*leader, false))
    }

    /// The record of what differs.
    fn difference(self, rules: Rules) -> Option<PartitionChangeRecord> {
        let (before, next) = (self.before, self.next);
        let list = |old: &Vec<BrokerId>, new: &Vec<BrokerId>| (old != new).then(|| new.clone());
        let mut record = PartitionChangeRecord {
            partition_id: self.index,
            topic_id: self.topic,
            isr: list(&before.isr, &next.isr),
            replicas: list(&before.replicas, &next.replicas),
            removing_replicas: list(&before.removing, &next.removing),
            adding_replicas: list(&before.adding, &next.adding),
            eligible_leader_replicas: list(&before.elr, &next.elr),
            last_known_elr: list(&before.last_known_elr, &next.last_known_elr),
            ..PartitionChangeRecord::default()
        };
        if before.directories != next.directories {
            record.directories = Some(next.directories);
        }
        if before.leader_recovery_state != next.leader_recovery_state {
            record.leader_recovery_state = next.leader_recovery_state.number();
        }
        let lost_replica = before.replicas.iter().any(|id| !next.replicas.contains(id));
        let shrunk = before.isr.iter().any(|id| !next.isr.contains(id));
        let needs_epoch = lost_replica || (rules.bumps_on_shrink && shrunk);
        if before.leader != next.leader || needs_epoch {
            record.leader = next.leader.unwrap_or(BrokerId(-1));
        }
        let nothing = PartitionChangeRecord {
            partition_id: self.index,
            topic_id: self.topic,
            ..PartitionChangeRecord::default()
        };
        (record != nothing).then_some(record)
    }
}
