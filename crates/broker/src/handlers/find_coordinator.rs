//! FindCoordinator (10), v0-6: the broker that keeps a group, a transactional id, or what a share
//! group has in flight. v1 key types; v3 flexible; v4 several keys; v6 share partitions, whose key
//! is `group:topic id:partition`, for those whom the cluster trusts. The home topic is made when it
//! is first asked for; until it has a leader the answer is COORDINATOR_NOT_AVAILABLE.
//! Not served: nothing.

use ottla_coordination::partition_of;
use ottla_metadata::Image;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::find_coordinator_response::Coordinator;
use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_wire::{BrokerId, ErrorCode, StrBytes, Uuid};

use super::metadata;
use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

/// `key_type` of groups.
const GROUP: i8 = 0;
/// `key_type` of transactions.
const TRANSACTION: i8 = 1;
/// `key_type` of share partitions.
const SHARE: i8 = 2;
/// From this version on share partitions are known.
const SHARES_SINCE: i16 = 6;
/// From this version on a request holds several keys.
const KEYS_SINCE: i16 = 4;

pub(crate) async fn handle(
    ctx: Ctx,
    request: FindCoordinatorRequest,
) -> Answer<FindCoordinatorResponse> {
    if ctx.version >= KEYS_SINCE {
        let keys = request.coordinator_keys.iter();
        let coordinators = keys.map(|key| find(&ctx, request.key_type, key)).collect();
        return FindCoordinatorResponse { coordinators, ..Default::default() }.into();
    }
    let found = find(&ctx, request.key_type, &request.key);
    let message = match found.error_message {
        // What Kafka says when all is well.
        Some(message) if found.error_code == ErrorCode::NONE && message.is_empty() => {
            Some(StrBytes::from("NONE"))
        }
        message => message,
    };
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
    .into()
}

fn find(ctx: &Ctx, key_type: i8, key: &StrBytes) -> Coordinator {
    match find_home(ctx, key_type, key) {
        Ok(coordinator) => coordinator,
        Err((error_code, message)) => Coordinator {
            key: key.clone(),
            node_id: BrokerId(-1),
            port: -1,
            error_code,
            error_message: Some(message.into()),
            ..Default::default()
        },
    }
}

fn find_home(ctx: &Ctx, key_type: i8, key: &StrBytes) -> Result<Coordinator, (ErrorCode, String)> {
    let failed = |code: ErrorCode| (code, code.message().to_owned());
    let (topic, of, refusal) = match key_type {
        GROUP => {
            let refusal = ErrorCode::GROUP_AUTHORIZATION_FAILED;
            (topics::CONSUMER_OFFSETS, Resource::Group(key), refusal)
        }
        TRANSACTION => {
            let refusal = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            (topics::TRANSACTION_STATE, Resource::TransactionalId(key), refusal)
        }
        SHARE if ctx.version >= SHARES_SINCE => {
            if !is_share_key(key) {
                let message = "the key is not group:topic id:partition".to_owned();
                return Err((ErrorCode::INVALID_REQUEST, message));
            }
            let refusal = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
            (topics::SHARE_GROUP_STATE, Resource::Cluster, refusal)
        }
        _ => {
            let message = format!("there is no coordinator of type {key_type} in this version");
            return Err((ErrorCode::INVALID_REQUEST, message));
        }
    };
    let operation = match key_type {
        SHARE => Operation::ClusterAction,
        _ => Operation::Describe,
    };
    if !ctx.allows(operation, of) {
        return Err(failed(refusal));
    }
    let image = ctx.image();
    let home = home(ctx, &image, topic, key);
    let (node_id, host, port) = home.ok_or(failed(ErrorCode::COORDINATOR_NOT_AVAILABLE))?;
    let (key, error_message) = (key.clone(), Some(StrBytes::default()));
    Ok(Coordinator { key, node_id, host, port, error_message, ..Default::default() })
}

/// Whether a key is `group:topic id:partition`; a group may have colons in its id.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let partition = parts.next().and_then(|index| index.parse::<i32>().ok());
    let topic = parts.next().and_then(|id| id.parse::<Uuid>().ok());
    let group = parts.next().filter(|group| !group.is_empty());
    partition.is_some_and(|index| index >= 0) && topic.is_some() && group.is_some()
}

/// The broker that leads that partition of a coordinator's topic which keeps `key`, once there is
/// one.
fn home(ctx: &Ctx, image: &Image, name: &str, key: &str) -> Option<(BrokerId, StrBytes, i32)> {
    let Some(topic) = image.topic_by_name(name) else {
        let settings = ctx.rooms.configs.now();
        ctx.rooms.topic_creation.begin(name, &settings);
        return None;
    };
    let count = i32::try_from(topic.partitions.len()).ok()?;
    let index = partition_of(key, count)?;
    let partition = topic.partitions.get(&index)?;
    let (leader, _) = metadata::leader(ctx, image, partition);
    let broker = image.broker(leader?)?;
    let endpoint = broker.endpoint(&ctx.connection.listener)?;
    Some((broker.id, endpoint.host.clone(), i32::from(endpoint.port)))
}
