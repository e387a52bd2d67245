//! The connections of a client: one per broker and lane, opened when first needed.
//!
//! A lane keeps apart what would wait for each other: a broker answers the requests of one
//! connection in order, so a heartbeat must not stand behind a long poll. Must hold: one attempt
//! to connect at a time per broker and lane, and no sooner than the backoff allows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_env::{Env, Instant, Tasks};
use tokio::sync::OnceCell;

use crate::connection::Connection;
use crate::core::backoff::Backoff;
use crate::error::ClientError;
use crate::settings::ClientSettings;

/// Who is to be connected to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `host:port`; an IPv6 address stands in brackets.
    pub(crate) fn parse(server: &str) -> Result<Endpoint, ClientError> {
        let invalid = || ClientError::Setting {
            key: "bootstrap.servers".to_owned(),
            value: server.to_owned(),
            allowed: "must be host:port, separated by commas".to_owned(),
        };
        // A listener's name may stand in front, as in PLAINTEXT://localhost:9092.
        let address = server.split_once("://").map_or(server, |(_, address)| address);
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        match host.is_empty() {
            true => Err(invalid()),
            false => Ok(Endpoint { host: host.to_owned(), port }),
        }
    }
}

/// Which of the connections to one broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Lane(pub(crate) u32);

impl Lane {
    /// The lane that everyone shares.
    pub(crate) const COMMON: Lane = Lane(0);
    /// The lane to bootstrap servers, of which nobody knows yet which brokers they are.
    pub(crate) const BOOTSTRAP: Lane = Lane(1);
}

/// All connections of one client.
pub(crate) struct Nodes {
    env: Env,
    settings: Arc<ClientSettings>,
    tasks: Tasks,
    state: Mutex<State>,
}

struct State {
    slots: BTreeMap<(Endpoint, Lane), Slot>,
    next_lane: u32,
}

#[derive(Default)]
struct Slot {
    cell: Arc<OnceCell<Arc<Connection>>>,
    failures: u32,
    /// Not before this.
    next_attempt: Option<Instant>,
}

impl Nodes {
    pub(crate) fn new(env: Env, settings: Arc<ClientSettings>) -> Nodes {
        let tasks = env.tasks();
        let state = State { slots: BTreeMap::new(), next_lane: Lane::BOOTSTRAP.0 + 1 };
        Nodes { env, settings, tasks, state: Mutex::new(state) }
    }

    /// The connection to a broker; opens it if there is none.
    pub(crate) async fn connection(
        &self,
        endpoint: &Endpoint,
        lane: Lane,
        label: &Arc<str>,
    ) -> Result<Arc<Connection>, ClientError> {
        let key = (endpoint.clone(), lane);
        let cell = {
            let mut state = self.state();
            let slot = state.slots.entry(key.clone()).or_default();
            if slot.cell.get().is_some_and(|connection| connection.is_closed()) {
                slot.cell = Arc::default();
            }
            slot.cell.clone()
        };
        let opened = cell.get_or_try_init(|| async {
            let next_attempt = self.state().slots.get(&key).and_then(|slot| slot.next_attempt);
            if let Some(at) = next_attempt {
                self.env.sleep_until(at).await;
            }
            let opened = self.open(endpoint, label).await;
            self.remember(&key, opened.is_ok());
            opened
        });
        opened.await.cloned()
    }

    /// The connection to a broker where there is one already.
    pub(crate) fn is_open(&self, endpoint: &Endpoint, lane: Lane) -> bool {
        let state = self.state();
        let slot = state.slots.get(&(endpoint.clone(), lane));
        slot.and_then(|slot| slot.cell.get()).is_some_and(|open| !open.is_closed())
    }

    /// A lane that nobody else has.
    pub(crate) fn new_lane(&self) -> Lane {
        let mut state = self.state();
        let lane = Lane(state.next_lane);
        state.next_lane += 1;
        lane
    }

    /// Closes the connections of a lane.
    pub(crate) fn drop_lane(&self, lane: Lane) {
        self.state().slots.retain(|(_, of), _| *of != lane);
    }

    /// Closes all connections and waits until they are gone.
    pub(crate) async fn close(&self) {
        self.tasks.shutdown().await;
    }

    async fn open(
        &self,
        endpoint: &Endpoint,
        label: &Arc<str>,
    ) -> Result<Arc<Connection>, ClientError> {
        let address = (endpoint.host.as_str(), endpoint.port);
        let spawner = self.tasks.spawner();
        let opened =
            Connection::open(&self.env, &spawner, &self.settings, label.clone(), address).await?;
        tracing::debug!(broker = %label, "connected");
        Ok(Arc::new(opened))
    }

    fn remember(&self, key: &(Endpoint, Lane), succeeded: bool) {
        let wait = {
            let settings = &self.settings;
            let rule = Backoff {
                initial_ms: settings.reconnect_backoff_ms,
                max_ms: settings.reconnect_backoff_max_ms,
            };
            let random = self.env.random_u64();
            move |failures| -> Duration { rule.after(failures, random) }
        };
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(key) else { return };
        slot.failures = if succeeded { 0 } else { slot.failures.saturating_add(1) };
        slot.next_attempt = Some(self.env.monotonic() + wait(slot.failures.max(1)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_servers_are_read_as_kafka_does() {
        let read = |server| Endpoint::parse(server).map(|at| (at.host, at.port)).ok();
        assert_eq!(read("localhost:9092"), Some(("localhost".into(), 9092)));
        assert_eq!(read("[::1]:9092"), Some(("[::1]".into(), 9092)));
        assert_eq!(read("PLAINTEXT://b:1"), Some(("b".into(), 1)));
        assert_eq!([read("localhost"), read(":9092"), read("b:99999")], [None, None, None]);
    }
}
