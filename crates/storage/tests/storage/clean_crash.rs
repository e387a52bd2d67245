//! Compaction under faults: random lives of a compacted log, with passes that are cut off by
//! failing disks, kills and power cuts at any call.
//!
//! After each start the log is held against everything that was ever written to it. Invariants,
//! by name: `OffsetsAscend`; `NothingInvented` (what is there is what was written there);
//! `NewestKept` (the newest committed record of each key below the end is there, unless it is a
//! tombstone); `TailUntouched` (above the round's end nothing is missing); `AbortedHidden` (a
//! reader of committed data never sees what was taken back); `ProducersKnown` (an active
//! producer's last batch is recognised).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_records::{BatchBuilder, BatchSettings, Codec, batches, read_batch};
use ottla_sim::{Broken, World};
use ottla_storage::{Cleaning, Log, LogConfig, LogDirs, Origin, Progress};
use ottla_wire::{BrokerEpoch, LeaderEpoch, PartitionIndex, Timestamp};

use crate::support::{NOW, format, marker, producer, start, topic};

const P0: PartitionIndex = PartitionIndex(0);
const SEEDS: u64 = 100;
const STEPS: u64 = 70;
const KEYS: u64 = 7;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        segment_index_bytes: 96,
        index_interval_bytes: 150,
        max_message_bytes: 600,
        cleanup_compact: true,
        cleanup_delete: false,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 5_000,
        file_delete_delay_ms: 0,
        producer_expiration_ms: i64::MAX,
        ..LogConfig::default()
    }
}

/// A record as it was written; `None` for a tombstone.
type Written = (String, Option<String>);

struct Life {
    world: World,
    dirs: LogDirs,
    log: Arc<Log>,
    now: Timestamp,
    written: BTreeMap<i64, Written>,
    /// Records of transactions that were taken back, and of those still open.
    aborted: BTreeSet<i64>,
    open: Option<(i64, Vec<i64>)>,
    sequences: BTreeMap<i64, i32>,
    /// Nothing at or above was ever in reach of a pass.
    reach: i64,
    epoch: i16,
    counter: u64,
}

impl Life {
    fn begin(world: World) -> Life {
        let env = world.node(1);
        format(env.disk(), "/logs", 7);
        let dirs = start(&env, &["/logs"], &config());
        let log = dirs.create(topic(1), "t", P0, None, Arc::new(config()), NOW).unwrap();
        log.sync().unwrap();
        Life {
            world,
            dirs,
            log,
            now: NOW,
            written: BTreeMap::new(),
            aborted: BTreeSet::new(),
            open: None,
            sequences: BTreeMap::new(),
            reach: 0,
            epoch: 0,
            counter: 0,
        }
    }

    fn step(&mut self) {
        self.now = self.now + i64::try_from(self.world.random_below(900)).unwrap();
        match self.world.random_below(100) {
            0..50 => self.append(),
            50..70 => self.transact(),
            70..74 => drop(self.log.sync()),
            74..94 => self.clean(),
            94..97 => self.restart(Ending::Stop),
            _ => self.restart(Ending::Crash),
        }
    }

    fn records(&mut self) -> Vec<Written> {
        let count = 1 + self.world.random_below(4);
        let record = |life: &mut Life| {
            life.counter += 1;
            let key = format!("k{}", life.world.random_below(KEYS));
            let long = usize::try_from(life.world.random_below(30)).unwrap();
            let value = format!("{}{}", life.counter, "x".repeat(long));
            (key, (life.world.random_below(5) > 0).then_some(value))
        };
        (0..count).map(|_| record(self)).collect()
    }

    fn write(&mut self, id: Option<i64>, is_transactional: bool) -> Vec<i64> {
        let records = self.records();
        let codec = Codec::ALL[usize::try_from(self.world.random_below(5)).unwrap()];
        let next = id.map(|id| self.sequences.entry(id).or_default());
        let producer = id.zip(next).map(|(id, sequence)| {
            let found = producer(id, self.epoch, *sequence);
            *sequence += i32::try_from(records.len()).unwrap();
            found
        });
        let settings =
            BatchSettings { producer, is_transactional, ..BatchSettings::compressed(codec) };
        let mut builder = BatchBuilder::new(settings);
        for (key, value) in &records {
            let value = value.as_ref().map(String::as_bytes);
            builder.append(self.now, Some(key.as_bytes()), value, &[]).unwrap();
        }
        let origin = Origin::Leader { epoch: LeaderEpoch(0), now: self.now };
        let appended = self.log.append(&builder.build().unwrap(), origin).unwrap();
        self.log.set_high_watermark(self.log.end());
        let offsets: Vec<i64> = (appended.first_offset.0..=appended.last_offset.0).collect();
        self.written.extend(offsets.iter().copied().zip(records));
        offsets
    }

    fn append(&mut self) {
        let id = i64::try_from(self.world.random_below(3)).unwrap();
        self.write((id > 0).then_some(id), false);
    }

    fn transact(&mut self) {
        if let Some((id, offsets)) = &self.open
            && self.world.random_below(2) == 0
        {
            let abort = self.world.random_below(2) == 0;
            let origin = Origin::Coordinator { epoch: LeaderEpoch(0), now: self.now };
            self.log.append(&marker(*id, self.epoch, abort), origin).unwrap();
            self.log.set_high_watermark(self.log.end());
            if abort {
                self.aborted.extend(offsets);
            }
            self.open = None;
            return;
        }
        let offsets = self.write(Some(9), true);
        self.open.get_or_insert((9, Vec::new())).1.extend(offsets);
    }

    /// A pass with a fault somewhere in it, most times.
    fn clean(&mut self) {
        self.log.sync().unwrap();
        let cleaning = Cleaning {
            key_bytes: 24 * (16 + self.world.random_below(8) * 100),
            load_factor: 0.3,
            io_bytes: 1 << 14,
            cleaners: 1,
        };
        let Some(mut pass) = self.dirs.next_to_clean(&cleaning, self.now) else { return };
        let active = self.log.last_stable_offset().0;
        self.reach = self.reach.max(active);
        let mut faulty = true;
        match self.world.random_below(6) {
            0..3 => self.world.disk(1).fail_after(self.world.random_below(60)),
            3 => self.world.disk(1).break_below("/logs", Broken::Syncs),
            _ => faulty = false,
        }
        let cut_off = self.world.random_below(3) == 0;
        loop {
            if cut_off && self.world.random_below(6) == 0 {
                match self.world.random_below(2) {
                    0 => self.dirs.end_cleaning(pass),
                    _ => self.restart(Ending::Crash),
                }
                break;
            }
            match self.dirs.clean(&mut pass) {
                Progress::More { .. } => {}
                _ => break,
            }
        }
        self.world.disk(1).repair();
        if self.log.directory().failure().is_some() || faulty {
            self.restart(if self.world.random_below(2) == 0 {
                Ending::Kill
            } else {
                Ending::Crash
            });
        }
        self.check();
        self.dirs.remove_due(self.now);
    }

    fn restart(&mut self, ending: Ending) {
        // Appends are not what is tested here: none is lost.
        if self.log.directory().failure().is_none() && self.log.sync().is_err() {
            return;
        }
        match ending {
            Ending::Stop => {
                self.dirs.close(BrokerEpoch(1));
                self.world.crash(1);
            }
            Ending::Kill => self.world.kill(1),
            Ending::Crash => self.world.crash(1),
        }
        self.world.disk(1).repair();
        let env = self.world.boot(1);
        self.dirs = start(&env, &["/logs"], &config());
        self.log = self.dirs.create(topic(1), "t", P0, None, Arc::new(config()), NOW).unwrap();
        self.log.set_high_watermark(self.log.end());
        self.check();
        let files = self.world.disk(1).files("/logs/t-0");
        let left = |name: &str| name.ends_with(".cleaned") || name.ends_with(".swap");
        assert!(!files.iter().any(|(path, _)| left(&path.to_string_lossy())), "{files:?}");
        // A transaction that is open goes on; the others begin anew, as after a crash.
        if self.open.is_none() {
            self.epoch += 1;
            self.sequences.clear();
        }
    }

    fn check(&self) {
        let mut found = BTreeMap::new();
        let mut next = self.log.start();
        let mut batches_met = Vec::new();
        each_batch(&self.log, |bytes, header| {
            assert!(header.base_offset() >= next, "OffsetsAscend");
            next = header.last_offset().next();
            batches_met.push((header.producer_id().0, header.last_offset().0));
            if header.is_control() {
                return;
            }
            for record in read_batch(bytes) {
                let record = record.unwrap();
                let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                found.insert(record.offset.0, (text(record.key.unwrap()), record.value.map(text)));
            }
        });
        for (offset, record) in &found {
            assert_eq!(self.written.get(offset), Some(record), "NothingInvented at {offset}");
        }
        for (offset, record) in self.written.range(self.reach..) {
            assert_eq!(found.get(offset), Some(record), "TailUntouched at {offset}");
        }
        let open = self.open.iter().flat_map(|(_, offsets)| offsets).copied();
        let hidden: BTreeSet<i64> = self.aborted.iter().copied().chain(open).collect();
        let mut newest = BTreeMap::new();
        for (offset, (key, value)) in &self.written {
            if !hidden.contains(offset) {
                newest.insert(key, (*offset, value));
            }
        }
        for (key, (offset, value)) in newest {
            let kept = found.contains_key(&offset);
            assert!(kept || value.is_none(), "NewestKept: {key} at {offset}");
        }
        self.check_committed(&found);
        for (id, known) in self.log.producers() {
            if let Some(last) = known.last() {
                let kept = batches_met.contains(&(id.0, last.last_offset.0));
                assert!(kept, "ProducersKnown: {} at {}", id.0, last.last_offset);
            }
        }
    }

    /// Reads as a consumer of committed data does.
    fn check_committed(&self, found: &BTreeMap<i64, Written>) {
        let (start, stable) = (self.log.start(), self.log.last_stable_offset());
        let mut aborted = self.log.aborted(start, stable).unwrap();
        aborted.sort_by_key(|entry| entry.first_offset);
        let mut ahead = aborted.into_iter().peekable();
        let mut taken_back = BTreeSet::new();
        let mut seen = Vec::new();
        each_batch(&self.log, |bytes, header| {
            if header.last_offset() >= stable {
                return;
            }
            while let Some(entry) = ahead.next_if(|e| e.first_offset <= header.last_offset()) {
                taken_back.insert(entry.producer_id);
            }
            if header.is_control() {
                taken_back.remove(&header.producer_id());
            } else if !(header.is_transactional() && taken_back.contains(&header.producer_id())) {
                seen.extend(read_batch(bytes).map(|record| record.unwrap().offset.0));
            }
        });
        for offset in seen {
            assert!(!self.aborted.contains(&offset), "AbortedHidden at {offset}");
            assert!(found.contains_key(&offset));
        }
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Stop,
    Kill,
    Crash,
}

fn each_batch(log: &Log, mut see: impl FnMut(&Bytes, &ottla_records::BatchView<'_>)) {
    let mut from = log.start();
    while from < log.end() {
        let bytes = log.read_bytes(from, 1 << 20, log.end(), true).unwrap();
        let mut any = false;
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            (from, any) = (batch.last_offset().next(), true);
            see(&bytes.slice_ref(batch.bytes()), &batch);
        }
        assert!(any, "a read at {from} gave nothing");
    }
}

#[test]
fn no_fault_in_a_pass_loses_a_record_that_must_stay() {
    for seed in 0..SEEDS {
        World::new(seed).run(async |world: World| {
            let mut life = Life::begin(world);
            for _ in 0..STEPS {
                life.step();
            }
            life.restart(Ending::Crash);
        });
    }
}

#[test]
fn records_of_tombstones_go_in_the_end() {
    World::new(7).run(async |world: World| {
        let mut life = Life::begin(world);
        for _ in 0..40 {
            life.append();
        }
        let size = life.log.size();
        for _ in 0..6 {
            life.now = life.now + 10_000;
            life.append();
            life.clean_in_peace();
        }
        assert!(life.log.size() < size / 3, "{} of {size} bytes are left", life.log.size());
        life.check();
    });
}

impl Life {
    fn clean_in_peace(&mut self) {
        let cleaning =
            Cleaning { key_bytes: 1 << 16, load_factor: 0.9, io_bytes: 1 << 14, cleaners: 1 };
        self.reach = self.log.end().0;
        while let Some(mut pass) = self.dirs.next_to_clean(&cleaning, self.now) {
            while let Progress::More { .. } = self.dirs.clean(&mut pass) {}
        }
    }
}
