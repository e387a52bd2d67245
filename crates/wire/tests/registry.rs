//! The registry against the table it was made from, read a second way, and what follows from it:
//! every message round-trips in every version, and headers have the version that Kafka gives them.

use ottla_wire::fuzz::{Prng, sample};
use ottla_wire::registry::{APIS, Kind, Listener, MESSAGES, api_info};
use ottla_wire::{ApiKey, Bytes, StructInfo, Type, frame};

const TABLE: &str = include_str!("../messages.txt");

/// The lines of messages, each with the number of field lines below it.
fn table() -> Vec<(Vec<&'static str>, usize)> {
    let mut rows: Vec<(Vec<&str>, usize)> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match rows.last_mut() {
            Some(row) if line.starts_with(' ') => row.1 += usize::from(line.contains(": ")),
            _ => rows.push((line.split(' ').collect(), 0)),
        }
    }
    rows
}

fn fields(info: &'static StructInfo, seen: &mut Vec<&'static str>) -> usize {
    if seen.contains(&info.name) {
        return 0;
    }
    seen.push(info.name);
    let inner = info.fields.iter().map(|field| match field.kind {
        Type::Struct(info) | Type::Array(&Type::Struct(info)) => fields(info, seen),
        _ => 0,
    });
    inner.sum::<usize>() + info.fields.len()
}

#[test]
fn every_message_of_the_table_is_registered_with_its_fields() {
    let table = table();
    assert_eq!(table.len(), MESSAGES.len());
    for ((words, count), info) in table.iter().zip(MESSAGES) {
        let key = words[1].parse::<i16>().ok();
        let words = &words[1 + usize::from(key.is_some())..];
        assert_eq!((words[0], key), (info.name, info.key));
        let (min, max) = words[1].split_once('-').unwrap_or((words[1], words[1]));
        let versions = (min.parse(), max.parse());
        assert_eq!(versions, (Ok(info.versions.min), Ok(info.versions.max)), "{}", info.name);
        let flexible = words.iter().position(|word| *word == "flexible");
        let flexible = flexible.map(|at| words[at + 1].trim_end_matches('+').parse().unwrap());
        assert_eq!(flexible, info.flexible_from, "{}", info.name);
        assert_eq!(fields(info.schema, &mut Vec::new()), *count, "{}", info.name);
    }
}

#[test]
fn every_api_has_a_request_and_a_response_of_the_same_versions() {
    for api in APIS {
        let of = |kind| {
            let key = Some(api.key as i16);
            MESSAGES.iter().find(|info| info.kind == kind && info.key == key).unwrap()
        };
        let (request, response) = (of(Kind::Request), of(Kind::Response));
        assert_eq!(request.name, format!("{}Request", api.name));
        assert_eq!(response.name, format!("{}Response", api.name));
        assert_eq!((request.versions, response.versions), (api.versions, api.versions));
        assert_eq!(ApiKey::from_i16(api.key as i16), Some(api.key));
        assert!(!api.listeners.is_empty(), "{}", api.name);
    }
    assert_eq!(APIS.len(), 91);
    assert_eq!(ApiKey::from_i16(4), None);
    assert_eq!(ApiKey::from_i16(-1), None);
    let fetch = api_info(ApiKey::Fetch);
    assert_eq!(fetch.listeners, [Listener::Broker, Listener::Controller]);
    let unstable: Vec<_> = APIS.iter().filter(|api| api.latest_unstable).collect();
    assert!(unstable.iter().any(|api| api.key == ApiKey::InitProducerId));
    assert_eq!(api_info(ApiKey::InitProducerId).stable_versions().max, 5);
}

#[test]
fn random_messages_come_back_byte_for_byte_in_every_version() {
    let mut prng = Prng::new(7);
    for info in MESSAGES {
        for version in info.versions.iter() {
            for _ in 0..8 {
                let bytes = Bytes::from(sample(info, version, &mut prng));
                let name = format!("{} {version} {bytes:?}", info.name);
                assert_eq!(info.reencode(bytes.clone(), version).as_ref(), Ok(&bytes), "{name}");
                assert_eq!(info.size(bytes.clone(), version), Ok(bytes.len()), "{name}");
                assert!(info.json(bytes, version).unwrap().starts_with('{'));
            }
        }
    }
}

#[test]
fn what_nobody_has_set_can_be_written_in_every_version() {
    for info in MESSAGES {
        for version in info.versions.iter() {
            let bytes = info.default_bytes(version).unwrap();
            assert_eq!(info.reencode(bytes.clone(), version), Ok(bytes), "{}", info.name);
        }
    }
}

#[test]
fn messages_cut_anywhere_are_refused() {
    let mut prng = Prng::new(3);
    for info in MESSAGES {
        for version in info.versions.iter() {
            let whole = Bytes::from(sample(info, version, &mut prng));
            for end in 0..whole.len() {
                let cut = info.check(whole.slice(..end), version);
                assert!(cut.is_err(), "{} {version} cut to {end}", info.name);
            }
            let longer = [&whole[..], &[0]].concat();
            assert!(info.check(longer.into(), version).is_err(), "{} {version}", info.name);
        }
    }
}

#[test]
fn headers_follow_the_flexible_versions_but_for_the_answer_to_api_versions() {
    for api in APIS {
        for version in api.versions.iter() {
            let flexible = api.flexible_from.is_some_and(|from| version >= from);
            let request = frame::request_header_version(api.key, version);
            assert_eq!(request, if flexible { 2 } else { 1 }, "{} {version}", api.name);
            let response = frame::response_header_version(api.key, version);
            let plain = !flexible || api.key == ApiKey::ApiVersions;
            assert_eq!(response, if plain { 0 } else { 1 }, "{} {version}", api.name);
        }
    }
}
