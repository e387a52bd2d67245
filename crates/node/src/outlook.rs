//! What a node shows of itself over HTTP: /metrics, /health and /ready, from its first moment to
//! its last.
//!
//! Each part of the node is told to the outlook when it comes into being; until then its numbers
//! are not on the page. Not here: sockets and HTTP (the http crate), what the numbers of a broker
//! are (broker/gauges.rs). Must hold: nothing listens that is not configured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_broker::Broker;
use ottla_env::{Env, Instant};
use ottla_http::{Page as Shown, PageFuture, Pages, Server};
use ottla_metadata::Image;
use ottla_metrics::{Api, Format, Metric, Metrics, Page};
use ottla_quorum::Quorum;
use ottla_settings::Settings;
use ottla_storage::LogDirs;
use ottla_wire::{ErrorCode, registry};
use serde_json::json;
use tokio::sync::watch;

use crate::error::StartError;
use crate::listeners::{Address, addresses, bind};

/// The config that says where.
const CONFIG: &str = "ottla.http.listener";

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It opens its folders and the metadata log.
    Opening,
    /// It registers with the controller.
    Registering,
    /// It opens its logs.
    Recovering,
    /// It asks the controller for its place among the brokers.
    Unfencing,
    /// Its listeners serve.
    Serving,
    /// It asks the controller whether it may go.
    Leaving,
    /// It closes everything.
    Closing,
}

impl Stage {
    /// Kafka's number for it (BrokerState).
    fn number(self) -> u64 {
        match self {
            Stage::Opening | Stage::Registering => 1,
            Stage::Recovering | Stage::Unfencing => 2,
            Stage::Serving => 3,
            Stage::Leaving => 6,
            Stage::Closing => 7,
        }
    }
}

/// What is known of a node so far.
struct Known {
    stage: Stage,
    failure: Option<String>,
    cluster_id: String,
    dirs: Option<Arc<LogDirs>>,
    quorum: Option<QuorumSeen>,
    broker: Option<Arc<Broker>>,
}

/// What of the quorum is seen.
struct QuorumSeen {
    image: watch::Receiver<Arc<Image>>,
    failure: watch::Receiver<Option<String>>,
}

/// What a node shows of itself.
pub(crate) struct Outlook {
    env: Env,
    metrics: Arc<Metrics>,
    node_id: String,
    began: Instant,
    began_ms: i64,
    known: Mutex<Known>,
}

impl Outlook {
    /// A node that begins to start.
    pub(crate) fn new(env: &Env, settings: &Settings) -> Arc<Outlook> {
        let apis = registry::APIS.iter().map(|api| Api {
            key: api.key as i16,
            name: api.name,
            versions: api.versions.min..=api.versions.max,
        });
        let errors = ErrorCode::all().map(ErrorCode::name).collect();
        let known = Known {
            stage: Stage::Opening,
            failure: None,
            cluster_id: String::new(),
            dirs: None,
            quorum: None,
            broker: None,
        };
        Arc::new(Outlook {
            env: env.clone(),
            metrics: Arc::new(Metrics::new(apis, errors)),
            node_id: settings.node.node_id.to_string(),
            began: env.monotonic(),
            began_ms: env.now_ms(),
            known: Mutex::new(known),
        })
    }

    /// Where the node counts.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(crate) fn reached(&self, stage: Stage) {
        self.known().stage = stage;
    }

    pub(crate) fn failed(&self, why: &str) {
        self.known().failure.get_or_insert_with(|| why.to_owned());
    }

    pub(crate) fn opened(&self, dirs: &Arc<LogDirs>, quorum: &Quorum) {
        let mut known = self.known();
        known.cluster_id = dirs.cluster_id().to_owned();
        known.dirs = Some(Arc::clone(dirs));
        known.quorum = Some(QuorumSeen { image: quorum.image(), failure: quorum.failure() });
    }

    pub(crate) fn has_broker(&self, broker: &Arc<Broker>) {
        self.known().broker = Some(Arc::clone(broker));
    }

    /// Lets go of what the node is about to close.
    pub(crate) fn has_nothing(&self) {
        let mut known = self.known();
        (known.broker, known.quorum) = (None, None);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn page_of_metrics(&self, format: Format) -> Shown {
        let mut page = Page::default();
        self.metrics.write(&mut page);
        let broker = self.known().broker.clone();
        if let Some(broker) = broker {
            broker.gauges(&mut page).await;
        }
        self.gauges(&mut page);
        self.process(&mut page);
        Shown { content_type: format.content_type(), ..Shown::text(page.text(format)) }
    }

    /// Writes what is known beside the broker.
    fn gauges(&self, page: &mut Page) {
        let known = self.known();
        if let Some(dirs) = &known.dirs {
            let headway = dirs.headway();
            page.put(Metric::LogsFound, &[], headway.found);
            page.put(Metric::LogsOpened, &[], headway.opened);
            page.put(Metric::BytesRecovered, &[], headway.recovered_bytes);
        }
        if let Some(quorum) = &known.quorum {
            cluster(&quorum.image.borrow().clone(), page);
            page.put(Metric::ActiveController, &[], quorum.failure.borrow().is_none());
        }
        page.put(Metric::BrokerState, &[], known.stage.number());
        let labels = [env!("CARGO_PKG_VERSION"), &self.node_id, &known.cluster_id];
        page.put(Metric::Info, &labels, 1_u64);
        drop(known);
        let uptime = self.env.monotonic() - self.began;
        page.put(Metric::Uptime, &[], uptime.as_secs_f64());
        page.put(Metric::StartTime, &[], seconds(self.began_ms));
    }

    fn process(&self, page: &mut Page) {
        let Some(process) = self.env.process() else { return };
        page.put(Metric::CpuTime, &[], process.cpu_time.as_secs_f64());
        for (metric, number) in [
            (Metric::ResidentMemory, process.resident_bytes),
            (Metric::OpenFiles, process.open_files),
            (Metric::OpenFilesMax, process.open_files_max),
        ] {
            if let Some(number) = number {
                page.put(metric, &[], number);
            }
        }
    }

    /// Whether the node can serve at all, now or once it has started.
    fn health(&self) -> Shown {
        let known = self.known();
        let mut reasons: Vec<String> = known.failure.iter().cloned().collect();
        if let Some(quorum) = &known.quorum {
            let failure = quorum.failure.borrow().clone();
            reasons.extend(failure.map(|why| format!("the metadata log failed: {why}")));
        }
        let states = known.dirs.as_ref().map(|dirs| dirs.states()).unwrap_or_default();
        let offline: Vec<String> = states
            .iter()
            .filter_map(|dir| {
                let why = dir.failure.as_ref()?;
                Some(format!("log directory {} is offline: {why}", dir.path.display()))
            })
            .collect();
        let is_healthy = reasons.is_empty() && (offline.is_empty() || offline.len() < states.len());
        reasons.extend(offline);
        let full = known.dirs.as_ref().map(|dirs| dirs.full()).unwrap_or_default();
        reasons.extend(full.iter().map(|path| {
            format!(
                "the disk of {} is full, and records that it has no room for are refused: make \
                 room, lower retention, or delete topics",
                path.display()
            )
        }));
        let hung = known.dirs.as_ref().map(|dirs| dirs.hung(self.env.monotonic()));
        reasons.extend(hung.unwrap_or_default().iter().map(|(path, time)| {
            let (path, seconds) = (path.display(), time.as_secs());
            format!(
                "the disk of {path} hangs: it has not come back from a sync for {seconds} s, and \
                 requests that wait for it time out"
            )
        }));
        reasons.extend(self.metrics.listeners.starved().into_iter().map(|listener| {
            format!(
                "listener {listener} can't accept connections, the process has too many files \
                 open: raise the limit of open files (ulimit -n, LimitNOFILE), or lower \
                 max.connections"
            )
        }));
        let word = match (is_healthy, reasons.is_empty()) {
            (true, true) => "healthy",
            (true, false) => "degraded",
            (false, _) => "failed",
        };
        verdict(is_healthy, word, "reasons", &reasons)
    }

    /// Whether clients are served in full.
    fn readiness(&self) -> Shown {
        let known = self.known();
        let mut waits: Vec<String> = known.failure.iter().cloned().collect();
        match (known.stage, &known.broker) {
            (Stage::Opening, _) => waits.push("the folders and the metadata log".to_owned()),
            (Stage::Registering, _) => waits.push("registration with the controller".to_owned()),
            (Stage::Recovering, _) => {
                let headway = known.dirs.as_ref().map(|dirs| dirs.headway()).unwrap_or_default();
                let (opened, found) = (headway.opened, headway.found);
                waits.push(format!("recovery: {opened} of {found} logs are opened"));
            }
            (Stage::Unfencing, _) => waits.push("the broker is fenced".to_owned()),
            (Stage::Serving, Some(broker)) => waits.extend(broker.waits_for()),
            (Stage::Serving, None) | (Stage::Leaving | Stage::Closing, _) => {
                waits.push("the node stops".to_owned());
            }
        }
        let is_ready = waits.is_empty();
        verdict(is_ready, if is_ready { "ready" } else { "waiting" }, "waits_for", &waits)
    }
}

impl Pages for Outlook {
    fn page<'a>(&'a self, path: &'a str, accept: &'a str) -> PageFuture<'a> {
        Box::pin(async move {
            match path {
                "/metrics" => Some(self.page_of_metrics(Format::accepted(accept)).await),
                "/health" => Some(self.health()),
                "/ready" => Some(self.readiness()),
                _ => None,
            }
        })
    }
}

fn verdict(is_good: bool, word: &str, list: &str, reasons: &[String]) -> Shown {
    let body = json!({ "status": word, list: reasons });
    Shown::json(if is_good { 200 } else { 503 }, format!("{body}\n"))
}

/// The cluster as it is committed.
fn cluster(image: &Image, page: &mut Page) {
    let fenced = image.brokers().filter(|broker| broker.fenced).count();
    let partitions = || image.topics().iter().flat_map(|topic| topic.partitions.iter());
    let offline = partitions().filter(|(_, partition)| partition.leader.is_none()).count();
    page.put(Metric::ActiveBrokers, &[], image.broker_count() - fenced);
    page.put(Metric::FencedBrokers, &[], fenced);
    page.put(Metric::GlobalTopics, &[], image.topics().len());
    page.put(Metric::GlobalPartitions, &[], partitions().count());
    page.put(Metric::OfflinePartitions, &[], offline);
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs_f64()
}

/// The server of the pages, where one is configured.
#[derive(Default)]
pub(crate) struct Window {
    server: Option<Server>,
    pub(crate) addresses: Vec<Address>,
}

impl Window {
    /// Binds what is configured, and shows the node from here on.
    pub(crate) async fn open(
        env: &Env,
        settings: &Settings,
        outlook: &Arc<Outlook>,
    ) -> Result<Window, StartError> {
        let Some(endpoint) = &settings.listeners.http else { return Ok(Window::default()) };
        let bound = bind(env, &settings.network, CONFIG, endpoint).await?;
        let addresses = addresses(&bound);
        let listeners = bound.into_iter().map(|bound| bound.into_listener()).collect();
        let server = Server::start(env, listeners, Arc::clone(outlook) as Arc<dyn Pages>);
        Ok(Window { server: Some(server), addresses })
    }

    /// Shows nothing any more.
    pub(crate) async fn close(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}
