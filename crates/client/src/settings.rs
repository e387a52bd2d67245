//! The configs of clients: Kafka's keys and defaults, one row each, and only those that work.
//!
//! Not here: what they do. Must hold: each row's default is Apache Kafka's.

use std::fmt::Display;
use std::ops::RangeBounds;

use ottla_records::Codec;

use crate::core::assignors::Assignor;
use crate::error::ClientError;

/// One row, as help shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettingInfo {
    /// Kafka's key.
    pub key: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
}

/// A block of settings that can be set by their keys.
pub trait Settings {
    /// The rows of the block.
    fn rows(&self) -> &'static [SettingInfo];

    /// Sets one by its key; gives whether the block has such a key.
    ///
    /// # Errors
    /// [`ClientError::Setting`] with key, value and what is allowed.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, ClientError>;
}

/// Applies properties to all blocks that have their key; gives the keys that none has.
///
/// # Errors
/// The first value that is not allowed.
pub fn apply<'a>(
    properties: &'a [(String, String)],
    blocks: &mut [&mut dyn Settings],
) -> Result<Vec<&'a str>, ClientError> {
    let mut unknown = Vec::new();
    for (key, value) in properties {
        let mut found = false;
        for block in blocks.iter_mut() {
            found |= block.set(key, value)?;
        }
        if !found {
            unknown.push(key.as_str());
        }
    }
    Ok(unknown)
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident {$(
        #[doc = $help:literal]
        $key:literal => $field:ident: $type:ty = $text:literal $(in $range:expr)?;
    )*}) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {$(
            #[doc = concat!("`", $key, "`:", $help)]
            pub $field: $type,
        )*}

        impl Default for $name {
            fn default() -> Self {
                $name {$(
                    $field: <$type>::parse($text).expect("a test parses all defaults"),
                )*}
            }
        }

        impl Settings for $name {
            fn rows(&self) -> &'static [SettingInfo] {
                &[$(SettingInfo { key: $key, help: $help, default: $text }),*]
            }

            fn set(&mut self, key: &str, value: &str) -> Result<bool, ClientError> {
                match key {
                    $($key => self.$field = checked::<$type>(key, value)$(
                        .and_then(|read| within(key, read, $range))
                    )??,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

settings! {
    /// What all clients have.
    ClientSettings {
        /// The servers to begin with: host:port, separated by commas.
        "bootstrap.servers" => bootstrap_servers: Vec<String> = "";
        /// The controllers to begin with instead, for who wants no broker (KIP-919).
        "bootstrap.controllers" => bootstrap_controllers: Vec<String> = "";
        /// The name that brokers log and count this client by.
        "client.id" => client_id: String = "";
        /// How the network is secured; only PLAINTEXT is served.
        "security.protocol" => security_protocol: SecurityProtocol = "PLAINTEXT";
        /// How long to wait for an answer before the connection is given up.
        "request.timeout.ms" => request_timeout_ms: u64 = "30000" in 1..=MILLIS_MAX;
        /// How long a call may take in all, with its retries.
        "default.api.timeout.ms" => default_api_timeout_ms: u64 = "60000" in 1..=MILLIS_MAX;
        /// How long a connection may take to come about.
        "socket.connection.setup.timeout.ms" => connection_setup_timeout_ms: u64
            = "10000" in 1..=MILLIS_MAX;
        /// The wait before the first attempt to connect again.
        "reconnect.backoff.ms" => reconnect_backoff_ms: u64 = "50" in 0..=MILLIS_MAX;
        /// The longest wait before an attempt to connect again.
        "reconnect.backoff.max.ms" => reconnect_backoff_max_ms: u64 = "1000" in 0..=MILLIS_MAX;
        /// The wait before the first retry.
        "retry.backoff.ms" => retry_backoff_ms: u64 = "100" in 0..=MILLIS_MAX;
        /// The longest wait before a retry.
        "retry.backoff.max.ms" => retry_backoff_max_ms: u64 = "1000" in 0..=MILLIS_MAX;
        /// The age at which knowledge of the cluster is renewed.
        "metadata.max.age.ms" => metadata_max_age_ms: u64 = "300000" in 0..=MILLIS_MAX;
        /// How long an idle connection is kept.
        "connections.max.idle.ms" => connections_max_idle_ms: u64 = "540000" in 1..=MILLIS_MAX;
    }
}

settings! {
    /// What producers have besides.
    ProducerSettings {
        /// How many replicas must have a record before it counts as written: all, 1 or 0.
        "acks" => acks: Acks = "all";
        /// A batch is sent when it has so many bytes before compression.
        "batch.size" => batch_bytes: usize = "16384" in 0..=INT_MAX;
        /// How long a batch waits for more records.
        "linger.ms" => linger_ms: u64 = "5" in 0..=MILLIS_MAX;
        /// How many bytes all records under way may take; send waits for room.
        "buffer.memory" => buffer_memory_bytes: usize = "33554432";
        /// How long send waits for room or for the topic's partitions.
        "max.block.ms" => max_block_ms: u64 = "60000" in 0..=MILLIS_MAX;
        /// The codec of batches: none, gzip, snappy, lz4 or zstd.
        "compression.type" => compression_type: Codec = "none";
        /// The level of gzip, -1 for its own default.
        "compression.gzip.level" => gzip_level: i32 = "-1" in -1..=9;
        /// The level of lz4.
        "compression.lz4.level" => lz4_level: i32 = "9" in 1..=17;
        /// The level of zstd.
        "compression.zstd.level" => zstd_level: i32 = "3" in -131_072..=22;
        /// The largest record and the largest request.
        "max.request.size" => request_bytes_max: usize = "1048576" in 0..=INT_MAX;
        /// How many requests a broker may owe answers to.
        "max.in.flight.requests.per.connection" => in_flight_max: usize = "5" in 1..=INT_MAX;
        /// Whether brokers drop what arrives twice; needs acks=all and at most 5 in flight.
        "enable.idempotence" => enable_idempotence: bool = "true";
        /// How many times a batch is sent again.
        "retries" => retries: u32 = "2147483647" in 0..=2_147_483_647;
        /// How long a record may take from send to its acknowledgement.
        "delivery.timeout.ms" => delivery_timeout_ms: u64 = "120000" in 1..=MILLIS_MAX;
        /// The name under which this producer's transactions outlive it; without one, it has none.
        "transactional.id" => transactional_id: Option<String> = "";
        /// How long the coordinator lets a transaction be open.
        "transaction.timeout.ms" => transaction_timeout_ms: i32 = "60000" in 0..=i32::MAX;
        /// Whether records with keys are spread like those without.
        "partitioner.ignore.keys" => ignore_keys: bool = "false";
    }
}

settings! {
    /// What consumers have besides.
    ConsumerSettings {
        /// The group; without one, partitions are assigned by hand and nothing is committed.
        "group.id" => group_id: Option<String> = "";
        /// The id that a member keeps over restarts.
        "group.instance.id" => group_instance_id: Option<String> = "";
        /// How the leader assigns, best first: range, roundrobin, cooperative-sticky.
        "partition.assignment.strategy" => assignors: Vec<Assignor> = "range,cooperative-sticky";
        /// How long a member may be silent before the group goes on without it.
        "session.timeout.ms" => session_timeout_ms: i32 = "45000" in 1..=i32::MAX;
        /// How often a member shows that it is there.
        "heartbeat.interval.ms" => heartbeat_interval_ms: u64 = "3000" in 1..=MILLIS_MAX;
        /// How long may pass between two polls before the member leaves.
        "max.poll.interval.ms" => max_poll_interval_ms: i32 = "300000" in 1..=i32::MAX;
        /// How many records a poll gives at most.
        "max.poll.records" => poll_records_max: usize = "500" in 1..=INT_MAX;
        /// Where to begin without a committed offset: earliest, latest or none.
        "auto.offset.reset" => offset_reset: OffsetReset = "latest";
        /// Whether positions are committed by themselves.
        "enable.auto.commit" => enable_auto_commit: bool = "true";
        /// How often they are.
        "auto.commit.interval.ms" => auto_commit_interval_ms: u64 = "5000" in 0..=MILLIS_MAX;
        /// A fetch waits until so many bytes are there.
        "fetch.min.bytes" => fetch_bytes_min: i32 = "1" in 0..=i32::MAX;
        /// A fetch brings at most so many bytes, but at least one batch.
        "fetch.max.bytes" => fetch_bytes_max: i32 = "52428800" in 0..=i32::MAX;
        /// How long a fetch waits for its minimum.
        "fetch.max.wait.ms" => fetch_wait_ms_max: i32 = "500" in 0..=i32::MAX;
        /// How much a fetch brings of one partition at most.
        "max.partition.fetch.bytes" => partition_bytes_max: i32 = "1048576" in 0..=i32::MAX;
        /// Whether records of open and aborted transactions are left out.
        "isolation.level" => isolation_level: IsolationLevel = "read_uncommitted";
        /// Whether checksums are checked.
        "check.crcs" => check_crcs: bool = "true";
        /// Whether subscribing may create topics, where brokers do.
        "allow.auto.create.topics" => allow_auto_create_topics: bool = "true";
    }
}

settings! {
    /// What share consumers have besides.
    ShareConsumerSettings {
        /// The share group.
        "group.id" => group_id: Option<String> = "";
        /// How many records a poll is to give, at most where the limit is strict.
        "max.poll.records" => poll_records_max: usize = "500" in 1..=INT_MAX;
        /// Whether that limit is strict: batch_optimized or record_limit.
        "share.acquire.mode" => acquire_mode: AcquireMode = "batch_optimized";
        /// A fetch waits until so many bytes are there.
        "fetch.min.bytes" => fetch_bytes_min: i32 = "1" in 0..=i32::MAX;
        /// A fetch brings at most so many bytes, but at least one batch.
        "fetch.max.bytes" => fetch_bytes_max: i32 = "52428800" in 0..=i32::MAX;
        /// How long a fetch waits for its minimum.
        "fetch.max.wait.ms" => fetch_wait_ms_max: u64 = "500" in 0..=MILLIS_MAX;
        /// Whether checksums are checked.
        "check.crcs" => check_crcs: bool = "true";
    }
}

/// How many records a share consumer is given at once (KIP-1206).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcquireMode {
    /// Whole batches, so that there may be more than were asked for.
    BatchOptimized,
    /// Never more than were asked for.
    RecordLimit,
}

impl Parse for AcquireMode {
    fn parse(value: &str) -> Result<Self, String> {
        let names = [
            ("batch_optimized", AcquireMode::BatchOptimized),
            ("record_limit", AcquireMode::RecordLimit),
        ];
        one_of(value, &names)
    }
}

/// Where to begin without a committed offset, or when it lies outside of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetReset {
    /// At the start of the log.
    Earliest,
    /// At its end.
    Latest,
    /// Nowhere: it is an error.
    None,
}

/// Which records a consumer sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IsolationLevel {
    /// All.
    ReadUncommitted,
    /// None of transactions that are open or were aborted.
    ReadCommitted,
}

impl Parse for OffsetReset {
    fn parse(value: &str) -> Result<Self, String> {
        let names = [
            ("earliest", OffsetReset::Earliest),
            ("latest", OffsetReset::Latest),
            ("none", OffsetReset::None),
        ];
        one_of(value, &names)
    }
}

impl Parse for IsolationLevel {
    fn parse(value: &str) -> Result<Self, String> {
        let names = [
            ("read_uncommitted", IsolationLevel::ReadUncommitted),
            ("read_committed", IsolationLevel::ReadCommitted),
        ];
        one_of(value, &names)
    }
}

impl Parse for Vec<Assignor> {
    fn parse(value: &str) -> Result<Self, String> {
        let allowed = || "must be of range, roundrobin, cooperative-sticky".to_owned();
        let read: Option<Vec<_>> =
            list(value).iter().map(|name| Assignor::from_name(name)).collect();
        read.filter(|assignors| !assignors.is_empty()).ok_or_else(allowed)
    }
}

/// How many replicas must have a record before it counts as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// All that are in sync.
    All,
    /// The leader.
    Leader,
    /// None: nobody answers.
    None,
}

impl Acks {
    /// The number that the protocol has for it.
    pub fn code(self) -> i16 {
        match self {
            Acks::All => -1,
            Acks::Leader => 1,
            Acks::None => 0,
        }
    }
}

impl Parse for Acks {
    fn parse(value: &str) -> Result<Self, String> {
        let names = [("all", Acks::All), ("-1", Acks::All), ("1", Acks::Leader), ("0", Acks::None)];
        one_of(value, &names)
    }
}

impl ProducerSettings {
    /// Whether batches carry sequences: asked for, and nothing else stands against it.
    pub fn is_idempotent(&self) -> bool {
        let possible = self.acks == Acks::All
            && self.in_flight_max <= IDEMPOTENT_IN_FLIGHT_MAX
            && self.retries > 0;
        self.enable_idempotence && possible
    }

    /// The level for the codec.
    pub fn compression_level(&self) -> i32 {
        match self.compression_type {
            Codec::Gzip => self.gzip_level,
            Codec::Lz4 => self.lz4_level,
            Codec::Zstd => self.zstd_level,
            codec => codec.default_level(),
        }
    }
}

impl ClientSettings {
    /// The defaults with these bootstrap servers, separated by commas.
    pub fn new(bootstrap_servers: &str) -> ClientSettings {
        let bootstrap_servers = list(bootstrap_servers);
        ClientSettings { bootstrap_servers, ..ClientSettings::default() }
    }
}

/// How the network is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
}

/// A type that a value can be read as.
pub(crate) trait Parse: Sized {
    fn parse(value: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Parse for $type {
            fn parse(value: &str) -> Result<Self, String> {
                value.trim().parse().map_err(|_| "must be a whole number".to_owned())
            }
        }
    )*};
}

numbers! { u64 u32 usize i32 }

impl Parse for String {
    fn parse(value: &str) -> Result<Self, String> {
        Ok(value.to_owned())
    }
}

impl Parse for Vec<String> {
    fn parse(value: &str) -> Result<Self, String> {
        Ok(list(value))
    }
}

impl Parse for bool {
    fn parse(value: &str) -> Result<Self, String> {
        one_of(value, &[("true", true), ("false", false)])
    }
}

impl<T: Parse> Parse for Option<T> {
    fn parse(value: &str) -> Result<Self, String> {
        if value.is_empty() { Ok(None) } else { T::parse(value).map(Some) }
    }
}

impl Parse for SecurityProtocol {
    fn parse(value: &str) -> Result<Self, String> {
        one_of(value, &[("PLAINTEXT", SecurityProtocol::Plaintext)])
    }
}

impl Parse for Codec {
    fn parse(value: &str) -> Result<Self, String> {
        Codec::from_name(value).ok_or("must be one of none, gzip, snappy, lz4, zstd".to_owned())
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn one_of<T: Copy>(value: &str, allowed: &[(&str, T)]) -> Result<T, String> {
    let found = allowed.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
        format!("must be {}", names.join(", "))
    })
}

fn checked<T: Parse>(key: &str, value: &str) -> Result<T, ClientError> {
    T::parse(value).map_err(|allowed| invalid(key, value, allowed))
}

fn within<T, R>(key: &str, value: T, range: R) -> Result<T, ClientError>
where
    T: PartialOrd + Display,
    R: RangeBounds<T> + std::fmt::Debug,
{
    if range.contains(&value) {
        return Ok(value);
    }
    Err(invalid(key, &value.to_string(), format!("must lie in {range:?}")))
}

fn invalid(key: &str, value: &str, allowed: String) -> ClientError {
    ClientError::Setting { key: key.to_owned(), value: value.to_owned(), allowed }
}

/// The longest time that the protocol can say: an int32.
const MILLIS_MAX: u64 = 2_147_483_647;
/// The highest int32.
const INT_MAX: usize = 2_147_483_647;
/// Brokers remember so many batches of a producer and partition.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_documented_and_their_defaults_are_allowed() {
        let mut blocks: [Box<dyn Settings>; 4] = [
            Box::new(ClientSettings::default()),
            Box::new(ProducerSettings::default()),
            Box::new(ConsumerSettings::default()),
            Box::new(ShareConsumerSettings::default()),
        ];
        for block in &mut blocks {
            let rows = block.rows();
            for (place, row) in rows.iter().enumerate() {
                assert!(rows[..place].iter().all(|other| other.key != row.key), "{}", row.key);
                assert!(row.help.trim_end().ends_with('.'), "{}", row.key);
                assert_eq!(block.set(row.key, row.default), Ok(true), "{}", row.key);
            }
        }
    }

    /// Each row has the default that Apache Kafka's own clients print (tests/captures).
    #[test]
    fn defaults_are_those_of_apache_kafka() {
        fn check<B: Settings + Default + PartialEq + std::fmt::Debug>(kind: &str) {
            let mut block = B::default();
            for row in block.rows() {
                let told = |kind| {
                    let prefix = format!("{kind}\t{}\t", row.key);
                    let mut lines = include_str!("../tests/captures/configs.tsv").lines();
                    lines.find_map(move |line| line.strip_prefix(&prefix))
                };
                // What only administrators have is told of those.
                let default = told(kind).or_else(|| told("admin"));
                let default = default.unwrap_or_else(|| panic!("Kafka has no {}", row.key));
                assert_eq!(block.set(row.key, default), Ok(true));
                assert_eq!(block, B::default(), "{}", row.key);
            }
        }
        check::<ClientSettings>("consumer");
        check::<ProducerSettings>("producer");
        check::<ConsumerSettings>("consumer");
        check::<ShareConsumerSettings>("consumer");
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_allowed() {
        let mut settings = ClientSettings::default();
        let mut refusal = |key, value| settings.set(key, value).unwrap_err().to_string();
        assert_eq!(
            refusal("security.protocol", "SSL"),
            "invalid value SSL for security.protocol: must be PLAINTEXT"
        );
        assert_eq!(
            refusal("request.timeout.ms", "0"),
            "invalid value 0 for request.timeout.ms: must lie in 1..=2147483647"
        );
        assert_eq!(settings.set("no.such.key", "1"), Ok(false));
    }

    #[test]
    fn properties_go_to_the_blocks_that_have_their_keys() {
        let mut settings = ClientSettings::default();
        let properties = [("bootstrap.servers", "a:1, b:2"), ("nonsense", "")]
            .map(|(k, v)| (k.into(), v.into()));
        let unknown = apply(&properties, &mut [&mut settings]).unwrap();
        assert_eq!(unknown, ["nonsense"]);
        assert_eq!(settings.bootstrap_servers, ["a:1", "b:2"]);
    }
}
