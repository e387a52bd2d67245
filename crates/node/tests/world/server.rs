//! The node of the world: how it is configured, started, stopped and ended.
//!
//! Must hold: a start that fails is a broken promise, whatever happened to the node before.

use std::time::Duration;

use ottla_env::Env;
use ottla_node::{Node, Opening};
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
}

impl Server {
    pub(crate) fn new(world: &World, settings: Settings) -> Server {
        Server { world: world.clone(), settings, stop: None }
    }

    /// Starts the process on what lies on the disk.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        let settings = self.settings.clone();
        self.world.restart(NODE, |env| process(env, settings, stopped));
    }

    /// Stops it as SIGTERM does and waits for it to be gone.
    pub(crate) async fn stop(&mut self) {
        let (done, gone) = oneshot::channel();
        let asked = self.stop.take().is_some_and(|stop| stop.send(done).is_ok());
        assert!(asked, "the process ended by itself");
        gone.await.expect("the process stops");
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

async fn process(env: Env, settings: Settings, stop: oneshot::Receiver<oneshot::Sender<()>>) {
    let node = start(&env, settings).await;
    let done = tokio::select! {
        biased;
        why = node.failed() => panic!("the node gave up: {why}"),
        done = stop => done,
    };
    let Ok(done) = done else { return };
    let stopped = env.timeout(STOP_MAX, node.stop()).await;
    assert!(stopped.is_ok(), "stopping takes more than {STOP_MAX:?}");
    let _ = done.send(());
}

/// Starts a node in a world of its own.
pub(crate) async fn start(env: &Env, settings: Settings) -> Node {
    let started = Node::start(env, Opening { settings, cluster_id: None });
    match env.timeout(START_MAX, started).await {
        Ok(Ok(node)) => node,
        Ok(Err(error)) => panic!("the node does not start: {error}"),
        Err(_) => panic!("starting takes more than {START_MAX:?}"),
    }
}

/// Longer than any start on a disk without faults.
const START_MAX: Duration = Duration::from_secs(60);
/// Longer than any stop.
const STOP_MAX: Duration = Duration::from_secs(60);
