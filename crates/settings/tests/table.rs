//! Every row against what was measured from Apache Kafka, config by config and value by value.

use std::collections::BTreeMap;

use ottla_settings::table::{find, rows};
use ottla_settings::{Kind, Row, Scope, Unset, Update};

const BROKER: &str = include_str!("kafka-configs/broker-configs.tsv");
const TOPIC: &str = include_str!("kafka-configs/topic-configs.tsv");
const GROUP: &str = include_str!("kafka-configs/group-configs.tsv");
const CLIENT_METRICS: &str = include_str!("kafka-configs/client-metrics-configs.tsv");
const IP_QUOTA: &str = include_str!("kafka-configs/quota-configs-ip.tsv");
const CLIENT_QUOTA: &str = include_str!("kafka-configs/quota-configs-user-client.tsv");
const ADDED_BY_4_4: &str = include_str!("kafka-configs/configs-4.4.tsv");
const ACCEPTED: &str = include_str!("kafka-configs/accepted.tsv");

const SCOPES: [Scope; 6] = [
    Scope::Broker,
    Scope::Topic,
    Scope::Group,
    Scope::ClientMetrics,
    Scope::ClientQuota,
    Scope::IpQuota,
];

/// What Kafka accepts and we refuse, since nothing sensible can be done with it.
const STRICTER: &[(&str, &str)] = &[
    ("follower.replication.throttled.replicas", ","),
    ("leader.replication.throttled.replicas", ","),
    ("log.cleaner.min.cleanable.ratio", "NaN"),
    ("min.cleanable.dirty.ratio", "NaN"),
    ("remote.log.manager.task.retry.jitter", "NaN"),
];

/// How the names of configs begin that Kafka does not know.
const OWN: &str = "ottla.";

/// A measured line: scope, name, and type, default, limit, importance, mode, whether internal.
type Measured = BTreeMap<(Scope, String), [String; 6]>;

fn measured() -> Measured {
    let mut all = Measured::new();
    let lists = [
        (Scope::Broker, BROKER),
        (Scope::Topic, TOPIC),
        (Scope::Group, GROUP),
        (Scope::ClientMetrics, CLIENT_METRICS),
        (Scope::IpQuota, IP_QUOTA),
        (Scope::ClientQuota, CLIENT_QUOTA),
    ];
    for (scope, list) in lists {
        let has_internal = [Scope::Broker, Scope::Topic].contains(&scope);
        for line in list.lines().skip(1) {
            let column: Vec<_> = line.split('\t').collect();
            let internal = has_internal && column.get(6).is_none_or(|text| text.is_empty());
            let mode = if scope == Scope::Broker { column[5] } else { "" };
            let [name, kind, unset, valid, importance] =
                [0, 1, 2, 3, 4].map(|at| column[at].to_string());
            let rest = [kind, unset, valid, importance, mode.to_string(), internal.to_string()];
            all.insert((scope, name), rest);
        }
    }
    for line in ADDED_BY_4_4.lines().skip(1) {
        let column: Vec<_> = line.split('\t').map(str::to_string).collect();
        let scope = named(&column[0]);
        let rest: [String; 6] = column[2..8].to_vec().try_into().expect("eight columns");
        all.insert((scope, column[1].clone()), rest);
    }
    all
}

fn named(scope: &str) -> Scope {
    match scope {
        "broker" => Scope::Broker,
        "topic" => Scope::Topic,
        "group" => Scope::Group,
        other => panic!("no scope {other}"),
    }
}

fn of_row(scope: Scope, row: &Row) -> [String; 6] {
    let unset = match row.unset {
        Unset::Required => "(required)".to_string(),
        Unset::Null => "null".to_string(),
        Unset::Text(text) if row.kind == Kind::List => format!("[{}]", text.replace(',', ", ")),
        Unset::Text(text) => text.to_string(),
    };
    let mode = match row.update() {
        _ if scope != Scope::Broker => "",
        Update::ReadOnly => "read-only",
        Update::PerBroker => "per-broker",
        Update::ClusterWide => "cluster-wide",
    };
    let importance = format!("{:?}", row.importance).to_uppercase();
    let internal = row.is_internal().to_string();
    [
        row.kind.name().to_string(),
        unset,
        row.valid.to_string(),
        importance,
        mode.to_string(),
        internal,
    ]
}

#[test]
fn every_config_of_kafka_is_a_row_and_every_row_one_of_them() {
    let ours: Measured = SCOPES
        .into_iter()
        .flat_map(|scope| {
            let of_kafka = rows(scope).filter(|row| !row.name.starts_with(OWN));
            of_kafka.map(move |row| ((scope, row.name.to_string()), of_row(scope, row)))
        })
        .collect();
    let theirs = measured();
    for (name, row) in &theirs {
        assert_eq!(ours.get(name), Some(row), "{name:?}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn our_own_configs_stay_out_of_the_way_of_those_who_do_not_ask_for_them() {
    let own: Vec<_> = rows(Scope::Broker).filter(|row| row.name.starts_with(OWN)).collect();
    assert!(!own.is_empty());
    for row in own {
        assert!(row.is_internal(), "{}", row.name);
        assert_eq!(row.default_text(), None, "{}", row.name);
    }
}

#[test]
fn topics_and_groups_fall_back_to_the_configs_that_kafka_names() {
    for (scope, list) in [(Scope::Topic, TOPIC), (Scope::Group, GROUP)] {
        for line in list.lines().skip(1) {
            let column: Vec<_> = line.split('\t').collect();
            let row = find(scope, column[0]).expect("a row");
            let names: Vec<_> = row.fallbacks().iter().map(|fallback| fallback.name).collect();
            if let Some(name) = column[5].strip_prefix("broker: ") {
                assert_eq!(names, [name], "{}", row.name);
            }
        }
    }
    for scope in SCOPES {
        for fallback in rows(scope).flat_map(Row::fallbacks) {
            assert!(find(Scope::Broker, fallback.name).is_some(), "{}", fallback.name);
        }
    }
}

#[test]
fn every_value_is_accepted_where_kafka_accepts_it_and_refused_where_not() {
    let mut lines = ACCEPTED.lines();
    let header = lines.next().expect("a header").split('\t').nth(2).expect("three columns");
    let candidates: Vec<_> = header.split('|').map(|text| text.replace("_SPACE_", " ")).collect();
    let mut differences = Vec::new();
    for line in lines {
        let column: Vec<_> = line.split('\t').collect();
        let row = find(named(column[0]), column[1]).expect("a row");
        if row.kind == Kind::Class {
            continue; // Kafka accepts a class when it can load it.
        }
        for (candidate, expect) in candidates.iter().zip(column[2].chars()) {
            let is_stricter = STRICTER.contains(&(row.name, candidate.as_str()));
            if row.parse(candidate).is_ok() != (expect == '1') && !is_stricter {
                differences.push(format!("{} {candidate:?} kafka={expect}", row.name));
            }
        }
    }
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_row_has_one_sentence_and_a_default_that_it_accepts() {
    for scope in SCOPES {
        let mut names: Vec<_> = rows(scope).map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "a name stands twice in {scope:?}");
        for row in rows(scope) {
            let doc = row.doc();
            assert!(doc.ends_with('.') && doc.starts_with(char::is_uppercase), "{}", row.name);
            let unset = row.default_text().filter(|text| !text.is_empty());
            assert!(unset.is_none_or(|text| row.parse(text).is_ok()), "{}", row.name);
        }
    }
}
