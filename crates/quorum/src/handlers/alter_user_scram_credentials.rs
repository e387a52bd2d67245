//! AlterUserScramCredentials (51), v0: sets and deletes what users of SCRAM log in with (KIP-554).
//! Asks for Alter on the cluster. Not served: nothing.

use std::collections::BTreeSet;

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_wire::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: AlterUserScramCredentialsRequest,
) -> Answer<AlterUserScramCredentialsResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        return refused(request).into();
    }
    ctx.decide(|controller, live| controller.alter_user_scram_credentials(live, &request))
}

fn refused(request: AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let deleted = request.deletions.into_iter().map(|deletion| deletion.name);
    let set = request.upsertions.into_iter().map(|upsertion| upsertion.name);
    let users: BTreeSet<_> = deleted.chain(set).collect();
    let results = users.into_iter().map(|user| AlterUserScramCredentialsResult {
        user,
        error_code,
        error_message: Some(error_code.message().into()),
        ..Default::default()
    });
    AlterUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
}
