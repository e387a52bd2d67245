//! Settings from whole configurations: what Apache Kafka makes of them, layers, changes, words.

use std::collections::BTreeMap;

use ottla_settings::{
    ConfigError, GroupConfig, Input, Origin, Settings, Source, TopicConfig, append, subtract,
};

const WHOLE_FILES: &str = include_str!("kafka-configs/whole-files.txt");

/// What Kafka accepts and we refuse: the node would only find out when it opens the port.
const STRICTER: &[&str] = &["# a port too large"];

const COMBINED: &str = "process.roles=broker,controller\nnode.id=1\n\
    listeners=PLAINTEXT://host:9092,CONTROLLER://host:9093\n\
    controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=host:9093\n";

fn load(file: &str) -> Result<Settings, String> {
    let input = Input { file: Some(file.as_bytes()), ..Input::default() };
    match Settings::load(input) {
        Ok(loaded) => Ok(loaded.settings),
        Err(errors) => {
            let lines: Vec<_> = errors.iter().map(ConfigError::to_string).collect();
            Err(lines.join("\n"))
        }
    }
}

fn combined(more: &str) -> Settings {
    load(&format!("{COMBINED}{more}")).expect("the configuration is right")
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[test]
fn pages_are_shown_where_the_configuration_says_and_nowhere_else() {
    assert_eq!(combined("").listeners.http, None);
    for (text, host, port) in
        [("127.0.0.1:9404", "127.0.0.1", 9404), (":0", "", 0), ("[::1]:9404", "::1", 9404)]
    {
        let settings = combined(&format!("ottla.http.listener={text}\n"));
        let http = settings.listeners.http.clone().expect("an address");
        assert_eq!((http.host.as_str(), http.port), (host, port), "{text}");
        assert!(settings.listeners.all().all(|other| other.listener != http.listener));
    }
    for wrong in ["9404", "localhost", "host:70000", "http://host:1"] {
        let refused = load(&format!("{COMBINED}ottla.http.listener={wrong}\n"));
        let why = refused.expect_err("it is wrong");
        assert!(why.contains("ottla.http.listener") && why.contains("host:port"), "{why}");
    }
    let shown = |settings: &Settings| {
        let entries = settings.describe_broker();
        entries.into_iter().any(|entry| entry.name == "ottla.http.listener")
    };
    assert!(!shown(&combined("")));
    assert!(shown(&combined("ottla.http.listener=:0\n")));
}

#[test]
fn a_configuration_is_accepted_where_kafka_accepts_it_and_refused_where_not() {
    let mut differences = Vec::new();
    for scenario in WHOLE_FILES.split("\n\n").filter(|text| !text.trim().is_empty()) {
        let (file, expect) = scenario.split_once("----\n").expect("a file and an answer");
        let name = file.lines().next().unwrap_or_default();
        let answer = match load(file) {
            Err(_) => "refused".to_string(),
            Ok(settings) => {
                let told = settings.listeners.advertised.iter().map(|endpoint| {
                    let host = if endpoint.host.is_empty() { "null" } else { &endpoint.host };
                    let protocol = endpoint.protocol.name();
                    format!(" {}/{protocol}://{host}:{}", endpoint.listener, endpoint.port)
                });
                format!("accepted{}", told.collect::<String>())
            }
        };
        if answer != expect.trim() && !STRICTER.contains(&name) {
            differences.push(format!("{name}\n  kafka: {expect}\n  ours:  {answer}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn an_override_wins_over_a_variable_that_over_the_file_that_over_the_default() {
    let environment = map(&[("KAFKA_NUM_PARTITIONS", "3"), ("KAFKA_NUM_IO_THREADS", "4")]);
    let environment: Vec<_> = environment.into_iter().collect();
    let overrides = ["num.partitions=4".to_string()];
    let file = format!("{COMBINED}num.partitions=2\nnum.io.threads=2\nqueued.max.requests=2\n");
    let input =
        Input { file: Some(file.as_bytes()), environment: &environment, overrides: &overrides };
    let settings = Settings::load(input).expect("all is right").settings;
    assert_eq!(settings.log.num_partitions, 4);
    assert_eq!(settings.network.num_io_threads, 4);
    assert_eq!(settings.network.queued_max_requests, 2);
    assert_eq!(settings.network.num_network_threads, 3);
    assert_eq!(settings.origin("num.partitions"), Some(&Origin::Override));
    assert_eq!(settings.origin("queued.max.requests"), Some(&Origin::File(8)));
    let variable = Origin::Environment("KAFKA_NUM_IO_THREADS".to_string());
    assert_eq!(settings.origin("num.io.threads"), Some(&variable));
    assert_eq!(settings.origin("num.network.threads"), None);
}

#[test]
fn a_node_that_nobody_configured_runs_alone_on_loopback() {
    let settings = Settings::load(Input::default()).expect("it needs nothing").settings;
    assert!(settings.is_built_in() && settings.is_alone());
    let told: Vec<_> = settings.listeners.all().map(ToString::to_string).collect();
    assert_eq!(told, ["PLAINTEXT://localhost:9092", "CONTROLLER://localhost:9093"]);
    assert_eq!(settings.log_dirs(), ["./ottla-data"]);
    assert_eq!(settings.groups.offsets_topic_replication_factor, 1);
    let ports = ["listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:0".to_string()];
    let settings = Settings::load(Input { overrides: &ports, ..Input::default() });
    assert!(settings.expect("ports may be free ones").settings.is_alone());
}

#[test]
fn who_says_which_node_it_is_gets_kafkas_defaults() {
    let environment = map(&[
        ("KAFKA_NODE_ID", "5"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "5@localhost:9093"),
    ]);
    let environment: Vec<_> = environment.into_iter().collect();
    let input = Input { environment: &environment, ..Input::default() };
    let settings = Settings::load(input).expect("all is there").settings;
    assert_eq!(settings.groups.offsets_topic_replication_factor, 3);
    assert!(settings.is_alone() && !settings.is_built_in());
}

#[test]
fn a_node_among_others_is_not_alone() {
    assert!(combined("").is_alone());
    assert!(!combined("controller.quorum.bootstrap.servers=host:9093,other:9093\n").is_alone());
    assert!(!combined("controller.quorum.voters=1@host:9093,2@other:9093\n").is_alone());
    let everywhere = "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n";
    let with = |servers: &str| {
        combined(&format!("{everywhere}controller.quorum.bootstrap.servers={servers}\n"))
    };
    assert!(with("localhost:9093").is_alone());
    assert!(!with("other:9093").is_alone());
    assert!(!with("localhost:9094").is_alone());
}

#[test]
fn a_wrong_value_is_told_with_key_value_and_what_is_allowed() {
    let told = |more: &str| load(&format!("{COMBINED}{more}")).expect_err("it is wrong");
    assert_eq!(
        told("num.partitions=many\n"),
        "Invalid value many for configuration num.partitions: \
         it must be a whole number (INT) of at least 1"
    );
    assert_eq!(
        told("compression.type=zip\nnum.io.threads=0\n"),
        "Invalid value 0 for configuration num.io.threads: \
         it must be a whole number (INT) of at least 1\n\
         Invalid value zip for configuration compression.type: \
         it must be one of uncompressed, zstd, lz4, snappy, gzip, producer"
    );
    assert!(told("a=\\u12\n").starts_with("line 6: "));
}

#[test]
fn a_name_that_means_nothing_is_a_warning_with_the_nearest_that_does() {
    let file = format!(
        "{COMBINED}num.partition=3\nzookeeper.connect=host:2181\nquite.another.thing=1\n\
         super.users=User:a\nlistener.name.plaintext.scram-sha-256.sasl.jaas.config=x\n"
    );
    let input = Input { file: Some(file.as_bytes()), ..Input::default() };
    let loaded = Settings::load(input).expect("warnings stop nothing");
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "num.partition is not a config: did you mean num.partitions? (line 6 of the file)",
            "quite.another.thing is not a config (line 8 of the file)",
            "zookeeper.connect is gone since Apache Kafka 4: \
             metadata is kept by the controllers themselves (line 7 of the file)",
        ]
    );
}

#[test]
fn a_topic_falls_back_to_the_broker_in_its_own_unit() {
    let check = |broker: &str, key: &str, expect: i64| {
        let config = TopicConfig::resolve(&combined(broker).topic_defaults(), []);
        let value = if key == "retention.ms" { config.retention_ms } else { config.segment_ms };
        assert_eq!(value, expect, "{broker}");
    };
    check("", "retention.ms", 604_800_000);
    check("log.retention.hours=2\n", "retention.ms", 7_200_000);
    check("log.retention.hours=2\nlog.retention.minutes=3\n", "retention.ms", 180_000);
    check("log.retention.minutes=3\nlog.retention.ms=4\n", "retention.ms", 4);
    check("log.retention.hours=-1\n", "retention.ms", -1);
    check("log.roll.hours=1\n", "segment.ms", 3_600_000);
}

#[test]
fn a_topics_own_config_wins_and_what_is_wrong_with_it_is_passed_over() {
    let defaults = combined("log.retention.ms=5\n").topic_defaults();
    let overrides = [("retention.ms", "6"), ("segment.bytes", "x"), ("nonsense", "1")];
    let config = TopicConfig::resolve(&defaults, overrides);
    assert_eq!((config.retention_ms, config.segment_bytes), (6, 1_073_741_824));
}

#[test]
fn what_a_client_wants_of_a_topic_is_judged() {
    let defaults = combined("").topic_defaults();
    let check = |overrides: &[(&str, &str)], expect: Option<&str>| {
        let told = TopicConfig::check(&defaults, overrides.iter().copied()).err();
        assert_eq!(told.map(|error| error.to_string()).as_deref(), expect);
    };
    check(&[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")], None);
    check(
        &[("retention.mss", "1")],
        Some("Unknown configuration retention.mss: did you mean retention.ms?"),
    );
    check(
        &[("cleanup.policy", "shred")],
        Some(
            "Invalid value shred for configuration cleanup.policy: \
             it must be a list parted by commas of compact, delete",
        ),
    );
    check(
        &[("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")],
        Some(
            "min.compaction.lag.ms, max.compaction.lag.ms: a record cannot stay longer than it may",
        ),
    );
    check(
        &[("remote.storage.enable", "true")],
        Some(
            "remote.storage.enable, remote.log.storage.system.enable: \
             the node has no remote store",
        ),
    );
}

#[test]
fn overrides_are_taken_where_kafka_takes_them_and_refused_where_not() {
    let settings = combined("");
    let tiered = combined("remote.log.storage.system.enable=true\n").topic_defaults();
    let plain = settings.topic_defaults();
    for line in include_str!("kafka-configs/overrides.txt").lines() {
        let (asked, expect) = line.split_once(" -> ").expect("a question and an answer");
        let (scope, pairs) = asked.split_once(' ').expect("a scope and overrides");
        let pairs = pairs.split(' ').map(|pair| pair.split_once('=').expect("a pair"));
        let taken = match scope {
            "topic" => TopicConfig::check(&plain, pairs).is_ok(),
            "remote" => TopicConfig::check(&tiered, pairs).is_ok(),
            _ => GroupConfig::check(&settings, pairs).is_ok(),
        };
        assert_eq!(taken, expect == "accepted", "{asked}");
    }
}

#[test]
fn a_group_may_not_name_an_internal_topic_as_its_queue() {
    let settings = combined("");
    let may = |topic| {
        GroupConfig::check(&settings, [("errors.deadletterqueue.topic.name", topic)]).is_ok()
    };
    // As Apache Kafka, which looks at the rest when a record is to go there.
    assert!(["dlq.a", "a", "", " ", "a b", ".", "dlq.__a"].into_iter().all(may));
    assert!(!["__a", "__consumer_offsets"].into_iter().any(may));
}

#[test]
fn a_groups_config_keeps_to_the_brokers_bounds() {
    let settings = combined("");
    let overrides = [("consumer.session.timeout.ms", "70000")];
    assert!(GroupConfig::check(&settings, overrides).is_err());
    assert_eq!(GroupConfig::resolve(&settings, overrides).consumer_session_timeout_ms, 60_000);
    let overrides = [("consumer.session.timeout.ms", "50000")];
    assert!(GroupConfig::check(&settings, overrides).is_ok());
}

#[test]
fn a_streams_groups_configs_keep_to_the_brokers_bounds() {
    let check = |settings: &Settings, key: &str, [least, most]: [i32; 2]| {
        for (value, fine) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let text = value.to_string();
            let checked = GroupConfig::check(settings, [(key, text.as_str())]);
            assert_eq!(checked.is_ok(), fine, "{key}={value}");
        }
    };
    let settings = combined("");
    check(&settings, "streams.session.timeout.ms", [45_000, 60_000]);
    check(&settings, "streams.heartbeat.interval.ms", [5_000, 15_000]);
    check(&settings, "streams.assignment.interval.ms", [0, 15_000]);
    check(&settings, "streams.num.standby.replicas", [0, 2]);
    check(&settings, "streams.num.warmup.replicas", [0, 20]);
    let overrides =
        [("streams.session.timeout.ms", "70000"), ("streams.num.standby.replicas", "9")];
    let kept = GroupConfig::resolve(&settings, overrides);
    assert_eq!((kept.streams_session_timeout_ms, kept.streams_num_standby_replicas), (60_000, 2));
    let settings = combined(
        "group.streams.min.session.timeout.ms=20000
group.streams.max.session.timeout.ms=50000
group.streams.min.heartbeat.interval.ms=100
group.streams.max.heartbeat.interval.ms=6000
group.streams.min.assignment.interval.ms=500
group.streams.max.assignment.interval.ms=2000
group.streams.max.standby.replicas=3
group.streams.max.warmup.replicas=4
",
    );
    check(&settings, "streams.session.timeout.ms", [20_000, 50_000]);
    check(&settings, "streams.heartbeat.interval.ms", [100, 6_000]);
    check(&settings, "streams.assignment.interval.ms", [500, 2_000]);
    check(&settings, "streams.num.standby.replicas", [0, 3]);
    check(&settings, "streams.num.warmup.replicas", [0, 4]);
}

#[test]
fn a_change_at_run_time_wins_over_the_file_and_a_wrong_one_is_left_out() {
    let settings = combined("log.retention.ms=5\n");
    let for_all = map(&[("log.retention.ms", "6"), ("log.segment.bytes", "x")]);
    let for_this = map(&[("log.retention.ms", "7"), ("num.partitions", "3")]);
    let (changed, wrong) = settings.changed(&for_all, &for_this);
    assert_eq!((changed.log.retention_ms(), changed.log.num_partitions), (7, 1));
    assert_eq!(wrong.len(), 2);
    let (changed, _) = changed.changed(&map(&[]), &map(&[]));
    assert_eq!(changed.log.retention_ms(), 5);
}

#[test]
fn what_cannot_change_at_run_time_is_refused() {
    let settings = combined("");
    let check = |for_all: &[(&str, &str)], for_this: &[(&str, &str)], fine: bool| {
        let checked = settings.check_change(&map(for_all), &map(for_this));
        assert_eq!(checked.is_ok(), fine, "{for_all:?} {for_this:?}");
    };
    check(&[("log.retention.ms", "6")], &[], true);
    check(&[("node.id", "6")], &[], false);
    check(&[("ssl.client.auth", "required")], &[], false);
    check(&[], &[("ssl.keystore.type", "PEM")], false);
    check(&[], &[("listener.name.plaintext.ssl.keystore.type", "PEM")], true);
    check(&[("listener.name.plaintext.ssl.keystore.type", "PEM")], &[], false);
    check(&[("leader.replication.throttled.rate", "6")], &[], true);
    check(&[("leader.replication.throttled.rate", "x")], &[], false);
    check(&[("log.retention.ms", "0")], &[], false);
    check(&[("num.io.threads", "16")], &[], true);
    check(&[("num.io.threads", "17")], &[], false);
    check(&[("num.io.threads", "3")], &[], false);
}

#[test]
fn lists_grow_and_shrink_item_by_item() {
    assert_eq!(append("a,b", "b, c"), "a,b,c");
    assert_eq!(append("", "a"), "a");
    assert_eq!(subtract("a,b,c", "b,d"), "a,c");
    assert_eq!(subtract("a", "a"), "");
}

#[test]
fn a_listener_may_have_its_own_configs() {
    let settings = combined(
        "max.connections=10\nlistener.name.plaintext.max.connections=5\nsasl.jaas.config=node\n\
         listener.name.plaintext.sasl.jaas.config=listener\n\
         listener.name.plaintext.plain.sasl.jaas.config=mechanism\n",
    );
    assert_eq!(settings.for_listener("PLAINTEXT").network.max_connections, 5);
    assert_eq!(settings.for_listener("CONTROLLER").network.max_connections, 10);
    let jaas = |listener, mechanism| {
        let config = settings.jaas_config(listener, mechanism).expect("there is one");
        config.reveal().to_string()
    };
    assert_eq!(jaas("PLAINTEXT", "PLAIN"), "mechanism");
    assert_eq!(jaas("PLAINTEXT", "SCRAM-SHA-256"), "listener");
    assert_eq!(jaas("CONTROLLER", "PLAIN"), "node");
}

/// Describes one config as `value source | synonym=value source...`.
fn described(entries: &[ottla_settings::Entry], name: &str) -> String {
    let entry = entries.iter().find(|entry| entry.name == name).expect("it is described");
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
    let synonyms = entry.synonyms.iter().map(|synonym| {
        format!(" | {}={} {:?}", synonym.name, text(&synonym.value), synonym.source)
    });
    format!("{} {:?}{}", text(&entry.value), entry.source, synonyms.collect::<String>())
}

#[test]
fn a_description_tells_every_place_a_value_could_come_from() {
    let settings = combined("log.retention.minutes=3\nssl.key.password=secret\n");
    let for_all = map(&[("log.retention.ms", "6")]);
    let (settings, _) = settings.changed(&for_all, &map(&[("log.cleaner.threads", "2")]));
    let broker = settings.describe_broker();
    for (name, expect) in [
        ("log.cleaner.threads", {
            "2 Broker | log.cleaner.threads=2 Broker | log.cleaner.threads=1 Default"
        }),
        ("log.retention.ms", {
            "6 AllBrokers | log.retention.ms=6 AllBrokers | log.retention.minutes=3 Static \
             | log.retention.hours=168 Default"
        }),
        ("log.retention.minutes", {
            "null Static | log.retention.minutes=3 Static | log.retention.hours=168 Default"
        }),
        ("ssl.key.password", "null Static | ssl.key.password=null Static"),
        ("num.partitions", "1 Default | num.partitions=1 Default"),
        ("log.flush.interval.ms", "null Default"),
        ("broker.id", "1 Static | broker.id=1 Static | broker.id=-1 Default"),
    ] {
        assert_eq!(described(&broker, name), expect, "{name}");
    }
    assert_eq!(
        described(&settings.describe_all_brokers(), "log.retention.ms"),
        "6 AllBrokers | log.retention.ms=6 AllBrokers"
    );
    let topic = settings.describe_topic([("cleanup.policy", " compact , delete ")]);
    for (name, expect) in [
        ("cleanup.policy", {
            "compact,delete Topic | cleanup.policy=compact,delete Topic \
             | log.cleanup.policy=delete Default"
        }),
        ("retention.ms", {
            "6 AllBrokers | log.retention.ms=6 AllBrokers | log.retention.minutes=3 Static \
             | log.retention.hours=168 Default"
        }),
        ("remote.storage.enable", "false Default"),
    ] {
        assert_eq!(described(&topic, name), expect, "{name}");
    }
    assert!(topic.iter().all(|entry| entry.name != "internal.segment.bytes"));
    let group = settings.describe_group([("share.isolation.level", "read_committed")]);
    assert_eq!(group.iter().filter(|entry| entry.source == Source::Group).count(), 1);
}

/// What a node of Apache Kafka 4.3.1 describes, as kafka-configs/Described.java prints it.
const DESCRIBED: &str = include_str!("kafka-configs/described.tsv");
const DESCRIBED_OF: &str = include_str!("kafka-configs/described.properties");
const ADDED_BY_4_4: &str = include_str!("kafka-configs/configs-4.4.tsv");

fn described_line(resource: &str, entry: &ottla_settings::Entry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
    let source = |source: Source| match source {
        Source::Topic => "DYNAMIC_TOPIC_CONFIG",
        Source::Broker => "DYNAMIC_BROKER_CONFIG",
        Source::AllBrokers => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        Source::Static => "STATIC_BROKER_CONFIG",
        Source::Default => "DEFAULT_CONFIG",
        Source::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        Source::Group => "DYNAMIC_GROUP_CONFIG",
    };
    let synonyms = entry.synonyms.iter().map(|synonym| {
        format!("|{}={} {}", synonym.name, text(&synonym.value), source(synonym.source))
    });
    [
        resource,
        &entry.name,
        &text(&entry.value),
        source(entry.source),
        entry.kind.map_or("UNKNOWN", |kind| kind.name()),
        if entry.is_sensitive { "sensitive" } else { "shown" },
        if entry.is_read_only { "read-only" } else { "dynamic" },
        &synonyms.collect::<String>(),
    ]
    .join("\t")
}

const ORDER: &str = include_str!("kafka-configs/order.txt");

#[test]
fn configs_are_described_in_the_order_of_apache_kafka() {
    let settings = combined("");
    let of: [(&str, Vec<ottla_settings::Entry>); 4] = [
        ("TOPIC", settings.describe_topic([])),
        ("BROKER", settings.describe_broker()),
        ("GROUP", settings.describe_group([])),
        ("CLIENT_METRICS", settings.describe_client_metrics([])),
    ];
    let told = of.iter().flat_map(|(kind, entries)| {
        let names = entries.iter().map(|entry| entry.name.clone());
        std::iter::once(format!("# {kind}")).chain(names)
    });
    assert_eq!(told.collect::<Vec<_>>(), ORDER.lines().collect::<Vec<_>>());
}

#[test]
fn changed_configs_are_described_in_the_order_of_apache_kafka() {
    let for_all = [
        "log.retention.ms",
        "log.cleaner.io.buffer.load.factor",
        "log.retention.bytes",
        "num.io.threads",
        "min.insync.replicas",
        "log.cleaner.threads",
        "max.connections",
        "background.threads",
    ];
    let for_this =
        ["listener.name.plaintext.max.connections", "follower.replication.throttled.rate"];
    let all_to =
        |names: &[&str], value| map(&names.iter().map(|n| (*n, value)).collect::<Vec<_>>());
    let settings = combined("");
    let (settings, _) = settings.changed(&all_to(&for_all, "1"), &all_to(&for_this, "60"));
    let names = |entries: Vec<ottla_settings::Entry>| -> Vec<String> {
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(settings.describe_all_brokers()), for_all);
    let first = ORDER.lines().skip_while(|line| *line != "# BROKER").nth(1);
    let expect = [for_this[0], for_this[1], first.expect("there is one")];
    assert_eq!(names(settings.describe_broker())[..3], expect);
}

#[test]
fn an_internal_config_is_told_once_somebody_gave_it() {
    let name = "log.initial.task.delay.ms";
    let told = |file: &str| {
        let entries = combined(file).describe_broker();
        entries.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.value)
    };
    assert_eq!(told(""), None);
    assert_eq!(told(&format!("{name}=86400000")).as_deref(), Some("86400000"));
}

#[test]
fn a_node_describes_itself_as_a_node_of_apache_kafka_does() {
    let for_all = map(&[
        ("log.retention.ms", "7000000"),
        ("log.segment.bytes", "2000000"),
        ("leader.replication.throttled.rate", "1000"),
        ("min.insync.replicas", "1"), // Set by the controller with eligible leader replicas.
    ]);
    let for_this =
        map(&[("log.segment.bytes", "3000000"), ("listener.name.plaintext.max.connections", "60")]);
    let settings = load(DESCRIBED_OF).expect("Kafka started with it");
    let (settings, wrong) = settings.changed(&for_all, &for_this);
    assert_eq!(wrong, []);
    let topic = [
        ("retention.ms", "5"),
        ("cleanup.policy", " compact , delete "),
        ("min.cleanable.dirty.ratio", "1"),
    ];
    let group = [("consumer.session.timeout.ms", "50000")];
    let resources = [
        ("BROKER/1", settings.describe_broker()),
        ("BROKER/", settings.describe_all_brokers()),
        ("TOPIC/t", settings.describe_topic(topic)),
        ("GROUP/g", settings.describe_group(group)),
    ];
    let added: Vec<_> = ADDED_BY_4_4.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    let mut ours = Vec::new();
    for (resource, mut entries) in resources {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let known = entries.iter().filter(|entry| !added.contains(&entry.name.as_str()));
        ours.extend(known.map(|entry| described_line(resource, entry)));
    }
    let theirs: Vec<_> = DESCRIBED.lines().collect();
    for line in theirs.iter().filter(|line| !ours.contains(&line.to_string())) {
        eprintln!("kafka: {line}");
    }
    for line in ours.iter().filter(|line| !theirs.contains(&line.as_str())) {
        eprintln!("ours:  {line}");
    }
    assert_eq!(ours, theirs);
}

#[test]
fn a_mistyped_name_explains_what_is_missing_and_a_mark_of_utf8_is_no_part_of_a_name() {
    let why = load("proces.roles=broker,controller\nnode.id=1\n").unwrap_err();
    assert!(why.contains("Missing required configuration process.roles"), "{why}");
    assert!(why.contains("did you mean process.roles"), "{why}");
    let marked = Input { file: Some(b"\xef\xbb\xbfnode.id=7\n"), ..Input::default() };
    let why = Settings::load(marked).unwrap_err();
    assert!(why.iter().all(|wrong| !wrong.to_string().contains("node.id")), "{why:?}");
}
