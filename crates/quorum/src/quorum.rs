//! The quorum of one node: its metadata log, its raft, and the tasks that drive them.
//!
//! Three tasks beside the callers: one syncs what was appended, one wakes the controller, one
//! writes snapshots. They touch nothing of the data path, so that a stalled data disk never costs
//! leadership. Must hold: what fails here ends the node, since nothing can be decided any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_controller::{Controller, ControllerReply, Decision};
use ottla_env::{Env, Instant, Tasks};
use ottla_metadata::Image;
use ottla_raft::{Input, LogEnd, Output, Raft, Voter};
use ottla_security::Authorizer;
use ottla_settings::{QuorumSettings, Settings};
use ottla_storage::{Directory, Log, Origin};
use ottla_wire::{BrokerId, Timestamp};
use tokio::sync::{Notify, oneshot, watch};

use crate::batches::{Place, control_batch, leader_change};
use crate::bootstrap;
use crate::error::QuorumError;
use crate::live::{Beginning, Live, Now};
use crate::log::MetadataLog;
use crate::snapshotting::Snapshotter;
use crate::state_file;
use crate::voters::VoterEndpoint;

/// What is needed to open the quorum of a node.
#[derive(Clone, Debug)]
pub struct Opening {
    /// `node.id`
    pub node_id: BrokerId,
    /// The cluster.
    pub cluster_id: String,
    /// The log directory that holds the metadata log; whoever opens it holds its lock.
    pub directory: Arc<Directory>,
    /// The controller's listeners, as others reach them.
    pub endpoints: Vec<VoterEndpoint>,
    /// The node's settings.
    pub settings: Settings,
    /// Who may do what.
    pub authorizer: Authorizer,
}

/// A running quorum of one.
pub struct Quorum {
    shared: Arc<Shared>,
    tasks: Tasks,
}

/// What the tasks, the service and the owner have in hand.
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) opening: Opening,
    pub(crate) log: Arc<Log>,
    live: Mutex<Live>,
    /// Something was appended.
    unflushed: Notify,
    /// Something was committed; a `watch` with several receivers wakes them in a random order, so
    /// the snapshots have their own word.
    pub(crate) committed: Notify,
    /// The controller's next wake may be earlier than it was.
    rewake: Notify,
    image: watch::Sender<Arc<Image>>,
    failure: watch::Sender<Option<String>>,
    /// Which broker's heartbeats come over a connection.
    brokers: Mutex<BTreeMap<u64, BrokerId>>,
    clock: Clock,
}

/// An even clock that begins with the wall's.
#[derive(Clone, Copy, Debug)]
struct Clock {
    wall: Timestamp,
    began: Instant,
}

impl Quorum {
    /// Opens log and quorum, wins the election, and begins to serve as the active controller.
    /// Nothing is committed yet when this returns.
    ///
    /// # Errors
    /// The node cannot be the only voter, or the disk or a file is at fault.
    pub async fn start(env: &Env, opening: Opening) -> Result<Quorum, QuorumError> {
        let world = env.clone();
        let begun = env.blocking(move || begin(&world, opening)).await?;
        let Begun { shared, snapshotter } = begun;
        let tasks = env.tasks();
        tasks.spawn("metadata flusher", flush(Arc::clone(&shared)));
        tasks.spawn("controller timer", wake(Arc::clone(&shared)));
        tasks.spawn("metadata snapshots", snapshotter.run(Arc::clone(&shared)));
        Ok(Quorum { shared, tasks })
    }

    /// The newest committed image, and every later one. The first one is empty.
    pub fn image(&self) -> watch::Receiver<Arc<Image>> {
        self.shared.image.subscribe()
    }

    /// The level of `kraft.version`, which no image tells.
    pub fn kraft_version(&self) -> i16 {
        self.shared.live().kraft_version()
    }

    /// Why the quorum cannot go on, once it cannot.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.failure.subscribe()
    }

    /// Ends when the quorum cannot go on, and says why.
    pub async fn failed(&self) -> String {
        let mut failure = self.shared.failure.subscribe();
        let told = async {
            let failed = failure.wait_for(Option::is_some).await;
            failed.ok().and_then(|why| why.clone()).unwrap_or_default()
        };
        tokio::select! {
            biased;
            why = told => why,
            broken = self.tasks.failed() => broken.to_string(),
        }
    }

    /// Ends the tasks and nothing else, as a crash would.
    pub async fn abandon(&self) {
        self.tasks.shutdown().await;
    }

    /// The controller as a service.
    pub fn service(&self) -> Arc<dyn ottla_net::Service> {
        Arc::new(crate::service::ControllerService(Arc::clone(&self.shared)))
    }

    /// Ends the tasks, syncs and closes the log. What was not committed is not replied to.
    ///
    /// # Errors
    /// The disk is at fault; what was committed is on it all the same.
    pub async fn stop(self) -> Result<(), QuorumError> {
        self.tasks.shutdown().await;
        let log = Arc::clone(&self.shared.log);
        let closed = self.shared.env.blocking(move || log.close().and_then(|()| log.sync())).await;
        Ok(closed.map(drop)?)
    }
}

impl Shared {
    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = (self.env.monotonic() - self.clock.began).as_millis();
        let elapsed = i64::try_from(elapsed).unwrap_or(i64::MAX);
        Now { steady: self.clock.wall + elapsed, wall: Timestamp(self.env.now_ms()) }
    }

    /// The newest committed image.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.borrow())
    }

    /// Takes a decision; the reply comes when it is committed.
    pub(crate) fn decide<R: Into<ControllerReply>>(
        &self,
        decide: impl FnOnce(&Controller, &mut ottla_controller::Live<'_>) -> Decision<R>,
    ) -> Result<oneshot::Receiver<ControllerReply>, QuorumError> {
        let decided = self.live().decide(self.now(), decide);
        self.unflushed.notify_one();
        self.rewake.notify_one();
        self.judge(decided)
    }

    /// Notes over which connection a broker's heartbeats come.
    pub(crate) fn broker_came_over(&self, broker: BrokerId, connection: u64) {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner).insert(connection, broker);
    }

    /// Tells the controller when the connection was that of a broker.
    pub(crate) fn connection_closed(&self, connection: u64) {
        let broker =
            self.brokers.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
        if let Some(broker) = broker {
            self.live().with_soft(|soft| soft.disconnected(broker));
        }
    }

    /// The configs of the metadata log.
    pub(crate) fn settings(&self) -> &QuorumSettings {
        &self.opening.settings.quorum
    }

    /// Ends the quorum.
    pub(crate) fn fail(&self, why: String) {
        self.failure.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                tracing::error!(why, "the metadata log cannot go on");
                *known = Some(why);
            }
            is_first
        });
    }

    /// Ends the quorum when its folder has failed. A disk that is only full lets it go on.
    fn judge<T>(&self, result: Result<T, QuorumError>) -> Result<T, QuorumError> {
        if let Some(why) = self.opening.directory.failure() {
            self.fail(why.to_owned());
        }
        result
    }
}

/// A quorum that leads, before its tasks run.
struct Begun {
    shared: Arc<Shared>,
    snapshotter: Snapshotter,
}

fn begin(env: &Env, opening: Opening) -> Result<Begun, QuorumError> {
    let mut opened = MetadataLog::open(env, &opening.directory, &opening.settings.quorum)?;
    let bootstrap = match opened.image.features().is_empty() {
        true => bootstrap::read(env.disk(), opening.directory.path())?,
        false => Vec::new(),
    };
    let raft = elect(env, &opening, &mut opened)?;
    let snapshotter = Snapshotter::new(&opened);
    let clock = Clock { wall: Timestamp(env.now_ms()), began: env.monotonic() };
    let log = Arc::clone(&opened.log);
    let mut live = Live::new(Beginning {
        raft,
        log: Arc::clone(&log),
        image: opened.image,
        controller: Controller::new(opening.settings.clone(), &opening.cluster_id),
        kraft_version: opened.voters.kraft_version,
        seed: env.random_u64(),
    });
    live.activate(Now { steady: clock.wall, wall: clock.wall }, &bootstrap)?;
    let shared = Arc::new(Shared {
        env: env.clone(),
        opening,
        log,
        live: Mutex::new(live),
        unflushed: Notify::new(),
        committed: Notify::new(),
        rewake: Notify::new(),
        image: watch::Sender::new(Arc::default()),
        failure: watch::Sender::new(None),
        brokers: Mutex::default(),
        clock,
    });
    shared.unflushed.notify_one();
    Ok(Begun { shared, snapshotter })
}

/// Lets raft begin, and does what it asks for up to the control batch of the new epoch.
fn elect(env: &Env, opening: &Opening, opened: &mut MetadataLog) -> Result<Raft, QuorumError> {
    let me = Voter { id: opening.node_id, directory: opening.directory.id() };
    let fixed = opening.settings.listeners.voters.iter().map(|voter| BrokerId(voter.id));
    let voters = opened.voters.set(&fixed.collect::<Vec<_>>());
    let disk = env.disk();
    let folder = opened.snapshots.folder.clone();
    let remembered = state_file::read(disk, &folder)?;
    let log_end = LogEnd { end: opened.log.end(), epoch: opened.epoch };
    let mut raft = Raft::new(me, voters, remembered, log_end)?;
    let mut outputs = Vec::new();
    raft.step(Input::Start, &mut outputs);
    let mut outputs = outputs.into_iter().peekable();
    while let Some(output) = outputs.next() {
        match output {
            // Nothing happens between two states that follow each other: the second one says all.
            Output::Persist(_) if matches!(outputs.peek(), Some(Output::Persist(_))) => {}
            Output::Persist(state) => {
                let version = opened.voters.kraft_version;
                let write = || state_file::write(disk, &folder, &state, version, raft.voters());
                let mut written = write();
                while written.as_ref().is_err_and(QuorumError::is_full)
                    && opening.directory.give_room()
                {
                    written = write();
                }
                written?;
            }
            Output::Lead { epoch } => {
                let now = Timestamp(env.now_ms());
                let ids = raft.voters().iter().map(|voter| voter.id).collect::<Vec<_>>();
                let mut records = vec![leader_change(me.id, ids)];
                records.extend(opened.voters.missing(me, &opening.endpoints));
                records.iter().for_each(|record| opened.voters.learn(record, true));
                let place = Place { base: opened.log.end(), epoch, now };
                let batch = control_batch(&records, place)?;
                let appended = opened.log.append(&batch, Origin::Replica { now });
                appended.map_err(|error| QuorumError::Records(error.to_string()))?;
            }
            Output::Flush { .. } | Output::Committed { .. } => {}
        }
    }
    raft.step(Input::Appended { end: opened.log.end() }, &mut Vec::new());
    Ok(raft)
}

/// Syncs whatever was appended since the last sync; appends go on meanwhile.
async fn flush(shared: Arc<Shared>) {
    loop {
        shared.unflushed.notified().await;
        if shared.log.recovery_point() >= shared.log.end() {
            continue;
        }
        let log = Arc::clone(&shared.log);
        match shared.env.blocking(move || log.sync()).await {
            Ok(end) => {
                let news = shared.live().flushed(end);
                if let Some(image) = news {
                    shared.image.send_replace(image);
                    shared.committed.notify_one();
                }
            }
            Err(error) => return shared.fail(error.to_string()),
        }
    }
}

/// Lets the controller act when its time has come.
async fn wake(shared: Arc<Shared>) {
    loop {
        let due = shared.live().wake();
        let wait = match due {
            Some(due) => {
                let left = u64::try_from(due - shared.now().steady).unwrap_or(0);
                shared.env.sleep(Duration::from_millis(left))
            }
            None => shared.env.sleep_until(Instant::MAX),
        };
        tokio::select! {
            biased;
            () = shared.rewake.notified() => continue,
            () = wait => {}
        }
        let ticked = shared.live().tick(shared.now());
        shared.unflushed.notify_one();
        if let Err(error) = shared.judge(ticked) {
            tracing::warn!(%error, "the controller could not write");
            shared.env.sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
}

/// How long the controller rests when its log took nothing, as on a full disk.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
