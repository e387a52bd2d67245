//! A thousand short lives of a folder: three topics in two log directories, written to, synced,
//! rolled, cut by retention, compacted, deleted and made anew, moved from one directory to the
//! other, with failing disks, and stopped, killed or cut off from power in the middle of it. While
//! the node is down, files that are derived from the logs vanish or are damaged.
//!
//! Invariants, by name: `SyncedKept` and `AcknowledgedKept` (the end is where a power cut, or a
//! kill, must leave it); `NothingInvented`; `NothingMissing` (between start and end, but for what
//! compaction may drop); `OneHome` (no replica lies in two directories); `LikeKafkas` (a folder
//! that was stopped in order has no file that Apache Kafka would not have, and `verify` minds no
//! byte in it, neither of records nor of what is made from them).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_env::{Disk, Env};
use ottla_records::{BatchBuilder, BatchSettings, batches, read_batch};
use ottla_sim::{Broken, World};
use ottla_storage::verify::{Gravity, verify};
use ottla_storage::{Cleaning, Loading, Log, LogConfig, LogDirs, Progress, checkpoint};
use ottla_wire::{BrokerEpoch, Offset, PartitionIndex};

use crate::support::{NOW, dirs_opening, format, lead, topic};

const P0: PartitionIndex = PartitionIndex(0);
const PATHS: [&str; 2] = ["/a", "/b"];
const NAMES: [&str; 3] = ["orders", "keys", "both"];
const SEEDS: u64 = 1_000;
const STEPS: u64 = 15;

fn config(name: &str) -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        segment_index_bytes: 96,
        index_interval_bytes: 120,
        max_message_bytes: 500,
        retention_bytes: if name == "keys" { -1 } else { 1_500 },
        cleanup_compact: name != "orders",
        cleanup_delete: name != "keys",
        min_cleanable_dirty_ratio: 0.0,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

/// A topic and what must still be known of it.
struct Kept {
    name: &'static str,
    id: u8,
    log: Arc<Log>,
    /// By offset: key and value of every record that was ever appended, or may have been.
    written: BTreeMap<i64, (String, String)>,
    /// One past the last record that was acknowledged.
    end: i64,
    /// Where a power cut may leave the end at the earliest.
    synced: i64,
    /// The highest start that the log ever had.
    deleted_to: i64,
}

struct Life {
    world: World,
    env: Env,
    dirs: Arc<LogDirs>,
    topics: Vec<Kept>,
    ids: u8,
    counter: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stop,
    Kill,
    PowerCut,
}

impl Life {
    async fn begin(world: World) -> Life {
        let env = world.node(1);
        for (path, id) in PATHS.iter().zip([0xaa, 0xbb]) {
            format(env.disk(), path, id);
        }
        let dirs = open(&env).await;
        let mut life = Life { world, env, dirs, topics: Vec::new(), ids: 0, counter: 0 };
        for name in NAMES {
            let kept = life.create(name);
            life.topics.push(kept);
        }
        life
    }

    fn create(&mut self, name: &'static str) -> Kept {
        self.ids += 1;
        let (id, config) = (self.ids, Arc::new(config(name)));
        let log = self.dirs.create(topic(id), name, P0, None, config, NOW).unwrap();
        Kept { name, id, log, written: BTreeMap::new(), end: 0, synced: 0, deleted_to: 0 }
    }

    fn below(&self, bound: u64) -> u64 {
        self.world.random_below(bound)
    }

    async fn step(&mut self) {
        let at = usize::try_from(self.below(3)).unwrap();
        let mut ending = None;
        match self.below(20) {
            0 | 1 => {
                self.world.disk(1).fail_after(self.below(25));
                ending = Some(Ending::PowerCut);
            }
            2 => {
                let path = PATHS[usize::try_from(self.below(2)).unwrap()];
                self.world.disk(1).break_below(path, Broken::Writes);
                ending = Some([Ending::Kill, Ending::PowerCut][usize::from(self.below(2) == 0)]);
            }
            _ => {}
        }
        match self.below(100) {
            0..45 => (0..=self.below(4)).for_each(|_| self.append(at)),
            45..55 => self.sync(at),
            55..62 => self.upkeep(),
            62..70 => self.retain(at),
            70..80 => self.compact(),
            80..84 => self.delete(at),
            84..90 => self.relocate(at),
            90..92 => ending = ending.or(Some(Ending::Stop)),
            92..96 => ending = ending.or(Some(Ending::Kill)),
            _ => ending = ending.or(Some(Ending::PowerCut)),
        }
        match ending {
            Some(ending) => self.end(ending).await,
            None => assert!(self.dirs.are_all_online(), "a directory failed without a fault"),
        }
    }

    fn append(&mut self, at: usize) {
        let count = 1 + self.below(3);
        let mut builder = BatchBuilder::new(BatchSettings::default());
        let mut records = Vec::new();
        for _ in 0..count {
            self.counter += 1;
            let long = usize::try_from(self.below(60)).unwrap();
            let key = std::format!("k{}", self.below(5));
            let value = std::format!("{}-{}", self.counter, "x".repeat(long));
            builder.append(NOW, Some(key.as_bytes()), Some(value.as_bytes()), &[]).unwrap();
            records.push((key, value));
        }
        let kept = &mut self.topics[at];
        let first = kept.log.end().0;
        let appended = kept.log.append(&builder.build().unwrap(), lead());
        // The first that was refused may be there all the same, when the disk failed.
        for (offset, record) in (first..).zip(records) {
            kept.written.entry(offset).or_insert(record);
        }
        if let Ok(appended) = appended {
            assert_eq!(appended.first_offset.0, first);
            kept.end = appended.last_offset.0 + 1;
            kept.log.set_high_watermark(kept.log.end());
        }
    }

    fn sync(&mut self, at: usize) {
        let kept = &mut self.topics[at];
        if let Ok(end) = kept.log.sync() {
            kept.synced = end.0;
        }
    }

    fn upkeep(&mut self) {
        self.dirs.background_sync(NOW);
        self.dirs.write_recovery_points();
        self.dirs.write_log_starts();
        self.dirs.write_high_watermarks();
        self.dirs.remove_due(NOW);
        for kept in &mut self.topics {
            kept.synced = kept.synced.max(kept.log.recovery_point().0);
        }
    }

    fn retain(&mut self, at: usize) {
        let kept = &mut self.topics[at];
        let ahead = u64::try_from(kept.log.end() - kept.log.start()).unwrap();
        let by = i64::try_from(self.world.random_below(ahead / 3 + 1)).unwrap();
        // Either may move the start before it fails.
        let _ = kept.log.delete_records(kept.log.start() + by);
        let _ = kept.log.retain(NOW);
        kept.deleted_to = kept.deleted_to.max(kept.log.start().0);
    }

    fn compact(&mut self) {
        let cleaning =
            Cleaning { key_bytes: 1 << 12, load_factor: 0.9, io_bytes: 1 << 14, cleaners: 1 };
        let Some(mut pass) = self.dirs.next_to_clean(&cleaning, NOW) else { return };
        loop {
            if self.below(8) == 0 {
                return self.dirs.end_cleaning(pass);
            }
            match self.dirs.clean(&mut pass) {
                Progress::More { .. } => {}
                Progress::Done | Progress::Ended => return,
            }
        }
    }

    /// Deletes a topic, and makes one of the same name.
    fn delete(&mut self, at: usize) {
        let (id, name) = (self.topics[at].id, self.topics[at].name);
        let deleted = self.dirs.delete(topic(id), P0, NOW);
        if deleted.is_ok() && self.dirs.are_all_online() {
            let anew = self.create(name);
            self.topics[at] = anew;
        } else {
            // It may be there or not after the restart, which makes it anew.
            self.ids += 1;
            let kept = &mut self.topics[at];
            (kept.id, kept.written) = (self.ids, BTreeMap::new());
            (kept.end, kept.synced, kept.deleted_to) = (0, 0, 0);
        }
    }

    /// Moves a replica to the other directory, or a part of the way.
    fn relocate(&mut self, at: usize) {
        let id = topic(self.topics[at].id);
        let here = self.topics[at].log.directory().path().to_owned();
        let there = PATHS.iter().find(|path| Path::new(path) != here).unwrap();
        if self.dirs.begin_move(id, P0, Path::new(there), NOW).is_err() {
            return;
        }
        for _ in 0..1 + self.below(12) {
            match self.dirs.copy(id, P0, 300, NOW) {
                Ok(Some(copied)) if copied.missing == 0 => break,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
        if let Ok(Some(moved)) = self.dirs.finish_move(id, P0, NOW) {
            let kept = &mut self.topics[at];
            kept.log = moved;
            kept.synced = kept.synced.max(kept.log.recovery_point().0);
        } else if self.below(2) == 0 {
            let _ = self.dirs.cancel_move(id, P0, NOW);
        }
    }

    async fn end(&mut self, ending: Ending) {
        let was_online = self.dirs.are_all_online();
        match ending {
            Ending::Stop => {
                self.dirs.close(BrokerEpoch(5));
                assert!(was_online && self.dirs.are_all_online());
                for kept in &mut self.topics {
                    kept.synced = kept.end;
                }
                self.world.crash(1);
            }
            Ending::Kill => self.world.kill(1),
            Ending::PowerCut => self.world.crash(1),
        }
        self.world.disk(1).repair();
        self.env = self.world.boot(1);
        if ending == Ending::Stop {
            self.is_like_kafkas();
        }
        let lost_checkpoints = self.damage(ending);
        self.dirs = open(&self.env).await;
        for at in 0..self.topics.len() {
            self.check(at, ending, lost_checkpoints);
        }
        self.upkeep();
    }

    /// Lets files vanish or change that are derived; answers whether checkpoints did.
    fn damage(&self, ending: Ending) -> bool {
        let mut lost_checkpoints = false;
        for _ in 0..self.below(3) {
            let files: Vec<PathBuf> = PATHS
                .iter()
                .flat_map(|path| files_below(self.env.disk(), Path::new(path)))
                .collect();
            let Some(path) = files.get(usize::try_from(self.below(files.len() as u64)).unwrap())
            else {
                continue;
            };
            let name = path.file_name().unwrap().to_str().unwrap();
            let disk = self.env.disk();
            let bytes = disk.read(path).unwrap();
            let half = bytes.len() / 2;
            match path.extension().and_then(|kind| kind.to_str()) {
                Some("index") => {
                    disk.remove_file(path).unwrap();
                    let _ = disk.remove_file(&path.with_extension("timeindex"));
                }
                Some("snapshot") => disk.remove_file(path).unwrap(),
                _ if name == checkpoint::CLEANER_OFFSETS => disk.write(path, b"0\n9\n").unwrap(),
                _ if name.ends_with("-offset-checkpoint") && ending != Ending::Stop => {
                    disk.write(path, &bytes[..half]).unwrap();
                    lost_checkpoints = true;
                }
                _ => {}
            }
        }
        lost_checkpoints
    }

    fn check(&mut self, at: usize, ending: Ending, lost_checkpoints: bool) {
        let kept = &mut self.topics[at];
        let config = Arc::new(config(kept.name));
        for ((id, index), log) in self.dirs.logs() {
            // A power cut may take back that a topic was deleted; the metadata knows better.
            if log.name() == std::format!("{}-0", kept.name) && id != topic(kept.id) {
                self.dirs.delete(id, index, NOW).unwrap();
            }
        }
        let log = self.dirs.create(topic(kept.id), kept.name, P0, None, config, NOW).unwrap();
        kept.log = log;
        let (start, end) = (kept.log.start().0, kept.log.end().0);
        match ending {
            Ending::Kill => assert!(end >= kept.end, "AcknowledgedKept: {end} of {}", kept.end),
            _ => assert!(end >= kept.synced, "SyncedKept: {end} of {}", kept.synced),
        }
        let sure = if lost_checkpoints { i64::MAX } else { kept.deleted_to.max(end) };
        assert!(start <= sure, "the log starts at {start}");
        let found = records(&kept.log);
        for (offset, record) in &found {
            assert_eq!(kept.written.get(offset), Some(record), "NothingInvented at {offset}");
        }
        kept.written.retain(|offset, _| *offset < end);
        if ending == Ending::PowerCut && kept.name != "orders" {
            // Of what was not synced a part in the middle may be gone, which no start can tell
            // from what compaction has dropped.
            let synced = kept.synced;
            kept.written.retain(|offset, _| *offset < synced || found.contains_key(offset));
        }
        let from = kept.deleted_to.max(start);
        let mut newest = BTreeMap::new();
        for (offset, (key, _)) in kept.written.range(from..) {
            newest.insert(
                if kept.name == "orders" { offset.to_string() } else { key.clone() },
                *offset,
            );
        }
        for offset in newest.values() {
            let there = found.contains_key(offset);
            assert!(there, "NothingMissing: {offset} of {start}..{end} in {}", kept.name);
        }
        (kept.end, kept.synced) = (end, kept.synced.min(end));
        kept.log.set_high_watermark(Offset(end));
    }

    fn is_like_kafkas(&self) {
        for path in PATHS {
            let verified = verify(self.env.disk(), Path::new(path), &mut |_| ()).unwrap();
            let wrong = verified.findings.iter().find(|finding| {
                // A copy on its way to this directory is told of by the name that it will have.
                let usual = ["waits to be removed", "tells of"];
                let is_usual = finding.gravity == Gravity::Note
                    && usual.iter().any(|usual| finding.what.contains(usual));
                let path = finding.path.to_string_lossy();
                // Nobody opens these again, and a start goes through what was about to be renamed.
                let is_aside = ["-delete/", "-stray/"].iter().any(|kind| path.contains(kind));
                !is_usual && !is_aside && !path.ends_with(".tmp")
            });
            assert_eq!(wrong, None, "LikeKafkas");
        }
    }
}

/// Opens the directories as a node does at its start.
async fn open(env: &Env) -> Arc<LogDirs> {
    let dirs = Arc::new(LogDirs::open(env, &dirs_opening(&PATHS)).unwrap());
    let loading = Loading {
        threads_per_dir: 1,
        delete_delay_ms: 0,
        config: Arc::new(|topic| Arc::new(config(topic))),
        known: Arc::new(|_, _, _| true),
        opened: Arc::new(|_| ()),
    };
    // A name in two directories is refused.
    dirs.load_all(loading).await.expect("OneHome");
    assert!(dirs.are_all_online(), "a directory fails at the start");
    for ((id, index), _) in dirs.futures() {
        dirs.adopt(id, index).unwrap();
    }
    dirs.align_moves(NOW).unwrap();
    dirs.loaded();
    dirs
}

fn files_below(disk: &Disk, path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in disk.list(path).unwrap() {
        let path = path.join(&entry.name);
        match entry.is_dir {
            true => files.extend(files_below(disk, &path)),
            false => files.push(path),
        }
    }
    files
}

fn records(log: &Log) -> BTreeMap<i64, (String, String)> {
    let mut found = BTreeMap::new();
    let mut from = log.start();
    while from < log.end() {
        let bytes = log.read_bytes(from, 1 << 20, log.end(), true).unwrap();
        let before = from;
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            from = batch.last_offset().next();
            for record in read_batch(&bytes.slice_ref(batch.bytes())) {
                let record = record.unwrap();
                let text = |it: Option<bytes::Bytes>| {
                    String::from_utf8(it.unwrap_or_default().to_vec()).unwrap()
                };
                found.insert(record.offset.0, (text(record.key), text(record.value)));
            }
        }
        // Compaction may have left nothing behind the last batch.
        if from == before {
            break;
        }
    }
    found.retain(|offset, _| *offset >= log.start().0);
    found
}

#[test]
fn whatever_ends_a_life_the_next_one_finds_what_it_must() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("OTTLA_SIM_SEED").unwrap_or(0);
    for seed in first..first + number("OTTLA_SIM_SEEDS").unwrap_or(SEEDS) {
        World::new(seed).run(async |world: World| {
            let mut life = Life::begin(world).await;
            for _ in 0..STEPS {
                life.step().await;
            }
            life.end(Ending::PowerCut).await;
            life.end(Ending::Stop).await;
        });
    }
}
