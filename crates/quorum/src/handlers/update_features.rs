//! UpdateFeatures (57), v0-2: sets feature levels (KIP-584).
//! v1 downgrade types and validate only; v2 one error for all.
//! Asks for Alter on the cluster. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, request: UpdateFeaturesRequest) -> Answer<UpdateFeaturesResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return UpdateFeaturesResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.update_features(live, &request))
}
