//! The binary as whoever types its name sees it: what only a process of its own can show.
//!
//! Not here: what a command prints (crates/cli), what a node does (crates/node).

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary, in a folder of its own and with nothing of this process's environment.
fn ottla(folder: &Path, words: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(words).current_dir(folder).env_clear().env("TMPDIR", folder);
    command
}

fn run(folder: &Path, words: &[impl AsRef<OsStr>]) -> (Option<i32>, String, String) {
    told(&mut ottla(folder, words))
}

fn told(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// The words of a node alone, in ./ottla-data; port 0 is any that is free.
fn node(command: &str, port: u16) -> Vec<String> {
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0");
    command.split(' ').map(str::to_owned).chain(["--override".to_owned(), listeners]).collect()
}

// Elsewhere nobody can be asked who holds a folder, and the node would stay.
#[cfg(target_os = "linux")]
#[test]
fn a_node_in_the_background_is_a_success_once_it_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    // It needs no folder for what passes between it and its process.
    let nowhere = folder.path().join("missing").join("x".repeat(100));
    let words = node("start -daemon", 0);
    let (code, out, err) = told(ottla(folder.path(), &words).env("TMPDIR", nowhere));
    let (_, stopped, _) = run(folder.path(), &node("stop", 0));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("\nit serves; stop it with: kill "), "{out}{err}");
    assert!(stopped.contains("was asked to stop: pid "), "{stopped}");
    let log = std::fs::read_to_string(folder.path().join("ottla.log")).expect("its log");
    assert!(log.contains("stop it with ctrl-c"), "it had said so itself: {log}");
}

#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_types, reason = "another program of this machine takes the port")]
fn a_node_in_the_background_that_cannot_serve_is_a_failure_with_its_reason() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    let folder = tempfile::tempdir().expect("a folder");
    let (code, out, err) = run(folder.path(), &node("start -daemon", port));
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("another program listens there; stop it, or choose"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(!out.contains("it serves"), "{out}");
}

#[test]
fn a_level_of_the_log_that_is_none_is_refused_by_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    for words in [&["start"][..], &["topics", "--list"], &["log", "verify", "."]] {
        let (code, _, err) = told(ottla(folder.path(), words).env("OTTLA_LOG", "loud"));
        assert_eq!(code, Some(1), "{words:?}: {err}");
        assert!(err.starts_with("OTTLA_LOG=loud: it must be one of error, warn, "), "{err}");
    }
    for words in [&["--help"][..], &["start", "--help"], &["log", "verify", "-h"], &["--version"]] {
        let (code, out, err) = told(ottla(folder.path(), words).env("OTTLA_LOG", "loud"));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}: who asks is answered");
        assert!(!out.is_empty(), "{words:?}");
    }
}

#[test]
fn a_path_that_cannot_be_used_is_told_with_cause_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    #[expect(clippy::disallowed_methods, reason = "what a user writes on this machine")]
    std::fs::write(folder.path().join("file"), "x=1").expect("room");
    let offline = "--bootstrap-server=127.0.0.1:1";
    let cases: &[(&[&str], &str)] = &[
        (&["start", "."], "cannot read the configuration .: "),
        (&["start", "none"], "cannot read the configuration none: "),
        (&["start", "file/x"], "cannot read the configuration file/x: "),
        (&["stop", "none"], "cannot read the configuration none: "),
        (&["storage", "info", "-c", "none"], "cannot read the configuration none: "),
        (&["topics", offline, "--list", "--command-config", "."], "cannot read the properties in"),
        (&["dump-log", "--files", "1.log"], "cannot open the file 1.log: "),
        (&["log", "verify", "none"], "cannot list the folder none: "),
        (&["links", "file"], "cannot make the folder file: "),
    ];
    for (words, cause) in cases {
        let (code, out, err) = run(folder.path(), words);
        let told = format!("{out}{err}");
        let line = told.lines().find(|line| line.contains(cause));
        let line = line.unwrap_or_else(|| panic!("{words:?}: {told}"));
        let remedies = ["; check the path", "; name a file in that folder", "name a folder"];
        assert!(remedies.iter().any(|remedy| line.contains(remedy)), "{words:?}: {line}");
        assert_eq!(code, Some(1), "{words:?}");
    }
}

#[test]
fn a_configuration_may_come_through_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = ottla(folder.path(), &["storage", "info", "-c", "/dev/stdin"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let text = "process.roles=broker,controller\nnode.id=1\nlog.dirs=here\n\
        listeners=CONTROLLER://:0,PLAINTEXT://:0\ncontroller.listener.names=CONTROLLER\n\
        controller.quorum.bootstrap.servers=localhost:9093\n";
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it is read");
    let told = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert!(told.contains("here does not exist"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_node_serves_on_and_stops_in_order_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = ottla(folder.path(), &node("start", 0));
    command.env("OTTLA_LOG", "debug").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    drop(child.stderr.take());
    let mut first = String::new();
    let said = BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut first);
    assert!(said.is_ok() && first.contains("serves"), "{first}");
    let (_, stopped, _) = run(folder.path(), &node("stop", 0));
    assert!(stopped.contains("was asked to stop: pid "), "{stopped}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(folder.path().join("ottla-data/.kafka_cleanshutdown").exists());
}

#[cfg(unix)]
#[test]
fn words_and_variables_that_are_not_utf_8_end_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let strange = OsStr::from_bytes(b"\xff");
    let folder = tempfile::tempdir().expect("a folder");
    let (code, _, err) = told(&mut ottla(folder.path(), &[OsStr::new("topics"), strange]));
    assert_eq!(
        (code, err.as_str()),
        (Some(1), "ottla: \"\\xFF\" is not UTF-8: name it otherwise\n")
    );
    let (code, _, err) = told(ottla(folder.path(), &["start", "none"]).env("FOO", strange));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("cannot read the configuration none: "), "{err}");
}
