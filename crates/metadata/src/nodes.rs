//! Brokers and controllers as they registered.
//!
//! Not here: whether a broker is alive; that is soft state of the active controller.

use ottla_wire::messages::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord,
    register_broker_record as broker_record, register_controller_record as controller_record,
};
use ottla_wire::{BrokerEpoch, BrokerId, DirectoryId, StrBytes, Uuid};

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: StrBytes,
    /// The advertised host.
    pub host: StrBytes,
    /// The advertised port.
    pub port: u16,
    /// PLAINTEXT 0, SSL 1, SASL_PLAINTEXT 2, SASL_SSL 3.
    pub security_protocol: i16,
}

/// The levels of a feature that a node supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature.
    pub name: StrBytes,
    /// Its lowest level.
    pub level_min: i16,
    /// Its highest level.
    pub level_max: i16,
}

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Another one each time the process starts.
    pub incarnation: Uuid,
    /// The number of this registration.
    pub epoch: BrokerEpoch,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// Its rack.
    pub rack: Option<StrBytes>,
    /// Whether it may neither lead nor be in sync.
    pub fenced: bool,
    /// Whether it is on its way out.
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub directories: Vec<DirectoryId>,
    /// Those that shall get no new replicas; none when the broker never said.
    pub cordoned: Option<Vec<DirectoryId>>,
    /// A relic of the migration from ZooKeeper.
    pub is_migrating_zk_broker: bool,
}

impl Broker {
    /// Whether it may lead partitions.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The endpoint of the listener with that name.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// The supported levels of a feature.
    pub fn feature(&self, name: &str) -> Option<&SupportedFeature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Whether replicas in `directory` can be used, as far as is known.
    pub fn has_directory(&self, directory: DirectoryId) -> bool {
        match directory {
            DirectoryId::LOST => false,
            DirectoryId::UNASSIGNED | DirectoryId::MIGRATING => true,
            _ => self.directories.is_empty() || self.directories.contains(&directory),
        }
    }

    /// Whether every directory is cordoned, so that no replica may be placed here.
    pub fn is_cordoned(&self) -> bool {
        let cordoned = self.cordoned.as_deref().unwrap_or_default();
        !self.directories.is_empty() && self.directories.iter().all(|id| cordoned.contains(id))
    }

    pub(crate) fn registered(record: &RegisterBrokerRecord) -> Self {
        let endpoint = |endpoint: &broker_record::BrokerEndpoint| Endpoint {
            name: StrBytes::copied(&endpoint.name),
            host: StrBytes::copied(&endpoint.host),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        };
        let feature = |feature: &broker_record::BrokerFeature| SupportedFeature {
            name: StrBytes::copied(&feature.name),
            level_min: feature.min_supported_version,
            level_max: feature.max_supported_version,
        };
        Broker {
            id: record.broker_id,
            incarnation: record.incarnation_id,
            epoch: record.broker_epoch,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.as_deref().map(StrBytes::copied),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.clone(),
            cordoned: record.cordoned_log_dirs.clone(),
            is_migrating_zk_broker: record.is_migrating_zk_broker,
        }
    }

    pub(crate) fn changed(&self, record: &BrokerRegistrationChangeRecord) -> Self {
        let mut next = self.clone();
        match record.fenced {
            1 => next.fenced = true,
            -1 => next.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            next.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            next.directories.clone_from(&record.log_dirs);
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            next.cordoned = Some(cordoned.clone());
        }
        next
    }

    pub(crate) fn record(&self) -> RegisterBrokerRecord {
        let endpoint = |endpoint: &Endpoint| broker_record::BrokerEndpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..Default::default()
        };
        let feature = |feature: &SupportedFeature| broker_record::BrokerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.level_min,
            max_supported_version: feature.level_max,
            ..Default::default()
        };
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned.clone(),
            ..Default::default()
        }
    }
}

/// A controller's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerNode {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Another one each time the process starts.
    pub incarnation: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// A relic of the migration from ZooKeeper.
    pub zk_migration_ready: bool,
}

impl ControllerNode {
    /// The supported levels of a feature.
    pub fn feature(&self, name: &str) -> Option<&SupportedFeature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    pub(crate) fn registered(record: &RegisterControllerRecord) -> Self {
        let endpoint = |endpoint: &controller_record::ControllerEndpoint| Endpoint {
            name: StrBytes::copied(&endpoint.name),
            host: StrBytes::copied(&endpoint.host),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        };
        let feature = |feature: &controller_record::ControllerFeature| SupportedFeature {
            name: StrBytes::copied(&feature.name),
            level_min: feature.min_supported_version,
            level_max: feature.max_supported_version,
        };
        ControllerNode {
            id: record.controller_id,
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            zk_migration_ready: record.zk_migration_ready,
        }
    }

    pub(crate) fn record(&self) -> RegisterControllerRecord {
        let endpoint = |endpoint: &Endpoint| controller_record::ControllerEndpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..Default::default()
        };
        let feature = |feature: &SupportedFeature| controller_record::ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.level_min,
            max_supported_version: feature.level_max,
            ..Default::default()
        };
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            ..Default::default()
        }
    }
}
