//! What a client that waits for records makes of a broker that is killed and comes back.

use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Client, Producer, ProducerRecord, ProducerSettings, ShareConsumer, ShareConsumerSettings,
};
use ottla_sim::World;
use ottla_wire::StrBytes;

use crate::clients::{TOPIC, connect, create_topic};
use crate::server::{NODE, settings, start};

const SHARING: [&str; 2] = [
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
];

#[test]
fn a_share_consumer_outlasts_a_broker_that_is_killed() {
    World::new(4).run(async |world: World| {
        let node = start(&world.node(NODE), settings(&SHARING)).await;
        let env = world.node(2);
        create_topic(&env, 1, &[]).await;
        let client = connect(&env).await;
        let settings_of =
            ShareConsumerSettings { group_id: Some("g".to_owned()), ..Default::default() };
        let mut consumer =
            ShareConsumer::new(&client, settings_of, &[TOPIC]).expect("it has a group");
        let idle = Duration::from_secs(10);
        assert!(consumer.poll(idle).await.expect("the node serves").is_empty());
        node.crash().await;
        assert!(consumer.poll(idle).await.expect("it waits for the node").is_empty());
        let node = start(&world.node(NODE), settings(&SHARING)).await;
        let mut count = 0;
        for _ in 0..60 {
            // The group begins at the end: what is written before it fetches again is not its own.
            produce(&client).await;
            count += consumer.poll(Duration::from_secs(1)).await.expect("the node serves").len();
        }
        assert!(count > 0, "nothing came after the outage");
        consumer.close().await.expect("the node serves");
        node.stop().await;
    });
}

async fn produce(client: &Client) {
    let producer = Producer::new(client, ProducerSettings::default());
    let value = Some(Bytes::from_static(b"after"));
    let record =
        ProducerRecord { topic: StrBytes::from(TOPIC), value, ..ProducerRecord::default() };
    producer.send(record).await.expect("there is room");
    producer.close().await;
}
