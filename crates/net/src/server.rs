//! Accepts connections and gives each a task of its own.
//!
//! Binding and serving are two steps, so that a node can learn its real ports before it is ready
//! to answer. Dropping the server ends every connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ottla_env::{Env, Listener, SocketOptions, Spawner, Stream, Tasks};
use ottla_metrics::{ListenerMeter, Metrics, Requests};

use crate::budget::Budget;
use crate::buffers::Buffers;
use crate::connection::{Connection, Ended};
use crate::limits::Limits;
use crate::service::{ConnectionInfo, Service};

/// How long accepting pauses when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that has its port and does not answer yet.
pub struct BoundListener {
    name: Arc<str>,
    listener: Listener,
    address: SocketAddr,
}

impl BoundListener {
    /// Takes `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says, such as that the address is in use.
    pub async fn bind(
        env: &Env,
        name: &str,
        address: SocketAddr,
        options: SocketOptions,
    ) -> io::Result<Self> {
        let listener = env.net().listen_with(address, options).await?;
        let address = listener.local_addr()?;
        Ok(BoundListener { name: name.into(), listener, address })
    }

    /// The listener's name in the configuration, such as `PLAINTEXT`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The socket alone, for whoever speaks another protocol on it.
    pub fn into_listener(self) -> Listener {
        self.listener
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Listeners that serve.
pub struct Server {
    listeners: Tasks,
    connections: Tasks,
}

impl Server {
    /// Serves `listeners` with `service` until it is stopped or dropped.
    pub fn start(
        env: &Env,
        listeners: Vec<BoundListener>,
        limits: Limits,
        metrics: &Metrics,
        service: Arc<dyn Service>,
    ) -> Server {
        let accepting = env.tasks();
        let connections = env.tasks();
        let shared = Arc::new(Shared {
            env: env.clone(),
            connections: connections.spawner(),
            budget: Budget::new(limits.frames_bytes_max),
            buffers: Buffers::default(),
            limits: Arc::new(limits),
            service,
            requests: Arc::clone(&metrics.requests),
            next_id: AtomicU64::new(1),
            open: AtomicUsize::new(0),
        });
        for listener in listeners {
            let meter = metrics.listeners.named(&listener.name);
            accepting.spawn("listener", accept(Arc::clone(&shared), listener, meter));
        }
        Server { listeners: accepting, connections }
    }

    /// Ends the listeners and every connection, and waits until they are gone.
    pub async fn stop(self) {
        self.listeners.shutdown().await;
        self.connections.shutdown().await;
    }
}

struct Shared {
    env: Env,
    connections: Spawner,
    limits: Arc<Limits>,
    budget: Budget,
    buffers: Buffers,
    service: Arc<dyn Service>,
    requests: Arc<Requests>,
    next_id: AtomicU64,
    open: AtomicUsize,
}

async fn accept(shared: Arc<Shared>, bound: BoundListener, meter: Arc<ListenerMeter>) {
    loop {
        match bound.listener.accept().await {
            Ok((stream, peer)) => {
                if meter.starves(false) {
                    tracing::info!(listener = %bound.name, "connections are accepted again");
                }
                shared.serve(&bound.name, stream, peer, &meter);
            }
            // Its client gave up before: that says nothing of the next one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Once, and not ten times a second.
                if meter.starves(true) {
                    tracing::error!(listener = %bound.name, %error,
                        "connections can't be accepted, clients wait: raise the limit of open \
                         files (ulimit -n, LimitNOFILE), or lower max.connections");
                }
                shared.env.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Shared {
    fn serve(
        self: &Arc<Self>,
        listener: &Arc<str>,
        stream: Stream,
        peer: SocketAddr,
        meter: &Arc<ListenerMeter>,
    ) {
        if self.open.load(Ordering::Relaxed) >= self.limits.connections_max {
            let max = self.limits.connections_max;
            tracing::warn!(%listener, %peer, max, "refused a connection: max.connections reached");
            meter.refused();
            return;
        }
        let open = Open::new(self, meter);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let info = ConnectionInfo::new(id, peer, Arc::clone(listener));
        let info = Arc::new(info.metered(Arc::clone(&self.requests)));
        let connection = Connection::new(
            self.env.clone(),
            stream,
            Arc::clone(&info),
            Arc::clone(&self.service),
            Arc::clone(&self.limits),
            (self.budget.clone(), self.buffers.clone()),
            Arc::clone(meter),
        );
        self.connections.spawn("connection", async move {
            match connection.run().await {
                Ok(()) => {}
                Err(Ended::Refused(reason)) => {
                    tracing::warn!(peer = %info.peer, %reason, "closed a connection");
                }
                Err(Ended::Left(reason)) => {
                    tracing::debug!(peer = %info.peer, %reason, "a connection ended");
                }
            }
            open.shared.service.closed(&info);
        });
    }
}

/// Counts a connection for as long as it lives, however it ends.
struct Open {
    shared: Arc<Shared>,
    meter: Arc<ListenerMeter>,
}

impl Open {
    fn new(shared: &Arc<Shared>, meter: &Arc<ListenerMeter>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        meter.opened();
        Open { shared: Arc::clone(shared), meter: Arc::clone(meter) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.meter.closed();
    }
}
