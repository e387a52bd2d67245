//! Table: listeners, sockets, limits of connections and requests.
//! Not here: TLS and SASL (tls.rs, security.rs).
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, MEDIUM, PER_BROKER, READ_ONLY, config};
use crate::valid::{any, at_least, distinct_not_empty, one_of};

config! {
    /// Listeners, sockets and the limits of connections and requests.
    pub struct NetworkSettings {
        /// Where the node listens, each as NAME://host:port; an empty host is every address, port 0
        /// any free one.
        "listeners" => listeners: Vec<String> = "PLAINTEXT://:9092",
            distinct_not_empty(), HIGH, PER_BROKER;
        /// The addresses that clients and other nodes are told to use; without a value those of
        /// listeners.
        "advertised.listeners" => advertised_listeners: Option<Vec<String>> = null,
            distinct_not_empty(), HIGH, READ_ONLY;
        /// Which security protocol each listener name stands for.
        "listener.security.protocol.map" =>
            listener_security_protocol_map: String =
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
            any(), LOW, PER_BROKER;
        /// The listener through which brokers reach each other; excludes
        /// security.inter.broker.protocol.
        "inter.broker.listener.name" => inter_broker_listener_name: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// The protocol between brokers, where no inter.broker.listener.name is given.
        "security.inter.broker.protocol" => security_inter_broker_protocol: String = "PLAINTEXT",
            one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), MEDIUM, READ_ONLY;
        /// Threads per listener that Kafka gives to sockets; accepted and reported.
        "num.network.threads" => num_network_threads: i32 = "3", at_least(1), HIGH, CLUSTER_WIDE;
        /// Threads that Kafka gives to requests; accepted and reported.
        "num.io.threads" => num_io_threads: i32 = "8", at_least(1), HIGH, CLUSTER_WIDE;
        /// How many requests may wait to be handled before sockets are no longer read.
        "queued.max.requests" => queued_max_requests: i32 = "500", at_least(1), HIGH, READ_ONLY;
        /// How many bytes of requests may wait before sockets are no longer read; -1 for no limit.
        "queued.max.request.bytes" => queued_max_request_bytes: i64 = "-1",
            any(), MEDIUM, READ_ONLY;
        /// How long the node waits for the answer to a request of its own before it fails or
        /// repeats it.
        "request.timeout.ms" => request_timeout_ms: i32 = "30000", any(), HIGH, READ_ONLY;
        /// The send buffer of each accepted socket; -1 leaves it to the operating system.
        "socket.send.buffer.bytes" => socket_send_buffer_bytes: i32 = "102400",
            any(), HIGH, READ_ONLY;
        /// The receive buffer of each accepted socket; -1 leaves it to the operating system, and so
        /// does the default, which is where systems begin that let buffers grow as they are needed.
        "socket.receive.buffer.bytes" => socket_receive_buffer_bytes: i32 = "102400",
            any(), HIGH, READ_ONLY;
        /// The largest request that is read; a longer one closes its connection.
        "socket.request.max.bytes" => socket_request_max_bytes: i32 = "104857600",
            at_least(1), HIGH, READ_ONLY;
        /// How many connections may wait to be accepted.
        "socket.listen.backlog.size" => socket_listen_backlog_size: i32 = "50",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long the node's own connections may take to open, at first.
        "socket.connection.setup.timeout.ms" => socket_connection_setup_timeout_ms: i64 = "10000",
            any(), MEDIUM, READ_ONLY;
        /// How long the node's own connections may take to open after repeated failures.
        "socket.connection.setup.timeout.max.ms" =>
            socket_connection_setup_timeout_max_ms: i64 = "30000",
            any(), MEDIUM, READ_ONLY;
        /// How many connections the node holds at a time; a listener may have its own limit.
        "max.connections" => max_connections: i32 = "2147483647", at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How many connections one address may hold.
        "max.connections.per.ip" => max_connections_per_ip: i32 = "2147483647",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// Limits for single hosts, as host:limit,host:limit.
        "max.connections.per.ip.overrides" => max_connections_per_ip_overrides: String = "",
            any(), MEDIUM, CLUSTER_WIDE;
        /// How many connections may be opened per second; a listener may have its own limit.
        "max.connection.creation.rate" => max_connection_creation_rate: i32 = "2147483647",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How long a silent connection is kept open.
        "connections.max.idle.ms" => connections_max_idle_ms: i64 = "600000",
            any(), MEDIUM, READ_ONLY;
        /// How long a SASL login is good for before it must be repeated; 0 for as long as the
        /// connection.
        "connections.max.reauth.ms" => connections_max_reauth_ms: i64 = "0",
            any(), MEDIUM, READ_ONLY;
        /// How long a failed login is kept waiting before its connection closes.
        "connection.failed.authentication.delay.ms" =>
            connection_failed_authentication_delay_ms: i32 = "100",
            at_least(0), LOW, READ_ONLY;
        /// The most partitions that one answer to a listing or describing request holds.
        "max.request.partition.size.limit" => max_request_partition_size_limit: i32 = "2000",
            at_least(1), MEDIUM, READ_ONLY;
    }
}
