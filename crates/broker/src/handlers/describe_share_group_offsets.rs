//! DescribeShareGroupOffsets (90), v0-1: where share groups stand in their partitions.
//! v1 how many records are still to be delivered: those up to the high watermark that are not done
//! with. Without topics all that the group has a state of are told; what is asked for and has none,
//! the topics that there are not included, begins at -1. Not served: nothing.

use std::collections::BTreeMap;

use ottla_metadata::Image;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_share_group_offsets_request as asked_for;
use ottla_wire::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use ottla_wire::messages::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
    ReadShareGroupStateSummaryRequest, read_share_group_state_summary_request as to_read,
    read_share_group_state_summary_response as summed_up,
};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, StrBytes, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

/// What is not known.
const UNKNOWN: i64 = -1;

type Topic = DescribeShareGroupOffsetsResponseTopic;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeShareGroupOffsetsRequest,
) -> Answer<DescribeShareGroupOffsetsResponse> {
    Answer::Later(Box::pin(async move {
        let mut groups = Vec::with_capacity(request.groups.len());
        for asked in &request.groups {
            let described = describe(&ctx, asked).await;
            groups.push(described.unwrap_or_else(|(error_code, message)| {
                DescribeShareGroupOffsetsResponseGroup {
                    group_id: asked.group_id.clone(),
                    error_code,
                    error_message: Some(message.into()),
                    ..Default::default()
                }
            }));
        }
        DescribeShareGroupOffsetsResponse { groups, ..Default::default() }
    }))
}

async fn describe(
    ctx: &Ctx,
    asked: &asked_for::DescribeShareGroupOffsetsRequestGroup,
) -> Result<DescribeShareGroupOffsetsResponseGroup, (ErrorCode, String)> {
    let group = &asked.group_id;
    let failed = |code: ErrorCode| (code, code.message().to_owned());
    if !ctx.allows(Operation::Describe, Resource::Group(group)) {
        return Err(failed(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    }
    let known = ctx.rooms.groups.share_places(ctx.caller(), group, false).await?;
    let image = ctx.image();
    let topics = match &asked.topics {
        None => {
            let may = |topic: &TopicId| {
                let name = image.topic(*topic).map(|topic| topic.name.clone());
                name.is_some_and(|name| ctx.allows(Operation::Describe, Resource::Topic(&name)))
            };
            let places = known.into_iter().filter(|(topic, _)| may(topic)).collect();
            summaries(ctx, &image, group, &places).await
        }
        Some(asked) => {
            let ids = asked.iter().filter_map(|topic| {
                let name = &topic.topic_name;
                let may = ctx.allows(Operation::Describe, Resource::Topic(name));
                Some((image.topics().id(name).filter(|_| may)?, &topic.partitions))
            });
            // Of what has no state nobody is asked: it begins nowhere yet.
            let places = ids.filter_map(|(id, partitions)| {
                let with_state = known.get(&id)?;
                let asked = partitions.iter().copied().filter(|it| with_state.contains(it));
                Some((id, asked.collect()))
            });
            let told = summaries(ctx, &image, group, &places.collect()).await;
            asked.iter().map(|topic| answer(ctx, &image, topic, &told)).collect()
        }
    };
    Ok(DescribeShareGroupOffsetsResponseGroup {
        group_id: group.clone(),
        topics,
        ..Default::default()
    })
}

/// One topic that was asked for by name, its partitions in the order of the question.
fn answer(
    ctx: &Ctx,
    image: &Image,
    asked: &asked_for::DescribeShareGroupOffsetsRequestTopic,
    told: &[Topic],
) -> Topic {
    let name = &asked.topic_name;
    if !ctx.allows(Operation::Describe, Resource::Topic(name)) {
        return without_state(name, &asked.partitions, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let mut answer = without_state(name, &asked.partitions, ErrorCode::NONE);
    answer.topic_id = image.topics().id(name).unwrap_or_default();
    let told = told.iter().filter(|topic| topic.topic_id == answer.topic_id);
    for told in told.flat_map(|topic| &topic.partitions) {
        let places = answer.partitions.iter_mut();
        for place in places.filter(|place| place.partition_index == told.partition_index) {
            *place = told.clone();
        }
    }
    answer
}

/// What the share coordinator knows of these partitions.
async fn summaries(
    ctx: &Ctx,
    image: &Image,
    group: &StrBytes,
    places: &BTreeMap<TopicId, Vec<PartitionIndex>>,
) -> Vec<Topic> {
    let asked = places.iter().map(|(topic_id, partitions)| to_read::ReadStateSummaryData {
        topic_id: *topic_id,
        partitions: partitions
            .iter()
            .map(|partition| to_read::PartitionData { partition: *partition, ..Default::default() })
            .collect(),
        ..Default::default()
    });
    let request = ReadShareGroupStateSummaryRequest {
        group_id: group.clone(),
        topics: asked.collect(),
        ..Default::default()
    };
    let exists = share_groups::existing(&ctx.rooms);
    let response = ctx.rooms.shares.summarize_state(request, &exists).await;
    let told = response.results.into_iter().map(|topic| {
        let name = image.topic(topic.topic_id).map(|known| known.name.clone());
        let partitions = topic.partitions.iter().map(|it| told(ctx, topic.topic_id, it));
        Topic {
            topic_name: name.unwrap_or_default(),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    told.collect()
}

fn told(
    ctx: &Ctx,
    topic: TopicId,
    summary: &summed_up::PartitionResult,
) -> DescribeShareGroupOffsetsResponsePartition {
    let mut told = DescribeShareGroupOffsetsResponsePartition {
        partition_index: summary.partition,
        start_offset: summary.start_offset,
        leader_epoch: summary.leader_epoch,
        lag: UNKNOWN,
        error_code: summary.error_code,
        error_message: summary.error_message.clone(),
        ..Default::default()
    };
    if summary.error_code != ErrorCode::NONE {
        told.start_offset = Offset(UNKNOWN);
        return told;
    }
    let done = i64::from(summary.delivery_complete_count);
    if ctx.version >= 1
        && summary.start_offset >= Offset(0)
        && done >= 0
        && let Ok(partition) = ctx.rooms.partitions.find(topic, summary.partition)
    {
        told.lag = (partition.high_watermark() - summary.start_offset - done).max(0);
    }
    told
}

/// Partitions of which nothing is known, and why that is not told.
fn without_state(name: &StrBytes, partitions: &[PartitionIndex], error_code: ErrorCode) -> Topic {
    let partitions = partitions.iter().map(|index| DescribeShareGroupOffsetsResponsePartition {
        partition_index: *index,
        start_offset: Offset(UNKNOWN),
        lag: UNKNOWN,
        error_code,
        error_message: (error_code != ErrorCode::NONE)
            .then(|| StrBytes::from(error_code.message())),
        ..Default::default()
    });
    Topic { topic_name: name.clone(), partitions: partitions.collect(), ..Default::default() }
}
