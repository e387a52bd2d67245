//! AlterShareGroupOffsets (91), v0: lets a share group go on from other offsets, while nobody is in
//! it. A group that is not there is begun. What was in flight is forgotten. Not served: nothing.

use std::collections::BTreeMap;

use ottla_groups::Places;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use ottla_wire::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};
use crate::share_groups;

type Refused = (ErrorCode, String);

pub(crate) async fn handle(
    ctx: Ctx,
    request: AlterShareGroupOffsetsRequest,
) -> Answer<AlterShareGroupOffsetsResponse> {
    Answer::Later(Box::pin(async move {
        match alter(&ctx, &request).await {
            Ok(responses) => AlterShareGroupOffsetsResponse { responses, ..Default::default() },
            Err((error_code, message)) => AlterShareGroupOffsetsResponse {
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            },
        }
    }))
}

async fn alter(
    ctx: &Ctx,
    request: &AlterShareGroupOffsetsRequest,
) -> Result<Vec<AlterShareGroupOffsetsResponseTopic>, Refused> {
    let group = &request.group_id;
    if !ctx.allows(Operation::Read, Resource::Group(group)) {
        let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        return Err((code, code.message().to_owned()));
    }
    let image = ctx.image();
    let mut places = Places::new();
    let mut names: BTreeMap<TopicId, StrBytes> = BTreeMap::new();
    let mut codes: Vec<Vec<(PartitionIndex, ErrorCode)>> = Vec::new();
    for topic in &request.topics {
        let name = &topic.topic_name;
        let may = ctx.allows(Operation::Read, Resource::Topic(name));
        let id = image.topics().id(name);
        let checked = topic.partitions.iter().map(|asked| {
            let index = asked.partition_index;
            let code = match id {
                _ if !may => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
                Some(id) if has_partition(&image, id, index) => {
                    names.insert(id, StrBytes::copied(name));
                    places.entry(id).or_default().insert(index, asked.start_offset);
                    ErrorCode::NONE
                }
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            (index, code)
        });
        codes.push(checked.collect());
    }
    let altered = ctx.rooms.groups.share_alter(ctx.caller(), group, names, places.clone());
    let initialize = altered.await?;
    let failed = match places.is_empty() {
        true => None,
        false => share_groups::initialize(ctx, &initialize).await.err(),
    };
    ctx.rooms.share_partitions.forget_states(group, &places);
    // What names no partition is not answered, as in Kafka.
    let answered = request.topics.iter().zip(codes).filter(|(_, codes)| !codes.is_empty());
    let responses = answered.map(|(topic, codes)| {
        let partitions = codes.into_iter().map(|(partition_index, code)| {
            let code = if code == ErrorCode::NONE { failed.unwrap_or(code) } else { code };
            AlterShareGroupOffsetsResponsePartition {
                partition_index,
                error_code: code,
                error_message: (code != ErrorCode::NONE).then(|| StrBytes::from(code.message())),
                ..Default::default()
            }
        });
        AlterShareGroupOffsetsResponseTopic {
            topic_name: topic.topic_name.clone(),
            topic_id: image.topics().id(&topic.topic_name).unwrap_or_default(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    Ok(responses.collect())
}
