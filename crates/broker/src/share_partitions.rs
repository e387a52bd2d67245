//! The share partitions that this broker leads: one for each share group and partition that
//! somebody fetches.
//!
//! A share partition is made when it is first asked for, reads its state from the share coordinator
//! (hosted.rs), and goes when its leader epoch, its topic or the last session of its group goes.
//! Must hold: there is one share partition of a key at a time, so that no record has two holders.

mod hosted;
mod reading;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ottla_env::Spawner;
use ottla_groups::Places;
use ottla_metrics::ShareTraffic;
use ottla_share::{Key, Rules};
use ottla_wire::{ErrorCode, LeaderEpoch, StrBytes, TopicId};

use crate::context::Rooms;
use crate::partition::{Isolation, Partition};
use crate::share_sessions::{Place, ShareSessions, Who};
use crate::topics;

pub(crate) use hosted::{Counts, Got, HostedShare};
pub(crate) use reading::Reading;

/// What a share group's configs say.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) rules: Rules,
    pub(crate) isolation: Isolation,
    /// `share.auto.offset.reset`
    pub(crate) reset: String,
}

/// All share partitions of a broker.
pub(crate) struct SharePartitions {
    pub(crate) sessions: ShareSessions,
    pub(crate) tasks: Spawner,
    pub(crate) traffic: ShareTraffic,
    held: Mutex<BTreeMap<Key, Arc<HostedShare>>>,
}

impl SharePartitions {
    /// None yet, and room for `sessions` sessions.
    pub(crate) fn new(sessions: usize, tasks: Spawner) -> Self {
        SharePartitions {
            sessions: ShareSessions::new(sessions),
            tasks,
            traffic: ShareTraffic::default(),
            held: Mutex::default(),
        }
    }

    /// The share partition of a group, made if need be.
    ///
    /// # Errors
    /// This broker does not lead the partition.
    pub(crate) fn of(
        &self,
        group: &str,
        partition: &Arc<Partition>,
    ) -> Result<Arc<HostedShare>, ErrorCode> {
        let epoch = partition.check_leader(LeaderEpoch(-1))?;
        let key = Key::copied(group, partition.topic_id, partition.index);
        let mut held = self.held();
        if let Some(known) = held.get(&key).filter(|known| known.is_of(epoch)) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(HostedShare::new(key.clone(), Arc::clone(partition), epoch));
        held.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// The share partition of a group, if there is one.
    pub(crate) fn known(&self, group: &str, (topic, index): Place) -> Option<Arc<HostedShare>> {
        self.held().get(&Key::copied(group, topic, index)).cloned()
    }

    /// A share partition can go no further: whoever asks next gets another one.
    pub(crate) fn drop_fenced(&self, fenced: &Arc<HostedShare>) {
        let mut held = self.held();
        if held.get(fenced.key()).is_some_and(|known| Arc::ptr_eq(known, fenced)) {
            held.remove(fenced.key());
        }
    }

    /// Their states have begun anew: what is in flight here is of those before.
    pub(crate) fn forget_states(&self, group: &str, places: &Places) {
        let is_gone = |key: &Key| {
            *key.group == *group
                && places.get(&key.topic).is_some_and(|of| of.contains_key(&key.partition))
        };
        self.held().retain(|key, _| !is_gone(key));
    }

    /// Topics are deleted.
    pub(crate) fn forget_topics(&self, deleted: &[(StrBytes, TopicId)]) {
        let is_gone = |key: &Key| deleted.iter().any(|(_, id)| *id == key.topic);
        self.held().retain(|key, _| !is_gone(key));
    }

    /// Sessions have come to their end: what their members had locked is free again, and what
    /// groups without sessions had in flight is read anew by whoever comes next.
    pub(crate) fn ended(&self, rooms: &Arc<Rooms>, members: &[Who]) {
        for Who { group, member } in members {
            for share in self.of_group(group) {
                let terms = rooms.configs.share_terms(&rooms.image.borrow(), group);
                share.release_member(rooms, &terms, member);
            }
        }
        let mut held = self.held();
        for Who { group, .. } in members {
            // Asked for while nobody can find a share partition: whoever begins a session after
            // this finds none, and whoever has begun one keeps what there is.
            if self.sessions.is_without(group) {
                held.retain(|key, _| key.group != *group);
            }
        }
    }

    /// All share partitions, by group, topic and partition.
    pub(crate) fn all(&self) -> Vec<Arc<HostedShare>> {
        self.held().values().cloned().collect()
    }

    fn of_group(&self, group: &StrBytes) -> Vec<Arc<HostedShare>> {
        let held = self.held();
        held.iter().filter(|(key, _)| key.group == *group).map(|(_, it)| Arc::clone(it)).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<HostedShare>>> {
        self.held.lock().expect("no code panics while it holds this lock")
    }
}

impl Rooms {
    /// Whether share groups are served: the cluster has them, and their state has a home or gets
    /// one now.
    pub(crate) fn serves_share_groups(&self) -> bool {
        self.image.borrow().features().level("share.version") > 0
    }

    /// Has the home of share groups' state made, where it is missing.
    pub(crate) fn prepare_share_home(&self) {
        if self.image.borrow().topic_by_name(topics::SHARE_GROUP_STATE).is_none() {
            self.topic_creation.begin(topics::SHARE_GROUP_STATE, &self.configs.now());
        }
    }
}
