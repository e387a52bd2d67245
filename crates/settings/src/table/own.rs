//! Table: configs that Apache Kafka does not know.
//!
//! Their names begin with `ottla.`. DescribeConfigs shows one only where it was given a value, as
//! Kafka does with names that it does not know. A row is a typed field.

use crate::row::{LOW, READ_ONLY, config, internal};
use crate::valid::host_port;

config! {
    /// What only this project has.
    pub struct OwnSettings {
        /// Where the node shows /metrics, /health and /ready over HTTP, as host:port; without a
        /// value nowhere. An empty host is every address, port 0 any free one.
        "ottla.http.listener" => http_listener: Option<String> = null,
            host_port(), LOW, internal(READ_ONLY);
    }
}
