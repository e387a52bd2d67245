//! A client of a cluster of Apache Kafka's protocol: calls, and what is built of them.
//!
//! Start at [`Client`]: typed calls of every API to any broker, to a leader, a coordinator or the
//! controller; over it [`Admin`], [`Producer`], [`Consumer`] and [`ShareConsumer`]. Settings have
//! Kafka's keys and defaults ([`ProducerSettings`], [`apply`]). Decisions are in [`core`], pure;
//! what touches the world goes through `env`, so the same client runs in the simulator.
//!
//! Must hold: an error names the broker, the API, the code and what to do. Not served: TLS, SASL,
//! prepared transactions (KIP-939), the consumer protocol of KIP-848; brokers before 3.0.
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
//!
//! Writing and reading:
//!
//! ```no_run
//! use ottla_client::{
//!     Client, Consumer, ConsumerSettings, Producer, ProducerRecord, ProducerSettings, Settings,
//! };
//! use std::time::Duration;
//!
//! # async fn example(client: Client) -> Result<(), ottla_client::ClientError> {
//! let producer = Producer::new(&client, ProducerSettings::default());
//! let order = ProducerRecord {
//!     topic: "orders".into(),
//!     key: Some("customer-7".into()),
//!     value: Some("3 apples".into()),
//!     ..ProducerRecord::default()
//! };
//! let delivery = producer.send(order).await?; // taken, in its order
//! println!("written at offset {}", delivery.await?.offset);
//! producer.close().await;
//!
//! let mut settings = ConsumerSettings::default();
//! settings.set("group.id", "shipping")?;
//! settings.set("auto.offset.reset", "earliest")?;
//! let consumer = Consumer::new(&client, settings);
//! consumer.subscribe(&["orders"])?;
//! for read in consumer.poll(Duration::from_secs(5)).await? {
//!     println!("{} at {}: {:?}", read.of, read.record.offset, read.record.value);
//! }
//! consumer.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Exactly once: what was read and what became of it count together, or not at all. A transaction
//! that fails is aborted, and the consumer goes back to what its group has committed:
//!
//! ```no_run
//! use ottla_client::{ClientError, CommittedOffset, Consumer, Producer, ProducerRecord};
//! use ottla_wire::LeaderEpoch;
//! use std::time::Duration;
//!
//! /// The producer has transactional.id, the consumer isolation.level=read_committed and no
//! /// enable.auto.commit.
//! # async fn example(producer: Producer, consumer: Consumer) -> Result<(), ClientError> {
//! producer.init_transactions().await?; // ends what a producer of this id has left open
//! loop {
//!     let read = consumer.poll(Duration::from_secs(1)).await?;
//!     let Some(member) = consumer.group_metadata().filter(|_| !read.is_empty()) else { continue };
//!     producer.begin_transaction()?;
//!     for one in read {
//!         let (key, value) = (one.record.key, one.record.value);
//!         let record =
//!             ProducerRecord { topic: "shipped".into(), key, value, ..ProducerRecord::default() };
//!         producer.send(record).await?;
//!     }
//!     let next = consumer.assignment().into_iter().filter_map(|of| {
//!         let (offset, leader_epoch) = (consumer.position(&of)?, LeaderEpoch(-1));
//!         Some(CommittedOffset { of, offset, leader_epoch, metadata: String::new() })
//!     });
//!     producer.send_offsets(&next.collect::<Vec<_>>(), &member).await?;
//!     producer.commit_transaction().await?;
//! }
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
mod share_consumer;

pub use admin::Admin;
pub use client::{Client, CoordinatorKind};
pub use consumer::{CommittedOffset, Consumer, ConsumerGroupMetadata, ConsumerRecord};
pub use core::cluster::TopicPartition;
pub use error::ClientError;
pub use producer::{Delivery, Producer, ProducerRecord, RecordMetadata};
pub use settings::{
    Acks, AcquireMode, ClientSettings, ConsumerSettings, IsolationLevel, OffsetReset,
    ProducerSettings, SecurityProtocol, SettingInfo, Settings, ShareConsumerSettings, apply,
};
pub use share_consumer::{ShareConsumer, Verdict};
