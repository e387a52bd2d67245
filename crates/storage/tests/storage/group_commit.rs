//! Syncs that many wait for: shared, taken over from who goes away, and never believed when one
//! has failed.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use ottla_env::Env;
use ottla_sim::{Broken, World};
use ottla_storage::{Log, LogConfig, Opening};
use ottla_wire::Offset;

use crate::support::{batch, contents, directory, lead, opening};

fn with_log(seed: u64, test: impl AsyncFnOnce(World, Env, Arc<Log>)) {
    let world = World::new(seed);
    world.run(async |world: World| {
        let env = world.node(1);
        let log = open(&env, true);
        say(&log);
        log.synced(&env, log.end()).await.unwrap();
        test(world, env, log).await;
    });
}

fn open(env: &Env, clean: bool) -> Arc<Log> {
    let opening = opening(&directory(env.disk(), "/logs"), "orders-0", clean);
    let config = LogConfig { segment_index_bytes: 1 << 12, ..LogConfig::default() };
    Log::open(Opening { config: Arc::new(config), ..opening }).unwrap()
}

/// Appends a record; answers the offset behind it.
fn say(log: &Log) -> Offset {
    log.append(&batch(None, false, &["value"]), lead()).unwrap().last_offset.next()
}

#[test]
fn those_who_wait_for_one_log_share_its_syncs() {
    for seed in 0..4 {
        with_log(seed, async |world, env, log| {
            let before = world.disk(1).syncs();
            let acknowledged = Arc::new(AtomicUsize::new(0));
            let tasks = env.tasks();
            for _ in 0..32 {
                let (log, env, count) = (log.clone(), env.clone(), acknowledged.clone());
                tasks.spawn("producer", async move {
                    for _ in 0..5 {
                        let end = say(&log);
                        log.synced(&env, end).await.unwrap();
                        assert!(log.recovery_point() >= end);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            tasks.join_all().await;
            assert_eq!(acknowledged.load(Ordering::Relaxed), 160);
            let syncs = world.disk(1).syncs() - before;
            // One at a time, each for all who came before it.
            assert!(syncs <= 20, "{syncs} syncs for 160 appends");
        });
    }
}

#[test]
fn a_sync_whose_maker_went_away_is_made_by_another() {
    for seed in 0..20 {
        with_log(seed, async |_, env, log| {
            let end = say(&log);
            {
                let mut gone = pin!(log.synced(&env, end));
                let _ = gone.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
            log.synced(&env, end).await.unwrap();
            assert!(log.recovery_point() >= end);
        });
    }
}

#[test]
fn who_waits_learns_that_the_sync_failed() {
    with_log(1, async |world, env, log| {
        let end = say(&log);
        world.disk(1).break_below("/logs", Broken::Syncs);
        let (first, second) = tokio::join!(log.synced(&env, end), log.synced(&env, end));
        assert!(first.is_err() && second.is_err());
        assert!(log.recovery_point() < end);
    });
}

#[test]
fn what_was_waited_for_survives_a_power_cut() {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(async |world: World| {
            let env = world.node(1);
            env.disk().create_dir_all(Path::new("/logs")).unwrap();
            env.disk().sync_dir(Path::new("/")).unwrap();
            let log = open(&env, true);
            let ends: Vec<Offset> = (0..20).map(|_| say(&log)).collect();
            log.synced(&env, ends[14]).await.unwrap();
            let sure = log.recovery_point();
            assert!(sure >= ends[14]);
            drop((log, env));
            world.crash(1);
            let log = open(&world.boot(1), false);
            assert!(log.end() >= sure && contents(&log).len() >= 15);
        });
    }
}
