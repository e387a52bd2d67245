//! A broker under test as a process: start, kill -9, start again on the same port and folder.
//! Not here: what is asked of it. Must hold: it is dead when this value is dropped.
#![allow(clippy::disallowed_types, reason = "a probe of a real broker's real port")]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Places;

/// Which broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Apache Kafka, from the jars that `conform/java/pom.xml` names.
    Kafka,
    /// A command line, `{config}` standing for the configuration file.
    Command(String),
}

const KAFKA: &str = "java -Xmx512M -Xms256M -XX:+UseG1GC -XX:TieredStopAtLevel=1 \
    -Dconform.log=INFO -cp {cache}/java/classes:{cache}/java/libs/* kafka.Kafka {config}";
const FORMAT: &str = "java -Xmx256M -XX:TieredStopAtLevel=1 \
    -cp {cache}/java/classes:{cache}/java/libs/* kafka.tools.StorageTool format \
    --standalone --release-version 4.3-IV0 --cluster-id ottlaConformSuite00000Q --config {config}";

const CONFIG: &str = "server.properties";
/// What takes the metrics that clients push, at the node and at Kafka.
const RECEIVER: &str = "ottla.ClientTelemetry";
const KAFKAS_RECEIVER: &str = "Receiver";
const READY_WITHIN: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// One running broker.
pub(crate) struct Broker {
    command: Vec<String>,
    /// Whether a folder must be formatted before it is started.
    needs_format: bool,
    log: PathBuf,
    port: u16,
    controller: u16,
    child: Option<Child>,
}

impl Broker {
    /// Formats where the kind needs that, starts, and returns when the port answers.
    pub(crate) fn start(places: &Places, kind: &Kind, name: &str) -> Result<Self, String> {
        let folder = places.scratch.join(name);
        let [port, controller] = free_ports().map_err(|e| format!("no free ports: {e}"))?;
        let config = folder.join(CONFIG);
        let mut properties = properties(port, controller, &folder.join("data").to_string_lossy());
        // Each has a receiver of its own for what clients push.
        let receiver = if *kind == Kind::Kafka { KAFKAS_RECEIVER } else { RECEIVER };
        properties.push_str(&format!("metric.reporters={receiver}\n"));
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&config, properties))
            .map_err(|e| format!("{}: {e}", config.display()))?;
        let line = match kind {
            Kind::Kafka => KAFKA,
            Kind::Command(line) => line,
        };
        let command = places.words(line, &config);
        let log = folder.join("broker.log");
        let needs_format = *kind == Kind::Kafka;
        let mut broker = Self { command, needs_format, log, port, controller, child: None };
        if needs_format {
            let format = broker.spawn(&places.words(FORMAT, &config))?;
            broker.child = Some(format);
            let status = broker.child.as_mut().map(Child::wait);
            if !status.is_some_and(|status| status.is_ok_and(|status| status.success())) {
                return Err(format!("Kafka could not format; see {}", broker.log.display()));
            }
        }
        broker.boot()?;
        Ok(broker)
    }

    /// Where clients find it.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its controller is.
    pub(crate) fn controller(&self) -> String {
        format!("127.0.0.1:{}", self.controller)
    }

    /// How it is started, its configuration last; nothing where that takes more than a command.
    pub(crate) fn command_line(&self) -> String {
        let ends_with_config = self.command.last().is_some_and(|word| word.ends_with(CONFIG));
        if self.needs_format || !ends_with_config { String::new() } else { self.command.join(" ") }
    }

    /// The text without this run's ports and folder; the port also as raw answers hold it.
    pub(crate) fn anonymous(&self, text: &str) -> String {
        let folder = self.log.parent().map(|path| path.to_string_lossy()).unwrap_or_default();
        text.replace(&*folder, "<folder>")
            .replace(&self.port.to_string(), "<port>")
            .replace(&format!("{:08x}", self.port), "<port>")
            .replace(&self.controller.to_string(), "<controller port>")
            .replace(RECEIVER, KAFKAS_RECEIVER)
    }

    /// Kills it without warning and starts it again.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.boot()
    }

    fn boot(&mut self) -> Result<(), String> {
        self.child = Some(self.spawn(&self.command)?);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let started = Instant::now();
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || started.elapsed() > READY_WITHIN {
                let how = ended.map_or("does not answer".to_owned(), |s| format!("ended: {s}"));
                return Err(format!("the broker {how}; see {}", self.log.display()));
            }
            std::thread::park_timeout(PROBE_EVERY);
        }
        Ok(())
    }

    fn spawn(&self, command: &[String]) -> Result<Child, String> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|e| format!("{}: {e}", self.log.display()))?;
        let both = log.try_clone().map_err(|e| e.to_string())?;
        let [program, arguments @ ..] = command else { return Err("no broker command".into()) };
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(both)
            .spawn()
            .map_err(|e| format!("{program}: {e}"))
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two ports that nobody listens on. They must survive a restart, so the broker cannot draw them.
fn free_ports() -> std::io::Result<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [a, b] = listeners.map(|listener| listener.local_addr().map(|address| address.port()));
    Ok([a?, b?])
}

/// The same file for every broker: one node, short sessions so that a killed one comes back soon,
/// no retention: the questions' records are old, and when it came round would change the answers.
fn properties(port: u16, controller: u16, data: &str) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=200
group.max.size=4
group.streams.initial.rebalance.delay.ms=200
group.streams.session.timeout.ms=6000
group.streams.min.session.timeout.ms=6000
group.streams.heartbeat.interval.ms=500
group.streams.min.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.segment.delete.delay.ms=1000
log.initial.task.delay.ms=86400000
"
    )
}
