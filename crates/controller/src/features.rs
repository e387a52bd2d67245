//! UpdateFeatures (57), v0-2: finalises other feature levels.
//!
//! Either all levels change or none. Every registered node must support the new ones.
//! `metadata.version` never goes down: records of a higher level could be in the log.
//! Not served: another level of kraft.version, which is a control record of the quorum.

use ottla_metadata::{
    Feature, Image, KRAFT_VERSION, KRAFT_VERSION_MAX, METADATA_VERSION, MetadataRecord,
    ResourceType, SupportedFeature,
};
use ottla_wire::messages::update_features_request::FeatureUpdateKey;
use ottla_wire::messages::update_features_response::UpdatableFeatureResult;
use ottla_wire::messages::{
    ConfigRecord, FeatureLevelRecord, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::config_check::MIN_ISR;
use crate::{Controller, Decision, Live};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

const NEEDS_DOWNGRADE: &str = "Can't downgrade the version of this feature without setting the \
                               upgrade type to either safe or unsafe downgrade.";

const KEEPS_ELR: &str = "eligible.leader.replicas.version";

impl Controller {
    /// Finalises feature levels.
    pub fn update_features(
        &self,
        live: &mut Live<'_>,
        request: &UpdateFeaturesRequest,
    ) -> Decision<UpdateFeaturesResponse> {
        let updated = self.updates(live.image, live.soft.kraft_version, request);
        let mut records = match updated {
            Ok(records) => records,
            Err(problem) => {
                let message = format!(
                    "The update failed for all features since the following feature had an error: \
                     {problem}"
                );
                return Decision::reply(UpdateFeaturesResponse {
                    error_code: ErrorCode::INVALID_UPDATE_VERSION,
                    error_message: Some(StrBytes::from(message)),
                    ..Default::default()
                });
            }
        };
        if request.feature_updates.iter().any(|update| {
            update.feature == KEEPS_ELR
                && update.max_version_level > 0
                && !live.image.features().eligible_leader_replicas()
        }) {
            records.extend(self.min_isr_records(live.image));
        }
        if request.validate_only {
            records.clear();
        }
        let results = request.feature_updates.iter().map(result).collect();
        let response =
            UpdateFeaturesResponse { error_message: None, results, ..Default::default() };
        Decision::new(records, response)
    }

    fn updates(
        &self,
        image: &Image,
        kraft_version: i16,
        request: &UpdateFeaturesRequest,
    ) -> Result<Vec<MetadataRecord>, String> {
        let mut next = image.features().clone();
        let mut records = Vec::new();
        for update in &request.feature_updates {
            if update.feature == KRAFT_VERSION {
                check_kraft(self.settings.node.node_id, kraft_version, update)?;
                continue;
            }
            check(self.settings.node.node_id, image, update)?;
            next.set(&update.feature, update.max_version_level);
            records.push(MetadataRecord::from(FeatureLevelRecord {
                name: update.feature.clone(),
                feature_level: update.max_version_level,
                ..Default::default()
            }));
        }
        next.check().map_err(|problem| problem.to_string())?;
        Ok(records)
    }

    /// Eligible leader replicas need one minimum for all brokers.
    fn min_isr_records(&self, image: &Image) -> Vec<MetadataRecord> {
        let record = |name: &str, value: Option<String>| {
            MetadataRecord::from(ConfigRecord {
                resource_type: ResourceType::BROKER.0,
                resource_name: StrBytes::copied(name),
                name: StrBytes::from_static(MIN_ISR),
                value: value.map(StrBytes::from),
                ..Default::default()
            })
        };
        let own = image.all_configs().iter().filter(|(resource, configs)| {
            resource.kind == ResourceType::BROKER
                && !resource.name.is_empty()
                && configs.contains_key(MIN_ISR)
        });
        let mut records: Vec<MetadataRecord> =
            own.map(|(resource, _)| record(&resource.name, None)).collect();
        if !image.configs(ResourceType::BROKER, "").contains_key(MIN_ISR) {
            records.push(record("", Some(self.settings.log.min_insync_replicas.to_string())));
        }
        records
    }
}

/// What versions 0 and 1 tell of each feature that has its level, in Kafka's word for no error.
fn result(update: &FeatureUpdateKey) -> UpdatableFeatureResult {
    UpdatableFeatureResult {
        feature: update.feature.clone(),
        error_code: ErrorCode::NONE,
        error_message: Some(StrBytes::from_static("NONE")),
        ..Default::default()
    }
}

/// The level of kraft.version stays what it is.
fn check_kraft(node_id: i32, present: i16, update: &FeatureUpdateKey) -> Result<(), String> {
    let level = update.max_version_level;
    let why = match level {
        same if same == present => return Ok(()),
        negative if negative < 0 => "A feature version cannot be less than 0.".to_owned(),
        unknown if unknown > KRAFT_VERSION_MAX => {
            format!("Local controller {node_id} only supports versions 0-{KRAFT_VERSION_MAX}")
        }
        lower if lower < present => "Can't downgrade the version of this feature.".to_owned(),
        _ => "This quorum keeps the voters that its configuration names.".to_owned(),
    };
    Err(format!("Invalid update version {level} for feature {KRAFT_VERSION}. {why}"))
}

fn check(node_id: i32, image: &Image, update: &FeatureUpdateKey) -> Result<(), String> {
    let (name, level) = (update.feature.as_str(), update.max_version_level);
    let invalid =
        |why: &str| Err(format!("Invalid update version {level} for feature {name}. {why}"));
    let upgrade_type = match update.upgrade_type {
        // Version 0 of the request has a flag instead.
        UPGRADE if update.allow_downgrade => SAFE_DOWNGRADE,
        known @ (UPGRADE | SAFE_DOWNGRADE | UNSAFE_DOWNGRADE) => known,
        _ => return invalid("The controller does not support the given upgrade type."),
    };
    if level < 0 {
        return invalid("A feature version cannot be less than 0.");
    }
    let Some(feature) = Feature::by_name(name) else {
        if level == 0 {
            return invalid(&format!("Feature {name} not found."));
        }
        return invalid(&format!("Local controller {node_id} does not support this feature."));
    };
    if !supports(level, feature.level_min, feature.level_max) {
        let (min, max) = (feature.level_min, feature.level_max);
        return invalid(&format!("Local controller {node_id} only supports versions {min}-{max}"));
    }
    let brokers = image.brokers().map(|broker| ("Broker", broker.id, broker.feature(name)));
    let controllers = image.controllers().map(|node| ("Controller", node.id, node.feature(name)));
    for (kind, id, range) in brokers.chain(controllers) {
        match range {
            None if level > 0 => {
                return invalid(&format!("{kind} {id} does not support this feature."));
            }
            Some(SupportedFeature { level_min, level_max, .. })
                if !supports(level, *level_min, *level_max) =>
            {
                let range = format!("{kind} {id} only supports versions {level_min}-{level_max}");
                return invalid(&range);
            }
            _ => {}
        }
    }
    let present = image.features().level(name);
    if level >= present {
        return Ok(());
    }
    if upgrade_type == UPGRADE {
        return invalid(NEEDS_DOWNGRADE);
    }
    if name == METADATA_VERSION {
        return Err(format!(
            "Unsupported metadata.version downgrade from {present} to {level}. Refusing to perform \
             the requested downgrade because it might delete metadata information."
        ));
    }
    Ok(())
}

fn supports(level: i16, level_min: i16, level_max: i16) -> bool {
    level == 0 && level_min <= 1 || (level_min..=level_max).contains(&level)
}
