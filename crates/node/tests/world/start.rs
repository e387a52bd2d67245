//! What an end leaves behind: no task, no lock, and a folder on which a start works at once.

use std::time::Duration;

use ottla_sim::World;

use crate::clients::connect;
use crate::server::{NODE, Server, settings, start};

#[test]
fn a_node_without_an_advertised_host_tells_others_its_own_name() {
    let world = World::new(5);
    world.run(async |world: World| {
        let node = start(&world.node(NODE), settings(&[])).await;
        let client = connect(&world.node(2)).await;
        let cluster = client.cluster();
        let hosts: Vec<&str> = cluster.brokers.values().map(|broker| &*broker.host).collect();
        assert_eq!(hosts, ["node-1"]);
        node.stop().await;
    });
}

#[test]
fn a_node_that_stopped_leaves_no_task_and_no_lock() {
    let world = World::new(2);
    world.run(async |world: World| {
        let env = world.node(NODE);
        for _ in 0..3 {
            let node = start(&env, settings(&[])).await;
            assert_ne!(world.tasks(NODE), Vec::<&str>::new());
            node.stop().await;
            assert_eq!(world.tasks(NODE), Vec::<&str>::new());
        }
    });
}

#[test]
fn a_node_that_crashed_leaves_no_task_and_no_lock() {
    let world = World::new(6);
    world.run(async |world: World| {
        let env = world.node(NODE);
        for _ in 0..3 {
            start(&env, settings(&[])).await.crash().await;
            assert_eq!(world.tasks(NODE), Vec::<&str>::new());
        }
    });
}

#[test]
fn a_node_that_was_dropped_leaves_no_task_and_no_lock() {
    let world = World::new(3);
    world.run(async |world: World| {
        let env = world.node(NODE);
        for _ in 0..3 {
            let node = start(&env, settings(&[])).await;
            drop(node);
            // Tasks that were ended go at their next turn.
            world.sleep(Duration::from_millis(1)).await;
            assert_eq!(world.tasks(NODE), Vec::<&str>::new());
        }
    });
}

#[test]
fn a_start_that_is_given_up_leaves_no_task_and_no_lock() {
    for ms in 0..8 {
        let world = World::new(100 + ms);
        world.run(async |world: World| {
            let env = world.node(NODE);
            let begun = env.timeout(Duration::from_millis(ms), start(&env, settings(&[]))).await;
            drop(begun);
            // What the disk was doing then may go on for a moment.
            world.sleep(Duration::from_millis(50)).await;
            assert_eq!(world.tasks(NODE), Vec::<&str>::new());
            start(&env, settings(&[])).await.stop().await;
        });
    }
}

#[test]
fn a_node_starts_again_at_once_after_any_end() {
    let world = World::new(4);
    world.run(async |world: World| {
        let mut server = Server::new(&world, settings(&[]));
        for moment in 0..18 {
            server.start();
            world.sleep(Duration::from_millis(moment * 3)).await;
            match moment % 3 {
                0 => server.kill(),
                1 => server.crash(),
                _ => server.stop().await,
            }
        }
    });
}
