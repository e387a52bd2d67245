//! Addresses: where a node listens, what it tells others, where its quorum is.
//!
//! Not here: sockets, and the lookup of names. Must hold: names of listeners are upper case.

use std::fmt;
use std::net::IpAddr;

use crate::error::ConfigError;
use crate::table::network::NetworkSettings;
use crate::table::own::OwnSettings;
use crate::table::quorum::QuorumSettings;

/// What protects a connection. The discriminant is its number in registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum SecurityProtocol {
    /// Nothing.
    Plaintext = 0,
    /// TLS.
    Ssl = 1,
    /// A login.
    SaslPlaintext = 2,
    /// A login inside TLS.
    SaslSsl = 3,
}

impl SecurityProtocol {
    /// Every protocol.
    pub const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// Its number in registration records.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// The protocol of that name, in any case.
    pub fn named(name: &str) -> Option<SecurityProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Whether a login is part of it.
    pub fn has_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }

    /// Whether TLS is part of it.
    pub fn has_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }
}

/// A listener's name, address and protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, upper case.
    pub listener: String,
    /// The host as it was written, without brackets; empty for every address.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
    /// What protects its connections.
    pub protocol: SecurityProtocol,
}

/// What to bind for a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Every address of the machine.
    Every,
    /// Both loopback addresses, as far as the machine has them.
    Loopback,
    /// This address.
    Address(IpAddr),
    /// The first address that this name stands for.
    Name(String),
}

impl Endpoint {
    /// What to bind: `localhost` is both loopback addresses, so that no client misses it.
    pub fn bind(&self) -> Bind {
        match self.host.parse() {
            _ if self.host.is_empty() => Bind::Every,
            _ if self.host.eq_ignore_ascii_case("localhost") => Bind::Loopback,
            Ok(address) => Bind::Address(address),
            Err(_) => Bind::Name(self.host.clone()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.listener, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.listener, self.host, self.port)
        }
    }
}

/// A voter of a fixed quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The node's id.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Every address of a node, made of its configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// Where the node listens for clients and brokers.
    pub broker: Vec<Endpoint>,
    /// Where the node listens as a controller.
    pub controller: Vec<Endpoint>,
    /// What clients and brokers are told; an empty host stands for the machine's own name.
    pub advertised: Vec<Endpoint>,
    /// What is told of the controller's listeners; an empty host as above.
    pub advertised_controller: Vec<Endpoint>,
    /// The listener through which brokers reach each other.
    pub inter_broker: String,
    /// The listener through which controllers are reached, and its protection.
    pub to_controller: (String, SecurityProtocol),
    /// The fixed voters; empty where the quorum keeps them in its log.
    pub voters: Vec<Voter>,
    /// Where to look for controllers, as host and port: the servers given, else the voters.
    pub bootstrap: Vec<(String, u16)>,
    /// Where the node shows pages about itself, if anywhere.
    pub http: Option<Endpoint>,
}

/// What the listener of pages is called among the others.
const HTTP: &str = "HTTP";

impl Listeners {
    /// Makes sense of the configs; `mapped` tells whether the protocol map was given by hand.
    pub(crate) fn of(
        network: &NetworkSettings,
        quorum: &QuorumSettings,
        mapped: bool,
    ) -> Result<Listeners, ConfigError> {
        let protocols = Protocols::of(network, quorum, mapped)?;
        let listening = endpoints("listeners", &network.listeners, &protocols)?;
        have_own_ports(&network.listeners, &listening)?;
        let told = match &network.advertised_listeners {
            Some(told) => endpoints("advertised.listeners", told, &protocols)?,
            None => listening.clone(),
        };
        let is_controller =
            |endpoint: &Endpoint| quorum.controller_listener_names.contains(&endpoint.listener);
        let (controller, broker): (Vec<_>, Vec<_>) = listening.into_iter().partition(is_controller);
        let (mut told_controller, advertised): (Vec<_>, Vec<_>) =
            told.into_iter().partition(is_controller);
        for endpoint in &controller {
            if !told_controller.iter().any(|told| told.listener == endpoint.listener) {
                told_controller.push(endpoint.clone());
            }
        }
        let first = quorum.controller_listener_names.first().cloned().unwrap_or_default();
        let protection = protocols.find(&first).unwrap_or(SecurityProtocol::Plaintext);
        let voters: Vec<_> = quorum.voters.iter().filter_map(|text| voter(text)).collect();
        let mut bootstrap: Vec<_> =
            quorum.bootstrap_servers.iter().filter_map(|text| server(text)).collect();
        if bootstrap.is_empty() {
            bootstrap = voters.iter().map(|voter| (voter.host.clone(), voter.port)).collect();
        }
        let inter_broker = match &network.inter_broker_listener_name {
            Some(name) => name.to_uppercase(),
            None => network.security_inter_broker_protocol.clone(),
        };
        Ok(Listeners {
            broker,
            controller,
            advertised,
            advertised_controller: told_controller,
            inter_broker,
            to_controller: (first, protection),
            voters,
            bootstrap,
            http: None,
        })
    }

    /// The same, with the listener of pages.
    pub(crate) fn with_http(self, own: &OwnSettings) -> Listeners {
        let address = own.http_listener.as_deref().and_then(host_and_port);
        let http = address.map(|(host, port)| Endpoint {
            listener: HTTP.to_string(),
            host,
            port,
            protocol: SecurityProtocol::Plaintext,
        });
        Listeners { http, ..self }
    }

    /// Every address to bind for Kafka's protocol.
    pub fn all(&self) -> impl Iterator<Item = &Endpoint> {
        self.broker.iter().chain(&self.controller)
    }

    /// Whether this listener belongs to the controller.
    pub fn is_controller(&self, listener: &str) -> bool {
        self.controller.iter().any(|endpoint| endpoint.listener == listener)
    }
}

/// Which protection each listener name stands for.
struct Protocols(Vec<(String, SecurityProtocol)>);

impl Protocols {
    fn of(
        network: &NetworkSettings,
        quorum: &QuorumSettings,
        mapped: bool,
    ) -> Result<Protocols, ConfigError> {
        let mut pairs = Vec::new();
        for pair in crate::value::list(&network.listener_security_protocol_map) {
            let wrong = || ConfigError::Invalid {
                key: "listener.security.protocol.map".to_string(),
                value: pair.clone(),
                allowed: "LISTENER:PROTOCOL, with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
                    .into(),
            };
            let (name, protocol) = pair.rsplit_once(':').ok_or_else(wrong)?;
            let protocol = SecurityProtocol::named(protocol.trim()).ok_or_else(wrong)?;
            pairs.push((name.trim().to_uppercase(), protocol));
        }
        let mut protocols = Protocols(pairs);
        protocols.add_controllers(network, quorum, mapped);
        Ok(protocols)
    }

    /// Without a map of one's own and without TLS or logins, controllers speak PLAINTEXT.
    fn add_controllers(
        &mut self,
        network: &NetworkSettings,
        quorum: &QuorumSettings,
        mapped: bool,
    ) {
        let is_protected = |name: &str| {
            SecurityProtocol::named(name).is_some_and(|known| known != SecurityProtocol::Plaintext)
        };
        let names = &quorum.controller_listener_names;
        let listening = network.listeners.iter().map(|text| listener_name(text));
        if mapped
            || names.iter().any(|name| is_protected(name))
            || listening.into_iter().any(is_protected)
        {
            return;
        }
        for name in names.iter().filter(|name| name.as_str() != "PLAINTEXT") {
            self.0.push((name.clone(), SecurityProtocol::Plaintext));
        }
    }

    /// A later entry of the map counts.
    fn find(&self, listener: &str) -> Option<SecurityProtocol> {
        self.0.iter().rev().find(|(name, _)| name == listener).map(|(_, protocol)| *protocol)
    }
}

fn listener_name(text: &str) -> &str {
    text.split("://").next().unwrap_or_default()
}

fn endpoints(
    key: &str,
    texts: &[String],
    protocols: &Protocols,
) -> Result<Vec<Endpoint>, ConfigError> {
    let mut found: Vec<Endpoint> = Vec::new();
    for text in texts {
        let wrong = |allowed: &str| ConfigError::Invalid {
            key: key.to_string(),
            value: text.clone(),
            allowed: allowed.to_string(),
        };
        let (listener, address) =
            text.split_once("://").ok_or_else(|| wrong("NAME://host:port, parted by commas"))?;
        let (host, port) = host_and_port(address)
            .ok_or_else(|| wrong("NAME://host:port with a port from 0 to 65535"))?;
        let listener = listener.to_uppercase();
        let protocol = protocols
            .find(&listener)
            .ok_or_else(|| wrong("a listener whose name is in listener.security.protocol.map"))?;
        if found.iter().any(|other| other.listener == listener) {
            return Err(wrong("a listener whose name comes only once"));
        }
        found.push(Endpoint { listener, host, port, protocol });
    }
    Ok(found)
}

/// A port serves one listener, or two of which one is IPv4 and the other IPv6.
fn have_own_ports(texts: &[String], endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    for (at, one) in endpoints.iter().enumerate().filter(|(_, one)| one.port != 0) {
        let others: Vec<_> =
            endpoints[at + 1..].iter().filter(|other| other.port == one.port).collect();
        let family = |endpoint: &Endpoint| -> Option<bool> {
            endpoint.host.parse::<IpAddr>().ok().map(|address| address.is_ipv6())
        };
        let fine = match others.as_slice() {
            [] => true,
            [other] => match (family(one), family(other)) {
                (Some(one), Some(other)) => one != other,
                _ => false,
            },
            _ => false,
        };
        if !fine {
            return Err(ConfigError::Invalid {
                key: "listeners".to_string(),
                value: texts.join(","),
                allowed: "listeners with a port each, or an IPv4 and an IPv6 address on one".into(),
            });
        }
    }
    Ok(())
}

/// Reads `id@host:port`.
pub fn voter(text: &str) -> Option<Voter> {
    let (id, address) = text.split_once('@')?;
    let (host, port) = host_and_port(address)?;
    let id = id.trim().parse().ok().filter(|id| *id >= 0)?;
    (!host.is_empty()).then_some(Voter { id, host, port })
}

/// Reads `host:port`.
pub fn server(text: &str) -> Option<(String, u16)> {
    host_and_port(text).filter(|(host, _)| !host.is_empty())
}

/// Reads `host:port`, `[address]:port` or `:port`.
pub(crate) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    Some((host.to_string(), port.parse().ok()?)).filter(|(host, _)| host.chars().all(is_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, expect) in [
            ("host:9092", Some(("host", 9092))),
            (":9092", Some(("", 9092))),
            ("[::1]:9092", Some(("::1", 9092))),
            ("::1:9092", Some(("::1", 9092))),
            ("[fe80::1%eth0]:0", Some(("fe80::1%eth0", 0))),
            ("host", None),
            ("host:70000", None),
            ("host:-1", None),
            ("a b:1", None),
        ] {
            let expect = expect.map(|(host, port)| (host.to_string(), port));
            assert_eq!(host_and_port(text), expect, "{text}");
        }
    }

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let bind = |host: &str| {
            let protocol = SecurityProtocol::Plaintext;
            Endpoint { listener: "A".into(), host: host.into(), port: 1, protocol }.bind()
        };
        assert_eq!(bind("localhost"), Bind::Loopback);
        assert_eq!(bind(""), Bind::Every);
        assert_eq!(bind("::1"), Bind::Address("::1".parse().expect("an address")));
        assert_eq!(bind("box"), Bind::Name("box".to_string()));
    }
}
