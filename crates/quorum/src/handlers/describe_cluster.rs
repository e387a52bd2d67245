//! DescribeCluster (60), v0-2: the cluster's id and its controllers (KIP-919).
//! v1 whether brokers or controllers are asked for: only controllers answer here; v2 fenced
//! brokers, which means nothing for controllers.
//! Asks for Describe on the cluster where its permitted operations are wanted.
//! Not served: nothing.

use ottla_metadata::ControllerNode;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

/// `endpoint_type` of brokers, which only a broker's listener knows.
const BROKERS: i8 = 1;
/// `endpoint_type` of controllers.
const CONTROLLERS: i8 = 2;

pub(crate) fn handle(
    ctx: &Ctx,
    request: DescribeClusterRequest,
) -> Answer<DescribeClusterResponse> {
    let refused = |error_code, message: String| DescribeClusterResponse {
        error_code,
        error_message: Some(message.into()),
        endpoint_type: request.endpoint_type,
        ..Default::default()
    };
    match request.endpoint_type {
        CONTROLLERS => {}
        BROKERS => {
            let message = "a controller knows the endpoints of controllers only: ask a broker";
            // Who cannot name an endpoint type would not understand what is wrong with it.
            let code = match ctx.version {
                0 => ErrorCode::INVALID_REQUEST,
                _ => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            };
            return refused(code, message.to_owned()).into();
        }
        other => {
            let message = format!("endpoint type {other} is not known: 2 is controllers");
            let refused = refused(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, message);
            return DescribeClusterResponse { endpoint_type: BROKERS, ..refused }.into();
        }
    }
    let image = ctx.image();
    let listener = &*ctx.connection.listener;
    let told = |node: &ControllerNode| {
        let endpoint = node.endpoints.iter().find(|endpoint| endpoint.name == *listener)?;
        Some(DescribeClusterBroker {
            broker_id: node.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..Default::default()
        })
    };
    let mut response = DescribeClusterResponse {
        endpoint_type: CONTROLLERS,
        cluster_id: StrBytes::copied(&ctx.shared.opening.cluster_id),
        controller_id: ctx.shared.opening.node_id,
        brokers: image.controllers().filter_map(|node| told(node)).collect(),
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        let authorizer = &ctx.shared.opening.authorizer;
        let by = &ctx.connection.principal;
        let all = authorizer.allowed_operations(by, Resource::Cluster);
        let may_know = ctx.allows(Operation::Describe, Resource::Cluster);
        response.cluster_authorized_operations = if may_know { all } else { 0 };
    }
    response.into()
}
