//! What a node does when its disk fails or is full.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{Acks, Client, CoordinatorKind, Producer, ProducerRecord, ProducerSettings};
use ottla_sim::{Broken, World};
use ottla_wire::messages::OffsetCommitRequest;
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::{ErrorCode, Offset, PartitionIndex};

use crate::support::{
    DATA, alter_dirs, client, create_topic, describe_dirs, fill, produce, start, start_with, values,
};

#[test]
fn a_node_whose_metadata_folder_fails_says_so_and_ends() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        world.disk(1).break_below("/data", Broken::Writes);
        let failed = env.timeout(Duration::from_secs(10), node.failed()).await;
        let why = failed.expect("the node notices");
        assert!(why.contains("/data"), "{why}");
        node.crash().await;
        world.disk(1).repair();
        start(&env).await.stop().await;
    });
}

#[test]
fn a_full_disk_ends_no_node_and_loses_nothing() {
    World::new(2).run(async |world: World| {
        let env = world.node(1);
        let node = start(&env).await;
        let first = client(&world.node(2)).await;
        create_topic(&first, "fish").await;
        produce(&first, "fish", &["one"]).await;
        let disk = world.disk(1);
        disk.set_capacity(disk.used());
        let failed = env.timeout(Duration::from_secs(5), node.failed()).await;
        assert!(failed.is_err(), "{failed:?}");
        disk.set_capacity(u64::MAX);
        env.sleep(Duration::from_secs(2)).await;
        create_topic(&first, "more").await;
        produce(&first, "more", &["two"]).await;
        node.stop().await;
        let node = start(&env).await;
        let second = client(&world.node(2)).await;
        assert_eq!(values(&second, "fish").await, ["one"]);
        assert_eq!(values(&second, "more").await, ["two"]);
        node.stop().await;
    });
}

/// The size of the small disk, of which 2 MiB are kept back.
const SMALL: u64 = 64 << 20;

/// Writes one record, which is refused for as long as it is tried.
async fn is_refused(client: &Client, topic: &'static str, bytes: usize) -> bool {
    let settings =
        ProducerSettings { acks: Acks::All, delivery_timeout_ms: 1_500, ..Default::default() };
    let producer = Producer::new(client, settings);
    let record = ProducerRecord {
        topic: topic.into(),
        partition: Some(PartitionIndex(0)),
        value: Some(Bytes::from(vec![b'x'; bytes])),
        ..Default::default()
    };
    let refused = producer.send(record).await.expect("it is taken").await;
    producer.close().await;
    refused.is_err()
}

/// Commits an offset with a long word beside it.
async fn commit(client: &Client, topic: &'static str, offset: i64) -> Option<ErrorCode> {
    let partition = OffsetCommitRequestPartition {
        committed_offset: Offset(offset),
        committed_metadata: Some("m".repeat(4_000).into()),
        ..Default::default()
    };
    let topics = client.admin().topics().await.ok()?;
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.into(),
            topic_id: topics.get(topic)?.id,
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let told = client.call_coordinator(CoordinatorKind::Group, "g", &request).await.ok()?;
    Some(told.topics[0].partitions[0].error_code)
}

#[test]
fn on_a_full_disk_topics_can_be_deleted_and_then_records_are_taken_again() {
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        world.disk(1).set_capacity(SMALL);
        let node = start(&env).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        create_topic(&client, "birds").await;
        produce(&client, "fish", &["one"]).await;
        produce(&client, "birds", &["two"]).await;
        let large = "x".repeat(900_000);
        let large: &'static str = Box::leak(large.into_boxed_str());
        produce(&client, "fish", &[large; 4]).await;
        fill(&env);
        assert!(is_refused(&client, "birds", 100_000).await);
        assert_eq!(commit(&client, "birds", 1).await, Some(ErrorCode::NONE));
        create_topic(&client, "mammals").await;
        let gone = client.admin().delete_topics(&["fish".into()]).await.expect("an answer");
        assert!(gone.iter().all(|(_, result)| result.is_ok()), "{gone:?}");
        env.sleep(Duration::from_secs(63)).await;
        produce(&client, "birds", &["three"]).await;
        produce(&client, "mammals", &["four"]).await;
        assert_eq!(values(&client, "birds").await, ["two", "three"]);
        assert!(env.timeout(Duration::from_secs(2), node.out_of_room()).await.is_err());
        node.stop().await;
    });
}

#[test]
fn a_node_whose_disk_stays_full_stops_in_order_and_says_why() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        world.disk(1).set_capacity(SMALL);
        let node = start(&env).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one"]).await;
        assert_eq!(commit(&client, "fish", 0).await, Some(ErrorCode::NONE));
        fill(&env);
        let mut committed = 0;
        let why = loop {
            if commit(&client, "fish", committed + 1).await == Some(ErrorCode::NONE) {
                committed += 1;
            }
            if let Ok(why) = env.timeout(Duration::ZERO, node.out_of_room()).await {
                break why;
            }
        };
        assert!(committed > 100, "{committed} commits were taken");
        assert!(why.contains(DATA) && why.contains("make room"), "{why}");
        node.stop().await;
        let mark = Path::new(DATA).join(".kafka_cleanshutdown");
        assert!(env.disk().exists(&mark), "it stopped in order");
        env.disk().remove_file(Path::new("/other")).expect("it is there");
        let node = start(&env).await;
        assert_eq!(values(&client, "fish").await, ["one"]);
        let offsets = client.admin().group_offsets("g").await.expect("an answer");
        let found = offsets[0].1.as_ref().expect("an offset").committed_offset;
        assert_eq!(found, Offset(committed));
        node.stop().await;
    });
}
const THREE: [&str; 1] = ["log.dirs=/data,/more,/most"];

#[test]
fn one_failed_folder_takes_down_its_partitions_only() {
    for broken in [Broken::Writes, Broken::Syncs, Broken::All] {
        World::new(3).run(async |world: World| {
            let env = world.node(1);
            let node = start_with(&env, &THREE).await.expect("it starts");
            let client = client(&world.node(2)).await;
            for topic in ["a", "b", "c"] {
                create_topic(&client, topic).await;
                produce(&client, topic, &["one"]).await;
            }
            let whole = "/data: a-0 lag 0 | /more: b-0 lag 0 | /most: c-0 lag 0";
            assert_eq!(describe_dirs(&client).await, whole);
            world.disk(1).break_below("/more", broken);
            // Whatever is done next in the folder finds out: here its deletion of a topic does.
            alter_dirs(&client, "c", "/more").await;
            env.sleep(Duration::from_secs(10)).await;
            let left = "/data: a-0 lag 0 | /more: error 56 | /most: c-0 lag 0";
            assert_eq!(describe_dirs(&client).await, left, "{broken:?}");
            let topics = client.admin().topics().await.expect("an answer");
            let leads = |name: &str| {
                let partition = topics.get(name).expect("a topic").partitions.values().next();
                partition.is_some_and(|partition| partition.leader.is_some())
            };
            assert_eq!(["a", "b", "c"].map(leads), [true, false, true], "{broken:?}");
            for topic in ["a", "c"] {
                produce(&client, topic, &["two"]).await;
                assert_eq!(values(&client, topic).await, ["one", "two"]);
            }
            let refused = alter_dirs(&client, "a", "/more").await;
            assert_eq!(refused, ErrorCode::KAFKA_STORAGE_ERROR);
            assert_eq!(alter_dirs(&client, "b", "/most").await, ErrorCode::KAFKA_STORAGE_ERROR);
            create_topic(&client, "d").await;
            produce(&client, "d", &["one"]).await;
            node.stop().await;
            world.disk(1).repair();
            let node = start_with(&env, &THREE).await.expect("it starts");
            let client = crate::support::client(&world.node(2)).await;
            assert_eq!(values(&client, "b").await, ["one"]);
            node.stop().await;
        });
    }
}

#[test]
fn a_folder_that_is_read_only_at_the_start_is_offline_and_the_others_serve() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        let node = start_with(&env, &THREE).await.expect("it starts");
        let told = client(&world.node(2)).await;
        for topic in ["a", "b", "c"] {
            create_topic(&told, topic).await;
            produce(&told, topic, &["one"]).await;
        }
        node.stop().await;
        world.disk(1).break_below("/most", Broken::Writes);
        let node = start_with(&env, &THREE).await.expect("it starts");
        let told = client(&world.node(2)).await;
        let left = "/data: a-0 lag 0 | /more: b-0 lag 0 | /most: error 56";
        assert_eq!(describe_dirs(&told).await, left);
        assert_eq!(values(&told, "a").await, ["one"]);
        assert_eq!(values(&told, "b").await, ["one"]);
        // Its partition is nowhere made anew, and its records are there when the disk is.
        node.stop().await;
        world.disk(1).repair();
        let node = start_with(&env, &THREE).await.expect("it starts");
        let told = client(&world.node(2)).await;
        assert_eq!(values(&told, "c").await, ["one"]);
        node.stop().await;
    });
}

#[test]
fn a_node_whose_last_folder_or_metadata_folder_fails_says_which_and_ends() {
    for (config, broken, names) in [
        ("log.dirs=/data,/more", "/data", "log directory /data holds the metadata log"),
        ("log.dirs=/more", "/more", "log directory has failed: /more: "),
    ] {
        World::new(5).run(async |world: World| {
            let env = world.node(1);
            let configs = [config, "metadata.log.dir=/data"];
            let node = start_with(&env, &configs).await.expect("it starts");
            let client = client(&world.node(2)).await;
            create_topic(&client, "a").await;
            produce(&client, "a", &["one"]).await;
            world.disk(1).break_below(broken, Broken::All);
            let failed = env.timeout(Duration::from_secs(20), node.failed()).await;
            let why = failed.expect("the node notices");
            assert!(why.contains(names), "{why}");
            node.crash().await;
        });
    }
}
