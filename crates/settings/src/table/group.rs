//! Table: everything that may be said of one group.
//! A row names the broker config that it falls back to.

use crate::row::{LOW, MEDIUM, OWN, config, from, internal, to};
use crate::valid::{any, at_least, distinct, offset_reset, one_of};

config! {
    /// Everything that may be said of one group.
    pub struct GroupConfig {
        /// The least time between two assignments of the consumer group.
        "consumer.assignment.interval.ms" => consumer_assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, from(&[to("group.consumer.assignment.interval.ms")]);
        /// Whether assignments of the consumer group are computed off the coordinator's thread.
        "consumer.assignor.offload.enable" => consumer_assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(from(&[to("group.consumer.assignor.offload.enable")]));
        /// How often members of the consumer group are told to send heartbeats.
        "consumer.heartbeat.interval.ms" => consumer_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, from(&[to("group.consumer.heartbeat.interval.ms")]);
        /// How long a member of the consumer group may stay silent before it is removed.
        "consumer.session.timeout.ms" => consumer_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, from(&[to("group.consumer.session.timeout.ms")]);
        /// Whether an undeliverable record is written down whole, not only where it was.
        "errors.deadletterqueue.copy.record.enable" =>
            errors_deadletterqueue_copy_record_enable: bool = "false",
            any(), MEDIUM, OWN;
        /// The topic that takes the share group's undeliverable records; none when empty.
        "errors.deadletterqueue.topic.name" => errors_deadletterqueue_topic_name: String = "",
            any(), MEDIUM, OWN;
        /// The least time between two assignments of the share group.
        "share.assignment.interval.ms" => share_assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, from(&[to("group.share.assignment.interval.ms")]);
        /// Whether assignments of the share group are computed off the coordinator's thread.
        "share.assignor.offload.enable" => share_assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(from(&[to("group.share.assignor.offload.enable")]));
        /// Where a new share group begins: latest, earliest, or by_duration: and a span of time.
        "share.auto.offset.reset" => share_auto_offset_reset: String = "latest",
            offset_reset(), MEDIUM, OWN;
        /// How many times a record is delivered before it counts as undeliverable.
        "share.delivery.count.limit" => share_delivery_count_limit: i32 = "5",
            at_least(2), MEDIUM, from(&[to("group.share.delivery.count.limit")]);
        /// How often members of the share group are told to send heartbeats.
        "share.heartbeat.interval.ms" => share_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, from(&[to("group.share.heartbeat.interval.ms")]);
        /// Whether the share group sees records of transactions that are open or aborted.
        "share.isolation.level" => share_isolation_level: String = "read_uncommitted",
            one_of(&["read_committed", "read_uncommitted"]), MEDIUM, OWN;
        /// How many records of a partition may be delivered and not yet acknowledged.
        "share.partition.max.record.locks" => share_partition_max_record_locks: i32 = "2000",
            at_least(100), MEDIUM, from(&[to("group.share.partition.max.record.locks")]);
        /// How long a delivered record is kept from other members while it is not acknowledged.
        "share.record.lock.duration.ms" => share_record_lock_duration_ms: i32 = "30000",
            at_least(1000), MEDIUM, from(&[to("group.share.record.lock.duration.ms")]);
        /// Whether members may prolong the lock of a record that they still work on.
        "share.renew.acknowledge.enable" => share_renew_acknowledge_enable: bool = "true",
            any(), MEDIUM, OWN;
        /// How long a member of the share group may stay silent before it is removed.
        "share.session.timeout.ms" => share_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, from(&[to("group.share.session.timeout.ms")]);
        /// How many records a copy of a task may lag and still count as caught up.
        "streams.acceptable.recovery.lag" => streams_acceptable_recovery_lag: i64 = "10000",
            at_least(0), MEDIUM, internal(from(&[to("group.streams.acceptable.recovery.lag")]));
        /// The least time between two assignments of the streams group.
        "streams.assignment.interval.ms" => streams_assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, from(&[to("group.streams.assignment.interval.ms")]);
        /// The assignor of the streams group; the first that the broker offers without a value.
        "streams.assignor.name" => streams_assignor_name: Option<String> = null,
            any(), MEDIUM, from(&[to("group.streams.assignors")]);
        /// Whether assignments of the streams group are computed off the coordinator's thread.
        "streams.assignor.offload.enable" => streams_assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(from(&[to("group.streams.assignor.offload.enable")]));
        /// How often members of the streams group are told to send heartbeats.
        "streams.heartbeat.interval.ms" => streams_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, from(&[to("group.streams.heartbeat.interval.ms")]);
        /// How long the first assignment of the new streams group waits for more members.
        "streams.initial.rebalance.delay.ms" => streams_initial_rebalance_delay_ms: i32 = "3000",
            at_least(0), MEDIUM, from(&[to("group.streams.initial.rebalance.delay.ms")]);
        /// How many standby copies of each stateful task the streams group keeps.
        "streams.num.standby.replicas" => streams_num_standby_replicas: i32 = "0",
            at_least(0), MEDIUM, from(&[to("group.streams.num.standby.replicas")]);
        /// How many tasks of the streams group may warm up on another member at a time.
        "streams.num.warmup.replicas" => streams_num_warmup_replicas: i32 = "2",
            at_least(0), MEDIUM, internal(from(&[to("group.streams.num.warmup.replicas")]));
        /// Client tags over which the copies of a task are spread.
        "streams.rack.aware.assignment.tags" =>
            streams_rack_aware_assignment_tags: Vec<String> = "",
            distinct(), LOW, from(&[to("group.streams.rack.aware.assignment.tags")]);
        /// How long a member of the streams group may stay silent before it is removed.
        "streams.session.timeout.ms" => streams_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, from(&[to("group.streams.session.timeout.ms")]);
        /// How often members of the streams group report how far their tasks are.
        "streams.task.offset.interval.ms" => streams_task_offset_interval_ms: i32 = "60000",
            at_least(1), MEDIUM, internal(from(&[to("group.streams.task.offset.interval.ms")]));
    }
}
