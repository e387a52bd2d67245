//! Crashes at every place: what was acknowledged survives a kill, what was synced a power cut.
//!
//! Each seed is a random life of one log: appends, transactions, syncs, cuts, retention, stops,
//! with disks that fail in the middle of an operation and lose what was not synced. After each
//! start the log is compared with what must be there, and its producers, indexes and aborted
//! transactions with what its own batches tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_records::{BatchView, batches};
use ottla_sim::{Broken, World};
use ottla_storage::{Log, LogConfig, LogDirs, Origin};
use ottla_wire::{BrokerEpoch, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId};

use crate::support::{
    NOW, batch, contents, coordinate, format, lead, marker, producer, start, topic,
};

const P0: PartitionIndex = PartitionIndex(0);
const SEEDS: u64 = 400;
const STEPS: u64 = 60;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 150,
        segment_index_bytes: 96,
        max_message_bytes: 700,
        retention_bytes: 2_000,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_alone_is_synced_after_the_next_start() {
    for seed in 0..20 {
        let world = World::new(seed);
        let env = world.node(1);
        format(env.disk(), "/logs", 7);
        let dirs = start(&env, &["/logs"], &config());
        let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config()), NOW).unwrap();
        let say = |log: &Log, value: &str| {
            log.append(&batch(None, false, &[value]), lead()).unwrap();
        };
        say(&log, "one");
        log.sync().unwrap();
        say(&log, "two");
        world.disk(1).break_below("/logs/orders-0", Broken::Syncs);
        log.sync().unwrap_err();
        world.disk(1).repair();
        world.kill(1);
        // The process begins again, the machine has not: "two" is still read back.
        let dirs = start(&world.boot(1), &["/logs"], &config());
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!(contents(&log).len(), 2);
        say(&log, "three");
        log.sync().unwrap();
        world.crash(1);
        let dirs = start(&world.boot(1), &["/logs"], &config());
        let found = contents(&dirs.get(topic(1), P0).unwrap());
        let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["one", "two", "three"], "seed {seed}");
    }
}

#[test]
fn indexes_that_a_start_made_anew_are_on_the_disk_after_a_clean_stop() {
    for seed in 0..20 {
        let world = World::new(seed);
        let env = world.node(1);
        format(env.disk(), "/logs", 7);
        let dirs = start(&env, &["/logs"], &config());
        let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config()), NOW).unwrap();
        log.append(&batch(None, false, &["one"]), lead()).unwrap();
        log.sync().unwrap();
        dirs.write_recovery_points();
        world.crash(1);
        let dirs = start(&world.boot(1), &["/logs"], &config());
        // What the start wrote is synced, but for the indexes of the active segment.
        dirs.background_sync(NOW + i64::MAX / 2);
        dirs.get(topic(1), P0).unwrap().sync().unwrap();
        dirs.close(BrokerEpoch(1));
        world.crash(1);
        let dirs = start(&world.boot(1), &["/logs"], &config());
        let log = dirs.get(topic(1), P0).unwrap();
        let found = log.offset_for_time(NOW).unwrap().map(|found| found.offset);
        assert_eq!(found, Some(Offset(0)), "seed {seed}");
    }
}

#[test]
fn a_start_after_a_kill_reads_only_what_lies_above_the_recovery_point() {
    let config = LogConfig { index_interval_bytes: 4_096, ..LogConfig::default() };
    let config = LogConfig { segment_index_bytes: 4_096, segment_bytes: 400_000, ..config };
    let world = World::new(1);
    let env = world.node(1);
    format(env.disk(), "/logs", 7);
    let dirs = start(&env, &["/logs"], &config);
    let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config.clone()), NOW).unwrap();
    let big = "x".repeat(1_000);
    let say = |times: usize| {
        let before = log.size();
        for _ in 0..times {
            log.append(&batch(None, false, &[&big]), lead()).unwrap();
        }
        log.size() - before
    };
    let below = say(1_500);
    log.sync().unwrap();
    dirs.write_recovery_points();
    let above = say(300);
    world.kill(1);
    let dirs = start(&world.boot(1), &["/logs"], &config);
    assert_eq!(dirs.get(topic(1), P0).unwrap().end(), Offset(1_800));
    let read = dirs.directories().map(|directory| directory.recovered_bytes()).sum::<u64>();
    // What lies between the last entry of the index and the recovery point is read too.
    let beyond = read.checked_sub(above).expect("everything above is read");
    assert!(beyond <= 3 * 4_096 && below > 1_500_000, "{beyond} bytes more than {above}");
}

#[test]
fn records_that_come_back_below_a_lost_start_have_their_epoch() {
    let world = World::new(1);
    let env = world.node(1);
    format(env.disk(), "/logs", 7);
    let dirs = start(&env, &["/logs"], &config());
    let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config()), NOW).unwrap();
    let say = |epoch: i32, value: &str| {
        let lead = Origin::Leader { epoch: LeaderEpoch(epoch), now: NOW };
        log.append(&batch(None, false, &[value]), lead).unwrap();
    };
    for (epoch, value) in [(2, "one"), (3, "two"), (3, "three"), (5, "four")] {
        say(epoch, value);
    }
    log.set_high_watermark(log.end());
    log.sync().unwrap();
    dirs.write_recovery_points();
    log.delete_records(Offset(3)).unwrap();
    let told = |log: &Log| -> Vec<(i32, i64)> {
        log.epoch_entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect()
    };
    assert_eq!(told(&log), [(5, 3)]);
    // The start that was raised is told to the disk once a minute.
    world.kill(1);
    let dirs = start(&world.boot(1), &["/logs"], &config());
    let log = dirs.get(topic(1), P0).unwrap();
    assert_eq!(log.start(), Offset(0));
    assert_eq!(told(&log), [(2, 0), (3, 1), (5, 3)]);
}

/// Leader epochs are found by halving: a log that begins long before its epochs do is not read.
#[test]
fn a_start_that_lost_epochs_does_not_read_the_log_for_them() {
    let config = LogConfig { index_interval_bytes: 4_096, ..LogConfig::default() };
    let config = LogConfig { segment_index_bytes: 4_096, segment_bytes: 400_000, ..config };
    let world = World::new(1);
    let env = world.node(1);
    format(env.disk(), "/logs", 7);
    let dirs = start(&env, &["/logs"], &config);
    let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config.clone()), NOW).unwrap();
    let big = "x".repeat(1_000);
    let mut expected = Vec::new();
    for (epoch, times) in [(2, 300), (3, 1), (5, 900), (6, 1_100), (9, 700)] {
        expected.push((epoch, log.end().0));
        let lead = Origin::Leader { epoch: LeaderEpoch(epoch), now: NOW };
        for _ in 0..times {
            log.append(&batch(None, false, &[&big]), lead).unwrap();
        }
    }
    log.set_high_watermark(log.end());
    log.sync().unwrap();
    dirs.write_recovery_points();
    log.delete_records(log.end()).unwrap();
    world.kill(1);
    let before = world.disk(1).calls();
    let dirs = start(&world.boot(1), &["/logs"], &config);
    let calls = world.disk(1).calls() - before;
    let log = dirs.get(topic(1), P0).unwrap();
    let told = log.epoch_entries();
    let told: Vec<_> = told.iter().map(|entry| (entry.epoch.0, entry.start.0)).collect();
    assert_eq!((log.start(), told), (Offset(0), expected));
    assert!(calls < 500, "{calls} calls for 3 MB");
}

/// A life of a log and what it must still know.
struct Life {
    world: World,
    dirs: LogDirs,
    log: Arc<Log>,
    /// Every record that was acknowledged and not cut away.
    records: Vec<(i64, String)>,
    /// Records that were refused after the disk failed: they may be there or not.
    doubtful: Vec<(i64, String)>,
    /// What the log held before a cut that may be undone.
    before_cut: Vec<(i64, String)>,
    synced_end: i64,
    deleted_to: i64,
    /// The highest start that the log ever had, below which producers may be forgotten.
    forgotten_to: i64,
    sequences: BTreeMap<i64, i32>,
    open: Option<i64>,
    /// The producers' epoch; whenever the log may have forgotten some, they begin a new one.
    epoch: i16,
    counter: u64,
    broken: bool,
}

impl Life {
    fn begin(world: World) -> Life {
        let env = world.node(1);
        format(env.disk(), "/logs", 7);
        let dirs = start(&env, &["/logs"], &config());
        let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config()), NOW).unwrap();
        Life {
            world,
            dirs,
            log,
            records: Vec::new(),
            doubtful: Vec::new(),
            before_cut: Vec::new(),
            synced_end: 0,
            deleted_to: 0,
            forgotten_to: 0,
            sequences: BTreeMap::new(),
            open: None,
            epoch: 0,
            counter: 0,
            broken: false,
        }
    }

    fn step(&mut self) {
        let pick = self.world.random_below(100);
        let mut syncs_fail = false;
        match self.world.random_below(24) {
            0 => {
                self.world.disk(1).fail_after(self.world.random_below(12));
                syncs_fail = true;
            }
            1 => self.world.disk(1).break_below("/logs", Broken::Writes),
            _ => {}
        }
        match pick {
            0..45 => self.append(),
            45..60 => self.transact(),
            60..70 => self.sync(),
            70..74 => self.upkeep(),
            74..78 => self.cut(),
            78..84 => self.delete(),
            84..88 => self.stop(),
            88..93 => self.kill(),
            _ => self.crash(),
        }
        if self.log.directory().failure().is_some() {
            self.broken = true;
        }
        if self.broken {
            // After a sync that failed the system may take bytes for written that are not: only
            // a power cut shows what is there.
            match self.world.random_below(2) {
                0 if !syncs_fail => self.kill(),
                _ => self.crash(),
            }
        } else if syncs_fail {
            self.crash();
        }
        self.world.disk(1).repair();
    }

    fn value(&mut self) -> String {
        self.counter += 1;
        let len = usize::try_from(self.world.random_below(120)).unwrap();
        format!("{}-{}", self.counter, "x".repeat(len))
    }

    fn append_batch(
        &mut self,
        bytes: &Bytes,
        values: &[String],
        origin: ottla_storage::Origin,
    ) -> bool {
        let at = self.log.end().0;
        let named = |at: i64| (at..).zip(values.iter().cloned());
        match self.log.append(bytes, origin) {
            Ok(appended) => {
                assert_eq!(appended.first_offset.0, at);
                self.records.extend(named(at));
                true
            }
            Err(_) => {
                self.broken = true;
                self.doubtful = named(at).collect();
                false
            }
        }
    }

    fn append(&mut self) {
        let values: Vec<String> = (0..=self.world.random_below(2)).map(|_| self.value()).collect();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let id = i64::try_from(self.world.random_below(4)).unwrap();
        if id == 0 {
            let bytes = batch(None, false, &texts);
            self.append_batch(&bytes, &values, lead());
            return;
        }
        let sequence = self.sequences.get(&id).copied().unwrap_or(0);
        let bytes = batch(Some(producer(id, self.epoch, sequence)), false, &texts);
        if self.append_batch(&bytes, &values, lead()) {
            self.sequences.insert(id, sequence + i32::try_from(values.len()).unwrap());
            let again = self.log.append(&bytes, lead()).unwrap();
            assert!(again.duplicate);
        }
    }

    /// Writes into a transaction, or ends it.
    fn transact(&mut self) {
        let id = self.open.unwrap_or(9);
        if self.open.is_some() && self.world.random_below(2) == 0 {
            let bytes = marker(id, self.epoch, self.world.random_below(2) == 0);
            if self.append_batch(&bytes, &[], coordinate()) {
                self.open = None;
            }
            return;
        }
        let sequence = self.sequences.get(&id).copied().unwrap_or(0);
        let value = self.value();
        let bytes = batch(Some(producer(id, self.epoch, sequence)), true, &[&value]);
        if self.append_batch(&bytes, &[value], lead()) {
            self.sequences.insert(id, sequence + 1);
            self.open = Some(id);
        }
    }

    fn sync(&mut self) {
        if let Ok(end) = self.log.sync() {
            self.synced_end = end.0;
            self.before_cut.clear();
        }
    }

    fn upkeep(&mut self) {
        self.log.set_high_watermark(self.log.end());
        self.dirs.background_sync(NOW);
        self.dirs.write_recovery_points();
        self.dirs.write_log_starts();
        self.dirs.write_high_watermarks();
        self.synced_end = self.synced_end.max(self.log.recovery_point().0);
        self.dirs.remove_due(NOW);
    }

    fn cut(&mut self) {
        let (start, end) = (self.log.start().0, self.log.end().0);
        if self.open.is_some() || end == start {
            return;
        }
        let below = self.world.random_below(u64::try_from(end - start).unwrap());
        let at = Offset(start + i64::try_from(below).unwrap());
        // Logs are cut where batches begin.
        let bytes = self.log.read_bytes(at, 1, self.log.end(), true);
        let Ok(bytes) = bytes else { return };
        let to = batches(&bytes).next().unwrap().unwrap().base_offset().0;
        if to < start {
            return;
        }
        self.before_cut = self.records.clone();
        match self.dirs.truncate(&self.log, Offset(to), NOW) {
            Ok(_) => self.records.retain(|(offset, _)| *offset < to),
            Err(_) => self.broken = true,
        }
        self.synced_end = self.synced_end.min(to);
        self.sync();
        self.new_epoch();
    }

    fn delete(&mut self) {
        self.log.set_high_watermark(self.log.end());
        let ahead = self.log.end() - self.log.start();
        let by = self.world.random_below(u64::try_from(ahead / 2 + 1).unwrap());
        let to = self.log.start() + i64::try_from(by).unwrap();
        // Either may move the start before it fails.
        let deleted = self.log.delete_records(to).is_ok();
        let retained = self.log.retain(NOW).is_ok();
        self.broken |= !deleted || !retained;
        self.deleted_to = self.deleted_to.max(self.log.start().0);
        self.forgotten_to = self.forgotten_to.max(self.deleted_to);
    }

    fn stop(&mut self) {
        self.dirs.close(BrokerEpoch(5));
        if self.log.directory().failure().is_some() {
            self.broken = true;
            return;
        }
        self.synced_end = self.log.end().0;
        self.world.crash(1);
        self.restart(self.synced_end);
    }

    fn kill(&mut self) {
        self.world.kill(1);
        let end = self.log.end().0;
        // A cut that failed may be half done: then only what was synced before is sure.
        let sure = if self.before_cut.is_empty() { end } else { self.synced_end };
        self.restart(sure);
    }

    fn crash(&mut self) {
        self.world.crash(1);
        self.restart(self.synced_end);
    }

    /// Opens the log again and compares it; everything below `sure` must be there.
    fn restart(&mut self, sure: i64) {
        self.world.disk(1).repair();
        let env = self.world.boot(1);
        let dirs = start(&env, &["/logs"], &config());
        // A partition that was never synced may be gone, or may not know its topic.
        let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config()), NOW).unwrap();
        let found = contents(&log);
        let (start, end) = (log.start().0, log.end().0);
        assert!(end >= sure, "the log ends at {end}, but {sure} was sure");
        assert!(start <= self.deleted_to, "the log starts at {start}, not at {}", self.deleted_to);
        let expected = |records: &[(i64, String)]| {
            let mut all = records.to_vec();
            all.extend(self.doubtful.iter().cloned());
            all.retain(|(at, _)| *at >= self.deleted_to.max(start) && *at < end);
            let mut seen = found.clone();
            seen.retain(|(at, _)| *at >= self.deleted_to.max(start));
            all == seen
        };
        assert!(
            expected(&self.records) || (!self.before_cut.is_empty() && expected(&self.before_cut)),
            "start {start} end {end}: found {found:?}, not {:?}",
            self.records
        );
        check_books(&log, start, self.forgotten_to);
        let from_start = |(at, _): &(i64, String)| *at >= start;
        self.records = found.into_iter().filter(from_start).collect();
        self.doubtful.clear();
        self.before_cut.clear();
        self.synced_end = self.synced_end.min(end);
        self.deleted_to = start.max(0);
        self.broken = false;
        self.dirs = dirs;
        self.log = log;
        self.new_epoch();
    }

    fn new_epoch(&mut self) {
        self.epoch += 1;
        self.sequences.clear();
        self.open = self.log.open_transactions().first().map(|(id, _)| id.0);
    }
}

/// Compares what a log knows of its batches with the batches. Below `forgotten_to` batches may
/// have come back, whose producers were forgotten when they were deleted.
fn check_books(log: &Log, start: i64, forgotten_to: i64) {
    let mut last: BTreeMap<_, (ProducerEpoch, _, _, _)> = BTreeMap::new();
    let mut open: BTreeMap<ProducerId, Offset> = BTreeMap::new();
    let mut aborted = Vec::new();
    each_batch(log, |batch| {
        let Some(producer) = batch.producer() else { return };
        if batch.base_offset().0 < forgotten_to {
            return;
        }
        if batch.is_control() {
            let first = open.remove(&producer.id);
            // The end of a transaction under a new epoch forgets the batches of the old one.
            if last.get(&producer.id).is_some_and(|(epoch, ..)| *epoch < producer.epoch) {
                last.remove(&producer.id);
            }
            let record = ottla_records::read_batch(&Bytes::copy_from_slice(batch.bytes()))
                .next()
                .unwrap()
                .unwrap();
            if record.key.unwrap()[3] == 0 {
                aborted.push((first, batch.last_offset()));
            }
        } else {
            let again = [&[0; 8], &batch.bytes()[8..]].concat();
            let newest = (producer.epoch, batch.last_sequence(), batch.last_offset(), again);
            last.insert(producer.id, newest);
            if batch.is_transactional() {
                open.entry(producer.id).or_insert(batch.base_offset());
            }
        }
    });
    let known: BTreeMap<_, _> = log.producers().into_iter().collect();
    for (id, (_, sequence, offset, again)) in last {
        let newest = known[&id].last().map(|l| (l.last_sequence, l.last_offset));
        assert_eq!(newest, Some((sequence, offset)), "producer {id}");
        let again = log.append(&Bytes::from(again), lead()).unwrap();
        assert!(again.duplicate && again.last_offset == offset);
    }
    let told: BTreeMap<_, _> = log.open_transactions().into_iter().collect();
    for (id, first) in &open {
        // It may have begun below the log's start.
        assert!(told[id] <= *first, "transaction of {id}");
    }
    let index = log.aborted(Offset(start), log.end()).unwrap();
    for (first, marker) in aborted {
        let entry = index.iter().find(|entry| entry.last_offset == marker);
        assert!(entry.is_some() || first.is_none(), "abort at {marker} is not in the index");
        if let (Some(entry), Some(first)) = (entry, first) {
            assert!(entry.first_offset <= first);
        }
    }
    for at in start..log.end().0 {
        let slice = log.read_bytes(Offset(at), 1, log.end(), true).unwrap();
        let first = batches(&slice).next().unwrap().unwrap();
        assert!(first.last_offset().0 >= at, "a read at {at} begins too early");
    }
}

fn each_batch(log: &Log, mut see: impl FnMut(&BatchView<'_>)) {
    let mut from = log.start();
    while from < log.end() {
        let bytes = log.read_bytes(from, 1 << 20, log.end(), true).unwrap();
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            from = batch.last_offset().next();
            see(&batch);
        }
    }
}

fn live(seed: u64) {
    let world = World::new(seed);
    world.run(async |world: World| {
        let mut life = Life::begin(world);
        for _ in 0..STEPS {
            life.step();
        }
        life.world.crash(1);
        life.restart(life.synced_end);
    });
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill_and_nothing_synced_by_a_power_cut() {
    (0..SEEDS).for_each(live);
}
