//! One broker as a value: made of its rooms, fed with images, asked as a service.
//!
//! The node opens the log directories and the quorum before, and registers the broker after.

use std::sync::Arc;

use ottla_coordination::{GroupCoordinator, ShareCoordinator, TransactionCoordinator};
use ottla_env::{Env, Tasks};
use ottla_metadata::Image;
use ottla_metrics::Metrics;
use ottla_net::{Channel, Service};
use ottla_security::Authorizer;
use ottla_settings::Settings;
use ottla_storage::LogDirs;
use ottla_storage::dirs::ConfigOf;
use ottla_wire::BrokerId;
use tokio::sync::watch;

use crate::applier::Applier;
use crate::assignments::{self, Assignments};
use crate::cleaner;
use crate::configs::{Configs, group_settings, log_config, share_settings, transaction_settings};
use crate::context::{NewestTopics, Rooms};
use crate::fetch_sessions::FetchSessions;
use crate::internal_topics::InternalTopics;
use crate::moves::{self, Moves};
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::service::BrokerService;
use crate::share_partitions::SharePartitions;
use crate::telemetry::{RECEIVER, Telemetry};
use crate::topic_creation::TopicCreation;
use crate::transaction_markers::Surroundings;
use crate::upkeep;

/// What a broker is made of.
pub struct BrokerParts {
    /// The world.
    pub env: Env,
    /// Its id.
    pub id: BrokerId,
    /// The cluster's id.
    pub cluster_id: String,
    /// The level of `kraft.version`, which no image tells.
    pub kraft_version: i16,
    /// What the node was started with.
    pub settings: Settings,
    /// The log directories, with every partition in them opened.
    pub dirs: Arc<LogDirs>,
    /// The cluster as it changes.
    pub image: watch::Receiver<Arc<Image>>,
    /// The way to the active controller.
    pub controller: Channel,
    /// Who may do what.
    pub authorizer: Authorizer,
    /// Where the node counts.
    pub metrics: Arc<Metrics>,
}

/// The receiver of clients' metrics, where the node is to have one.
fn telemetry(settings: &Settings) -> Option<Telemetry> {
    let mut reporters = settings.metrics.metric_reporters.iter();
    reporters.any(|name| name == RECEIVER).then(Telemetry::default)
}

/// The data plane of a node. Dropping it ends its tasks.
pub struct Broker {
    pub(crate) applier: Applier,
    tasks: Tasks,
}

impl Broker {
    /// A broker that holds no partition until the first image is applied.
    pub fn new(parts: BrokerParts) -> Broker {
        let BrokerParts { env, id, cluster_id, settings, dirs, image, controller, .. } = parts;
        let tasks = env.tasks();
        let group_settings = group_settings(&settings, &image.borrow());
        let topics = Arc::new(NewestTopics(image.clone()));
        let groups = GroupCoordinator::start(env.clone(), group_settings, topics);
        let shares = ShareCoordinator::start(env.clone(), share_settings(&settings), ());
        let transaction_settings = transaction_settings(&settings, image.borrow().features());
        let sessions = settings.log.max_incremental_fetch_session_cache_slots;
        let share_sessions = settings.share_groups.max_share_sessions;
        let share_sessions = usize::try_from(share_sessions).unwrap_or(0);
        let moves = Moves::new(&settings, tasks.spawner());
        let rooms = Arc::new_cyclic(|rooms| Rooms {
            assignments: Assignments::default(),
            moves,
            broker_id: id,
            cluster_id,
            kraft_version: parts.kraft_version,
            telemetry: telemetry(&settings),
            fetch_bytes_max: usize::try_from(settings.log.fetch_max_bytes).unwrap_or(0),
            fetch_sessions: FetchSessions::new(usize::try_from(sessions).unwrap_or(0)),
            serves_drafts: settings.node.unstable_api_versions_enable,
            configs: Configs::new(id, settings),
            image,
            partitions: Arc::new(Partitions::new(Arc::clone(&parts.metrics.traffic))),
            dirs: Arc::clone(&dirs),
            groups: Arc::new(groups),
            shares: Arc::new(shares),
            share_partitions: SharePartitions::new(share_sessions, tasks.spawner()),
            transactions: Arc::new(TransactionCoordinator::start(
                env.clone(),
                transaction_settings,
                Arc::new(Surroundings(rooms.clone())),
            )),
            producer_ids: ProducerIds::default(),
            topic_creation: TopicCreation::new(controller.clone(), tasks.spawner()),
            internal_topics: InternalTopics::new(tasks.spawner()),
            controller,
            authorizer: parts.authorizer,
            env,
        });
        upkeep::spawn(&rooms, &tasks);
        cleaner::spawn(&rooms, &tasks);
        assignments::spawn(&rooms, &tasks);
        let applier = Applier { rooms, dirs, tasks: tasks.spawner() };
        Broker { applier, tasks }
    }

    /// Takes over what `new` says and `old` did not; images come in order, from one caller.
    /// Answers whether the controller should hear of it before the next heartbeat is due: other
    /// log directories are cordoned.
    pub fn apply(&self, old: &Image, new: &Image) -> bool {
        self.applier.apply(old, new)
    }

    /// Serves the partitions whose logs were opened since the last call; `image` is the one that
    /// was applied last, and the caller is whoever applies images.
    pub fn take_over_opened(&self, image: &Image) {
        self.applier.take_over_opened(image);
    }

    /// Goes on with the moves between log directories that a restart has interrupted; once the
    /// first image is applied.
    pub fn go_on_moving(&self) {
        moves::go_on_with_all(&self.applier.rooms);
    }

    /// What the logs of each topic go by, as `image` says; for opening them before it is applied.
    pub fn log_configs(&self, image: Arc<Image>) -> Arc<ConfigOf> {
        let rooms = Arc::clone(&self.applier.rooms);
        rooms.configs.apply(&image);
        rooms.cordon();
        Arc::new(move |topic| {
            let config = rooms.configs.topic(&image, topic);
            Arc::new(log_config(&config, &rooms.configs.now()))
        })
    }

    /// Whoever answers clients.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(BrokerService(Arc::clone(&self.applier.rooms)))
    }

    /// Ends when something that runs by itself has failed, and says what.
    pub async fn failed(&self) -> String {
        self.tasks.failed().await.to_string()
    }

    /// Ends what runs by itself; the log directories stay open for whoever closes them.
    pub async fn stop(&self) {
        self.applier.rooms.transactions.stop().await;
        self.applier.rooms.groups.stop().await;
        self.applier.rooms.shares.stop().await;
        self.tasks.shutdown().await;
    }
}
