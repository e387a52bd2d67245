//! Dynamic configs by resource, as text.
//!
//! Not here: what a value means, and what holds where nothing is set (`settings`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::StrBytes;
use ottla_wire::messages::ConfigRecord;

use crate::sorted::SortedMap;

/// The kind of a resource that has configs; a number, so that unknown kinds are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(pub i8);

impl ResourceType {
    /// A topic.
    pub const TOPIC: Self = Self(2);
    /// A broker by its id, or all of them when the name is empty.
    pub const BROKER: Self = Self(4);
    /// A broker's log levels; never in the metadata log.
    pub const BROKER_LOGGER: Self = Self(8);
    /// A subscription to metrics of clients.
    pub const CLIENT_METRICS: Self = Self(16);
    /// A group.
    pub const GROUP: Self = Self(32);
}

/// Something that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ResourceType,
    /// Its name; empty for the default of its kind.
    pub name: String,
}

/// The configs of all resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configs(SortedMap<ConfigResource, Arc<BTreeMap<String, String>>>);

static NONE: BTreeMap<String, String> = BTreeMap::new();

impl Configs {
    /// The configs of one resource, empty when it has none.
    pub fn get(&self, kind: ResourceType, name: &str) -> &BTreeMap<String, String> {
        let order = |key: &ConfigResource| key.kind.cmp(&kind).then_with(|| (*key.name).cmp(name));
        self.0.find(order).map_or(&NONE, |configs| configs)
    }

    /// All resources that have configs, with them.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<BTreeMap<String, String>>)> {
        self.0.iter()
    }

    pub(crate) fn changed_since(&self, old: &Self) -> Vec<ConfigResource> {
        self.0.changed_since(&old.0)
    }

    pub(crate) fn change(&mut self, record: &ConfigRecord) {
        let resource = ConfigResource {
            kind: ResourceType(record.resource_type),
            name: record.resource_name.as_str().to_owned(),
        };
        let mut configs = self.0.get(&resource).cloned().unwrap_or_default();
        let map = Arc::make_mut(&mut configs);
        match &record.value {
            Some(value) => {
                map.insert(record.name.as_str().to_owned(), value.as_str().to_owned());
            }
            None => {
                map.remove(record.name.as_str());
            }
        }
        if configs.is_empty() {
            self.0.remove(&resource);
        } else {
            self.0.insert(resource, configs);
        }
    }

    pub(crate) fn remove(&mut self, kind: ResourceType, name: &str) {
        self.0.remove(&ConfigResource { kind, name: name.to_owned() });
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = ConfigRecord> {
        self.0.iter().flat_map(|(resource, configs)| {
            configs.iter().map(|(name, value)| ConfigRecord {
                resource_type: resource.kind.0,
                resource_name: StrBytes::copied(&resource.name),
                name: StrBytes::copied(name),
                value: Some(StrBytes::copied(value)),
                ..Default::default()
            })
        })
    }
}
