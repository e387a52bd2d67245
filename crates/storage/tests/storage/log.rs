//! Scenarios of one log: appending, reading, sequences, transactions, rolling, cutting.

use std::sync::Arc;

use ottla_env::Open;
use ottla_sim::World;
use ottla_storage::{Log, LogConfig, Opening, Origin, ReadError};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, Timestamp};

use crate::support::{
    NOW, batch, batch_at, contents, coordinate, directory, lead, marker, opening, producer,
};

fn with_log(config: LogConfig, test: impl AsyncFnOnce(World, Arc<Log>)) {
    let world = World::new(1);
    world.run(async |world: World| {
        let disk = world.node(1).disk().clone();
        let log = open(&directory(&disk, "/logs"), &config, true);
        test(world, log).await;
    });
}

fn open(directory: &Arc<ottla_storage::Directory>, config: &LogConfig, clean: bool) -> Arc<Log> {
    let opening = opening(directory, "orders-0", clean);
    Log::open(Opening { config: Arc::new(config.clone()), ..opening }).unwrap()
}

/// Segments that are full after a few batches.
fn small() -> LogConfig {
    LogConfig { segment_bytes: 300, index_interval_bytes: 100, ..LogConfig::default() }
}

fn say(log: &Log, values: &[&str]) -> Offset {
    log.append(&batch(None, false, values), lead()).unwrap().first_offset
}

#[test]
fn what_was_appended_is_read_from_every_offset() {
    with_log(small(), async |_, log| {
        for round in 0..40 {
            let (a, b) = (format!("a{round}"), format!("b{round}"));
            assert_eq!(say(&log, &[&a, &b]), Offset(round * 2));
        }
        assert!(log.size() > 2_000);
        let all = contents(&log);
        assert_eq!(all.len(), 80);
        for (offset, value) in &all {
            let bytes = log.read_bytes(Offset(*offset), 1, log.end(), true).unwrap();
            let first = ottla_records::batches(&bytes).next().unwrap().unwrap();
            assert_eq!(first.base_offset().0, offset / 2 * 2, "{value}");
        }
    });
}

#[test]
fn a_read_stays_below_its_bound_and_inside_the_log() {
    with_log(LogConfig::default(), async |_, log| {
        (0..100).for_each(|_| {
            say(&log, &["x", "y"]);
        });
        let len = |from, max, until, one| {
            log.read(Offset(from), max, Offset(until), one).map(|slice| slice.records.len())
        };
        let whole = len(0, 1 << 20, 200, false).unwrap();
        assert_eq!(len(0, 1 << 20, 100, false).unwrap(), whole / 2);
        assert_eq!(len(0, 1 << 20, 2, false).unwrap(), whole / 100);
        assert_eq!(len(1, 1 << 20, 2, false).unwrap(), whole / 100);
        assert_eq!(len(0, 1 << 20, 0, true).unwrap(), 0);
        assert_eq!(len(200, 1 << 20, 200, true).unwrap(), 0);
        assert_eq!(len(0, 10, 200, false).unwrap(), 10);
        assert_eq!(len(0, 10, 200, true).unwrap(), whole / 100);
        assert!(matches!(len(201, 1, 200, true), Err(ReadError::OutOfRange)));
        log.set_high_watermark(Offset(200));
        log.delete_records(Offset(50)).unwrap();
        assert!(matches!(len(49, 1, 200, true), Err(ReadError::OutOfRange)));
        assert_eq!(log.available(Offset(50), Offset(200)).unwrap() as usize, whole / 4 * 3);
    });
}

#[test]
fn a_repeated_batch_is_answered_with_its_old_offset() {
    with_log(LogConfig::default(), async |_, log| {
        let first = batch(Some(producer(7, 0, 0)), false, &["a", "b"]);
        let second = batch(Some(producer(7, 0, 2)), false, &["c"]);
        log.append(&first, lead()).unwrap();
        log.append(&second, lead()).unwrap();
        let again = log.append(&first, lead()).unwrap();
        assert!(again.duplicate);
        assert_eq!((again.first_offset, again.last_offset), (Offset(0), Offset(1)));
        assert_eq!(again.log_append_time, NOW);
        let gap = batch(Some(producer(7, 0, 9)), false, &["d"]);
        let error = log.append(&gap, lead()).unwrap_err();
        assert_eq!(error.error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(log.end(), Offset(3));
    });
}

#[test]
fn a_transaction_holds_readers_of_committed_data_back_until_it_ends() {
    with_log(LogConfig::default(), async |_, log| {
        log.append(&batch(Some(producer(7, 0, 0)), true, &["a", "b"]), lead()).unwrap();
        log.append(&batch(Some(producer(8, 0, 0)), true, &["c"]), lead()).unwrap();
        log.set_high_watermark(log.end());
        assert_eq!(log.last_stable_offset(), Offset(0));
        log.append(&marker(7, 0, true), coordinate()).unwrap();
        log.set_high_watermark(log.end());
        assert_eq!(log.last_stable_offset(), Offset(2));
        log.append(&marker(8, 0, false), coordinate()).unwrap();
        assert_eq!(log.last_stable_offset(), Offset(2));
        log.set_high_watermark(log.end());
        assert_eq!(log.last_stable_offset(), Offset(5));
        let aborted = log.aborted(Offset(0), Offset(5)).unwrap();
        assert_eq!(aborted.len(), 1);
        assert_eq!((aborted[0].first_offset, aborted[0].last_offset), (Offset(0), Offset(3)));
        assert_eq!(aborted[0].last_stable_offset, Offset(2));
        let slice = log.read(Offset(0), 1 << 20, Offset(5), true).unwrap();
        assert_eq!(log.aborted_in(Offset(0), &slice).unwrap(), aborted);
        let error = log.append(&marker(8, -1, false), coordinate()).unwrap_err();
        assert_eq!(error.error, ErrorCode::INVALID_PRODUCER_EPOCH);
    });
}

#[test]
fn a_client_may_not_write_a_marker() {
    with_log(LogConfig::default(), async |_, log| {
        let error = log.append(&marker(7, 0, false), lead()).unwrap_err();
        assert_eq!(error.error, ErrorCode::INVALID_RECORD);
    });
}

#[test]
fn a_follower_keeps_the_offsets_and_epochs_that_it_is_given() {
    with_log(LogConfig::default(), async |world, leader| {
        say(&leader, &["a", "b"]);
        say(&leader, &["c"]);
        let bytes = leader.read_bytes(Offset(0), 1 << 20, leader.end(), true).unwrap();
        let disk = world.node(2).disk().clone();
        let follower = open(&directory(&disk, "/logs"), &LogConfig::default(), true);
        let replica = Origin::Replica { now: NOW };
        let appended = follower.append(&bytes, replica).unwrap();
        assert_eq!((appended.first_offset, appended.last_offset), (Offset(0), Offset(2)));
        assert_eq!(contents(&follower), contents(&leader));
        assert_eq!(follower.latest_epoch(), Some(LeaderEpoch(0)));
        assert!(follower.append(&bytes, replica).is_err());
        let cut = bytes.slice(..bytes.len() - 1);
        follower.truncate_fully(Offset(0), NOW).unwrap();
        assert_eq!(follower.append(&cut, replica).unwrap().last_offset, Offset(1));
    });
}

#[test]
fn after_a_cut_the_log_is_one_that_never_had_more() {
    with_log(small(), async |_, log| {
        for n in 0..20 {
            let value = n.to_string();
            log.append(&batch(Some(producer(7, 0, n)), false, &[&value]), lead()).unwrap();
        }
        assert!(log.truncate(Offset(7), NOW).unwrap());
        assert_eq!(contents(&log).len(), 7);
        assert_eq!(log.producers()[0].1.last().unwrap().last_offset, Offset(6));
        let again = batch(Some(producer(7, 0, 7)), false, &["new"]);
        assert_eq!(log.append(&again, lead()).unwrap().first_offset, Offset(7));
        assert_eq!(contents(&log).last().unwrap().1, "new");
        assert!(!log.truncate(Offset(8), NOW).unwrap());
        log.assign_epoch(LeaderEpoch(3)).unwrap();
        assert_eq!(log.end_offset_for_epoch(LeaderEpoch(2)).end, Offset(8));
    });
}

#[test]
fn offsets_are_found_by_time_exactly() {
    with_log(small(), async |_, log| {
        for n in 0..30 {
            let time = NOW + n * 10;
            log.append(&batch_at(None, false, time, &["a", "b"]), lead()).unwrap();
        }
        let at = |time: i64| log.offset_for_time(NOW + time).unwrap().map(|f| f.offset.0);
        assert_eq!(at(-5), Some(0));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(1), Some(2));
        assert_eq!(at(290), Some(58));
        assert_eq!(at(291), None);
        let newest = log.offset_of_max_timestamp().unwrap().unwrap();
        assert_eq!((newest.offset, newest.timestamp), (Offset(58), NOW + 290));
    });
}

#[test]
fn retention_drops_old_segments_below_the_high_watermark() {
    let config = LogConfig { retention_ms: 100, ..small() };
    with_log(config, async |world, log| {
        for n in 0..20 {
            log.append(&batch_at(None, false, NOW + n * 10, &["a"]), lead()).unwrap();
        }
        assert_eq!(log.retain(NOW + 150).unwrap(), 0);
        log.set_high_watermark(log.end());
        assert!(log.retain(NOW + 150).unwrap() > 0);
        assert!(log.start() > Offset(0));
        let left = contents(&log);
        assert_eq!(left.last().unwrap().0, 19);
        assert!(log.retain(NOW + 1_000).unwrap() > 0);
        assert_eq!((log.start(), log.end()), (Offset(20), Offset(20)));
        assert_eq!(log.retain(NOW + 2_000).unwrap(), 0);
        log.directory().remove_due(Timestamp(i64::MAX)).unwrap();
        let files = world.disk(1).files("/logs/orders-0");
        assert!(files.iter().all(|(path, _)| !path.to_string_lossy().contains("deleted")));
        assert_eq!(say(&log, &["on"]), Offset(20));
    });
}

#[test]
fn compacted_logs_lose_only_what_lies_below_their_start() {
    let config =
        LogConfig { retention_ms: 0, retention_bytes: 0, cleanup_delete: false, ..small() };
    with_log(config, async |_, log| {
        for _ in 0..20 {
            say(&log, &["a"]);
        }
        log.set_high_watermark(log.end());
        assert_eq!(log.retain(NOW + 1_000_000).unwrap(), 0);
        log.delete_records(Offset(10)).unwrap();
        assert!(log.retain(NOW).unwrap() > 0);
        assert_eq!(log.start(), Offset(10));
    });
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    with_log(LogConfig::default(), async |world, log| {
        say(&log, &["a"]);
        let disk = world.disk(1);
        disk.set_capacity(disk.used());
        let big = "x".repeat(100_000);
        let error = log.append(&batch(None, false, &[&big]), lead()).unwrap_err();
        assert_eq!(error.error, ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(log.directory().failure(), None);
        disk.set_capacity(u64::MAX);
        assert_eq!(say(&log, &["b"]), Offset(1));
        let values: Vec<String> = contents(&log).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["a", "b"]);
    });
}

#[test]
fn a_sync_that_failed_takes_the_directory_offline_for_good() {
    with_log(LogConfig::default(), async |world, log| {
        say(&log, &["a"]);
        world.disk(1).break_below("/logs", ottla_sim::Broken::Syncs);
        assert!(log.sync().is_err());
        world.disk(1).repair();
        assert!(log.sync().is_err());
        assert_eq!(log.recovery_point(), Offset(0));
        let error = log.append(&batch(None, false, &["b"]), lead()).unwrap_err();
        assert_eq!(error.error, ErrorCode::KAFKA_STORAGE_ERROR);
        assert!(log.directory().failure().unwrap().contains("can't sync"));
    });
}

#[test]
fn a_compaction_that_was_cut_in_half_is_finished_or_undone() {
    with_log(small(), async |world, log| {
        for n in 0..20 {
            say(&log, &[&n.to_string()]);
        }
        let whole = contents(&log);
        log.close().unwrap();
        let disk = world.node(1).disk().clone();
        let path = |name: &str| std::path::PathBuf::from("/logs/orders-0").join(name);
        let logs: Vec<String> = (disk.list(&path("")).unwrap().into_iter().map(|e| e.name))
            .filter(|name| name.ends_with(".log"))
            .collect();
        // Not committed: goes away.
        disk.write(&path(&format!("{}.cleaned", logs[1])), b"half").unwrap();
        disk.write(&path("00000000000000000099.log.deleted"), b"gone").unwrap();
        let reopened = open(log.directory(), &small(), true);
        assert_eq!(contents(&reopened), whole);
        reopened.close().unwrap();
        // Committed: takes the place of what it replaces.
        let bytes = disk.read(&path(&logs[0])).unwrap();
        disk.write(&path(&format!("{}.swap", logs[0])), &bytes).unwrap();
        disk.open(&path(&logs[0]), Open::ReadWrite).unwrap().set_len(3).unwrap();
        let reopened = open(log.directory(), &small(), true);
        assert_eq!(contents(&reopened), whole);
        let names = disk.list(&path("")).unwrap();
        let is_left = |e: &ottla_env::DirEntry| {
            [".swap", ".cleaned", ".deleted"].iter().any(|s| e.name.ends_with(s))
        };
        assert!(!names.iter().any(is_left));
    });
}

#[test]
fn an_active_segment_has_sparse_indexes_of_full_size_and_a_closed_one_has_not() {
    with_log(LogConfig::default(), async |world, log| {
        say(&log, &["a"]);
        let len = |name: &str| {
            let files = world.disk(1).files("/logs/orders-0");
            files.iter().find(|(path, _)| path.ends_with(name)).map(|(_, len)| *len)
        };
        assert_eq!(len("00000000000000000000.index"), Some(10_485_760));
        assert_eq!(len("00000000000000000000.timeindex"), Some(10_485_756));
        log.close().unwrap();
        assert_eq!(len("00000000000000000000.index"), Some(0));
        assert_eq!(len("00000000000000000000.timeindex"), Some(12));
        assert_eq!(len("00000000000000000001.snapshot"), Some(10));
    });
}
