//! Compaction by scripts: what is done to a log, and what is left of it.
//!
//! `put a=1 b` appends a batch (a key alone is a tombstone), `lz4 a=1` a compressed one, `p5 a=1`
//! one of an idempotent producer, `t9 a=1` one of a transaction that `commit9` or `abort9` ends.
//! `roll` lets the next append begin a segment, `wait 60` lets seconds pass, `clean` runs a pass
//! that must be due and `idle` looks that none is; `delete5` deletes records below 5, `retain` lets
//! retention run and `remove` removes what waits for it, `sync` syncs, `hw3` moves the high
//! watermark back. What is left: `[base: first..last{records}]` with `T` for transactional, `C` for
//! a control batch and `h60` for a horizon of 60 s.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_env::Env;
use ottla_records::{BatchBuilder, BatchSettings, BatchView, Codec, batches, read_batch};
use ottla_sim::World;
use ottla_storage::producers::Producer;
use ottla_storage::{Cleaning, Log, LogConfig, LogDirs, Origin, Progress, bytes_of};
use ottla_wire::{LeaderEpoch, Offset, PartitionIndex, ProducerId, Timestamp};

use crate::support::{NOW, contents, format, marker, producer, start, topic};

pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_ms: 1_000,
        segment_index_bytes: 4096,
        cleanup_compact: true,
        cleanup_delete: false,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 60_000,
        producer_expiration_ms: i64::MAX,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

/// A log and the clock of its script.
pub(crate) struct Scene {
    env: Env,
    dirs: LogDirs,
    pub(crate) log: Arc<Log>,
    now: Timestamp,
    sequences: BTreeMap<i64, i32>,
    key_bytes: u64,
    config: LogConfig,
}

impl Scene {
    fn new(world: &World, config: &LogConfig) -> Scene {
        Scene::on(world.node(1), config)
    }

    pub(crate) fn on(env: Env, config: &LogConfig) -> Scene {
        format(env.disk(), "/logs", 7);
        let dirs = start(&env, &["/logs"], config);
        let created =
            dirs.create(topic(1), "t", PartitionIndex(0), None, Arc::new(config.clone()), NOW);
        let (log, sequences) = (created.unwrap(), BTreeMap::new());
        Scene { env, dirs, log, now: NOW, sequences, key_bytes: 1 << 16, config: config.clone() }
    }

    pub(crate) fn run(&mut self, script: &str) {
        for command in script.split('|').map(str::trim).filter(|command| !command.is_empty()) {
            let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
            if let Some(codec) = Codec::ALL.into_iter().find(|codec| codec.name() == word) {
                self.append(BatchSettings::compressed(codec), rest);
                continue;
            }
            let letters = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
            let number = word[letters.len()..].parse::<i64>().unwrap_or(-1);
            match (letters, number) {
                ("roll", _) => self.now = self.now + 1_001,
                ("wait", _) => self.now = self.now + rest.parse::<i64>().unwrap() * 1_000,
                ("put", _) => self.append(BatchSettings::default(), rest),
                ("p", id) => self.produce(id, false, rest),
                ("t", id) => self.produce(id, true, rest),
                ("commit", id) => self.end(id, false),
                ("abort", id) => self.end(id, true),
                ("keys", slots) => self.key_bytes = u64::try_from(slots).unwrap() * 24,
                ("hw", offset) => drop(self.log.set_high_watermark(Offset(offset))),
                ("clean", _) => assert_eq!(self.clean(), Some(Progress::Done), "{script}"),
                ("fail", _) => assert_eq!(self.clean(), Some(Progress::Ended), "{script}"),
                ("idle", _) => assert_eq!(self.clean(), None, "{script}"),
                ("retain", _) => drop(self.log.retain(self.now).unwrap()),
                ("delete", offset) => drop(self.log.delete_records(Offset(offset)).unwrap()),
                ("remove", _) => drop(self.dirs.remove_due(self.now)),
                ("sync", _) => drop(self.log.sync().unwrap()),
                ("checkpoint", _) => self.dirs.write_log_starts(),
                ("restart", _) => self.restart(),
                _ => panic!("unknown command {command}"),
            }
        }
    }

    fn produce(&mut self, id: i64, is_transactional: bool, records: &str) {
        let sequence = self.sequences.entry(id).or_default();
        let producer = Some(producer(id, 0, *sequence));
        *sequence += i32::try_from(records.split_whitespace().count()).unwrap();
        let settings = BatchSettings { producer, is_transactional, ..BatchSettings::default() };
        self.append(settings, records);
    }

    fn append(&mut self, settings: BatchSettings, records: &str) {
        let mut builder = BatchBuilder::new(settings);
        for record in records.split_whitespace() {
            let (key, value) = match record.split_once('=') {
                Some((key, value)) => (key, Some(value.as_bytes())),
                None => (record, None),
            };
            builder.append(self.now, Some(key.as_bytes()), value, &[]).unwrap();
        }
        let origin = Origin::Leader { epoch: LeaderEpoch(0), now: self.now };
        self.log.append(&builder.build().unwrap(), origin).unwrap();
        self.log.set_high_watermark(self.log.end());
    }

    fn end(&mut self, id: i64, abort: bool) {
        let origin = Origin::Coordinator { epoch: LeaderEpoch(0), now: self.now };
        self.log.append(&marker(id, 0, abort), origin).unwrap();
        self.log.set_high_watermark(self.log.end());
    }

    fn clean(&self) -> Option<Progress> {
        let cleaning = Cleaning {
            key_bytes: self.key_bytes,
            load_factor: 1.0,
            io_bytes: 1 << 16,
            cleaners: 1,
        };
        let mut pass = self.dirs.next_to_clean(&cleaning, self.now)?;
        assert!(self.dirs.next_to_clean(&cleaning, self.now).is_none(), "it is busy");
        loop {
            match self.dirs.clean(&mut pass) {
                Progress::More { .. } => {}
                progress => return Some(progress),
            }
        }
    }

    /// Stops and starts in order; what the log tells of producers is the same.
    fn restart(&mut self) {
        let before = self.log.producers();
        self.dirs.close(ottla_wire::BrokerEpoch(1));
        self.dirs = start(&self.env, &["/logs"], &self.config);
        self.log = self.dirs.get(topic(1), PartitionIndex(0)).unwrap();
        self.log.set_high_watermark(self.log.end());
        let told = |producers: Vec<(ProducerId, Producer)>| {
            let last = |p: &Producer| p.last().map(|last| (last.last_sequence, last.last_offset));
            producers.iter().map(|(id, p)| (*id, p.epoch, last(p))).collect::<Vec<_>>()
        };
        assert_eq!(told(self.log.producers()), told(before));
    }

    fn show(&self) -> String {
        let folder = Path::new("/logs/t-0");
        let mut text = String::new();
        for entry in self.env.disk().list(folder).unwrap() {
            let Some(base) = entry.name.strip_suffix(".log") else { continue };
            let bytes = Bytes::from(self.env.disk().read(&folder.join(&entry.name)).unwrap());
            write!(text, "[{}:", base.parse::<i64>().unwrap()).unwrap();
            for batch in batches(&bytes) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                write!(text, " {}", show_batch(&bytes, &batch)).unwrap();
            }
            text.push_str("] ");
        }
        text.trim_end().to_owned()
    }
}

fn show_batch(bytes: &Bytes, batch: &BatchView<'_>) -> String {
    let mut text = format!("{}..{}", batch.base_offset(), batch.last_offset());
    match batch.codec() {
        Ok(Codec::None) => {}
        codec => write!(text, " {}", codec.unwrap().name()).unwrap(),
    }
    if batch.is_transactional() {
        text.push('T');
    }
    if let Some(horizon) = batch.delete_horizon() {
        write!(text, "h{}", (horizon - NOW) / 1_000).unwrap();
    }
    let own = bytes.slice_ref(batch.bytes());
    let records = read_batch(&own).map(|record| {
        let record = record.unwrap();
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let key = record.key.as_ref().map(text).unwrap_or_default();
        match record.value {
            Some(value) => format!("{key}={}@{}", text(&value), record.offset),
            None => format!("{key}@{}", record.offset),
        }
    });
    match batch.is_control() && batch.count() > 0 {
        true => format!("{text}C"),
        false => format!("{text}{{{}}}", records.collect::<Vec<_>>().join(" ")),
    }
}

pub(crate) fn check_with(config: &LogConfig, script: &str, expect: &str) {
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, config);
        scene.run(script);
        assert_eq!(scene.show(), expect, "{script}");
        // What is on the disk is what readers get, after a restart too.
        let before = contents(&scene.log);
        scene.run("restart");
        assert_eq!(contents(&scene.log), before, "{script}");
        assert_eq!(scene.show(), expect, "{script}");
    });
}

fn check(script: &str, expect: &str) {
    check_with(&config(), script, expect);
}

#[test]
fn the_newest_record_of_each_key_stays_and_the_active_segment_is_left_alone() {
    check(
        "put a=1 b=2 c=3 | put a=4 | roll | put b=5 a=6 | put z=7 | clean",
        "[0: 0..2{b=2@1 c=3@2} 3..3{a=4@3}] [4: 4..5{b=5@4 a=6@5} 6..6{z=7@6}]",
    );
    check(
        "put a=1 b=2 | roll | put a=3 b=4 | roll | put x=5 | clean",
        "[0: 2..3{a=3@2 b=4@3}] [4: 4..4{x=5@4}]",
    );
}

#[test]
fn later_passes_go_on_where_the_last_one_ended() {
    check(
        "put a=1 b=2 | roll | put c=3 | clean | roll | put a=4 | roll | put x=5 | clean | idle",
        "[0: 0..1{b=2@1} 2..2{c=3@2} 3..3{a=4@3}] [4: 4..4{x=5@4}]",
    );
    check(
        "put a=1 | roll | put b=2 | clean | idle | restart | idle | wait 10 | idle",
        "[0: 0..0{a=1@0}] [1: 1..1{b=2@1}]",
    );
}

#[test]
fn a_tombstone_gets_a_horizon_and_goes_when_it_has_passed() {
    check("put a=1 | put a | roll | put b=2 | clean", "[0: 1..1h61{a@1}] [2: 2..2{b=2@2}]");
    let cleaned = "put a=1 | put a | put c=1 | roll | put b=2 | clean | roll | put b=3";
    check(
        &format!("{cleaned} | roll | put x=1 | clean"),
        "[0: 1..1h61{a@1} 2..2{c=1@2} 4..4{b=3@4}] [5: 5..5{x=1@5}]",
    );
    check(
        &format!("{cleaned} | wait 60 | roll | put x=1 | clean"),
        "[0: 2..2{c=1@2} 4..4{b=3@4}] [5: 5..5{x=1@5}]",
    );
}

#[test]
fn what_was_aborted_goes_and_its_marker_follows_after_its_own_horizon() {
    let aborted = "t9 a=1 b=2 | abort9 | put a=0 | t9 c=3 | commit9 | roll | put x=1 | clean";
    check(aborted, "[0: 2..2TC 3..3{a=0@3} 4..4T{c=3@4} 5..5TC] [6: 6..6{x=1@6}]");
    check(
        &format!("{aborted} | roll | put y=1 | clean"),
        "[0: 2..2Th62C 3..3{a=0@3} 4..4T{c=3@4} 5..5TC 6..6{x=1@6}] [7: 7..7{y=1@7}]",
    );
    check(
        &format!("{aborted} | roll | put y=1 | clean | wait 70 | put z=1 | clean"),
        "[0: 3..3{a=0@3} 4..4T{c=3@4} 5..5TC 6..6{x=1@6} 7..7{y=1@7}] [8: 8..8{z=1@8}]",
    );
}

#[test]
fn a_commit_marker_stays_as_long_as_its_data_and_its_horizon_last() {
    check(
        "t9 a=1 | commit9 | t9 b=1 | commit9 | put a=2 | roll | put x=1 | clean | roll | put y=1 \
         | clean",
        "[0: 1..1Th62C 2..2T{b=1@2} 3..3TC 4..4{a=2@4} 5..5{x=1@5}] [6: 6..6{y=1@6}]",
    );
}

#[test]
fn the_last_batch_of_an_active_producer_stays_as_an_empty_one() {
    check(
        "p5 a=1 b=1 | p5 a=2 b=2 | put a=3 b=3 | roll | put x=1 | clean",
        "[0: 2..3{} 4..5{a=3@4 b=3@5}] [6: 6..6{x=1@6}]",
    );
    check("p5 a=1 | put a=3 | roll | p5 x=1 | clean", "[0: 1..1{a=3@1}] [2: 2..2{x=1@2}]");
}

#[test]
fn the_last_batch_of_the_round_stays_as_an_empty_one() {
    check(
        "t9 b=1 c=1 | roll | put y=1 | abort9 | t9 d=1 | commit9 | clean",
        "[0: 0..1T{}] [2: 2..2{y=1@2} 3..3TC 4..4T{d=1@4} 5..5TC]",
    );
    check(
        "put b=1 | roll | put a=1 | put a=2 | roll | put a=3 | hw1 | clean | hw4 | clean",
        "[0: 0..0{b=1@0} 2..2{a=2@2}] [3: 3..3{a=3@3}]",
    );
}

#[test]
fn small_segments_come_together_within_the_limits_of_one() {
    let config = LogConfig { segment_bytes: 200, ..config() };
    check_with(
        &config,
        "put a=1 | roll | put b=1 | roll | put c=1 | roll | put d=1 | roll | put e=1 | clean",
        "[0: 0..0{a=1@0} 1..1{b=1@1}] [2: 2..2{c=1@2} 3..3{d=1@3}] [4: 4..4{e=1@4}]",
    );
}

#[test]
fn a_batch_keeps_its_codec_and_stays_byte_for_byte_when_no_record_goes() {
    check(
        "gzip a=1 b=1 | snappy a=2 c=1 | lz4 a=3 d=1 | zstd a=4 e | roll | put x=1 | clean",
        "[0: 0..1 gzip{b=1@1} 2..3 snappy{c=1@3} 4..5 lz4{d=1@5} 6..7 zstdh61{a=4@6 e@7}] \
         [8: 8..8{x=1@8}]",
    );
}

#[test]
fn nothing_is_due_below_the_ratio_within_the_lag_or_above_an_open_transaction() {
    let half = LogConfig { min_cleanable_dirty_ratio: 0.5, ..config() };
    check_with(
        &half,
        "put a=1 b=1 c=1 d=1 | roll | put b=1 | clean | roll | put c=1 | idle",
        "[0: 0..3{a=1@0 b=1@1 c=1@2 d=1@3}] [4: 4..4{b=1@4}] [5: 5..5{c=1@5}]",
    );
    let lag = LogConfig { min_compaction_lag_ms: 30_000, ..config() };
    check_with(
        &lag,
        "put a=1 | wait 20 | put a=2 | wait 11 | put a=3 | clean | idle | wait 30 | clean | idle",
        "[0: 1..1{a=2@1}] [2: 2..2{a=3@2}]",
    );
    check(
        "t9 a=1 | roll | put a=2 | roll | put x=1 | idle | commit9 | clean",
        "[0: 0..0T{} 1..1{a=2@1}] [2: 2..2{x=1@2} 3..3TC]",
    );
    check(
        "put a=1 | roll | put a=2 | roll | put x=1 | hw1 | clean | hw2 | clean",
        "[0: 1..1{a=2@1}] [2: 2..2{x=1@2}]",
    );
}

#[test]
fn a_log_is_due_when_its_dirty_part_is_older_than_the_lag_allows() {
    let ratio = LogConfig { min_cleanable_dirty_ratio: 0.9, ..config() };
    let lag = LogConfig { max_compaction_lag_ms: 500, ..ratio.clone() };
    let script = "put a=1 b=1 c=1 d=1 e=1 | roll | put a=2 | clean | roll | put x=1";
    let expect = "[0: 0..4{b=1@1 c=1@2 d=1@3 e=1@4} 5..5{a=2@5}] [6: 6..6{x=1@6}]";
    check_with(&lag, &format!("{script} | clean"), expect);
    let dirty = "[0: 0..4{a=1@0 b=1@1 c=1@2 d=1@3 e=1@4}] [5: 5..5{a=2@5}] [6: 6..6{x=1@6}]";
    check_with(&ratio, &format!("{script} | idle"), dirty);
}

#[test]
fn a_map_that_is_full_ends_the_round_early_and_the_next_pass_goes_on() {
    let many: Vec<String> = (0..20).map(|n| format!("k{n}=1")).collect();
    let many = many.join(" ");
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, &config());
        scene.run(&format!("keys16 | put {many} | put {many} | roll | put x=1 | clean"));
        // Sixteen keys fit: offsets up to 15 are known, and all of them are the newest so far.
        assert!(contents(&scene.log).len() == 41);
        let told = |scene: &Scene| {
            let path = Path::new("/logs/cleaner-offset-checkpoint");
            String::from_utf8(scene.env.disk().read(path).unwrap()).unwrap()
        };
        assert_eq!(told(&scene), "0\n1\nt 0 16\n");
        scene.run("clean");
        assert_eq!(told(&scene), "0\n1\nt 0 32\n");
        scene.run("clean | idle");
        assert_eq!(told(&scene), "0\n1\nt 0 40\n");
        let left: Vec<i64> = contents(&scene.log).iter().map(|(offset, _)| *offset).collect();
        assert_eq!(left, (20..=40).collect::<Vec<i64>>());
    });
}

#[test]
fn a_batch_that_cannot_be_read_ends_compaction_of_its_log_alone() {
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, &config());
        scene.run("put a=1 | put a=2 | roll | put x=1");
        let before = scene.show();
        world.disk(1).rot("/logs/t-0/00000000000000000000.log", 100).unwrap();
        scene.run("fail | idle");
        world.disk(1).rot("/logs/t-0/00000000000000000000.log", 100).unwrap();
        assert_eq!(scene.show(), before);
        let status = scene.dirs.cleaning_status();
        assert_eq!(status.uncleanable.len(), 1);
        let reason = &status.uncleanable[0].reason;
        assert!(reason.contains("00000000000000000000.log at offset 1: "), "{reason}");
        let files = world.disk(1).files("/logs/t-0");
        assert!(!files.iter().any(|(path, _)| path.to_string_lossy().contains(".cleaned")));
        let other = Arc::new(config());
        let other = scene.dirs.create(topic(2), "u", PartitionIndex(0), None, other, NOW).unwrap();
        scene.log = other;
        scene.run("put a=1 | put a=2 | roll | put x=1 | clean");
        // A log that is made anew is looked at again.
        assert!(scene.dirs.delete(topic(1), PartitionIndex(0), scene.now).unwrap());
        assert!(scene.dirs.cleaning_status().uncleanable.is_empty());
    });
}

#[test]
fn a_log_that_is_compacted_and_deleted_from_loses_old_segments_too() {
    let config = LogConfig { cleanup_delete: true, retention_ms: 30_000, ..config() };
    check_with(
        &config,
        "put a=1 | put a=2 | roll | put b=1 | clean | wait 20 | put c=1 | wait 9 | retain",
        "[2: 2..2{b=1@2}] [3: 3..3{c=1@3}]",
    );
}

#[test]
fn a_log_that_was_cut_below_what_was_cleaned_is_dirty_from_there_on() {
    check(
        "put a=1 | roll | put b=1 | roll | put c=1 | clean",
        "[0: 0..0{a=1@0} 1..1{b=1@1}] [2: 2..2{c=1@2}]",
    );
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, &config());
        scene.run("put a=1 | put a=2 | put b=1 | roll | put c=1 | clean");
        scene.dirs.truncate(&scene.log, Offset(1), scene.now).unwrap();
        scene.run("put b=7 | put b=8 | roll | put x=1 | clean");
        assert_eq!(scene.show(), "[0: 2..2{b=8@2}] [3: 3..3{x=1@3}]");
    });
}

#[test]
fn a_reader_in_the_middle_of_a_replaced_segment_goes_on() {
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, &config());
        scene.run("put a=1 | t9 a=2 b=2 | put a=3 | abort9 | put c=1 | roll | put x=1");
        let log = Arc::clone(&scene.log);
        let whole = log.read(Offset(0), 1 << 20, log.end(), true).unwrap();
        let middle = log.read(Offset(1), 1 << 20, Offset(4), true).unwrap();
        let bytes = bytes_of(&middle.records).unwrap();
        log.close_idle_files();
        scene.run("clean");
        log.close_idle_files();
        scene.dirs.remove_due(scene.now);
        assert_eq!(bytes_of(&middle.records).unwrap(), bytes);
        assert_eq!(batches(&bytes_of(&whole.records).unwrap()).count(), 5);
        let aborted = log.aborted_in(Offset(1), &middle).unwrap();
        assert_eq!(aborted.iter().map(|entry| entry.first_offset.0).collect::<Vec<_>>(), [1]);
        assert_eq!(scene.show(), "[0: 1..2T{} 3..3{a=3@3} 4..4TC 5..5{c=1@5}] [6: 6..6{x=1@6}]");
    });
}

#[test]
fn memory_of_a_pass_is_bounded_by_what_a_batch_is_long_on_the_disk() {
    let world = World::new(1);
    world.run(async |world: World| {
        let mut scene = Scene::new(&world, &config());
        let mut builder = BatchBuilder::new(BatchSettings::compressed(Codec::Zstd));
        let value = vec![b'v'; 1 << 16];
        for n in 0..32_u8 {
            builder.append(NOW, Some(&[n % 31]), Some(&value), &[]).unwrap();
        }
        let batch = builder.build().unwrap();
        assert!(batch.len() < 1 << 12);
        scene.log.append(&batch, Origin::Leader { epoch: LeaderEpoch(0), now: NOW }).unwrap();
        scene.run("roll | put x=1 | clean");
        let bytes = scene.log.read_bytes(Offset(0), 1, scene.log.end(), true).unwrap();
        assert_eq!(batches(&bytes).next().unwrap().unwrap().count(), 31);
    });
}
