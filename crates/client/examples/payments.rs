//! Writes records and reads them back in a group, until all have come:
//! `cargo run -p ottla-client --example payments [SERVER [COUNT]]`.

use std::time::Duration;

use ottla_client::{
    Client, ClientError, ClientSettings, Consumer, ConsumerSettings, OffsetReset, Producer,
    ProducerRecord, ProducerSettings,
};
use ottla_env::Env;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let count = words.next().map_or(Ok(1000), |count| count.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let env = Env::real(runtime.handle().clone());
    Ok(runtime.block_on(pay(env, &server, count))?)
}

async fn pay(env: Env, server: &str, count: usize) -> Result<(), ClientError> {
    let client = Client::connect(env.clone(), ClientSettings::new(server)).await?;
    let topic = format!("payments-{:x}", env.random_u64());
    let producer = Producer::new(&client, ProducerSettings::default());
    for payment in 0..count {
        let record = ProducerRecord {
            topic: topic.clone().into(),
            key: Some(format!("customer-{}", payment % 10).into()),
            value: Some(format!("{payment} euros").into()),
            ..ProducerRecord::default()
        };
        producer.send(record).await?;
    }
    producer.close().await;

    let settings = ConsumerSettings {
        group_id: Some(format!("{topic}-readers")),
        offset_reset: OffsetReset::Earliest,
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new(&client, settings);
    consumer.subscribe(&[&topic])?;
    let mut read = 0;
    while read < count {
        let records = consumer.poll(Duration::from_secs(10)).await?;
        read += records.len();
        if let Some(last) = records.last() {
            println!("{read} read, the last from {} at {}", last.of, last.record.offset);
        }
    }
    consumer.close().await?;
    client.close().await;
    Ok(())
}
