//! DescribeAcls (29), CreateAcls (30) and DeleteAcls (31), v1-3: answered as by a node without an
//! authorizer, which is what a node is. v2 flexible; v3 the resource type User.
//! What names an unknown kind closes the connection, as Kafka does.
//! Asks for Describe, to change for Alter on the cluster. Not served: ACLs.

use ottla_net::CloseReason;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::create_acls_response::AclCreationResult;
use ottla_wire::messages::delete_acls_response::DeleteAclsFilterResult;
use ottla_wire::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

/// Resource type, pattern type, operation, permission: the highest numbers that are known.
const KNOWN: [i8; 4] = [7, 4, 15, 3];

pub(crate) fn describe(ctx: &Ctx, request: DescribeAclsRequest) -> Answer<DescribeAclsResponse> {
    let kinds = [
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    ];
    if !are_known(kinds) {
        return unknown(ctx);
    }
    let (error_code, why) =
        refusal(ctx, Operation::Describe, "No Authorizer is configured on the broker");
    DescribeAclsResponse { error_code, error_message: Some(why), ..Default::default() }.into()
}

pub(crate) fn create(ctx: &Ctx, request: CreateAclsRequest) -> Answer<CreateAclsResponse> {
    let is_known = request.creations.iter().all(|acl| {
        are_known([
            acl.resource_type,
            acl.resource_pattern_type,
            acl.operation,
            acl.permission_type,
        ])
    });
    if !is_known {
        return unknown(ctx);
    }
    let (error_code, why) = refusal(ctx, Operation::Alter, "No Authorizer is configured.");
    let result = AclCreationResult { error_code, error_message: Some(why), ..Default::default() };
    let results = vec![result; request.creations.len()];
    CreateAclsResponse { results, ..Default::default() }.into()
}

pub(crate) fn delete(ctx: &Ctx, request: DeleteAclsRequest) -> Answer<DeleteAclsResponse> {
    let is_known = request.filters.iter().all(|filter| {
        are_known([
            filter.resource_type_filter,
            filter.pattern_type_filter,
            filter.operation,
            filter.permission_type,
        ])
    });
    if !is_known {
        return unknown(ctx);
    }
    let (error_code, why) = refusal(ctx, Operation::Alter, "No Authorizer is configured.");
    let result =
        DeleteAclsFilterResult { error_code, error_message: Some(why), ..Default::default() };
    let filter_results = vec![result; request.filters.len()];
    DeleteAclsResponse { filter_results, ..Default::default() }.into()
}

fn are_known(kinds: [i8; 4]) -> bool {
    kinds.iter().zip(KNOWN).all(|(kind, last)| (1..=last).contains(kind))
}

fn unknown<T>(ctx: &Ctx) -> Answer<T> {
    let name = ctx.key.name();
    Answer::Close(CloseReason(format!("{name} v{} names an unknown kind", ctx.version)))
}

fn refusal(ctx: &Ctx, operation: Operation, why: &'static str) -> (ErrorCode, StrBytes) {
    match ctx.allows(operation, Resource::Cluster) {
        true => (ErrorCode::SECURITY_DISABLED, why.into()),
        false => {
            let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
            (code, code.message().into())
        }
    }
}
