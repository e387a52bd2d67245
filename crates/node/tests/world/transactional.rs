//! Stories of transactions: what befalls the node and those who work on its lists.
//!
//! Writers and movers are processes of their own, that die, rest and are cut off as the node does.
//! Not here: what they do and how it is judged (histories). Must hold: nothing comes from anywhere
//! but the world.

use std::time::Duration;

use ottla_env::Env;
use ottla_histories::{Anomaly, Contents, History, Topic, Vice, Workload};
use ottla_sim::{Broken, Fault, World};

use crate::planted::{self, Bug};
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
    /// The disk fails, is slow or full, as a whole or where one log lies; the power is cut.
    Disks,
    /// The node does what it would with a bug, so that the judge has something to find.
    Planted(Bug),
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
    /// What the node said when it ended by itself.
    pub(crate) ends: Vec<String>,
    pub(crate) anomalies: Vec<(Anomaly, String)>,
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, harm: Harm, vice: Option<Vice>) -> Told {
    let history = History::default();
    let lists = 1 + i32::try_from(world.random_below(3)).expect("a small number");
    let workload = Workload { bootstrap: BOOTSTRAP.to_owned(), lists, history, vice };
    let (history, story) =
        (workload.history.clone(), Story { world: world.clone(), harm, workload });
    let (elements, ends) = world.run_until(STORY_MAX, async move { story.play().await });
    Told {
        trace_hash: world.trace_hash(),
        transactions: history.counts(),
        elements,
        ends,
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
    async fn play(&self) -> (usize, Vec<String>) {
        let world = &self.world;
        let mut overrides = vec![
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=3",
        ];
        let synced = matches!(self.harm, Harm::PowerCuts | Harm::Disks | Harm::Planted(_));
        if synced {
            overrides.push("log.flush.interval.messages=1");
        }
        self.prepare_disk();
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
            match self.harm {
                Harm::Planted(bug) => self.befall_planted(&mut server, bug).await,
                _ => self.befall(&mut server).await,
            }
        }
        // Those who are to find what a bug has made of the folder live in peace.
        world.disk(NODE).repair();
        self.rest(&reader).await;
        looking.shutdown().await;
        let lists = self.workload.contents(&reader, Topic::Lists).await;
        self.workload.history.judge(&lists);
        self.wait_for_movers(&reader, &lists).await;
        let elements = lists.values().map(Vec::len).sum();
        server.stop().await;
        (elements, server.ends().said())
    }

    fn prepare_disk(&self) {
        let disk = self.world.disk(NODE);
        match self.harm {
            Harm::Disks => disk.set_capacity(DISK_BYTES),
            Harm::Planted(bug) => {
                planted::lie(&disk, bug);
                // Much of what is decided is not carried out when the node ends.
                disk.slow_us(1_000..200_000);
            }
            _ => {}
        }
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
            0..=4 if self.harm == Harm::Disks => self.befall_the_disk(server).await,
            0..=2 if ends_node => {
                match self.harm {
                    Harm::Kills => server.kill(),
                    _ => server.crash(),
                }
                world.sleep(self.some_ms(3_000)).await;
                server.start();
            }
            5 if self.harm == Harm::Disks => {
                match world.random_below(2) {
                    0 => server.kill(),
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

    /// The disk has a fault for a while, as a whole or below one log. A node that it ended is
    /// started again when it works.
    async fn befall_the_disk(&self, server: &mut Server) {
        let world = &self.world;
        let disk = world.disk(NODE);
        let mut places = vec!["/data".to_owned()];
        let logs =
            [("__transaction_state", 3), ("__consumer_offsets", 4), ("lists", 1), ("moved", 1)];
        for (topic, partitions) in logs {
            places.push(format!("/data/{topic}-{}", world.random_below(partitions)));
        }
        let place = &places[usize::try_from(world.random_below(5)).expect("a small number")];
        server.ends().allow(true);
        match world.random_below(7) {
            0 => disk.fail_below(place, Broken::Reads, Fault::Device),
            1 => disk.fail_below(place, Broken::Writes, Fault::Device),
            2 => disk.fail_below(place, Broken::Syncs, Fault::Device),
            3 => disk.fail_below(place, Broken::All, Fault::Device),
            4 => disk.slow_us(1_000..200_000),
            5 => disk.set_capacity(disk.used() + world.random_below(100_000)),
            _ => disk.fail_below(place, Broken::Writes, Fault::ReadOnly),
        }
        world.sleep(self.some_ms(6_000)).await;
        if world.random_below(3) == 0 {
            // The power is cut while the disk is at fault.
            server.crash();
        }
        disk.repair();
        disk.set_capacity(DISK_BYTES);
        // Whoever has seen the fault ends by then, at its next word with the controller.
        world.sleep(ENDED_WITHIN).await;
        if server.has_ended() {
            server.start();
        }
        server.ends().allow(false);
    }

    /// The node ends, and is started on what a bug would have left.
    async fn befall_planted(&self, server: &mut Server, bug: Bug) {
        let world = &self.world;
        match bug {
            Bug::DecisionsUnsynced | Bug::OffsetsUnsynced => server.crash(),
            Bug::PreparedForgotten | Bug::AbortedOffsetsCount => server.kill(),
            Bug::BumpForgotten => {
                // Writers rest until what they have begun is aborted and the node has ended.
                WRITERS.into_iter().for_each(|node| world.stall(node, Duration::from_secs(22)));
                world.sleep(Duration::from_secs(19)).await;
                server.kill();
            }
        }
        let folder = world.boot(NODE);
        planted::apply(folder.disk(), bug);
        server.start();
        world.sleep(self.some_ms(8_000)).await;
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
/// The size of the disk that can become full.
const DISK_BYTES: u64 = 64 << 20;
/// How soon after a fault of its disk a node has ended, if it has to.
const ENDED_WITHIN: Duration = Duration::from_secs(8);
const LOOK_EACH: Duration = Duration::from_secs(1);
