//! The node of the world: how it is configured, started, stopped and ended.
//!
//! Must hold: a start that fails is a broken promise, whatever happened to the node before; only
//! while its disk is at fault a node may end by itself, and then it says which folder is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla_env::Env;
use ottla_node::{Node, Opening, StartError};
use ottla_settings::{Input, Settings};
use ottla_sim::World;
use tokio::sync::oneshot;

/// The number of the node, in the world and in the cluster.
pub(crate) const NODE: u32 = 1;
/// Where clients find it.
pub(crate) const BOOTSTRAP: &str = "node-1:9092";

/// Its configuration: Kafka's defaults, but what one node needs and `overrides`.
pub(crate) fn settings(overrides: &[&str]) -> Settings {
    let file = b"process.roles=broker,controller\nnode.id=1\nlog.dirs=/data\n\
        listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n\
        controller.quorum.voters=1@node-1:9093\noffsets.topic.replication.factor=1\n\
        offsets.topic.num.partitions=4\ngroup.initial.rebalance.delay.ms=0\n";
    let overrides: Vec<String> = overrides.iter().map(|line| (*line).to_owned()).collect();
    let input = Input { file: Some(file), overrides: &overrides, ..Input::default() };
    Settings::load(input).expect("the configuration is right").settings
}

/// The node, up or down.
pub(crate) struct Server {
    world: World,
    settings: Settings,
    /// Asks the running process to stop.
    stop: Option<oneshot::Sender<oneshot::Sender<()>>>,
    ends: Ends,
}

/// What the processes of a node said that ended by themselves; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Ends {
    inner: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    /// Whether the disk is at fault, so that a process may end.
    may_end: bool,
    said: Vec<String>,
}

impl Ends {
    fn with<T>(&self, act: impl FnOnce(&mut Told) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a process may end by itself from now on.
    pub(crate) fn allow(&self, may_end: bool) {
        self.with(|told| told.may_end = may_end);
    }

    /// A process ends by itself, which breaks a promise unless its disk was at fault.
    fn say(&self, why: String) {
        let may_end = self.with(|told| told.may_end);
        assert!(may_end, "the node gave up: {why}");
        self.with(|told| told.said.push(why));
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.with(|told| told.said.clone())
    }
}

impl Server {
    pub(crate) fn new(world: &World, settings: Settings) -> Server {
        Server { world: world.clone(), settings, stop: None, ends: Ends::default() }
    }

    /// What its processes say that end by themselves.
    pub(crate) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Starts the process on what lies on the disk.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        let (settings, ends) = (self.settings.clone(), self.ends.clone());
        self.world.restart(NODE, |env| process(env, settings, stopped, ends));
    }

    /// Stops it as SIGTERM does and waits for it to be gone. One that has ended by itself is.
    pub(crate) async fn stop(&mut self) {
        let (done, gone) = oneshot::channel();
        let asked = self.stop.take().is_some_and(|stop| stop.send(done).is_ok());
        assert!(asked || !self.ends.said().is_empty(), "the process ended by itself");
        if asked && gone.await.is_err() {
            assert!(!self.ends.said().is_empty(), "the process does not stop");
        }
    }

    /// Whether no process runs: it has ended by itself, or was ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.stop.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.world.kill(NODE);
    }

    /// The power is cut.
    pub(crate) fn crash(&mut self) {
        self.world.crash(NODE);
    }
}

async fn process(
    env: Env,
    settings: Settings,
    stop: oneshot::Receiver<oneshot::Sender<()>>,
    ends: Ends,
) {
    let node = match begin(&env, settings).await {
        Ok(node) => node,
        Err(error) => return ends.say(error.to_string()),
    };
    let done = tokio::select! {
        biased;
        why = node.failed() => {
            ends.say(why);
            return node.crash().await;
        }
        why = node.out_of_room() => {
            ends.say(why);
            return node.stop().await;
        }
        done = stop => done,
    };
    let Ok(done) = done else { return };
    let stopped = env.timeout(STOP_MAX, node.stop()).await;
    assert!(stopped.is_ok(), "stopping takes more than {STOP_MAX:?}");
    let _ = done.send(());
}

/// Starts a node in a world of its own.
pub(crate) async fn start(env: &Env, settings: Settings) -> Node {
    match begin(env, settings).await {
        Ok(node) => node,
        Err(error) => panic!("the node does not start: {error}"),
    }
}

async fn begin(env: &Env, settings: Settings) -> Result<Node, StartError> {
    let started = Node::start(env, Opening { settings, cluster_id: None });
    match env.timeout(START_MAX, started).await {
        Ok(started) => started,
        Err(_) => panic!("starting takes more than {START_MAX:?}"),
    }
}

/// Longer than any start on a disk without faults.
const START_MAX: Duration = Duration::from_secs(60);
/// Longer than any stop.
const STOP_MAX: Duration = Duration::from_secs(60);
