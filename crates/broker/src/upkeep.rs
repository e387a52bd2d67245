//! What a broker does by itself for its logs: syncs behind the writers, checkpoints, retention,
//! removal of what was deleted.
//!
//! Each is one task for all logs: an idle partition costs nothing here.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::Tasks;
use ottla_storage::{Directory, LogDirs};
use ottla_wire::Timestamp;

use crate::context::Rooms;

/// How often unsynced logs are looked at, for `flush.ms` and for closed segments.
const SYNC_CHECK: Duration = Duration::from_millis(500);
/// How often it is looked whether a disk hangs.
const HANG_CHECK: Duration = Duration::from_secs(1);
/// How often deleted files are looked for (`file.delete.delay.ms` says when they are due).
const REMOVAL_CHECK: Duration = Duration::from_secs(1);
/// How often files are closed that nobody has to sync.
const IDLE_FILES_CHECK: Duration = Duration::from_secs(60);
/// How often idle producers are looked for.
const PRODUCERS_CHECK: Duration = Duration::from_secs(600);

/// Starts the tasks.
pub(crate) fn spawn(rooms: &Arc<Rooms>, tasks: &Tasks) {
    let settings = rooms.configs.now();
    let (log, replication) = (&settings.log, &settings.replication);
    let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1));
    let after = |first, name, period, work: fn(&LogDirs, Timestamp)| {
        tasks.spawn(name, repeat(Arc::clone(rooms), first, period, work));
    };
    let every = |name, period, work| after(period, name, period, work);
    let later = |name, period, work| after(ms(log.initial_task_delay_ms), name, period, work);
    for directory in rooms.dirs.directories() {
        tasks.spawn("write behind", write_behind(Arc::clone(rooms), Arc::clone(directory)));
        tasks.spawn("sync", sync(Arc::clone(rooms), Arc::clone(directory)));
    }
    tasks.spawn("hanging disks", watch_disks(Arc::clone(rooms)));
    let recovery = i64::from(log.flush_offset_checkpoint_interval_ms);
    later("recovery points", ms(recovery), |dirs, _| dirs.write_recovery_points());
    let starts = i64::from(log.flush_start_offset_checkpoint_interval_ms);
    later("log starts", ms(starts), |dirs, _| dirs.write_log_starts());
    let high_watermarks = replication.replica_high_watermark_checkpoint_interval_ms;
    every("high watermarks", ms(high_watermarks), |dirs, _| dirs.write_high_watermarks());
    later("retention", ms(log.retention_check_interval_ms), |dirs, now| {
        dirs.retain(now);
    });
    tasks.spawn("removal", remove(Arc::clone(rooms)));
    every("idle files", IDLE_FILES_CHECK, |dirs, _| dirs.close_idle_files());
    every("producers", PRODUCERS_CHECK, |dirs, now| dirs.expire_producers(now));
}

async fn write_behind(rooms: Arc<Rooms>, directory: Arc<Directory>) {
    loop {
        directory.much_unwritten().await;
        let directory = Arc::clone(&directory);
        rooms.env.blocking(move || directory.write_behind()).await;
    }
}

async fn sync(rooms: Arc<Rooms>, directory: Arc<Directory>) {
    loop {
        // Whichever comes first.
        let _ = rooms.env.timeout(SYNC_CHECK, directory.many_unsynced()).await;
        let _underway = directory.sync_begins(rooms.env.monotonic());
        if directory.lacks_files() {
            rooms.dirs.close_crowd(&directory).await;
        }
        if !directory.has_unsynced() {
            continue;
        }
        let (dirs, directory) = (Arc::clone(&rooms.dirs), Arc::clone(&directory));
        let now = Timestamp(rooms.env.now_ms());
        rooms.env.blocking(move || dirs.background_sync_of(&directory, now)).await;
    }
}

/// Waits for no disk itself, and so notices one that hangs.
async fn watch_disks(rooms: Arc<Rooms>) {
    loop {
        rooms.env.sleep(HANG_CHECK).await;
        let now = rooms.env.monotonic();
        rooms.dirs.directories().for_each(|directory| directory.tell_hang(now));
    }
}

async fn remove(rooms: Arc<Rooms>) {
    loop {
        rooms.env.sleep(REMOVAL_CHECK).await;
        if rooms.dirs.have_removals() {
            let (dirs, now) = (Arc::clone(&rooms.dirs), Timestamp(rooms.env.now_ms()));
            rooms.env.blocking(move || dirs.remove_due(now)).await;
        }
    }
}

async fn repeat(
    rooms: Arc<Rooms>,
    first: Duration,
    period: Duration,
    work: fn(&LogDirs, Timestamp),
) {
    let mut wait = first;
    loop {
        rooms.env.sleep(wait).await;
        wait = period;
        let (dirs, now) = (Arc::clone(&rooms.dirs), Timestamp(rooms.env.now_ms()));
        rooms.env.blocking(move || work(&dirs, now)).await;
    }
}
