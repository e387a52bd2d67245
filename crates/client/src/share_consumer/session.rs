//! A share session with one broker, and what is to be said there of records: pure.
//!
//! The first request of a session names all partitions and may say nothing of records, each next
//! one names those that are new, and what is said. Must hold: what was said once is not said again.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as LastBatch,
};
use ottla_wire::messages::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use ottla_wire::{Offset, TopicId};

use super::Place;

/// The epoch that ends a session.
pub(super) const FINAL: i32 = -1;

/// What was said of records and not told yet, by Kafka's numbers.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<Place, BTreeMap<Offset, i8>>);

impl Said {
    pub(super) fn say(&mut self, place: Place, offset: Offset, number: i8) {
        self.0.entry(place).or_default().insert(offset, number);
    }

    /// What is to be told of a partition, as ranges of one verdict each.
    fn take(&mut self, place: &Place) -> Vec<(Offset, Offset, i8)> {
        let mut ranges: Vec<(Offset, Offset, i8)> = Vec::new();
        for (offset, number) in self.0.remove(place).unwrap_or_default() {
            match ranges.last_mut() {
                Some((_, last, said)) if last.next() == offset && *said == number => *last = offset,
                _ => ranges.push((offset, offset, number)),
            }
        }
        ranges
    }
}

/// A session, or one that is to begin.
#[derive(Debug, Default)]
pub(super) struct Session {
    epoch: i32,
    places: BTreeSet<Place>,
}

impl Session {
    /// The epoch of the next request.
    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Whether the broker knows of no partition in it.
    pub(super) fn is_idle(&self) -> bool {
        self.places.is_empty()
    }

    /// What a fetch of these partitions says: those that the broker does not know of, and those
    /// that something is told of.
    pub(super) fn asks(&self, places: &BTreeSet<Place>, said: &mut Said) -> Vec<FetchTopic> {
        let mut topics: BTreeMap<TopicId, Vec<FetchPartition>> = BTreeMap::new();
        for place in places.union(&self.places) {
            // What was locked before the session began is free again: nothing is to be told.
            let told = said.take(place);
            let told = if self.epoch == 0 { Vec::new() } else { told };
            let is_new = places.contains(place) && !self.places.contains(place);
            if !is_new && told.is_empty() {
                continue;
            }
            let batches = told.into_iter().map(|(first_offset, last_offset, number)| {
                let acknowledge_types = vec![number];
                AcknowledgementBatch {
                    first_offset,
                    last_offset,
                    acknowledge_types,
                    ..Default::default()
                }
            });
            topics.entry(place.0).or_default().push(FetchPartition {
                partition_index: place.1,
                acknowledgement_batches: batches.collect(),
                ..Default::default()
            });
        }
        let topics = topics.into_iter().map(|(topic_id, partitions)| FetchTopic {
            topic_id,
            partitions,
            ..Default::default()
        });
        topics.collect()
    }

    /// The partitions that the session has and that are not wanted any more.
    pub(super) fn forgotten(&self, places: &BTreeSet<Place>) -> Vec<ForgottenTopic> {
        let mut topics: BTreeMap<TopicId, ForgottenTopic> = BTreeMap::new();
        for (topic_id, index) in self.places.difference(places) {
            let topic = topics.entry(*topic_id).or_default();
            topic.topic_id = *topic_id;
            topic.partitions.push(*index);
        }
        topics.into_values().collect()
    }

    /// The broker has taken a request that was about these partitions.
    pub(super) fn answered(&mut self, places: BTreeSet<Place>) {
        self.places = places;
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// What is told when the session ends.
    pub(super) fn last_words(&self, said: &mut Said) -> Vec<AcknowledgeTopic> {
        let mut topics: BTreeMap<TopicId, AcknowledgeTopic> = BTreeMap::new();
        for place in &self.places {
            let batches = said.take(place).into_iter().map(|(first, last, number)| LastBatch {
                first_offset: first,
                last_offset: last,
                acknowledge_types: vec![number],
                ..Default::default()
            });
            let batches: Vec<LastBatch> = batches.collect();
            if batches.is_empty() {
                continue;
            }
            let topic = topics.entry(place.0).or_default();
            topic.topic_id = place.0;
            topic.partitions.push(AcknowledgePartition {
                partition_index: place.1,
                acknowledgement_batches: batches,
                ..Default::default()
            });
        }
        topics.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::{PartitionIndex, Uuid};

    use super::*;

    fn place(index: i32) -> Place {
        (TopicId(Uuid::from_u128(7)), PartitionIndex(index))
    }

    fn places(indexes: &[i32]) -> BTreeSet<Place> {
        indexes.iter().map(|index| place(*index)).collect()
    }

    /// What a fetch says of each partition: `1` that it is new, `1:3-4/2` that two are released.
    fn asked(session: &Session, indexes: &[i32], said: &mut Said) -> String {
        let topics = session.asks(&places(indexes), said);
        let told = topics.iter().flat_map(|topic| &topic.partitions).map(|partition| {
            let batches = partition.acknowledgement_batches.iter().map(|it| {
                format!(":{}-{}/{}", it.first_offset, it.last_offset, it.acknowledge_types[0])
            });
            format!("{}{}", partition.partition_index, batches.collect::<String>())
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn partitions_are_named_once_and_what_was_said_is_told_once() {
        let (mut session, mut said) = (Session::default(), Said::default());
        assert_eq!(asked(&session, &[0, 1], &mut said), "0 1");
        session.answered(places(&[0, 1]));
        for (offset, number) in [(3, 1), (4, 1), (5, 2), (7, 1)] {
            said.say(place(0), Offset(offset), number);
        }
        assert_eq!(session.epoch(), 1);
        assert_eq!(asked(&session, &[0, 1, 2], &mut said), "0:3-4/1:5-5/2:7-7/1 2");
        session.answered(places(&[0, 1, 2]));
        assert_eq!(asked(&session, &[0, 1, 2], &mut said), "");
    }

    #[test]
    fn what_is_not_wanted_any_more_is_forgotten_after_its_last_word() {
        let (mut session, mut said) = (Session::default(), Said::default());
        session.answered(places(&[0, 1]));
        said.say(place(1), Offset(3), 1);
        assert_eq!(session.forgotten(&places(&[0]))[0].partitions, [PartitionIndex(1)]);
        assert_eq!(asked(&session, &[0], &mut said), "1:3-3/1");
        session.answered(places(&[]));
        assert!(session.is_idle());
    }

    #[test]
    fn nothing_is_said_in_a_session_that_begins_of_what_was_locked_before() {
        let (session, mut said) = (Session::default(), Said::default());
        said.say(place(0), Offset(3), 1);
        assert_eq!(asked(&session, &[0], &mut said), "0");
        assert!(said.take(&place(0)).is_empty());
    }
}
