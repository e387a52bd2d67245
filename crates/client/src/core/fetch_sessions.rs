//! Fetch sessions, the client's side (KIP-227): only what has changed is asked for.
//!
//! A session is with one broker. Must hold: what the broker believes to be asked is exactly what
//! was asked last, or the next request is a full one.

use std::collections::BTreeMap;

use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, StrBytes, TopicId};

use crate::core::cluster::TopicPartition;

/// What is wanted of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The topic's identity; zero if unknown.
    pub topic_id: TopicId,
    /// From where.
    pub offset: Offset,
    /// The leader epoch that is believed in.
    pub leader_epoch: LeaderEpoch,
    /// How much at most.
    pub bytes_max: i32,
}

/// The session with one broker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    asked: BTreeMap<TopicPartition, Wanted>,
}

/// The part of a Fetch request that sessions decide.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ask {
    /// The session's id, 0 for a new one.
    pub session_id: i32,
    /// Its epoch, 0 for a full request.
    pub session_epoch: i32,
    /// What is new or has changed.
    pub topics: Vec<FetchTopic>,
    /// What is no longer wanted.
    pub forgotten: Vec<ForgottenTopic>,
    /// Whether all topics have an identity.
    pub has_ids: bool,
}

impl FetchSession {
    /// The next request for all that is wanted of this broker.
    pub fn ask(&mut self, wanted: BTreeMap<TopicPartition, Wanted>) -> Ask {
        let is_full = self.epoch == 0;
        let has_ids = wanted.values().all(|wanted| wanted.topic_id != TopicId::ZERO);
        let mut ask =
            Ask { session_id: self.id, session_epoch: self.epoch, has_ids, ..Ask::default() };
        for (of, wanted) in &wanted {
            if is_full || self.asked.get(of) != Some(wanted) {
                add(&mut ask.topics, of, wanted);
            }
        }
        let replaced = |of: &TopicPartition, before: &Wanted| {
            wanted.get(of).is_none_or(|now| now.topic_id != before.topic_id)
        };
        for (of, before) in self.asked.iter().filter(|(of, before)| replaced(of, before)) {
            if !is_full {
                forget(&mut ask.forgotten, of, before.topic_id);
            }
        }
        self.asked = wanted;
        ask
    }

    /// What the answer makes of the session.
    pub fn answered(&mut self, code: ErrorCode, session_id: i32) {
        match code {
            ErrorCode::NONE if session_id != 0 => {
                self.id = session_id;
                self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
            }
            // The broker keeps no session, or another one: everything is said again.
            ErrorCode::NONE | ErrorCode::FETCH_SESSION_ID_NOT_FOUND => {
                *self = FetchSession::default();
            }
            // The id is kept, so that the broker can drop the old session.
            _ => {
                self.epoch = 0;
                self.asked.clear();
            }
        }
    }

    /// After a request without an answer nobody knows what the broker believes.
    pub fn lost(&mut self) {
        self.epoch = 0;
        self.asked.clear();
    }
}

fn add(topics: &mut Vec<FetchTopic>, of: &TopicPartition, wanted: &Wanted) {
    let partition = FetchPartition {
        partition: of.partition,
        current_leader_epoch: wanted.leader_epoch,
        fetch_offset: wanted.offset,
        partition_max_bytes: wanted.bytes_max,
        ..FetchPartition::default()
    };
    match topics.iter_mut().find(|topic| topic.topic == of.topic) {
        Some(topic) => topic.partitions.push(partition),
        None => topics.push(FetchTopic {
            topic: of.topic.clone(),
            topic_id: wanted.topic_id,
            partitions: vec![partition],
            ..FetchTopic::default()
        }),
    }
}

fn forget(topics: &mut Vec<ForgottenTopic>, of: &TopicPartition, topic_id: TopicId) {
    let same = |topic: &&mut ForgottenTopic| topic.topic == of.topic && topic.topic_id == topic_id;
    match topics.iter_mut().find(same) {
        Some(topic) => topic.partitions.push(of.partition),
        None => topics.push(forgotten(of.topic.clone(), topic_id, of.partition)),
    }
}

fn forgotten(topic: StrBytes, topic_id: TopicId, partition: PartitionIndex) -> ForgottenTopic {
    ForgottenTopic { topic, topic_id, partitions: vec![partition], ..ForgottenTopic::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    /// `0@5 1@0` asks for two partitions at offsets; `! CODE ID` is an answer.
    fn check(script: &[&str], expected: &Expect) {
        let mut session = FetchSession::default();
        let mut shown = String::new();
        for line in script {
            if let Some(answer) = line.strip_prefix("! ") {
                let (code, id) = answer.split_once(' ').unwrap();
                session.answered(ErrorCode(code.parse().unwrap()), id.parse().unwrap());
                continue;
            }
            let wanted = line.split_whitespace().map(|part| {
                let (partition, offset) = part.split_once('@').unwrap();
                let of = TopicPartition::new("t", partition.parse().unwrap());
                let wanted = Wanted {
                    topic_id: TopicId::ZERO,
                    offset: Offset(offset.parse().unwrap()),
                    leader_epoch: LeaderEpoch(0),
                    bytes_max: 1,
                };
                (of, wanted)
            });
            let ask = session.ask(wanted.collect());
            let asked = ask.topics.iter().flat_map(|topic| &topic.partitions);
            let asked: Vec<_> =
                asked.map(|one| format!("{}@{}", one.partition, one.fetch_offset)).collect();
            let forgotten: Vec<_> = ask.forgotten.iter().flat_map(|one| &one.partitions).collect();
            writeln!(
                shown,
                "session {} epoch {}: {} forget {forgotten:?}",
                ask.session_id,
                ask.session_epoch,
                asked.join(" ")
            )
            .unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn only_changes_are_asked_for_within_a_session() {
        check(
            &["0@5 1@0", "! 0 7", "0@6 1@0", "! 0 7", "0@6", "! 0 7", "0@6 2@1"],
            &expect![[r#"
                session 0 epoch 0: 0@5 1@0 forget []
                session 7 epoch 1: 0@6 forget []
                session 7 epoch 2:  forget [PartitionIndex(1)]
                session 7 epoch 3: 2@1 forget []
            "#]],
        );
    }

    #[test]
    fn a_session_that_is_gone_begins_anew_with_everything() {
        check(
            &["0@5 1@0", "! 0 7", "0@6 1@0", "! 70 0", "0@6 1@0", "! 0 8", "0@6", "! 71 0", "0@6"],
            &expect![[r#"
                session 0 epoch 0: 0@5 1@0 forget []
                session 7 epoch 1: 0@6 forget []
                session 0 epoch 0: 0@6 1@0 forget []
                session 8 epoch 1:  forget [PartitionIndex(1)]
                session 8 epoch 0: 0@6 forget []
            "#]],
        );
    }
}
