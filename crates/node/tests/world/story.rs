//! One story: a node, its clients and what befalls them, all drawn from the seed.
//!
//! Must hold: nothing in a story comes from anywhere but the world.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::ProducerSettings;
use ottla_records::Codec;
use ottla_sim::World;

use crate::clients::{Producing, audit, create_topic, produce, read};
use crate::ledger::{Ledger, Violation};
use crate::server::{NODE, Server, settings};

/// How a story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// The hash of everything that happened.
    pub(crate) trace_hash: u64,
    /// How many records were acknowledged.
    pub(crate) acknowledged: usize,
    /// How many different records readers were shown.
    pub(crate) shown: usize,
    /// How many records have an unknown fate, by what the producer said.
    pub(crate) uncertain: BTreeMap<String, u64>,
    /// How many faults there were.
    pub(crate) faults: u64,
    /// What was broken.
    pub(crate) violations: Vec<Violation>,
}

/// What a story is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Processes die: what is acknowledged stays in any configuration.
    Kills,
    /// The power is cut: what is acknowledged stays where every record is synced.
    PowerCuts,
    /// The power is cut and nothing is synced: records are lost, and the checkers must see it.
    PowerCutsUnsynced,
}

/// One thing that befalls the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    End,
    Stop,
    Stall,
    Reset,
    Cut,
    Jump,
}

const FAULTS: [Fault; 8] = [
    Fault::End,
    Fault::End,
    Fault::End,
    Fault::Stop,
    Fault::Stall,
    Fault::Reset,
    Fault::Cut,
    Fault::Jump,
];

/// The numbers of the clients.
const PRODUCERS: [u32; 2] = [2, 3];
const READER: u32 = 3;

/// What the seed makes of the story before it begins.
struct Plan {
    partitions: i32,
    faults: u64,
    producers: Vec<Producing>,
}

impl Plan {
    fn draw(world: &World) -> Plan {
        let below = |bound: u64| world.random_below(bound);
        let small = |bound: u64| u32::try_from(below(bound)).expect("a small number");
        let partitions = 1 + i32::try_from(below(3)).expect("a small number");
        let faults = 1 + below(6);
        let count = usize::try_from(1 + below(2)).expect("a small number");
        let producers = PRODUCERS.iter().take(count).map(|producer| Producing {
            producer: *producer,
            records: 50 + small(150),
            partitions,
            pause_ms_max: 1 + below(400),
            settings: ProducerSettings {
                batch_bytes: [0, 100, 300, 16_384][below(4) as usize],
                linger_ms: below(3) * 20,
                in_flight_max: 1 + below(5) as usize,
                delivery_timeout_ms: [5_000, 120_000][below(2) as usize],
                compression_type: [Codec::None, Codec::Lz4, Codec::Zstd][below(3) as usize],
                ..ProducerSettings::default()
            },
        });
        let producers = producers.collect();
        Plan { partitions, faults, producers }
    }
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, about: About) -> Told {
    let ledger = Ledger::default();
    let plan = Plan::draw(world);
    let faults = plan.faults;
    let (played, known) = (world.clone(), ledger.clone());
    world.run_until(STORY_MAX, async move { play(&played, about, plan, &known).await });
    let (acknowledged, shown, uncertain) = ledger.counts();
    Told {
        trace_hash: world.trace_hash(),
        acknowledged,
        shown,
        uncertain,
        faults,
        violations: ledger.violations(),
    }
}

async fn play(world: &World, about: About, plan: Plan, ledger: &Ledger) {
    let synced: &[&str] = &["log.flush.interval.messages=1"];
    let (overrides, configs): (&[&str], &[(&str, &str)]) = match about {
        About::PowerCuts => (synced, &[("flush.messages", "1")]),
        About::Kills | About::PowerCutsUnsynced => (&[], &[]),
    };
    let mut server = Server::new(world, settings(overrides));
    server.start();
    let reader = world.node(READER);
    create_topic(&reader, plan.partitions, configs).await;
    let reading = reader.tasks();
    reading.spawn("reader", read(reader.clone(), ledger.clone(), plan.partitions));
    let mut producing = Vec::new();
    for producer in plan.producers {
        let env = world.node(producer.producer);
        let tasks = env.tasks();
        tasks.spawn("producer", produce(env.clone(), ledger.clone(), producer));
        producing.push(tasks);
    }
    for _ in 0..plan.faults {
        world.sleep(Duration::from_millis(world.random_below(3_000))).await;
        befall(world, &mut server, about).await;
    }
    for tasks in producing {
        tasks.join_all().await;
    }
    world.sleep(Duration::from_millis(500)).await;
    reading.shutdown().await;
    audit(&reader, ledger, plan.partitions).await;
    server.stop().await;
}

/// Lets one thing happen to the world, and has the node up again in the end.
async fn befall(world: &World, server: &mut Server, about: About) {
    let pick = usize::try_from(world.random_below(FAULTS.len() as u64)).expect("a small number");
    let some_ms = |bound: u64| Duration::from_millis(world.random_below(bound));
    match FAULTS[pick] {
        Fault::End => {
            if about == About::Kills {
                server.kill();
            } else {
                server.crash();
            }
            world.sleep(some_ms(4_000)).await;
            server.start();
            if world.random_below(3) == 0 {
                // And once more, perhaps while it still starts.
                world.sleep(some_ms(60)).await;
                server.kill();
                server.start();
            }
        }
        Fault::Stop => {
            // A process that has only begun to start is asked when it runs.
            server.stop().await;
            world.sleep(some_ms(2_000)).await;
            server.start();
        }
        Fault::Stall => world.stall(NODE, some_ms(15_000)),
        Fault::Reset => PRODUCERS.iter().for_each(|client| world.reset_connections(NODE, *client)),
        Fault::Cut => {
            world.partition(&[NODE], &PRODUCERS);
            world.sleep(some_ms(10_000)).await;
            world.heal();
        }
        Fault::Jump => {
            let by_ms = i64::try_from(world.random_below(JUMP_MS_MAX * 2)).expect("minutes");
            world.jump_clock(NODE, by_ms - JUMP_MS_MAX as i64);
        }
    }
}

/// Six jumps stay below the hour that message.timestamp.after.max.ms allows.
const JUMP_MS_MAX: u64 = 9 * 60 * 1000;
/// A story that takes longer has come to a stand.
const STORY_MAX: Duration = Duration::from_secs(1_800);
