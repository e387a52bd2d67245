//! Stories of transactions: what befalls the node and those who work on its lists.
//!
//! Writers and movers are processes of their own, that die, rest and are cut off as the node does.
//! Not here: what they do and how it is judged (histories). Must hold: nothing comes from anywhere
//! but the world.

use std::time::Duration;

use ottla_env::Env;
use ottla_histories::{Anomaly, Contents, History, Topic, Vice, Workload};
use ottla_sim::World;

use crate::server::{BOOTSTRAP, NODE, Server, settings};

const READER: u32 = 3;
const WRITERS: [u32; 2] = [4, 5];
const MOVERS: [u32; 2] = [6, 7];

/// What befalls the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Harm {
    Kills,
    /// Everything is synced before it is acknowledged.
    PowerCuts,
    /// The power is cut and nothing is synced.
    PowerCutsUnsynced,
    /// Nothing, or something that its clients do wrong.
    Nothing,
}

/// How a story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) trace_hash: u64,
    /// How many transactions there were, and how many were committed for certain.
    pub(crate) transactions: (usize, usize),
    /// How many elements the lists have in the end.
    pub(crate) elements: usize,
    pub(crate) anomalies: Vec<(Anomaly, String)>,
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, harm: Harm, vice: Option<Vice>) -> Told {
    let history = History::default();
    let lists = 1 + i32::try_from(world.random_below(3)).expect("a small number");
    let workload = Workload { bootstrap: BOOTSTRAP.to_owned(), lists, history, vice };
    let (history, story) =
        (workload.history.clone(), Story { world: world.clone(), harm, workload });
    let elements = world.run_until(STORY_MAX, async move { story.play().await });
    Told {
        trace_hash: world.trace_hash(),
        transactions: history.counts(),
        elements,
        anomalies: history.anomalies(),
    }
}

#[derive(Clone)]
struct Story {
    world: World,
    harm: Harm,
    workload: Workload,
}

impl Story {
    async fn play(&self) -> usize {
        let world = &self.world;
        let mut overrides = vec![
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=3",
        ];
        let synced = self.harm == Harm::PowerCuts;
        if synced {
            overrides.push("log.flush.interval.messages=1");
        }
        let mut server = Server::new(world, settings(&overrides));
        server.start();
        let reader = world.node(READER);
        for topic in [Topic::Lists, Topic::Moved] {
            self.workload.create(&reader, topic, synced).await;
        }
        let looking = reader.tasks();
        looking.spawn("reader", self.workload.clone().look_on(reader.clone()));
        for node in WRITERS.into_iter().chain(MOVERS) {
            self.start_worker(node);
        }
        for _ in 0..1 + world.random_below(5) {
            world.sleep(self.some_ms(3_000)).await;
            self.befall(&mut server).await;
        }
        self.rest(&reader).await;
        looking.shutdown().await;
        let lists = self.workload.contents(&reader, Topic::Lists).await;
        self.workload.history.judge(&lists);
        self.wait_for_movers(&reader, &lists).await;
        let elements = lists.values().map(Vec::len).sum();
        server.stop().await;
        elements
    }

    fn some_ms(&self, bound: u64) -> Duration {
        Duration::from_millis(self.world.random_below(bound))
    }

    fn start_worker(&self, node: u32) {
        let workload = self.workload.clone();
        match WRITERS.contains(&node) {
            true => self.world.restart(node, |env| workload.write(env, node)),
            false => self.world.restart(node, |env| workload.carry(env, node)),
        };
    }

    /// Lets one thing happen, and has everybody up again in the end.
    async fn befall(&self, server: &mut Server) {
        let world = &self.world;
        let workers = [WRITERS, MOVERS].concat();
        let pick = usize::try_from(world.random_below(workers.len() as u64)).expect("small");
        let worker = workers[pick];
        let ends_node = !matches!(self.harm, Harm::Nothing);
        match world.random_below(8) {
            0..=2 if ends_node => {
                match self.harm {
                    Harm::Kills => server.kill(),
                    _ => server.crash(),
                }
                world.sleep(self.some_ms(3_000)).await;
                server.start();
            }
            3 if ends_node => {
                server.stop().await;
                server.start();
            }
            4 if self.workload.vice.is_none() => world.stall(worker, self.some_ms(15_000)),
            5 if self.workload.vice.is_none() => {
                world.partition(&[NODE], &[worker]);
                world.sleep(self.some_ms(15_000)).await;
                world.heal();
            }
            6 => world.reset_connections(NODE, worker),
            _ => {
                world.kill(worker);
                world.sleep(self.some_ms(8_000)).await;
                self.start_worker(worker);
            }
        }
    }

    /// Ends the writers, and waits until nothing that they have begun is open.
    async fn rest(&self, reader: &Env) {
        if self.workload.vice != Some(Vice::LeavesOpen) {
            // Their next lives only begin, which ends what their last ones have open.
            for node in WRITERS {
                let workload = Workload { lists: 0, ..self.workload.clone() };
                self.world.restart(node, |env| workload.write(env, node));
            }
        }
        let workload = &self.workload;
        let client = workload.connect(reader).await;
        let mut patience = AT_REST_WITHIN;
        loop {
            let stable = workload.ends(&client, Topic::Lists, true).await;
            match (stable, workload.ends(&client, Topic::Lists, false).await) {
                (Some(stable), Some(ends)) if stable == ends => break,
                ends if patience.is_zero() => {
                    let what = format!("stable offsets and ends stay {ends:?}");
                    workload.history.hangs(what);
                    break;
                }
                _ => {}
            }
            self.world.sleep(LOOK_EACH).await;
            patience = patience.saturating_sub(LOOK_EACH);
        }
        WRITERS.into_iter().for_each(|node| self.world.kill(node));
        client.close().await;
    }

    /// Gives the movers the time to carry over what is left, and judges them.
    async fn wait_for_movers(&self, reader: &Env, lists: &Contents) {
        let workload = &self.workload;
        let wanted: usize = lists.values().map(Vec::len).sum();
        let mut patience = AT_REST_WITHIN;
        let mut moved = workload.contents(reader, Topic::Moved).await;
        while moved.values().map(Vec::len).sum::<usize>() < wanted && !patience.is_zero() {
            self.world.sleep(LOOK_EACH).await;
            patience = patience.saturating_sub(LOOK_EACH);
            moved = workload.contents(reader, Topic::Moved).await;
        }
        // Whoever has moved too much has had time for it.
        self.world.sleep(Duration::from_secs(10)).await;
        MOVERS.into_iter().for_each(|node| self.world.kill(node));
        workload.history.judge_queue(lists, &workload.contents(reader, Topic::Moved).await);
    }
}

/// A story that takes longer has come to a stand.
const STORY_MAX: Duration = Duration::from_secs(1_800);
/// Timeouts of transactions, sessions and rests are over by then.
const AT_REST_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EACH: Duration = Duration::from_secs(1);
