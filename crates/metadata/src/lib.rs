//! The records of `__cluster_metadata` and the image of the cluster that they replay into.
//!
//! [`MetadataRecord`] is one record with its bytes; [`Image`] is what all records so far say, and
//! a clone of it costs nothing, so that readers hold one while the next is made. [`Features`]
//! knows which feature levels there are; the level of `metadata.version` decides in which version
//! a record is written.
//!
//! Not here: who may change what (`controller`), logs and snapshot files (`quorum`).
//! Must hold: nothing that Apache Kafka wrote is lost, so every record type has its place in the
//! image, whether the node serves the feature or not. Start reading at [`Image`].
//!
//! ```
//! use ottla_metadata::{Bootstrap, Image, MetadataRecord, bootstrap_records};
//! use ottla_wire::{Bytes, Offset};
//!
//! let mut image = Image::default();
//! for (at, record) in (0..).zip(bootstrap_records(&Bootstrap::default()).expect("levels fit")) {
//!     image.apply(Offset(at), &record);
//! }
//! assert_eq!(image.features().metadata_version().to_string(), "4.3-IV0");
//!
//! let before = image.clone();
//! let topic = Bytes::from_static(b"\x01\x02\0\x05fish0123456789abcdef\0");
//! let record = MetadataRecord::decode(topic).expect("a TopicRecord");
//! image.apply(Offset(6), &record);
//! let id = image.topic_by_name("fish").expect("it was created").id;
//! assert_eq!(image.changes_since(&before).topics_created, [id]);
//! ```

mod bootstrap;
mod changes;
mod configs;
mod features;
pub mod fuzz;
mod image;
mod nodes;
mod record;
mod security;
mod snapshot;
mod sorted;
mod topics;

pub use bootstrap::{Bootstrap, bootstrap_records};
pub use changes::{Changes, TopicChange};
pub use configs::{ConfigResource, Configs, ResourceType};
pub use features::{
    FEATURES, Feature, FeatureProblem, Features, KRAFT_VERSION, KRAFT_VERSION_MAX,
    METADATA_VERSION, MetadataVersion, features_at,
};
pub use image::{Image, Provenance, Undo};
pub use nodes::{Broker, ControllerNode, Endpoint, SupportedFeature};
pub use record::{MetadataRecord, RecordError};
pub use security::{QuotaEntity, Security};
pub use sorted::SortedMap;
pub use topics::{LeaderRecoveryState, Partition, Topic, Topics};
