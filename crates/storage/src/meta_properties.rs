//! `meta.properties`: which cluster, node and directory a log directory belongs to.
//!
//! Must hold: every directory of a node agrees on cluster and node (dirs.rs checks that), and a
//! file that is there but can't be read is an error, never taken for an unformatted directory.

use std::path::Path;

use ottla_env::Disk;
use ottla_settings::properties;
use ottla_wire::{BrokerId, DirectoryId, Uuid};

use crate::error::StorageError;

/// The file's name inside a log directory.
pub const FILE: &str = "meta.properties";

/// What to do about a file that does not say what it has to.
pub(crate) const WAY_OUT: &str =
    "put the file back as it was, or move the folder aside to begin a new one";

/// The first hundred directory ids have a meaning of their own and name no directory.
const RESERVED_IDS: u8 = 100;

/// The content of `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster's id; older files may lack it.
    pub cluster_id: Option<String>,
    /// The node's id; older files call it `broker.id` and may lack it.
    pub node_id: Option<BrokerId>,
    /// The directory's own id; older files lack it.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// Reads the file's text.
    pub fn parse(text: &[u8]) -> Result<MetaProperties, String> {
        let pairs = properties::parse(&properties::decode(text));
        let pairs = pairs.map_err(|error| error.to_string())?;
        let value = |key: &str| {
            pairs.iter().rev().find(|pair| pair.key == key).map(|pair| pair.value.trim())
        };
        let version = value("version").unwrap_or("0");
        let node_key = match version {
            "0" => "broker.id",
            "1" => "node.id",
            other => return Err(format!("version is '{other}', not 0 or 1")),
        };
        let node_id = match value(node_key) {
            Some(text) => Some(BrokerId(
                text.parse().map_err(|_| format!("{node_key} '{text}' is not a number"))?,
            )),
            None => None,
        };
        let directory_id = match value("directory.id") {
            Some(text) => Some(DirectoryId(
                text.parse().map_err(|_| format!("directory.id '{text}' is not a UUID"))?,
            )),
            None => None,
        };
        let cluster_id = value("cluster.id").map(str::to_owned);
        if version == "1" && (cluster_id.is_none() || node_id.is_none()) {
            return Err("cluster.id or node.id is missing".to_owned());
        }
        Ok(MetaProperties { cluster_id, node_id, directory_id })
    }

    /// The file's text, in version 1.
    pub fn format(&self) -> String {
        let mut text = String::from("version=1\n");
        if let Some(id) = &self.cluster_id {
            text.push_str(&format!("cluster.id={}\n", escape(id)));
        }
        if let Some(id) = self.node_id {
            text.push_str(&format!("node.id={}\n", id.0));
        }
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={}\n", id.0));
        }
        text
    }

    /// Reads the file of a directory; `None` when there is none.
    pub fn read(disk: &Disk, dir: &Path) -> Result<Option<MetaProperties>, StorageError> {
        let path = dir.join(FILE);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let text = disk.read(&path).map_err(StorageError::io("read", &path))?;
        let read = MetaProperties::parse(&text).map(Some);
        read.map_err(|what| StorageError::corrupt(&path, format!("{what}: {WAY_OUT}")))
    }

    /// Writes the file of a directory so that a crash leaves the old or the new one.
    pub fn write(&self, disk: &Disk, dir: &Path) -> Result<(), StorageError> {
        let path = dir.join(FILE);
        disk.replace(&path, self.format().as_bytes()).map_err(StorageError::io("write", &path))
    }
}

/// Whether `id` is one of those that stand for a state instead of a directory.
pub fn is_reserved(id: DirectoryId) -> bool {
    let Uuid(bytes) = id.0;
    bytes[..15].iter().all(|byte| *byte == 0) && bytes[15] < RESERVED_IDS
}

/// Makes a directory id from random bytes: not reserved, and its text does not look like a flag.
pub fn directory_id(mut random: impl FnMut() -> [u8; 16]) -> DirectoryId {
    loop {
        let mut bytes = random();
        // A random UUID says of itself that it is one: version 4, variant 2.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let id = DirectoryId(Uuid(bytes));
        if !is_reserved(id) && !id.0.to_string().starts_with('-') {
            return id;
        }
    }
}

fn escape(value: &str) -> String {
    let mut text = String::new();
    for (at, unit) in value.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some(' ') if at == 0 => text.push_str("\\ "),
            Some(c @ ('\\' | '#' | '!' | '=' | ':')) => text.extend(['\\', c]),
            Some(c) if (' '..='~').contains(&c) => text.push(c),
            _ => text.push_str(&format!("\\u{unit:04X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apache_kafka_wrote() {
        let text = "#\n#Sat Nov 21 09:54:08 UTC 2026\nnode.id=1\n\
                    directory.id=Ana4Dv2kTjWzp2ttFiplOQ\nversion=1\n\
                    cluster.id=4L6g3nShT-eMCtK--X86sw\n";
        let meta = MetaProperties::parse(text.as_bytes()).unwrap();
        assert_eq!(meta.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
        assert_eq!(meta.node_id, Some(BrokerId(1)));
        assert_eq!(
            meta.directory_id.map(|id| id.0.to_string()),
            Some("Ana4Dv2kTjWzp2ttFiplOQ".into())
        );
        assert_eq!(MetaProperties::parse(meta.format().as_bytes()), Ok(meta));
    }

    #[test]
    fn reads_the_older_version() {
        let meta = MetaProperties::parse(b"version=0\nbroker.id=7\n").unwrap();
        assert_eq!((meta.cluster_id, meta.node_id), (None, Some(BrokerId(7))));
        assert!(MetaProperties::parse(b"broker.id=x\n").is_err());
    }

    #[test]
    fn a_file_that_lacks_what_it_needs_is_an_error() {
        for bad in ["version=1\nnode.id=1\n", "version=2\n", "version=1\ncluster.id=a\nnode.id=b\n"]
        {
            assert!(MetaProperties::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unusual_cluster_id_survives() {
        let meta = MetaProperties {
            cluster_id: Some(" a=b:\\ \u{e9}\u{1f600}".to_owned()),
            node_id: Some(BrokerId(0)),
            directory_id: None,
        };
        assert_eq!(
            MetaProperties::parse(meta.format().as_bytes()).unwrap().node_id,
            Some(BrokerId(0))
        );
        let pairs = properties::parse(&meta.format()).unwrap();
        assert!(pairs.iter().any(|pair| Some(&pair.value) == meta.cluster_id.as_ref()));
    }

    #[test]
    fn reserved_ids_and_flags_are_never_made() {
        let mut tries = vec![[7; 16], [0xfb; 16]];
        let id = directory_id(|| tries.pop().unwrap());
        assert!(!id.0.to_string().starts_with('-'));
        assert!(tries.is_empty());
        assert!(is_reserved(DirectoryId(Uuid::ZERO)));
        assert!(!is_reserved(id));
    }
}
