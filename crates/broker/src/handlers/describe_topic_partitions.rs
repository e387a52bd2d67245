//! DescribeTopicPartitions (75), v0: topics with their partitions, in pages (KIP-966).
//! No topics named stands for all. Topics come by name, partitions by number; a page ends after
//! the smaller of the client's limit and `max.request.partition.size.limit`, and its cursor names
//! the first partition of the next page. Not served: nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{Image, Partition, Topic};
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use super::metadata::{leader, offline};
use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeTopicPartitionsRequest,
) -> Answer<DescribeTopicPartitionsResponse> {
    if !has_good_cursor(&request) {
        return malformed(request).into();
    }
    let image = ctx.image();
    let asked: BTreeSet<StrBytes> = if request.topics.is_empty() {
        image.topics().names().map(|(name, _)| name.clone()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).collect()
    };
    let is_all = request.topics.is_empty();
    let from = request.cursor.as_ref().map(|cursor| (&*cursor.topic_name, cursor.partition_index));
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).max(1);
    let settings = ctx.rooms.configs.now();
    let page = settings.network.max_request_partition_size_limit;
    let mut left = limit.min(usize::try_from(page).unwrap_or(1).max(1));
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in asked {
        let first = match from {
            Some((topic, _)) if *name < *topic => continue,
            Some((topic, index)) if *name == *topic => index,
            _ => PartitionIndex(0),
        };
        if !ctx.allows(Operation::Describe, Resource::Topic(&name)) {
            if !is_all {
                let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
                let (error_code, name) = (code, Some(name));
                response.topics.push(DescribeTopicPartitionsResponseTopic {
                    error_code,
                    name,
                    ..Default::default()
                });
            }
            continue;
        }
        let Some(topic) = image.topic_by_name(&name) else {
            response.topics.push(DescribeTopicPartitionsResponseTopic {
                error_code: unknown(&name),
                is_internal: topics::is_internal(&name),
                topic_authorized_operations: ctx.allowed_operations(Resource::Topic(&name)),
                name: Some(name),
                ..Default::default()
            });
            continue;
        };
        if left == 0 {
            response.next_cursor = Some(cursor(topic, first));
            break;
        }
        let next = describe(&ctx, &image, topic, first, &mut left, &mut response.topics);
        if let Some(next) = next {
            response.next_cursor = Some(cursor(topic, next));
            break;
        }
    }
    response.into()
}

/// Whether the page begins somewhere: at a partition, and within the topics that are named.
fn has_good_cursor(request: &DescribeTopicPartitionsRequest) -> bool {
    let Some(cursor) = &request.cursor else { return true };
    let is_named = || request.topics.iter().any(|topic| topic.name == cursor.topic_name);
    cursor.partition_index >= PartitionIndex(0) && (request.topics.is_empty() || is_named())
}

/// Refuses each topic of a request whose cursor is none.
fn malformed(request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.into_iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name),
        ..Default::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..Default::default() }
}

fn unknown(name: &str) -> ErrorCode {
    if topics::is_valid_name(name) {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    } else {
        ErrorCode::INVALID_TOPIC_EXCEPTION
    }
}

fn cursor(topic: &Topic, partition_index: PartitionIndex) -> Cursor {
    Cursor { topic_name: topic.name.clone(), partition_index, ..Default::default() }
}

/// Adds as much of a topic as fits; gives the partition at which the next page begins.
fn describe(
    ctx: &Ctx,
    image: &Image,
    topic: &Arc<Topic>,
    from: PartitionIndex,
    left: &mut usize,
    topics_told: &mut Vec<DescribeTopicPartitionsResponseTopic>,
) -> Option<PartitionIndex> {
    let mut next = None;
    let mut partitions = Vec::new();
    for (index, partition) in topic.partitions.iter().filter(|(index, _)| **index >= from) {
        if *left == 0 {
            next = Some(*index);
            break;
        }
        *left -= 1;
        partitions.push(described(ctx, image, *index, partition));
    }
    topics_told.push(DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topics::is_internal(&topic.name),
        partitions,
        topic_authorized_operations: ctx.allowed_operations(Resource::Topic(&topic.name)),
        ..Default::default()
    });
    next
}

fn described(
    ctx: &Ctx,
    image: &Image,
    partition_index: PartitionIndex,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let (leader, error_code) = leader(ctx, image, partition);
    DescribeTopicPartitionsResponsePartition {
        error_code,
        partition_index,
        leader_id: leader.unwrap_or(BrokerId(-1)),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        eligible_leader_replicas: Some(partition.elr.clone()),
        last_known_elr: Some(partition.last_known_elr.clone()),
        offline_replicas: offline(ctx, image, partition),
        ..Default::default()
    }
}
