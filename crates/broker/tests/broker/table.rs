//! What holds for every row of the table, whatever the API does.

use bytes::Bytes;
use ottla_broker::APIS;
use ottla_metadata::MetadataVersion;
use ottla_wire::frame::response_header_version;
use ottla_wire::fuzz::{Prng, sample};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, ResponseHeader};
use ottla_wire::registry::{Kind, MESSAGES, MessageInfo};
use ottla_wire::{ApiKey, ErrorCode, Message, Reader};

use crate::support::{Got, House, batch, frame_of};

fn message(key: ApiKey, kind: Kind) -> &'static MessageInfo {
    let found = MESSAGES.iter().find(|info| info.kind == kind && info.key == Some(key as i16));
    found.expect("every API has both messages")
}

/// A house in which random names mean something.
fn furnished() -> House {
    let mut house = House::new();
    house.offsets_topic();
    house.transactions_topic();
    for name in ["topic", "a"] {
        house.topic(name, 2, &[]);
        house.ask(9, crate::support::produce(name, 1, batch(&[(Some("k"), "v")])));
    }
    house
}

/// Sends a frame; what is answered must be a whole response of the version.
fn check(house: &House, key: ApiKey, version: i16, frame: Bytes) {
    let name = key.name();
    match house.send_bytes(frame) {
        Some(Got::Answer(bytes)) => {
            let mut reader = Reader::new(bytes.clone());
            ResponseHeader::decode(&mut reader, response_header_version(key, version)).unwrap();
            let body = bytes.slice(bytes.len() - reader.remaining()..);
            let told = message(key, Kind::Response).check(body, version);
            assert!(told.is_ok(), "{name} v{version}: {told:?}");
        }
        Some(Got::Closed(reason)) => {
            assert!(!reason.contains("cannot be written"), "{name} v{version}: {reason}");
        }
        Some(Got::Nothing) => assert_eq!(key, ApiKey::Produce),
        None => {}
    }
}

#[test]
fn an_untouched_request_of_every_version_is_answered_or_closes() {
    let house = furnished();
    for api in APIS {
        for version in api.versions.clone() {
            let body = message(api.key, Kind::Request).default_bytes(version).unwrap();
            check(&house, api.key, version, frame_of(api.key, version, &body));
        }
    }
}

#[test]
fn random_requests_of_every_version_are_answered_or_close() {
    let house = furnished();
    let mut prng = Prng::new(5);
    for api in APIS {
        for version in api.versions.clone() {
            for _ in 0..8 {
                let body = sample(message(api.key, Kind::Request), version, &mut prng);
                check(&house, api.key, version, frame_of(api.key, version, &body));
            }
        }
    }
}

#[test]
fn what_is_missing_closes() {
    let house = furnished();
    for api in APIS {
        let version = *api.versions.end();
        let body = message(api.key, Kind::Request).default_bytes(version).unwrap();
        if let Some((_, shorter)) = body.split_last() {
            let sent = house.send_bytes(frame_of(api.key, version, shorter));
            sent.unwrap().reason_to_close();
        }
    }
}

#[test]
fn what_is_left_over_is_passed_over() {
    // librdkafka 2.16 sends three bytes behind the body of Metadata v13; Kafka answers.
    let house = furnished();
    for api in APIS {
        let version = *api.versions.end();
        let body = message(api.key, Kind::Request).default_bytes(version).unwrap();
        let longer = [&body[..], &[0, 0, 0]].concat();
        check(&house, api.key, version, frame_of(api.key, version, &longer));
    }
    let body = message(ApiKey::Metadata, Kind::Request).default_bytes(13).unwrap();
    let longer = [&body[..], &[0, 0, 0]].concat();
    let got = house.send_bytes(frame_of(ApiKey::Metadata, 13, &longer)).unwrap();
    assert!(matches!(got, Got::Answer(_)), "{got:?}");
}

#[test]
fn what_has_no_row_closes() {
    let house = House::new();
    for key in [4, 7, 56, 71, 999, -1] {
        let frame = [i16::to_be_bytes(key).as_slice(), &[0; 12]].concat();
        house.send_bytes(Bytes::from(frame)).unwrap().reason_to_close();
    }
    for (key, version) in [(ApiKey::Produce, 2), (ApiKey::Fetch, 3), (ApiKey::Fetch, 19)] {
        house.send_bytes(frame_of(key, version, &[])).unwrap().reason_to_close();
    }
    house.send_bytes(Bytes::from_static(b"GET")).unwrap().reason_to_close();
}

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "tester".into(),
        client_software_version: "1.0".into(),
        ..Default::default()
    }
}

#[test]
fn api_versions_answers_the_table_and_produce_from_zero() {
    const TELEMETRY: &[&str] = &["metric.reporters=ottla.ClientTelemetry"];
    const DRAFTS: &[&str] = &["unstable.api.versions.enable=true"];
    let worlds: [&[&str]; 3] = [&[], TELEMETRY, DRAFTS];
    for (version, configs) in (0..=5).flat_map(|version| worlds.map(|configs| (version, configs))) {
        let house = House::with(configs);
        let of_telemetry = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];
        let is_served = |key| configs == TELEMETRY || !of_telemetry.contains(&key);
        let request = if version >= 3 { software() } else { ApiVersionsRequest::default() };
        let told = house.ask(version, request);
        let told: Vec<_> = told
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.min_version..=api.max_version))
            .collect();
        let table: Vec<_> = APIS
            .iter()
            .filter(|api| is_served(api.key))
            .map(|api| (api.key as i16, api.announced..=api.last(configs == DRAFTS)))
            .collect();
        assert_eq!(told, table);
        assert_eq!(told[0], (0, 0..=13));
    }
}

#[test]
fn api_versions_tells_features_from_version_three_on() {
    let mut house = House::new();
    house.replay(vec![crate::support::feature("transaction.version", 2)]);
    let told = house.ask(4, software());
    let supported = |told: &ApiVersionsResponse| -> Vec<_> {
        let features = told.supported_features.iter();
        features.map(|of| (of.name.to_string(), of.min_version, of.max_version)).collect()
    };
    let (first, last) = (MetadataVersion::MINIMUM.level(), MetadataVersion::LATEST.level());
    let metadata = ("metadata.version".to_owned(), first, last);
    let replicas = ("eligible.leader.replicas.version".to_owned(), 0, 1);
    let groups = ("group.version".to_owned(), 0, 1);
    let transactions = ("transaction.version".to_owned(), 0, 2);
    let kraft = ("kraft.version".to_owned(), 0, 1);
    let shares = ("share.version".to_owned(), 0, 2);
    let streams = ("streams.version".to_owned(), 0, 1);
    let all = [replicas, groups, kraft, metadata.clone(), shares, streams, transactions];
    assert_eq!(supported(&told), all);
    let finalized: Vec<_> = told
        .finalized_features
        .iter()
        .map(|of| (&*of.name, of.min_version_level, of.max_version_level))
        .collect();
    let kraft = ("kraft.version", 1, 1);
    assert_eq!(finalized, [("metadata.version", 29, 29), ("transaction.version", 2, 2), kraft]);
    assert_eq!(told.finalized_features_epoch, house.image.provenance().offset.0);
    // A lowest level of 0 is malformed for clients of version 3.
    assert_eq!(supported(&house.ask(3, software())), [metadata]);
    assert!(house.ask(2, ApiVersionsRequest::default()).supported_features.is_empty());
}

#[test]
fn api_versions_above_ours_is_answered_in_version_zero() {
    let house = House::new();
    let frame = frame_of(ApiKey::ApiVersions, 0, &[0xab; 30]);
    let mut frame = frame.to_vec();
    frame[2..4].copy_from_slice(&99i16.to_be_bytes());
    let bytes = house.send_bytes(Bytes::from(frame)).unwrap().answer();
    let json = message(ApiKey::ApiVersions, Kind::Response).json(bytes.slice(4..), 0).unwrap();
    let wanted = r#"{"errorCode":35,"apiKeys":[{"apiKey":18,"minVersion":0,"maxVersion":5}]}"#;
    assert_eq!(json, wanted);
}

#[test]
fn api_versions_refuses_client_software_that_is_no_name() {
    let house = House::new();
    let told = house.ask(3, ApiVersionsRequest::default());
    assert_eq!(told.error_code, ErrorCode::INVALID_REQUEST);
    assert!(told.api_keys.is_empty());
}

#[test]
fn api_versions_sends_who_means_another_cluster_or_node_elsewhere() {
    let house = House::new();
    let here = || ApiVersionsRequest {
        cluster_id: Some(crate::support::CLUSTER.into()),
        node_id: crate::support::ME,
        ..software()
    };
    assert_eq!(house.ask(5, here()).error_code, ErrorCode::NONE);
    let elsewhere = ApiVersionsRequest { cluster_id: Some("another".into()), ..here() };
    assert_eq!(house.ask(5, elsewhere).error_code, ErrorCode::REBOOTSTRAP_REQUIRED);
    let elsewhere = ApiVersionsRequest { node_id: ottla_wire::BrokerId(9), ..here() };
    assert_eq!(house.ask(5, elsewhere).error_code, ErrorCode::REBOOTSTRAP_REQUIRED);
}

/// What Apache Kafka announces and this broker does not, with the reason.
const NOT_ANNOUNCED: [(&str, &str); 4] = [
    ("SaslHandshake", "security: there is no SASL listener"),
    ("SaslAuthenticate", "security: there is no SASL listener"),
    ("AddRaftVoter", "clusters: the quorum has one voter"),
    ("RemoveRaftVoter", "clusters: the quorum has one voter"),
];

/// What Apache Kafka announces too, but only where a receiver of telemetry is configured.
const WITH_A_RECEIVER: [&str; 2] = ["GetTelemetrySubscriptions", "PushTelemetry"];

#[test]
fn every_api_that_kafka_announces_is_announced_in_its_versions_or_left_out_with_a_reason() {
    let mut kafka = std::collections::BTreeMap::new();
    for line in include_str!("kafka-apis.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, versions) = line.split_once("): ").expect("name(key): versions");
        let name = name.split('(').next().expect("a name");
        let (first, last) = versions.split_once(" to ").unwrap_or((versions, versions));
        let number = |text: &str| text.parse::<i16>().expect("a version");
        kafka.insert(name, number(first)..=number(last));
    }
    for (name, reason) in NOT_ANNOUNCED {
        assert!(kafka.remove(name).is_some(), "{name} is of Kafka");
        assert!(!APIS.iter().any(|api| api.key.name() == name), "{name}: no longer true: {reason}");
    }
    for api in APIS {
        let name = api.key.name();
        let Some(theirs) = kafka.remove(name) else {
            assert!(WITH_A_RECEIVER.contains(&name), "{name} is not announced by Kafka");
            continue;
        };
        assert_eq!(api.announced, *theirs.start(), "the first version of {name}");
        // A later release may have added some.
        assert!(api.versions.end() >= theirs.end(), "the last version of {name}");
    }
    assert!(kafka.is_empty(), "neither announced nor left out with a reason: {kafka:?}");
}
