//! ShareAcknowledge (79), v1-2: takes what a member says of the records that it has acquired
//! (KIP-932). v2 renewed locks (KIP-1222) and the lock's duration. Session epoch -1 ends the
//! session: what the member still holds is free again. Answers when all is written.
//! Not served: nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_security::{Operation, Resource};
use ottla_wire::messages::share_acknowledge_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeTopicResponse,
};
use ottla_wire::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_acknowledgements::{self, Said};
use crate::share_sessions::{FINAL_EPOCH, Who};

pub(crate) async fn handle(
    ctx: Ctx,
    request: ShareAcknowledgeRequest,
) -> Answer<ShareAcknowledgeResponse> {
    let who = match begin(&ctx, &request) {
        Ok(who) => who,
        Err(error_code) => {
            return ShareAcknowledgeResponse {
                error_code,
                error_message: Some(StrBytes::from(error_code.message())),
                ..Default::default()
            }
            .into();
        }
    };
    let said: Vec<Said> = request
        .topics
        .iter()
        .flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| {
                let batches = partition.acknowledgement_batches.iter();
                let batches =
                    batches.map(|it| (it.first_offset, it.last_offset, &*it.acknowledge_types));
                let place = (topic.topic_id, partition.partition_index);
                (place, share_acknowledgements::read(batches, request.is_renew_ack))
            })
        })
        .collect();
    let is_last = request.share_session_epoch == FINAL_EPOCH;
    Answer::Later(Box::pin(acknowledge(ctx, who, said, is_last)))
}

fn begin(ctx: &Ctx, request: &ShareAcknowledgeRequest) -> Result<Who, ErrorCode> {
    if !ctx.rooms.serves_share_groups() {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let group = request.group_id.as_deref().unwrap_or_default();
    if !ctx.allows(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let member = request.member_id.as_deref().unwrap_or_default();
    if group.is_empty() || member.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let who = Who::copied(group, member);
    ctx.rooms.share_partitions.sessions.acknowledge(&who, request.share_session_epoch)?;
    Ok(who)
}

async fn acknowledge(
    ctx: Ctx,
    who: Who,
    said: Vec<Said>,
    is_last: bool,
) -> ShareAcknowledgeResponse {
    let rooms = Arc::clone(&ctx.rooms);
    let terms = rooms.configs.share_terms(&rooms.image.borrow(), &who.group);
    let mut responses: Vec<ShareAcknowledgeTopicResponse> = Vec::new();
    let mut leaders = BTreeSet::new();
    for (place, read) in said {
        let result = match read {
            Ok(said) => share_acknowledgements::acknowledge(&ctx, &terms, &who, place, &said).await,
            Err(error) => Err(error),
        };
        let mut data = PartitionData { partition_index: place.1, ..Default::default() };
        if let Err(error) = result {
            data.error_code = error;
            data.error_message = Some(StrBytes::from(error.message()));
            let leader = share_acknowledgements::leader(&ctx, place, error);
            if let Some((leader_id, leader_epoch)) = leader {
                leaders.insert(leader_id);
                data.current_leader =
                    LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
            }
        }
        match responses.last_mut().filter(|last| last.topic_id == place.0) {
            Some(last) => last.partitions.push(data),
            None => responses.push(ShareAcknowledgeTopicResponse {
                topic_id: place.0,
                partitions: vec![data],
                ..Default::default()
            }),
        }
    }
    if is_last {
        rooms.share_partitions.ended(&rooms, &rooms.share_partitions.sessions.end(&who));
    }
    let node_endpoints = ctx.endpoints(&leaders, |broker, endpoint| NodeEndpoint {
        node_id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
        ..Default::default()
    });
    let lock_ms = i32::try_from(terms.rules.lock_ms).unwrap_or(i32::MAX);
    ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: if ctx.version >= 2 { lock_ms } else { 0 },
        responses,
        node_endpoints,
        ..Default::default()
    }
}
