//! DescribeCluster (60), v0-2: the cluster's id and its brokers.
//! v1 whether brokers or controllers are asked for: only brokers answer here; v2 fenced brokers.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use ottla_wire::{BrokerId, ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;
/// `endpoint_type` of controllers, which only a controller's listener knows.
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeClusterRequest,
) -> Answer<DescribeClusterResponse> {
    let refused = |error_code, message: String| DescribeClusterResponse {
        error_code,
        error_message: Some(message.into()),
        ..Default::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let message = "a broker knows the endpoints of brokers only: ask a controller";
            return refused(ErrorCode::MISMATCHED_ENDPOINT_TYPE, message.to_owned()).into();
        }
        other => {
            let message = format!("endpoint type {other} is not known: 1 is brokers");
            return refused(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, message).into();
        }
    }
    let image = ctx.image();
    let is_told = |fenced: bool| !fenced || request.include_fenced_brokers;
    let told = image.brokers().filter(|broker| is_told(broker.fenced));
    let brokers: Vec<DescribeClusterBroker> = told
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&ctx.connection.listener)?;
            Some(DescribeClusterBroker {
                broker_id: broker.id,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: broker.rack.clone(),
                is_fenced: broker.fenced,
                ..Default::default()
            })
        })
        .collect();
    let alive: Vec<BrokerId> =
        brokers.iter().filter(|broker| !broker.is_fenced).map(|broker| broker.broker_id).collect();
    let pick = usize::try_from(ctx.rooms.env.random_u64() >> 1).unwrap_or(0);
    let mut response = DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: StrBytes::copied(&ctx.rooms.cluster_id),
        controller_id: alive.get(pick % alive.len().max(1)).copied().unwrap_or(BrokerId(-1)),
        brokers,
        ..Default::default()
    };
    if request.include_cluster_authorized_operations
        && ctx.allows(Operation::Describe, Resource::Cluster)
    {
        response.cluster_authorized_operations = ctx.allowed_operations(Resource::Cluster);
    } else if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = 0;
    }
    response.into()
}
