//! OffsetFetch (9), v1-10: how far groups have read.
//! v2 all topics, and an error for the whole; v5 leader epochs; v6 flexible; v7 stable offsets
//! only; v8 several groups; v9 members of KIP-848 groups; v10 topic ids. Topics that the client
//! may not see are refused where they are named, and left out of an answer to all topics.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ottla_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;

/// Before this version an error stands in each partition.
const ERROR_OF_ALL_SINCE: i16 = 2;
/// From this version on a request holds several groups.
const GROUPS_SINCE: i16 = 8;
/// What a refused partition has instead of an offset.
const NOWHERE: Offset = Offset(-1);
const NO_EPOCH: LeaderEpoch = LeaderEpoch(-1);

pub(crate) async fn handle(ctx: Ctx, request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
    if ctx.version < GROUPS_SINCE { one_group(ctx, request) } else { groups(ctx, request) }
}

fn one_group(ctx: Ctx, mut request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
    if !ctx.allows(Operation::Describe, Resource::Group(&request.group_id)) {
        let error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        if ctx.version >= ERROR_OF_ALL_SINCE {
            return OffsetFetchResponse { error_code, ..Default::default() }.into();
        }
        let topics = request.topics.into_iter().flatten();
        let topics = topics.map(|topic| refused_topic(topic, error_code)).collect();
        return OffsetFetchResponse { topics, ..Default::default() }.into();
    }
    let may = |topic: &OffsetFetchRequestTopic| may_see(&ctx, &topic.name, TopicId::default());
    let refused = split(&mut request.topics, may);
    let (topics, caller) = (ctx.topics(), ctx.clone());
    let fetched = ctx.rooms.groups.offset_fetch(ctx.caller(), ctx.version, topics, request);
    let told = fetched.map(move |mut response| {
        response.topics.retain(|topic| may_see(&caller, &topic.name, TopicId::default()));
        let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        response.topics.extend(refused.into_iter().map(|topic| refused_topic(topic, code)));
        response
    });
    told.into()
}

fn groups(ctx: Ctx, mut request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
    let asked = std::mem::take(&mut request.groups);
    let may = |group: &OffsetFetchRequestGroup| {
        ctx.allows(Operation::Describe, Resource::Group(&group.group_id))
    };
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.groups = allowed;
    let refused = refused.into_iter().map(|group| OffsetFetchResponseGroup {
        group_id: group.group_id,
        error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ..Default::default()
    });
    let refused: Vec<_> = refused.collect();
    let may = |topic: &OffsetFetchRequestTopics| may_see(&ctx, &topic.name, topic.topic_id);
    let hidden = request.groups.iter_mut();
    let hidden: Vec<_> = hidden
        .map(|group| (group.group_id.clone(), split(&mut group.topics, may)))
        .filter(|(_, topics)| !topics.is_empty())
        .collect();
    let (topics, caller) = (ctx.topics(), ctx.clone());
    let fetched = ctx.rooms.groups.offset_fetch(ctx.caller(), ctx.version, topics, request);
    let told = fetched.map(move |mut response| {
        for group in &mut response.groups {
            group.topics.retain(|topic| may_see(&caller, &topic.name, topic.topic_id));
        }
        for (group_id, topics) in hidden {
            let group = response.groups.iter_mut().find(|group| group.group_id == group_id);
            if let Some(group) = group.filter(|group| group.error_code == ErrorCode::NONE) {
                group.topics.extend(topics.into_iter().map(refused_topics));
            }
        }
        response.groups.extend(refused);
        response
    });
    told.into()
}

fn may_see(ctx: &Ctx, name: &str, id: TopicId) -> bool {
    let known = ctx.rooms.partitions.topic_name(id);
    ctx.allows(Operation::Describe, Resource::Topic(known.as_deref().unwrap_or(name)))
}

/// Takes out of the named topics those that the client may not see.
fn split<T>(topics: &mut Option<Vec<T>>, may: impl Fn(&T) -> bool) -> Vec<T> {
    let Some(named) = topics.take() else { return Vec::new() };
    let (allowed, refused) = named.into_iter().partition(may);
    *topics = Some(allowed);
    refused
}

fn refused_topic(
    topic: OffsetFetchRequestTopic,
    error_code: ErrorCode,
) -> OffsetFetchResponseTopic {
    let refused = |partition_index: PartitionIndex| OffsetFetchResponsePartition {
        partition_index,
        committed_offset: NOWHERE,
        committed_leader_epoch: NO_EPOCH,
        error_code,
        ..Default::default()
    };
    let (name, partitions) = (topic.name, topic.partition_indexes);
    let partitions = partitions.into_iter().map(refused).collect();
    OffsetFetchResponseTopic { name, partitions, ..Default::default() }
}

fn refused_topics(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let refused = |partition_index: PartitionIndex| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: NOWHERE,
        committed_leader_epoch: NO_EPOCH,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.into_iter().map(refused).collect(),
        ..Default::default()
    }
}
