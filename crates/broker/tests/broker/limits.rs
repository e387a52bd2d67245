//! Limits of clients and credentials of users, as this broker knows and tells them.

use ottla_metadata::MetadataRecord;
use ottla_wire::messages::*;
use ottla_wire::{Bytes, ErrorCode, StrBytes};

use crate::support::House;

fn quota(entity: &[(&'static str, Option<&'static str>)], key: &'static str) -> MetadataRecord {
    let part =
        |(kind, name): &(&'static str, Option<&'static str>)| client_quota_record::EntityData {
            entity_type: (*kind).into(),
            entity_name: name.map(StrBytes::from),
            ..Default::default()
        };
    let entity = entity.iter().map(part).collect();
    ClientQuotaRecord { entity, key: key.into(), value: 5.0, ..Default::default() }.into()
}

fn limited() -> House {
    let mut house = House::new();
    house.replay(vec![
        quota(&[("user", Some("alice"))], "producer_byte_rate"),
        quota(&[("user", Some("alice"))], "consumer_byte_rate"),
        quota(&[("user", Some("alice")), ("client-id", None)], "producer_byte_rate"),
        quota(&[("client-id", None)], "producer_byte_rate"),
        quota(&[("ip", None)], "connection_creation_rate"),
        quota(&[("ip", Some("10.0.0.1"))], "connection_creation_rate"),
    ]);
    house
}

/// Asks with a filter in words: `type=name`, `type=` for the default, `type` for any.
fn check(filter: &[&'static str], strict: bool, expect: &[&str]) {
    let component = |word: &&'static str| {
        let (kind, name) = word.split_once('=').map_or((*word, None), |(k, n)| (k, Some(n)));
        let (match_type, name) = match name {
            None => (2, None),
            Some("") => (1, None),
            Some(name) => (0, Some(name)),
        };
        describe_client_quotas_request::ComponentData {
            entity_type: kind.into(),
            match_type,
            r#match: name.map(StrBytes::from),
            ..Default::default()
        }
    };
    let components = filter.iter().map(component).collect();
    let request = DescribeClientQuotasRequest { components, strict, ..Default::default() };
    for version in 0..=1 {
        let told = limited().ask(version, request.clone());
        let lines: Vec<String> = match told.entries {
            None => vec![format!(
                "{}: {}",
                told.error_code.name(),
                told.error_message.unwrap_or_default()
            )],
            Some(entries) => entries.iter().map(line).collect(),
        };
        assert_eq!(lines, expect, "{filter:?} {strict} v{version}");
    }
}

fn line(entry: &describe_client_quotas_response::EntryData) -> String {
    let part = |part: &describe_client_quotas_response::EntityData| {
        format!("{}={}", part.entity_type, part.entity_name.as_deref().unwrap_or_default())
    };
    let entity: Vec<String> = entry.entity.iter().map(part).collect();
    format!("{} {}", entity.join(","), entry.values.len())
}

#[test]
fn limits_are_found_by_type_name_and_default() {
    let all = ["client-id= 1", "client-id=,user=alice 1", "ip= 1", "ip=10.0.0.1 1", "user=alice 2"];
    check(&[], false, &all);
    check(&[], true, &[]);
    check(&["user=alice"], false, &["client-id=,user=alice 1", "user=alice 2"]);
    check(&["user"], true, &["user=alice 2"]);
    check(&["user=bob"], false, &[]);
    check(&["client-id="], false, &["client-id= 1", "client-id=,user=alice 1"]);
    check(&["user", "client-id="], true, &["client-id=,user=alice 1"]);
    check(&["ip"], true, &["ip= 1", "ip=10.0.0.1 1"]);
}

#[test]
fn filters_that_kafka_refuses_are_refused_in_its_words() {
    check(&["foo"], false, &["UNSUPPORTED_VERSION: Unsupported entity type foo"]);
    check(&[""], false, &["INVALID_REQUEST: Invalid empty entity type."]);
    let twice = "INVALID_REQUEST: Entity type user cannot appear more than once in the filter.";
    check(&["user", "user="], false, &[twice]);
    let mixed = "INVALID_REQUEST: Invalid entity filter component combination. IP filter component \
                 should not be used with user or clientId filter component.";
    check(&["ip", "user"], false, &[mixed]);
    let refused = |kind: &'static str, match_type, name: Option<&'static str>| {
        let component = describe_client_quotas_request::ComponentData {
            entity_type: kind.into(),
            match_type,
            r#match: name.map(StrBytes::from),
            ..Default::default()
        };
        let components = vec![component];
        let request = DescribeClientQuotasRequest { components, ..Default::default() };
        limited().ask(1, request).error_message.unwrap().to_string()
    };
    // Whom a part is about is looked at first.
    assert_eq!(refused("foo", 9, Some("x")), "Unsupported entity type foo");
    let component = |match_type, name| refused("user", match_type, name);
    let also = |what| format!("Request specified {what}, but also specified a match string.");
    assert_eq!(component(1, Some("x")), also("MATCH_TYPE_DEFAULT"));
    assert_eq!(component(2, Some("x")), also("MATCH_TYPE_SPECIFIED"));
    let null = "Request specified MATCH_TYPE_EXACT, but set match string to null.";
    assert_eq!(component(0, None), null);
    assert_eq!(component(9, None), "Unknown match type 9");
}

#[test]
fn credentials_are_told_without_what_they_are_made_of() {
    let mut house = House::new();
    let credential = |name: &'static str, mechanism| -> MetadataRecord {
        UserScramCredentialRecord {
            name: name.into(),
            mechanism,
            iterations: 4_096,
            stored_key: Bytes::from_static(b"secret"),
            ..Default::default()
        }
        .into()
    };
    house.replay(vec![credential("alice", 1), credential("alice", 2), credential("bob", 1)]);
    let told = |names: Option<&[&'static str]>| {
        let user = |name: &&'static str| describe_user_scram_credentials_request::UserName {
            name: (*name).into(),
            ..Default::default()
        };
        let users = names.map(|names| names.iter().map(user).collect());
        let request = DescribeUserScramCredentialsRequest { users, ..Default::default() };
        let results = house.ask(0, request).results;
        let line =
            |one: &describe_user_scram_credentials_response::DescribeUserScramCredentialsResult| {
                let infos = one.credential_infos.iter();
                let infos: Vec<i8> = infos.map(|info| info.mechanism).collect();
                (one.user.to_string(), one.error_code, infos)
            };
        results.iter().map(line).collect::<Vec<_>>()
    };
    let alice = ("alice".to_owned(), ErrorCode::NONE, vec![1, 2]);
    let bob = ("bob".to_owned(), ErrorCode::NONE, vec![1]);
    assert_eq!(told(None), [alice.clone(), bob.clone()]);
    assert_eq!(told(Some(&[])), [alice.clone(), bob]);
    let missing = ("carol".to_owned(), ErrorCode::RESOURCE_NOT_FOUND, vec![]);
    let twice = ("bob".to_owned(), ErrorCode::DUPLICATE_RESOURCE, vec![]);
    assert_eq!(told(Some(&["alice", "bob", "bob", "carol"])), [alice, twice, missing]);
}

#[test]
fn clients_push_metrics_where_a_receiver_is_configured() {
    let mut house = House::with(&["metric.reporters=ottla.ClientTelemetry"]);
    let subscription = ConfigRecord {
        resource_type: 16,
        resource_name: "all".into(),
        name: "metrics".into(),
        value: Some("org.apache.kafka.producer.".into()),
        ..Default::default()
    };
    house.replay(vec![subscription.into()]);
    let told = house.ask(0, GetTelemetrySubscriptionsRequest::default());
    assert_eq!(told.error_code, ErrorCode::NONE);
    assert_eq!(told.requested_metrics, ["org.apache.kafka.producer."]);
    assert_eq!(told.accepted_compression_types, [4, 3, 1, 2]);
    assert_eq!((told.push_interval_ms, told.telemetry_max_bytes), (300_000, 1_048_576));
    let push = |subscription_id| PushTelemetryRequest {
        client_instance_id: told.client_instance_id,
        subscription_id,
        metrics: Bytes::from_static(&[0x0a, 0]),
        ..Default::default()
    };
    let wrong = house.ask(0, push(told.subscription_id.wrapping_add(1)));
    assert_eq!(wrong.error_code, ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    let again = GetTelemetrySubscriptionsRequest {
        client_instance_id: told.client_instance_id,
        ..Default::default()
    };
    assert_eq!(house.ask(0, again).subscription_id, told.subscription_id);
    house.pass_ms(300_000);
    assert_eq!(house.ask(0, push(told.subscription_id)).error_code, ErrorCode::NONE);
}

#[test]
fn a_push_over_telemetry_max_bytes_is_refused() {
    let house = House::with(&["metric.reporters=ottla.ClientTelemetry", "telemetry.max.bytes=3"]);
    let told = house.ask(0, GetTelemetrySubscriptionsRequest::default());
    assert_eq!(told.telemetry_max_bytes, 3);
    let push = PushTelemetryRequest {
        client_instance_id: told.client_instance_id,
        subscription_id: told.subscription_id,
        metrics: Bytes::from_static(b"otlp"),
        ..Default::default()
    };
    assert_eq!(house.ask(0, push).error_code, ErrorCode::TELEMETRY_TOO_LARGE);
}
