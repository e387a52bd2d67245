//! Connections and bytes by listener.
//!
//! A listener's meter is found by its name once, when the listener begins to accept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::number::{Counter, Gauge};
use crate::page::Page;
use crate::table::Metric;

/// The listeners of a node.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<BTreeMap<String, Arc<ListenerMeter>>>);

impl Listeners {
    /// The meter of the listener of that name.
    pub fn named(&self, name: &str) -> Arc<ListenerMeter> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(listeners.entry(name.to_owned()).or_default())
    }

    /// The listeners that could not accept the last connection that came.
    pub fn starved(&self) -> Vec<String> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let starved = listeners.iter().filter(|(_, meter)| meter.is_starved());
        starved.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn write(&self, page: &mut Page) {
        for (name, meter) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = [name.as_str()];
            page.put(Metric::Connections, &labels, meter.open.value());
            page.put(Metric::ConnectionsMade, &labels, meter.made.value());
            page.put(Metric::ConnectionsRefused, &labels, meter.refused.value());
            page.put(Metric::NetworkIn, &labels, meter.bytes_in.value());
            page.put(Metric::NetworkOut, &labels, meter.bytes_out.value());
        }
    }
}

/// What comes and goes by one listener.
#[derive(Debug, Default)]
pub struct ListenerMeter {
    open: Gauge,
    made: Counter,
    refused: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    is_starved: AtomicBool,
}

impl ListenerMeter {
    /// A connection was accepted.
    pub fn opened(&self) {
        self.open.add(1);
        self.made.one();
    }

    /// A connection that was accepted is gone.
    pub fn closed(&self) {
        self.open.add(-1);
    }

    /// Accepting went well, or failed; answers whether that is otherwise than the last time.
    pub fn starves(&self, starves: bool) -> bool {
        self.is_starved.load(Ordering::Relaxed) != starves
            && self.is_starved.swap(starves, Ordering::Relaxed) != starves
    }

    fn is_starved(&self) -> bool {
        self.is_starved.load(Ordering::Relaxed)
    }

    /// A connection was refused.
    pub fn refused(&self) {
        self.refused.one();
    }

    /// So many bytes of requests have come.
    pub fn received(&self, bytes: u64) {
        self.bytes_in.add(bytes);
    }

    /// So many bytes of answers have left.
    pub fn sent(&self, bytes: u64) {
        self.bytes_out.add(bytes);
    }
}
