//! A client of a cluster of Apache Kafka's protocol: calls, and what is built of them.
//!
//! Start at [`Client`]: typed calls of every API to any broker, to a leader, a coordinator or the
//! controller. Decisions are in [`core`], pure; what touches the world goes through `env`, so the
//! same client runs in the simulator. Not served: TLS and SASL.
//!
//! ```no_run
//! use ottla_client::{Client, ClientSettings};
//! use ottla_wire::messages::ListGroupsRequest;
//!
//! # async fn example(env: ottla_env::Env) -> Result<(), ottla_client::ClientError> {
//! let client = Client::connect(env, ClientSettings::new("localhost:9092")).await?;
//! for group in client.call(&ListGroupsRequest::default()).await?.groups {
//!     println!("{}", group.group_id);
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```

pub mod admin;
mod attempts;
mod client;
mod connection;
mod consumer;
mod coordinated;
pub mod core;
mod error;
mod line;
mod nodes;
mod producer;
mod settings;

pub use admin::Admin;
pub use client::{Client, CoordinatorKind};
pub use consumer::{CommittedOffset, Consumer, ConsumerRecord};
pub use core::cluster::TopicPartition;
pub use error::ClientError;
pub use producer::{Delivery, Producer, ProducerRecord, RecordMetadata};
pub use settings::{
    Acks, ClientSettings, ConsumerSettings, IsolationLevel, OffsetReset, ProducerSettings,
    SecurityProtocol, SettingInfo, Settings, apply,
};
