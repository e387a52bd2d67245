//! Configs as they are described, with their sources, and the directories of logs.

use ottla_wire::messages::describe_configs_response::DescribeConfigsResult;
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, PartitionIndex};

use crate::support::{House, batch, produce};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn describe(house: &House, kind: i8, name: &str, keys: &[&str]) -> DescribeConfigsResult {
    use describe_configs_request::*;
    let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned().into()).collect();
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned().into(),
        configuration_keys: (!keys.is_empty()).then_some(keys),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
        ..Default::default()
    };
    let [result] = house.ask(4, request).results.try_into().expect("one result");
    result
}

/// Value and source of one config.
fn config(house: &House, kind: i8, name: &str, key: &str) -> (String, i8) {
    let result = describe(house, kind, name, &[key]);
    assert_eq!(result.error_code, ErrorCode::NONE);
    let [config] = result.configs.as_slice() else { panic!("{result:?}") };
    (config.value.as_deref().unwrap_or("null").to_owned(), config.config_source)
}

#[test]
fn a_topics_config_comes_from_the_topic_the_brokers_the_file_or_kafka() {
    let mut house = House::with(&["log.retention.ms=1000"]);
    house.topic("t", 1, &[("segment.bytes", "2097152")]);
    let of = |house: &House, key| config(house, TOPIC, "t", key);
    assert_eq!(of(&house, "segment.bytes"), ("2097152".to_owned(), 1));
    assert_eq!(of(&house, "retention.ms"), ("1000".to_owned(), 4));
    assert_eq!(of(&house, "cleanup.policy"), ("delete".to_owned(), 5));
    house.configure_broker("", "log.cleanup.policy", "compact");
    assert_eq!(of(&house, "cleanup.policy"), ("compact".to_owned(), 3));
    house.configure_broker("1", "log.cleanup.policy", "delete");
    assert_eq!(of(&house, "cleanup.policy"), ("delete".to_owned(), 2));
    let result = describe(&house, TOPIC, "t", &["cleanup.policy"]);
    let synonyms: Vec<_> = result.configs[0]
        .synonyms
        .iter()
        .map(|synonym| (&*synonym.name, synonym.value.as_deref().unwrap_or(""), synonym.source))
        .collect();
    let key = "log.cleanup.policy";
    assert_eq!(synonyms, [(key, "delete", 2), (key, "compact", 3), (key, "delete", 5)]);
    assert!(result.configs[0].documentation.as_deref().is_some_and(|text| !text.is_empty()));
}

#[test]
fn a_broker_describes_itself_and_no_other() {
    let mut house = House::new();
    house.configure_broker("", "log.cleaner.threads", "2");
    assert_eq!(config(&house, BROKER, "1", "node.id"), ("1".to_owned(), 4));
    assert_eq!(config(&house, BROKER, "1", "log.cleaner.threads"), ("2".to_owned(), 3));
    let of_all = describe(&house, BROKER, "", &[]);
    let names: Vec<_> = of_all.configs.iter().map(|config| &*config.name).collect();
    assert_eq!(names, ["log.cleaner.threads"]);
    for other in ["7", "x"] {
        assert_eq!(describe(&house, BROKER, other, &[]).error_code, ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn a_broker_has_one_logger() {
    const LOGGERS: i8 = 8;
    let house = House::new();
    let told = describe(&house, LOGGERS, "1", &[]);
    let names: Vec<_> =
        told.configs.iter().map(|config| (&*config.name, config.config_source)).collect();
    assert_eq!((told.error_code, names), (ErrorCode::NONE, vec![("root", 6)]));
    assert_eq!(describe(&house, LOGGERS, "1", &["other"]).configs, []);
    for other in ["", "7", "x"] {
        assert_eq!(describe(&house, LOGGERS, other, &[]).error_code, ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn resources_that_are_not_there_have_kafkas_codes() {
    let house = House::new();
    for (kind, name, code) in [
        (TOPIC, "nope", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a b", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (TOPIC, "", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (16, "", ErrorCode::INVALID_REQUEST),
        (32, "", ErrorCode::INVALID_REQUEST),
        (99, "x", ErrorCode::INVALID_REQUEST),
        (32, "any", ErrorCode::NONE),
    ] {
        assert_eq!(describe(&house, kind, name, &[]).error_code, code, "{kind} {name:?}");
    }
}

#[test]
fn resources_with_configs_are_listed() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    let list = |version, resource_types| {
        let request = ListConfigResourcesRequest { resource_types, ..Default::default() };
        let told = house.ask(version, request);
        assert_eq!(told.error_code, ErrorCode::NONE);
        let each = told.config_resources.into_iter();
        each.map(|of| (of.resource_type, of.resource_name.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(list(0, vec![]), []);
    let (topic, broker) = ((2, "t".to_owned()), (4, "1".to_owned()));
    assert_eq!(list(1, vec![2, 4]), [topic.clone(), broker.clone()]);
    assert_eq!(list(1, vec![]), [topic, broker, (8, "1".to_owned())]);
    let resource_types = vec![99];
    let told = house.ask(1, ListConfigResourcesRequest { resource_types, ..Default::default() });
    assert_eq!(told.error_code, ErrorCode::UNSUPPORTED_VERSION);
}

#[test]
fn log_directories_tell_what_lies_in_them_and_how_much_fits() {
    let mut house = House::new();
    house.topic("t", 2, &[]);
    house.ask(9, produce("t", 1, batch(&[(Some("k"), "v")])));
    let named = describe_log_dirs_request::DescribableLogDirTopic {
        topic: "t".into(),
        partitions: vec![PartitionIndex(0), PartitionIndex(9)],
        ..Default::default()
    };
    for (topics, count) in [(None, 2), (Some(vec![named]), 1), (Some(Vec::new()), 0)] {
        let told = house.ask(4, DescribeLogDirsRequest { topics, ..Default::default() });
        let [dir] = told.results.as_slice() else { panic!("{told:?}") };
        assert_eq!((dir.error_code, &*dir.log_dir), (ErrorCode::NONE, "/data"));
        assert!(dir.total_bytes > 0 && dir.usable_bytes <= dir.total_bytes);
        let partitions: Vec<_> = dir.topics.iter().flat_map(|topic| &topic.partitions).collect();
        assert_eq!(partitions.len(), count);
        if let Some(first) = partitions.first() {
            assert_eq!((first.partition_size > 60, first.offset_lag), (true, 0));
        }
    }
}
