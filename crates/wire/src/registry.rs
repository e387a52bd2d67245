//! All messages and APIs as tables, for what treats them alike: ApiVersions, dump tools, tests.
//! Which APIs a node serves is its own matter; here stands what the protocol defines.

use std::fmt;

use bytes::Bytes;

use crate::message::{self, Message, Shape};
pub use crate::messages::index::{APIS, ApiKey, MESSAGES};
use crate::problem::{DecodeError, EncodeError, Problem};
use crate::schema::{StructInfo, VersionRange};
use crate::value::Value;

/// Where a message is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// What a client asks.
    Request,
    /// What a server answers.
    Response,
    /// In front of each request or response.
    Header,
    /// A record of `__cluster_metadata`.
    Metadata,
    /// The key of a coordinator's record.
    CoordinatorKey,
    /// The value of a coordinator's record.
    CoordinatorValue,
    /// A record of `__remote_log_metadata`.
    RemoteLog,
    /// Anything else: control records, files, what consumers tell each other.
    Data,
}

/// One message, its type erased.
#[derive(Clone, Copy, Debug)]
pub struct MessageInfo {
    /// Kafka's name.
    pub name: &'static str,
    /// Where it is used.
    pub kind: Kind,
    /// The API key, or the type number of a record.
    pub key: Option<i16>,
    /// The versions there are.
    pub versions: VersionRange,
    /// The first version with compact lengths and tagged fields.
    pub flexible_from: Option<i16>,
    /// The fields.
    pub schema: &'static StructInfo,
    decode: fn(Bytes, i16) -> Result<Box<dyn Value>, DecodeError>,
    default: fn() -> Box<dyn Value>,
}

impl MessageInfo {
    pub(crate) const fn of<M: Message + 'static>(kind: Kind, key: Option<i16>) -> Self {
        Self {
            name: M::NAME,
            kind,
            key,
            versions: M::VERSIONS,
            flexible_from: M::FLEXIBLE_FROM,
            schema: M::INFO,
            decode: |bytes, version| Ok(Box::new(M::decode_all(bytes, version)?)),
            default: || Box::new(M::default()),
        }
    }

    /// Whether the version has compact lengths and tagged fields.
    pub fn is_flexible(&self, version: i16) -> bool {
        self.shape().is_flexible(version)
    }

    /// Reads a whole message and forgets it.
    pub fn check(&self, bytes: Bytes, version: i16) -> Result<(), DecodeError> {
        (self.decode)(bytes, version).map(drop)
    }

    /// Reads a whole message and writes it again.
    pub fn reencode(&self, bytes: Bytes, version: i16) -> Result<Bytes, DecodeError> {
        let at = bytes.len();
        let message = (self.decode)(bytes, version)?;
        message::to_bytes(&*message, &self.shape(), version)
            .map_err(|error| DecodeError { at, problem: Problem::Unwritable(error) })
    }

    /// Reads a whole message and gives Kafka's JSON form of it, with empty records.
    pub fn json(&self, bytes: Bytes, version: i16) -> Result<String, DecodeError> {
        Ok(message::to_json(&*(self.decode)(bytes, version)?, version))
    }

    /// Reads a whole message and counts the bytes that writing it would take.
    pub fn size(&self, bytes: Bytes, version: i16) -> Result<usize, DecodeError> {
        let message = (self.decode)(bytes, version)?;
        Ok(message::size(&*message, self.is_flexible(version), version))
    }

    /// Writes the message that nobody has set a field of.
    pub fn default_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        message::to_bytes(&*(self.default)(), &self.shape(), version)
    }

    fn shape(&self) -> Shape {
        let Self { name, versions, flexible_from, .. } = *self;
        Shape { name, versions, flexible_from }
    }
}

/// Who answers an API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Listener {
    /// The listeners of a broker.
    Broker,
    /// The listeners of a controller.
    Controller,
}

/// One API.
#[derive(Clone, Copy, Debug)]
pub struct ApiInfo {
    /// Its key.
    pub key: ApiKey,
    /// Its name, such as `Produce`.
    pub name: &'static str,
    /// The versions that its messages define.
    pub versions: VersionRange,
    /// The first version with compact lengths and tagged fields.
    pub flexible_from: Option<i16>,
    /// Whether the last version is not final, and hidden unless asked for.
    pub latest_unstable: bool,
    /// Who answers it.
    pub listeners: &'static [Listener],
}

impl ApiInfo {
    /// The versions that are final.
    pub fn stable_versions(&self) -> VersionRange {
        VersionRange::new(self.versions.min, self.versions.max - i16::from(self.latest_unstable))
    }
}

/// What there is to know of an API.
pub fn api_info(key: ApiKey) -> &'static ApiInfo {
    let index = APIS.binary_search_by_key(&key, |info| info.key);
    &APIS[index.expect("the generator writes a row for each key, in order")]
}

impl ApiKey {
    /// The API with this key.
    pub fn from_i16(key: i16) -> Option<Self> {
        let index = APIS.binary_search_by_key(&key, |info| info.key as i16).ok()?;
        Some(APIS[index].key)
    }

    /// Its name, such as `Produce`.
    pub fn name(self) -> &'static str {
        api_info(self).name
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
