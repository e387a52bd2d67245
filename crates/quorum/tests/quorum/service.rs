//! What the controller's listener answers, and to whom.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_net::Channel;
use ottla_quorum::Quorum;
use ottla_security::Authorizer;
use ottla_sim::World;
use ottla_wire::frame::{decode_response_header, encode_request};
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_wire::messages::{
    AllocateProducerIdsRequest, AlterPartitionReassignmentsRequest, AlterPartitionRequest,
    ApiVersionsRequest, AssignReplicasToDirsRequest, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, ControllerRegistrationRequest, CreateTopicsResponse,
    DefaultPrincipalData, DescribeClusterRequest, DescribeQuorumRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, EnvelopeRequest, EnvelopeResponse,
    IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest, UnregisterBrokerRequest,
    UnregisterControllerRequest, UpdateFeaturesRequest,
};
use ottla_wire::{ApiKey, ErrorCode, Message, Reader, Request};

use crate::support::{NODE, create, format, opening, start};

#[test]
fn the_quorum_is_described_in_every_version() {
    use ottla_wire::messages::describe_quorum_request::{PartitionData, TopicData};
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let of = |name: &'static str, partitions: usize| DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: name.into(),
                partitions: vec![PartitionData::default(); partitions],
                ..Default::default()
            }],
            ..Default::default()
        };
        for version in 0..=2 {
            let metadata = of("__cluster_metadata", 1);
            let told = channel.send(&metadata, version).await.expect("an answer");
            let partition = &told.topics[0].partitions[0];
            assert_eq!((told.error_code, partition.error_code), (ErrorCode::NONE, ErrorCode::NONE));
            assert!(partition.high_watermark.0 > 0);
            assert_eq!(partition.current_voters.len(), 1);
            assert_eq!(told.nodes.len(), usize::from(version >= 2));
            for (name, partitions) in [("other", 1), ("__cluster_metadata", 2)] {
                let told = channel.send(&of(name, partitions), version).await.expect("an answer");
                assert_eq!((told.error_code, told.nodes.len()), (ErrorCode::NONE, 0));
                let codes = told.topics[0].partitions.iter().map(|partition| partition.error_code);
                let expect = vec![ErrorCode::UNKNOWN_TOPIC_OR_PARTITION; partitions];
                assert_eq!(codes.collect::<Vec<_>>(), expect);
            }
        }
    });
}

#[test]
fn api_versions_names_what_has_a_row() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let response = channel.send(&request, 4).await.expect("an answer");
        assert_eq!(response.error_code, ErrorCode::NONE);
        let keys: Vec<i16> = response.api_keys.iter().map(|api| api.api_key).collect();
        assert!(keys.contains(&(ApiKey::Envelope as i16)), "{keys:?}");
        assert!(!keys.contains(&(ApiKey::Produce as i16)), "{keys:?}");
        let level = |name: &str| {
            let found = response.finalized_features.iter().find(|f| f.name == *name);
            found.map(|feature| feature.max_version_level)
        };
        assert_eq!(level("metadata.version"), Some(30));
        assert_eq!(level("kraft.version"), Some(1));
    });
}

fn envelope<R: Request>(request: &R, version: i16) -> EnvelopeRequest {
    let frame = encode_request(request, version, 77, None).expect("it fits");
    let principal =
        DefaultPrincipalData { r#type: "User".into(), name: "alice".into(), ..Default::default() };
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put(principal.to_bytes(0).expect("it fits"));
    EnvelopeRequest {
        request_data: frame.slice(4..),
        request_principal: Some(bytes.freeze()),
        client_host_address: Bytes::from_static(&[127, 0, 0, 1]),
        ..Default::default()
    }
}

#[test]
fn an_envelope_brings_the_answer_to_what_is_in_it() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let answer = channel.send(&envelope(&create("a"), 7), 0).await.expect("an answer");
        assert_eq!(answer.error_code, ErrorCode::NONE);
        let mut reader = Reader::new(answer.response_data.expect("the embedded answer"));
        let header = decode_response_header(&mut reader, ApiKey::CreateTopics, 7).unwrap();
        assert_eq!(header.correlation_id, 77);
        let embedded = CreateTopicsResponse::decode(&mut reader, 7).unwrap();
        assert_eq!(embedded.topics[0].name, "a");
        assert!(reader.is_empty());
    });
}

#[test]
fn an_envelope_with_something_else_is_refused() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let code = async |request: &EnvelopeRequest| -> ErrorCode {
            let answer: EnvelopeResponse = channel.send(request, 0).await.expect("an answer");
            answer.error_code
        };
        let direct = envelope(&BrokerHeartbeatRequest::default(), 2);
        assert_eq!(code(&direct).await, ErrorCode::INVALID_REQUEST);
        let nested = envelope(&direct, 0);
        assert_eq!(code(&nested).await, ErrorCode::INVALID_REQUEST);
        let torn = EnvelopeRequest { request_data: Bytes::from_static(&[0]), ..direct.clone() };
        assert_eq!(code(&torn).await, ErrorCode::UNSUPPORTED_VERSION);
        let nobody = EnvelopeRequest { request_principal: None, ..direct.clone() };
        assert_eq!(code(&nobody).await, ErrorCode::PRINCIPAL_DESERIALIZATION_FAILURE);
        let nowhere = EnvelopeRequest { client_host_address: Bytes::new(), ..direct };
        assert_eq!(code(&nowhere).await, ErrorCode::INVALID_REQUEST);
    });
}

#[test]
fn the_cluster_is_described_by_its_controllers() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let ask = async |endpoint_type| {
            let request = DescribeClusterRequest { endpoint_type, ..Default::default() };
            channel.send(&request, 1).await.expect("an answer")
        };
        let oldest = channel.send(&DescribeClusterRequest::default(), 0).await.expect("an answer");
        assert_eq!(oldest.error_code, ErrorCode::INVALID_REQUEST);
        let controllers = ask(2).await;
        assert_eq!((controllers.error_code, controllers.controller_id), (ErrorCode::NONE, NODE));
        assert_eq!(ask(1).await.error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
        assert_eq!(ask(9).await.error_code, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE);
    });
}

#[test]
fn a_controller_does_not_unregister_itself() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let request = UnregisterControllerRequest { controller_id: NODE, ..Default::default() };
        let told = channel.send(&request, 0).await.expect("an answer");
        assert_eq!(told.error_code, ErrorCode::INVALID_REQUEST);
    });
}

/// Sends a request to a controller that allows nothing, and gives the top-level code.
macro_rules! denied {
    ($channel:expr, $version:expr, $request:expr) => {{
        let answer = $channel.send(&$request, $version).await.expect("an answer");
        assert_eq!(answer.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "{answer:?}");
    }};
}

#[test]
fn who_may_do_nothing_changes_nothing() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let mut opening = opening(&env, &["metadata.max.idle.interval.ms=0"]);
        opening.authorizer = Authorizer::Nobody;
        let quorum = Quorum::start(&env, opening).await.expect("it starts");
        let mut image = quorum.image();
        image.wait_for(|image| !image.features().is_empty()).await.expect("it lives");
        let before = Arc::clone(&image.borrow());
        let channel = Channel::pipe(quorum.service(), "test");
        denied!(channel, 4, BrokerRegistrationRequest::default());
        denied!(channel, 2, BrokerHeartbeatRequest::default());
        denied!(channel, 0, ControllerRegistrationRequest::default());
        denied!(channel, 0, AllocateProducerIdsRequest::default());
        denied!(channel, 3, AlterPartitionRequest::default());
        denied!(channel, 0, AssignReplicasToDirsRequest::default());
        denied!(channel, 0, UnregisterBrokerRequest::default());
        denied!(channel, 1, UpdateFeaturesRequest::default());
        denied!(channel, 2, DescribeQuorumRequest::default());
        denied!(channel, 0, DescribeUserScramCredentialsRequest::default());
        denied!(channel, 2, ElectLeadersRequest::default());
        denied!(channel, 1, AlterPartitionReassignmentsRequest::default());
        denied!(channel, 0, ListPartitionReassignmentsRequest::default());
        denied!(channel, 0, envelope(&create("a"), 7));
        let created = channel.send(&create("a"), 7).await.expect("an answer");
        assert_eq!(created.topics[0].error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: 4,
                configs: vec![AlterableConfig {
                    name: "log.retention.ms".into(),
                    value: Some("1000".into()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let altered = channel.send(&request, 1).await.expect("an answer");
        assert_eq!(altered.responses[0].error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
        assert_eq!(**image.borrow(), *before);
    });
}
