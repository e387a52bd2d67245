//! What Apache Kafka's dump tool prints of a folder, printed by ours; and damage, told by both of
//! the commands that look into a folder.
//!
//! `tests/kafka-dump-log.txt` holds commands and output; `tests/README.md` tells how it was
//! captured.

use std::path::{Path, PathBuf};

use ottla_cli::{Context, run};
use ottla_env::Env;

const SESSION: &str = include_str!("../kafka-dump-log.txt");
const FOLDER: &[u8] = include_bytes!("../../../storage/tests/fixtures/kafka-4.3.1.tar.gz");
const GROUP_LOG: &[u8] = include_bytes!("../group-log/00000000000000000000.log");
const SEGMENT: &str = "00000000000000000000";

/// A data folder of Apache Kafka, and the log of a group beside it.
struct Folder {
    env: Env,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let env = Env::real(runtime.handle().clone());
        let dir = tempfile::tempdir().unwrap();
        let mut folder = tar::Archive::new(flate2::read::GzDecoder::new(FOLDER));
        folder.unpack(dir.path()).unwrap();
        let group = dir.path().join("group-log");
        env.disk().create_dir_all(&group).unwrap();
        env.disk().write(&group.join(format!("{SEGMENT}.log")), GROUP_LOG).unwrap();
        Folder { env, runtime, dir }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Without the folder of the one log that is no partition's.
    fn of_partitions() -> Folder {
        let folder = Folder::new();
        folder.env.disk().remove_dir_all(&folder.path("group-log")).unwrap();
        folder
    }

    /// Runs the line, whose files stand in the folder; stdout, stderr and code.
    fn run(&self, line: &str) -> (String, String, u8) {
        let dir = format!("{}/", self.dir.path().display());
        let mut words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let files =
            words.iter().position(|word| ["--files", "verify", "repair"].contains(&word.as_str()));
        let files = &mut words[files.unwrap() + 1];
        let there: Vec<String> = files.split(',').map(|it| format!("{dir}{it}")).collect();
        *files = there.join(",");
        let (mut context, printed) = Context::captured(self.env.clone());
        let code = self.runtime.block_on(run(&mut context, "ottla", &words));
        (printed.stdout().replace(&dir, ""), printed.stderr().replace(&dir, ""), code)
    }

    /// Changes one byte, or cuts the file where there is none.
    fn damage(&self, file: &str, at: usize, how: impl Fn(&mut Vec<u8>, usize)) {
        let mut bytes = self.env.disk().read(&self.path(file)).unwrap();
        how(&mut bytes, at);
        self.env.disk().write(Path::new(&self.path(file)), &bytes).unwrap();
    }
}

#[test]
fn files_are_printed_as_apache_kafkas_tool_prints_them() {
    let folder = Folder::new();
    let (mut command, mut expect) = ("", String::new());
    let mut steps = Vec::new();
    for line in SESSION.lines() {
        match line.strip_prefix("$ ") {
            Some(next) => {
                steps.push((command, std::mem::take(&mut expect)));
                command = next;
            }
            None => expect += &format!("{}\n", line.strip_prefix("| ").unwrap()),
        }
    }
    steps.push((command, expect));
    assert_eq!(steps.len(), 18);
    for (command, expect) in &steps[1..] {
        let (stdout, stderr, code) = folder.run(command);
        let wrong = stdout.lines().zip(expect.lines()).find(|(ours, theirs)| ours != theirs);
        assert_eq!(wrong, None, "{command}\n{stderr}");
        assert_eq!((stdout.len(), code), (expect.len(), 0), "{command}\n{stderr}");
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let log = format!("sample-txn-0/{SEGMENT}.log");
    let index = format!("sample-rolled-0/{SEGMENT}.index");
    let times = format!("sample-rolled-0/{SEGMENT}.timeindex");
    let cut = |bytes: &mut Vec<u8>, at: usize| bytes.truncate(at);
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    type Damage<'a> = &'a dyn Fn(&Folder);
    let cases: &[(Damage<'_>, String, &str)] = &[
        (
            &|it| it.damage(&log, 1744, cut),
            format!("--files {log}"),
            "Found 58 invalid bytes at the end of 00000000000000000000.log\n",
        ),
        (
            &|it| it.damage(&log, 144, |bytes, at| drop(bytes.drain(at..at + 72))),
            format!("--deep-iteration --files {log}"),
            "Non-consecutive offsets in sample-txn-0/00000000000000000000.log\n  \
             1 is followed by 3\n",
        ),
        (
            &|it| it.damage(&log, 60, flip),
            format!("--max-bytes 100 --files {log}"),
            "crc: 1127441132 isvalid: false\n",
        ),
        (
            &|it| it.damage(&log, 1764, |bytes, _| bytes.extend([0; 50])),
            format!("--files {log}"),
            "no batch begins at byte 1764: ",
        ),
        (
            &|it| it.damage(&index, 8 * 3 + 3, flip),
            format!("--verify-index-only --files {index}"),
            "Mismatches in :sample-rolled-0/00000000000000000000.index\n  \
             Index offset: 45, log offset: 44\n",
        ),
        (
            &|it| it.damage(&index, 8 * 3 + 7, flip),
            format!("--verify-index-only --files {index}"),
            "the entry of offset 44 points at byte 28962, where ",
        ),
        (
            &|it| it.damage(&index, 43, cut),
            format!("--index-sanity-check --files {index}"),
            "43 bytes are no whole entries of 8; without the index the next start makes it anew\n",
        ),
        (
            &|it| it.damage(&times, 12 * 3 + 7, flip),
            format!("--verify-index-only --files {times}"),
            "Found timestamp mismatch in :sample-rolled-0/00000000000000000000.timeindex\n  \
             Index timestamp: 1900000000089, log timestamp: 1900000000088\n",
        ),
        (
            &|it| it.damage(&times, 12 * 5 + 11, flip),
            format!("--verify-index-only --files {times}"),
            "The following indexed offsets are not found in \
             :sample-rolled-0/00000000000000000000.timeindex\nIndexed offset: 65, found log \
             offset: 69\n",
        ),
        (
            &|it| it.damage("sample-txn-0/00000000000000000024.snapshot", 20, flip),
            "--files sample-txn-0/00000000000000000024.snapshot".to_owned(),
            "Snapshot is corrupt (checksum ",
        ),
        (
            &|_| (),
            "--files sample-txn-0/nothing.log".to_owned(),
            "sample-txn-0/nothing.log: it is named by no offset, as 00000000000000000000.log is; \
             give its own name\n",
        ),
        (
            &|_| (),
            format!("--print-data-log --value-decoder-class bogus --files {log}"),
            "--value-decoder-class bogus: Java classes are not loaded here; there are ",
        ),
    ];
    for (damage, line, expect) in cases {
        let folder = Folder::new();
        damage(&folder);
        let (stdout, stderr, _) = folder.run(&format!("dump-log {line}"));
        assert!((stdout.clone() + &stderr).contains(expect), "{line}\n{stdout}{stderr}");
    }
}

#[test]
fn a_folder_is_verified_and_damage_is_an_exit_code() {
    let (stdout, _, code) = Folder::new().run("log verify .");
    let no_start = "damage   ./group-log: is no partition's directory: a node does not start with";
    assert!(stdout.starts_with(no_start) && code == 1, "{stdout}");
    let folder = Folder::of_partitions();
    let (stdout, stderr, code) = folder.run("log verify .");
    assert_eq!((stderr.as_str(), code), ("", 0), "{stdout}");
    assert!(stdout.contains("897 batches, 5193 records, 2933201 bytes; 0 wrong"), "{stdout}");
    let log = format!("./sample-txn-0/{SEGMENT}.log");
    folder.damage(&log, 100, |bytes, at| bytes[at] ^= 1);
    let (stdout, _, code) = folder.run("log verify .");
    assert_eq!(code, 1);
    assert!(stdout.contains(&format!("damage   {log} at byte 72: no whole batch: ")), "{stdout}");
    let (stdout, _, code) = folder.run("log verify . --json");
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let kinds = told["findings"].as_array().unwrap().iter().map(|it| it["kind"].clone());
    assert!(kinds.into_iter().any(|kind| kind == "damage") && code == 1, "{stdout}");
}

#[test]
fn a_damaged_folder_is_repaired() {
    let folder = Folder::of_partitions();
    let (index, id) =
        (format!("./sample-rolled-0/{SEGMENT}.index"), "./sample-txn-0/partition.metadata");
    folder.damage(&index, 27, |bytes, at| bytes[at] ^= 1);
    folder.damage(id, 5, Vec::truncate);
    let (stdout, _, code) = folder.run("log repair . --dry-run");
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains(&format!("would    {index} at byte 24: offset ")), "{stdout}");
    assert!(stdout.contains("2 wrong, 2 to mend"), "{stdout}");
    let (stdout, stderr, code) = folder.run("log repair . --json");
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (told["mended"][0]["how"]["action"].as_str(), code),
        (Some("rebuilt"), 0),
        "{stderr}"
    );
    assert_eq!(told["mended"][1]["path"].as_str().map(|path| path.ends_with(&id[1..])), Some(true));
    assert_eq!(folder.run("log verify .").2, 0);
    let (stdout, _, code) = folder.run("log repair .");
    assert!(stdout.ends_with("0 wrong, 0 mended\n") && code == 0, "{stdout}");
    folder.damage(&format!("./sample-txn-0/{SEGMENT}.log"), 100, |bytes, at| bytes[at] ^= 1);
    let (stdout, _, code) = folder.run("log repair .");
    assert!(stdout.contains("; it is left as it is\n") && code == 1, "{stdout}");
    let (stdout, _, code) = folder.run("log repair . --dry-run --truncate-torn-tail");
    assert!(
        stdout.contains("; be cut: 1692 bytes and 0 files behind them") && code == 1,
        "{stdout}"
    );
}
