//! A full disk: who goes on, who is refused, and how room comes back.

use std::path::Path;
use std::sync::Arc;

use ottla_env::{Env, Open};
use ottla_sim::{Platter, World};
use ottla_storage::{AppendError, Log, LogConfig, LogDirs, Origin, reserve};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};

use crate::support::{NOW, batch, contents, coordinate, format, lead, start, topic};

const CLIENTS: u8 = 7;
const GROUPS: u8 = 8;

/// A directory on a small disk, with a topic of clients and that of groups.
struct Full {
    env: Env,
    platter: Platter,
    dirs: LogDirs,
    records: Arc<Log>,
    groups: Arc<Log>,
}

impl Full {
    fn new(world: &World) -> Full {
        let (env, platter) = (world.node(1), world.disk(1));
        platter.set_capacity(SIZE);
        format(env.disk(), "/logs", 1);
        let dirs = start(&env, &["/logs"], &LogConfig::default());
        let log = |id, name: &str| {
            let config = Arc::new(LogConfig::default());
            dirs.create(topic(id), name, PartitionIndex(0), None, config, NOW).unwrap()
        };
        let (records, groups) = (log(CLIENTS, "orders"), log(GROUPS, "__consumer_offsets"));
        dirs.keep_room(NOW);
        Full { env, platter, dirs, records, groups }
    }

    /// Fills the disk as another program does.
    fn fill(&self) {
        let disk = self.env.disk();
        let left = disk.space(Path::new("/")).unwrap().usable_bytes;
        disk.open(Path::new("/other"), Open::Create).unwrap().allocate(left).unwrap();
    }

    fn kept(&self) -> u64 {
        self.env.disk().metadata(&Path::new("/logs").join(reserve::FILE)).unwrap().len
    }

    fn append(&self, log: &Log, value: &str) -> Result<Offset, AppendError> {
        let origin = if std::ptr::eq(log, &*self.groups) { coordinate() } else { lead() };
        let appended = log.append(&batch(None, false, &[value]), origin)?;
        Ok(appended.first_offset)
    }

    /// What a client is told, who may not write.
    fn refusal(&self) -> AppendError {
        let refused = self.append(&self.records, &"x".repeat(10_000)).unwrap_err();
        assert_eq!(refused.error, ErrorCode::KAFKA_STORAGE_ERROR);
        refused
    }
}

#[test]
fn space_is_kept_back_in_proportion_to_the_disk() {
    let world = World::new(1);
    let full = Full::new(&world);
    assert_eq!(full.kept(), 2 << 20);
    assert!(full.platter.used() > 2 << 20, "it is space, and no hole");
}

#[test]
fn clients_are_refused_and_groups_go_on_until_only_a_stop_in_order_is_left() {
    let world = World::new(1);
    let full = Full::new(&world);
    full.append(&full.records, "before").unwrap();
    full.fill();
    full.refusal();
    assert_eq!(full.kept(), 2 << 20, "what clients write takes nothing of it");
    let large = "g".repeat(50_000);
    let mut written = 0;
    while full.dirs.out_of_room().is_none() {
        assert_eq!(full.append(&full.groups, &large).unwrap(), Offset(written));
        assert!(full.refusal().message.contains("/logs"), "nothing that was freed is for clients");
        assert!(full.append(&full.records, "small").is_err());
        full.dirs.keep_room(NOW);
        written += 1;
    }
    assert!(written > 25, "{written} commits fit");
    assert_eq!(full.dirs.full(), [Path::new("/logs")]);
    let told = full.dirs.out_of_room().unwrap();
    assert!(told.contains("/logs is full") && told.contains("make room"), "{told}");
    full.dirs.close(ottla_wire::BrokerEpoch(5));
    assert!(full.env.disk().exists(Path::new("/logs/.kafka_cleanshutdown")), "it stops in order");
    let again = start(&full.env, &["/logs"], &LogConfig::default());
    let groups = again.get(topic(GROUPS), PartitionIndex(0)).unwrap();
    assert_eq!(groups.end(), Offset(written));
    let records = again.get(topic(CLIENTS), PartitionIndex(0)).unwrap();
    assert_eq!(contents(&records), [(0, "before".to_owned())]);
}

#[test]
fn a_full_disk_is_told_before_anything_is_refused_or_given_up_and_until_it_has_room() {
    let world = World::new(1);
    let full = Full::new(&world);
    assert_eq!(full.dirs.full(), <[&Path; 0]>::default());
    full.fill();
    full.dirs.keep_room(NOW);
    assert_eq!(full.dirs.full(), [Path::new("/logs")], "it was seen");
    assert_eq!(full.kept(), 2 << 20, "nothing was given up");
    full.env.disk().remove_file(Path::new("/other")).unwrap();
    full.dirs.keep_room(NOW);
    assert_eq!(full.dirs.full(), <[&Path; 0]>::default());
    full.fill();
    full.refusal();
    assert_eq!(full.dirs.full(), [Path::new("/logs")], "it was told by who found no room");
}

#[test]
fn new_partitions_take_nothing_of_it() {
    let world = World::new(1);
    let full = Full::new(&world);
    full.fill();
    let create = |id: u8| {
        let (name, config) = (format!("new{id}"), Arc::new(LogConfig::default()));
        full.dirs.create(topic(id), &name, PartitionIndex(0), None, config, NOW)
    };
    let kept = full.kept();
    for id in 100..200 {
        let log = create(id).unwrap();
        log.assign_epoch(LeaderEpoch(1)).unwrap();
        full.append(&log, "x").unwrap_err();
        assert!(!log.is_made());
    }
    assert_eq!(full.kept(), kept);
    assert_eq!(full.dirs.out_of_room(), None);
    full.append(&full.groups, &"g".repeat(50_000)).unwrap();
    assert!(full.dirs.delete(topic(100), PartitionIndex(0), NOW).unwrap());
}

#[test]
fn markers_that_end_transactions_go_on() {
    let world = World::new(1);
    let full = Full::new(&world);
    let producer = crate::support::producer(1, 0, 0);
    full.records.append(&batch(Some(producer), true, &["in doubt"]), lead()).unwrap();
    full.fill();
    // Whatever was left of the last page is taken.
    while full.append(&full.records, "x").is_ok() {}
    let origin = Origin::Coordinator { epoch: LeaderEpoch(0), now: NOW };
    full.records.append(&crate::support::marker(1, 0, true), origin).unwrap();
    assert_eq!(full.kept(), (2 << 20) - (128 << 10), "one piece was given up");
}

#[test]
fn deleting_a_topic_makes_room_and_the_reserve_comes_first() {
    let world = World::new(1);
    let mut full = Full::new(&world);
    for _ in 0..100 {
        full.append(&full.records, &"x".repeat(20_000)).unwrap();
    }
    full.fill();
    let other = full.dirs.create(
        topic(9),
        "others",
        PartitionIndex(0),
        None,
        Arc::new(LogConfig::default()),
        NOW,
    );
    let other = other.unwrap();
    full.append(&full.groups, &"g".repeat(50_000)).unwrap();
    assert!(full.append(&other, "x").is_err());
    assert!(full.kept() < 2 << 20);
    // Space of files that somebody reads comes back when they are closed.
    full.records = Arc::clone(&other);
    assert!(full.dirs.delete(topic(CLIENTS), PartitionIndex(0), NOW).unwrap());
    full.dirs.keep_room(NOW);
    assert!(full.append(&other, "x").is_err(), "the files go after their delay");
    let later = NOW + 60_000;
    assert_eq!(full.dirs.remove_due(later), 1);
    assert!(full.append(&other, "x").is_err(), "nothing is for clients before the reserve");
    full.dirs.keep_room(later);
    assert_eq!(full.kept(), 2 << 20);
    assert_eq!(full.append(&other, "x").unwrap(), Offset(0));
}

#[test]
fn retention_runs_at_once_when_a_disk_is_full() {
    let world = World::new(1);
    let full = Full::new(&world);
    let config = LogConfig { segment_bytes: 50_000, retention_bytes: 100_000, ..small() };
    full.records.configure(Arc::new(config));
    for _ in 0..20 {
        full.append(&full.records, &"x".repeat(20_000)).unwrap();
    }
    full.records.set_high_watermark(full.records.end());
    full.fill();
    while full.append(&full.records, &"x".repeat(20_000)).is_ok() {}
    let before = full.records.start();
    full.dirs.keep_room(NOW);
    assert!(full.records.start() > before);
    full.dirs.remove_due(NOW + 60_000);
    full.dirs.keep_room(NOW);
    full.append(&full.records, "there is room").unwrap();
}

#[test]
fn a_reserve_that_was_lost_or_copied_as_holes_is_made_again() {
    let world = World::new(1);
    let full = Full::new(&world);
    let (env, used) = (full.env.clone(), full.platter.used());
    full.dirs.close(ottla_wire::BrokerEpoch(5));
    let path = Path::new("/logs").join(reserve::FILE);
    env.disk().remove_file(&path).unwrap();
    env.disk().open(&path, Open::Create).unwrap().set_len(2 << 20).unwrap();
    env.disk().sync_dir(Path::new("/logs")).unwrap();
    assert!(full.platter.used() < used - (1 << 20));
    let again = start(&env, &["/logs"], &LogConfig::default());
    again.keep_room(NOW);
    assert!(full.platter.used() >= used - (64 << 10));
}

#[test]
fn a_node_whose_disk_is_full_before_it_starts_keeps_what_there_is() {
    let world = World::new(1);
    let (env, platter) = (world.node(1), world.disk(1));
    format(env.disk(), "/logs", 1);
    let config = LogConfig::default();
    let dirs = start(&env, &["/logs"], &config);
    platter.set_capacity(SIZE);
    env.disk().open(Path::new("/other"), Open::Create).unwrap();
    let other = env.disk().open(Path::new("/other"), Open::ReadWrite).unwrap();
    other.allocate(SIZE - (1 << 20) - (64 << 10)).unwrap();
    dirs.keep_room(NOW);
    let kept = env.disk().metadata(&Path::new("/logs").join(reserve::FILE)).unwrap().len;
    assert!((512 << 10..2 << 20).contains(&kept), "{kept}");
    let config = Arc::new(config);
    let log = dirs.create(topic(CLIENTS), "orders", PartitionIndex(0), None, config, NOW).unwrap();
    assert!(log.append(&batch(None, false, &["x"]), lead()).is_err());
    assert_eq!(dirs.out_of_room(), None, "nobody has missed any");
    other.set_len(0).unwrap();
    dirs.keep_room(NOW);
    log.append(&batch(None, false, &["x"]), lead()).unwrap();
}

fn small() -> LogConfig {
    LogConfig { cleanup_delete: true, retention_ms: -1, ..LogConfig::default() }
}

/// The size of the disk, of which a 32nd part is kept back.
const SIZE: u64 = 64 << 20;
