//! Metadata (3), v0-13: the brokers, and the topics that a client wants to know of.
//! v0 an empty list asks for all; v1 null does, and racks and the controller come with it; v2
//! cluster id; v4 the client says whether topics may be made; v5 offline replicas; v7 leader
//! epochs; v8-10 what the client may do; v9 flexible; v10 topic ids; v12 topics by id; v13 an
//! error for the whole. The controller that is named is a broker: clients cannot reach
//! controllers in KRaft. As in Kafka, a topic is answered once however often it is named, and where
//! one topic is named by its id, names alone count for nothing.
//! Not served: nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{Image, Partition, Topic};
use ottla_security::{Operation, Resource};
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_wire::messages::{MetadataRequest, MetadataResponse};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

/// From this version on topics may be named by id alone.
const IDS_SINCE: i16 = 12;
/// Before this version an empty list stands for all topics.
const NULL_IS_ALL_SINCE: i16 = 1;
/// "Nobody has asked" in a field of allowed operations.
const NOT_ASKED: i32 = i32::MIN;
const NOBODY: BrokerId = BrokerId(-1);

pub(crate) async fn handle(ctx: Ctx, request: MetadataRequest) -> Answer<MetadataResponse> {
    if let Some(refused) = malformed(&ctx, &request) {
        return refused.into();
    }
    let image = ctx.image();
    let topics = match &request.topics {
        Some(asked) if !asked.is_empty() || ctx.version >= NULL_IS_ALL_SINCE => {
            some(&ctx, &image, asked, request.allow_auto_topic_creation)
        }
        _ => all(&ctx, &image),
    };
    let topics = topics.into_iter().map(|mut topic: MetadataResponseTopic| {
        if request.include_topic_authorized_operations && topic.error_code == ErrorCode::NONE {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations = ctx.allowed_operations(Resource::Topic(name));
        }
        topic
    });
    let topics = topics.collect();
    let brokers: Vec<MetadataResponseBroker> = alive(&ctx, &image).collect();
    let cluster_authorized_operations = if request.include_cluster_authorized_operations {
        ctx.allowed_operations(Resource::Cluster)
    } else {
        NOT_ASKED
    };
    let pick = usize::try_from(ctx.rooms.env.random_u64() >> 1).unwrap_or(0);
    let controller_id = match brokers.len() {
        0 => NOBODY,
        count => brokers[pick % count].node_id,
    };
    MetadataResponse {
        brokers,
        cluster_id: Some(StrBytes::copied(&ctx.rooms.cluster_id)),
        controller_id,
        topics,
        cluster_authorized_operations,
        ..Default::default()
    }
    .into()
}

/// Refuses the whole of a request whose topics have no name where they must have one.
fn malformed(ctx: &Ctx, request: &MetadataRequest) -> Option<MetadataResponse> {
    let topics = request.topics.as_deref().unwrap_or_default();
    let has_ids = topics.iter().any(has_id);
    let is_nameless = topics.iter().any(|topic| topic.name.is_none());
    let is_whole = if has_ids { ctx.version >= IDS_SINCE } else { !is_nameless };
    if is_whole {
        return None;
    }
    let topics = topics.iter().map(|topic| MetadataResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    });
    Some(MetadataResponse { topics: topics.collect(), ..Default::default() })
}

/// The brokers that serve the client's listener.
fn alive<'a>(ctx: &'a Ctx, image: &'a Image) -> impl Iterator<Item = MetadataResponseBroker> + 'a {
    image.brokers().filter(|broker| !broker.fenced).filter_map(|broker| {
        let endpoint = broker.endpoint(&ctx.connection.listener)?;
        Some(MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..Default::default()
        })
    })
}

fn all(ctx: &Ctx, image: &Image) -> Vec<MetadataResponseTopic> {
    let visible =
        |topic: &&Arc<Topic>| ctx.allows(Operation::Describe, Resource::Topic(&topic.name));
    image.topics().iter().filter(visible).map(|topic| described(ctx, image, topic)).collect()
}

fn has_id(topic: &MetadataRequestTopic) -> bool {
    topic.topic_id != TopicId::ZERO
}

/// The topics of a request, by id or by name.
fn some(
    ctx: &Ctx,
    image: &Image,
    asked: &[MetadataRequestTopic],
    may_create: bool,
) -> Vec<MetadataResponseTopic> {
    if asked.iter().any(has_id) {
        let ids = asked.iter().filter(|topic| has_id(topic)).map(|topic| topic.topic_id);
        let ids: BTreeSet<TopicId> = ids.collect();
        return ids.into_iter().map(|id| by_id(ctx, image, id)).collect();
    }
    let names: BTreeSet<&StrBytes> = asked.iter().filter_map(|topic| topic.name.as_ref()).collect();
    names.into_iter().map(|name| by_name(ctx, image, name, may_create)).collect()
}

fn by_name(ctx: &Ctx, image: &Image, name: &StrBytes, may_create: bool) -> MetadataResponseTopic {
    if !ctx.allows(Operation::Describe, Resource::Topic(name)) {
        return hidden(Some(name), TopicId::default());
    }
    match image.topic_by_name(name) {
        Some(topic) => described(ctx, image, topic),
        None => refused(Some(name), TopicId::default(), missing(ctx, name, may_create)),
    }
}

fn by_id(ctx: &Ctx, image: &Image, id: TopicId) -> MetadataResponseTopic {
    match image.topic(id) {
        None => refused(None, id, ErrorCode::UNKNOWN_TOPIC_ID),
        // The name of what the client may not see stays hidden.
        Some(topic) if !ctx.allows(Operation::Describe, Resource::Topic(&topic.name)) => {
            hidden(None, id)
        }
        Some(topic) => described(ctx, image, topic),
    }
}

/// What to say of a topic that does not exist, after asking for it where that is allowed.
fn missing(ctx: &Ctx, name: &str, may_create: bool) -> ErrorCode {
    let rooms = &ctx.rooms;
    if !may_create || !rooms.configs.now().log.auto_create_topics_enable {
        return if topics::is_valid_name(name) {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        };
    }
    let may_make = ctx.allows(Operation::Create, Resource::Cluster)
        || ctx.allows(Operation::Create, Resource::Topic(name));
    if !may_make {
        return ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    }
    if !topics::is_valid_name(name) {
        return ErrorCode::INVALID_TOPIC_EXCEPTION;
    }
    rooms.topic_creation.begin(name, &rooms.configs.now());
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
}

/// A topic that the client may not see.
fn hidden(name: Option<&StrBytes>, topic_id: TopicId) -> MetadataResponseTopic {
    let error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    MetadataResponseTopic { error_code, name: name.cloned(), topic_id, ..Default::default() }
}

fn refused(
    name: Option<&StrBytes>,
    topic_id: TopicId,
    error_code: ErrorCode,
) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code,
        name: name.cloned(),
        topic_id,
        is_internal: name.is_some_and(|name| topics::is_internal(name)),
        ..Default::default()
    }
}

fn described(ctx: &Ctx, image: &Image, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter();
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topics::is_internal(&topic.name),
        partitions: partitions.map(|(index, of)| partition(ctx, image, *index, of)).collect(),
        ..Default::default()
    }
}

fn partition(
    ctx: &Ctx,
    image: &Image,
    partition_index: PartitionIndex,
    partition: &Partition,
) -> MetadataResponsePartition {
    let (leader, error_code) = leader(ctx, image, partition);
    MetadataResponsePartition {
        error_code,
        partition_index,
        leader_id: leader.unwrap_or(NOBODY),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        offline_replicas: offline(ctx, image, partition),
        ..Default::default()
    }
}

/// The leader that the client can reach, and what is wrong when there is none.
pub(crate) fn leader(
    ctx: &Ctx,
    image: &Image,
    partition: &Partition,
) -> (Option<BrokerId>, ErrorCode) {
    let broker = partition.leader.and_then(|id| image.broker(id)).filter(|broker| !broker.fenced);
    match broker {
        None => (None, ErrorCode::LEADER_NOT_AVAILABLE),
        Some(broker) if broker.endpoint(&ctx.connection.listener).is_none() => {
            (None, ErrorCode::LISTENER_NOT_FOUND)
        }
        Some(broker) => (Some(broker.id), ErrorCode::NONE),
    }
}

/// Replicas on brokers that are away, or whose directory is.
pub(crate) fn offline(ctx: &Ctx, image: &Image, partition: &Partition) -> Vec<BrokerId> {
    let is_online = |id: &BrokerId| {
        image.broker(*id).is_some_and(|broker| {
            !broker.fenced
                && broker.endpoint(&ctx.connection.listener).is_some()
                && partition.directory(*id).is_none_or(|dir| broker.has_directory(dir))
        })
    };
    partition.replicas.iter().copied().filter(|id| !is_online(id)).collect()
}
