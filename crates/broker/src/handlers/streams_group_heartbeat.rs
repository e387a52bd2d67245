//! StreamsGroupHeartbeat (88), v0-1: membership in a streams group, from joining to leaving
//! (KIP-1071). v1 the lag of recovery as 64 bits. Topics that the topology needs are created in
//! the client's name behind the answer; the next ones tell of failures. Not served: descriptions
//! of topologies (KIP-1331), which are never asked for.

use std::collections::BTreeSet;

use ottla_coordination::Answer as Coordinated;
use ottla_groups::{InternalTopic, StreamsAnswer};
use ottla_security::{Operation, Resource};
use ottla_wire::messages::streams_group_heartbeat_request::Topology;
use ottla_wire::messages::streams_group_heartbeat_response::Status;
use ottla_wire::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

/// The status of a group whose internal topics are missing.
const MISSING_INTERNAL_TOPICS: i8 = 3;
/// Failures that are told with one answer.
const FAILURES_MAX: usize = 3;

pub(crate) async fn handle(
    ctx: Ctx,
    request: StreamsGroupHeartbeatRequest,
) -> Answer<StreamsGroupHeartbeatResponse> {
    if !ctx.serves_streams_groups() {
        return refused(ErrorCode::UNSUPPORTED_VERSION, None).into();
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ErrorCode::GROUP_AUTHORIZATION_FAILED, None).into();
    }
    if let Some(topology) = &request.topology
        && let Some(response) = refused_names(&ctx, topology)
    {
        return response.into();
    }
    let topics = ctx.topics();
    let heard = ctx.rooms.groups.streams_heartbeat(ctx.caller(), ctx.version, topics, request);
    match heard {
        Coordinated::Now(answer) => tell(&ctx, answer).into(),
        heard => Answer::Later(Box::pin(async move { tell(&ctx, heard.await) })),
    }
}

/// The topics of a topology must be legal, none of the cluster's own, and known to the client.
fn refused_names(ctx: &Ctx, topology: &Topology) -> Option<StreamsGroupHeartbeatResponse> {
    let mut seen = BTreeSet::new();
    let names = topology.subtopologies.iter().flat_map(|part| {
        let sources = part.source_topics.iter().chain(&part.repartition_sink_topics);
        let internal = part.repartition_source_topics.iter().chain(&part.state_changelog_topics);
        sources.chain(internal.map(|topic| &topic.name))
    });
    let names: Vec<&StrBytes> = names.filter(|name| seen.insert(*name)).collect();
    let those = |is_so: &dyn Fn(&str) -> bool| {
        let found = names.iter().filter(|name| is_so(name)).map(|name| name.as_str());
        found.collect::<Vec<_>>().join(",")
    };
    let internal = those(&topics::is_internal);
    if !internal.is_empty() {
        let why = format!(
            "Use of Kafka internal topics {internal} in a Kafka Streams topology is prohibited."
        );
        return Some(refused(ErrorCode::STREAMS_INVALID_TOPOLOGY, Some(why)));
    }
    let illegal = those(&|name| !topics::is_valid_name(name));
    if names.iter().any(|name| !topics::is_valid_name(name)) {
        let why = format!("Topic names {illegal} are not valid topic names.");
        return Some(refused(ErrorCode::STREAMS_INVALID_TOPOLOGY, Some(why)));
    }
    match names.iter().all(|name| ctx.allows(Operation::Describe, Resource::Topic(name))) {
        true => None,
        false => Some(StreamsGroupHeartbeatResponse {
            error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ..Default::default()
        }),
    }
}

/// Has the missing topics created, and tells why earlier ones were not.
fn tell(ctx: &Ctx, answer: StreamsAnswer) -> StreamsGroupHeartbeatResponse {
    let StreamsAnswer { mut response, create: missing } = answer;
    if missing.is_empty() {
        return response;
    }
    let may = |topic: &&InternalTopic| {
        ctx.allows(Operation::Create, Resource::Cluster)
            || ctx.allows(Operation::Create, Resource::Topic(&topic.name))
    };
    let forbidden: Vec<&str> =
        missing.iter().filter(|topic| !may(topic)).map(|topic| topic.name.as_str()).collect();
    if !forbidden.is_empty() {
        let why = format!("Unauthorized to CREATE on topics {}.", forbidden.join(", "));
        add_detail(&mut response, why, true);
        return response;
    }
    // The members ask twice at least before a failure is forgotten and the topic tried again.
    let told_for_ms = i64::from(response.heartbeat_interval_ms) * 2;
    ctx.rooms.internal_topics.create(ctx, &missing, told_for_ms);
    let failures = ctx.rooms.internal_topics.failures(&missing, ctx.now());
    if !failures.is_empty() {
        let told = failures.iter().take(FAILURES_MAX).map(|(name, why)| format!("{name} ({why})"));
        let mut told = told.collect::<Vec<_>>().join(", ");
        if failures.len() > FAILURES_MAX {
            told = format!("{told} and {} more", failures.len() - FAILURES_MAX);
        }
        add_detail(&mut response, format!("Creation failed: {told}."), false);
    }
    response
}

/// Adds to what the answer says of missing topics; `is_needed` says it even where it does not.
fn add_detail(response: &mut StreamsGroupHeartbeatResponse, why: String, is_needed: bool) {
    let status = response.status.get_or_insert_default();
    match status.iter_mut().find(|status| status.status_code == MISSING_INTERNAL_TOPICS) {
        Some(status) => status.status_detail = format!("{}; {why}", status.status_detail).into(),
        None if is_needed => status.push(Status {
            status_code: MISSING_INTERNAL_TOPICS,
            status_detail: why.into(),
            ..Default::default()
        }),
        None => {}
    }
}

fn refused(error_code: ErrorCode, why: Option<String>) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code,
        error_message: Some(why.map_or(StrBytes::from(error_code.message()), StrBytes::from)),
        ..Default::default()
    }
}
