//! CreateDelegationToken (38), v1-3, RenewDelegationToken (39), v1-2, ExpireDelegationToken (40),
//! v1-2, DescribeDelegationToken (41), v1-3: answered as by a node without a secret for tokens,
//! which is what a node is. v2 flexible; v3 tokens for other owners.
//! Kafka refuses whoever came without a login before it looks at the secret.
//! Not served: delegation tokens.

use ottla_security::Principal;
use ottla_wire::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};
use ottla_wire::{ErrorCode, StrBytes, Timestamp};

use crate::answer::Answer;
use crate::context::Ctx;

/// A time that there is none of.
const NEVER: Timestamp = Timestamp(-1);

pub(crate) fn create(
    ctx: &Ctx,
    request: CreateDelegationTokenRequest,
) -> Answer<CreateDelegationTokenResponse> {
    let principal = &ctx.connection.principal;
    let (kind, name) = (StrBytes::copied(&principal.kind), StrBytes::copied(&principal.name));
    // An owner without a name is the one who asks.
    let is_named = |text: &StrBytes| !text.is_empty();
    let owner = (
        request.owner_principal_type.filter(is_named),
        request.owner_principal_name.filter(is_named),
    );
    let (owner_kind, owner_name) = match owner {
        (Some(kind), Some(name)) => (kind, name),
        _ => (kind.clone(), name.clone()),
    };
    // Before version 3 an answer has no place for who asked.
    let (requester_kind, requester_name) =
        if ctx.version >= 3 { (kind, name) } else { Default::default() };
    CreateDelegationTokenResponse {
        error_code: refusal(ctx),
        principal_type: owner_kind,
        principal_name: owner_name,
        token_requester_principal_type: requester_kind,
        token_requester_principal_name: requester_name,
        issue_timestamp_ms: NEVER,
        expiry_timestamp_ms: NEVER,
        max_timestamp_ms: NEVER,
        ..Default::default()
    }
    .into()
}

pub(crate) fn renew(
    ctx: &Ctx,
    _: RenewDelegationTokenRequest,
) -> Answer<RenewDelegationTokenResponse> {
    RenewDelegationTokenResponse {
        error_code: refusal(ctx),
        expiry_timestamp_ms: NEVER,
        ..Default::default()
    }
    .into()
}

pub(crate) fn expire(
    ctx: &Ctx,
    _: ExpireDelegationTokenRequest,
) -> Answer<ExpireDelegationTokenResponse> {
    ExpireDelegationTokenResponse {
        error_code: refusal(ctx),
        expiry_timestamp_ms: NEVER,
        ..Default::default()
    }
    .into()
}

pub(crate) fn describe(
    ctx: &Ctx,
    _: DescribeDelegationTokenRequest,
) -> Answer<DescribeDelegationTokenResponse> {
    DescribeDelegationTokenResponse { error_code: refusal(ctx), ..Default::default() }.into()
}

fn refusal(ctx: &Ctx) -> ErrorCode {
    match ctx.connection.principal == Principal::anonymous() {
        true => ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        false => ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED,
    }
}
