//! Table: what may be said of clients: quotas, and which metrics they push (KIP-714).
//! These have no broker config to fall back to.

use crate::row::{MEDIUM, OWN, config};
use crate::valid::{any, at_least};

config! {
    /// A subscription to the metrics of clients (KIP-714).
    pub struct ClientMetricsConfig {
        /// How often matching clients push their metrics.
        "interval.ms" => interval_ms: i32 = "300000", any(), MEDIUM, OWN;
        /// Which clients are meant, as selector=regular expression; all without a value.
        "match" => selectors: Vec<String> = "", any(), MEDIUM, OWN;
        /// The metrics that clients push, by the beginning of their names; * for all.
        "metrics" => metrics: Vec<String> = "", any(), MEDIUM, OWN;
    }
}

config! {
    /// Quotas of one address.
    pub struct IpQuota {
        /// How many connections the address may open per second.
        "connection_creation_rate" => connection_creation_rate: i32 = "2147483647",
            at_least(0), MEDIUM, OWN;
    }
}

config! {
    /// Quotas of a user, a client id, or both.
    pub struct ClientQuota {
        /// How many bytes per second the client may fetch.
        "consumer_byte_rate" => consumer_byte_rate: i64 = "9223372036854775807", any(), MEDIUM, OWN;
        /// How many bytes per second the client may produce.
        "producer_byte_rate" => producer_byte_rate: i64 = "9223372036854775807", any(), MEDIUM, OWN;
        /// How much of the node's handling time, in percent, the client may use.
        "request_percentage" => request_percentage: f64 = "2.147483647E9", any(), MEDIUM, OWN;
        /// How many partitions per second the client may create or delete.
        "controller_mutation_rate" => controller_mutation_rate: f64 = "2.147483647E9",
            any(), MEDIUM, OWN;
    }
}
