//! BrokerRegistration (62), v0-4, and UnregisterBroker (64), v0: who is a member of the cluster.
//!
//! A new incarnation takes over when the old one's session is over, or at once when its
//! connection is gone and it comes with the same log directories. It is fenced until its
//! heartbeat says that it is ready. v2 log directories, v3 the previous broker epoch, which tells
//! whether the broker had stopped cleanly (KIP-966).
//! Not served: brokers that migrate from ZooKeeper.

use std::collections::BTreeSet;

use ottla_metadata::{
    Broker, Image, KRAFT_VERSION, METADATA_VERSION, MetadataRecord, MetadataVersion,
};
use ottla_wire::messages::broker_registration_request::{Feature, Listener};
use ottla_wire::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use ottla_wire::messages::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, RegisterBrokerRecord,
    UnregisterBrokerRecord, UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use ottla_wire::{BrokerEpoch, BrokerId, DirectoryId, ErrorCode, Offset, StrBytes};

use crate::leadership::{Electorate, Leave};
use crate::soft::Soft;
use crate::{Controller, Decision, Live};

/// Directory ids below this number have a meaning of their own.
const RESERVED_DIRECTORIES: u128 = 100;

impl Controller {
    /// Registers a broker.
    pub fn register_broker(
        &self,
        live: &mut Live<'_>,
        request: &BrokerRegistrationRequest,
    ) -> Decision<BrokerRegistrationResponse> {
        if let Err(error_code) = self.check_registration(live, request) {
            let response = BrokerRegistrationResponse { error_code, ..Default::default() };
            return Decision::reply(response);
        }
        let known = live.image.broker(request.broker_id);
        let same = known.filter(|known| known.incarnation == request.incarnation_id);
        let epoch = same.map_or(BrokerEpoch(live.end.0), |known| known.epoch);
        let mut records = Vec::new();
        if same.is_none() {
            // One that was unregistered meanwhile may still be eligible somewhere.
            let how = match known.map(|known| known.epoch) {
                Some(epoch) if epoch == request.previous_broker_epoch => Leave::Whole,
                _ => Leave::Unclean,
            };
            let settings = self.changed_settings(live.image, live.soft);
            records = Electorate::new(live.image, settings).leave(request.broker_id, how);
        }
        let session = live.soft.touch(request.broker_id, epoch, live.now);
        let before = i64::try_from(records.len()).unwrap_or(i64::MAX);
        session.registered_at = Some(live.end + before);
        let mut record = registration(request, epoch);
        if let Some(same) = same {
            record.fenced = same.fenced;
            record.in_controlled_shutdown = same.in_controlled_shutdown;
        }
        records.push(record.into());
        let response = BrokerRegistrationResponse { broker_epoch: epoch, ..Default::default() };
        Decision::new(records, response)
    }

    fn check_registration(
        &self,
        live: &Live<'_>,
        request: &BrokerRegistrationRequest,
    ) -> Result<(), ErrorCode> {
        if request.cluster_id != self.cluster_id {
            return Err(ErrorCode::INCONSISTENT_CLUSTER_ID);
        }
        let known = live.image.broker(request.broker_id);
        if let Some(known) = known.filter(|known| known.incarnation != request.incarnation_id) {
            let may_replace = is_orphan(live.soft, known, request);
            if !may_replace && self.session_is_alive(live, known) {
                return Err(ErrorCode::DUPLICATE_BROKER_REGISTRATION);
            }
        }
        if request.is_migrating_zk_broker {
            return Err(ErrorCode::BROKER_ID_NOT_REGISTERED);
        }
        check_directories(live.image, request)?;
        check_features(live.image, live.soft, &request.features)
    }

    fn session_is_alive(&self, live: &Live<'_>, broker: &Broker) -> bool {
        let timeout = i64::from(self.settings.node.broker_session_timeout_ms);
        let session = live.soft.session(broker.id);
        let was_heard = session.is_some_and(|session| live.now - session.last_contact < timeout);
        was_heard && !broker.fenced
    }

    /// Takes a broker out of the cluster for good.
    pub fn unregister_broker(
        &self,
        live: &mut Live<'_>,
        request: &UnregisterBrokerRequest,
    ) -> Decision<UnregisterBrokerResponse> {
        let id = request.broker_id;
        let Some(broker) = live.image.broker(id) else {
            let message = format!("Broker ID {id} is not currently registered");
            return Decision::reply(UnregisterBrokerResponse {
                error_code: ErrorCode::BROKER_ID_NOT_REGISTERED,
                error_message: Some(StrBytes::from(message)),
                ..Default::default()
            });
        };
        let settings = self.changed_settings(live.image, live.soft);
        let mut records = Electorate::new(live.image, settings).leave(id, Leave::Whole);
        records.push(MetadataRecord::from(UnregisterBrokerRecord {
            broker_id: id,
            broker_epoch: broker.epoch,
            ..Default::default()
        }));
        let error_message = Some(StrBytes::default());
        Decision::new(records, UnregisterBrokerResponse { error_message, ..Default::default() })
    }
}

/// Whether the known incarnation's connection is gone and the new one sits on the same disks: it
/// is the same machine after a restart, and waiting for the session's end protects nobody.
fn is_orphan(soft: &Soft, known: &Broker, request: &BrokerRegistrationRequest) -> bool {
    let is_connected = soft.session(known.id).is_some_and(|session| session.connected);
    let directories = |list: &[DirectoryId]| list.iter().copied().collect::<BTreeSet<_>>();
    !is_connected
        && !known.directories.is_empty()
        && directories(&known.directories) == directories(&request.log_dirs)
}

fn check_directories(image: &Image, request: &BrokerRegistrationRequest) -> Result<(), ErrorCode> {
    if image.features().metadata_version() < MetadataVersion::DIRECTORIES {
        return Ok(());
    }
    let distinct: BTreeSet<DirectoryId> = request.log_dirs.iter().copied().collect();
    let is_reserved = |id: &DirectoryId| id.0.as_u128() < RESERVED_DIRECTORIES;
    let mut others = image.brokers().filter(|broker| broker.id != request.broker_id);
    let is_foreign = others.any(|broker| broker.directories.iter().any(|id| distinct.contains(id)));
    let is_valid = !distinct.is_empty()
        && distinct.len() == request.log_dirs.len()
        && !distinct.iter().any(is_reserved)
        && !is_foreign;
    if is_valid { Ok(()) } else { Err(ErrorCode::INVALID_REGISTRATION) }
}

fn check_features(image: &Image, soft: &Soft, features: &[Feature]) -> Result<(), ErrorCode> {
    let range = |name: &str| {
        let found = features.iter().find(|feature| feature.name == name)?;
        Some(found.min_supported_version..=found.max_supported_version)
    };
    if range(METADATA_VERSION).is_none() {
        return Err(ErrorCode::INVALID_REGISTRATION);
    }
    let kraft = Some((KRAFT_VERSION, soft.kraft_version)).filter(|(_, level)| *level > 0);
    for (name, level) in image.features().iter().chain(kraft) {
        if !range(name).is_some_and(|range| range.contains(&level)) {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
    }
    Ok(())
}

fn registration(request: &BrokerRegistrationRequest, epoch: BrokerEpoch) -> RegisterBrokerRecord {
    let endpoint = |listener: &Listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
        ..Default::default()
    };
    let feature = |feature: &Feature| BrokerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..Default::default()
    };
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        broker_epoch: epoch,
        end_points: request.listeners.iter().map(endpoint).collect(),
        features: request.features.iter().map(feature).collect(),
        rack: request.rack.clone(),
        fenced: true,
        log_dirs: request.log_dirs.clone(),
        ..Default::default()
    }
}

/// Where the registration of a broker stands in the log, as far as it is known.
pub(crate) fn registered_at(soft: &Soft, broker: &Broker) -> Offset {
    let session = soft.session(broker.id).filter(|session| session.epoch == broker.epoch);
    let known = session.and_then(|session| session.registered_at);
    known.unwrap_or(Offset(broker.epoch.0))
}

/// Whether `id` is registered with that epoch.
pub(crate) fn current(image: &Image, id: BrokerId, epoch: BrokerEpoch) -> Option<&Broker> {
    image.broker(id).map(AsRef::as_ref).filter(|broker: &&Broker| broker.epoch == epoch)
}
