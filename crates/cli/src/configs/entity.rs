//! Whose configs are meant: a topic, a broker, all brokers, a user's client.
//!
//! Not here: the options that say it (options.rs).

/// The kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topics,
    Clients,
    Users,
    Brokers,
    Ips,
    ClientMetrics,
    Groups,
    BrokerLoggers,
}

/// One entity, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) kind: Kind,
    /// Its name; empty for the defaults of the kind; none for all that there are.
    pub(super) name: Option<String>,
}

impl Kind {
    /// The kinds, in the order in which Apache Kafka's tool names them.
    pub(super) const ALL: &[Kind] = &[
        Kind::Topics,
        Kind::Clients,
        Kind::Users,
        Kind::Brokers,
        Kind::Ips,
        Kind::ClientMetrics,
        Kind::Groups,
        Kind::BrokerLoggers,
    ];

    /// The name after `--entity-type`.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Kind::Topics => "topics",
            Kind::Clients => "clients",
            Kind::Users => "users",
            Kind::Brokers => "brokers",
            Kind::Ips => "ips",
            Kind::ClientMetrics => "client-metrics",
            Kind::Groups => "groups",
            Kind::BrokerLoggers => "broker-loggers",
        }
    }

    /// The name of one, which is the short option too, but for client metrics.
    pub(super) fn singular(self) -> &'static str {
        let plural = self.plural();
        plural.strip_suffix('s').unwrap_or(plural)
    }

    /// The short option for one.
    pub(super) fn option(self) -> &'static str {
        match self {
            Kind::ClientMetrics => self.plural(),
            _ => self.singular(),
        }
    }

    /// The short option for the defaults of the kind, where it has some.
    pub(super) fn defaults_option(self) -> Option<&'static str> {
        Some(match self {
            Kind::Clients => "client-defaults",
            Kind::Users => "user-defaults",
            Kind::Brokers => "broker-defaults",
            Kind::Ips => "ip-defaults",
            _ => return None,
        })
    }

    /// Whether its configs are quotas.
    pub(super) fn is_quota(self) -> bool {
        matches!(self, Kind::Clients | Kind::Users | Kind::Ips)
    }

    /// The number of the kind in DescribeConfigs; quotas go another way and have none.
    pub(super) fn resource_type(self) -> i8 {
        match self {
            Kind::Topics => 2,
            Kind::Brokers => 4,
            Kind::BrokerLoggers => 8,
            Kind::ClientMetrics => 16,
            Kind::Groups => 32,
            Kind::Clients | Kind::Users | Kind::Ips => 0,
        }
    }

    /// The source of a config that is the entity's own; none where all are shown.
    pub(super) fn own_source(self, name: &str) -> Option<i8> {
        match self {
            Kind::Topics => Some(1),
            Kind::Brokers if name.is_empty() => Some(3),
            Kind::Brokers => Some(2),
            Kind::ClientMetrics => Some(7),
            Kind::Groups => Some(8),
            _ => None,
        }
    }
}
