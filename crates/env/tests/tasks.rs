//! The real world's tasks, timers, randomness and blocking calls.
//!
//! Times here are only bounds for liveness: generous enough that a slow machine keeps them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_env::{BLOCKING_CALLS_MAX, Elapsed, Env, Instant};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(60);

/// Runs `test` in a real world on a runtime of its own.
fn in_the_real_world(test: impl AsyncFnOnce(Env)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(async {
        let bound = tokio::time::timeout_at(tokio::time::Instant::now() + LONG, test(env));
        bound.await.expect("the test hangs");
    });
}

async fn hold(held: Arc<()>) {
    std::future::pending::<()>().await;
    drop(held);
}

#[test]
fn a_dropped_scope_ends_all_its_tasks() {
    in_the_real_world(async |env| {
        let held = Arc::new(());
        let tasks = env.tasks();
        for _ in 0..10 {
            tasks.spawn("holder", hold(held.clone()));
        }
        assert_eq!(tasks.running(), 10);
        drop(tasks);
        while Arc::strong_count(&held) > 1 {
            env.yield_now().await;
        }
    });
}

#[test]
fn a_shutdown_leaves_nothing_behind_and_nothing_can_be_added() {
    in_the_real_world(async |env| {
        let held = Arc::new(());
        let tasks = env.tasks();
        let spawner = tasks.spawner();
        let (inner, inner_held) = (spawner.clone(), held.clone());
        tasks.spawn("parent", async move {
            inner.spawn("child", hold(inner_held.clone()));
            hold(inner_held).await;
        });
        while tasks.running() < 2 {
            env.yield_now().await;
        }
        tasks.shutdown().await;
        assert_eq!((Arc::strong_count(&held), tasks.running()), (1, 0));
        let late = spawner.spawn("late", hold(held.clone()));
        assert!(late.is_finished());
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn one_task_can_be_ended_and_waited_for() {
    in_the_real_world(async |env| {
        let tasks = env.tasks();
        let held = Arc::new(());
        let task = tasks.spawn("holder", hold(held.clone()));
        let other = tasks.spawn("short", async {});
        other.join().await;
        assert!(!task.is_finished());
        task.abort();
        task.join().await;
        assert_eq!(Arc::strong_count(&held), 1);
        tasks.join_all().await;
    });
}

#[test]
fn a_panic_is_seen_by_the_owner_of_the_scope() {
    in_the_real_world(async |env| {
        let tasks = env.tasks();
        let (sender, ended) = oneshot::channel::<()>();
        tasks.spawn("doomed", async move {
            let _held = sender;
            panic!("invariant {} is broken", 7);
        });
        let failure = tasks.failed().await;
        assert_eq!((failure.task, failure.message.as_str()), ("doomed", "invariant 7 is broken"));
        assert!(ended.await.is_err(), "what the task held is dropped");
        assert_eq!(tasks.failure(), Some(failure));
        tasks.join_all().await;
    });
}

#[test]
fn sleeps_end_not_before_their_time_and_can_be_set_again() {
    in_the_real_world(async |env| {
        let at = env.monotonic() + Duration::from_millis(20);
        env.sleep_until(at).await;
        assert!(env.monotonic() >= at);
        let mut sleep = env.sleep(Duration::MAX);
        assert_eq!(sleep.deadline(), Instant::MAX);
        sleep.reset(Instant::ZERO);
        sleep.await;
    });
}

#[test]
fn a_timeout_drops_what_is_late() {
    in_the_real_world(async |env| {
        let (sender, never) = oneshot::channel::<()>();
        assert_eq!(env.timeout(Duration::from_millis(1), never).await, Err(Elapsed));
        assert!(sender.is_closed());
        assert_eq!(env.timeout(LONG, std::future::ready(3)).await, Ok(3));
    });
}

#[test]
fn blocking_calls_are_bounded_and_give_their_result() {
    in_the_real_world(async |env| {
        let tasks = env.tasks();
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 * BLOCKING_CALLS_MAX {
            let (env, running, most) = (env.clone(), running.clone(), most.clone());
            tasks.spawn("caller", async move {
                let work = move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    42
                };
                assert_eq!(env.blocking(work).await, 42);
            });
        }
        tasks.join_all().await;
        assert_eq!(tasks.failure(), None);
        assert!(most.load(Ordering::SeqCst) <= BLOCKING_CALLS_MAX);
    });
}

#[test]
fn a_panic_of_a_blocking_call_goes_on_in_its_caller() {
    in_the_real_world(async |env| {
        let tasks = env.tasks();
        let caller = env.clone();
        tasks.spawn("caller", async move { caller.blocking(|| panic!("in the pool")).await });
        assert_eq!(tasks.failed().await.message, "in the pool");
    });
}

#[test]
fn random_numbers_differ_and_the_clock_is_of_this_century() {
    in_the_real_world(async |env| {
        assert_ne!(env.random_u64(), env.random_u64());
        assert_ne!(env.random_bytes::<16>(), [0; 16]);
        assert!(env.now_ms() > 1_700_000_000_000);
    });
}
