//! One story: a node, its clients and what befalls them, all drawn from the seed.
//!
//! Must hold: nothing in a story comes from anywhere but the world.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::ProducerSettings;
use ottla_env::Env;
use ottla_records::Codec;
use ottla_sim::{Broken, Fault as DiskFault, World};

use crate::clients::{Producing, TOPIC, audit, create_topic, produce, read};
use crate::group::Group;
use crate::ledger::{Invariant, Ledger, Violation};
use crate::members::{Habits, Vice, assignors, take_part};
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
    /// How many different records the group was given, and how many generations it had.
    pub(crate) given: (usize, usize),
    /// How many faults there were.
    pub(crate) faults: u64,
    /// Up to where the partitions were compacted, added up.
    pub(crate) compacted: u64,
    /// What the node said when it ended by itself.
    pub(crate) ends: Vec<String>,
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
    /// The disk fails, is slow or full: the node keeps its promises, or ends and says why.
    Disks,
    /// As before, while the topic is compacted all the time.
    Compaction,
    /// The power is cut and nothing is synced: records are lost, and the checkers must see it.
    PowerCutsUnsynced,
    /// Nothing befalls the node, but a member has a bad habit, and the checkers must see it.
    Vices(Vice),
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
    /// Something befalls a member of the group.
    Member,
    /// The disk fails, is slow or full.
    Disk,
}

const FAULTS: [Fault; 11] = [
    Fault::End,
    Fault::End,
    Fault::End,
    Fault::Stop,
    Fault::Stall,
    Fault::Reset,
    Fault::Cut,
    Fault::Jump,
    Fault::Member,
    Fault::Member,
    Fault::Member,
];

/// What befalls a world whose disks are at fault.
const DISK_FAULTS: [Fault; 6] =
    [Fault::Disk, Fault::Disk, Fault::Disk, Fault::Disk, Fault::End, Fault::Member];

/// The numbers of the clients.
const PRODUCERS: [u32; 2] = [2, 3];
const READER: u32 = 3;
/// Those of the group's members, which are processes of their own.
const MEMBERS: [u32; 3] = [4, 5, 6];

/// What the seed makes of the story before it begins.
struct Plan {
    partitions: i32,
    faults: u64,
    producers: Vec<Producing>,
    members: Vec<(u32, Habits)>,
}

impl Plan {
    fn draw(world: &World, about: About, group: &Group) -> Plan {
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
            keyed: about == About::Compaction,
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
        let members = draw_members(world, about, group);
        Plan { partitions, faults, producers, members }
    }
}

fn draw_members(world: &World, about: About, group: &Group) -> Vec<(u32, Habits)> {
    let count = [0, 1, 2, 2, 3, 3, 3][usize::try_from(world.random_below(7)).expect("small")];
    let (assignors, commits_itself) = (assignors(world), world.random_below(3) == 0);
    let vice = match about {
        About::Vices(vice) => Some(vice),
        _ => None,
    };
    let count = if vice.is_some() { MEMBERS.len() } else { count };
    let commits_itself = commits_itself && vice.is_none();
    let mut members: Vec<(u32, Habits)> = MEMBERS[..count]
        .iter()
        .map(|node| (*node, Habits::draw(world, &assignors, commits_itself)))
        .collect();
    if let Some((_, habits)) = members.first_mut() {
        habits.vice = vice;
    }
    if vice.is_none() && world.random_below(4) == 0 {
        for (node, habits) in &mut members {
            habits.settings.group_instance_id = Some(format!("on {node}"));
            habits.stays = Some(group.static_member());
        }
    }
    members
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, about: About) -> Told {
    let ledger = Ledger::default();
    let group = Group::new(&ledger);
    let plan = Plan::draw(world, about, &group);
    let faults = plan.faults;
    let story = Story { world: world.clone(), about, ledger: ledger.clone(), group: group.clone() };
    let (ends, compacted) = world.run_until(STORY_MAX, async move { story.play(plan).await });
    let (acknowledged, shown, uncertain) = ledger.counts();
    Told {
        trace_hash: world.trace_hash(),
        acknowledged,
        shown,
        uncertain,
        given: group.counts(),
        faults,
        compacted,
        ends,
        violations: ledger.violations(),
    }
}

/// A story while it is told.
struct Story {
    world: World,
    about: About,
    ledger: Ledger,
    group: Group,
}

impl Story {
    async fn play(&self, plan: Plan) -> (Vec<String>, u64) {
        let (world, ledger) = (&self.world, &self.ledger);
        let (overrides, configs): (&[&str], &[(&str, &str)]) = match self.about {
            About::PowerCuts | About::Disks => (&SYNCED, &[("flush.messages", "1")]),
            About::Compaction => (&COMPACTING, &COMPACTED),
            _ => (&[], &[]),
        };
        if self.has_faulty_disk() {
            world.disk(NODE).set_capacity(DISK_BYTES);
        }
        let mut server = Server::new(world, settings(overrides));
        server.start();
        let reader = world.node(READER);
        create_topic(&reader, plan.partitions, configs).await;
        let reading = reader.tasks();
        reading.spawn("reader", read(reader.clone(), ledger.clone(), plan.partitions));
        for member in &plan.members {
            self.start_member(member, plan.partitions);
        }
        let mut producing = Vec::new();
        for producer in plan.producers.clone() {
            let env = world.node(producer.producer);
            let tasks = env.tasks();
            tasks.spawn("producer", produce(env.clone(), ledger.clone(), producer));
            producing.push(tasks);
        }
        for _ in 0..plan.faults {
            world.sleep(Duration::from_millis(world.random_below(3_000))).await;
            self.befall(&mut server, &plan).await;
        }
        for tasks in producing {
            tasks.join_all().await;
        }
        world.sleep(Duration::from_millis(500)).await;
        reading.shutdown().await;
        self.hear_members_out(&plan).await;
        audit(&reader, ledger, plan.partitions).await;
        server.stop().await;
        (self.judge_ends(server.ends().said()), compacted(&world.node(NODE)))
    }

    fn has_faulty_disk(&self) -> bool {
        matches!(self.about, About::Disks | About::Compaction)
    }

    fn start_member(&self, (node, habits): &(u32, Habits), partitions: i32) {
        let (group, habits) = (self.group.clone(), habits.clone());
        self.world.restart(*node, |env| take_part(env, group, habits, partitions));
    }

    /// Gives the members the time to read what is left, and ends them.
    async fn hear_members_out(&self, plan: &Plan) {
        let members = plan.members.iter().filter(|(_, it)| it.vice != Some(Vice::GivesToAll));
        if members.count() > 0 {
            for member in &plan.members {
                if !self.world.is_up(member.0) {
                    self.start_member(member, plan.partitions);
                }
            }
            self.group.hurry();
            let mut patience = HEARD_OUT_WITHIN;
            while !self.group.has_all(plan.partitions) && !patience.is_zero() {
                self.world.sleep(LOOK_EACH).await;
                patience = patience.saturating_sub(LOOK_EACH);
            }
            self.group.audit(plan.partitions);
        }
        for (node, _) in &plan.members {
            self.world.kill(*node);
        }
    }

    /// Whoever ended by itself must have named the folder.
    fn judge_ends(&self, ends: Vec<String>) -> Vec<String> {
        for why in ends.iter().filter(|why| !why.contains("/data")) {
            self.ledger.violated(Invariant::SaysWhy, why.clone());
        }
        ends
    }

    /// Lets one thing happen to the world, and has the node up again in the end.
    async fn befall(&self, server: &mut Server, plan: &Plan) {
        let (world, about) = (&self.world, self.about);
        let faults: &[Fault] = match about {
            About::Vices(_) => &[Fault::Member],
            About::Disks | About::Compaction => &DISK_FAULTS,
            _ => &FAULTS,
        };
        let pick =
            usize::try_from(world.random_below(faults.len() as u64)).expect("a small number");
        let some_ms = |bound: u64| Duration::from_millis(world.random_below(bound));
        match faults[pick] {
            Fault::End => {
                let is_kill = || self.has_faulty_disk() && world.random_below(2) == 0;
                if about == About::Kills || is_kill() {
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
            Fault::Reset => {
                PRODUCERS.iter().for_each(|client| world.reset_connections(NODE, *client))
            }
            Fault::Cut => {
                world.partition(&[NODE], &PRODUCERS);
                world.sleep(some_ms(10_000)).await;
                world.heal();
            }
            Fault::Jump => {
                let by_ms = i64::try_from(world.random_below(JUMP_MS_MAX * 2)).expect("minutes");
                world.jump_clock(NODE, by_ms - JUMP_MS_MAX as i64);
            }
            Fault::Member => self.befall_a_member(plan).await,
            Fault::Disk => self.befall_the_disk(server).await,
        }
    }

    /// A member dies and comes back, rests without knowing it, or is cut off.
    async fn befall_a_member(&self, plan: &Plan) {
        let world = &self.world;
        let pick = usize::try_from(world.random_below(MEMBERS.len() as u64)).expect("a number");
        let Some(member) = plan.members.get(pick) else { return };
        let node = member.0;
        let some_ms = |bound: u64| Duration::from_millis(world.random_below(bound));
        let harms = if matches!(self.about, About::Vices(_)) { 2 } else { 5 };
        match world.random_below(harms) {
            0 => world.kill(node),
            1 => world.crash(node),
            2 => return world.stall(node, some_ms(15_000)),
            3 => {
                world.partition(&[NODE], &[node]);
                world.sleep(some_ms(10_000)).await;
                return world.heal();
            }
            _ => return world.reset_connections(NODE, node),
        }
        world.sleep(some_ms(9_000)).await;
        self.start_member(member, plan.partitions);
    }

    /// The disk has a fault for a while. A node that it ended is started again when it works.
    async fn befall_the_disk(&self, server: &mut Server) {
        let world = &self.world;
        let disk = world.disk(NODE);
        let some_ms = |bound: u64| Duration::from_millis(world.random_below(bound));
        let all = [Broken::Reads, Broken::Writes, Broken::Syncs, Broken::All];
        server.ends().allow(true);
        match world.random_below(7) {
            pick @ 0..=3 => {
                let broken = all[usize::try_from(pick).expect("a small number")];
                disk.fail_below("/data", broken, DiskFault::Device);
            }
            4 => disk.slow_us(1_000..200_000),
            5 => disk.set_capacity(disk.used() + world.random_below(100_000)),
            _ => disk.fail_below("/data", Broken::Writes, DiskFault::ReadOnly),
        }
        world.sleep(some_ms(6_000)).await;
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
}

/// What `cleaner-offset-checkpoint` tells of the topic's partitions.
fn compacted(env: &Env) -> u64 {
    let text = env.disk().read("/data/cleaner-offset-checkpoint".as_ref()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|line| line.starts_with(TOPIC));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Every record is synced before it is acknowledged.
const SYNCED: [&str; 1] = ["log.flush.interval.messages=1"];
/// The same, and the cleaner never rests.
const COMPACTING: [&str; 3] = [
    "log.flush.interval.messages=1",
    "log.cleaner.backoff.ms=100",
    "log.cleaner.dedupe.buffer.size=2097152",
];
/// Segments are closed all the time, and compacted at once.
const COMPACTED: [(&str, &str); 6] = [
    ("flush.messages", "1"),
    ("cleanup.policy", "compact"),
    ("segment.ms", "100"),
    ("segment.index.bytes", "1024"),
    ("min.cleanable.dirty.ratio", "0"),
    ("file.delete.delay.ms", "500"),
];
/// Six jumps stay below the hour that message.timestamp.after.max.ms allows.
const JUMP_MS_MAX: u64 = 9 * 60 * 1000;
/// A story that takes longer has come to a stand.
const STORY_MAX: Duration = Duration::from_secs(1_800);
/// The size of the disk that can become full.
const DISK_BYTES: u64 = 64 << 20;
/// How soon after a fault of its disk a node has ended, if it has to.
const ENDED_WITHIN: Duration = Duration::from_secs(8);
/// What members need at most to read the rest: rebalances, sessions and rests.
const HEARD_OUT_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EACH: Duration = Duration::from_millis(500);
