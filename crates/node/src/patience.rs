//! A line each second for whoever waits for something long: the recovery of logs, a stop with many.
//!
//! Not here: how far it is (storage's headway). Must hold: what takes less than a second is not
//! told of.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use ottla_env::Env;
use ottla_storage::LogDirs;

/// How often it is told.
const EACH: Duration = Duration::from_secs(1);

/// Does `work`, and calls `tell` each second with the time that it has taken so far.
pub(crate) async fn told<T>(
    env: &Env,
    work: impl Future<Output = T>,
    tell: impl Fn(Duration),
) -> T {
    let (began, mut work) = (env.monotonic(), pin!(work));
    loop {
        match env.timeout(EACH, work.as_mut()).await {
            Ok(done) => return done,
            Err(_) => tell(env.monotonic() - began),
        }
    }
}

/// Tells how far the recovery of the logs is.
pub(crate) fn recovery(dirs: &LogDirs, taken: Duration) {
    let headway = dirs.headway();
    let left = left(taken, headway.opened, headway.found);
    tracing::info!(
        opened = headway.opened,
        of = headway.found,
        read_bytes = headway.recovered_bytes,
        left_seconds = left.map(|left| left.as_secs()),
        "logs are opened"
    );
}

/// Tells how far the closing of the logs is.
pub(crate) fn closing(dirs: &LogDirs, taken: Duration) {
    let headway = dirs.headway();
    let seconds = taken.as_secs();
    tracing::info!(
        closed = headway.closed,
        of = headway.closing,
        seconds,
        "logs are closed and synced"
    );
}

/// How long the rest will take if it goes on like this; nobody knows before the first is done.
fn left(taken: Duration, done: usize, of: usize) -> Option<Duration> {
    let done = u32::try_from(done).ok().filter(|done| *done > 0)?;
    let rest = u32::try_from(of).ok()?.saturating_sub(done);
    Some(taken.checked_mul(rest)? / done)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use ottla_sim::World;

    use super::*;

    fn check(work_ms: u64, expect: usize) {
        World::new(1).run(async |world: World| {
            let env = world.node(1);
            let lines = Cell::new(0);
            let work = env.sleep(Duration::from_millis(work_ms));
            told(&env, work, |taken| {
                lines.set(lines.get() + 1);
                assert!(taken.as_secs() >= lines.get() as u64);
            })
            .await;
            assert_eq!(lines.get(), expect, "{work_ms} ms");
        });
    }

    #[test]
    fn a_line_comes_each_second_and_none_for_less() {
        check(0, 0);
        check(990, 0);
        check(3_500, 3);
    }

    #[test]
    fn the_rest_is_guessed_from_what_was_done() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(10), 0, 10), None);
        assert_eq!(left(seconds(10), 5, 10), Some(seconds(10)));
        assert_eq!(left(seconds(10), 10, 10), Some(seconds(0)));
        assert_eq!(left(seconds(2), 1, 8), Some(seconds(14)));
    }
}
