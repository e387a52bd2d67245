//! Start, stop, crash, and what is there at the next start.

use std::path::Path;
use std::time::Duration;

use ottla_sim::World;

use crate::support::{DATA, client, create_topic, produce, start, start_with, text, values};

#[test]
fn formatting_and_the_first_start_cost_at_most_twelve_syncs() {
    let world = World::new(1);
    world.run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let syncs = world.disk(1).syncs();
        assert!(syncs <= 12, "{syncs} syncs");
        node.stop().await;
    });
}

#[test]
fn what_was_acknowledged_is_there_after_a_stop() {
    World::new(2).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one", "two"]).await;
        node.stop().await;
        assert!(text(&env, ".kafka_cleanshutdown").starts_with("{\"version\":0,\"brokerEpoch\":"));
        let node = start(&env).await;
        let client = crate::support::client(&world.node(2)).await;
        assert_eq!(values(&client, "fish").await, ["one", "two"]);
        produce(&client, "fish", &["three"]).await;
        assert_eq!(values(&client, "fish").await, ["one", "two", "three"]);
        node.stop().await;
    });
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one", "two"]).await;
        node.crash().await;
        let node = start(&env).await;
        let client = crate::support::client(&world.node(2)).await;
        assert_eq!(values(&client, "fish").await, ["one", "two"]);
        node.stop().await;
    });
}

#[test]
fn what_was_synced_is_there_after_a_power_cut() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        let node = start_with(&env, &["log.flush.interval.messages=1"]).await.expect("it starts");
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one", "two"]).await;
        world.crash(1);
        drop(node);
        let env = world.boot(1);
        let node = start(&env).await;
        let client = crate::support::client(&world.node(2)).await;
        assert_eq!(values(&client, "fish").await, ["one", "two"]);
        node.stop().await;
    });
}

#[test]
fn a_dropped_node_leaves_its_folder_to_the_next() {
    World::new(5).run(async |world: World| {
        let env = world.node(1);
        for _ in 0..3 {
            let node = start(&env).await;
            drop(node);
            // What was dropped ends at its next turn.
            env.sleep(std::time::Duration::from_millis(50)).await;
        }
        start(&env).await.stop().await;
    });
}

#[test]
fn the_metadata_log_may_lie_apart() {
    World::new(6).run(async |world: World| {
        let env = world.node(1);
        let apart = ["log.dirs=/data", "metadata.log.dir=/metadata"];
        for _ in 0..2 {
            let node = start_with(&env, &apart).await.expect("it starts");
            let client = client(&world.node(2)).await;
            if values_or_none(&client).await.is_none() {
                create_topic(&client, "fish").await;
                produce(&client, "fish", &["one"]).await;
            }
            assert_eq!(values(&client, "fish").await, ["one"]);
            node.stop().await;
        }
        let listed = env.disk().list(std::path::Path::new("/metadata")).unwrap();
        let names: Vec<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
        assert!(names.contains(&"__cluster_metadata-0"), "{names:?}");
        assert!(!names.contains(&".kafka_cleanshutdown"), "{names:?}");
    });
}

async fn values_or_none(client: &ottla_client::Client) -> Option<()> {
    let known = client.admin().topics().await.expect("an answer");
    known.contains_key("fish").then_some(())
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let life = |seed| {
        let world = World::new(seed);
        world.run(async |world: World| {
            let node = start(&world.node(1)).await;
            let client = client(&world.node(2)).await;
            create_topic(&client, "fish").await;
            produce(&client, "fish", &["one"]).await;
            node.stop().await;
        });
        world.trace_hash()
    };
    for seed in 1..=5 {
        assert_eq!(life(seed), life(seed), "seed {seed}");
    }
}

#[test]
fn what_a_slow_disk_gives_late_is_served_in_the_end_and_a_stop_is_a_clean_one() {
    for seed in 1..=2 {
        World::new(seed).run(async |world: World| {
            let env = world.node(1);
            let node = start(&env).await;
            let told = client(&world.node(2)).await;
            for topic in ["fish", "bird"] {
                create_topic(&told, topic).await;
                produce(&told, topic, &["one", "two"]).await;
            }
            node.crash().await;
            world.disk(1).slow_us(0..5_000_000);
            let node = start(&env).await;
            let told = client(&world.node(2)).await;
            told.admin().delete_topics(&["bird".into()]).await.expect("an answer");
            env.sleep(Duration::from_secs(30)).await;
            assert_eq!(values(&told, "fish").await, ["one", "two"]);
            world.disk(1).repair();
            env.sleep(Duration::from_secs(10)).await;
            let left = env.disk().list(Path::new(DATA)).expect("a folder");
            assert!(!left.iter().any(|entry| entry.name.starts_with("bird")), "{left:?}");
            node.stop().await;
            assert!(env.disk().exists(&Path::new(DATA).join(".kafka_cleanshutdown")));
        });
    }
}
