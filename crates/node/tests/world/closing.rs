//! What a consumer leaves behind when it is closed: all that it was given counts as done.

use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Client, Consumer, ConsumerSettings, OffsetReset, Producer, ProducerRecord, ProducerSettings,
    TopicPartition,
};
use ottla_sim::World;
use ottla_wire::{PartitionIndex, StrBytes};

use crate::clients::{TOPIC, connect, create_topic};
use crate::server::{NODE, settings, start};

const GROUP: &str = "closers";
const RECORDS: usize = 40;

#[test]
fn a_commit_that_goes_by_itself_never_comes_after_that_of_the_close() {
    for seed in 1..=5 {
        World::new(seed).run(async |world: World| {
            let node = start(&world.node(NODE), settings(&[])).await;
            let env = world.node(2);
            create_topic(&env, 1, &[]).await;
            let client = connect(&env).await;
            produce(&client).await;
            read_and_close(&client).await;
            assert_eq!(committed(&client).await, RECORDS, "in the world of seed {seed}");
            node.stop().await;
        });
    }
}

async fn produce(client: &Client) {
    let producer = Producer::new(client, ProducerSettings::default());
    for number in 0..RECORDS {
        let topic = StrBytes::from(TOPIC);
        let value = Some(Bytes::from(number.to_string()));
        let record = ProducerRecord { topic, value, ..ProducerRecord::default() };
        producer.send(record).await.expect("there is room");
    }
    producer.close().await;
}

/// Reads in two steps: with the second one a commit of the first one's records begins.
async fn read_and_close(client: &Client) {
    let settings = ConsumerSettings {
        group_id: Some(GROUP.to_owned()),
        offset_reset: OffsetReset::Earliest,
        poll_records_max: RECORDS / 2,
        auto_commit_interval_ms: 0,
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new(client, settings);
    consumer.subscribe(&[TOPIC]).expect("it has a group");
    let mut count = 0;
    while count < RECORDS {
        count += consumer.poll(Duration::from_secs(5)).await.expect("the node serves").len();
    }
    consumer.close().await.expect("the commit is taken");
}

async fn committed(client: &Client) -> usize {
    let settings =
        ConsumerSettings { group_id: Some(GROUP.to_owned()), ..ConsumerSettings::default() };
    let looker = Consumer::new(client, settings);
    let of = TopicPartition { topic: StrBytes::from(TOPIC), partition: PartitionIndex(0) };
    let found = looker.committed(&[of]).await.expect("the node serves");
    found.first().map_or(0, |found| usize::try_from(found.offset.0).unwrap_or(0))
}
