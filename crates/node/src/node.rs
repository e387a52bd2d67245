//! A node from start to stop, in order.
//!
//! Start: ports, folders, quorum, controller's listener, registration, logs, the first image,
//! unfencing, brokers' listeners. Stop is the same backwards, after the controller has moved
//! everything away. Must hold: a node that was dropped leaves no task, port or lock behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker::{Broker, BrokerParts};
use ottla_env::{Env, Task, Tasks};
use ottla_metadata::{Feature, Image};
use ottla_net::{BoundListener, Channel, Limits, Server};
use ottla_quorum::{Opening as QuorumOpening, Quorum};
use ottla_security::Authorizer;
use ottla_settings::{Endpoint, Settings};
use ottla_storage::LogDirs;
use ottla_wire::{BrokerEpoch, BrokerId, DirectoryId};
use tokio::sync::{Notify, watch};

use crate::error::StartError;
use crate::failures::Failures;
use crate::folders::Folders;
use crate::format;
use crate::lifecycle::{Lifecycle, Registration, ToldListener, register_controller};
use crate::listeners::{Address, addresses, bind, told};
use crate::outlook::{Outlook, Stage, Window};
use crate::patience;
use crate::recovery::{Following, Recovery, recovery_failed};
use crate::room::Room;

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its configuration.
    pub settings: Settings,
    /// The id of a cluster that has yet to be formatted (`CLUSTER_ID`); none for a random one.
    pub cluster_id: Option<String>,
}

/// A running node. Dropping it is a crash: what was acknowledged is there at the next start.
pub struct Node {
    env: Env,
    addresses: Vec<Address>,
    folders: Vec<PathBuf>,
    served: Served,
    quorum: Quorum,
    dirs: Folders,
    outlook: Arc<Outlook>,
    window: Window,
}

/// The two halves' sockets, bound and not yet served.
struct Bound {
    broker: Vec<BoundListener>,
    controller: Vec<BoundListener>,
}

/// What a node consists of above its folders and its quorum.
struct Served {
    lifecycle: Arc<Lifecycle>,
    heartbeats: Task,
    broker_server: Server,
    controller_server: Server,
    broker: Arc<Broker>,
    tasks: Tasks,
    room: Room,
    recovery: watch::Receiver<Option<String>>,
}

/// What a half-started node is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) env: &'a Env,
    pub(crate) settings: &'a Settings,
    pub(crate) dirs: &'a Folders,
    quorum: &'a Quorum,
    outlook: &'a Arc<Outlook>,
    to_brokers: &'a [ToldListener],
    to_controllers: &'a [ToldListener],
}

impl Node {
    /// Starts a node; returns when clients are served.
    ///
    /// # Errors
    /// A port, a folder, the metadata log or the configuration is at fault. Nothing of the node
    /// is left then.
    pub async fn start(env: &Env, opening: Opening) -> Result<Node, StartError> {
        check_served(&opening.settings)?;
        let listeners = &opening.settings.listeners;
        let bound = Bound {
            broker: bind_all(env, &opening.settings, &listeners.broker).await?,
            controller: bind_all(env, &opening.settings, &listeners.controller).await?,
        };
        let outlook = Outlook::new(env, &opening.settings);
        let window = Window::open(env, &opening.settings, &outlook).await?;
        match Node::open(env, opening, bound, outlook).await {
            Ok(mut node) => {
                node.addresses.extend(window.addresses.iter().cloned());
                Ok(Node { window, ..node })
            }
            Err(error) => {
                window.close().await;
                Err(error)
            }
        }
    }

    /// Opens everything behind the listeners.
    async fn open(
        env: &Env,
        opening: Opening,
        bound: Bound,
        outlook: Arc<Outlook>,
    ) -> Result<Node, StartError> {
        let Opening { settings, cluster_id } = opening;
        let addresses = addresses(bound.broker.iter().chain(&bound.controller));
        let to_brokers = told_all(env, &settings.listeners.advertised, &bound.broker);
        let to_controllers =
            told_all(env, &settings.listeners.advertised_controller, &bound.controller);
        let dirs = open_dirs(env, &settings, cluster_id, &to_controllers).await?;
        let quorum = start_quorum(env, &settings, &dirs, &to_controllers).await?;
        outlook.opened(&dirs.logs, &quorum);
        let parts = Parts {
            env,
            settings: &settings,
            dirs: &dirs,
            quorum: &quorum,
            outlook: &outlook,
            to_brokers: &to_brokers,
            to_controllers: &to_controllers,
        };
        let served = tokio::select! {
            biased;
            why = quorum.failed() => Err(StartError::Registration(why)),
            served = serve(parts, bound) => served,
        };
        match served {
            Ok(served) => {
                let (env, folders) = (env.clone(), format::all_dirs(&settings));
                let window = Window::default();
                Ok(Node { env, addresses, folders, served, quorum, dirs, outlook, window })
            }
            Err(error) => {
                outlook.has_nothing();
                quorum.abandon().await;
                Err(error)
            }
        }
    }

    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Its folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        self.dirs.logs.cluster_id()
    }

    /// Ends when the node cannot go on, and says why: its owner should end it.
    pub async fn failed(&self) -> String {
        let why = tokio::select! {
            biased;
            // A failed folder is the cause of what the others say.
            why = self.served.lifecycle.failures.fatal(&self.env) => why,
            why = self.quorum.failed() => why,
            why = recovery_failed(&self.served.recovery) => why,
            failure = self.served.tasks.failed() => failure.to_string(),
            failure = self.served.broker.failed() => failure,
        };
        self.outlook.failed(&why);
        why
    }

    /// Ends when a disk is so full that the node has to stop while it can do so in order, and says
    /// so: its owner should stop it.
    pub async fn out_of_room(&self) -> String {
        self.served.room.used_up().await
    }

    /// Stops it so that the next start is a clean one.
    pub async fn stop(self) {
        let Served {
            lifecycle, heartbeats, broker_server, controller_server, broker, tasks, ..
        } = self.served;
        self.outlook.reached(Stage::Leaving);
        // A heartbeat behind the last one of the shutdown would bring the broker back.
        heartbeats.abort();
        heartbeats.join().await;
        lifecycle.shut_down().await;
        self.outlook.reached(Stage::Closing);
        self.outlook.has_nothing();
        broker_server.stop().await;
        broker.stop().await;
        tasks.shutdown().await;
        controller_server.stop().await;
        if let Err(error) = self.quorum.stop().await {
            tracing::error!(%error, "the metadata log was not closed cleanly");
        }
        let logs = Arc::clone(&self.dirs.logs);
        let (dirs, epoch) = (self.dirs, lifecycle.epoch);
        let closed = self.env.blocking(move || dirs.close(epoch));
        patience::told(&self.env, closed, |taken| patience::closing(&logs, taken)).await;
        self.window.close().await;
    }

    /// Ends it as kill -9 would, and returns when nothing of it is left.
    pub async fn crash(self) {
        self.window.close().await;
        let Served { broker_server, controller_server, broker, tasks, .. } = self.served;
        broker_server.stop().await;
        controller_server.stop().await;
        tasks.shutdown().await;
        broker.stop().await;
        self.quorum.abandon().await;
    }
}

/// Refuses what the configuration asks for and nobody here does.
fn check_served(settings: &Settings) -> Result<(), StartError> {
    settings.check_served().map_err(|error| StartError::NotServed(error.to_string()))?;
    if !settings.is_broker() || !settings.is_controller() {
        let roles = settings.node.process_roles.join(",");
        return Err(StartError::NotServed(format!(
            "process.roles={roles} is not served yet: a node is broker and controller, \
             process.roles=broker,controller"
        )));
    }
    let guarded =
        settings.listeners.all().find(|it| it.protocol.has_tls() || it.protocol.has_sasl());
    match guarded {
        None => Ok(()),
        Some(listener) => Err(StartError::NotServed(format!(
            "listener {listener} asks for {}: only PLAINTEXT is served yet",
            listener.protocol.name()
        ))),
    }
}

async fn bind_all(
    env: &Env,
    settings: &Settings,
    endpoints: &[Endpoint],
) -> Result<Vec<BoundListener>, StartError> {
    let mut bound = Vec::new();
    for endpoint in endpoints {
        bound.extend(bind(env, &settings.network, "listeners", endpoint).await?);
    }
    Ok(bound)
}

fn told_all(env: &Env, endpoints: &[Endpoint], bound: &[BoundListener]) -> Vec<ToldListener> {
    let told = endpoints.iter().map(|endpoint| ToldListener {
        at: told(env, endpoint, bound),
        protocol: endpoint.protocol,
    });
    told.collect()
}

async fn open_dirs(
    env: &Env,
    settings: &Settings,
    cluster_id: Option<String>,
    to_controllers: &[ToldListener],
) -> Result<Folders, StartError> {
    let (world, settings) = (env.clone(), settings.clone());
    let endpoints: Vec<_> = to_controllers.iter().map(|told| told.at.clone()).collect();
    env.blocking(move || {
        format::format_if_new(&world, &settings, cluster_id.as_deref(), &endpoints)?;
        let folders = Folders::open(&world, &settings)?;
        tell_other_cluster(cluster_id.as_deref(), folders.logs.cluster_id());
        Ok(folders)
    })
    .await
}

/// Says that folders formatted earlier keep their cluster, whatever id a new one was to have.
fn tell_other_cluster(asked: Option<&str>, cluster_id: &str) {
    if let Some(asked) = asked.filter(|asked| *asked != cluster_id) {
        tracing::warn!(
            asked,
            cluster_id,
            "CLUSTER_ID names another cluster than the folders belong to: it is not used; \
             for a new cluster name empty folders in log.dirs"
        );
    }
}

async fn start_quorum(
    env: &Env,
    settings: &Settings,
    dirs: &Folders,
    to_controllers: &[ToldListener],
) -> Result<Quorum, StartError> {
    let directory = dirs.metadata().expect("the folder of the metadata log is one of those");
    let opening = QuorumOpening {
        node_id: BrokerId(settings.node.node_id),
        cluster_id: dirs.logs.cluster_id().to_owned(),
        directory,
        endpoints: to_controllers.iter().map(|told| told.at.clone()).collect(),
        settings: settings.clone(),
        authorizer: Authorizer::Everybody,
    };
    Ok(Quorum::start(env, opening).await?)
}

/// Registers both halves and serves them. Both registrations are under way at the same time as
/// the first records of the cluster, so that they share a sync.
async fn serve(parts: Parts<'_>, bound: Bound) -> Result<Served, StartError> {
    let Parts { env, settings, dirs, quorum, outlook, to_brokers, to_controllers } = parts;
    outlook.reached(Stage::Registering);
    let (id, metrics) = (BrokerId(settings.node.node_id), outlook.metrics());
    let controller_server =
        Server::start(env, bound.controller, limits(settings), metrics, quorum.service());
    let channel = Channel::pipe(quorum.service(), &id.to_string());
    let registration = Registration {
        env,
        settings,
        cluster_id: dirs.logs.cluster_id(),
        listeners: to_brokers,
        directories: registered(&dirs.logs),
        previous_epoch: dirs.logs.previous_broker_epoch(),
    };
    let ((), epoch) = tokio::try_join!(
        register_controller(env, &channel, id, to_controllers),
        registration.register(&channel),
    )?;
    let images = quorum.image();
    let started = start_broker(parts, channel, epoch, images).await?;
    let Started { broker, lifecycle, recovery, tasks } = started;
    let broker_server =
        Server::start(env, bound.broker, limits(settings), metrics, broker.service());
    outlook.reached(Stage::Serving);
    let heartbeats = tasks.spawn("heartbeats", Arc::clone(&lifecycle).keep_alive());
    let room = Room::keep(env, &tasks, dirs);
    Ok(Served {
        lifecycle,
        heartbeats,
        broker_server,
        controller_server,
        broker,
        tasks,
        room,
        recovery,
    })
}

/// The ids of the folders that work: of the others nothing is known.
fn registered(dirs: &LogDirs) -> Vec<DirectoryId> {
    let states = dirs.states().into_iter();
    states.filter(|state| state.failure.is_none()).map(|state| state.id).collect()
}

fn limits(settings: &Settings) -> Limits {
    let network = &settings.network;
    let size = |value: i32| usize::try_from(value).unwrap_or(0);
    let unlimited = Limits::default().frames_bytes_max;
    Limits {
        frame_bytes_max: size(network.socket_request_max_bytes),
        frames_bytes_max: usize::try_from(network.queued_max_request_bytes).unwrap_or(unlimited),
        connections_max: size(network.max_connections),
        idle_max: Duration::from_millis(
            u64::try_from(network.connections_max_idle_ms).unwrap_or(0),
        ),
        ..Limits::default()
    }
}

/// A broker half that is not fenced.
struct Started {
    broker: Arc<Broker>,
    lifecycle: Arc<Lifecycle>,
    recovery: watch::Receiver<Option<String>>,
    tasks: Tasks,
}

/// Opens the logs, applies the cluster's state and unfences the broker.
async fn start_broker(
    parts: Parts<'_>,
    channel: Channel,
    epoch: BrokerEpoch,
    mut images: watch::Receiver<Arc<Image>>,
) -> Result<Started, StartError> {
    let Parts { env, settings, dirs, quorum, outlook, .. } = parts;
    let id = BrokerId(settings.node.node_id);
    let (applied, applied_image) = watch::channel(Arc::<Image>::default());
    let (is_due, (failed, recovery)) = (Arc::new(Notify::new()), watch::channel(None));
    let broker = Arc::new(Broker::new(BrokerParts {
        env: env.clone(),
        id,
        cluster_id: dirs.logs.cluster_id().to_owned(),
        kraft_version: quorum.kraft_version(),
        settings: settings.clone(),
        dirs: Arc::clone(&dirs.logs),
        image: applied_image.clone(),
        controller: channel.clone(),
        authorizer: Authorizer::Everybody,
        metrics: Arc::clone(outlook.metrics()),
    }));
    outlook.has_broker(&broker);
    let registered =
        images.wait_for(|image| image.broker(id).is_some_and(|broker| broker.epoch == epoch));
    let image = registered.await.map_err(|_| ended())?.clone();
    tell_what_is_not_served(&image);
    let tasks = env.tasks();
    let interval = u64::try_from(settings.node.broker_heartbeat_interval_ms).unwrap_or(0);
    let tell_within = u64::try_from(settings.log.dir_failure_timeout_ms).unwrap_or(0);
    let metadata = dirs.metadata().expect("the folder of the metadata log is one of those");
    let lifecycle = Arc::new(Lifecycle {
        failures: Failures::watch(dirs, metadata, Duration::from_millis(tell_within)),
        is_due: Arc::clone(&is_due),
        env: env.clone(),
        controller: channel,
        id,
        epoch,
        interval: Duration::from_millis(interval),
        dirs: Arc::clone(&dirs.logs),
        applied: applied_image,
    });
    let opened = async {
        outlook.reached(Stage::Recovering);
        let recovery = Recovery::begin(parts, &tasks, &broker, &image);
        let rest = recovery.first_part(env).await?;
        broker.apply(&Image::default(), &image);
        applied.send_replace(Arc::clone(&image));
        if rest.is_none() {
            broker.go_on_moving();
        }
        let broker = Arc::clone(&broker);
        let following = Following { env: env.clone(), broker, applied, is_due, failed };
        tasks.spawn("metadata", following.follow(images, rest));
        outlook.reached(Stage::Unfencing);
        lifecycle.unfence().await?;
        led(&lifecycle.applied, id).await;
        Ok(())
    };
    if let Err(error) = opened.await {
        tasks.shutdown().await;
        broker.stop().await;
        return Err(error);
    }
    Ok(Started { broker, lifecycle, recovery, tasks })
}

/// Says once of which finalised features nothing is served; their records are kept as they are.
fn tell_what_is_not_served(image: &Image) {
    let served = |name: &str| Feature::by_name(name).map_or(0, |feature| feature.level_served);
    let finalised = image.features().iter();
    let unserved: Vec<String> = finalised
        .filter(|(name, level)| *level > served(name))
        .map(|(name, level)| format!("{name}={level}"))
        .collect();
    if !unserved.is_empty() {
        let features = unserved.join(",");
        tracing::info!(
            features,
            "the cluster has features that are not served yet: their APIs are not listed"
        );
    }
}

fn ended() -> StartError {
    StartError::Registration("the quorum ended".to_owned())
}

/// Waits until the broker has applied that it is no longer fenced.
async fn led(applied: &watch::Receiver<Arc<Image>>, id: BrokerId) {
    let mut applied = applied.clone();
    let is_active = |image: &Arc<Image>| image.broker(id).is_some_and(|broker| !broker.fenced);
    // It only fails when the node is going away.
    let _ = applied.wait_for(is_active).await;
}
