//! AlterClientQuotas (49), v0-1: sets and removes limits of users, client ids and addresses
//! (KIP-546). v1 flexible. Asks for AlterConfigs on the cluster. Not served: nothing; that nobody
//! holds clients to the limits is the broker's affair.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::alter_client_quotas_request::EntityData;
use ottla_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, alter_client_quotas_response as answer,
};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: AlterClientQuotasRequest,
) -> Answer<AlterClientQuotasResponse> {
    if !ctx.allows(Operation::AlterConfigs, Resource::Cluster) {
        return refused(request).into();
    }
    ctx.decide(|controller, live| controller.alter_client_quotas(live, &request))
}

fn refused(request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let part = |part: EntityData| answer::EntityData {
        entity_type: part.entity_type,
        entity_name: part.entity_name,
        ..Default::default()
    };
    let entries = request.entries.into_iter().map(|entry| answer::EntryData {
        error_code,
        error_message: Some(error_code.message().into()),
        entity: entry.entity.into_iter().map(part).collect(),
        ..Default::default()
    });
    AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
}
