//! Connections and bytes by listener.
//!
//! A listener's meter is found by its name once, when the listener begins to accept.

use std::collections::BTreeMap;
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
