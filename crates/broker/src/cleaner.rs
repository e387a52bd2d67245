//! Runs compaction: `log.cleaner.threads` cleaners, each taking the dirtiest log that is due, all
//! within `log.cleaner.io.max.bytes.per.second`.
//!
//! The work itself is storage's, in steps of a few megabytes on threads that may wait for the
//! disk. Changes of the configs hold from the next step or the next pass on. Not here: which log
//! is due and what is left of it. Must hold: with nothing due a cleaner only looks each
//! `log.cleaner.backoff.ms`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla_env::{Instant, Spawner, Task, Tasks};
use ottla_settings::CleanerSettings;
use ottla_storage::{Cleaning, Pass, Progress};
use ottla_wire::Timestamp;

use crate::context::Rooms;

/// How often it is looked whether there should be more cleaners.
const CLEANERS_CHECK: Duration = Duration::from_secs(1);
/// The longest that the throttle lets a cleaner wait at once, so that a higher limit is noticed.
const THROTTLE_MAX: Duration = Duration::from_secs(10);

/// Starts the cleaners.
pub(crate) fn spawn(rooms: &Arc<Rooms>, tasks: &Tasks) {
    if rooms.configs.now().cleaner.enable {
        tasks.spawn("cleaners", supervise(Arc::clone(rooms), tasks.spawner()));
    }
}

/// Keeps as many cleaners running as the configuration says; those that are too many end.
async fn supervise(rooms: Arc<Rooms>, tasks: Spawner) {
    let throttle = Arc::new(Throttle { free_at: Mutex::new(rooms.env.monotonic()) });
    let mut cleaners: Vec<Task> = Vec::new();
    loop {
        cleaners.retain(|cleaner| !cleaner.is_finished());
        let wanted = cleaner_count(&rooms.configs.now().cleaner);
        while cleaners.len() < wanted {
            let cleaner = run(Arc::clone(&rooms), Arc::clone(&throttle), cleaners.len());
            cleaners.push(tasks.spawn("cleaner", cleaner));
        }
        rooms.env.sleep(CLEANERS_CHECK).await;
    }
}

/// One cleaner. It ends when there should be fewer.
async fn run(rooms: Arc<Rooms>, throttle: Arc<Throttle>, number: usize) {
    loop {
        let settings = rooms.configs.now().cleaner.clone();
        if number >= cleaner_count(&settings) {
            return;
        }
        let (dirs, now) = (Arc::clone(&rooms.dirs), Timestamp(rooms.env.now_ms()));
        let cleaning = cleaning(&settings);
        let pass = rooms.env.blocking(move || dirs.next_to_clean(&cleaning, now)).await;
        let done = match pass {
            Some(pass) => clean(&rooms, &throttle, pass).await == Progress::Done,
            None => false,
        };
        if !done {
            let backoff_ms = u64::try_from(settings.backoff_ms).unwrap_or(0).max(1);
            rooms.env.sleep(Duration::from_millis(backoff_ms)).await;
        }
    }
}

/// Takes the steps of a pass to its end.
async fn clean(rooms: &Rooms, throttle: &Throttle, mut pass: Pass) -> Progress {
    loop {
        let dirs = Arc::clone(&rooms.dirs);
        let step = move || {
            let progress = dirs.clean(&mut pass);
            (pass, progress)
        };
        let (taken, progress) = rooms.env.blocking(step).await;
        let Progress::More { bytes } = progress else { return progress };
        pass = taken;
        let rate = rooms.configs.now().cleaner.io_max_bytes_per_second;
        let until = throttle.take(rooms.env.monotonic(), bytes, rate);
        rooms.env.sleep_until(until).await;
    }
}

fn cleaner_count(settings: &CleanerSettings) -> usize {
    usize::try_from(settings.threads).unwrap_or(0)
}

fn cleaning(settings: &CleanerSettings) -> Cleaning {
    Cleaning {
        key_bytes: u64::try_from(settings.dedupe_buffer_size).unwrap_or(0),
        load_factor: settings.io_buffer_load_factor,
        io_bytes: u64::try_from(settings.io_buffer_size).unwrap_or(0),
        cleaners: u64::try_from(settings.threads).unwrap_or(1),
    }
}

/// When the bytes that all cleaners have moved so far are paid for.
struct Throttle {
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// Takes note of bytes; answers when to go on.
    fn take(&self, now: Instant, bytes: u64, bytes_per_second: f64) -> Instant {
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second);
        let cost = cost.unwrap_or(THROTTLE_MAX).min(THROTTLE_MAX);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = (*free_at).max(now) + cost;
        *free_at
    }
}
