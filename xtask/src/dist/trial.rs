//! A binary is tried as a stranger would: nothing in its environment, an empty folder, one record
//! in and out again.
//!
//! Must hold: the node that was started has ended when this returns.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::output;

/// What the node is started with: ports that the system chooses.
const OVERRIDES: &[&str] = &[
    "process.roles=broker,controller",
    "node.id=1",
    "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
    "controller.listener.names=CONTROLLER",
    "controller.quorum.voters=1@127.0.0.1:0",
    "offsets.topic.replication.factor=1",
    "log.dirs=data",
];

/// The first word of the line that tells where the node listens.
const LISTENER: &str = "PLAINTEXT";
/// The first word of the last line of a start.
const LAST: &str = "stop";

/// The folder of a trial, gone with this, and the node in it, which ends with this.
struct Trial {
    folder: PathBuf,
    node: Option<Child>,
}

/// Runs the binary; answers what it said.
pub(super) fn runs(binary: &Path, version: &str) -> Result<String, String> {
    let said = output(Command::new(binary).arg("--version").env_clear())?;
    if said.trim() != format!("ottla {version}") {
        return Err(format!("--version says {said}, and the version is {version}"));
    }
    let folder = std::env::temp_dir().join(format!("ottla-dist-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut trial = Trial { folder, node: None };
    let address = trial.start(binary)?;
    let client = |applet: &str, words: &[&str]| {
        let mut command = Command::new(binary);
        command.env_clear().args([applet, "--bootstrap-server", &address]).args(words);
        command
    };
    output(&mut client("topics", &["--create", "--topic", "t"]))?;
    let mut producer = client("console-producer", &["--topic", "t"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let Some(mut input) = producer.stdin.take() {
        writeln!(input, "hello").map_err(|e| e.to_string())?;
    }
    producer.wait().map_err(|e| e.to_string())?;
    let words = ["--topic", "t", "--from-beginning", "--max-messages", "1"];
    let read = output(&mut client("console-consumer", &words))?;
    if !read.starts_with("hello\n") {
        return Err(format!("the record that was read back is {read:?}"));
    }
    Ok(format!("{} starts and serves with an empty environment", said.trim()))
}

impl Trial {
    /// Starts a node; answers where it listens.
    fn start(&mut self, binary: &Path) -> Result<String, String> {
        let mut command = Command::new(binary);
        command.env_clear().arg("start").current_dir(&self.folder);
        OVERRIDES.iter().for_each(|it| {
            command.args(["--override", it]);
        });
        let failed = |e: std::io::Error| format!("{}: {e}", binary.display());
        let mut node = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
        let said = node.stdout.take().ok_or("the output was asked for as a pipe")?;
        self.node = Some(node);
        let mut address = None;
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [LISTENER, at] => address = Some(at.to_owned()),
                [LAST, ..] => return address.ok_or("the node tells no address".into()),
                _ => {}
            }
        }
        Err("the node ended before it told where it listens".into())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _gone = node.kill();
            let _status = node.wait();
        }
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
