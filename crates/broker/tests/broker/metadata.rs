//! What clients are told of the cluster: Metadata, DescribeTopicPartitions, DescribeCluster.

use std::sync::atomic::Ordering;

use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::metadata_response::MetadataResponseTopic;
use ottla_wire::messages::*;
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, TopicId};

use crate::support::{CLUSTER, House, ME, id_of};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.to_owned().into()), ..Default::default() }
}

fn with_id(topic_id: TopicId) -> MetadataRequestTopic {
    MetadataRequestTopic { topic_id, name: None, ..Default::default() }
}

fn request(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest { topics, ..Default::default() }
}

fn without_creation(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest { allow_auto_topic_creation: false, ..request(Some(topics)) }
}

fn names(told: &MetadataResponse) -> Vec<&str> {
    told.topics.iter().map(|topic| topic.name.as_deref().unwrap_or("?")).collect()
}

fn house() -> House {
    let mut house = House::new();
    house.topic("a", 1, &[]);
    house.topic("b", 2, &[]);
    house
}

fn only(told: MetadataResponse) -> MetadataResponseTopic {
    let [topic] = told.topics.try_into().expect("one topic");
    topic
}

#[test]
fn all_topics_are_asked_for_by_nothing_in_version_zero_and_by_null_later() {
    let house = house();
    assert_eq!(names(&house.ask(0, request(Some(Vec::new())))), ["a", "b"]);
    for version in 1..=13 {
        assert_eq!(names(&house.ask(version, request(None))), ["a", "b"], "v{version}");
        assert_eq!(names(&house.ask(version, request(Some(Vec::new())))), [""; 0], "v{version}");
    }
}

#[test]
fn brokers_topics_and_partitions_are_told_in_full() {
    let house = house();
    let told = house.ask(12, request(Some(vec![named("b")])));
    assert_eq!((told.cluster_id.as_deref(), told.controller_id), (Some(CLUSTER), ME));
    let [broker] = told.brokers.as_slice() else { panic!("{told:?}") };
    assert_eq!((broker.node_id, &*broker.host, broker.port), (ME, "broker.example", 9092));
    assert_eq!(broker.rack.as_deref(), Some("r1"));
    let topic = only(told);
    assert_eq!((topic.topic_id, topic.is_internal), (id_of("b"), false));
    assert_eq!(topic.topic_authorized_operations, i32::MIN);
    let partition = &topic.partitions[1];
    assert_eq!((partition.partition_index, partition.leader_id), (PartitionIndex(1), ME));
    assert_eq!((&partition.replica_nodes, &partition.isr_nodes), (&vec![ME], &vec![ME]));
    assert!(partition.offline_replicas.is_empty());
}

#[test]
fn a_topic_is_told_once_however_often_it_is_named() {
    let house = house();
    for version in 0..=13 {
        let twice = request(Some(vec![named("b"), named("a"), named("b")]));
        assert_eq!(names(&house.ask(version, twice)), ["a", "b"], "v{version}");
    }
    let ids = vec![with_id(id_of("b")), with_id(id_of("b"))];
    assert_eq!(names(&house.ask(12, request(Some(ids)))), ["b"]);
}

#[test]
fn beside_an_id_names_count_for_nothing() {
    let house = house();
    let both = MetadataRequestTopic { topic_id: id_of("b"), ..named("a") };
    assert_eq!(names(&house.ask(12, request(Some(vec![both, named("a")])))), ["b"]);
}

#[test]
fn topics_are_told_by_id_from_version_twelve_on() {
    let house = house();
    let topic = only(house.ask(12, request(Some(vec![with_id(id_of("a"))]))));
    assert_eq!((topic.error_code, topic.name.as_deref()), (ErrorCode::NONE, Some("a")));
    let topic = only(house.ask(12, request(Some(vec![with_id(id_of("nope"))]))));
    assert_eq!((topic.error_code, topic.name), (ErrorCode::UNKNOWN_TOPIC_ID, None));
    let told = house
        .ask(10, request(Some(vec![MetadataRequestTopic { topic_id: id_of("a"), ..named("a") }])));
    assert!(told.brokers.is_empty() && told.cluster_id.is_none());
    assert_eq!(only(told).error_code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn a_topic_that_is_asked_for_comes_into_being_once() {
    let mut house = house();
    house.controller.stalls.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let topic = only(house.ask(9, request(Some(vec![named("new")]))));
        assert_eq!(topic.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let twice = house.ask(9, request(Some(vec![named("new"), named("new")])));
    assert_eq!(twice.topics.len(), 1);
    house.pass_ms(50);
    {
        let asked = house.controller.requests.lock().unwrap();
        let topic = &asked[0].topics[0];
        assert_eq!((&*topic.name, topic.num_partitions, topic.replication_factor), ("new", -1, -1));
        assert_eq!(asked.len(), 1);
    }
    house.topic("new", 1, &[]);
    let topic = only(house.ask(9, request(Some(vec![named("new")]))));
    assert_eq!((topic.error_code, topic.partitions.len()), (ErrorCode::NONE, 1));
}

#[test]
fn configured_numbers_are_asked_for_by_name() {
    let house = House::with(&["num.partitions=6", "default.replication.factor=2"]);
    house.ask(9, request(Some(vec![named("new")])));
    house.pass_ms(50);
    let asked = house.controller.requests.lock().unwrap();
    let topic = &asked[0].topics[0];
    assert_eq!((topic.num_partitions, topic.replication_factor), (6, 2));
}

#[test]
fn topics_are_not_made_where_client_or_broker_does_not_want_it_or_the_name_is_none() {
    let house = house();
    let topic = only(house.ask(9, without_creation(vec![named("new")])));
    assert_eq!(topic.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for bad in ["a b", "", ".."] {
        let topic = only(house.ask(9, request(Some(vec![named(bad)]))));
        assert_eq!(topic.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{bad:?}");
    }
    let strict = House::with(&["auto.create.topics.enable=false"]);
    let topic = only(strict.ask(9, request(Some(vec![named("new")]))));
    assert_eq!(topic.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for house in [house, strict] {
        house.pass_ms(50);
        assert!(house.controller.created.lock().unwrap().is_empty());
    }
}

#[test]
fn internal_topics_come_into_being_with_their_own_configs() {
    let house = house();
    for name in ["__transaction_state", "__share_group_state"] {
        house.ask(9, request(Some(vec![named(name)])));
    }
    house.pass_ms(50);
    let asked = house.controller.requests.lock().unwrap();
    let mut topics: Vec<_> = asked.iter().map(|asked| &asked.topics[0]).collect();
    topics.sort_by_key(|topic| topic.name.clone());
    let config = |at: usize, key: &str| {
        let found = topics[at].configs.iter().find(|config| *config.name == *key);
        found.and_then(|config| config.value.as_deref()).unwrap_or("none").to_owned()
    };
    assert_eq!((topics[0].num_partitions, config(0, "cleanup.policy")), (50, "delete".into()));
    assert_eq!(config(0, "retention.ms"), "-1");
    assert_eq!((topics[1].num_partitions, config(1, "cleanup.policy")), (50, "compact".into()));
    assert_eq!(config(1, "unclean.leader.election.enable"), "false");
}

#[test]
fn internal_topics_are_marked() {
    let mut house = house();
    house.offsets_topic();
    let topic = only(house.ask(9, request(Some(vec![named("__consumer_offsets")]))));
    assert!(topic.is_internal);
}

#[test]
fn what_a_client_may_do_is_told_when_asked() {
    let house = house();
    let asked = MetadataRequest {
        include_topic_authorized_operations: true,
        include_cluster_authorized_operations: true,
        ..request(Some(vec![named("a")]))
    };
    let told = house.ask(9, asked);
    assert_eq!(told.cluster_authorized_operations, 8096);
    assert_eq!(only(told).topic_authorized_operations, 3576);
}

#[test]
fn a_leader_that_is_away_is_no_leader() {
    let mut house = house();
    house.led_by("a", 2, 1);
    let topic = only(house.ask(9, request(Some(vec![named("a")]))));
    let partition = &topic.partitions[0];
    assert_eq!(partition.error_code, ErrorCode::LEADER_NOT_AVAILABLE);
    assert_eq!((partition.leader_id, partition.leader_epoch.0), (BrokerId(-1), 1));
    assert_eq!(partition.offline_replicas, [BrokerId(2)]);
}

fn page(
    house: &House,
    topics: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsResponse {
    use describe_topic_partitions_request::*;
    let topics = topics
        .iter()
        .map(|name| TopicRequest { name: (*name).to_owned().into(), ..Default::default() });
    let cursor = cursor.map(|(name, index)| Cursor {
        topic_name: name.to_owned().into(),
        partition_index: PartitionIndex(index),
        ..Default::default()
    });
    let (topics, response_partition_limit) = (topics.collect(), limit);
    let request = DescribeTopicPartitionsRequest {
        topics,
        response_partition_limit,
        cursor,
        ..Default::default()
    };
    house.ask(0, request)
}

/// A topic's name and a partition.
type At = (String, i32);

/// The partitions of a page, and where the next one begins.
fn told(page: &DescribeTopicPartitionsResponse) -> (Vec<At>, Option<At>) {
    let partitions = page.topics.iter().flat_map(|topic| {
        let name = topic.name.as_deref().unwrap_or_default().to_owned();
        topic.partitions.iter().map(move |of| (name.clone(), of.partition_index.0))
    });
    let cursor = page.next_cursor.as_ref();
    let next = cursor.map(|next| (next.topic_name.to_string(), next.partition_index.0));
    (partitions.collect(), next)
}

#[test]
fn pages_of_partitions_follow_one_another() {
    let house = house();
    let at = |name: &str, index: i32| (name.to_owned(), index);
    assert_eq!(told(&page(&house, &[], 2, None)), (vec![at("a", 0), at("b", 0)], Some(at("b", 1))));
    assert_eq!(told(&page(&house, &[], 2, Some(("b", 1)))), (vec![at("b", 1)], None));
    assert_eq!(told(&page(&house, &[], 1, None)), (vec![at("a", 0)], Some(at("b", 0))));
    assert_eq!(told(&page(&house, &[], 9, Some(("aa", 0)))).0.len(), 2);
    assert_eq!(told(&page(&house, &["b"], 0, None)), (vec![at("b", 0)], Some(at("b", 1))));
    assert_eq!(told(&page(&house, &["b"], 9, Some(("b", 7)))), (vec![], None));
}

#[test]
fn the_brokers_page_is_a_limit_too() {
    let mut house = House::with(&["max.request.partition.size.limit=3"]);
    house.topic("t", 5, &[]);
    let first = page(&house, &["t"], 1_000, None);
    assert_eq!(told(&first).1, Some(("t".to_owned(), 3)));
}

#[test]
fn pages_name_what_is_wrong_with_a_topic() {
    let house = house();
    let told = page(&house, &["nope", "a b", "a"], 9, None);
    let codes: Vec<_> = told
        .topics
        .iter()
        .map(|topic| (topic.name.as_deref().unwrap_or_default(), topic.error_code))
        .collect();
    let wanted = [
        ("a", ErrorCode::NONE),
        ("a b", ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("nope", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    assert_eq!(codes, wanted);
    let operations = told.topics.iter().map(|topic| topic.topic_authorized_operations);
    assert_eq!(operations.collect::<Vec<_>>(), [3576; 3], "of those that are not there too");
    let told = page(&house, &["a"], 9, Some(("a", -5)));
    assert_eq!(told.topics[0].error_code, ErrorCode::INVALID_REQUEST);
    assert!(told.topics[0].partitions.is_empty() && told.next_cursor.is_none());
    let told = page(&house, &["a"], 9, Some(("aa", 0)));
    assert_eq!(told.topics[0].error_code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn the_cluster_is_described_by_its_brokers_only() {
    let house = house();
    for version in 0..=2 {
        let told = house.ask(version, DescribeClusterRequest::default());
        assert_eq!((told.error_code, &*told.cluster_id), (ErrorCode::NONE, CLUSTER));
        assert_eq!((told.controller_id, told.brokers.len()), (ME, 1));
        assert_eq!(told.cluster_authorized_operations, i32::MIN);
    }
    for (endpoint_type, code) in
        [(2, ErrorCode::MISMATCHED_ENDPOINT_TYPE), (7, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE)]
    {
        let told = house.ask(1, DescribeClusterRequest { endpoint_type, ..Default::default() });
        assert_eq!((told.error_code, told.endpoint_type), (code, 1));
        assert!(told.brokers.is_empty());
    }
}
