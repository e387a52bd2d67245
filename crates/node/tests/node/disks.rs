//! What a node does when its disk fails or is full.

use std::time::Duration;

use ottla_sim::{Broken, World};

use crate::support::{client, create_topic, produce, start, values};

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
