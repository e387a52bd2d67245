//! Table: streams groups (KIP-1071).
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, distinct, distinct_not_empty};
use crate::value::ClassName;

config! {
    /// Streams groups (KIP-1071).
    pub struct StreamsGroupSettings {
        /// How long a member of a streams group may stay silent before it is removed.
        "group.streams.session.timeout.ms" => session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest session timeout that a streams group may be given.
        "group.streams.min.session.timeout.ms" => min_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest session timeout that a streams group may be given.
        "group.streams.max.session.timeout.ms" => max_session_timeout_ms: i32 = "60000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How often members of a streams group are told to send heartbeats.
        "group.streams.heartbeat.interval.ms" => heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest heartbeat interval that a streams group may be given.
        "group.streams.min.heartbeat.interval.ms" => min_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest heartbeat interval that a streams group may be given.
        "group.streams.max.heartbeat.interval.ms" => max_heartbeat_interval_ms: i32 = "15000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The least time between two assignments of a streams group.
        "group.streams.assignment.interval.ms" => assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// The least assignment interval that a streams group may be given.
        "group.streams.min.assignment.interval.ms" => min_assignment_interval_ms: i32 = "0",
            at_least(0), MEDIUM, READ_ONLY;
        /// The largest assignment interval that a streams group may be given.
        "group.streams.max.assignment.interval.ms" => max_assignment_interval_ms: i32 = "15000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How long the first assignment of a new streams group waits for more members.
        "group.streams.initial.rebalance.delay.ms" => initial_rebalance_delay_ms: i32 = "3000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How many members a streams group may have.
        "group.streams.max.size" => max_size: i32 = "2147483647", at_least(1), MEDIUM, READ_ONLY;
        /// The assignors that streams groups may use; the first is the default.
        "group.streams.assignors" => assignors: Vec<String> = "sticky",
            distinct_not_empty(), MEDIUM, READ_ONLY;
        /// Whether assignments of streams groups are computed off the coordinator's thread.
        "group.streams.assignor.offload.enable" => assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(CLUSTER_WIDE);
        /// How many standby copies of each stateful task a streams group keeps.
        "group.streams.num.standby.replicas" => num_standby_replicas: i32 = "0",
            at_least(0), MEDIUM, READ_ONLY;
        /// The most standby copies that a streams group may be given.
        "group.streams.max.standby.replicas" => max_standby_replicas: i32 = "2",
            at_least(0), MEDIUM, READ_ONLY;
        /// How many tasks of a streams group may warm up on another member at a time.
        "group.streams.num.warmup.replicas" => num_warmup_replicas: i32 = "2",
            at_least(0), MEDIUM, internal(READ_ONLY);
        /// The most warming tasks that a streams group may be given.
        "group.streams.max.warmup.replicas" => max_warmup_replicas: i32 = "20",
            at_least(0), MEDIUM, internal(READ_ONLY);
        /// How many records a copy of a task may lag and still count as caught up.
        "group.streams.acceptable.recovery.lag" => acceptable_recovery_lag: i64 = "10000",
            at_least(0), MEDIUM, internal(READ_ONLY);
        /// How often members of a streams group report how far their tasks are.
        "group.streams.task.offset.interval.ms" => task_offset_interval_ms: i32 = "60000",
            at_least(1), MEDIUM, internal(READ_ONLY);
        /// The shortest report interval that a streams group may be given.
        "group.streams.min.task.offset.interval.ms" => min_task_offset_interval_ms: i32 = "15000",
            at_least(1), MEDIUM, internal(READ_ONLY);
        /// Client tags over which the copies of a task are spread.
        "group.streams.rack.aware.assignment.tags" => rack_aware_assignment_tags: Vec<String> = "",
            distinct(), LOW, READ_ONLY;
        /// The plugin that keeps descriptions of topologies.
        "group.streams.topology.description.plugin.class" =>
            topology_description_plugin_class: Option<ClassName> = null,
            any(), MEDIUM, READ_ONLY;
    }
}
