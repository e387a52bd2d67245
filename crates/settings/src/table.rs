//! Every config that Apache Kafka 4.4 knows and those of our own, by what they belong to, and the
//! names beside them.
//!
//! The rows stand in table/, one file per area. A test compares them with the lists measured from
//! Apache Kafka.

use crate::nearest::nearest;
use crate::row::{Block, Row};

pub mod cleaner;
pub mod clients;
pub mod group;
pub mod groups;
pub mod log;
pub mod metrics;
pub mod network;
pub mod node;
pub mod oauth;
pub mod own;
pub mod quorum;
pub mod quotas;
pub mod remote;
pub mod replication;
pub mod security;
pub mod share_groups;
pub mod streams_groups;
pub mod tls;
pub mod topic;
pub mod transactions;

/// What a config belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A node.
    Broker,
    /// A topic.
    Topic,
    /// A group.
    Group,
    /// A subscription to the metrics of clients.
    ClientMetrics,
    /// A quota of a user, a client id, or both.
    ClientQuota,
    /// A quota of an address.
    IpQuota,
}

/// The rows of a node, area by area.
const BROKER: &[&[Row]] = &[
    node::NodeSettings::ROWS,
    network::NetworkSettings::ROWS,
    log::LogSettings::ROWS,
    cleaner::CleanerSettings::ROWS,
    remote::RemoteSettings::ROWS,
    replication::ReplicationSettings::ROWS,
    quorum::QuorumSettings::ROWS,
    groups::GroupSettings::ROWS,
    groups::ConsumerGroupSettings::ROWS,
    share_groups::ShareGroupSettings::ROWS,
    streams_groups::StreamsGroupSettings::ROWS,
    transactions::TransactionSettings::ROWS,
    security::SecuritySettings::ROWS,
    oauth::OauthSettings::ROWS,
    tls::TlsSettings::ROWS,
    quotas::QuotaSettings::ROWS,
    metrics::MetricsSettings::ROWS,
    own::OwnSettings::ROWS,
];

/// Names that plugins of Kafka read and that the table of the node does not hold.
const READ_BY_PLUGINS: &[&str] = &[
    "allow.everyone.if.no.acl.found",
    "metrics.jmx.exclude",
    "metrics.jmx.include",
    "super.users",
];

/// How names begin that plugins of Kafka read.
const PREFIXES_OF_PLUGINS: &[&str] =
    &["config.providers.", "confluent.", "metrics.context.", "rlmm.config.", "rsm.config."];

/// Names that Kafka 4 does not know, each with what to do.
const REMOVED: &[(&str, &str)] = &[
    ("auto.include.jmx.reporter", "metric.reporters says it all"),
    ("broker.id.generation.enable", "give node.id"),
    ("control.plane.listener.name", "give controller.listener.names"),
    ("delegation.token.master.key", "give delegation.token.secret.key"),
    ("inter.broker.protocol.version", "the version is kept in the metadata log"),
    ("log.message.downconversion.enable", "old record formats are not served"),
    ("log.message.format.version", "old record formats are not written"),
    ("log.message.timestamp.difference.max.ms", {
        "give log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms"
    }),
    ("offsets.commit.required.acks", "commits always wait for the in-sync replicas"),
    ("reserved.broker.max.id", "give node.id"),
    ("zookeeper.connect", "metadata is kept by the controllers themselves"),
    ("zookeeper.connection.timeout.ms", "metadata is kept by the controllers themselves"),
    ("zookeeper.session.timeout.ms", "metadata is kept by the controllers themselves"),
];

/// How a config begins that holds for one listener alone.
const LISTENER_PREFIX: &str = "listener.name.";

/// Every row of a scope.
pub fn rows(scope: Scope) -> impl Iterator<Item = &'static Row> {
    let areas: &'static [&'static [Row]] = match scope {
        Scope::Broker => BROKER,
        Scope::Topic => const { &[topic::TopicConfig::ROWS] },
        Scope::Group => const { &[group::GroupConfig::ROWS] },
        Scope::ClientMetrics => const { &[clients::ClientMetricsConfig::ROWS] },
        Scope::ClientQuota => const { &[clients::ClientQuota::ROWS] },
        Scope::IpQuota => const { &[clients::IpQuota::ROWS] },
    };
    areas.iter().copied().flatten()
}

/// The row of that name.
pub fn find(scope: Scope, name: &str) -> Option<&'static Row> {
    rows(scope).find(|row| row.name == name)
}

/// The rows that only a change at run time can set.
pub(crate) fn throttles() -> &'static [Row] {
    replication::ThrottleSettings::ROWS
}

/// The row behind a node's config, also where the name holds for one listener or mechanism.
pub(crate) fn find_base(name: &str) -> Option<&'static Row> {
    find(Scope::Broker, name).or_else(|| {
        let (_, base) = name.strip_prefix(LISTENER_PREFIX)?.split_once('.')?;
        find(Scope::Broker, base).or_else(|| find(Scope::Broker, base.split_once('.')?.1))
    })
}

/// Whether the name holds for one listener alone.
pub(crate) fn is_prefixed(name: &str) -> bool {
    name.starts_with(LISTENER_PREFIX)
}

/// The name that holds for one listener alone.
pub(crate) fn prefixed(listener: &str, name: &str) -> String {
    format!("{LISTENER_PREFIX}{}.{name}", listener.to_lowercase())
}

/// What to say of a name in a node's configuration that means nothing, `None` for a known one.
pub(crate) fn stranger(name: &str) -> Option<String> {
    let by_plugin = READ_BY_PLUGINS.contains(&name)
        || PREFIXES_OF_PLUGINS.iter().any(|prefix| name.starts_with(prefix));
    if by_plugin || find_base(name).is_some() {
        return None;
    }
    if let Some((_, instead)) = REMOVED.iter().find(|(removed, _)| *removed == name) {
        return Some(format!("{name} is gone since Apache Kafka 4: {instead}"));
    }
    Some(match nearest(name, rows(Scope::Broker).map(|row| row.name)) {
        Some(nearest) => format!("{name} is not a config: did you mean {nearest}?"),
        None => format!("{name} is not a config"),
    })
}
