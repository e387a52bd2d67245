//! The clients: a row each, what they need installed, and how one of them runs.
//! Not here: what they show; that is their own program in `conform/`.
//! Must hold: versions stand in the lock files that a kit names, never in this file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Places;
use super::broker::Broker;
use super::has;
use super::table::Row;

/// What the table shows of every client.
pub(crate) const FEATURES: &[&str] = &[
    "topics",
    "acks-0",
    "acks-1",
    "acks-all",
    "gzip",
    "snappy",
    "lz4",
    "zstd",
    "headers",
    "nullkeys",
    "tombstones",
    "group",
    "commit",
    "seek",
    "restart",
];

/// What every client with transactions shows.
const TRANSACTIONS: &[&str] = &["atomic", "fenced", "exactly-once"];

/// The same, and what it notes of its transactions is judged.
const HISTORIES: &[&str] = &["atomic", "fenced", "exactly-once", "histories"];

/// One client: a row of the table.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// Programs that a language brings; without them the client is skipped.
    needs: &'static [&'static str],
    kits: &'static [&'static Kit],
    /// Its program; the bootstrap address follows.
    command: &'static str,
    pub(crate) features: &'static [&'static str],
}

/// What a language's own registry installs.
pub(crate) struct Kit {
    name: &'static str,
    /// Relative to the workspace. It is installed again when one of them changes; each time when
    /// there is none.
    locks: &'static [&'static str],
    steps: &'static [&'static str],
}

static PYTHON: Kit = Kit {
    name: "python",
    locks: &["conform/python/requirements.txt"],
    steps: &[
        "python3 -m venv {cache}/python",
        "{cache}/python/bin/pip install --quiet \
            --requirement {root}/conform/python/requirements.txt",
    ],
};
static NODE: Kit = Kit {
    name: "node",
    locks: &[
        "conform/kafkajs/package-lock.json",
        "conform/kafkajs/suite.js",
        "conform/exactly-once/kafkajs.js",
    ],
    steps: &[
        "mkdir -p {cache}/node",
        "cp {root}/conform/kafkajs/package.json {root}/conform/kafkajs/package-lock.json \
            {root}/conform/kafkajs/suite.js {root}/conform/exactly-once/kafkajs.js {cache}/node",
        "npm ci --silent --prefix {cache}/node",
    ],
};
static GO: Kit = Kit {
    name: "go",
    locks: &[
        "conform/franz-go/go.sum",
        "conform/franz-go/main.go",
        "conform/franz-go/worker/main.go",
    ],
    steps: &[
        "go build -C {root}/conform/franz-go -o {cache}/franz-go .",
        "go build -C {root}/conform/franz-go -o {cache}/franz-go-worker ./worker",
    ],
};
static JAVA: Kit = Kit {
    name: "java",
    locks: &[
        "conform/java/pom.xml",
        "conform/java/src/main/java/Batch.java",
        "conform/java/src/main/java/Consumers.java",
        "conform/java/src/main/java/Diff.java",
        "conform/java/src/main/java/Filler.java",
        "conform/java/src/main/java/Groups.java",
        "conform/java/src/main/java/Migration.java",
        "conform/java/src/main/java/Receiver.java",
        "conform/java/src/main/java/Shares.java",
        "conform/java/src/main/java/Story.java",
        "conform/java/src/main/java/Suite.java",
        "conform/java/src/main/java/Transactions.java",
    ],
    steps: &["mvn --quiet --batch-mode --file {root}/conform/java/pom.xml compile"],
};
static JAVA_2_8: Kit = Kit {
    name: "java-2.8",
    locks: &[
        "conform/java-2.8/pom.xml",
        "conform/java/src/main/java/Story.java",
        "conform/java/src/main/java/Transactions.java",
    ],
    steps: &["mvn --quiet --batch-mode --file {root}/conform/java-2.8/pom.xml compile"],
};
static STREAMS: Kit = Kit {
    name: "streams",
    locks: &[
        "conform/exactly-once/java/pom.xml",
        "conform/exactly-once/java/src/main/java/Streams.java",
        "conform/java/src/main/java/Story.java",
        "conform/streams/StreamsGroups.java",
    ],
    steps: &["mvn --quiet --batch-mode --file {root}/conform/exactly-once/java/pom.xml compile"],
};
static TOOLS: Kit = Kit {
    name: "tools",
    locks: &[
        "conform/tools/pom.xml",
        "conform/folders/Fencing.java",
        "conform/folders/Hanging.java",
        "conform/folders/Host.java",
        "conform/folders/Moves.java",
        "conform/folders/Raw.java",
        "conform/folders/State.java",
        "conform/folders/ThereAndBack.java",
        "conform/folders/Unmade.java",
        "conform/folders/Writing.java",
    ],
    steps: &["mvn --quiet --batch-mode --file {root}/conform/tools/pom.xml compile"],
};

/// This project's own client. Cargo knows when it has to be built again.
static OWN: Kit = Kit {
    name: "own",
    locks: &[],
    steps: &["cargo build --quiet --manifest-path {root}/Cargo.toml --package ottla-client \
            --example exactly_once"],
};

/// Who judges histories. Cargo knows when it has to be built again.
static JUDGE: Kit = Kit {
    name: "judge",
    locks: &[],
    steps: &["cargo build --quiet --manifest-path {root}/Cargo.toml --package ottla-histories \
            --example judge"],
};

/// Every client, one row each.
#[rustfmt::skip]
pub(crate) const CLIENTS: &[Client] = &[
    Client { name: "kcat", needs: &["kcat"], kits: &[],
        command: "{root}/conform/kcat/suite", features: FEATURES },
    Client { name: "kafka-python", needs: &["python3"], kits: &[&PYTHON],
        command: "{cache}/python/bin/python {root}/conform/python/suite.py kafka_python",
        features: FEATURES },
    Client { name: "confluent-kafka", needs: &["python3"], kits: &[&PYTHON],
        command: "{cache}/python/bin/python {root}/conform/python/suite.py confluent",
        features: FEATURES },
    Client { name: "aiokafka", needs: &["python3"], kits: &[&PYTHON],
        command: "{cache}/python/bin/python {root}/conform/python/suite.py aio",
        features: FEATURES },
    Client { name: "kafkajs", needs: &["node", "npm"], kits: &[&NODE],
        command: "node {cache}/node/suite.js", features: FEATURES },
    Client { name: "franz-go", needs: &["go"], kits: &[&GO],
        command: "{cache}/franz-go", features: FEATURES },
    Client { name: "java", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Suite", features: FEATURES },
    Client { name: "java-groups", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Groups",
        features: &["cooperative", "static", "size", "stable", "live-admin"] },
    Client { name: "java-consumers", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Consumers",
        features: &["group", "regex", "static", "described", "restart"] },
    Client { name: "java-migration", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Migration",
        features: &["there-and-back", "eager", "static"] },
    Client { name: "java-shares", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Shares",
        features: &["shared", "verdicts", "described", "dead-letters", "offsets-first",
            "restart"] },
    Client { name: "java-share-changes", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* ShareChanges",
        features: &["callbacks", "implicit", "record-limit", "isolation", "locks", "renewed",
            "grows", "topic-deleted"] },
    Client { name: "java-share-kills", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* ShareKills",
        features: &["nothing-lost", "counted", "confirmed"] },
    Client { name: "java-transactions", needs: &["java", "javac", "mvn"], kits: &[&JAVA],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Transactions",
        features: &["atomic", "fenced", "offsets", "exactly-once"] },
    Client { name: "java-2.8-transactions", needs: &["java", "javac", "mvn"], kits: &[&JAVA_2_8],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java-2.8/classes:{cache}/java-2.8/libs/* Transactions",
        features: &["atomic", "fenced", "offsets", "exactly-once"] },
    Client { name: "java-exactly-once", needs: &["python3", "java", "javac", "mvn"],
        kits: &[&PYTHON, &JAVA],
        command: "{cache}/python/bin/python {root}/conform/exactly-once/suite.py java \
            java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/java/classes:{cache}/java/libs/* Transactions",
        features: &["exactly-once"] },
    Client { name: "java-streams", needs: &["python3", "java", "javac", "mvn"],
        kits: &[&PYTHON, &STREAMS],
        command: "{cache}/python/bin/python {root}/conform/exactly-once/suite.py streams \
            java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/streams/classes:{cache}/streams/libs/* Streams",
        features: &["exactly-once", "counts"] },
    Client { name: "java-streams-groups", needs: &["java", "javac", "mvn"], kits: &[&STREAMS],
        command: "java -Xmx384M -XX:TieredStopAtLevel=1 \
            -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
            -cp {cache}/streams/classes:{cache}/streams/libs/* StreamsGroups",
        features: &[
            "tasks", "internal-topics", "standbys", "missing-source", "partitioned-otherwise",
            "shutdown", "silent", "two-applications", "topic-grows", "source-deleted",
            "other-topology", "endpoints", "described", "restart",
        ] },
    Client { name: "java-streams-groups-once", needs: &["python3", "java", "javac", "mvn"],
        kits: &[&PYTHON, &STREAMS],
        command: "{cache}/python/bin/python {root}/conform/exactly-once/suite.py streams \
            java -Xmx256M -XX:TieredStopAtLevel=1 -Dprotocol=streams \
            -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
            -cp {cache}/streams/classes:{cache}/streams/libs/* Streams",
        features: &["exactly-once", "counts"] },
    Client { name: "confluent-consumers", needs: &["python3"], kits: &[&PYTHON],
        command: "{cache}/python/bin/python {root}/conform/python/consumers.py",
        features: &["group", "regex"] },
    Client { name: "confluent-transactions", needs: &["python3"], kits: &[&PYTHON, &JUDGE],
        command: "env JUDGE={target}/debug/examples/judge {cache}/python/bin/python \
            {root}/conform/exactly-once/suite.py confluent \
            {cache}/python/bin/python {root}/conform/exactly-once/confluent.py",
        features: HISTORIES },
    Client { name: "kafkajs-transactions", needs: &["python3", "node", "npm"],
        kits: &[&PYTHON, &NODE, &JUDGE],
        command: "env JUDGE={target}/debug/examples/judge {cache}/python/bin/python \
            {root}/conform/exactly-once/suite.py kafkajs node {cache}/node/kafkajs.js",
        features: HISTORIES },
    Client { name: "franz-go-transactions", needs: &["python3", "go"], kits: &[&PYTHON, &GO],
        command: "{cache}/python/bin/python {root}/conform/exactly-once/suite.py franz-go \
            {cache}/franz-go-worker",
        features: TRANSACTIONS },
    Client { name: "ottla-transactions", needs: &["python3"], kits: &[&PYTHON, &OWN],
        command: "{cache}/python/bin/python {root}/conform/exactly-once/suite.py ottla \
            {target}/debug/examples/exactly_once",
        features: TRANSACTIONS },
    Client { name: "console-tools", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "{root}/conform/tools/suite {cache}/tools/libs", features: FEATURES },
    Client { name: "console-share-tools", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "{root}/conform/tools/shares {cache}/tools/libs",
        features: &["console-share-consumer", "share-groups"] },
    Client { name: "folders", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/tools/classes:{cache}/tools/libs/* ThereAndBack",
        features: &[
            "from-kafka", "sound", "to-kafka", "goes-on", "back-again", "killed-here",
            "killed-there", "sound-after-crashes",
        ] },
    Client { name: "folders-unmade", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/tools/classes:{cache}/tools/libs/* Unmade",
        features: &["unmade-to-kafka", "unmade-written", "unmade-back", "unmade-killed"] },
    Client { name: "moves", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/tools/classes:{cache}/tools/libs/* Moves",
        features: &["moved-by-kafkas-tool", "moved-by-own-tool", "moves-lose-nothing"] },
    Client { name: "java-hanging", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/tools/classes:{cache}/tools/libs/* Hanging",
        features: &["hanging-on-kafka", "hanging-on-node", "hanging-told-alike"] },
    Client { name: "java-fencing", needs: &["java", "javac", "mvn"], kits: &[&TOOLS],
        command: "java -Xmx256M -XX:TieredStopAtLevel=1 \
            -cp {cache}/tools/classes:{cache}/tools/libs/* Fencing",
        features: &["exhausted", "zombie", "expired", "timed-out"] },
    Client { name: "payments", needs: &["python3"], kits: &[&PYTHON],
        command: "{cache}/python/bin/python {root}/conform/payments/suite.py",
        features: &["nothing-lost", "dead-letters"] },
    Client { name: "network", needs: &["kcat", "ip", "ss"], kits: &[],
        command: "{root}/conform/network/suite",
        features: &[
            "named-address", "advertised-address", "bound-to-nothing-else", "loopback-alone",
        ] },
];

/// The longest that one client may take for everything, on a machine that is busy besides.
const CLIENT_LIMIT: Duration = Duration::from_secs(1_200);

/// Installs what the clients need, all kits at once, and tells who must be skipped and why.
pub(crate) fn install(
    places: &Places,
    clients: &[&'static Client],
    kafka: bool,
) -> Result<BTreeMap<&'static str, String>, String> {
    let mut skipped = BTreeMap::new();
    let mut kits = BTreeMap::new();
    if kafka {
        kits.insert(JAVA.name, &JAVA);
    }
    for client in clients {
        let missing: BTreeSet<_> = client.needs.iter().filter(|need| !has(need)).copied().collect();
        if missing.is_empty() {
            kits.extend(client.kits.iter().map(|kit| (kit.name, *kit)));
        } else {
            let missing: Vec<_> = missing.into_iter().collect();
            skipped.insert(client.name, format!("no {}", missing.join(", no ")));
        }
    }
    let results: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            kits.values().map(|kit| scope.spawn(|| install_kit(places, kit))).collect();
        running.into_iter().map(|kit| kit.join().expect("installing does not panic")).collect()
    });
    for (kit, result) in kits.values().zip(results) {
        let Err(why) = result else { continue };
        if kafka && std::ptr::eq(*kit, &JAVA) {
            return Err(why);
        }
        let without =
            clients.iter().filter(|client| client.kits.iter().any(|k| k.name == kit.name));
        skipped.extend(without.map(|client| (client.name, why.clone())));
    }
    Ok(skipped)
}

/// Apache Kafka itself and the program of the differential mode.
pub(crate) fn install_kafka(places: &Places) -> Result<(), String> {
    install_kit(places, &JAVA)
}

/// Runs a kit's steps unless its lock files are the ones that were installed last.
fn install_kit(places: &Places, kit: &Kit) -> Result<(), String> {
    let read = |lock: &&str| fs::read_to_string(places.root.join(lock));
    let locks: String =
        kit.locks.iter().map(read).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let stamp = places.cache.join(kit.name).with_extension("installed");
    let is_same = |installed: String| installed == locks && !kit.locks.is_empty();
    if fs::read_to_string(&stamp).is_ok_and(is_same) {
        return Ok(());
    }
    for step in kit.steps {
        let words = places.words(step, Path::new(""));
        let [program, arguments @ ..] = &words[..] else { continue };
        let done = Command::new(program).args(arguments).output();
        let done = done.map_err(|e| format!("{program}: {e}"))?;
        if !done.status.success() {
            let said = [done.stdout, done.stderr].concat();
            let log = places.scratch.join(kit.name).with_extension("install.log");
            fs::write(&log, said).map_err(|e| e.to_string())?;
            return Err(format!("cannot install its {} kit; see {}", kit.name, log.display()));
        }
    }
    fs::write(&stamp, locks).map_err(|e| format!("{}: {e}", stamp.display()))
}

/// Runs one client to its end. Only a broker that cannot be restarted is an error.
pub(crate) fn run(places: &Places, client: &Client, broker: &mut Broker) -> Result<Row, String> {
    let started = Instant::now();
    let mut row = Row::new(client);
    let log = places.scratch.join(client.name).with_extension("log");
    let mut child = match spawn(places, client, broker, &log) {
        Ok(child) => child,
        Err(why) => return Ok(Row::skipped(client, why)),
    };
    let mut answers = child.stdin.take();
    let lines = lines_of(&mut child);
    let ended = loop {
        let Some(left) = CLIENT_LIMIT.checked_sub(started.elapsed()) else { break "is too slow" };
        match lines.recv_timeout(left) {
            Ok(line) if line == "@restart" => {
                broker.restart()?;
                answer(answers.as_mut());
            }
            Ok(line) => row.take(&line),
            Err(mpsc::RecvTimeoutError::Timeout) => break "is too slow",
            Err(mpsc::RecvTimeoutError::Disconnected) => break "said nothing of this",
        }
    };
    let _gone = child.kill();
    let _status = child.wait();
    row.close(ended, started.elapsed());
    Ok(row)
}

fn spawn(places: &Places, client: &Client, broker: &Broker, log: &Path) -> Result<Child, String> {
    let words = places.words(client.command, Path::new(""));
    let [program, arguments @ ..] = &words[..] else { return Err("no command".into()) };
    let log = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
    Command::new(program)
        .args(arguments)
        .arg(broker.bootstrap())
        .env("TMPDIR", &places.scratch)
        .env("BROKER_COMMAND", broker.command_line())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("{program}: {e}"))
}

/// The lines that the client prints, as they come.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    let output = child.stdout.take().expect("the output was asked for as a pipe");
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// A client that has gone meanwhile shows that in its own lines.
fn answer(to: Option<&mut ChildStdin>) {
    if let Some(stdin) = to {
        let _gone = writeln!(stdin, "restarted").and_then(|()| stdin.flush());
    }
}
