//! Readers beside all that changes a log: whatever the disk is told to do, and for however long it
//! may take that, a reader gets its answer before the disk has answered.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use ottla_env::sim_api::{
    BoxFuture, SimDisk, SimFile, SimListener, SimStream, SimTask, SimTimer, SimWorld,
};
use ottla_env::{DirEntry, Disk, Env, File, Instant, Meta, Open, Space, TaskFailure};
use ottla_sim::World;
use ottla_storage::{Log, LogConfig, ReadError, bytes_of};
use ottla_wire::Offset;

use crate::clean::{Scene, config};

/// Calls of the disk that may last, and a log that is read during each.
#[derive(Default)]
struct Watch {
    log: Mutex<Weak<Log>>,
    calls: AtomicUsize,
}

impl Watch {
    /// The disk is about to change something: a reader goes first.
    fn read_beside(&self, what: &str, path: &str) {
        let Some(log) = self.log.lock().unwrap().upgrade() else { return };
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (done, answered) = channel();
        #[expect(clippy::disallowed_methods, reason = "a reader of its own shows who waits")]
        std::thread::spawn(move || {
            read_all(&log);
            done.send(())
        });
        // Whoever holds a lock that readers need would wait for ever.
        let answer = answered.recv_timeout(Duration::from_secs(60));
        assert!(answer.is_ok(), "readers wait for whoever does this: {what} {path}");
    }
}

/// Reads at places from the log's start to its end.
fn read_all(log: &Log) {
    let (start, end) = (log.start(), log.end());
    let step = ((end - start) / 6).max(1);
    let mut from = start;
    while from < end {
        match log.read(from, 1 << 20, end, true) {
            Ok(slice) => {
                log.aborted_in(from, &slice).unwrap();
                assert_eq!(bytes_of(&slice.records).unwrap().len(), slice.records.len());
            }
            // It has gone meanwhile.
            Err(ReadError::OutOfRange) => {}
            Err(error) => panic!("{error:?}"),
        }
        log.offset_for_time(crate::support::NOW).unwrap();
        from = from + step;
    }
}

/// A node whose disk is watched; a log needs nothing else of it.
struct Watched {
    env: Env,
    watch: Arc<Watch>,
}

struct WatchedDisk {
    disk: Disk,
    watch: Arc<Watch>,
}

struct WatchedFile {
    file: File,
    path: String,
    watch: Arc<Watch>,
}

impl SimWorld for Watched {
    fn now_ms(&self) -> i64 {
        self.env.now_ms()
    }
    fn monotonic(&self) -> Instant {
        self.env.monotonic()
    }
    fn timer(&self, _: Instant) -> Box<dyn SimTimer> {
        unreachable!("logs have no timers")
    }
    fn random_fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
    fn spawn(&self, _: &'static str, _: BoxFuture<()>) -> Box<dyn SimTask> {
        unreachable!("logs have no tasks")
    }
    fn task_failed(&self, _: &TaskFailure) {}
    fn blocking_pause(&self) -> Duration {
        Duration::ZERO
    }
    fn host_name(&self) -> String {
        self.env.host_name()
    }
    fn lookup(&self, _: &str) -> io::Result<IpAddr> {
        unreachable!("logs have no network")
    }
    fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn SimListener>> {
        unreachable!("logs have no network")
    }
    fn connect(&self, _: &str, _: u16) -> BoxFuture<io::Result<SimStream>> {
        unreachable!("logs have no network")
    }
    fn disk(&self) -> Arc<dyn SimDisk> {
        Arc::new(WatchedDisk { disk: self.env.disk().clone(), watch: Arc::clone(&self.watch) })
    }
}

impl WatchedDisk {
    fn told(&self, what: &str, path: &Path) {
        self.watch.read_beside(what, &path.display().to_string());
    }
}

impl SimDisk for WatchedDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.told("create", path);
        self.disk.create_dir_all(path)
    }
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn SimFile>> {
        let (path, file) = (path.display().to_string(), self.disk.open(path, how)?);
        Ok(Arc::new(WatchedFile { file, path, watch: Arc::clone(&self.watch) }))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        self.disk.metadata(path)
    }
    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        self.told("set the time of", path);
        self.disk.set_modified_ms(path, modified_ms)
    }
    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.told("protect", path);
        self.disk.set_read_only(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.told("rename", from);
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.told("remove", path);
        self.disk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.told("remove", path);
        self.disk.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.told("sync", path);
        self.disk.sync_dir(path)
    }
    fn sync_tree(&self, path: &Path) -> io::Result<()> {
        self.told("sync", path);
        self.disk.sync_tree(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.disk.lock(path)?))
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }

    fn open_files_max(&self) -> Option<u64> {
        None
    }
}

impl SimFile for WatchedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }
    fn read_at_resident(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.file.read_at_resident(buf, position)
    }
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.watch.read_beside("write", &self.path);
        self.file.write_at(bytes, position)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch.read_beside("set the length of", &self.path);
        self.file.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.watch.read_beside("allocate", &self.path);
        self.file.allocate(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.watch.read_beside("sync", &self.path);
        self.file.sync()
    }
}

/// Runs a script of clean.rs while everything that the disk is told is watched; answers how many
/// calls that were.
fn read_beside(config: &LogConfig, script: &str) -> usize {
    let mut calls = 0;
    World::new(1).run(async |world: World| {
        let watch = Arc::new(Watch::default());
        let watched = Watched { env: world.node(1), watch: Arc::clone(&watch) };
        let mut scene = Scene::on(Env::simulated(Arc::new(watched)), config);
        *watch.log.lock().unwrap() = Arc::downgrade(&scene.log);
        scene.run(script);
        calls = watch.calls.load(Ordering::Relaxed);
        *watch.log.lock().unwrap() = Weak::new();
        assert!(scene.log.end() > Offset(0));
    });
    calls
}

const LIFE: &str = "put a=1 b=2 | t9 c=3 | abort9 | put d=4 | sync | roll | put a=5 | t9 b=6 \
    | sync | abort9 | put e=7 | roll | put f=8 | sync";

#[test]
fn readers_wait_for_no_append_no_roll_and_no_sync() {
    let indexed = LogConfig { index_interval_bytes: 0, ..config() };
    // So many batches that groups of index entries are written.
    let many = "put x=1 | ".repeat(1_100);
    assert!(
        read_beside(&indexed, &format!("{LIFE} | roll | {many} roll | put g=9 | sync")) > 1_100
    );
}

#[test]
fn readers_wait_for_no_deletion() {
    let deleting = LogConfig {
        index_interval_bytes: 0,
        cleanup_compact: false,
        cleanup_delete: true,
        retention_ms: 2_500,
        ..config()
    };
    let script =
        format!("{LIFE} | delete2 | checkpoint | wait 2 | retain | remove | put h=1 | sync");
    assert!(read_beside(&deleting, &script) > 30);
}

#[test]
fn readers_wait_for_no_compaction() {
    let indexed = LogConfig { index_interval_bytes: 0, ..config() };
    let script = format!("{LIFE} | clean | put a=9 | roll | put b=9 | clean | remove | sync");
    assert!(read_beside(&indexed, &script) > 30);
}
