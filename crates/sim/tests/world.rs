//! The executor and the clocks: order, determinism, life and death of nodes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::sync::Arc;
use std::time::Duration;

use ottla_env::{Elapsed, Env, Instant};
use ottla_sim::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A world of three nodes that talk, write, are killed and cut off; gives back its trace.
fn busy_world(seed: u64) -> (u64, u64, Vec<String>) {
    let world = World::new(seed);
    world.keep_trace();
    world.run(async |world: World| {
        for node in 1..=3 {
            world.start(node, serve);
        }
        let client = world.node(9);
        let tasks = client.tasks();
        for node in 1..=3_u32 {
            let env = client.clone();
            tasks.spawn("ask", async move {
                for _ in 0..20 {
                    let _ = env.timeout(ms(500), ask(&env, node)).await;
                    env.sleep(ms(env.random_u64() % 20)).await;
                }
            });
        }
        world.sleep(ms(50)).await;
        world.partition(&[9], &[1]);
        world.restart(2, serve);
        world.sleep(ms(50)).await;
        world.crash(3);
        world.heal();
        world.sleep(ms(20)).await;
        world.restart(3, serve);
        tasks.join_all().await;
    });
    (world.trace_hash(), world.steps(), world.trace())
}

async fn serve(env: Env) {
    let listener = env.net().listen("0.0.0.0:7".parse().unwrap()).await.unwrap();
    let tasks = env.tasks();
    while let Ok((mut stream, _)) = listener.accept().await {
        let env = env.clone();
        tasks.spawn("serve", async move {
            let mut bytes = [0; 100];
            while stream.read_exact(&mut bytes).await.is_ok() {
                let disk = env.disk().clone();
                let stored = env.blocking(move || disk.replace("/answer".as_ref(), &bytes)).await;
                if stored.is_err() || stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn ask(env: &Env, node: u32) -> std::io::Result<()> {
    let mut stream = env.net().connect(&format!("node-{node}"), 7).await?;
    let question = env.random_bytes::<100>();
    stream.write_all(&question).await?;
    let mut answer = [0; 100];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, question);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..10 {
        let (first, second) = (busy_world(seed), busy_world(seed));
        assert_eq!(first.2, second.2, "seed {seed}");
        assert_eq!((first.0, first.1), (second.0, second.1), "seed {seed}");
        assert!(first.1 > 300, "too little happened in seed {seed}");
    }
}

#[test]
fn who_waits_for_a_watch_wakes_in_the_order_of_the_seed() {
    // A watch keeps those who wait in lists that it picks by chance of its own.
    let told = || {
        let world = World::new(11);
        world.run(async |world: World| {
            let (sender, receiver) = watch::channel(0);
            let tasks = world.node(1).tasks();
            for _ in 0..32 {
                let mut told = receiver.clone();
                tasks.spawn("waits", async move { while told.changed().await.is_ok() {} });
            }
            for number in 1..=8 {
                world.sleep(ms(1)).await;
                sender.send_replace(number);
            }
            drop(sender);
            tasks.join_all().await;
        });
        world.trace_hash()
    };
    let first = told();
    assert!((0..8).all(|_| told() == first));
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(busy_world(1).0, busy_world(2).0);
}

#[test]
fn chance_from_outside_the_seed_shows_in_the_trace() {
    use std::hash::{BuildHasher, RandomState};
    let careless = || {
        let world = World::new(1);
        let foreign = RandomState::new().hash_one(0) >> 16;
        world.run(async |world: World| world.sleep(Duration::from_nanos(foreign)).await);
        world.trace_hash()
    };
    assert_ne!(careless(), careless());
}

#[test]
fn timers_end_in_their_order_and_take_no_real_time() {
    let world = World::new(1);
    let order = world.run(async |world: World| {
        let env = world.node(1);
        let tasks = env.tasks();
        let (sender, mut ended) = mpsc::channel(10);
        for hours in [3, 1, 4, 2] {
            let (env, sender) = (env.clone(), sender.clone());
            tasks.spawn("timer", async move {
                env.sleep(ms(hours * 3_600_000)).await;
                sender.send((hours, env.monotonic())).await.unwrap();
            });
        }
        drop(sender);
        let mut order = Vec::new();
        while let Some(end) = ended.recv().await {
            order.push(end);
        }
        order
    });
    let hour = Duration::from_secs(3600);
    let expect: Vec<_> = (1..=4).map(|n| (u64::from(n), Instant::ZERO + hour * n)).collect();
    assert_eq!(order, expect);
}

#[test]
fn ready_tasks_run_in_every_order_over_the_seeds() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let order = World::new(seed).run(async |world: World| {
            let tasks = world.node(1).tasks();
            let order = Arc::new(Mutex::new(Vec::new()));
            for number in 0..3 {
                let order = order.clone();
                tasks.spawn("task", async move { order.lock().await.push(number) });
            }
            tasks.join_all().await;
            order.lock().await.clone()
        });
        seen.insert(order);
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_sleep_that_is_set_again_ends_at_the_later_time() {
    World::new(3).run(async |world: World| {
        let env = world.node(1);
        let mut sleep = env.sleep(ms(10));
        sleep.reset(Instant::ZERO + ms(30));
        (&mut sleep).await;
        assert_eq!(env.monotonic(), Instant::ZERO + ms(30));
        sleep.reset(Instant::ZERO + ms(40));
        sleep.await;
        assert_eq!(env.monotonic(), Instant::ZERO + ms(40));
    });
}

#[test]
fn a_timeout_ends_what_is_not_ready() {
    World::new(4).run(async |world: World| {
        let env = world.node(1);
        let (_sender, never) = oneshot::channel::<()>();
        assert_eq!(env.timeout(ms(5), never).await, Err(Elapsed));
        assert_eq!(env.timeout(ms(5), env.sleep(ms(5))).await, Ok(()));
    });
}

#[test]
fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
    World::new(5).run(async |world: World| {
        let (one, other) = (world.node(1), world.node(2));
        let (before, wall) = (one.monotonic(), one.now_ms());
        world.jump_clock(1, -60_000);
        assert_eq!(one.now_ms(), wall - 60_000);
        assert_eq!(one.monotonic(), before);
        assert_eq!(other.now_ms(), wall);
        world.sleep(ms(7)).await;
        assert_eq!(one.now_ms(), wall - 60_000 + 7);
    });
}

#[test]
fn a_killed_node_does_nothing_more() {
    World::new(6).run(async |world: World| {
        let (sender, alive) = watch::channel(0);
        let env = world.start(1, |env| async move {
            loop {
                env.sleep(ms(1)).await;
                sender.send_modify(|count| *count += 1);
            }
        });
        world.sleep(ms(100)).await;
        world.kill(1);
        let count = *alive.borrow();
        assert!(count > 90);
        world.sleep(ms(100)).await;
        assert_eq!(*alive.borrow(), count);
        assert!(alive.has_changed().is_err(), "the task's sender is dropped");
        assert!(env.disk().list("/".as_ref()).is_err());
        assert!(env.net().connect("localhost", 1).await.is_err());
        let tasks = env.tasks();
        tasks.spawn("late", async { panic!("a dead node runs nothing") });
        world.sleep(ms(1)).await;
        assert_eq!(tasks.running(), 0);
    });
}

#[test]
fn a_stalled_node_catches_up() {
    World::new(7).run(async |world: World| {
        let (sender, woke) = oneshot::channel();
        world.start(1, |env| async move {
            env.sleep(ms(10)).await;
            let _ = sender.send(env.monotonic());
        });
        world.sleep(ms(1)).await;
        world.stall(1, ms(500));
        assert_eq!(woke.await, Ok(Instant::ZERO + ms(501)));
    });
}

#[test]
fn a_dropped_scope_ends_its_tasks_and_an_aborted_task_gives_back_what_it_held() {
    World::new(8).run(async |world: World| {
        let env = world.node(1);
        let tasks = env.tasks();
        let held = Arc::new(());
        for _ in 0..3 {
            let held = held.clone();
            tasks.spawn("holder", async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        let held_by_one = held.clone();
        let one = tasks.spawn("one", async move {
            std::future::pending::<()>().await;
            drop(held_by_one);
        });
        world.sleep(ms(1)).await;
        one.abort();
        one.join().await;
        assert_eq!(Arc::strong_count(&held), 4);
        drop(tasks);
        world.sleep(ms(1)).await;
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
#[should_panic(expected = "on node 1, task process failed: broken invariant")]
fn a_panic_of_a_node_fails_the_run() {
    World::new(9).run(async |world: World| {
        world.start(1, async |_: Env| panic!("broken invariant"));
        world.sleep(ms(1)).await;
    });
}

#[test]
fn an_expected_panic_is_told_to_the_scope() {
    let world = World::new(10);
    world.allow_failures();
    world.run(async |world: World| {
        let tasks = world.node(1).tasks();
        tasks.spawn("doomed", async { panic!("on purpose") });
        assert_eq!(tasks.failed().await.to_string(), "task doomed failed: on purpose");
        assert_eq!(world.failures().len(), 1);
    });
}

#[test]
#[should_panic(expected = "stands still, the test waits for nothing that will come (seed 11)")]
fn a_world_in_which_nothing_can_happen_fails() {
    World::new(11).run(async |_| std::future::pending::<()>().await);
}

#[test]
#[should_panic(expected = "took over 1001 steps (seed 12)")]
fn a_world_that_never_rests_fails() {
    let world = World::new(12);
    world.limit_steps(1_000);
    world.run(async |world: World| {
        let env = world.node(1);
        loop {
            env.yield_now().await;
        }
    });
}

#[test]
#[should_panic(expected = "was not done in time (seed 13)")]
fn a_run_with_a_limit_fails_when_the_time_is_over() {
    let world = World::new(13);
    world.run_until(ms(10), world.sleep(ms(11)));
}

#[test]
fn the_world_goes_on_from_run_to_run() {
    let world = World::new(14);
    let count = Arc::new(Mutex::new(0));
    let counter = count.clone();
    world.start(1, |env| async move {
        for _ in 0..10 {
            env.sleep(ms(1)).await;
            *counter.lock().await += 1;
        }
    });
    world.run_until(ms(100), world.sleep(Duration::from_micros(4_500)));
    assert_eq!(*count.try_lock().unwrap(), 4);
    world.run_until(ms(100), world.sleep(ms(3)));
    assert_eq!(*count.try_lock().unwrap(), 7);
}
