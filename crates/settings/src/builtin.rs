//! The configuration of a node that was given none: alone, on loopback, in `./ottla-data`.
//!
//! Not here: Kafka's defaults (table/), which hold as soon as there is a file.

/// The configs of a node that nobody configured; DescribeConfigs shows them as given by a file.
pub(crate) const BUILT_IN: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("controller.quorum.bootstrap.servers", "localhost:9093"),
    ("log.dirs", "./ottla-data"),
    ("offsets.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.replication.factor", "1"),
];

/// Who names one of these in variables or overrides configures the node itself.
pub(crate) const SAYS_WHO_IT_IS: &[&str] = &[
    "broker.id",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "node.id",
    "process.roles",
];
