//! ListOffsets (2), v1-11: the offset of a time or of a special place in a partition.
//! v2 isolation level; v4 leader epochs; v6 flexible; v7 the largest timestamp (-3); v8 earliest
//! local (-4); v9 latest tiered (-5); v10 timeout; v11 earliest pending upload (-6). Without
//! tiered storage -4 is the log start, -5 and -6 are -1. A special value that the version lacks
//! answers UNSUPPORTED_VERSION for its partition.
//! Not served: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_security::{Operation, Resource};
use ottla_storage::{StorageError, TimedOffset};
use ottla_wire::messages::list_offsets_request::ListOffsetsPartition;
use ottla_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ottla_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::partition::{Isolation, Partition};

const LATEST: Timestamp = Timestamp(-1);
const EARLIEST: Timestamp = Timestamp(-2);
const LARGEST_TIMESTAMP: Timestamp = Timestamp(-3);
const EARLIEST_LOCAL: Timestamp = Timestamp(-4);
const LATEST_TIERED: Timestamp = Timestamp(-5);
const EARLIEST_PENDING_UPLOAD: Timestamp = Timestamp(-6);

/// Since which version of the request each special value is understood.
const SPECIAL_SINCE: [(Timestamp, i16); 6] = [
    (LATEST, 1),
    (EARLIEST, 1),
    (LARGEST_TIMESTAMP, 7),
    (EARLIEST_LOCAL, 8),
    (LATEST_TIERED, 9),
    (EARLIEST_PENDING_UPLOAD, 11),
];

/// `replica_id` of a consumer.
const CONSUMER: BrokerId = BrokerId(-1);
const READ_COMMITTED: i8 = 1;
/// From this version on an answer has leader epochs.
const EPOCHS_SINCE: i16 = 4;
/// Before this version "not known yet" had no code of its own.
const OFFSET_NOT_AVAILABLE_SINCE: i16 = 5;

pub(crate) async fn handle(ctx: Ctx, request: ListOffsetsRequest) -> Answer<ListOffsetsResponse> {
    let isolation = match (request.replica_id, request.isolation_level) {
        (CONSUMER, READ_COMMITTED) => Isolation::ReadCommitted,
        (CONSUMER, _) => Isolation::ReadUncommitted,
        _ => Isolation::Replica,
    };
    let mut twice = asked_twice(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let found = match twice.get_mut(&(&*topic.name, asked.partition_index)) {
                Some(true) => continue,
                Some(is_told) => {
                    *is_told = true;
                    Err(ErrorCode::INVALID_REQUEST)
                }
                None => find(&ctx, &topic.name, asked, isolation).await,
            };
            let mut response = ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                ..Default::default()
            };
            match found {
                Ok(found) => {
                    response.timestamp = found.timestamp;
                    response.offset = found.offset;
                    if ctx.version >= EPOCHS_SINCE {
                        response.leader_epoch = found.leader_epoch;
                    }
                }
                Err(error_code) => response.error_code = error_code,
            }
            partitions.push(response);
        }
        // Kafka says nothing of a topic of which it has nothing to say.
        if !partitions.is_empty() {
            let name = topic.name.clone();
            topics.push(ListOffsetsTopicResponse { name, partitions, ..Default::default() });
        }
    }
    ListOffsetsResponse { topics, ..Default::default() }.into()
}

/// The partitions that are named more than once, none of them told yet: each is told once.
fn asked_twice(request: &ListOffsetsRequest) -> BTreeMap<(&str, PartitionIndex), bool> {
    let mut seen = BTreeSet::new();
    let each = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&*topic.name, partition.partition_index))
    });
    each.filter(|partition| !seen.insert(*partition)).map(|twice| (twice, false)).collect()
}

async fn find(
    ctx: &Ctx,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<TimedOffset, ErrorCode> {
    if !ctx.allows(Operation::Describe, Resource::Topic(topic)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let at = asked.timestamp;
    let is_special = at < Timestamp(0);
    let is_known = SPECIAL_SINCE.iter().any(|(value, since)| *value == at && ctx.version >= *since);
    if is_special && !is_known {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition = ctx.partition(Operation::Describe, topic, asked.partition_index)?;
    let epoch = partition.check_leader(asked.current_leader_epoch)?;
    let unsure = isolation != Isolation::Replica && !partition.knows_commits();
    let end = partition.readable_end(isolation);
    let found = if is_special && at != LARGEST_TIMESTAMP {
        look_up(&partition, at, end, epoch)?
    } else {
        let partition = Arc::clone(&partition);
        ctx.rooms.env.blocking(move || look_up(&partition, at, end, epoch)).await?
    };
    let is_beyond = found.offset < Offset(0) || found.offset >= end;
    if unsure && (at == LATEST || (is_beyond && at != EARLIEST && at != EARLIEST_LOCAL)) {
        return Err(if ctx.version >= OFFSET_NOT_AVAILABLE_SINCE {
            ErrorCode::OFFSET_NOT_AVAILABLE
        } else {
            ErrorCode::LEADER_NOT_AVAILABLE
        });
    }
    Ok(found)
}

const NOWHERE: TimedOffset =
    TimedOffset { timestamp: Timestamp(-1), offset: Offset(-1), leader_epoch: LeaderEpoch(-1) };

fn look_up(
    partition: &Partition,
    at: Timestamp,
    end: Offset,
    epoch: LeaderEpoch,
) -> Result<TimedOffset, ErrorCode> {
    let log = partition.log();
    let found = match at {
        LATEST => Some(TimedOffset { offset: end, leader_epoch: epoch, ..NOWHERE }),
        EARLIEST | EARLIEST_LOCAL => {
            let leader_epoch =
                log.epoch_entries().first().map_or(LeaderEpoch(-1), |first| first.epoch);
            return Ok(TimedOffset { offset: log.start(), leader_epoch, ..NOWHERE });
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => None,
        LARGEST_TIMESTAMP => log.offset_of_max_timestamp().map_err(unreadable)?,
        at => log.offset_for_time(at).map_err(unreadable)?,
    };
    let is_readable = |found: &TimedOffset| at == LATEST || found.offset < end;
    Ok(found.filter(is_readable).unwrap_or(NOWHERE))
}

fn unreadable(error: StorageError) -> ErrorCode {
    tracing::error!(%error, "looking up a time failed");
    ErrorCode::KAFKA_STORAGE_ERROR
}
