//! The members of the group: consumers that poll, commit, rest, leave and come back.
//!
//! Some have habits that break a promise, so that the checkers have something to see. Must hold:
//! a member tells the group's ledger of a record when it is through with it, and not before.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_client::core::assignors::{Assignment, Assignor};
use ottla_client::core::membership::{Identity, Joined, Membership};
use ottla_client::{Client, Consumer, ConsumerSettings, CoordinatorKind, OffsetReset};
use ottla_client::{ConsumerRecord, TopicPartition};
use ottla_env::Env;
use ottla_sim::World;
use ottla_wire::{ApiKey, ErrorCode, Offset, StrBytes};

use crate::clients::{TOPIC, connect};
use crate::group::{Commit, Group, MemberId};
use crate::ledger::Numbered;

/// The group of the members.
const GROUP: &str = "members";

/// What breaks a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Vice {
    /// Commits what was read before it is worked on.
    CommitsAhead,
    /// Jumps about in its partitions.
    Seeks,
    /// As the group's leader, gives every partition to everybody.
    GivesToAll,
}

/// How a member lives.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) settings: ConsumerSettings,
    /// It rests for so long at most, which may be longer than its group bears.
    pub(crate) rest_ms_max: u64,
    /// It works so long on what one poll gives at most.
    pub(crate) work_ms_max: u64,
    pub(crate) vice: Option<Vice>,
    /// Who it is, if it stays the same over restarts.
    pub(crate) stays: Option<MemberId>,
}

impl Habits {
    /// Habits that all members of a group share but for what is drawn for each.
    pub(crate) fn draw(world: &World, assignors: &[Assignor], commits_itself: bool) -> Habits {
        let below = |bound: u64| world.random_below(bound);
        let settings = ConsumerSettings {
            group_id: Some(GROUP.to_owned()),
            assignors: assignors.to_vec(),
            session_timeout_ms: 6_000,
            heartbeat_interval_ms: 500 + below(1_500),
            max_poll_interval_ms: 8_000,
            poll_records_max: [1, 10, 500][below(3) as usize],
            offset_reset: OffsetReset::Earliest,
            enable_auto_commit: commits_itself,
            auto_commit_interval_ms: 100 + below(3_000),
            ..ConsumerSettings::default()
        };
        let rest_ms_max = [50, 400, 12_000][below(3) as usize];
        let work_ms_max = [10, 1_000, 10_000][below(3) as usize];
        Habits { settings, rest_ms_max, work_ms_max, vice: None, stays: None }
    }
}

/// The assignors of a group that was drawn.
pub(crate) fn assignors(world: &World) -> Vec<Assignor> {
    match world.random_below(4) {
        0 => vec![Assignor::Range],
        1 => vec![Assignor::RoundRobin],
        2 => vec![Assignor::CooperativeSticky],
        _ => vec![Assignor::Range, Assignor::CooperativeSticky],
    }
}

/// Takes part in the group for ever: one consumer after another.
pub(crate) async fn take_part(env: Env, group: Group, habits: Habits, partitions: i32) {
    let client = connect(&env).await;
    if habits.vice == Some(Vice::GivesToAll) {
        return give_to_all(&client, partitions).await;
    }
    loop {
        let consumer = Consumer::new(&client, habits.settings.clone());
        consumer.subscribe(&[TOPIC]).expect("it has a group");
        let me = habits.stays.unwrap_or_else(|| group.member());
        group.owns(me, -1, &BTreeSet::new());
        Member { env: &env, consumer: &consumer, group: &group, habits: &habits, me }.live().await;
        match env.random_u64() % 3 {
            // It is gone without a word.
            0 => drop(consumer),
            _ => drop(consumer.close().await),
        }
        env.sleep(Duration::from_millis(env.random_u64() % 2_000)).await;
    }
}

struct Member<'a> {
    env: &'a Env,
    consumer: &'a Consumer,
    group: &'a Group,
    habits: &'a Habits,
    me: MemberId,
}

impl Member<'_> {
    /// Polls and commits until it has had enough.
    async fn live(&self) {
        loop {
            let polled = self.consumer.poll(Duration::from_millis(300)).await;
            let generation = self.generation();
            self.group.owns(self.me, generation, &self.consumer.assignment());
            let Ok(records) = polled else {
                self.rest(100).await;
                continue;
            };
            if self.habits.vice == Some(Vice::CommitsAhead) {
                self.commit().await;
                self.rest(1_000).await;
            }
            // Until it is through with them, nothing was given to it.
            if !records.is_empty() && self.env.random_u64().is_multiple_of(3) {
                self.rest(self.habits.work_ms_max).await;
            }
            for read in &records {
                self.group.given(self.me, generation, at(read), numbered(read));
            }
            match self.env.random_u64() % 64 {
                0 => return,
                1..=16 => self.commit().await,
                17..=20 => self.rest(self.habits.rest_ms_max).await,
                21..=28 => self.pause_or_resume(),
                29..=40 if self.habits.vice == Some(Vice::Seeks) => self.seek(),
                _ => {}
            }
        }
    }

    fn generation(&self) -> i32 {
        self.consumer.group_metadata().map_or(-1, |group| group.generation.0)
    }

    async fn rest(&self, ms_max: u64) {
        let ms_max = if self.group.must_hurry() { 100 } else { ms_max };
        let ms = self.env.random_u64() % (ms_max + 1);
        self.env.sleep(Duration::from_millis(ms)).await;
    }

    fn pause_or_resume(&self) {
        for of in self.consumer.assignment() {
            // Partitions that are lost meanwhile are neither.
            let _ = match self.env.random_u64() % 4 {
                0 if !self.group.must_hurry() => self.consumer.pause(&of),
                _ => self.consumer.resume(&of),
            };
        }
    }

    fn seek(&self) {
        for of in self.consumer.assignment() {
            if let Some(position) = self.consumer.position(&of) {
                let _ = self.consumer.seek(&of, Offset(position.0 / 2));
            }
        }
    }

    async fn commit(&self) {
        if self.habits.settings.enable_auto_commit {
            return;
        }
        let generation = self.generation();
        let mut asked = Vec::new();
        for of in self.consumer.assignment() {
            if let Some(offset) = self.consumer.position(&of) {
                let commit = Commit { generation, offset: offset.0 };
                asked.push((of.clone(), commit, self.group.last_committed(&of)));
                self.group.commits(&of, commit);
            }
        }
        if self.consumer.commit().await.is_ok() {
            for (of, commit, known) in asked {
                self.group.committed(&of, commit, known);
            }
        }
    }
}

fn at(read: &ConsumerRecord) -> (&TopicPartition, i64) {
    (&read.of, read.record.offset.0)
}

fn numbered(read: &ConsumerRecord) -> Numbered {
    let value = read.record.value.as_ref().expect("every record has a value");
    Numbered::parse(value).expect("every value is a number")
}

/// A leader that does not understand what it does, in the group for ever.
async fn give_to_all(client: &Client, partitions: i32) {
    let mut member = Membership::new(Identity {
        group_id: GROUP.into(),
        instance_id: None,
        session_timeout_ms: 6_000,
        rebalance_timeout_ms: 8_000,
        assignors: vec![Assignor::Range, Assignor::RoundRobin, Assignor::CooperativeSticky],
    });
    loop {
        if member.must_join {
            let request = member.join_request(&[TOPIC.into()], "again");
            let joined = client.call_coordinator(CoordinatorKind::Group, GROUP, &request).await;
            let joined = joined.ok().and_then(|told| member.joined(&told).ok());
            let assignment = match joined {
                None => continue,
                Some(Joined::Follower) => Assignment::new(),
                Some(Joined::Leader(_, members)) => {
                    let all = |id: StrBytes| {
                        let all = (0..partitions).map(|at| TopicPartition::new(TOPIC, at));
                        (id, all.collect())
                    };
                    members.into_iter().map(|member| all(member.id)).collect()
                }
            };
            let request = member.sync_request(&assignment);
            let synced = client.call_coordinator(CoordinatorKind::Group, GROUP, &request).await;
            member.must_join = !synced.is_ok_and(|told| member.synced(&told).is_ok());
        }
        client.env().sleep(Duration::from_millis(500)).await;
        let request = member.heartbeat_request();
        let generation = member.generation();
        let told = client.call_coordinator(CoordinatorKind::Group, GROUP, &request).await;
        let code = told.map_or(ErrorCode::UNKNOWN_MEMBER_ID, |told| told.error_code);
        // What it must do is in `must_join`.
        let _ = member.told(ApiKey::Heartbeat, generation, code);
    }
}
