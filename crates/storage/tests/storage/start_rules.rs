//! What a start does with what it finds in a log directory, one row per kind of thing. Apache
//! Kafka 4.3.1 was started on the same folders; where it does otherwise the row says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_env::Env;
use ottla_sim::World;
use ottla_storage::{Loading, LogConfig, LogDirs};
use ottla_wire::{BrokerEpoch, PartitionIndex, TopicId};

use crate::support::{NOW, batch, dirs_opening, format, lead, start, topic};

const UNIQUE: &str = "0123456789abcdef0123456789abcdef";
const P0: PartitionIndex = PartitionIndex(0);

/// Two directories after a clean stop; /a holds `orders-0` with one record.
fn prepare(env: &Env) {
    format(env.disk(), "/a", 0xaa);
    format(env.disk(), "/b", 0xbb);
    let dirs = start(env, &["/a", "/b"], &LogConfig::default());
    let log = dirs.create(topic(1), "orders", P0, None, Arc::default(), NOW).unwrap();
    assert_eq!(log.directory().path(), Path::new("/a"));
    log.append(&batch(None, false, &["one"]), lead()).unwrap();
    dirs.close(BrokerEpoch(1));
}

/// Starts on both; topics 1 and 2, `orders` and `fish`, are in the metadata with one partition.
async fn begin(env: &Env) -> Result<Arc<LogDirs>, String> {
    let dirs = LogDirs::open(env, &dirs_opening(&["/a", "/b"])).map_err(|e| e.to_string())?;
    let dirs = Arc::new(dirs);
    let known: BTreeMap<TopicId, &str> = [(topic(1), "orders"), (topic(2), "fish")].into();
    let loading = Loading {
        threads_per_dir: 2,
        delete_delay_ms: 1_000,
        config: Arc::new(|_: &str| Arc::default()),
        known: Arc::new(move |log, _, partition| {
            partition == P0 && log.topic_id().is_some_and(|id| known.contains_key(&id))
        }),
        opened: Arc::new(|_| {}),
    };
    dirs.load_all(loading).await.map_err(|error| error.to_string())?;
    dirs.loaded();
    Ok(dirs)
}

/// Which folders of partitions are there, without what is random in their names.
fn folders(env: &Env) -> String {
    let mut all = Vec::new();
    for dir in ["/a", "/b"] {
        for entry in env.disk().list(Path::new(dir)).unwrap() {
            if entry.is_dir {
                let plain = entry.name.rsplit_once('.').filter(|(_, unique)| unique.len() > 32);
                let name = plain.map(|(name, unique)| format!("{name}{}", &unique[32..]));
                all.push(format!("{dir}/{}", name.unwrap_or(entry.name)));
            }
        }
    }
    all.join(" ")
}

/// Makes folders and files, starts, and compares: what serves, what moves, and what is there then
/// and after the delay of deletions; or why the start is refused.
fn check(what: &str, make: fn(&Env), expect: &str) {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        prepare(&env);
        make(&env);
        let got = match begin(&env).await {
            Err(refused) => format!("refused: {refused}"),
            Ok(dirs) => {
                let place = |log: &ottla_storage::Log| log.directory().path().display().to_string();
                let serves = dirs.logs().into_iter().map(|(_, log)| (place(&log), log));
                let serves = serves.map(|(dir, log)| format!("{dir}/{}@{}", log.name(), log.end()));
                let serves: Vec<String> = serves.collect();
                let moves = dirs.futures().into_iter().map(|(_, log)| log);
                let moves: Vec<String> =
                    moves.map(|log| format!(">{}/{}", place(&log), log.name())).collect();
                let all = [serves, moves].concat().join(" ");
                let before = folders(&env);
                dirs.remove_due(NOW + 1_000_000_000_000);
                format!("{all} | {before} | {}", folders(&env))
            }
        };
        assert!(got.starts_with(expect), "{what}:\n  got    {got}\n  expect {expect}");
    });
}

fn copy(env: &Env, from: &str, to: &str) {
    let (disk, from, to) = (env.disk(), Path::new(from), Path::new(to));
    disk.create_dir_all(to).unwrap();
    for entry in disk.list(from).unwrap() {
        let bytes = disk.read(&from.join(&entry.name)).unwrap();
        disk.write(&to.join(&entry.name), &bytes).unwrap();
    }
}

fn rename(env: &Env, from: &str, to: &str) {
    env.disk().rename(Path::new(from), Path::new(to)).unwrap();
}

fn touch(env: &Env, path: &str) {
    env.disk().write(Path::new(path), b"").unwrap();
}

const SERVES: &str = "/a/orders-0@1 | /a/orders-0 | /a/orders-0";

#[test]
fn plain_files_and_the_folder_of_tiered_storage_are_left_alone() {
    check("a file", |env| touch(env, "/a/notes.txt"), SERVES);
    let cache = "/a/orders-0@1 | /a/orders-0 /a/remote-log-index-cache |";
    check(
        "tiers",
        |env| env.disk().create_dir_all(Path::new("/a/remote-log-index-cache")).unwrap(),
        cache,
    );
}

#[test]
fn a_folder_that_is_no_partition_stops_the_start() {
    for (name, path) in
        [("no dash", "/b/backup"), ("no number", "/b/orders-x"), ("hidden", "/b/.snap")]
    {
        World::new(1).run(async |world: World| {
            let env = world.node(1);
            prepare(&env);
            env.disk().create_dir_all(Path::new(path)).unwrap();
            let refused = begin(&env).await.map(drop).unwrap_err();
            let expect = format!("{path} is not the directory of a partition");
            assert!(refused.starts_with(&expect), "{name}: {refused}");
        });
    }
}

#[test]
fn folders_told_by_their_suffix() {
    check(
        "waits for removal",
        |env| copy(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-delete")),
        "/a/orders-0@1 | /a/orders-0 /b/orders-0-delete | /a/orders-0",
    );
    check(
        "was set aside",
        |env| copy(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-stray")),
        "/a/orders-0@1 | /a/orders-0 /b/orders-0-stray | /a/orders-0 /b/orders-0-stray",
    );
    check(
        "a move that goes on",
        |env| copy(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-future")),
        "/a/orders-0@1 >/b/orders-0 | /a/orders-0 /b/orders-0-future |",
    );
    check(
        "a move whose original is gone",
        |env| rename(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-future")),
        ">/b/orders-0 | /b/orders-0-future |",
    );
    check(
        "two moves of one partition",
        |env| {
            copy(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-future"));
            copy(env, "/a/orders-0", &format!("/b/orders-0.{}-future", "f".repeat(32)));
        },
        "refused: orders-0 is in /b/orders-0.",
    );
}

#[test]
fn a_partition_in_two_folders_stops_the_start_unless_one_is_of_a_deleted_topic() {
    check("twice", |env| copy(env, "/a/orders-0", "/b/orders-0"), "refused: orders-0 is in /");
    check(
        "an older topic of that name",
        |env| {
            copy(env, "/a/orders-0", "/b/orders-0");
            let text = format!("version: 0\ntopic_id: {}", topic(9).0);
            env.disk().write(Path::new("/b/orders-0/partition.metadata"), text.as_bytes()).unwrap();
        },
        "/a/orders-0@1 | /a/orders-0 /b/orders-0-stray |",
    );
}

#[test]
fn partitions_that_the_metadata_does_not_know_are_set_aside() {
    let strange = |env: &Env| {
        let text = format!("version: 0\ntopic_id: {}", topic(9).0);
        env.disk().write(Path::new("/a/orders-0/partition.metadata"), text.as_bytes()).unwrap();
    };
    check("another topic id", strange, " | /a/orders-0-stray | /a/orders-0-stray");
    check(
        "a partition too many",
        |env| rename(env, "/a/orders-0", "/a/orders-7"),
        " | /a/orders-7-stray | /a/orders-7-stray",
    );
    let forgotten = |env: &Env| {
        env.disk().remove_file(Path::new("/a/orders-0/partition.metadata")).unwrap();
    };
    check("no topic id, a known name", forgotten, " | /a/orders-0-stray | /a/orders-0-stray");
    // Apache Kafka does not start on it.
    check(
        "a topic id that a power cut emptied",
        |env| env.disk().write(Path::new("/a/orders-0/partition.metadata"), b"").unwrap(),
        " | /a/orders-0-stray | /a/orders-0-stray",
    );
    check(
        "no topic id and no record",
        |env| env.disk().create_dir_all(Path::new("/b/fish-0")).unwrap(),
        "/a/orders-0@1 | /a/orders-0 /b/fish-0-delete | /a/orders-0",
    );
    check(
        "no topic id, an unknown name",
        |env| {
            rename(env, "/a/orders-0", "/a/gone-0");
            env.disk().remove_file(Path::new("/a/gone-0/partition.metadata")).unwrap();
        },
        " | /a/gone-0-stray |",
    );
    check(
        "a copy without a topic id",
        |env| {
            copy(env, "/a/orders-0", &format!("/b/orders-0.{UNIQUE}-future"));
            let metadata = format!("/b/orders-0.{UNIQUE}-future/partition.metadata");
            env.disk().remove_file(Path::new(&metadata)).unwrap();
        },
        "/a/orders-0@1 | /a/orders-0 /b/orders-0-stray |",
    );
}

#[test]
fn leftovers_inside_a_partition_are_removed_or_carried_to_their_end() {
    let base = "/a/orders-0/00000000000000000000";
    let listed = |make: fn(&Env)| {
        let mut names = String::new();
        World::new(1).run(async |world: World| {
            let env = world.node(1);
            prepare(&env);
            make(&env);
            let dirs = begin(&env).await.unwrap();
            assert_eq!(dirs.logs().len(), 1);
            let all = env.disk().list(Path::new("/a/orders-0")).unwrap().into_iter();
            let all = all.map(|entry| entry.name.replace("00000000000000000000", "0"));
            let logs = all.filter(|name| name.contains(".log") || name.contains("index"));
            names = logs.collect::<Vec<_>>().join(" ");
            names = format!("{names} @{}", dirs.logs()[0].1.end());
        });
        names
    };
    let whole = "0.index 0.log 0.timeindex @1";
    assert_eq!(listed(|_| {}), whole);
    assert!(base.len() > 20);
    assert_eq!(listed(|env| touch(env, "/a/orders-0/00000000000000000000.log.deleted")), whole);
    assert_eq!(listed(|env| touch(env, "/a/orders-0/00000000000000000000.index.deleted")), whole);
    assert_eq!(listed(|env| touch(env, "/a/orders-0/00000000000000000000.log.cleaned")), whole);
    assert_eq!(listed(|env| touch(env, "/a/orders-0/00000000000000000009.index")), whole);
    assert_eq!(
        listed(|env| {
            let log = "/a/orders-0/00000000000000000000.log";
            rename(env, log, &format!("{log}.swap"));
            touch(env, log);
        }),
        "0.index 0.log 0.timeindex @1"
    );
    // Output that is not committed makes the later, committed one worthless.
    assert_eq!(
        listed(|env| {
            touch(env, "/a/orders-0/00000000000000000000.log.cleaned");
            touch(env, "/a/orders-0/00000000000000000000.log.swap");
        }),
        whole
    );
}
