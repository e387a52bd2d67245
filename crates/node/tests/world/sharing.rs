//! Stories of a share group: a writer appends, members acquire records and say what became of them.
//!
//! Members are processes of their own, that die, rest and are cut off as the node does. What counts
//! is what was answered: a record that is done with is never given again, one that was given back
//! comes with a greater count, and every record is given to somebody. Must hold: an answer that a
//! member began to wait for before a verdict was answered breaks no promise about that verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_client::{Client, ClientError, CoordinatorKind, Producer, ProducerRecord};
use ottla_env::{Env, Instant};
use ottla_sim::World;
use ottla_wire::messages::share_fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::{
    AlterShareGroupOffsetsRequest, ShareAcknowledgeRequest, ShareFetchRequest,
    ShareGroupHeartbeatRequest, alter_share_group_offsets_request as to_alter,
    share_acknowledge_request as to_say,
};
use ottla_wire::{ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, TopicId};

use crate::clients::{TOPIC, connect, create_topic};
use crate::server::{NODE, Server, settings};
use crate::transactional::Harm;

const GROUP: &str = "sharers";
const WRITER: u32 = 4;
const MEMBERS: [u32; 2] = [6, 7];
const ADMIN: u32 = 3;

/// A record by partition and offset.
type Place = (i32, i64);

/// What must hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Promise {
    DoneStaysDone,
    CountsNeverFall,
    EverythingIsGiven,
}

/// How a story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) trace_hash: u64,
    /// How many records were written, how often one was given, how many are done with.
    pub(crate) counts: (usize, usize, usize),
    pub(crate) broken: Vec<(Promise, String)>,
}

/// What everybody was told; clones are the same.
#[derive(Clone, Default)]
struct Notes {
    inner: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    /// Counts everything that happens.
    time: u64,
    written: BTreeSet<Place>,
    given: BTreeSet<Place>,
    deliveries: usize,
    /// Since when records are done with.
    done: BTreeMap<Place, u64>,
    /// Since when records were given back, and after how many deliveries.
    back: BTreeMap<Place, (u64, i16)>,
    broken: Vec<(Promise, String)>,
}

impl Notes {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        let mut noted = self.inner.lock().expect("no code panics while it holds this lock");
        noted.time += 1;
        noted
    }

    /// A member waits for records from now on.
    fn asks(&self) -> u64 {
        self.noted().time
    }

    /// A member that began to wait at `since` has a record.
    fn given(&self, place: Place, count: i16, since: u64) {
        let mut noted = self.noted();
        noted.deliveries += 1;
        noted.given.insert(place);
        if noted.done.get(&place).is_some_and(|at| *at < since) {
            let what = format!("{place:?} was done with and is given for the {count}. time");
            noted.broken.push((Promise::DoneStaysDone, what));
        }
        if let Some((at, before)) = noted.back.get(&place).copied()
            && at < since
            && count <= before
        {
            let what = format!("{place:?} was given {before} times and is for the {count}. time");
            noted.broken.push((Promise::CountsNeverFall, what));
        }
    }

    /// What a member said of a record is answered.
    fn said(&self, place: Place, count: i16, kind: i8) {
        let mut noted = self.noted();
        let time = noted.time;
        match kind {
            RELEASE => drop(noted.back.insert(place, (time, count))),
            _ => drop(noted.done.entry(place).or_insert(time)),
        }
    }

    fn judge(&self) {
        let mut noted = self.noted();
        let missing: Vec<Place> = noted.written.difference(&noted.given).copied().collect();
        for place in missing {
            let what = format!("{place:?} was given to nobody");
            noted.broken.push((Promise::EverythingIsGiven, what));
        }
    }
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, harm: Harm) -> Told {
    let notes = Notes::default();
    let partitions = 1 + i32::try_from(world.random_below(3)).expect("a small number");
    let story = Story { world: world.clone(), notes: notes.clone(), harm, partitions };
    world.run_until(STORY_MAX, async move { story.play().await });
    let noted = notes.noted();
    Told {
        trace_hash: world.trace_hash(),
        counts: (noted.written.len(), noted.deliveries, noted.done.len()),
        broken: noted.broken.clone(),
    }
}

#[derive(Clone)]
struct Story {
    world: World,
    notes: Notes,
    harm: Harm,
    partitions: i32,
}

impl Story {
    async fn play(&self) {
        let world = &self.world;
        let mut overrides = vec![
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "share.coordinator.state.topic.num.partitions=3",
            "share.coordinator.snapshot.update.records.per.snapshot=20",
        ];
        if self.harm == Harm::PowerCuts {
            overrides.push("log.flush.interval.messages=1");
        }
        let mut server = Server::new(world, settings(&overrides));
        server.start();
        let admin = world.node(ADMIN);
        create_topic(&admin, self.partitions, &[]).await;
        begin_at_start(&admin, self.partitions).await;
        let notes = self.notes.clone();
        let partitions = self.partitions;
        world.restart(WRITER, |env| write(env, notes, partitions));
        for node in MEMBERS {
            self.start_member(node);
        }
        for _ in 0..1 + world.random_below(5) {
            world.sleep(self.some_ms(4_000)).await;
            self.befall(&mut server).await;
        }
        world.kill(WRITER);
        for node in MEMBERS {
            world.kill(node);
        }
        // Locks of those who are gone run out, and somebody takes what is left.
        let member = Member::new(&admin, self, true).await;
        member.live(Some(REST)).await;
        self.notes.judge();
        server.stop().await;
    }

    fn some_ms(&self, bound: u64) -> Duration {
        Duration::from_millis(self.world.random_below(bound))
    }

    fn start_member(&self, node: u32) {
        let story = self.clone();
        self.world.restart(node, |env| async move {
            loop {
                Member::new(&env, &story, false).await.live(None).await;
                env.sleep(RETRY).await;
            }
        });
    }

    /// Lets one thing happen, and has everybody up again in the end.
    async fn befall(&self, server: &mut Server) {
        let world = &self.world;
        let pick = usize::try_from(world.random_below(MEMBERS.len() as u64)).expect("small");
        let member = MEMBERS[pick];
        match world.random_below(7) {
            0..=2 if self.harm != Harm::Nothing => {
                match self.harm {
                    Harm::Kills => server.kill(),
                    _ => server.crash(),
                }
                world.sleep(self.some_ms(3_000)).await;
                server.start();
            }
            3 => world.stall(member, self.some_ms(40_000)),
            4 => {
                world.partition(&[NODE], &[member]);
                world.sleep(self.some_ms(15_000)).await;
                world.heal();
            }
            5 => world.reset_connections(NODE, member),
            _ => {
                world.kill(member);
                world.sleep(self.some_ms(8_000)).await;
                self.start_member(member);
            }
        }
    }
}

/// Lets the group begin with the first record, before anybody is in it.
async fn begin_at_start(env: &Env, partitions: i32) {
    let client = connect(env).await;
    let partitions =
        (0..partitions).map(|index| to_alter::AlterShareGroupOffsetsRequestPartition {
            partition_index: PartitionIndex(index),
            start_offset: Offset(0),
            ..Default::default()
        });
    let topic = to_alter::AlterShareGroupOffsetsRequestTopic {
        topic_name: TOPIC.into(),
        partitions: partitions.collect(),
        ..Default::default()
    };
    let request = AlterShareGroupOffsetsRequest {
        group_id: GROUP.into(),
        topics: vec![topic],
        ..Default::default()
    };
    loop {
        let told = client.call_coordinator(CoordinatorKind::Group, GROUP, &request).await;
        let is_done = told.is_ok_and(|told| {
            let partitions = || told.responses.iter().flat_map(|topic| &topic.partitions);
            told.error_code == ErrorCode::NONE
                && partitions().all(|it| it.error_code == ErrorCode::NONE)
        });
        if is_done {
            break;
        }
        client.forget_coordinator(CoordinatorKind::Group, GROUP);
        env.sleep(RETRY).await;
    }
    client.close().await;
}

/// Writes to all partitions in turn, for ever.
async fn write(env: Env, notes: Notes, partitions: i32) {
    let client = connect(&env).await;
    let producer = Producer::new(&client, ottla_client::ProducerSettings::default());
    for index in (0..partitions).cycle() {
        let sent = producer.send(ProducerRecord {
            topic: StrBytes::from(TOPIC),
            partition: Some(PartitionIndex(index)),
            value: Some("a record".into()),
            ..ProducerRecord::default()
        });
        let Ok(delivery) = sent.await else { continue };
        if let Ok(written) = delivery.await {
            notes.noted().written.insert((index, written.offset.0));
        }
        env.sleep(Duration::from_millis(env.random_u64() % 200)).await;
    }
}

/// One life of a member, with one session.
struct Member<'a> {
    env: &'a Env,
    story: &'a Story,
    client: Client,
    id: StrBytes,
    topic: TopicId,
    /// Whether it accepts everything.
    is_last: bool,
}

impl<'a> Member<'a> {
    async fn new(env: &'a Env, story: &'a Story, is_last: bool) -> Self {
        let id = StrBytes::from(format!("{:016x}", env.random_u64()));
        let client = connect(env).await;
        loop {
            if let Ok((cluster, _)) = client.refresh_topics(&[TOPIC.into()], false).await
                && let Some(topic) = cluster.topics.get(TOPIC).map(|topic| topic.id)
            {
                return Member { env, story, client, id, topic, is_last };
            }
            env.sleep(RETRY).await;
        }
    }

    /// Lives until something fails, or for the last one, until there was nothing for `rest`.
    async fn live(&self, rest: Option<Duration>) {
        let mut quiet_since = self.env.monotonic();
        loop {
            self.join().await;
            let mut session = 0;
            while let Ok(took) = self.turn(session, &mut quiet_since).await {
                session = if took { session + 2 } else { session + 1 };
                if rest.is_some_and(|rest| self.env.monotonic() - quiet_since > rest) {
                    self.client.close().await;
                    return;
                }
            }
            if rest.is_none() {
                self.client.close().await;
                return;
            }
            self.env.sleep(RETRY).await;
        }
    }

    async fn join(&self) {
        let request = ShareGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.clone(),
            member_epoch: MemberEpoch(0),
            subscribed_topic_names: Some(vec![TOPIC.into()]),
            ..Default::default()
        };
        loop {
            let kind = CoordinatorKind::Group;
            let told = self.client.call_coordinator(kind, GROUP, &request).await;
            if told.is_ok_and(|told| told.error_code == ErrorCode::NONE) {
                return;
            }
            self.client.forget_coordinator(kind, GROUP);
            self.env.sleep(RETRY).await;
        }
    }

    /// Fetches once, and says what became of what it got; gives whether there was anything.
    async fn turn(&self, epoch: i32, quiet_since: &mut Instant) -> Result<bool, ClientError> {
        let since = self.story.notes.asks();
        let partitions = (0..self.story.partitions).map(|index| FetchPartition {
            partition_index: PartitionIndex(index),
            ..Default::default()
        });
        let topic = FetchTopic {
            topic_id: self.topic,
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request = ShareFetchRequest {
            group_id: Some(GROUP.into()),
            member_id: Some(self.id.clone()),
            share_session_epoch: epoch,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_records: 20,
            batch_size: 5,
            topics: vec![topic],
            ..Default::default()
        };
        let told = self.client.call_leader(TOPIC, PartitionIndex(0), &request).await?;
        if told.error_code != ErrorCode::NONE {
            return Err(ClientError::Closed);
        }
        let mut verdicts = Vec::new();
        for partition in told.responses.iter().flat_map(|topic| &topic.partitions) {
            let index = partition.partition_index.0;
            for acquired in &partition.acquired_records {
                let count = acquired.delivery_count;
                for offset in acquired.first_offset.0..=acquired.last_offset.0 {
                    self.story.notes.given((index, offset), count, since);
                    verdicts.push(((index, offset), count, self.verdict()));
                }
            }
        }
        if verdicts.is_empty() {
            return Ok(false);
        }
        *quiet_since = self.env.monotonic();
        self.env.sleep(Duration::from_millis(self.env.random_u64() % 1_000)).await;
        self.say(epoch + 1, &verdicts).await.map(|()| true)
    }

    fn verdict(&self) -> i8 {
        match self.env.random_u64() % 10 {
            _ if self.is_last => ACCEPT,
            0..=4 => ACCEPT,
            5..=8 => RELEASE,
            _ => REJECT,
        }
    }

    async fn say(&self, epoch: i32, verdicts: &[(Place, i16, i8)]) -> Result<(), ClientError> {
        let mut partitions: BTreeMap<i32, Vec<to_say::AcknowledgementBatch>> = BTreeMap::new();
        for ((index, offset), _, kind) in verdicts {
            partitions.entry(*index).or_default().push(to_say::AcknowledgementBatch {
                first_offset: Offset(*offset),
                last_offset: Offset(*offset),
                acknowledge_types: vec![*kind],
                ..Default::default()
            });
        }
        let partitions = partitions.into_iter().map(|(index, acknowledgement_batches)| {
            let partition_index = PartitionIndex(index);
            to_say::AcknowledgePartition {
                partition_index,
                acknowledgement_batches,
                ..Default::default()
            }
        });
        let topic = to_say::AcknowledgeTopic {
            topic_id: self.topic,
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request = ShareAcknowledgeRequest {
            group_id: Some(GROUP.into()),
            member_id: Some(self.id.clone()),
            share_session_epoch: epoch,
            topics: vec![topic],
            ..Default::default()
        };
        let told = self.client.call_leader(TOPIC, PartitionIndex(0), &request).await?;
        if told.error_code != ErrorCode::NONE {
            return Err(ClientError::Closed);
        }
        for partition in told.responses.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code != ErrorCode::NONE {
                continue;
            }
            let index = partition.partition_index.0;
            for (place, count, kind) in verdicts.iter().filter(|(place, ..)| place.0 == index) {
                self.story.notes.said(*place, *count, *kind);
            }
        }
        Ok(())
    }
}

const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
/// A story that takes longer hangs.
const STORY_MAX: Duration = Duration::from_secs(3_600);
/// Longer than any lock.
const REST: Duration = Duration::from_secs(35);
/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_millis(100);
