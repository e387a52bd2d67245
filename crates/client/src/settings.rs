//! The configs of clients: Kafka's keys and defaults, one row each, and only those that work.
//!
//! Not here: what they do. Must hold: each row's default is Apache Kafka's.

use std::fmt::Display;
use std::ops::RangeBounds;

use ottla_records::Codec;

use crate::error::ClientError;

/// One row, as help shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettingInfo {
    /// Kafka's key.
    pub key: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
}

/// A block of settings that can be set by their keys.
pub trait Settings {
    /// The rows of the block.
    fn rows(&self) -> &'static [SettingInfo];

    /// Sets one by its key; gives whether the block has such a key.
    ///
    /// # Errors
    /// [`ClientError::Setting`] with key, value and what is allowed.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, ClientError>;
}

/// Applies properties to all blocks that have their key; gives the keys that none has.
///
/// # Errors
/// The first value that is not allowed.
pub fn apply<'a>(
    properties: &'a [(String, String)],
    blocks: &mut [&mut dyn Settings],
) -> Result<Vec<&'a str>, ClientError> {
    let mut unknown = Vec::new();
    for (key, value) in properties {
        let mut found = false;
        for block in blocks.iter_mut() {
            found |= block.set(key, value)?;
        }
        if !found {
            unknown.push(key.as_str());
        }
    }
    Ok(unknown)
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident {$(
        #[doc = $help:literal]
        $key:literal => $field:ident: $type:ty = $text:literal $(in $range:expr)?;
    )*}) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {$(
            #[doc = concat!("`", $key, "`:", $help)]
            pub $field: $type,
        )*}

        impl Default for $name {
            fn default() -> Self {
                $name {$(
                    $field: <$type>::parse($text).expect("a test parses all defaults"),
                )*}
            }
        }

        impl Settings for $name {
            fn rows(&self) -> &'static [SettingInfo] {
                &[$(SettingInfo { key: $key, help: $help, default: $text }),*]
            }

            fn set(&mut self, key: &str, value: &str) -> Result<bool, ClientError> {
                match key {
                    $($key => self.$field = checked::<$type>(key, value)$(
                        .and_then(|read| within(key, read, $range))
                    )??,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

settings! {
    /// What all clients have.
    ClientSettings {
        /// The servers to begin with: host:port, separated by commas.
        "bootstrap.servers" => bootstrap_servers: Vec<String> = "";
        /// The name that brokers log and count this client by.
        "client.id" => client_id: String = "";
        /// How the network is secured; only PLAINTEXT is served.
        "security.protocol" => security_protocol: SecurityProtocol = "PLAINTEXT";
        /// How long to wait for an answer before the connection is given up.
        "request.timeout.ms" => request_timeout_ms: u64 = "30000" in 1..=MILLIS_MAX;
        /// How long a call may take in all, with its retries.
        "default.api.timeout.ms" => default_api_timeout_ms: u64 = "60000" in 1..=MILLIS_MAX;
        /// How long a connection may take to come about.
        "socket.connection.setup.timeout.ms" => connection_setup_timeout_ms: u64
            = "10000" in 1..=MILLIS_MAX;
        /// The wait before the first attempt to connect again.
        "reconnect.backoff.ms" => reconnect_backoff_ms: u64 = "50" in 0..=MILLIS_MAX;
        /// The longest wait before an attempt to connect again.
        "reconnect.backoff.max.ms" => reconnect_backoff_max_ms: u64 = "1000" in 0..=MILLIS_MAX;
        /// The wait before the first retry.
        "retry.backoff.ms" => retry_backoff_ms: u64 = "100" in 0..=MILLIS_MAX;
        /// The longest wait before a retry.
        "retry.backoff.max.ms" => retry_backoff_max_ms: u64 = "1000" in 0..=MILLIS_MAX;
        /// The age at which knowledge of the cluster is renewed.
        "metadata.max.age.ms" => metadata_max_age_ms: u64 = "300000" in 0..=MILLIS_MAX;
        /// How long an idle connection is kept.
        "connections.max.idle.ms" => connections_max_idle_ms: u64 = "540000" in 1..=MILLIS_MAX;
    }
}

impl ClientSettings {
    /// The defaults with these bootstrap servers, separated by commas.
    pub fn new(bootstrap_servers: &str) -> ClientSettings {
        let bootstrap_servers = list(bootstrap_servers);
        ClientSettings { bootstrap_servers, ..ClientSettings::default() }
    }
}

/// How the network is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
}

/// A type that a value can be read as.
pub(crate) trait Parse: Sized {
    fn parse(value: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Parse for $type {
            fn parse(value: &str) -> Result<Self, String> {
                value.trim().parse().map_err(|_| "must be a whole number".to_owned())
            }
        }
    )*};
}

numbers! { u64 usize i32 }

impl Parse for String {
    fn parse(value: &str) -> Result<Self, String> {
        Ok(value.to_owned())
    }
}

impl Parse for Vec<String> {
    fn parse(value: &str) -> Result<Self, String> {
        Ok(list(value))
    }
}

impl Parse for bool {
    fn parse(value: &str) -> Result<Self, String> {
        one_of(value, &[("true", true), ("false", false)])
    }
}

impl<T: Parse> Parse for Option<T> {
    fn parse(value: &str) -> Result<Self, String> {
        if value.is_empty() { Ok(None) } else { T::parse(value).map(Some) }
    }
}

impl Parse for SecurityProtocol {
    fn parse(value: &str) -> Result<Self, String> {
        one_of(value, &[("PLAINTEXT", SecurityProtocol::Plaintext)])
    }
}

impl Parse for Codec {
    fn parse(value: &str) -> Result<Self, String> {
        Codec::from_name(value).ok_or("must be one of none, gzip, snappy, lz4, zstd".to_owned())
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn one_of<T: Copy>(value: &str, allowed: &[(&str, T)]) -> Result<T, String> {
    let found = allowed.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
        format!("must be {}", names.join(", "))
    })
}

fn checked<T: Parse>(key: &str, value: &str) -> Result<T, ClientError> {
    T::parse(value).map_err(|allowed| invalid(key, value, allowed))
}

fn within<T, R>(key: &str, value: T, range: R) -> Result<T, ClientError>
where
    T: PartialOrd + Display,
    R: RangeBounds<T> + std::fmt::Debug,
{
    if range.contains(&value) {
        return Ok(value);
    }
    Err(invalid(key, &value.to_string(), format!("must lie in {range:?}")))
}

fn invalid(key: &str, value: &str, allowed: String) -> ClientError {
    ClientError::Setting { key: key.to_owned(), value: value.to_owned(), allowed }
}

/// The longest time that the protocol can say: an int32.
const MILLIS_MAX: u64 = 2_147_483_647;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_documented_and_their_defaults_are_allowed() {
        let mut blocks: [Box<dyn Settings>; 1] = [Box::new(ClientSettings::default())];
        for block in &mut blocks {
            let rows = block.rows();
            for (place, row) in rows.iter().enumerate() {
                assert!(rows[..place].iter().all(|other| other.key != row.key), "{}", row.key);
                assert!(row.help.trim_end().ends_with('.'), "{}", row.key);
                assert_eq!(block.set(row.key, row.default), Ok(true), "{}", row.key);
            }
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_allowed() {
        let mut settings = ClientSettings::default();
        let mut refusal = |key, value| settings.set(key, value).unwrap_err().to_string();
        assert_eq!(
            refusal("security.protocol", "SSL"),
            "invalid value SSL for security.protocol: must be PLAINTEXT"
        );
        assert_eq!(
            refusal("request.timeout.ms", "0"),
            "invalid value 0 for request.timeout.ms: must lie in 1..=2147483647"
        );
        assert_eq!(settings.set("no.such.key", "1"), Ok(false));
    }

    #[test]
    fn properties_go_to_the_blocks_that_have_their_keys() {
        let mut settings = ClientSettings::default();
        let properties = [("bootstrap.servers", "a:1, b:2"), ("nonsense", "")]
            .map(|(k, v)| (k.into(), v.into()));
        let unknown = apply(&properties, &mut [&mut settings]).unwrap();
        assert_eq!(unknown, ["nonsense"]);
        assert_eq!(settings.bootstrap_servers, ["a:1", "b:2"]);
    }
}
