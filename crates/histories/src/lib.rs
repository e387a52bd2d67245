//! What becomes of transactions, told by everyone who was there, and what must hold of it.
//!
//! The workloads are those of the published Jepsen analyses of brokers of this protocol: lists
//! that transactions append to (workload.rs) and that readers look at, and a queue from one topic
//! to another. Start reading at [`History`], which is told of every append, decision and read, and
//! finds what is wrong in the end ([`Anomaly`]). Programs in other languages tell theirs in
//! [`Lines`].
//!
//! For tests alone: those of a node in the simulated world and those of a process that is killed.
//! Not here: what befalls the node and the workers. Must hold: nothing comes from anywhere but
//! `env`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use ottla_histories::{Anomaly, History, Outcome};
//!
//! let history = History::default();
//! let number = history.begin(1);
//! let element = history.append(1, number, 0);
//! history.ends(1, number, Outcome::Committed);
//! history.judge(&BTreeMap::from([(0, vec![(7, element)])]));
//! assert_eq!(history.anomalies(), []);
//!
//! history.judge(&BTreeMap::from([(0, vec![])]));
//! assert_eq!(history.anomalies()[0].0, Anomaly::Lost);
//! ```

mod history;
mod lines;
mod workload;

pub use history::{Anomaly, Element, History, List, Outcome};
pub use lines::Lines;
pub use workload::{Contents, Topic, Vice, Workload};
