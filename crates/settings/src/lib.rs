//! Every config of Apache Kafka 4.4 and our own, once: its name, type, default, limits, a
//! sentence, and the typed field that a room reads.
//!
//! Start with [`table`], where the rows are: a row makes parser, error, DescribeConfigs and field.
//! [`Settings::load`] lays overrides, `KAFKA_*` variables, the file and the defaults over each
//! other and gives blocks such as [`LogSettings`]; [`Settings::changed`] adds what was changed at
//! run time. [`TopicConfig::resolve`] is a topic's config over the broker's.
//!
//! Absent: no file is read here and no variable looked up; the caller brings their contents.
//! Nothing is global, and nobody needs the whole: a room holds the block it reads.
//!
//! ```
//! use ottla_settings::{Input, Settings, TopicConfig};
//!
//! let file = b"process.roles=broker,controller\nnode.id=7\nlog.dirs=/data\n\
//!     listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n\
//!     controller.quorum.voters=7@localhost:9093\nlog.retention.hours=1\n";
//! let overrides = ["num.partitions=3".to_string()];
//! let input = Input { file: Some(file), overrides: &overrides, ..Input::default() };
//! let settings = Settings::load(input).expect("the file is right").settings;
//! assert_eq!((settings.node.node_id, settings.log.num_partitions), (7, 3));
//!
//! let topic = TopicConfig::resolve(&settings.topic_defaults(), [("segment.ms", "60000")]);
//! assert_eq!((topic.retention_ms, topic.segment_ms), (3_600_000, 60_000));
//! ```

mod builtin;
mod check;
mod derived;
mod describe;
pub mod environment;
mod error;
mod listeners;
mod nearest;
mod order;
mod overrides;
pub mod properties;
mod row;
mod settings;
mod sources;
pub mod table;
mod unserved;
mod valid;
mod value;

pub use derived::{CompressionType, TimestampType};
pub use describe::{Entry, Source, Synonym};
pub use error::ConfigError;
pub use listeners::{Bind, Endpoint, Listeners, SecurityProtocol, Voter, server, voter};
pub use overrides::{TopicDefaults, append, subtract};
pub use row::{Fallback, Importance, Row, Unset, Update};
pub use settings::{ListenerSettings, Loaded, Settings};
pub use sources::{Input, Origin, Warning};
pub use table::Scope;
pub use table::cleaner::CleanerSettings;
pub use table::clients::{ClientMetricsConfig, ClientQuota, IpQuota};
pub use table::group::GroupConfig;
pub use table::groups::{ConsumerGroupSettings, GroupSettings};
pub use table::log::LogSettings;
pub use table::metrics::MetricsSettings;
pub use table::network::NetworkSettings;
pub use table::node::NodeSettings;
pub use table::oauth::OauthSettings;
pub use table::own::OwnSettings;
pub use table::quorum::QuorumSettings;
pub use table::quotas::QuotaSettings;
pub use table::remote::RemoteSettings;
pub use table::replication::{ReplicationSettings, ThrottleSettings};
pub use table::security::SecuritySettings;
pub use table::share_groups::ShareGroupSettings;
pub use table::streams_groups::StreamsGroupSettings;
pub use table::tls::TlsSettings;
pub use table::topic::TopicConfig;
pub use table::transactions::TransactionSettings;
pub use unserved::check_served;
pub use valid::{Valid, duration_ms};
pub use value::{ClassName, Kind, Password, Value, list};
