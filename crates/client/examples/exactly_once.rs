//! Reads, transforms and writes so that each record counts once, whoever is killed in between:
//! `cargo run -p ottla-client --example exactly_once -- transform SERVER PREFIX FROM TO`.
//!
//! It is also the worker of this client in conform/exactly-once/suite.py, which says what `atomic`
//! and `fenced` do.

use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Client, ClientError, ClientSettings, CommittedOffset, Consumer, ConsumerSettings,
    IsolationLevel, OffsetReset, Producer, ProducerRecord, ProducerSettings,
};
use ottla_env::Env;
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(async {
        match words[..] {
            ["atomic", server, prefix, topic] => {
                atomic(&Workshop::open(env, server, prefix).await?, topic).await?;
            }
            ["fenced", server, prefix, topic] => {
                fenced(&Workshop::open(env, server, prefix).await?, topic).await?;
            }
            ["transform", server, prefix, from, to] => {
                let workshop = Workshop::open(env, server, prefix).await?;
                loop {
                    if let Err(error) = transform(&workshop, from, to).await {
                        eprintln!("begins anew: {error}");
                    }
                }
            }
            _ => return Err("usage: exactly_once transform SERVER PREFIX FROM TO".into()),
        }
        Ok(())
    })
}

struct Workshop {
    client: Client,
    prefix: String,
}

impl Workshop {
    async fn open(env: Env, server: &str, prefix: &str) -> Result<Workshop, ClientError> {
        let client = Client::connect(env, ClientSettings::new(server)).await?;
        Ok(Workshop { client, prefix: prefix.to_owned() })
    }

    async fn producer(&self, name: &str) -> Result<Producer, ClientError> {
        let settings = ProducerSettings {
            transactional_id: Some(format!("{}-{name}", self.prefix)),
            transaction_timeout_ms: 20_000,
            ..ProducerSettings::default()
        };
        let producer = Producer::new(&self.client, settings);
        producer.init_transactions().await?;
        Ok(producer)
    }

    fn consumer(&self) -> Consumer {
        let settings = ConsumerSettings {
            group_id: Some(format!("{}-transform", self.prefix)),
            group_instance_id: Some("only".to_owned()),
            isolation_level: IsolationLevel::ReadCommitted,
            offset_reset: OffsetReset::Earliest,
            enable_auto_commit: false,
            poll_records_max: 20,
            session_timeout_ms: 6_000,
            heartbeat_interval_ms: 500,
            ..ConsumerSettings::default()
        };
        Consumer::new(&self.client, settings)
    }
}

fn record(topic: &str, partition: i32, value: String) -> ProducerRecord {
    ProducerRecord {
        topic: StrBytes::copied(topic),
        partition: Some(PartitionIndex(partition)),
        value: Some(value.into()),
        ..ProducerRecord::default()
    }
}

/// Twenty transactions over two partitions, each third of them aborted.
async fn atomic(workshop: &Workshop, topic: &str) -> Result<(), ClientError> {
    let producer = workshop.producer("atomic").await?;
    for i in 0..20 {
        producer.begin_transaction()?;
        producer.send(record(topic, 0, format!("a{i}"))).await?;
        producer.send(record(topic, 1, format!("b{i}"))).await?;
        producer.flush().await;
        match i % 3 {
            0 => producer.abort_transaction().await?,
            _ => producer.commit_transaction().await?,
        }
    }
    producer.close().await;
    Ok(())
}

/// A second producer of the same id ends what the first one has open.
async fn fenced(workshop: &Workshop, topic: &str) -> Result<(), ClientError> {
    let first = workshop.producer("fenced").await?;
    first.begin_transaction()?;
    first.send(record(topic, 0, "late".to_owned())).await?;
    first.flush().await;
    let second = workshop.producer("fenced").await?;
    second.begin_transaction()?;
    second.send(record(topic, 0, "good".to_owned())).await?;
    second.commit_transaction().await?;
    match first.commit_transaction().await {
        Err(error) if is_fenced(&error) => println!("fenced"),
        other => eprintln!("{other:?}"),
    }
    second.close().await;
    Ok(())
}

fn is_fenced(error: &ClientError) -> bool {
    let code = error.code();
    code == Some(ErrorCode::PRODUCER_FENCED) || code == Some(ErrorCode::INVALID_PRODUCER_EPOCH)
}

/// Until something fails: the next producer of the id aborts what this one has left open, and the
/// next consumer goes on where the group has committed.
async fn transform(workshop: &Workshop, from: &str, to: &str) -> Result<(), ClientError> {
    let producer = workshop.producer("transform").await?;
    let consumer = workshop.consumer();
    consumer.subscribe(&[from])?;
    loop {
        let read = consumer.poll(Duration::from_millis(500)).await?;
        let Some(member) = consumer.group_metadata().filter(|_| !read.is_empty()) else { continue };
        producer.begin_transaction()?;
        for one in read {
            let value = one.record.value.unwrap_or_default();
            let value = Bytes::from([&value[..], b"!"].concat());
            let record = ProducerRecord {
                topic: StrBytes::copied(to),
                partition: Some(one.of.partition),
                key: one.record.key,
                value: Some(value),
                ..ProducerRecord::default()
            };
            producer.send(record).await?;
        }
        let next = consumer.assignment().into_iter().filter_map(|of| {
            let (offset, leader_epoch) = (consumer.position(&of)?, LeaderEpoch(-1));
            Some(CommittedOffset { of, offset, leader_epoch, metadata: String::new() })
        });
        producer.send_offsets(&next.collect::<Vec<_>>(), &member).await?;
        producer.commit_transaction().await?;
    }
}
