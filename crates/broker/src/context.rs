//! What a handler may reach: the rooms of the broker, and the request it is in.
//!
//! Handlers take what they need from [`Rooms`] field by field; nothing takes the whole broker.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_coordination::{
    Caller, ClusterTopics, GroupCoordinator, ShareCoordinator, TransactionCoordinator,
};
use ottla_env::Env;
use ottla_metadata::{Broker, Endpoint, Image};
use ottla_net::{Channel, ConnectionInfo};
use ottla_security::{Authorizer, Operation, Resource};
use ottla_storage::LogDirs;
use ottla_wire::{
    ApiKey, BrokerEpoch, BrokerId, ErrorCode, Offset, PartitionIndex, ProducerId, StrBytes,
    Timestamp, TopicId,
};
use tokio::sync::watch;

use crate::assignments::Assignments;
use crate::configs::{self, Configs};
use crate::fetch_sessions::FetchSessions;
use crate::internal_topics::InternalTopics;
use crate::moves::Moves;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::share_partitions::SharePartitions;
use crate::telemetry::Telemetry;
use crate::topic_creation::TopicCreation;

/// The parts of a broker that handlers work with.
pub(crate) struct Rooms {
    pub(crate) env: Env,
    pub(crate) broker_id: BrokerId,
    pub(crate) cluster_id: String,
    pub(crate) kraft_version: i16,
    pub(crate) configs: Configs,
    /// `fetch.max.bytes`, which cannot change at run time.
    pub(crate) fetch_bytes_max: usize,
    /// `unstable.api.versions.enable`, which cannot change at run time.
    pub(crate) serves_drafts: bool,
    pub(crate) image: watch::Receiver<Arc<Image>>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) dirs: Arc<LogDirs>,
    /// Which of these directories replicas are in, as the controller is told.
    pub(crate) assignments: Assignments,
    pub(crate) moves: Moves,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) groups: Arc<GroupCoordinator>,
    pub(crate) transactions: Arc<TransactionCoordinator>,
    pub(crate) shares: Arc<ShareCoordinator>,
    pub(crate) share_partitions: SharePartitions,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) topic_creation: TopicCreation,
    pub(crate) internal_topics: InternalTopics,
    pub(crate) controller: Channel,
    pub(crate) authorizer: Authorizer,
    /// Who takes metrics of clients, where one is configured.
    pub(crate) telemetry: Option<Telemetry>,
}

impl Rooms {
    /// Lets the coordinators go by the configs and features that hold now.
    pub(crate) fn configure_coordinators(&self, image: &Image) {
        let settings = self.configs.now();
        self.groups.configure(configs::group_settings(&settings, image));
        self.transactions.configure(configs::transaction_settings(&settings, image.features()));
        self.shares.configure(configs::share_settings(&settings));
    }

    /// A producer id that nobody has had.
    pub(crate) async fn next_producer_id(&self) -> Result<ProducerId, ErrorCode> {
        let epoch = self.broker_epoch();
        self.producer_ids.next(&self.controller, self.broker_id, epoch).await
    }

    /// Keeps new replicas out of the directories that are cordoned now. Answers whether they were
    /// others before.
    pub(crate) fn cordon(&self) -> bool {
        let settings = self.configs.now();
        let cordoned = &settings.log.cordoned_log_dirs;
        let is_cordoned =
            |dir: &&str| cordoned.iter().any(|cordoned| cordoned == "*" || cordoned == dir);
        let dirs = settings.log_dirs().into_iter();
        self.dirs.cordon(dirs.filter(is_cordoned).map(PathBuf::from).collect())
    }

    /// The epoch of this broker's registration; -1 before it is known.
    pub(crate) fn broker_epoch(&self) -> BrokerEpoch {
        let image = self.image.borrow();
        image.broker(self.broker_id).map_or(BrokerEpoch(-1), |broker| broker.epoch)
    }
}

/// One request, and where it came from.
#[derive(Clone)]
pub(crate) struct Ctx {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) connection: Arc<ConnectionInfo>,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<StrBytes>,
}

impl Ctx {
    /// The cluster as this broker knows it.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.rooms.image.borrow().clone()
    }

    /// Whether the client may do this.
    pub(crate) fn allows(&self, operation: Operation, on: Resource<'_>) -> bool {
        self.rooms.authorizer.allows(&self.connection.principal, operation, on)
    }

    /// A partition by its topic's name, when the client may do this to it.
    pub(crate) fn partition(
        &self,
        operation: Operation,
        topic: &str,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        if !self.allows(operation, Resource::Topic(topic)) {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        self.rooms.partitions.find_named(topic, index)
    }

    /// Where these brokers are for the client, in an answer's own words.
    pub(crate) fn endpoints<T>(
        &self,
        brokers: &BTreeSet<BrokerId>,
        tell: impl Fn(&Broker, &Endpoint) -> T,
    ) -> Vec<T> {
        if brokers.is_empty() {
            return Vec::new();
        }
        let image = self.image();
        let known = brokers.iter().filter_map(|id| image.broker(*id));
        let told = known
            .filter_map(|broker| Some(tell(broker, broker.endpoint(&self.connection.listener)?)));
        told.collect()
    }

    /// What the client may do to `on`, as a bit field.
    pub(crate) fn allowed_operations(&self, on: Resource<'_>) -> i32 {
        self.rooms.authorizer.allowed_operations(&self.connection.principal, on)
    }

    /// Who asks, as coordinators remember members.
    pub(crate) fn caller(&self) -> Caller {
        let client_id = self.client_id.clone().unwrap_or_default();
        Caller { client_id, client_host: Arc::clone(&self.connection.host) }
    }

    /// The topics of the cluster, as coordinators ask for them.
    pub(crate) fn topics(&self) -> ImageTopics {
        ImageTopics { image: self.image(), asker: Some(self.clone()) }
    }

    /// Whether KIP-848 groups are served: the cluster has them and this broker may.
    pub(crate) fn serves_consumer_groups(&self) -> bool {
        self.serves_groups("group.version", "consumer")
    }

    /// The same of streams groups.
    pub(crate) fn serves_streams_groups(&self) -> bool {
        self.serves_groups("streams.version", "streams")
    }

    fn serves_groups(&self, feature: &str, protocol: &str) -> bool {
        let settings = self.rooms.configs.now();
        let protocols = &settings.groups.coordinator_rebalance_protocols;
        self.image().features().level(feature) > 0
            && protocols.iter().any(|served| served == protocol)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.rooms.env.now_ms())
    }
}

/// Whether the cluster has a partition.
pub(crate) fn has_partition(image: &Image, topic: TopicId, partition: PartitionIndex) -> bool {
    image.topic(topic).is_some_and(|topic| topic.partitions.get(&partition).is_some())
}

/// The topics of an image, as far as somebody asks for them.
#[derive(Clone)]
pub(crate) struct ImageTopics {
    image: Arc<Image>,
    /// Whose rights count; none when nobody asks.
    asker: Option<Ctx>,
}

/// The topics of the newest image.
pub(crate) struct NewestTopics(pub(crate) watch::Receiver<Arc<Image>>);

impl ClusterTopics for NewestTopics {
    fn topics(&self) -> Box<dyn ottla_groups::Topics + '_> {
        Box::new(ImageTopics { image: self.0.borrow().clone(), asker: None })
    }
}

impl ottla_groups::Topics for ImageTopics {
    fn id(&self, name: &str) -> Option<TopicId> {
        self.image.topics().id(name)
    }

    fn name(&self, id: TopicId) -> Option<StrBytes> {
        self.image.topic(id).map(|topic| topic.name.clone())
    }

    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool {
        let topic = self.image.topic_by_name(name);
        topic.is_some_and(|topic| topic.partitions.get(&partition).is_some())
    }

    fn partition_count(&self, id: TopicId) -> i32 {
        let count = self.image.topic(id).map_or(0, |topic| topic.partitions.len());
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    fn racks(&self, id: TopicId, partition: PartitionIndex) -> Vec<StrBytes> {
        let topic = self.image.topic(id);
        let assigned = topic.and_then(|topic| topic.partitions.get(&partition));
        let replicas = assigned.into_iter().flat_map(|assigned| &assigned.replicas);
        let brokers = replicas.filter_map(|id| self.image.broker(*id));
        let mut racks: Vec<StrBytes> = brokers.filter_map(|broker| broker.rack.clone()).collect();
        racks.sort();
        racks
    }

    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        let names = self.image.topics().names().map(|(name, _)| name);
        let may_ask = |name: &str| match &self.asker {
            Some(asker) => asker.allows(Operation::Describe, Resource::Topic(name)),
            None => false,
        };
        let describable = names.filter(|name| may_ask(name));
        describable.for_each(|name| show(name));
    }

    fn version(&self) -> Offset {
        self.image.provenance().offset
    }
}
