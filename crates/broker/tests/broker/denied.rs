//! Nobody is allowed anything: whoever names a topic or a group is told so, or told nothing.
//!
//! One request per row of the table, so that a handler that forgets to ask is found.

use bytes::Bytes;
use ottla_broker::{APIS, Api};
use ottla_wire::frame::response_header_version;
use ottla_wire::messages::*;
use ottla_wire::registry::{Kind, MESSAGES};
use ottla_wire::{ApiKey, ErrorCode, Message, Offset, PartitionIndex, Reader, StrBytes, Timestamp};

use crate::support::{Got, House, batch, feature, frame_of, id_of};

const TOPIC: &str = "payroll";
const GROUP: &str = "auditors";
const VALUE: &str = "a-salary";
const TRANSACTION: &str = "payments-1";

/// The codes with which a client is told that it may not.
const REFUSALS: [ErrorCode; 5] = [
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::GROUP_AUTHORIZATION_FAILED,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_TOPIC_ID,
];

fn index() -> PartitionIndex {
    PartitionIndex(0)
}

fn topic() -> StrBytes {
    TOPIC.into()
}

fn group() -> StrBytes {
    GROUP.into()
}

/// A house with something to hide, which then allows nothing.
fn denying() -> House {
    let mut house = House::new();
    house.replay(vec![feature("share.version", 1), feature("streams.version", 1)]);
    house.offsets_topic();
    house.topic(TOPIC, 1, &[("retention.ms", "77777777777777")]);
    house.ask(9, crate::support::produce(TOPIC, 1, batch(&[(Some("k"), VALUE)])));
    let told = house.ask(9, commit(9));
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::NONE);
    house.replay(vec![feature("group.version", 1)]);
    house.deny_everything();
    house
}

fn commit(version: i16) -> OffsetCommitRequest {
    use offset_commit_request::*;
    let by_id = version >= 10;
    OffsetCommitRequest {
        group_id: group(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: if by_id { StrBytes::default() } else { topic() },
            topic_id: if by_id { id_of(TOPIC) } else { Default::default() },
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: Offset(1),
                committed_metadata: Some(VALUE.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The body of a request that wants something, in a version of an API.
fn body(key: ApiKey, version: i16) -> Option<Bytes> {
    let of_topics = topics_of(key, version);
    let of_groups = || groups_of(key, version);
    let of_transactions = || transactions_of(key, version);
    let of_the_rest = || rest_of(key, version);
    let of_shares = || of_shares(key, version);
    of_topics.or_else(of_groups).or_else(of_transactions).or_else(of_shares).or_else(of_the_rest)
}

fn bytes<M: Message>(message: &M, version: i16) -> Option<Bytes> {
    Some(message.to_bytes(version).unwrap())
}

fn topics_of(key: ApiKey, version: i16) -> Option<Bytes> {
    match key {
        ApiKey::Produce => {
            let mut request = crate::support::produce(TOPIC, 1, batch(&[(Some("k"), "v")]));
            if version >= 13 {
                request.topic_data[0].name = StrBytes::default();
            } else {
                request.topic_data[0].topic_id = Default::default();
            }
            bytes(&request, version)
        }
        ApiKey::Fetch => {
            use fetch_request::*;
            let partition = FetchPartition { partition_max_bytes: 1_000, ..Default::default() };
            let named = FetchTopic {
                topic: if version >= 13 { StrBytes::default() } else { topic() },
                topic_id: if version >= 13 { id_of(TOPIC) } else { Default::default() },
                partitions: vec![partition],
                ..Default::default()
            };
            let request =
                FetchRequest { max_bytes: 1_000, topics: vec![named], ..Default::default() };
            bytes(&request, version)
        }
        ApiKey::ListOffsets => {
            use list_offsets_request::*;
            let partition = ListOffsetsPartition { timestamp: Timestamp(-1), ..Default::default() };
            let (name, partitions) = (topic(), vec![partition]);
            let topics = vec![ListOffsetsTopic { name, partitions, ..Default::default() }];
            bytes(&ListOffsetsRequest { topics, ..Default::default() }, version)
        }
        ApiKey::Metadata => {
            let topics = (version > 0).then(|| {
                let name = Some(topic());
                vec![metadata_request::MetadataRequestTopic { name, ..Default::default() }]
            });
            let topics = topics.or(Some(Vec::new()));
            bytes(&MetadataRequest { topics, ..Default::default() }, version)
        }
        ApiKey::DeleteRecords => {
            use delete_records_request::*;
            let partition = DeleteRecordsPartition { offset: Offset(1), ..Default::default() };
            let (name, partitions) = (topic(), vec![partition]);
            let topics = vec![DeleteRecordsTopic { name, partitions, ..Default::default() }];
            bytes(&DeleteRecordsRequest { topics, ..Default::default() }, version)
        }
        ApiKey::OffsetForLeaderEpoch => {
            use offset_for_leader_epoch_request::*;
            let (topic, partitions) = (topic(), vec![OffsetForLeaderPartition::default()]);
            let topics = vec![OffsetForLeaderTopic { topic, partitions, ..Default::default() }];
            bytes(&OffsetForLeaderEpochRequest { topics, ..Default::default() }, version)
        }
        ApiKey::DescribeProducers => {
            use describe_producers_request::*;
            let (name, partition_indexes) = (topic(), vec![index()]);
            let topics = vec![TopicRequest { name, partition_indexes, ..Default::default() }];
            bytes(&DescribeProducersRequest { topics, ..Default::default() }, version)
        }
        ApiKey::DescribeTopicPartitions => {
            use describe_topic_partitions_request::*;
            let topics = vec![TopicRequest { name: topic(), ..Default::default() }];
            bytes(&DescribeTopicPartitionsRequest { topics, ..Default::default() }, version)
        }
        _ => None,
    }
}

fn groups_of(key: ApiKey, version: i16) -> Option<Bytes> {
    let group_id = group();
    match key {
        ApiKey::OffsetCommit => bytes(&commit(version), version),
        ApiKey::OffsetFetch if version < 8 => {
            use offset_fetch_request::*;
            let (name, partition_indexes) = (topic(), vec![index()]);
            let asked = OffsetFetchRequestTopic { name, partition_indexes, ..Default::default() };
            let topics = Some(vec![asked]);
            bytes(&OffsetFetchRequest { group_id, topics, ..Default::default() }, version)
        }
        ApiKey::OffsetFetch => {
            let topics = None;
            let asked = offset_fetch_request::OffsetFetchRequestGroup {
                group_id,
                topics,
                ..Default::default()
            };
            bytes(&OffsetFetchRequest { groups: vec![asked], ..Default::default() }, version)
        }
        ApiKey::FindCoordinator if version < 4 => {
            bytes(&FindCoordinatorRequest { key: group_id, ..Default::default() }, version)
        }
        ApiKey::FindCoordinator => {
            let coordinator_keys = vec![group_id];
            bytes(&FindCoordinatorRequest { coordinator_keys, ..Default::default() }, version)
        }
        ApiKey::JoinGroup => {
            let session_timeout_ms = 10_000;
            let protocol_type = "consumer".into();
            let name = "range".into();
            let protocol =
                join_group_request::JoinGroupRequestProtocol { name, ..Default::default() };
            let request = JoinGroupRequest {
                group_id,
                session_timeout_ms,
                protocol_type,
                protocols: vec![protocol],
                ..Default::default()
            };
            bytes(&request, version)
        }
        ApiKey::Heartbeat => bytes(&HeartbeatRequest { group_id, ..Default::default() }, version),
        ApiKey::LeaveGroup => bytes(&LeaveGroupRequest { group_id, ..Default::default() }, version),
        ApiKey::SyncGroup => bytes(&SyncGroupRequest { group_id, ..Default::default() }, version),
        ApiKey::ConsumerGroupHeartbeat => {
            let (member_id, subscribed) = ("m".into(), vec![topic()]);
            let request = ConsumerGroupHeartbeatRequest {
                group_id,
                member_id,
                rebalance_timeout_ms: 1_000,
                subscribed_topic_names: Some(subscribed),
                topic_partitions: Some(Vec::new()),
                ..Default::default()
            };
            bytes(&request, version)
        }
        ApiKey::ConsumerGroupDescribe => {
            let group_ids = vec![group_id];
            bytes(&ConsumerGroupDescribeRequest { group_ids, ..Default::default() }, version)
        }
        ApiKey::DescribeGroups => {
            let groups = vec![group_id];
            bytes(&DescribeGroupsRequest { groups, ..Default::default() }, version)
        }
        ApiKey::ListGroups => bytes(&ListGroupsRequest::default(), version),
        ApiKey::DeleteGroups => {
            let groups_names = vec![group_id];
            bytes(&DeleteGroupsRequest { groups_names, ..Default::default() }, version)
        }
        ApiKey::OffsetDelete => {
            bytes(&OffsetDeleteRequest { group_id, ..Default::default() }, version)
        }
        _ => None,
    }
}

fn transactions_of(key: ApiKey, version: i16) -> Option<Bytes> {
    let transactional_id: StrBytes = TRANSACTION.into();
    match key {
        ApiKey::AddPartitionsToTxn => {
            use add_partitions_to_txn_request::*;
            let (name, partitions) = (topic(), vec![index()]);
            let topics = vec![AddPartitionsToTxnTopic { name, partitions, ..Default::default() }];
            let request = match version {
                0..=3 => AddPartitionsToTxnRequest {
                    v3_and_below_transactional_id: transactional_id,
                    v3_and_below_topics: topics,
                    ..Default::default()
                },
                _ => AddPartitionsToTxnRequest {
                    transactions: vec![AddPartitionsToTxnTransaction {
                        transactional_id,
                        topics,
                        ..Default::default()
                    }],
                    ..Default::default()
                },
            };
            bytes(&request, version)
        }
        ApiKey::AddOffsetsToTxn => {
            let group_id = group();
            let request =
                AddOffsetsToTxnRequest { transactional_id, group_id, ..Default::default() };
            bytes(&request, version)
        }
        ApiKey::TxnOffsetCommit => {
            use txn_offset_commit_request::*;
            let by_id = version >= 6;
            let topics = vec![TxnOffsetCommitRequestTopic {
                name: if by_id { StrBytes::default() } else { topic() },
                topic_id: if by_id { id_of(TOPIC) } else { Default::default() },
                partitions: vec![TxnOffsetCommitRequestPartition::default()],
                ..Default::default()
            }];
            let group_id = group();
            let request =
                TxnOffsetCommitRequest { transactional_id, group_id, topics, ..Default::default() };
            bytes(&request, version)
        }
        ApiKey::EndTxn => bytes(&EndTxnRequest { transactional_id, ..Default::default() }, version),
        ApiKey::WriteTxnMarkers => {
            use write_txn_markers_request::*;
            let (name, partition_indexes) = (topic(), vec![index()]);
            let topics =
                vec![WritableTxnMarkerTopic { name, partition_indexes, ..Default::default() }];
            let markers = vec![WritableTxnMarker { topics, ..Default::default() }];
            bytes(&WriteTxnMarkersRequest { markers, ..Default::default() }, version)
        }
        ApiKey::DescribeTransactions => {
            let transactional_ids = vec![transactional_id];
            bytes(&DescribeTransactionsRequest { transactional_ids, ..Default::default() }, version)
        }
        ApiKey::ListTransactions => bytes(&ListTransactionsRequest::default(), version),
        _ => None,
    }
}

fn of_shares(key: ApiKey, version: i16) -> Option<Bytes> {
    let topic_id = id_of(TOPIC);
    let (group_id, member_id) = (Some(GROUP.into()), Some("m".into()));
    /// One partition of the topic in the words of a request to the share coordinator.
    macro_rules! of_one {
        ($request:ident, $module:ident, $topic:ident) => {{
            let partitions = vec![$module::PartitionData::default()];
            let topics = vec![$module::$topic { topic_id, partitions, ..Default::default() }];
            bytes(&$request { group_id: GROUP.into(), topics, ..Default::default() }, version)
        }};
    }
    match key {
        ApiKey::ShareFetch => {
            use share_fetch_request::*;
            let partitions = vec![FetchPartition::default()];
            let topics = vec![FetchTopic { topic_id, partitions, ..Default::default() }];
            let max_bytes = 1_000;
            let request =
                ShareFetchRequest { group_id, member_id, max_bytes, topics, ..Default::default() };
            bytes(&request, version)
        }
        ApiKey::ShareAcknowledge => {
            let share_session_epoch = 1;
            let request = ShareAcknowledgeRequest {
                group_id,
                member_id,
                share_session_epoch,
                ..Default::default()
            };
            bytes(&request, version)
        }
        ApiKey::ShareGroupHeartbeat => {
            let request = ShareGroupHeartbeatRequest {
                group_id: GROUP.into(),
                member_id: "m".into(),
                subscribed_topic_names: Some(vec![TOPIC.into()]),
                ..Default::default()
            };
            bytes(&request, version)
        }
        ApiKey::ShareGroupDescribe => {
            let group_ids = vec![GROUP.into()];
            bytes(&ShareGroupDescribeRequest { group_ids, ..Default::default() }, version)
        }
        ApiKey::StreamsGroupHeartbeat => {
            use streams_group_heartbeat_request::*;
            let part = Subtopology { source_topics: vec![TOPIC.into()], ..Default::default() };
            let topology =
                Some(Topology { epoch: 1, subtopologies: vec![part], ..Default::default() });
            let request = StreamsGroupHeartbeatRequest {
                group_id: GROUP.into(),
                member_id: "m".into(),
                topology,
                ..Default::default()
            };
            bytes(&request, version)
        }
        ApiKey::StreamsGroupDescribe => {
            let group_ids = vec![GROUP.into()];
            bytes(&StreamsGroupDescribeRequest { group_ids, ..Default::default() }, version)
        }
        ApiKey::DescribeShareGroupOffsets => {
            use describe_share_group_offsets_request::*;
            let groups = vec![DescribeShareGroupOffsetsRequestGroup {
                group_id: GROUP.into(),
                topics: None,
                ..Default::default()
            }];
            bytes(&DescribeShareGroupOffsetsRequest { groups, ..Default::default() }, version)
        }
        ApiKey::AlterShareGroupOffsets => {
            let group_id = GROUP.into();
            bytes(&AlterShareGroupOffsetsRequest { group_id, ..Default::default() }, version)
        }
        ApiKey::DeleteShareGroupOffsets => {
            let group_id = GROUP.into();
            bytes(&DeleteShareGroupOffsetsRequest { group_id, ..Default::default() }, version)
        }
        ApiKey::InitializeShareGroupState => of_one!(
            InitializeShareGroupStateRequest,
            initialize_share_group_state_request,
            InitializeStateData
        ),
        ApiKey::ReadShareGroupState => {
            of_one!(ReadShareGroupStateRequest, read_share_group_state_request, ReadStateData)
        }
        ApiKey::WriteShareGroupState => {
            of_one!(WriteShareGroupStateRequest, write_share_group_state_request, WriteStateData)
        }
        ApiKey::DeleteShareGroupState => {
            of_one!(DeleteShareGroupStateRequest, delete_share_group_state_request, DeleteStateData)
        }
        ApiKey::ReadShareGroupStateSummary => of_one!(
            ReadShareGroupStateSummaryRequest,
            read_share_group_state_summary_request,
            ReadStateSummaryData
        ),
        _ => None,
    }
}

fn rest_of(key: ApiKey, version: i16) -> Option<Bytes> {
    match key {
        ApiKey::InitProducerId => {
            bytes(&InitProducerIdRequest { transactional_id: None, ..Default::default() }, version)
        }
        ApiKey::DescribeConfigs => {
            use describe_configs_request::*;
            let asked = |resource_type, name: &str| DescribeConfigsResource {
                resource_type,
                resource_name: name.to_owned().into(),
                configuration_keys: None,
                ..Default::default()
            };
            let resources = vec![
                asked(2, TOPIC),
                asked(4, "1"),
                asked(4, ""),
                asked(16, "m"),
                asked(32, GROUP),
            ];
            bytes(&DescribeConfigsRequest { resources, ..Default::default() }, version)
        }
        ApiKey::AlterReplicaLogDirs => {
            use alter_replica_log_dirs_request::*;
            let topics = vec![AlterReplicaLogDirTopic {
                name: topic(),
                partitions: vec![index()],
                ..Default::default()
            }];
            let path = "/data".into();
            let dirs = vec![AlterReplicaLogDir { path, topics, ..Default::default() }];
            bytes(&AlterReplicaLogDirsRequest { dirs, ..Default::default() }, version)
        }
        ApiKey::DescribeLogDirs => {
            bytes(&DescribeLogDirsRequest { topics: None, ..Default::default() }, version)
        }
        ApiKey::ListConfigResources => {
            let resource_types = if version == 0 { Vec::new() } else { vec![2, 4, 16, 32] };
            bytes(&ListConfigResourcesRequest { resource_types, ..Default::default() }, version)
        }
        ApiKey::DescribeClientQuotas => bytes(&DescribeClientQuotasRequest::default(), version),
        ApiKey::DescribeUserScramCredentials => {
            bytes(&DescribeUserScramCredentialsRequest::default(), version)
        }
        _ => None,
    }
}

/// What is decided by the controller, which asks for itself, and what needs no permission.
fn is_open(api: &Api) -> bool {
    matches!(
        api.key,
        ApiKey::ApiVersions
            | ApiKey::DescribeCluster
            | ApiKey::DescribeQuorum
            | ApiKey::CreateTopics
            | ApiKey::DeleteTopics
            | ApiKey::CreatePartitions
            | ApiKey::AlterConfigs
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::AlterClientQuotas
            | ApiKey::AlterUserScramCredentials
            | ApiKey::UpdateFeatures
            | ApiKey::UnregisterBroker
            | ApiKey::DescribeAcls
            | ApiKey::CreateAcls
            | ApiKey::DeleteAcls
            | ApiKey::CreateDelegationToken
            | ApiKey::RenewDelegationToken
            | ApiKey::ExpireDelegationToken
            | ApiKey::DescribeDelegationToken
            | ApiKey::ElectLeaders
            | ApiKey::AlterPartitionReassignments
            | ApiKey::ListPartitionReassignments
            | ApiKey::GetTelemetrySubscriptions
            | ApiKey::PushTelemetry
    )
}

/// The error codes in a response, from the outside to the inside.
fn codes(json: &str) -> Vec<ErrorCode> {
    let after = json.split("rrorCode\":").skip(1);
    let number = |text: &str| text.split([',', '}']).next().unwrap().trim().parse().unwrap();
    after.map(|text| ErrorCode(number(text))).collect()
}

#[test]
fn every_request_is_refused_or_learns_nothing() {
    let house = denying();
    for api in APIS.iter().filter(|api| !is_open(api)) {
        for version in api.versions.clone() {
            let name = format!("{} v{version}", api.key.name());
            let body = body(api.key, version);
            let body = body.unwrap_or_else(|| panic!("a request of {name} belongs here"));
            let got = house.send_bytes(frame_of(api.key, version, &body)).expect("no wait");
            let Got::Answer(bytes) = got else { panic!("{name}: {got:?}") };
            let raw = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!raw.contains(VALUE), "{name} tells {raw}");
            assert!(!raw.contains("77777777777777"), "{name} tells {raw}");
            let mut reader = Reader::new(bytes.clone());
            ResponseHeader::decode(&mut reader, response_header_version(api.key, version)).unwrap();
            let response = MESSAGES
                .iter()
                .find(|info| info.kind == Kind::Response && info.key == Some(api.key as i16));
            let body = bytes.slice(bytes.len() - reader.remaining()..);
            let json = response.unwrap().json(body, version).unwrap();
            let names_something = [TOPIC, GROUP, TRANSACTION].iter().any(|it| json.contains(it));
            let told = codes(&json);
            let refuses = told.iter().any(|code| REFUSALS.contains(code));
            let is_clean = told.iter().all(|c| *c == ErrorCode::NONE || REFUSALS.contains(c));
            assert!(is_clean && (refuses || !names_something), "{name}: {json}");
            assert!(refuses || is_filtered(api.key, version), "{name}: {json}");
        }
    }
}

/// What answers to all leaves out what the client may not see.
fn is_filtered(key: ApiKey, version: i16) -> bool {
    match key {
        ApiKey::ListGroups | ApiKey::ListTransactions => true,
        ApiKey::Metadata => version == 0,
        // There is no place for an error before.
        ApiKey::DescribeLogDirs => version < 3,
        _ => false,
    }
}

#[test]
fn nobody_makes_a_topic_by_asking_for_it() {
    let house = denying();
    let name = Some("new".into());
    let topics = Some(vec![metadata_request::MetadataRequestTopic { name, ..Default::default() }]);
    let allow_auto_topic_creation = true;
    let request = MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() };
    let told = house.ask(9, request);
    assert_eq!(told.topics[0].error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert!(house.controller.created.lock().unwrap().is_empty());
}
