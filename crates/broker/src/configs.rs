//! The configs that hold right now: what the node was started with, and over it what the metadata
//! log says of this broker, of all brokers, and of topics.
//!
//! Readers take a snapshot, which is cheap; whoever applies a new image swaps it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ottla_coordination::CoordinatorSettings;
use ottla_groups::{
    ConsumerSettings, ConsumerTimes, MigrationPolicy, ShareSettings, ShareTimes, StreamsRules,
    StreamsSettings,
};
use ottla_metadata::{Features, Image, ResourceType};
use ottla_records::validate::Compression;
use ottla_records::{Codec, TimestampType as BatchTimestampType};
use ottla_settings::{CompressionType, GroupConfig, Settings, TimestampType, TopicConfig};
use ottla_share::Rules;
use ottla_storage::LogConfig;
use ottla_wire::BrokerId;

use crate::partition::Isolation;
use crate::share_partitions::Terms;

/// The name of the config of all brokers.
const ALL_BROKERS: &str = "";

/// The level of share.version from which on groups have dead-letter queues.
const DEAD_LETTERS: i16 = 2;

/// What holds for the dead-letter queue of a share group.
pub(crate) struct DeadLetterTerms {
    /// `errors.deadletterqueue.topic.name`
    pub(crate) topic: String,
    /// `errors.deadletterqueue.copy.record.enable`
    pub(crate) copies: bool,
    /// `errors.deadletterqueue.topic.name.prefix`
    pub(crate) prefix: String,
    /// `errors.deadletterqueue.auto.create.topics.enable`
    pub(crate) may_create: bool,
}

/// The configs of one broker.
pub(crate) struct Configs {
    me: BrokerId,
    started_with: Settings,
    now: RwLock<Settings>,
}

impl Configs {
    pub(crate) fn new(me: BrokerId, settings: Settings) -> Self {
        Configs { me, now: RwLock::new(settings.clone()), started_with: settings }
    }

    /// What holds now.
    pub(crate) fn now(&self) -> Settings {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the metadata says of brokers.
    pub(crate) fn apply(&self, image: &Image) {
        let of = |name: &str| -> BTreeMap<String, String> {
            image.configs(ResourceType::BROKER, name).clone()
        };
        let (settings, wrong) =
            self.started_with.changed(&of(ALL_BROKERS), &of(&self.me.to_string()));
        for error in wrong {
            tracing::warn!(%error, "passed over a dynamic config of this broker");
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// What a share group's configs say of its share partitions.
    pub(crate) fn share_terms(&self, image: &Image, group: &str) -> Terms {
        let config = group_config(&self.now(), image, group);
        Terms {
            rules: Rules {
                lock_ms: config.share_record_lock_duration_ms.into(),
                delivery_count_max: i16::try_from(config.share_delivery_count_limit)
                    .unwrap_or(i16::MAX),
                in_flight_max: config.share_partition_max_record_locks.into(),
                may_renew: config.share_renew_acknowledge_enable,
                has_dead_letters: image.features().level("share.version") >= DEAD_LETTERS
                    && !config.errors_deadletterqueue_topic_name.is_empty(),
            },
            isolation: match config.share_isolation_level.as_str() {
                "read_committed" => Isolation::ReadCommitted,
                _ => Isolation::ReadUncommitted,
            },
            reset: config.share_auto_offset_reset,
        }
    }

    /// What holds for the dead-letter queue of a share group.
    pub(crate) fn dead_letter_terms(&self, image: &Image, group: &str) -> DeadLetterTerms {
        let now = self.now();
        let config = group_config(&now, image, group);
        DeadLetterTerms {
            topic: config.errors_deadletterqueue_topic_name,
            copies: config.errors_deadletterqueue_copy_record_enable,
            prefix: now.log.errors_deadletterqueue_topic_name_prefix.clone(),
            may_create: now.log.errors_deadletterqueue_auto_create_topics_enable,
        }
    }

    /// A topic's configs over the broker's.
    pub(crate) fn topic(&self, image: &Image, name: &str) -> TopicConfig {
        let overrides = image.configs(ResourceType::TOPIC, name);
        let overrides = overrides.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        TopicConfig::resolve(&now.topic_defaults(), overrides)
    }
}

fn group_config(now: &Settings, image: &Image, group: &str) -> GroupConfig {
    let overrides = image.configs(ResourceType::GROUP, group);
    let overrides = overrides.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    GroupConfig::resolve(now, overrides)
}

/// What a topic's configs mean for its logs.
pub(crate) fn log_config(topic: &TopicConfig, settings: &Settings) -> LogConfig {
    let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
    LogConfig {
        segment_bytes: unsigned(topic.segment_size()),
        segment_ms: topic.segment_ms,
        segment_jitter_ms: topic.segment_jitter_ms,
        segment_index_bytes: unsigned(topic.segment_index_bytes),
        index_interval_bytes: unsigned(topic.index_interval_bytes),
        max_message_bytes: unsigned(topic.max_message_bytes),
        compression: compression(topic),
        timestamp_type: match topic.timestamp_type() {
            TimestampType::CreateTime => BatchTimestampType::CreateTime,
            TimestampType::LogAppendTime => BatchTimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: topic.message_timestamp_before_max_ms,
        timestamp_after_max_ms: topic.message_timestamp_after_max_ms,
        retention_bytes: topic.retention_bytes,
        retention_ms: topic.retention_ms,
        cleanup_delete: topic.is_deleted(),
        cleanup_compact: topic.is_compacted(),
        min_compaction_lag_ms: topic.min_compaction_lag_ms,
        max_compaction_lag_ms: topic.max_compaction_lag_ms,
        min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
        delete_retention_ms: topic.delete_retention_ms,
        file_delete_delay_ms: topic.file_delete_delay_ms,
        flush_messages: topic.flush_messages,
        flush_ms: topic.flush_ms,
        preallocate: topic.preallocate,
        producer_expiration_ms: i64::from(settings.log.producer_id_expiration_ms),
    }
}

fn compression(topic: &TopicConfig) -> Compression {
    let to = |codec: Codec, level: i32| Compression::To { codec, level };
    match topic.compression() {
        CompressionType::Producer => Compression::Producer,
        CompressionType::Uncompressed => to(Codec::None, 0),
        CompressionType::Gzip => to(Codec::Gzip, topic.compression_gzip_level),
        CompressionType::Snappy => to(Codec::Snappy, Codec::Snappy.default_level()),
        CompressionType::Lz4 => to(Codec::Lz4, topic.compression_lz4_level),
        CompressionType::Zstd => to(Codec::Zstd, topic.compression_zstd_level),
    }
}

/// What the configs mean for the coordinator of groups.
pub(crate) fn group_settings(
    settings: &Settings,
    image: &Image,
) -> CoordinatorSettings<ottla_groups::Settings> {
    const MINUTE_MS: i64 = 60_000;
    let groups = &settings.groups;
    let size = |value: i32| usize::try_from(value).unwrap_or(0);
    let codec = u8::try_from(groups.offsets_topic_compression_codec).ok();
    CoordinatorSettings {
        limits: ottla_groups::Settings {
            session_timeout_ms_min: groups.min_session_timeout_ms,
            session_timeout_ms_max: groups.max_session_timeout_ms,
            group_size_max: size(groups.max_size),
            initial_rebalance_delay_ms: groups.initial_rebalance_delay_ms,
            offset_metadata_bytes_max: size(groups.offset_metadata_max_bytes),
            offsets_retention_ms: i64::from(groups.offsets_retention_minutes) * MINUTE_MS,
            offsets_retention_check_interval_ms: groups.offsets_retention_check_interval_ms,
            consumer: Arc::new(consumer_settings(settings, image)),
            share: Arc::new(share_group_settings(settings, image)),
            streams: Arc::new(streams_settings(settings, image)),
        },
        codec: codec.and_then(Codec::from_id).unwrap_or(Codec::None),
        load_bytes_max: size(groups.offsets_load_buffer_size),
        long_decisions_max: size(groups.coordinator_background_threads),
    }
}

/// What holds for each of the groups that have configs of their own.
fn of_groups<T>(
    settings: &Settings,
    image: &Image,
    told: impl Fn(&GroupConfig) -> T,
) -> BTreeMap<String, T> {
    let groups = image.all_configs().iter().filter(|(of, _)| of.kind == ResourceType::GROUP);
    let groups = groups.map(|(of, configs)| {
        let pairs = configs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        (of.name.clone(), told(&GroupConfig::resolve(settings, pairs)))
    });
    groups.collect()
}

/// What the configs mean for the members of share groups.
fn share_group_settings(settings: &Settings, image: &Image) -> ShareSettings {
    let shares = &settings.share_groups;
    let of_groups = of_groups(settings, image, |config| ShareTimes {
        session_timeout_ms: config.share_session_timeout_ms,
        heartbeat_interval_ms: config.share_heartbeat_interval_ms,
        assignment_interval_ms: config.share_assignment_interval_ms,
    });
    ShareSettings {
        times: ShareTimes {
            session_timeout_ms: shares.session_timeout_ms,
            heartbeat_interval_ms: shares.heartbeat_interval_ms,
            assignment_interval_ms: shares.assignment_interval_ms,
        },
        of_groups,
        size_max: usize::try_from(shares.max_size).unwrap_or(0),
        initialize_retry_ms: i64::from(shares.initialize_retry_interval_ms),
    }
}

/// What the configs mean for streams groups.
fn streams_settings(settings: &Settings, image: &Image) -> StreamsSettings {
    let streams = &settings.streams_groups;
    let of_groups = of_groups(settings, image, |config| StreamsRules {
        session_timeout_ms: config.streams_session_timeout_ms,
        heartbeat_interval_ms: config.streams_heartbeat_interval_ms,
        assignment_interval_ms: config.streams_assignment_interval_ms,
        initial_rebalance_delay_ms: config.streams_initial_rebalance_delay_ms,
        num_standby_replicas: config.streams_num_standby_replicas,
    });
    StreamsSettings {
        rules: StreamsRules {
            session_timeout_ms: streams.session_timeout_ms,
            heartbeat_interval_ms: streams.heartbeat_interval_ms,
            assignment_interval_ms: streams.assignment_interval_ms,
            initial_rebalance_delay_ms: streams.initial_rebalance_delay_ms,
            num_standby_replicas: streams.num_standby_replicas,
        },
        of_groups,
        size_max: usize::try_from(streams.max_size).unwrap_or(0),
    }
}

/// What the configs mean for KIP-848 groups.
fn consumer_settings(settings: &Settings, image: &Image) -> ConsumerSettings {
    let consumers = &settings.consumer_groups;
    let of_groups = of_groups(settings, image, |config| ConsumerTimes {
        session_timeout_ms: config.consumer_session_timeout_ms,
        heartbeat_interval_ms: config.consumer_heartbeat_interval_ms,
        assignment_interval_ms: config.consumer_assignment_interval_ms,
    });
    ConsumerSettings {
        times: ConsumerTimes {
            session_timeout_ms: consumers.session_timeout_ms,
            heartbeat_interval_ms: consumers.heartbeat_interval_ms,
            assignment_interval_ms: consumers.assignment_interval_ms,
        },
        of_groups,
        size_max: usize::try_from(consumers.max_size).unwrap_or(0),
        assignors: consumers.assignors.clone(),
        regex_refresh_interval_ms: i64::from(consumers.regex_refresh_interval_ms),
        migration: migration_policy(&consumers.migration_policy),
    }
}

fn migration_policy(name: &str) -> MigrationPolicy {
    match name.to_ascii_lowercase().as_str() {
        "disabled" => MigrationPolicy::Disabled,
        "upgrade" => MigrationPolicy::Upgrade,
        "downgrade" => MigrationPolicy::Downgrade,
        // The table of configs lets no other name through.
        _ => MigrationPolicy::Bidirectional,
    }
}

/// What configs and features mean for the coordinator of transactions.
pub(crate) fn transaction_settings(
    settings: &Settings,
    features: &Features,
) -> CoordinatorSettings<ottla_transactions::Settings> {
    let transactions = &settings.transactions;
    CoordinatorSettings {
        limits: ottla_transactions::Settings {
            timeout_ms_max: transactions.max_timeout_ms,
            abort_interval_ms: transactions.abort_timed_out_transaction_cleanup_interval_ms.into(),
            expiry_interval_ms: transactions.remove_expired_transaction_cleanup_interval_ms.into(),
            expiration_ms: transactions.transactional_id_expiration_ms.into(),
            two_phase_commit: transactions.two_phase_commit_enable,
            transaction_version: features.level("transaction.version"),
        },
        codec: Codec::None,
        load_bytes_max: usize::try_from(transactions.state_log_load_buffer_size).unwrap_or(0),
        long_decisions_max: LONG_DECISIONS_MAX,
    }
}

/// Kafka has no config for it: lists of many transactional ids are all that takes long.
const LONG_DECISIONS_MAX: usize = 1;

/// What the configs mean for the coordinator of what share groups have in flight.
pub(crate) fn share_settings(settings: &Settings) -> CoordinatorSettings<ottla_share::Settings> {
    let shares = &settings.share_groups;
    let updates = shares.share_coordinator_snapshot_update_records_per_snapshot;
    let codec = u8::try_from(shares.share_coordinator_state_topic_compression_codec).ok();
    CoordinatorSettings {
        limits: ottla_share::Settings {
            updates_per_snapshot: u32::try_from(updates).unwrap_or(0),
            cold_interval_ms: shares.share_coordinator_cold_partition_snapshot_interval_ms.into(),
            prune_interval_ms: shares.share_coordinator_state_topic_prune_interval_ms.into(),
        },
        codec: codec.and_then(Codec::from_id).unwrap_or(Codec::None),
        load_bytes_max: usize::try_from(shares.share_coordinator_load_buffer_size).unwrap_or(0),
        long_decisions_max: usize::try_from(shares.share_coordinator_threads).unwrap_or(1),
    }
}
