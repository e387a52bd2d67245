//! Rules between configs, and what may change while a node runs.
//!
//! Not here: what a single config may be (valid.rs). The rules are those that Apache Kafka checks
//! at start, so that a file that starts Kafka starts a node, and one that does not, does not.

use crate::error::ConfigError;
use crate::row::Update;
use crate::settings::Settings;
use crate::table::{self, Scope};

/// Configs that may be set for one listener of all brokers at once.
const OF_LISTENERS_OF_ALL: &[&str] =
    &["max.connection.creation.rate", "max.connections", "num.network.threads"];

/// Configs of certificates, which change at run time for single listeners only.
const PER_LISTENER: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Numbers of threads, which one change may at most double or halve.
const THREADS: &[&str] = &[
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// The numbers of codecs that offsets may be stored in: none, gzip, snappy, lz4, zstd.
const CODECS: std::ops::RangeInclusive<i32> = 0..=4;

/// Every rule that the settings break.
pub(crate) fn rules(settings: &Settings) -> Vec<ConfigError> {
    let mut broken = Broken(Vec::new());
    roles(settings, &mut broken);
    listeners(settings, &mut broken);
    quorum(settings, &mut broken);
    logs(settings, &mut broken);
    requests(settings, &mut broken);
    bounds(settings, &mut broken);
    groups(settings, &mut broken);
    broken.0
}

/// Whether a config may change at run time to `value`, for one broker or for all.
pub(crate) fn change(key: &str, value: &str, one_broker: bool) -> Result<(), ConfigError> {
    let throttle = table::throttles().iter().find(|row| row.name == key);
    let Some(row) = throttle.or_else(|| table::find_base(key)) else { return Ok(()) };
    let own_key = || key.to_string();
    let is_prefixed = table::is_prefixed(key);
    if row.update() == Update::ReadOnly || (!is_prefixed && PER_LISTENER.contains(&key)) {
        return Err(ConfigError::ReadOnly { key: own_key() });
    }
    let is_of_one_listener = is_prefixed && !OF_LISTENERS_OF_ALL.contains(&row.name);
    if !one_broker && (row.update() == Update::PerBroker || is_of_one_listener) {
        return Err(ConfigError::PerBroker { key: own_key() });
    }
    row.parse(value).map(|_| ())
}

/// Whether a change of the settings asks for a number of threads that is too far from today's.
pub(crate) fn threads(before: &Settings, after: &Settings) -> Result<(), ConfigError> {
    for key in THREADS {
        let (old, new) = (number(before, key), number(after, key));
        if new > old.saturating_mul(2) || new < old / 2 {
            return Err(ConfigError::Invalid {
                key: key.to_string(),
                value: new.to_string(),
                allowed: format!("from {} to {}, half to double of what it is", old / 2, old * 2),
            });
        }
    }
    Ok(())
}

/// Collects broken rules.
struct Broken(Vec<ConfigError>);

impl Broken {
    fn unless(&mut self, holds: bool, keys: &'static [&'static str], rule: &str) {
        if !holds {
            self.0.push(ConfigError::Conflict { keys, rule: rule.to_string() });
        }
    }
}

fn roles(settings: &Settings, broken: &mut Broken) {
    let node = &settings.node;
    broken.unless(
        !node.process_roles.is_empty(),
        &["process.roles"],
        "the node must be a broker, a controller or both",
    );
    broken.unless(
        settings.text("broker.id").is_none() || node.broker_id == node.node_id,
        &["node.id", "broker.id"],
        "two names for one number must not differ",
    );
    broken.unless(
        settings.is_controller() || !settings.quorum.auto_join_enable,
        &["controller.quorum.auto.join.enable"],
        "only a controller can join the voters",
    );
}

fn listeners(settings: &Settings, broken: &mut Broken) {
    const LISTENERS: &[&str] = &["listeners", "controller.listener.names"];
    let told = &settings.listeners;
    if settings.is_controller() {
        let listens = !told.controller.is_empty();
        broken.unless(listens, LISTENERS, "a controller must listen on one of its names");
    } else {
        let apart = told.controller.is_empty();
        broken.unless(apart, LISTENERS, "a broker must not listen on a name of the controllers");
    }
    if !settings.is_broker() {
        let alone = told.broker.is_empty();
        broken.unless(alone, LISTENERS, "a controller must not listen on other names");
        return;
    }
    inter_broker(settings, broken);
    let heard = |name: &str| told.all().any(|endpoint| endpoint.listener == name);
    broken.unless(
        told.advertised.iter().all(|endpoint| heard(&endpoint.listener)),
        &["advertised.listeners"],
        "what is advertised must be among the listeners",
    );
    broken.unless(
        told.advertised.iter().all(|endpoint| endpoint.host != "0.0.0.0"),
        &["advertised.listeners"],
        "0.0.0.0 is no address that others can use: advertise one that is",
    );
    let known = |name: &String| {
        heard(&name.to_uppercase()) || settings.quorum.controller_listener_names.contains(name)
    };
    broken.unless(
        settings.node.early_start_listeners.iter().flatten().all(known),
        &["early.start.listeners"],
        "each must be among the listeners or the names of controllers",
    );
}

fn inter_broker(settings: &Settings, broken: &mut Broken) {
    const NAMES: &[&str] = &["inter.broker.listener.name", "security.inter.broker.protocol"];
    let told = &settings.listeners;
    broken.unless(
        NAMES.iter().any(|key| settings.text(key).is_none()),
        NAMES,
        "only one of the two may be given",
    );
    let between = told.advertised.iter().find(|endpoint| endpoint.listener == told.inter_broker);
    broken.unless(
        between.is_some(),
        &["inter.broker.listener.name", "advertised.listeners"],
        "brokers must reach each other through an advertised listener",
    );
    let security = &settings.security;
    let has_sasl = between.is_some_and(|endpoint| endpoint.protocol.has_sasl());
    broken.unless(
        !has_sasl
            || security
                .sasl_enabled_mechanisms
                .contains(&security.sasl_mechanism_inter_broker_protocol),
        &["sasl.mechanism.inter.broker.protocol", "sasl.enabled.mechanisms"],
        "the mechanism between brokers must be enabled",
    );
}

fn quorum(settings: &Settings, broken: &mut Broken) {
    const VOTERS: &[&str] = &["controller.quorum.voters", "node.id"];
    let (told, quorum) = (&settings.listeners, &settings.quorum);
    broken.unless(
        !quorum.voters.is_empty() || !quorum.bootstrap_servers.is_empty(),
        &["controller.quorum.bootstrap.servers", "controller.quorum.voters"],
        "one of the two must name the controllers",
    );
    if quorum.voters.is_empty() {
        return;
    }
    let is_voter = told.voters.iter().any(|voter| voter.id == settings.node.node_id);
    if settings.is_controller() {
        broken.unless(is_voter, VOTERS, "a controller must be among the voters");
    } else {
        broken.unless(!is_voter, VOTERS, "a broker must not be among the voters");
    }
}

fn logs(settings: &Settings, broken: &mut Broken) {
    let folders = settings.log_dirs();
    broken.unless(
        !folders.is_empty() && folders.iter().all(|folder| !folder.is_empty()),
        &["log.dirs", "log.dir"],
        "there must be a data folder",
    );
    let log = &settings.log;
    let cordoned = &log.cordoned_log_dirs;
    broken.unless(
        cordoned == &["*"] || cordoned.iter().all(|folder| folders.contains(&folder.as_str())),
        &["cordoned.log.dirs", "log.dirs"],
        "each cordoned folder must be a data folder",
    );
    broken.unless(
        log.retention_ms() != 0,
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        "it must be at least 1, or -1 for ever",
    );
}

fn requests(settings: &Settings, broken: &mut Broken) {
    let (network, replication) = (&settings.network, &settings.replication);
    broken.unless(
        network.queued_max_request_bytes <= 0
            || network.queued_max_request_bytes >= i64::from(network.socket_request_max_bytes),
        &["queued.max.request.bytes", "socket.request.max.bytes"],
        "the queue must hold the largest request",
    );
    broken.unless(
        network.max_connections_per_ip > 0 || !network.max_connections_per_ip_overrides.is_empty(),
        &["max.connections.per.ip", "max.connections.per.ip.overrides"],
        "none per address makes sense only with exceptions",
    );
    broken.unless(
        network.connection_limits().is_some(),
        &["max.connections.per.ip.overrides"],
        "each must be host:limit",
    );
    let wait = replication.replica_fetch_wait_max_ms;
    broken.unless(
        wait <= replication.replica_socket_timeout_ms,
        &["replica.fetch.wait.max.ms", "replica.socket.timeout.ms"],
        "a fetch must not wait longer than its socket",
    );
    broken.unless(
        i64::from(wait) <= replication.replica_lag_time_max_ms,
        &["replica.fetch.wait.max.ms", "replica.lag.time.max.ms"],
        "a fetch must not wait longer than a follower may lag",
    );
}

/// A value that must lie between two others, of which either may be absent.
struct Bound {
    key: &'static str,
    least: Option<&'static str>,
    most: Option<&'static str>,
}

/// A bound whose three configs differ by `min.` and `max.` before the last words.
macro_rules! bound {
    ($prefix:literal, $rest:literal) => {
        Bound {
            key: concat!($prefix, $rest),
            least: Some(concat!($prefix, "min.", $rest)),
            most: Some(concat!($prefix, "max.", $rest)),
        }
    };
}

/// Configs of groups that bound one another.
const BOUNDS: &[Bound] = &[
    bound!("group.consumer.", "session.timeout.ms"),
    bound!("group.consumer.", "heartbeat.interval.ms"),
    bound!("group.consumer.", "assignment.interval.ms"),
    bound!("group.share.", "session.timeout.ms"),
    bound!("group.share.", "heartbeat.interval.ms"),
    bound!("group.share.", "assignment.interval.ms"),
    bound!("group.share.", "record.lock.duration.ms"),
    bound!("group.share.", "delivery.count.limit"),
    bound!("group.share.", "partition.max.record.locks"),
    bound!("group.streams.", "session.timeout.ms"),
    bound!("group.streams.", "heartbeat.interval.ms"),
    bound!("group.streams.", "assignment.interval.ms"),
    Bound {
        key: "group.streams.num.standby.replicas",
        least: None,
        most: Some("group.streams.max.standby.replicas"),
    },
    Bound {
        key: "group.streams.num.warmup.replicas",
        least: None,
        most: Some("group.streams.max.warmup.replicas"),
    },
    Bound {
        key: "group.streams.task.offset.interval.ms",
        least: Some("group.streams.min.task.offset.interval.ms"),
        most: None,
    },
    Bound {
        key: "group.share.max.share.sessions",
        least: Some("group.share.max.size"),
        most: None,
    },
];

fn bounds(settings: &Settings, broken: &mut Broken) {
    let conflict = |key: &str, rule: String| ConfigError::Invalid {
        key: key.to_string(),
        value: number(settings, key).to_string(),
        allowed: rule,
    };
    for Bound { key, least, most } in BOUNDS {
        let value = number(settings, key);
        if let Some(least) = least.filter(|least| value < number(settings, least)) {
            broken.0.push(conflict(key, format!("at least {least}")));
        }
        if let Some(most) = most.filter(|most| value > number(settings, most)) {
            broken.0.push(conflict(key, format!("at most {most}")));
        }
    }
}

/// The value that bounds a group's own config, as Kafka bounds it: its least and its most.
pub(crate) fn bounds_of(settings: &Settings, broker_key: &str) -> (i64, i64) {
    let bound = BOUNDS.iter().find(|bound| bound.key == broker_key);
    let find = |key: Option<&str>, none: i64| key.map_or(none, |key| number(settings, key));
    bound.map_or((i64::MIN, i64::MAX), |b| (find(b.least, i64::MIN), find(b.most, i64::MAX)))
}

fn number(settings: &Settings, key: &str) -> i64 {
    let row = table::find(Scope::Broker, key);
    let text = settings.text(key).or_else(|| row.and_then(|row| row.default_text()));
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn groups(settings: &Settings, broken: &mut Broken) {
    let (consumer, streams) = (&settings.consumer_groups, &settings.streams_groups);
    broken.unless(
        consumer.heartbeat_interval_ms < consumer.session_timeout_ms,
        &["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"],
        "heartbeats must come more often than sessions end",
    );
    let share = &settings.share_groups;
    broken.unless(
        share.heartbeat_interval_ms < share.session_timeout_ms,
        &["group.share.heartbeat.interval.ms", "group.share.session.timeout.ms"],
        "heartbeats must come more often than sessions end",
    );
    broken.unless(
        streams.heartbeat_interval_ms < streams.session_timeout_ms,
        &["group.streams.heartbeat.interval.ms", "group.streams.session.timeout.ms"],
        "heartbeats must come more often than sessions end",
    );
    let served = &settings.groups.coordinator_rebalance_protocols;
    broken.unless(
        served.iter().any(|protocol| protocol == "classic"),
        &["group.coordinator.rebalance.protocols"],
        "classic groups cannot be switched off",
    );
    broken.unless(
        CODECS.contains(&settings.groups.offsets_topic_compression_codec),
        &["offsets.topic.compression.codec"],
        "it must be 0 none, 1 gzip, 2 snappy, 3 lz4 or 4 zstd",
    );
}
