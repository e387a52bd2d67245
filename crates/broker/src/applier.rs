//! Makes the broker what the metadata says: partitions, their leaders, configs.
//!
//! Called with one image after another, in order, by one caller. Must hold: nothing but an image
//! brings a partition into being or takes it away.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_env::Spawner;
use ottla_metadata::{
    Changes, ConfigResource, Image, MetadataVersion, Partition as Assigned, ResourceType, Topic,
};
use ottla_metrics::TopicTraffic;
use ottla_replication::Leadership;
use ottla_storage::{LogConfig, LogDirs, StorageError};
use ottla_wire::{BrokerId, DirectoryId, LeaderEpoch, PartitionIndex, Timestamp, TopicId};

use crate::configs::log_config;
use crate::context::Rooms;
use crate::coordinated::CoordinatedLog;
use crate::partition::Partition;
use crate::topics;

/// A partition epoch's leader when there is none.
const NOBODY: BrokerId = BrokerId(-1);
/// Above every epoch: whoever led before leads no longer.
const LAST_EPOCH: LeaderEpoch = LeaderEpoch(i32::MAX);

/// What all partitions of a topic have in common: looked up once for all of them, and kept once.
struct OfTopic {
    id: TopicId,
    name: Arc<str>,
    min_isr: usize,
    config: Arc<LogConfig>,
    traffic: Arc<TopicTraffic>,
}

/// Brings images to the rooms of one broker.
pub(crate) struct Applier {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) dirs: Arc<LogDirs>,
    pub(crate) tasks: Spawner,
}

impl Applier {
    /// Takes over what `new` says and `old` did not. Answers whether other log directories are
    /// cordoned than before.
    pub(crate) fn apply(&self, old: &Image, new: &Image) -> bool {
        let changes = new.changes_since(old);
        if changes.is_empty() {
            return false;
        }
        let mut is_cordoned = false;
        let of_brokers = changes.configs.iter().any(|of| of.kind == ResourceType::BROKER);
        if of_brokers {
            self.rooms.configs.apply(new);
            is_cordoned = self.rooms.cordon();
        }
        let of_groups = changes.configs.iter().any(|of| of.kind == ResourceType::GROUP);
        if of_brokers || of_groups || changes.features {
            self.rooms.configure_coordinators(new);
        }
        if old.security().quotas.is_empty() && !new.security().quotas.is_empty() {
            // Once: what users expect of a limit does not happen yet.
            tracing::warn!("client quotas are kept and described, and nobody is held to them");
        }
        let of_clients = |of: &ConfigResource| of.kind == ResourceType::CLIENT_METRICS;
        if let Some(telemetry) = &self.rooms.telemetry
            && changes.configs.iter().any(of_clients)
        {
            telemetry.configure(new);
        }
        self.delete(old, &changes);
        for id in &changes.topics_created {
            if let Some(topic) = new.topic(*id) {
                self.rooms.partitions.add_topic(*id, &Arc::from(&*topic.name));
            }
        }
        let count = |home: &str| i32::try_from(new.topic_by_name(home)?.partitions.len()).ok();
        self.rooms.groups.partitions(count(topics::CONSUMER_OFFSETS));
        self.rooms.transactions.partitions(count(topics::TRANSACTION_STATE));
        self.rooms.shares.partitions(count(topics::SHARE_GROUP_STATE));
        let was_here = old.broker(self.rooms.broker_id).is_some();
        let is_new = |id| was_here && old.topic(id).is_none();
        self.assign_all(new, changes.partitions(new), is_new);
        self.configure(new, &changes);
        // Members want to know of new partitions; racks come with brokers.
        let of_topics = [&changes.topics_created, &changes.topics_deleted];
        let is_changed = of_topics.iter().any(|topics| !topics.is_empty())
            || !changes.topics_changed.is_empty()
            || !changes.brokers.is_empty();
        if is_changed {
            self.rooms.groups.topics_changed(new.provenance().offset);
        }
        is_cordoned
    }

    /// Serves the partitions whose logs were opened since the last call, as `image` says, which is
    /// the one that was applied last. Once all are open, those that have no log get one, and logs
    /// of topics that were deleted meanwhile go.
    pub(crate) fn take_over_opened(&self, image: &Image) {
        let is_loaded = self.dirs.is_loaded();
        let mut opened = self.dirs.take_opened();
        match is_loaded {
            true => opened = self.rooms.partitions.loading(),
            false => opened.retain(|(id, index)| self.rooms.partitions.is_loading(*id, *index)),
        }
        opened.sort_unstable();
        self.assign_all(image, opened.into_iter(), |_| false);
        if !is_loaded {
            return;
        }
        let now = Timestamp(self.rooms.env.now_ms());
        for ((id, index), log) in self.dirs.logs() {
            if image.topic(id).is_none()
                && let Err(error) = self.dirs.delete(id, index, now)
            {
                tracing::error!(log = log.name(), %error, "deleting a partition failed");
            }
        }
    }

    fn delete(&self, old: &Image, changes: &Changes) {
        let mut deleted = Vec::new();
        for id in &changes.topics_deleted {
            for partition in self.rooms.partitions.remove_topic(*id) {
                partition.remove();
                let now = Timestamp(self.rooms.env.now_ms());
                self.resign(&partition, LAST_EPOCH);
                if let Err(error) = self.dirs.delete(*id, partition.index, now) {
                    let (topic, partition) = (&partition.topic, partition.index);
                    tracing::error!(%topic, %partition, %error, "deleting a partition failed");
                }
            }
            let Some(topic) = old.topic(*id) else { continue };
            deleted.push((topic.name.clone(), *id));
        }
        if !deleted.is_empty() {
            self.rooms.groups.topics_deleted(&deleted);
            self.rooms.shares.topics_deleted(&deleted);
            self.rooms.share_partitions.forget_topics(&deleted);
        }
    }

    /// Takes over what `image` says of partitions, which come topic by topic. `is_new` tells that a
    /// topic's partitions cannot have been here before.
    fn assign_all(
        &self,
        image: &Image,
        partitions: impl Iterator<Item = (TopicId, PartitionIndex)>,
        is_new: impl Fn(TopicId) -> bool,
    ) {
        let mut known: Option<OfTopic> = None;
        for (id, index) in partitions {
            let Some(topic) = image.topic(id) else { continue };
            let Some(assigned) = topic.partitions.get(&index) else { continue };
            let of = match known.take_if(|known| known.id == id) {
                Some(of) => of,
                None => self.of_topic(image, topic),
            };
            let of = known.insert(of);
            self.assign(image, topic, of, index, assigned, is_new(id));
        }
    }

    fn of_topic(&self, image: &Image, topic: &Topic) -> OfTopic {
        let config = self.rooms.configs.topic(image, &topic.name);
        let name = self.rooms.partitions.topic_name(topic.id);
        OfTopic {
            id: topic.id,
            name: name.unwrap_or_else(|| Arc::from(&*topic.name)),
            min_isr: usize::try_from(config.min_insync_replicas).unwrap_or(1),
            config: Arc::new(log_config(&config, &self.rooms.configs.now())),
            traffic: self.rooms.partitions.traffic(topic.id),
        }
    }

    /// `is_new` tells that the partition cannot have been here before.
    fn assign(
        &self,
        image: &Image,
        topic: &Topic,
        of: &OfTopic,
        index: PartitionIndex,
        assigned: &Assigned,
        is_new: bool,
    ) {
        if !assigned.replicas.contains(&self.rooms.broker_id) {
            return;
        }
        if !is_new && !self.dirs.can_serve(topic.id, &topic.name, index) {
            self.rooms.partitions.add_loading(topic.id, index);
            return;
        }
        let partition = match self.open(image, of, index, assigned, is_new) {
            Ok(partition) => partition,
            Err(error) => {
                self.rooms.partitions.add_offline(topic.id, index);
                let topic = &topic.name;
                tracing::error!(%topic, partition = %index, %error, "opening a partition failed");
                return;
            }
        };
        let leadership = Leadership {
            leader: assigned.leader.unwrap_or(NOBODY),
            leader_epoch: assigned.leader_epoch,
            replicas: assigned.replicas.clone(),
            isr: assigned.isr.clone(),
            min_isr: of.min_isr,
        };
        if let Err(error) = partition.assign(&leadership) {
            let topic = &topic.name;
            tracing::error!(%topic, partition = %index, %error, "taking over a leader failed");
        }
        // After a start the end of the log may be on the disk without anybody knowing it.
        if partition.hides_unsynced() {
            partition.sync_soon(&self.rooms.env, &self.tasks);
        }
        if topics::is_coordinated(&topic.name) {
            self.coordinate(partition, assigned.leader, assigned.leader_epoch);
        }
    }

    /// Serves what lives on a partition of a coordinator's topic, or ceases to.
    fn coordinate(&self, home: Arc<Partition>, leader: Option<BrokerId>, epoch: LeaderEpoch) {
        if leader != Some(self.rooms.broker_id) {
            self.resign(&home, epoch);
            return;
        }
        let index = home.index;
        let topic = Arc::clone(&home.topic);
        let (env, tasks) = (self.rooms.env.clone(), self.tasks.clone());
        let log = Arc::new(CoordinatedLog { partition: home, env, tasks });
        match &*topic {
            topics::CONSUMER_OFFSETS => self.rooms.groups.lead(index, epoch, log),
            topics::TRANSACTION_STATE => self.rooms.transactions.lead(index, epoch, log),
            _ => self.rooms.shares.lead(index, epoch, log),
        }
    }

    /// Ceases to serve what lives on a partition, if anything does.
    fn resign(&self, home: &Partition, epoch: LeaderEpoch) {
        match &*home.topic {
            topics::CONSUMER_OFFSETS => self.rooms.groups.resign(home.index, epoch),
            topics::TRANSACTION_STATE => self.rooms.transactions.resign(home.index, epoch),
            topics::SHARE_GROUP_STATE => self.rooms.shares.resign(home.index, epoch),
            _ => {}
        }
    }

    fn open(
        &self,
        image: &Image,
        of: &OfTopic,
        index: PartitionIndex,
        assigned: &Assigned,
        is_new: bool,
    ) -> Result<Arc<Partition>, StorageError> {
        if let Some(partition) = self.rooms.partitions.held(of.id, index) {
            return Ok(partition);
        }
        let (me, config) = (self.rooms.broker_id, Arc::clone(&of.config));
        let now = Timestamp(self.rooms.env.now_ms());
        let known = assigned.directory(me);
        // The controller was not told yet where an older replica is: that may be a directory that
        // is offline now, and an empty replica elsewhere would take its place.
        let is_unassigned = known == Some(DirectoryId::UNASSIGNED);
        let place = known.map(|id| if is_unassigned && !is_new { DirectoryId::LOST } else { id });
        let log = self.dirs.create(of.id, &of.name, index, place, Arc::clone(&config), now)?;
        // A log that was opened at the start may not have known its topic's configs.
        log.configure(config);
        let (name, traffic) = (Arc::clone(&of.name), Arc::clone(&of.traffic));
        let partition = Arc::new(Partition::new(me, of.id, name, index, log, traffic));
        self.rooms.partitions.add(Arc::clone(&partition));
        self.tell_directory(image, &partition, known);
        Ok(partition)
    }

    /// Lets the controller know where a replica is, unless it does or the replica is on its way
    /// there.
    fn tell_directory(&self, image: &Image, partition: &Partition, known: Option<DirectoryId>) {
        let key = (partition.topic_id, partition.index);
        let (here, future) = self.dirs.directory_of(key.0, key.1);
        let is_served = image.features().metadata_version() >= MetadataVersion::DIRECTORIES;
        let is_new = here != known && (future.is_none() || future != known);
        if let Some(here) = here.filter(|_| is_served && known.is_some() && is_new) {
            self.rooms.assignments.tell(key, here);
        }
    }

    /// Gives logs the configs that hold for them now.
    fn configure(&self, image: &Image, changes: &Changes) {
        let brokers_changed = changes.configs.iter().any(|of| of.kind == ResourceType::BROKER);
        let of_topics = changes.configs.iter().filter(|of| of.kind == ResourceType::TOPIC);
        let changed: BTreeSet<TopicId> =
            of_topics.filter_map(|of| image.topics().id(&of.name)).collect();
        if !brokers_changed && changed.is_empty() {
            return;
        }
        let mut affected = self.rooms.partitions.all();
        affected.retain(|it| brokers_changed || changed.contains(&it.topic_id));
        let mut known: Option<OfTopic> = None;
        for partition in &affected {
            let Some(topic) = image.topic(partition.topic_id) else { continue };
            let of = match known.take_if(|known| known.id == topic.id) {
                Some(of) => of,
                None => self.of_topic(image, topic),
            };
            partition.log().configure(Arc::clone(&known.insert(of).config));
        }
        // min.insync.replicas may be another one.
        let affected = affected.iter().map(|partition| (partition.topic_id, partition.index));
        self.assign_all(image, affected, |_| false);
    }
}
