//! What is measured of a node: the table of metrics, what counts them, the page that shows them.
//!
//! [`Metric`] is the table, one row per metric. Some rows are counted where something happens:
//! [`Metrics`] holds those, and whoever counts has resolved its handle once, so that counting is
//! an addition to an atomic number. The others are looked up when somebody asks: each room writes
//! what it knows into a [`Page`]. Read table.rs first, then page.rs.
//!
//! Not here: clocks, sockets, and what the numbers are numbers of; names of APIs and errors are
//! brought by whoever makes [`Metrics`]. Must hold: counting takes no lock and allocates nothing.
//!
//! ```
//! use ottla_metrics::{Format, Metric, Page, Traffic, TopicTraffic};
//! use std::sync::Arc;
//!
//! let all = Arc::new(Traffic::default());
//! let fish = TopicTraffic::new(Arc::clone(&all));
//! fish.appended(100, 2);
//!
//! let mut page = Page::default();
//! all.write(&mut page, "");
//! fish.write(&mut page, "fish");
//! page.put(Metric::Leaders, &[], 1_u64);
//! let text = page.text(Format::Prometheus);
//! assert!(text.contains("\nkafka_server_brokertopicmetrics_bytesin_total 100\n"));
//! assert!(text.contains("_bytesin_total{topic=\"fish\"} 100\n"));
//! ```

mod histogram;
mod listeners;
mod number;
mod page;
mod requests;
mod row;
mod shares;
mod table;
mod traffic;

use std::sync::Arc;

pub use histogram::Histogram;
pub use listeners::{ListenerMeter, Listeners};
pub use number::{Counter, Gauge, Number};
pub use page::{Format, Page};
pub use requests::{Api, ApiMeter, Parked, Phase, Requests};
pub use row::{Kind, Row};
pub use shares::{ShareTraffic, Timed};
pub use table::Metric;
pub use traffic::{TopicTraffic, Traffic};

/// Everything of one node that is counted where it happens.
#[derive(Debug)]
pub struct Metrics {
    /// Requests by API.
    pub requests: Arc<Requests>,
    /// Records in and out, of all topics together.
    pub traffic: Arc<Traffic>,
    /// Connections and bytes by listener.
    pub listeners: Listeners,
}

impl Metrics {
    /// Nothing counted yet. `errors` names the error codes from -1 on.
    pub fn new(apis: impl IntoIterator<Item = Api>, errors: Vec<&'static str>) -> Metrics {
        Metrics {
            requests: Arc::new(Requests::new(apis, errors)),
            traffic: Arc::default(),
            listeners: Listeners::default(),
        }
    }

    /// Writes what was counted.
    pub fn write(&self, page: &mut Page) {
        self.traffic.write(page, "");
        self.requests.write(page);
        self.listeners.write(page);
    }
}
