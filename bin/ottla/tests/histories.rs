//! Histories of transactions against the process itself, which is killed in the middle of them.
//!
//! The workloads and their judge are those of the simulated world (histories); here bytes go over
//! real sockets to a real disk. Not here: what a power cut takes, which a kill does not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ottla_env::{Env, Tasks};
use ottla_histories::{Anomaly, Contents, History, Topic, Vice, Workload};

const WRITERS: [u32; 2] = [1, 2];
const MOVERS: [u32; 2] = [3, 4];
/// A client gets a port of its own at another address than this, so that none takes the node's
/// while it is down.
const HOST: &str = "127.0.0.2";
/// Elements that lists must have grown by between two kills.
const GROWTH: i64 = 60;
const KILLS: u32 = 3;
/// Longer than any wait in a story that goes on.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EACH: Duration = Duration::from_millis(20);

/// The process; it is dead when this value is dropped.
struct Process(Child);

impl Process {
    /// Starts it and gives the address that it serves at: the one that it is given, or, with port
    /// 0, one that is free.
    fn start(folder: &Path, address: &str) -> (Process, String) {
        let listeners = format!("listeners=PLAINTEXT://{address},CONTROLLER://{HOST}:0");
        let overrides = [
            &listeners,
            "group.initial.rebalance.delay.ms=0",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.num.partitions=3",
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command.arg("start").current_dir(folder).env_clear().stdout(Stdio::piped());
        for line in overrides {
            command.args(["--override", line]);
        }
        let mut child = command.stderr(Stdio::null()).spawn().expect("it runs");
        let said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let process = Process(child);
        let serves = |line: String| {
            let mut words = line.split_whitespace();
            words.next().filter(|word| *word == "PLAINTEXT").and(words.next()).map(str::to_owned)
        };
        let address = said.map_while(Result::ok).find_map(serves).expect("it serves");
        (process, address)
    }

    /// kill -9.
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it was started here");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn work(env: &Env, workload: &Workload) -> Tasks {
    let tasks = env.tasks();
    for worker in WRITERS {
        tasks.spawn("writer", workload.clone().write(env.clone(), worker));
    }
    for worker in MOVERS {
        tasks.spawn("mover", workload.clone().carry(env.clone(), worker));
    }
    tasks.spawn("reader", workload.clone().look_on(env.clone()));
    tasks
}

/// Waits until the lists, or what is moved of them, have as much as is wanted.
async fn until(env: &Env, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            env.sleep(LOOK_EACH).await;
        }
    };
    assert!(env.timeout(PATIENCE, waited).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

async fn grown(env: &Env, workload: &Workload, by: i64) {
    let client = workload.connect(env).await;
    let mut first = None;
    until(env, "lists grow", async || {
        let Some(ends) = workload.ends(&client, Topic::Lists, false).await else { return false };
        let now: i64 = ends.values().sum();
        now >= *first.get_or_insert(now) + by
    })
    .await;
    client.close().await;
}

/// Tells a history and gives what is wrong with it, and how many transactions it has.
async fn told(env: Env, vice: Option<Vice>) -> (Vec<(Anomaly, String)>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut process, bootstrap) = Process::start(folder.path(), &format!("{HOST}:0"));
    let workload = Workload { bootstrap, lists: 2, history: History::default(), vice };
    for topic in [Topic::Lists, Topic::Moved] {
        workload.create(&env, topic, false).await;
    }
    let mut tasks = work(&env, &workload);
    for kill in 0..KILLS {
        grown(&env, &workload, GROWTH).await;
        process.kill();
        if kill % 2 == 1 {
            // The workers end with it, in the middle of what they do.
            tasks.shutdown().await;
            tasks = work(&env, &workload);
        }
        process = Process::start(folder.path(), &workload.bootstrap).0;
    }
    grown(&env, &workload, GROWTH).await;
    tasks.shutdown().await;
    let lists = at_rest(&env, &workload).await;
    workload.history.judge(&lists);
    let moved = moved(&env, &workload, &lists).await;
    workload.history.judge_queue(&lists, &moved);
    process.kill();
    (workload.history.anomalies(), workload.history.counts().1)
}

/// The lists, once nothing that was begun is open any more.
async fn at_rest(env: &Env, workload: &Workload) -> Contents {
    for worker in WRITERS {
        // Its next life only begins, which ends what its last one has open.
        Workload { lists: 0, ..workload.clone() }.write(env.clone(), worker).await;
    }
    let client = workload.connect(env).await;
    until(env, "everything that was begun ends", async || {
        let stable = workload.ends(&client, Topic::Lists, true).await;
        stable.is_some() && stable == workload.ends(&client, Topic::Lists, false).await
    })
    .await;
    client.close().await;
    workload.contents(env, Topic::Lists).await
}

/// What movers have made of the lists, once everything is there.
async fn moved(env: &Env, workload: &Workload, lists: &Contents) -> Contents {
    let tasks = env.tasks();
    tasks.spawn("mover", workload.clone().carry(env.clone(), MOVERS[0]));
    let count = |of: &Contents| of.values().map(Vec::len).sum::<usize>();
    let mut moved = Contents::new();
    until(env, "everything is moved", async || {
        moved = workload.contents(env, Topic::Moved).await;
        count(&moved) >= count(lists)
    })
    .await;
    tasks.shutdown().await;
    moved
}

fn run<T: Send + 'static>(story: impl AsyncFnOnce(Env) -> T) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(story(env))
}

#[test]
fn transactions_keep_their_promises_when_node_and_clients_are_killed() {
    let (anomalies, committed) = run(async |env| told(env, None).await);
    assert!(anomalies.is_empty(), "{anomalies:#?}");
    assert!(committed > 10, "only {committed} transactions were committed");
}

#[test]
fn the_judge_sees_what_is_written_without_transactions() {
    let (anomalies, _) = run(async |env| told(env, Some(Vice::WritesAlone)).await);
    assert!(anomalies.iter().any(|(anomaly, _)| *anomaly == Anomaly::DirtyRead), "{anomalies:?}");
}
