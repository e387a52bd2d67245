//! What administrators ask a controller, which needs no second node and no login.

use ottla_net::Channel;
use ottla_sim::World;
use ottla_wire::messages::*;
use ottla_wire::{Bytes, ErrorCode};

use crate::support::{format, start};

#[test]
fn credentials_and_reassignments_are_told_without_a_broker() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let upsertion = alter_user_scram_credentials_request::ScramCredentialUpsertion {
            name: "alice".into(),
            mechanism: 1,
            iterations: 4_096,
            salt: Bytes::from_static(b"salt"),
            salted_password: Bytes::from_static(b"salted"),
            ..Default::default()
        };
        let request =
            AlterUserScramCredentialsRequest { upsertions: vec![upsertion], ..Default::default() };
        let told = channel.send(&request, 0).await.expect("an answer");
        assert_eq!(told.results[0].error_code, ErrorCode::NONE);
        let all = DescribeUserScramCredentialsRequest { users: None, ..Default::default() };
        let told = channel.send(&all, 0).await.expect("an answer");
        assert_eq!(told.results[0].user, "alice");
        assert_eq!(told.results[0].credential_infos[0].iterations, 4_096);
        let all = ListPartitionReassignmentsRequest { topics: None, ..Default::default() };
        let told = channel.send(&all, 0).await.expect("an answer");
        assert_eq!((told.error_code, told.topics.len()), (ErrorCode::NONE, 0));
    });
}

#[test]
fn acls_and_tokens_are_refused_as_without_an_authorizer_and_a_secret() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let any = |resource_type_filter| DescribeAclsRequest {
            resource_type_filter,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        };
        let told = channel.send(&any(1), 3).await.expect("an answer");
        assert_eq!(told.error_code, ErrorCode::SECURITY_DISABLED);
        let why = told.error_message.expect("a reason");
        assert_eq!(why, "No Authorizer is configured on the broker");
        // Kafka ends the connection of who names an unknown kind.
        assert!(channel.send(&any(0), 3).await.is_err());
        let told = channel.send(&CreateAclsRequest::default(), 3).await.expect("an answer");
        assert!(told.results.is_empty());
        let told = channel.send(&DeleteAclsRequest::default(), 3).await.expect("an answer");
        assert!(told.filter_results.is_empty());
        let not_allowed = ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
        for version in 1..=3 {
            let told = channel.send(&CreateDelegationTokenRequest::default(), version).await;
            assert_eq!(told.expect("an answer").error_code, not_allowed, "v{version}");
        }
        let told = channel.send(&RenewDelegationTokenRequest::default(), 2).await;
        assert_eq!(told.expect("an answer").error_code, not_allowed);
        let told = channel.send(&ExpireDelegationTokenRequest::default(), 2).await;
        assert_eq!(told.expect("an answer").error_code, not_allowed);
        let told = channel.send(&DescribeDelegationTokenRequest::default(), 3).await;
        assert_eq!(told.expect("an answer").error_code, not_allowed);
    });
}
