//! ControllerRegistration (70), v0, and UnregisterController (94), v0: who is a controller.
//!
//! Not here: the voters of the quorum, which are raft's own.
//! Not served: nothing.

use ottla_metadata::{METADATA_VERSION, MetadataVersion};
use ottla_wire::messages::controller_registration_request::{Feature, Listener};
use ottla_wire::messages::register_controller_record::{ControllerEndpoint, ControllerFeature};
use ottla_wire::messages::{
    ControllerRegistrationRequest, ControllerRegistrationResponse, RegisterControllerRecord,
    UnregisterControllerRecord, UnregisterControllerRequest, UnregisterControllerResponse,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::{Controller, Decision, Live};

impl Controller {
    /// Registers a controller.
    pub fn register_controller(
        &self,
        live: &mut Live<'_>,
        request: &ControllerRegistrationRequest,
    ) -> Decision<ControllerRegistrationResponse> {
        let refused = |error_code, message: String| {
            Decision::reply(ControllerRegistrationResponse {
                error_code,
                error_message: Some(StrBytes::from(message)),
                ..Default::default()
            })
        };
        let level = live.image.features().metadata_version();
        if level < MetadataVersion::CONTROLLER_REGISTRATION {
            let message = format!("controllers do not register at {METADATA_VERSION} {level}");
            return refused(ErrorCode::UNSUPPORTED_VERSION, message);
        }
        for (name, level) in live.image.features().iter() {
            let supports = |feature: &Feature| {
                feature.name == name
                    && (feature.min_supported_version..=feature.max_supported_version)
                        .contains(&level)
            };
            if !request.features.iter().any(supports) {
                let message = format!("the cluster has {name} at level {level}");
                return refused(ErrorCode::UNSUPPORTED_VERSION, message);
            }
        }
        Decision::new(vec![registration(request).into()], ControllerRegistrationResponse::default())
    }

    /// Takes a controller out of the cluster for good.
    pub fn unregister_controller(
        &self,
        live: &mut Live<'_>,
        request: &UnregisterControllerRequest,
    ) -> Decision<UnregisterControllerResponse> {
        let refused = |error_code, message: String| {
            Decision::reply(UnregisterControllerResponse {
                error_code,
                error_message: Some(StrBytes::from(message)),
                ..Default::default()
            })
        };
        let (id, level) = (request.controller_id, live.image.features().metadata_version());
        if id.0 == self.settings.node.node_id {
            let message = "Controller cannot unregister itself while it is active.".to_owned();
            return refused(ErrorCode::INVALID_REQUEST, message);
        }
        if level < MetadataVersion::CONTROLLER_UNREGISTRATION {
            let message = format!("controllers do not unregister at {METADATA_VERSION} {level}");
            return refused(ErrorCode::UNSUPPORTED_VERSION, message);
        }
        if live.image.controller(id).is_none() {
            let message = format!("Controller ID {id} is not currently registered");
            return refused(ErrorCode::UNKNOWN_CONTROLLER_ID, message);
        }
        let record = UnregisterControllerRecord { controller_id: id, ..Default::default() };
        Decision::new(vec![record.into()], UnregisterControllerResponse::default())
    }
}

fn registration(request: &ControllerRegistrationRequest) -> RegisterControllerRecord {
    let endpoint = |listener: &Listener| ControllerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
        ..Default::default()
    };
    let feature = |feature: &Feature| ControllerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..Default::default()
    };
    RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        end_points: request.listeners.iter().map(endpoint).collect(),
        features: request.features.iter().map(feature).collect(),
        ..Default::default()
    }
}
