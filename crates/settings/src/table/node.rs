//! Table: the node itself: roles, ids, its life beside the others.
//! Not here: how others reach it (network.rs). A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, distinct, each_of_some};

config! {
    /// What the node is and how it lives beside the others.
    pub struct NodeSettings {
        /// The roles this node plays: broker, controller or both.
        "process.roles" => process_roles: Vec<String> = required,
            each_of_some(&["broker", "controller"]), HIGH, READ_ONLY;
        /// The number that tells this node from every other node of the cluster.
        "node.id" => node_id: i32 = required, at_least(0), HIGH, READ_ONLY;
        /// An older name for node.id; when both are given they must be equal.
        "broker.id" => broker_id: i32 = "-1", any(), HIGH, READ_ONLY;
        /// The rack or zone this broker stands in, for spreading replicas and for fetching from the
        /// nearest one.
        "broker.rack" => broker_rack: Option<String> = null, any(), MEDIUM, READ_ONLY;
        /// How often the broker tells the active controller that it is alive.
        "broker.heartbeat.interval.ms" => broker_heartbeat_interval_ms: i32 = "2000",
            any(), MEDIUM, READ_ONLY;
        /// How long the controller waits for a heartbeat before it fences the broker.
        "broker.session.timeout.ms" => broker_session_timeout_ms: i32 = "9000",
            any(), MEDIUM, READ_ONLY;
        /// How long a starting broker tries to register with the controller before it gives up.
        "initial.broker.registration.timeout.ms" =>
            initial_broker_registration_timeout_ms: i32 = "60000",
            any(), MEDIUM, READ_ONLY;
        /// How long a start may take before the node gives up.
        "server.max.startup.time.ms" => server_max_startup_time_ms: i64 = "9223372036854775807",
            at_least(0), MEDIUM, internal(READ_ONLY);
        /// Whether a stopping broker first hands its leaderships to others.
        "controlled.shutdown.enable" => controlled_shutdown_enable: bool = "true",
            any(), MEDIUM, READ_ONLY;
        /// Threads that Kafka gives to housekeeping; accepted and reported.
        "background.threads" => background_threads: i32 = "10", at_least(1), HIGH, CLUSTER_WIDE;
        /// Names of plugins that fill in values written as ${provider:path:key}.
        "config.providers" => config_providers: Vec<String> = "", distinct(), LOW, CLUSTER_WIDE;
        /// Whether versions of requests that are still under development are served.
        "unstable.api.versions.enable" => unstable_api_versions_enable: bool = "false",
            any(), HIGH, internal(READ_ONLY);
        /// Whether feature levels that are still under development may be set.
        "unstable.feature.versions.enable" => unstable_feature_versions_enable: bool = "false",
            any(), HIGH, internal(READ_ONLY);
        /// Listeners that open before the authorizer is ready; without a value those of the
        /// controller do.
        "early.start.listeners" => early_start_listeners: Option<Vec<String>> = null,
            distinct(), HIGH, READ_ONLY;
        /// Java security providers to register; accepted and reported.
        "security.providers" => security_providers: Option<String> = null, any(), LOW, READ_ONLY;
    }
}
