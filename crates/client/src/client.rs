//! The client: typed calls to any broker, to a leader, to a coordinator, to the controller.
//!
//! A call sends one request in the highest version that both sides know and gives the answer as
//! it came: error codes inside of it are the caller's to judge. Before it is sent, a call waits
//! for what it needs (a leader, a coordinator) and tries again; once sent it is not repeated,
//! since nobody knows what the request has done. Must hold: no lock across an await.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_env::Env;
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
};
use ottla_wire::{
    ApiKey, BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, Request, StrBytes, Timestamp,
};

use crate::attempts::Attempts;
use crate::connection::Connection;
use crate::core::cluster::{Asked, Broker, Cluster};
use crate::core::versions::Versions;
use crate::error::ClientError;
use crate::nodes::{Endpoint, Lane, Nodes};
use crate::settings::ClientSettings;

/// A client of one cluster. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    settings: Arc<ClientSettings>,
    bootstrap: Vec<Endpoint>,
    nodes: Nodes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cluster: Arc<Cluster>,
    coordinators: BTreeMap<(CoordinatorKind, String), BrokerId>,
}

/// What a coordinator coordinates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CoordinatorKind {
    /// A group and its offsets.
    Group = 0,
    /// The transactions of a transactional id.
    Transaction = 1,
    /// The state of a share group's partition.
    Share = 2,
}

/// A broker to talk to: where it is and how errors call it.
struct Place {
    endpoint: Endpoint,
    lane: Lane,
    label: Arc<str>,
}

impl Place {
    fn of(broker: &Broker) -> Place {
        let label = format!("broker {} ({}:{})", broker.id, broker.host, broker.port).into();
        let endpoint = Endpoint { host: broker.host.to_string(), port: broker.port };
        Place { endpoint, lane: Lane::COMMON, label }
    }

    fn bootstrap(endpoint: &Endpoint) -> Place {
        let label = format!("{}:{}", endpoint.host, endpoint.port).into();
        Place { endpoint: endpoint.clone(), lane: Lane::BOOTSTRAP, label }
    }
}

impl Client {
    /// Connects to the first bootstrap server that answers and learns the cluster's brokers; with
    /// `bootstrap.controllers` to controllers, which then take the place of brokers (KIP-919).
    ///
    /// # Errors
    /// [`ClientError::Setting`], or [`ClientError::Bootstrap`] with what each server said.
    pub async fn connect(env: Env, settings: ClientSettings) -> Result<Client, ClientError> {
        let refused = |value: &[String], allowed: &str| ClientError::Setting {
            key: "bootstrap.servers".to_owned(),
            value: value.join(","),
            allowed: allowed.to_owned(),
        };
        let (brokers, controllers) = (&settings.bootstrap_servers, &settings.bootstrap_controllers);
        if !brokers.is_empty() && !controllers.is_empty() {
            return Err(refused(brokers, "cannot be given together with bootstrap.controllers"));
        }
        let bootstrap = brokers.iter().chain(controllers).map(|server| Endpoint::parse(server));
        let bootstrap = bootstrap.collect::<Result<Vec<_>, _>>()?;
        if bootstrap.is_empty() {
            return Err(refused(&[], "must name at least one host:port"));
        }
        let settings = Arc::new(settings);
        let nodes = Nodes::new(env.clone(), settings.clone());
        let state = Mutex::default();
        let client = Client { inner: Arc::new(Inner { env, settings, bootstrap, nodes, state }) };
        client.refresh(Asked::Named(&[]), false).await?;
        client.nodes().drop_lane(Lane::BOOTSTRAP);
        Ok(client)
    }

    /// Asks any broker.
    ///
    /// # Errors
    /// Those of the connection; a broker that cannot be reached is passed over.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.any().await?.call(request, i16::MAX, self.request_timeout()).await
    }

    /// Asks the broker with this id.
    ///
    /// # Errors
    /// [`ClientError::UnknownBroker`], and those of the connection.
    pub async fn call_broker<R: Request>(
        &self,
        id: BrokerId,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.broker(id, Lane::COMMON).await?;
        connection.call(request, i16::MAX, self.request_timeout()).await
    }

    /// Asks the broker that stands for the controller.
    ///
    /// # Errors
    /// As [`Client::call_broker`].
    pub async fn call_controller<R: Request>(
        &self,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        match self.cluster().controller {
            Some(id) => self.call_broker(id, request).await,
            None => self.call(request).await,
        }
    }

    /// Asks the coordinator of a group (or a transactional id). Should it answer that it is not,
    /// [`Client::forget_coordinator`] makes the next call look for it again.
    ///
    /// # Errors
    /// When none is found in time, and those of the connection.
    pub async fn call_coordinator<R: Request>(
        &self,
        kind: CoordinatorKind,
        key: &str,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let id = self.coordinator(kind, key).await?;
        self.call_broker(id, request).await
    }

    /// Asks the leader of a partition. Should it answer that it is not,
    /// [`Client::refresh_topics`] learns who is.
    ///
    /// # Errors
    /// When the topic or a leader is not found in time, and those of the connection.
    pub async fn call_leader<R: Request>(
        &self,
        topic: &str,
        partition: PartitionIndex,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let (id, _) = self.leader(topic, partition).await?;
        self.call_broker(id, request).await
    }

    /// What is known of the cluster at this moment.
    pub fn cluster(&self) -> Arc<Cluster> {
        self.state().cluster.clone()
    }

    /// Asks for all topics.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn refresh_all(&self) -> Result<Arc<Cluster>, ClientError> {
        self.refresh(Asked::All, false).await.map(|(cluster, _)| cluster)
    }

    /// Asks for these topics; gives those that could not be told, too, and why.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn refresh_topics(
        &self,
        topics: &[StrBytes],
        auto_create: bool,
    ) -> Result<(Arc<Cluster>, Vec<(StrBytes, ErrorCode)>), ClientError> {
        self.refresh(Asked::Named(topics), auto_create).await
    }

    /// The leader of a partition and its epoch. Waits while there is none, but not for topics
    /// that do not exist.
    ///
    /// # Errors
    /// A refusal with the topic's error, or [`ClientError::Waited`].
    pub async fn leader(
        &self,
        topic: &str,
        partition: PartitionIndex,
    ) -> Result<(BrokerId, LeaderEpoch), ClientError> {
        let about = format!("a leader of {topic}-{partition}");
        let mut attempts = self.attempts(about);
        let mut cluster = self.cluster();
        let max_age = i64::try_from(self.inner.settings.metadata_max_age_ms).unwrap_or(i64::MAX);
        let mut is_fresh = !cluster.is_stale(self.now(), max_age);
        loop {
            if is_fresh && let Some(leader) = cluster.leader(topic, partition) {
                return Ok(leader);
            }
            let failed;
            (cluster, failed) =
                self.refresh(Asked::Named(&[StrBytes::copied(topic)]), false).await?;
            is_fresh = true;
            let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let code = match (failed.first(), cluster.partition(topic, partition)) {
                (None, Some(_)) if cluster.leader(topic, partition).is_some() => continue,
                (None, Some(_)) => ErrorCode::LEADER_NOT_AVAILABLE,
                (None, None) => unknown,
                (Some((_, code)), _) => *code,
            };
            let about = format!("{topic}-{partition}");
            let refused = ClientError::refused(ApiKey::Metadata, about, code, None);
            if code == unknown {
                return Err(refused);
            }
            attempts.again(refused).await?;
        }
    }

    /// The coordinator of a group or a transactional id. Waits while there is none.
    ///
    /// # Errors
    /// A refusal, or [`ClientError::Waited`].
    pub async fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<BrokerId, ClientError> {
        let cache_key = (kind, key.to_owned());
        if let Some(id) = self.state().coordinators.get(&cache_key) {
            return Ok(*id);
        }
        let mut attempts = self.attempts(format!("the coordinator of {key}"));
        loop {
            match self.find_coordinator(kind, key).await {
                Ok(id) => {
                    let mut state = self.state();
                    if state.coordinators.len() >= COORDINATORS_MAX {
                        state.coordinators.clear();
                    }
                    state.coordinators.insert(cache_key, id);
                    return Ok(id);
                }
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// Makes the next call to this coordinator look for it again.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.state().coordinators.remove(&(kind, key.to_owned()));
    }

    /// What a broker serves.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn versions(&self, id: BrokerId) -> Result<Versions, ClientError> {
        Ok(self.broker(id, Lane::COMMON).await?.versions().clone())
    }

    /// The world that the client lives in.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &ClientSettings {
        &self.inner.settings
    }

    /// Closes all connections, for all clones, and waits until they are gone.
    pub async fn close(&self) {
        self.inner.nodes.close().await;
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.inner.nodes
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.inner.settings.request_timeout_ms)
    }

    /// Milliseconds of the clock that never goes back: the cores' `now`.
    pub(crate) fn now(&self) -> Timestamp {
        let millis = self.inner.env.monotonic().0 / NANOS_PER_MILLI;
        Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Attempts within the time that a call may take in all.
    pub(crate) fn attempts(&self, about: impl Into<String>) -> Attempts {
        let settings = &self.inner.settings;
        Attempts::new(&self.inner.env, settings, about, settings.default_api_timeout_ms)
    }

    /// Changes what is known of the cluster by a hint.
    pub(crate) fn follow_leader(
        &self,
        topic: &str,
        index: PartitionIndex,
        leader: BrokerId,
        epoch: LeaderEpoch,
    ) -> bool {
        let mut state = self.state();
        Arc::make_mut(&mut state.cluster).follow(topic, index, leader, epoch)
    }

    /// A connection to the broker with this id.
    pub(crate) async fn broker(
        &self,
        id: BrokerId,
        lane: Lane,
    ) -> Result<Arc<Connection>, ClientError> {
        let mut cluster = self.cluster();
        if !cluster.brokers.contains_key(&id) {
            (cluster, _) = self.refresh(Asked::Named(&[]), false).await?;
        }
        let broker = cluster.brokers.get(&id).ok_or(ClientError::UnknownBroker { id: id.0 })?;
        let place = Place::of(broker);
        self.inner.nodes.connection(&place.endpoint, lane, &place.label).await
    }

    /// A connection to whichever broker can be reached; those that are connected come first.
    pub(crate) async fn any(&self) -> Result<Arc<Connection>, ClientError> {
        let mut tried = Vec::new();
        for place in self.places() {
            match self.inner.nodes.connection(&place.endpoint, place.lane, &place.label).await {
                Ok(connection) => return Ok(connection),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(ClientError::Bootstrap { tried })
    }

    /// The brokers in the order in which to try them, the bootstrap servers last.
    fn places(&self) -> Vec<Place> {
        let cluster = self.cluster();
        let mut places: Vec<Place> = cluster.brokers.values().map(Place::of).collect();
        if let Some(count) = u64::try_from(places.len()).ok().filter(|count| *count > 0) {
            let first = usize::try_from(self.inner.env.random_u64() % count).unwrap_or(0);
            places.rotate_left(first);
        }
        let nodes = &self.inner.nodes;
        places.sort_by_key(|place| !nodes.is_open(&place.endpoint, Lane::COMMON));
        for endpoint in &self.inner.bootstrap {
            if places.iter().all(|place| place.endpoint != *endpoint) {
                places.push(Place::bootstrap(endpoint));
            }
        }
        places
    }

    async fn refresh(
        &self,
        asked: Asked<'_>,
        auto_create: bool,
    ) -> Result<(Arc<Cluster>, Vec<(StrBytes, ErrorCode)>), ClientError> {
        if !self.inner.settings.bootstrap_controllers.is_empty() {
            return Ok((self.refresh_controllers().await?, Vec::new()));
        }
        let topics = match asked {
            Asked::All => None,
            Asked::Named(names) => Some(names.iter().map(|name| MetadataRequestTopic {
                name: Some(name.clone()),
                ..MetadataRequestTopic::default()
            })),
        };
        let request = MetadataRequest {
            topics: topics.map(Iterator::collect),
            allow_auto_topic_creation: auto_create,
            ..MetadataRequest::default()
        };
        let response = self.call(&request).await?;
        let now = self.now();
        let mut state = self.state();
        let failed = Arc::make_mut(&mut state.cluster).update(now, asked, &response);
        Ok((state.cluster.clone(), failed))
    }

    /// Learns who the controllers are, which know of no topics in this way.
    async fn refresh_controllers(&self) -> Result<Arc<Cluster>, ClientError> {
        let request = DescribeClusterRequest {
            endpoint_type: CONTROLLERS,
            ..DescribeClusterRequest::default()
        };
        let response = self.call(&request).await?;
        if response.error_code.is_error() {
            let message = response.error_message.as_deref();
            let code = response.error_code;
            return Err(ClientError::refused(
                ApiKey::DescribeCluster,
                "controllers",
                code,
                message,
            ));
        }
        let now = self.now();
        let mut state = self.state();
        Arc::make_mut(&mut state.cluster).update_controllers(now, &response);
        Ok(state.cluster.clone())
    }

    async fn find_coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<BrokerId, ClientError> {
        let connection = self.any().await?;
        let theirs = connection.versions().of(ApiKey::FindCoordinator);
        let mut request =
            FindCoordinatorRequest { key_type: kind as i8, ..FindCoordinatorRequest::default() };
        let takes_many = theirs.is_none_or(|theirs| theirs.max >= MANY_KEYS_FROM);
        match takes_many {
            true => request.coordinator_keys = vec![StrBytes::copied(key)],
            false => request.key = StrBytes::copied(key),
        }
        let response = connection.call(&request, i16::MAX, self.request_timeout()).await?;
        let (code, message, id) = coordinator_in(&response, takes_many);
        match code {
            ErrorCode::NONE => Ok(id),
            code => Err(ClientError::refused(ApiKey::FindCoordinator, key, code, message)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no holder of this lock panics")
    }
}

fn coordinator_in(
    response: &FindCoordinatorResponse,
    takes_many: bool,
) -> (ErrorCode, Option<&str>, BrokerId) {
    match (takes_many, response.coordinators.first()) {
        (true, Some(found)) => (found.error_code, found.error_message.as_deref(), found.node_id),
        (true, None) => (ErrorCode::COORDINATOR_NOT_AVAILABLE, None, BrokerId(-1)),
        (false, _) => (response.error_code, response.error_message.as_deref(), response.node_id),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.inner.settings.bootstrap_servers)
    }
}

/// `endpoint_type` of controllers in DescribeCluster.
const CONTROLLERS: i8 = 2;

/// From this version on FindCoordinator takes several keys (KIP-699).
const MANY_KEYS_FROM: i16 = 4;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Coordinators that are remembered; beyond, all are looked for again.
const COORDINATORS_MAX: usize = 10_000;
