//! Folders that somebody else wrote.

use std::path::Path;
use std::time::Duration;

use ottla_env::Env;
use ottla_sim::World;

use crate::support::{DATA, client, produce, refusal, start, start_with, text, unpack, values};

const BY_HAND: &[u8] = include_bytes!("../fixtures/by-hand.tar.gz");
const KAFKA: &[u8] = include_bytes!("../../../storage/tests/fixtures/kafka-4.3.1.tar.gz");

fn mark(env: &Env, epoch: i64) {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
    let path = Path::new(DATA).join(".kafka_cleanshutdown");
    env.disk().replace(&path, text.as_bytes()).expect("a disk");
}

#[test]
fn a_folder_made_by_hand_serves_after_a_clean_and_an_unclean_stop() {
    for epoch in [12, 11] {
        World::new(1).run(async |world: World| {
            let env = world.node(1);
            unpack(env.disk(), BY_HAND);
            mark(&env, epoch);
            let node = start(&env).await;
            let client = client(&world.node(2)).await;
            assert_eq!(values(&client, "fab").await, ["one", "two", "three"], "epoch {epoch}");
            produce(&client, "fab", &["four"]).await;
            node.stop().await;
            let node = start(&env).await;
            // The end of the client's connection may still be on its way.
            env.sleep(Duration::from_secs(1)).await;
            assert_eq!(values(&client, "fab").await, ["one", "two", "three", "four"]);
            node.stop().await;
        });
    }
}

#[test]
fn a_folder_of_apache_kafka_serves_and_goes_on() {
    World::new(2).run(async |world: World| {
        let env = world.node(1);
        unpack(env.disk(), KAFKA);
        // Its records carry times of the year 2030, which no retention may take for old.
        let node = start_with(&env, &["listeners=PLAINTEXT://:9092,CONTROLLER://:9093"]);
        let node = node.await.expect("it starts");
        let client = client(&world.node(2)).await;
        let topics = client.admin().topics().await.expect("an answer");
        let samples = topics.keys().filter(|name| name.starts_with("sample-")).count();
        assert_eq!(samples, 7);
        for codec in ["sample-none", "sample-gzip", "sample-snappy", "sample-lz4", "sample-zstd"] {
            assert_eq!(values(&client, codec).await.len(), 200, "{codec}");
        }
        produce(&client, "sample-none", &["and one more"]).await;
        node.stop().await;
        let state = text(&env, "__cluster_metadata-0/quorum-state");
        assert!(state.contains("\"leaderEpoch\":2"), "{state}");
        let node = start(&env).await;
        // The end of the client's connection may still be on its way.
        env.sleep(Duration::from_secs(1)).await;
        assert_eq!(values(&client, "sample-none").await.len(), 201);
        node.stop().await;
    });
}

#[test]
fn a_metadata_log_that_was_damaged_after_a_clean_stop_is_not_cut() {
    const LISTENERS: &str = "listeners=PLAINTEXT://:9092,CONTROLLER://:9093";
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        unpack(env.disk(), KAFKA);
        let log = Path::new(DATA).join("__cluster_metadata-0/00000000000000000000.log");
        let mut bytes = env.disk().read(&log).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        env.disk().replace(&log, &bytes).expect("a disk");
        for _ in 0..2 {
            let told = refusal(&env, &[LISTENERS]).await;
            assert!(told.contains("00000000000000000000.log is damaged at byte "), "{told}");
            assert!(told.contains("ottla log repair --truncate-torn-tail /data"), "{told}");
        }
        assert_eq!(env.disk().read(&log).expect("a file"), bytes);
        // After a crash nobody can tell it from what a power cut tore, and neither does Kafka.
        env.disk().remove_file(&Path::new(DATA).join(".kafka_cleanshutdown")).expect("a mark");
        let node = start_with(&env, &[LISTENERS]).await.expect("it starts");
        node.stop().await;
    });
}
