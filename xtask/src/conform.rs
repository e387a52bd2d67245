//! `cargo xtask conform`: real clients, each in its own language, against a broker.
//!
//! Every client of `clients::CLIENTS` is a program in `conform/` that prints one line per feature
//! (conform/README.md has the contract); this task installs what they need, starts the broker,
//! kills and restarts it when a client asks for that, and prints a table. `--kafka` runs the same
//! against Apache Kafka, which is how a suite is shown to be right before it judges the node.
//! Must hold: a feature without a line is a failure; where CI is set a missing language is one too.

mod broker;
mod clients;
mod diff;
mod page;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use broker::{Broker, Kind};
use clients::{CLIENTS, Client};
use table::{Mark, Row};

pub(crate) use page::page as differences;

const USAGE: &str =
    "usage: cargo xtask conform [--kafka | --broker '<command>'] [--only <client>,... | --diff]
  --broker  how to start the broker; {config} is its server.properties [ottla start {config}]
  --kafka   Apache Kafka from its Maven artifacts
  --only    these clients, without the others
  --diff    no clients: the same questions to Apache Kafka and the broker, answers compared";

/// Where things are: the workspace and what lies outside of git.
struct Places {
    root: PathBuf,
    /// Installed clients, kept from run to run.
    cache: PathBuf,
    /// Data folders and logs of this run.
    scratch: PathBuf,
    /// What cargo builds.
    target: PathBuf,
}

impl Places {
    /// Empties the folder of this kind of run.
    fn new(run: &str) -> Result<Self, String> {
        let root = crate::root();
        let cache = root.join("target/conform");
        let scratch = cache.join(run);
        let _absent = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        Ok(Self { root, cache, scratch, target: target() })
    }

    /// The words of a command line, `{root}`, `{cache}`, `{target}` and `{config}` filled in.
    fn words(&self, line: &str, config: &Path) -> Vec<String> {
        let fill = |word: &str| {
            word.replace("{root}", &self.root.to_string_lossy())
                .replace("{cache}", &self.cache.to_string_lossy())
                .replace("{target}", &self.target.to_string_lossy())
                .replace("{config}", &config.to_string_lossy())
        };
        line.split_whitespace().map(fill).collect()
    }
}

/// What the command line asks for.
struct Asked {
    broker: Kind,
    only: Vec<String>,
    diff: bool,
}

impl Asked {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut asked = Self { broker: Kind::Command(ottla()), only: Vec::new(), diff: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match (arg.as_str(), args.as_slice().first()) {
                ("--kafka", _) => asked.broker = Kind::Kafka,
                ("--diff", _) => asked.diff = true,
                ("--broker", Some(command)) => asked.broker = Kind::Command(command.clone()),
                ("--only", Some(names)) => {
                    asked.only = names.split(',').map(str::to_owned).collect();
                }
                _ => return Err(format!("cannot understand {arg}\n{USAGE}")),
            }
            if arg != "--kafka" && arg != "--diff" {
                args.next();
            }
        }
        let known = |name: &String| CLIENTS.iter().any(|client| client.name == name);
        match asked.only.iter().find(|name| !known(name)) {
            None => Ok(asked),
            Some(name) => Err(format!("no client {name}\n{USAGE}")),
        }
    }

    fn clients(&self) -> Vec<&'static Client> {
        let wanted = |client: &&Client| {
            self.only.is_empty() || self.only.iter().any(|name| name == client.name)
        };
        CLIENTS.iter().filter(wanted).collect()
    }
}

/// Where cargo builds.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| crate::root().join("target"))
}

/// The newest build of the node.
fn ottla() -> String {
    let target = target();
    let built = |profile: &str| target.join(profile).join("ottla");
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let newest = [built("release"), built("debug")].into_iter().max_by_key(modified);
    format!("{} start {{config}}", newest.expect("there are two").display())
}

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let asked = Asked::parse(args)?;
    let places = Places::new(if asked.diff { "diff" } else { "run" })?;
    if asked.diff {
        clients::install_kafka(&places)?;
        return diff::run(&places, &asked.broker);
    }
    let clients = asked.clients();
    let mut skipped = clients::install(&places, &clients, asked.broker == Kind::Kafka)?;
    let mut broker = Broker::start(&places, &asked.broker, "broker")?;
    let mut rows = Vec::new();
    for client in clients {
        let row = match skipped.remove(client.name) {
            Some(reason) => Row::skipped(client, reason),
            None => clients::run(&places, client, &mut broker)?,
        };
        println!("{row}");
        rows.push(row);
    }
    table::print(&rows);
    println!("logs: {}", places.scratch.display());
    verdict(&rows)
}

fn verdict(rows: &[Row]) -> Result<(), String> {
    let in_ci = std::env::var_os("CI").is_some();
    let failures: usize = rows.iter().map(|row| row.count(Mark::Fail)).sum();
    let skips = rows.iter().filter(|row| row.skipped.is_some()).count();
    match (failures, skips) {
        (0, 0) => Ok(()),
        (0, skips) if !in_ci => {
            println!("{skips} clients skipped: with CI set that is a failure");
            Ok(())
        }
        _ => Err(format!("{failures} features fail, {skips} clients are skipped")),
    }
}

/// Whether a program is on the path.
fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status()
        .is_ok_and(|status| status.success())
}
