//! Dead-letter queues of share groups (KIP-1191): records that a group has given up become records
//! of the topic that its configs name, with headers that say where they come from and why.
//!
//! The queue is a topic like any other, whose partition is that of the source, modulo how many
//! there are; the records go there as an ordinary Produce of this broker. What cannot be written in
//! a few tries is told to the log and given up. Not here: which records are given up, and that they
//! are archived afterwards (share). Not served: a queue that another broker leads.
//!
//! Must hold: a topic gets such records only where it says so itself, its name has the prefix that
//! the broker demands, and it is no internal one.

mod copies;
mod letters;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_metadata::Image;
use ottla_net::Channel;
use ottla_share::DeadLetters;
use ottla_wire::messages::ProduceRequest;
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::{ErrorCode, PartitionIndex, Records, TopicId};

use crate::configs::DeadLetterTerms;
use crate::context::Rooms;
use crate::partition::Partition;
use crate::service::BrokerService;

use copies::Copies;
use letters::{Letter, batch_of};

const PRODUCE_VERSION: i16 = 13;
/// How long the replicas of the queue may take.
const TIMEOUT_MS: i32 = 30_000;
/// How often a batch is tried (ShareGroupDLQStateManager).
const TRIES_MAX: u32 = 5;
/// How long the second try waits; each next one waits twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// Why records did not come to their queue.
#[derive(Debug, PartialEq)]
enum Failure {
    /// It may go better later.
    NotYet(String),
    /// It will not.
    Never(String),
}

/// Where the records go.
struct Queue {
    topic_id: TopicId,
    partition: PartitionIndex,
    max_message_bytes: usize,
}

/// Brings the records of a share partition to its group's queue.
///
/// # Errors
/// Why they are not there, or not all of them.
pub(crate) async fn bring(
    rooms: &Arc<Rooms>,
    source: &Arc<Partition>,
    group: &str,
    dead: &[DeadLetters],
) -> Result<(), String> {
    let all: Vec<Letter> = dead.iter().flat_map(Letter::each).collect();
    let mut left = &all[..];
    let mut tries = 0;
    let mut copies = Copies::none();
    while !left.is_empty() {
        let image = rooms.image.borrow().clone();
        let terms = rooms.configs.dead_letter_terms(&image, group);
        let sent = match queue_of(&image, rooms, &terms, source.index) {
            Err(failure) => Err(failure),
            Ok(queue) => {
                let letters = wanted(rooms, source, &terms, left, &mut copies).await;
                let from = (&*source.topic, source.index, group);
                let now = rooms.env.now_ms();
                let made = batch_of(from, letters, &copies, now, queue.max_message_bytes);
                let (batch, count) = made.map_err(|error| error.to_string())?;
                let traffic = &rooms.share_partitions.traffic;
                traffic.dead_letter_produces.one();
                let sent = produce(rooms, &queue, batch).await;
                match &sent {
                    Ok(()) => traffic.dead_letters.add(count as u64),
                    Err(_) => traffic.failed_dead_letter_produces.one(),
                }
                sent.map(|()| count)
            }
        };
        match sent {
            Ok(count) => {
                left = left.get(count..).unwrap_or_default();
                tries = 0;
            }
            Err(Failure::Never(why)) => return Err(why),
            Err(Failure::NotYet(why)) => {
                tries += 1;
                if tries >= TRIES_MAX {
                    return Err(why);
                }
                pause(rooms, &terms.topic, PAUSE * (1 << (tries - 1))).await;
            }
        }
    }
    Ok(())
}

/// Those of the letters that a batch may be made of: whose keys and values are at hand, where the
/// group wants them.
async fn wanted<'a>(
    rooms: &Rooms,
    source: &Partition,
    terms: &DeadLetterTerms,
    left: &'a [Letter],
    copies: &mut Copies,
) -> &'a [Letter] {
    let Some(next) = left.first().filter(|_| terms.copies) else {
        *copies = Copies::none();
        return left;
    };
    if !copies.know(next.offset) {
        *copies = Copies::read(rooms, source, left).await;
    }
    let known = left.iter().take_while(|letter| copies.know(letter.offset)).count();
    left.get(..known.max(1)).unwrap_or(left)
}

/// Waits for the next try, or until a queue that is being made is there.
async fn pause(rooms: &Arc<Rooms>, topic: &str, pause: Duration) {
    let mut images = rooms.image.clone();
    let is_missing = images.borrow().topic_by_name(topic).is_none();
    if is_missing {
        let made = images.wait_for(|image| image.topic_by_name(topic).is_some());
        // Whether it is there or not: the next try tells.
        let _ = rooms.env.timeout(pause, made).await;
    } else {
        rooms.env.sleep(pause).await;
    }
}

/// The queue of a group, which is asked for where it is missing and may be made.
fn queue_of(
    image: &Image,
    rooms: &Rooms,
    terms: &DeadLetterTerms,
    source: PartitionIndex,
) -> Result<Queue, Failure> {
    let name = terms.topic.as_str();
    let topic = image.topic_by_name(name);
    let config = rooms.configs.topic(image, name);
    let is_enabled = topic.map(|_| config.errors_deadletterqueue_group_enable);
    check(terms, is_enabled).map_err(Failure::Never)?;
    let Some(topic) = topic else {
        rooms.topic_creation.begin_dead_letters(name);
        return Err(Failure::NotYet(format!("{name} is being made")));
    };
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).max(1);
    let partition = PartitionIndex(source.0.rem_euclid(count));
    let leader = topic.partitions.get(&partition).and_then(|known| known.leader);
    if leader != Some(rooms.broker_id) {
        let why = format!("{name}-{partition} has its leader elsewhere");
        return Err(Failure::NotYet(why));
    }
    let max_message_bytes = usize::try_from(config.max_message_bytes).unwrap_or(0);
    Ok(Queue { topic_id: topic.id, partition, max_message_bytes })
}

/// Whether a topic may be a group's queue. `is_enabled` is what the topic says of itself, if there
/// is such a topic. The order is that of Kafka 4.4 (ShareGroupDLQStateManager.validateDlqTopic).
fn check(terms: &DeadLetterTerms, is_enabled: Option<bool>) -> Result<(), String> {
    let name = terms.topic.as_str();
    if name.is_empty() {
        return Err("the group names no topic for it any more".to_owned());
    }
    if name.starts_with("__") {
        return Err(format!("{name} is an internal topic"));
    }
    match is_enabled {
        Some(false) => {
            return Err(format!("{name} does not allow it: errors.deadletterqueue.group.enable"));
        }
        None if !terms.may_create => {
            let config = "errors.deadletterqueue.auto.create.topics.enable";
            return Err(format!("there is no topic {name}, and {config} is false"));
        }
        _ => {}
    }
    if !name.starts_with(&terms.prefix) {
        let config = "errors.deadletterqueue.topic.name.prefix";
        return Err(format!("{name} does not begin with {} ({config})", terms.prefix));
    }
    Ok(())
}

async fn produce(rooms: &Arc<Rooms>, queue: &Queue, batch: Bytes) -> Result<(), Failure> {
    let partition = PartitionProduceData {
        index: queue.partition,
        records: Some(Records::Bytes(batch)),
        ..Default::default()
    };
    let topic = TopicProduceData {
        topic_id: queue.topic_id,
        partition_data: vec![partition],
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![topic],
        ..Default::default()
    };
    let me = rooms.broker_id.to_string();
    let channel = Channel::pipe(Arc::new(BrokerService(Arc::clone(rooms))), &me);
    let response = channel.send(&request, PRODUCE_VERSION).await;
    let response = response.map_err(|error| Failure::Never(error.to_string()))?;
    let mut told = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    match told.next().map(|it| it.error_code) {
        Some(ErrorCode::NONE) => Ok(()),
        Some(error) if error.is_retriable() => Err(Failure::NotYet(error.name().to_owned())),
        Some(error) => Err(Failure::Never(error.name().to_owned())),
        None => Err(Failure::Never("an empty answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(topic: &str, may_create: bool, is_enabled: Option<bool>) -> String {
        let terms = DeadLetterTerms {
            topic: topic.to_owned(),
            copies: false,
            prefix: "dlq.".to_owned(),
            may_create,
        };
        check(&terms, is_enabled).err().unwrap_or_default()
    }

    #[test]
    fn a_queue_is_a_topic_that_allows_it_and_has_the_prefix() {
        assert_eq!(told("dlq.a", false, Some(true)), "");
        assert_eq!(told("dlq.a", true, None), "");
        assert!(told("", true, None).contains("names no topic"));
        assert!(told("__a", true, Some(true)).contains("internal"));
        assert!(told("dlq.a", true, Some(false)).contains("does not allow it"));
        assert!(told("dlq.a", false, None).contains("there is no topic dlq.a"));
        assert!(told("a", true, None).contains("does not begin with dlq."));
        assert!(told("a", false, Some(true)).contains("does not begin with dlq."));
    }
}
