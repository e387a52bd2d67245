//! From configured listeners to bound sockets, and from those to what others are told.
//!
//! Must hold: every port is bound before anything is told to anybody, so that port 0 becomes the
//! real one everywhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ottla_env::{Env, SocketOptions};
use ottla_net::BoundListener;
use ottla_quorum::VoterEndpoint;
use ottla_settings::{Bind, Endpoint, NetworkSettings};

use crate::error::StartError;

/// Where a node can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The listener's name.
    pub listener: String,
    /// The address with its real port.
    pub address: SocketAddr,
}

/// Binds one listener, on as many addresses as its host stands for; `config` names it.
pub(crate) async fn bind(
    env: &Env,
    network: &NetworkSettings,
    config: &'static str,
    endpoint: &Endpoint,
) -> Result<Vec<BoundListener>, StartError> {
    let failed =
        |source: io::Error| StartError::Listen { listener: endpoint.to_string(), config, source };
    let one = async |ip: IpAddr, port: u16| {
        let address = SocketAddr::from((ip, port));
        BoundListener::bind(env, &endpoint.listener, address, socket_options(network)).await
    };
    match endpoint.bind() {
        Bind::Address(ip) => Ok(vec![one(ip, endpoint.port).await.map_err(failed)?]),
        Bind::Every => {
            let both = one(Ipv6Addr::UNSPECIFIED.into(), endpoint.port).await;
            match both {
                Ok(bound) => Ok(vec![bound]),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(failed(error)),
                Err(_) => {
                    let bound = one(Ipv4Addr::UNSPECIFIED.into(), endpoint.port).await;
                    Ok(vec![bound.map_err(failed)?])
                }
            }
        }
        Bind::Loopback => {
            let first = one(Ipv4Addr::LOCALHOST.into(), endpoint.port).await.map_err(failed)?;
            let port = first.address().port();
            let mut bound = vec![first];
            match one(Ipv6Addr::LOCALHOST.into(), port).await {
                Ok(second) => bound.push(second),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(failed(error));
                }
                // A machine without IPv6.
                Err(error) => tracing::debug!(%error, port, "not listening on ::1"),
            }
            Ok(bound)
        }
        Bind::Name(name) => {
            let resolved = env.net().lookup(&name, endpoint.port).await.map_err(failed)?;
            let first = resolved.first().copied();
            let unknown = || failed(io::Error::other(format!("{name} has no address")));
            let first = first.ok_or_else(unknown)?;
            Ok(vec![one(first.ip(), first.port()).await.map_err(failed)?])
        }
    }
}

/// Where bound listeners are.
pub(crate) fn addresses<'a>(bound: impl IntoIterator<Item = &'a BoundListener>) -> Vec<Address> {
    let address = |bound: &BoundListener| Address {
        listener: bound.name().to_owned(),
        address: bound.address(),
    };
    bound.into_iter().map(address).collect()
}

/// Of sizes below 1 Kafka says that the system decides.
fn socket_options(network: &NetworkSettings) -> SocketOptions {
    let size = |bytes: i32| u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
    let usual = SocketOptions::default();
    SocketOptions {
        send_buffer_bytes: size(network.socket_send_buffer_bytes),
        receive_buffer_bytes: size(network.socket_receive_buffer_bytes).and_then(receive_buffer),
        backlog: size(network.socket_listen_backlog_size).unwrap_or(usual.backlog),
    }
}

/// What the system is told of a receive buffer. Kafka's default, which its shipped
/// server.properties writes out, is not told: Linux begins with about as much, but stops to let the
/// buffer grow as soon as it is told a size. With 100 KiB, requests of 1 MiB take a fifth more CPU
/// time, since the peer fills so small a window in the broker's own calls.
fn receive_buffer(bytes: u32) -> Option<u32> {
    (bytes != KAFKA_RECEIVE_BUFFER_BYTES).then_some(bytes)
}

/// What others are told of a listener: its advertised host and port, the real port for 0 and the
/// machine's own name for an empty host.
pub(crate) fn told(env: &Env, endpoint: &Endpoint, bound: &[BoundListener]) -> VoterEndpoint {
    let real = bound.iter().find(|bound| bound.name() == endpoint.listener);
    let port = match endpoint.port {
        0 => real.map_or(0, |bound| bound.address().port()),
        port => port,
    };
    let host = match endpoint.host.as_str() {
        "" => env.host_name(),
        host => host.to_owned(),
    };
    VoterEndpoint { listener: endpoint.listener.clone(), host, port }
}

const KAFKA_RECEIVE_BUFFER_BYTES: u32 = 102_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_receive_buffer_is_the_systems_affair_and_others_are_told_to_it() {
        assert_eq!(receive_buffer(102_400), None);
        assert_eq!(receive_buffer(65_536), Some(65_536));
        assert_eq!(receive_buffer(1 << 20), Some(1 << 20));
    }
}
