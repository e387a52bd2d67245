//! Several log directories: where replicas go, how they move, and what the cluster is told of it.

use std::path::Path;
use std::time::Duration;

use ottla_client::Client;
use ottla_env::Env;
use ottla_node::Node;
use ottla_sim::World;
use ottla_wire::ErrorCode;

use crate::support::{
    alter_dirs, client, create_topic, describe_dirs, produce, set_broker_config, start_with, values,
};

const TWO: [&str; 1] = ["log.dirs=/data,/more"];

async fn two(env: &Env) -> Node {
    start_with(env, &TWO).await.expect("it starts")
}

/// Waits until the directories hold this, as DescribeLogDirs tells it.
async fn until(client: &Client, expect: &str) {
    let mut last = String::new();
    for _ in 0..600 {
        last = describe_dirs(client).await;
        if last == expect {
            return;
        }
        client.env().sleep(Duration::from_millis(50)).await;
    }
    panic!("it stays {last}, not {expect}");
}

#[test]
fn a_replica_moves_while_it_serves_and_stays_where_it_is_after_a_restart() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let node = two(&env).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        create_topic(&client, "bird").await;
        produce(&client, "fish", &["one", "two"]).await;
        until(&client, "/data: fish-0 lag 0 | /more: bird-0 lag 0").await;
        assert_eq!(alter_dirs(&client, "fish", "/more").await, ErrorCode::NONE);
        produce(&client, "fish", &["three"]).await;
        until(&client, "/data: | /more: bird-0 lag 0, fish-0 lag 0").await;
        produce(&client, "fish", &["four"]).await;
        assert_eq!(values(&client, "fish").await, ["one", "two", "three", "four"]);
        // The old one goes after log.segment.delete.delay.ms.
        env.sleep(Duration::from_secs(3)).await;
        let left = env.disk().list(Path::new("/data")).unwrap();
        assert!(!left.iter().any(|entry| entry.name.starts_with("fish")), "{left:?}");
        node.stop().await;
        let node = two(&env).await;
        let client = crate::support::client(&world.node(2)).await;
        until(&client, "/data: | /more: bird-0 lag 0, fish-0 lag 0").await;
        assert_eq!(values(&client, "fish").await, ["one", "two", "three", "four"]);
        node.stop().await;
    });
}

#[test]
fn a_move_is_slow_when_it_is_told_to_be_and_goes_on_after_stop_and_crash() {
    World::new(2).run(async |world: World| {
        let env = world.node(1);
        let node = two(&env).await;
        let told = client(&world.node(2)).await;
        create_topic(&told, "fish").await;
        for _ in 0..6 {
            produce(&told, "fish", &["some more bytes that have to be copied"]).await;
        }
        let key = "replica.alter.log.dirs.io.max.bytes.per.second";
        set_broker_config(&told, "", key, "1").await;
        assert_eq!(alter_dirs(&told, "fish", "/more").await, ErrorCode::NONE);
        // What was copied is paid for afterwards: one round, and then nothing for minutes.
        until(&told, "/data: fish-0 lag 0 | /more: fish-0 future lag 0").await;
        produce(&told, "fish", &["late"]).await;
        until(&told, "/data: fish-0 lag 0 | /more: fish-0 future lag 1").await;
        env.sleep(Duration::from_secs(20)).await;
        until(&told, "/data: fish-0 lag 0 | /more: fish-0 future lag 1").await;
        node.stop().await;
        let node = two(&env).await;
        let told = client(&world.node(2)).await;
        // One more round, which is not paid for yet.
        until(&told, "/data: fish-0 lag 0 | /more: fish-0 future lag 0").await;
        node.crash().await;
        let node = two(&env).await;
        let told = client(&world.node(2)).await;
        set_broker_config(&told, "", key, "1000000").await;
        until(&told, "/data: | /more: fish-0 lag 0").await;
        assert_eq!(values(&told, "fish").await.len(), 7);
        node.stop().await;
    });
}

#[test]
fn so_many_replicas_move_at_a_time_as_there_are_threads_for_it() {
    for (threads, second) in [("1", "1"), ("2", "0")] {
        World::new(5).run(async |world: World| {
            let threads = format!("num.replica.alter.log.dirs.threads={threads}");
            let two = ["log.dirs=/data,/more", &threads];
            let node = start_with(&world.node(1), &two).await.expect("it starts");
            let client = client(&world.node(2)).await;
            for topic in ["bird", "crab", "fish"] {
                create_topic(&client, topic).await;
                produce(&client, topic, &["one"]).await;
            }
            until(&client, "/data: bird-0 lag 0, fish-0 lag 0 | /more: crab-0 lag 0").await;
            let key = "replica.alter.log.dirs.io.max.bytes.per.second";
            set_broker_config(&client, "", key, "1").await;
            // Each copies its first round at once, and then pays for it for minutes.
            alter_dirs(&client, "bird", "/more").await;
            let first = "/data: bird-0 lag 0, fish-0 lag 0 | \
                         /more: bird-0 future lag 0, crab-0 lag 0";
            until(&client, first).await;
            alter_dirs(&client, "fish", "/more").await;
            let both = format!("{first}, fish-0 future lag {second}");
            until(&client, &both).await;
            client.env().sleep(Duration::from_secs(20)).await;
            until(&client, &both).await;
            set_broker_config(&client, "", key, "1000000").await;
            until(&client, "/data: | /more: bird-0 lag 0, crab-0 lag 0, fish-0 lag 0").await;
            node.stop().await;
        });
    }
}

#[test]
fn a_move_ends_when_the_replica_is_sent_back_or_its_topic_is_deleted() {
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        let node = two(&env).await;
        let client = client(&world.node(2)).await;
        let key = "replica.alter.log.dirs.io.max.bytes.per.second";
        set_broker_config(&client, "", key, "1").await;
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one"]).await;
        alter_dirs(&client, "fish", "/more").await;
        until(&client, "/data: fish-0 lag 0 | /more: fish-0 future lag 0").await;
        assert_eq!(alter_dirs(&client, "fish", "/data").await, ErrorCode::NONE);
        until(&client, "/data: fish-0 lag 0 | /more:").await;
        alter_dirs(&client, "fish", "/more").await;
        until(&client, "/data: fish-0 lag 0 | /more: fish-0 future lag 0").await;
        client.admin().delete_topics(&["fish".into()]).await.expect("an answer");
        until(&client, "/data: | /more:").await;
        env.sleep(Duration::from_secs(3)).await;
        for dir in ["/data", "/more"] {
            let left = env.disk().list(Path::new(dir)).unwrap();
            assert!(!left.iter().any(|entry| entry.name.starts_with("fish")), "{left:?}");
        }
        node.stop().await;
    });
}

#[test]
fn moves_are_refused_in_kafkas_words_and_a_place_is_kept_for_what_is_not_there_yet() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        let node = two(&env).await;
        let client = client(&world.node(2)).await;
        assert_eq!(alter_dirs(&client, "fish", "/none").await, ErrorCode::LOG_DIR_NOT_FOUND);
        assert_eq!(alter_dirs(&client, "fish", "/more/").await, ErrorCode::LOG_DIR_NOT_FOUND);
        let long = "x".repeat(230);
        let refused = alter_dirs(&client, &long, "/more").await;
        assert_eq!(refused, ErrorCode::INVALID_TOPIC_EXCEPTION);
        let unknown = alter_dirs(&client, "fish", "/more").await;
        assert_eq!(unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        create_topic(&client, "fish").await;
        until(&client, "/data: | /more: fish-0 lag 0").await;
        assert_eq!(alter_dirs(&client, "fish", "/more").await, ErrorCode::NONE);
        set_broker_config(&client, "1", "cordoned.log.dirs", "/data").await;
        until(&client, "/data: cordoned | /more: fish-0 lag 0").await;
        let cordoned = alter_dirs(&client, "fish", "/data").await;
        assert_eq!(cordoned, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
        create_topic(&client, "bird").await;
        until(&client, "/data: cordoned | /more: bird-0 lag 0, fish-0 lag 0").await;
        node.stop().await;
    });
}
