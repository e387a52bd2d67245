//! DescribeUserScramCredentials (50), v0: which credentials of SCRAM users have (KIP-554), as this
//! broker knows them. Asks for Describe on the cluster. Not served: nothing.

use ottla_controller::describe_user_scram_credentials;
use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeUserScramCredentialsRequest,
) -> Answer<DescribeUserScramCredentialsResponse> {
    if !ctx.allows(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        let error_message = Some(error_code.message().into());
        let refused = DescribeUserScramCredentialsResponse {
            error_code,
            error_message,
            ..Default::default()
        };
        return refused.into();
    }
    describe_user_scram_credentials(&ctx.image(), &request).into()
}
