//! Topics and their partitions as the metadata log tells them.
//!
//! Not here: what a partition's replicas hold (`replication`), and who may lead (`controller`).
//! Must hold: a record about a topic or partition that is not there changes nothing; Apache Kafka
//! never writes one.

use std::sync::Arc;

use ottla_wire::messages::{PartitionChangeRecord, PartitionRecord, TopicRecord};
use ottla_wire::{
    BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, PartitionIndex, StrBytes, TopicId,
};

use crate::sorted::SortedMap;

/// In a PartitionChangeRecord: the leader stays.
const LEADER_UNCHANGED: BrokerId = BrokerId(-2);

/// Whether a leader that was elected without having been in sync has caught up with itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// Nothing to do.
    #[default]
    Recovered,
    /// The leader was elected uncleanly and has not yet said that it is ready.
    Recovering,
}

impl LeaderRecoveryState {
    /// The number in requests and records.
    pub fn number(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    /// The state with that number.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }
}

/// One partition: where its replicas are and who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub isr: Vec<BrokerId>,
    /// Those that a reassignment takes away.
    pub removing: Vec<BrokerId>,
    /// Those that a reassignment adds.
    pub adding: Vec<BrokerId>,
    /// The log directory of each replica, in the order of `replicas`.
    pub directories: Vec<DirectoryId>,
    /// Who leads, when anyone does.
    pub leader: Option<BrokerId>,
    /// Whether the leader was elected uncleanly a moment ago.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Counts leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts changes.
    pub partition_epoch: PartitionEpoch,
    /// Replicas that left the ISR while it was below its minimum, and still have all records.
    pub elr: Vec<BrokerId>,
    /// The last leader, kept while there is none.
    pub last_known_elr: Vec<BrokerId>,
}

impl Partition {
    fn created(record: &PartitionRecord) -> Self {
        let mut directories = record.directories.clone();
        directories.resize(record.replicas.len(), DirectoryId::MIGRATING);
        Partition {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing: record.removing_replicas.clone(),
            adding: record.adding_replicas.clone(),
            directories,
            leader: leader(record.leader),
            leader_recovery_state: LeaderRecoveryState::from_number(record.leader_recovery_state)
                .unwrap_or_default(),
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
        }
    }

    /// The partition after `record`.
    pub fn changed(&self, record: &PartitionChangeRecord) -> Self {
        let mut next = self.clone();
        let set = |list: &mut Vec<BrokerId>, new: &Option<Vec<BrokerId>>| {
            if let Some(new) = new {
                list.clone_from(new);
            }
        };
        if let Some(replicas) = &record.replicas {
            next.directories =
                replicas.iter().map(|id| self.directory_or_unassigned(*id)).collect();
            next.replicas.clone_from(replicas);
        }
        if let Some(directories) = &record.directories {
            next.directories.clone_from(directories);
        }
        set(&mut next.isr, &record.isr);
        set(&mut next.removing, &record.removing_replicas);
        set(&mut next.adding, &record.adding_replicas);
        set(&mut next.elr, &record.eligible_leader_replicas);
        set(&mut next.last_known_elr, &record.last_known_elr);
        if record.leader != LEADER_UNCHANGED {
            next.leader = leader(record.leader);
            next.leader_epoch = LeaderEpoch(self.leader_epoch.0.wrapping_add(1));
        }
        if let Some(state) = LeaderRecoveryState::from_number(record.leader_recovery_state) {
            next.leader_recovery_state = state;
        }
        next.partition_epoch = PartitionEpoch(self.partition_epoch.0.wrapping_add(1));
        next
    }

    /// The directory in which `broker` holds its replica.
    pub fn directory(&self, broker: BrokerId) -> Option<DirectoryId> {
        let at = self.replicas.iter().position(|id| *id == broker)?;
        self.directories.get(at).copied()
    }

    fn directory_or_unassigned(&self, broker: BrokerId) -> DirectoryId {
        self.directory(broker).unwrap_or(DirectoryId::UNASSIGNED)
    }

    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// The record that tells the whole partition.
    pub(crate) fn record(
        &self,
        topic_id: TopicId,
        partition_id: PartitionIndex,
    ) -> PartitionRecord {
        let unless_empty = |list: &Vec<BrokerId>| (!list.is_empty()).then(|| list.clone());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: self.leader.unwrap_or(BrokerId(-1)),
            leader_recovery_state: self.leader_recovery_state.number(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
            ..PartitionRecord::default()
        }
    }
}

fn leader(id: BrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(id)
}

/// One topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// What it is known by for good.
    pub id: TopicId,
    /// What clients call it.
    pub name: StrBytes,
    /// Its partitions by index, without gaps from 0.
    pub partitions: SortedMap<PartitionIndex, Arc<Partition>>,
}

impl Topic {
    /// A partition in the place of the one before it when both are the same in every field: with
    /// one broker that is so for all partitions of a topic, which then cost a pointer each.
    fn like_neighbour(&self, index: PartitionIndex, partition: Partition) -> Arc<Partition> {
        let before = index.0.checked_sub(1).map(PartitionIndex);
        let before = before.and_then(|before| self.partitions.get(&before));
        match before {
            Some(before) if **before == partition => Arc::clone(before),
            _ => Arc::new(partition),
        }
    }
}

/// All topics, by id and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topics {
    by_id: SortedMap<TopicId, Arc<Topic>>,
    names: SortedMap<StrBytes, TopicId>,
    /// Names that hold a dot or an underscore, in the one form that metrics have for both.
    alike: SortedMap<(StrBytes, StrBytes), ()>,
}

impl Topics {
    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The topic with that id.
    pub fn get(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// The topic with that name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.get(*self.names.get(name)?)
    }

    /// The id of the topic with that name.
    pub fn id(&self, name: &str) -> Option<TopicId> {
        self.names.get(name).copied()
    }

    /// All topics in the order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Topic>> {
        self.by_id.values()
    }

    /// All names in order, with the ids.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = (&StrBytes, TopicId)> {
        self.names.iter().map(|(name, id)| (name, *id))
    }

    /// A topic whose metrics could not be told from those of a topic named `name`.
    pub fn colliding(&self, name: &str) -> Option<&StrBytes> {
        let form = metric_form(name)?;
        let other = |key: &(StrBytes, StrBytes)| key.0.as_str().cmp(&form);
        let found = self.alike.entry_by(other)?;
        Some(&found.0.1)
    }

    pub(crate) fn by_id(&self) -> &SortedMap<TopicId, Arc<Topic>> {
        &self.by_id
    }

    pub(crate) fn create(&mut self, record: &TopicRecord) {
        let name = StrBytes::copied(&record.name);
        if let Some(form) = metric_form(&name) {
            self.alike.insert((StrBytes::from(form), name.clone()), ());
        }
        self.names.insert(name.clone(), record.topic_id);
        let topic = Topic { id: record.topic_id, name, partitions: SortedMap::default() };
        self.by_id.insert(record.topic_id, Arc::new(topic));
    }

    /// Removes a topic and gives its name.
    pub(crate) fn remove(&mut self, id: TopicId) -> Option<StrBytes> {
        let topic = self.by_id.remove(&id)?;
        if self.names.get(topic.name.as_str()) == Some(&id) {
            self.names.remove(topic.name.as_str());
        }
        if let Some(form) = metric_form(&topic.name) {
            self.alike.remove(&(StrBytes::from(form), topic.name.clone()));
        }
        Some(topic.name.clone())
    }

    pub(crate) fn create_partition(&mut self, record: &PartitionRecord) {
        let Some(topic) = self.by_id.value_mut(&record.topic_id) else { return };
        let index = record.partition_id;
        let partition = topic.like_neighbour(index, Partition::created(record));
        Arc::make_mut(topic).partitions.insert(index, partition);
    }

    pub(crate) fn change_partition(&mut self, record: &PartitionChangeRecord) {
        let Some(topic) = self.by_id.value_mut(&record.topic_id) else { return };
        let index = record.partition_id;
        let Some(partition) = topic.partitions.get(&index) else { return };
        let changed = topic.like_neighbour(index, partition.changed(record));
        Arc::make_mut(topic).partitions.insert(index, changed);
    }

    /// Takes back a record about one partition.
    pub(crate) fn put_back(
        &mut self,
        id: TopicId,
        index: PartitionIndex,
        was: Option<Arc<Partition>>,
    ) {
        let Some(topic) = self.by_id.value_mut(&id) else { return };
        let partitions = &mut Arc::make_mut(topic).partitions;
        match was {
            Some(was) => drop(partitions.insert(index, was)),
            None => drop(partitions.remove(&index)),
        }
    }

    /// Forgets eligible leader replicas of one topic, or of all when `name` is empty.
    pub(crate) fn clear_elr(&mut self, name: &str) {
        let ids: Vec<TopicId> = match name {
            "" => self.by_id.keys().copied().collect(),
            name => self.id(name).into_iter().collect(),
        };
        for id in ids {
            let Some(topic) = self.by_id.get(&id) else { continue };
            let holds = |partition: &Partition| {
                !partition.elr.is_empty() || !partition.last_known_elr.is_empty()
            };
            let indexes: Vec<PartitionIndex> = topic
                .partitions
                .iter()
                .filter(|(_, partition)| holds(partition))
                .map(|(index, _)| *index)
                .collect();
            if indexes.is_empty() {
                continue;
            }
            let Some(topic) = self.by_id.value_mut(&id) else { continue };
            for index in indexes {
                if let Some(partition) = Arc::make_mut(topic).partitions.value_mut(&index) {
                    let partition = Arc::make_mut(partition);
                    partition.elr.clear();
                    partition.last_known_elr.clear();
                }
            }
        }
    }
}

/// The name as metrics show it, when that may be another topic's as well.
fn metric_form(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}
