//! The records that a new cluster begins with: what `bootstrap.checkpoint` holds and what the
//! first controller puts into the empty log.

use std::collections::BTreeMap;

use ottla_wire::StrBytes;
use ottla_wire::messages::{FeatureLevelRecord, UserScramCredentialRecord};

use crate::features::features_at;
use crate::features::{Feature, FeatureProblem, Features, METADATA_VERSION, MetadataVersion};
use crate::record::MetadataRecord;

/// What a cluster is formatted with.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    /// The level of `metadata.version`; none for the default.
    pub version: Option<i16>,
    /// Levels that differ from those of the metadata version; 0 for none.
    pub features: BTreeMap<String, i16>,
    /// The first users' SCRAM credentials.
    pub credentials: Vec<UserScramCredentialRecord>,
}

/// The first records of a cluster: `metadata.version`, the other features by name, credentials.
pub fn bootstrap_records(bootstrap: &Bootstrap) -> Result<Vec<MetadataRecord>, FeatureProblem> {
    let level = bootstrap.version.unwrap_or(MetadataVersion::DEFAULT.level());
    let version = MetadataVersion::from_level(level)
        .ok_or_else(|| FeatureProblem::Level { feature: METADATA_VERSION.to_owned(), level })?;
    let mut features = features_at(version);
    for (name, level) in &bootstrap.features {
        Feature::by_name(name).ok_or_else(|| FeatureProblem::Unknown(name.clone()))?;
        features.set(name, *level);
    }
    features.check()?;
    let mut records = feature_records(&features);
    records.extend(bootstrap.credentials.iter().cloned().map(MetadataRecord::from));
    Ok(records)
}

/// One record per level, `metadata.version` first: it decides how the others are written.
pub(crate) fn feature_records(features: &Features) -> Vec<MetadataRecord> {
    let record = |(name, feature_level): (&str, i16)| {
        let name = StrBytes::copied(name);
        MetadataRecord::from(FeatureLevelRecord { name, feature_level, ..Default::default() })
    };
    let (version, others): (Vec<_>, Vec<_>) =
        features.iter().partition(|(name, _)| *name == METADATA_VERSION);
    version.into_iter().chain(others).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_kafka_4_3_formats() {
        let records = bootstrap_records(&Bootstrap::default()).unwrap();
        let shown: Vec<String> =
            records.iter().map(|record| record.to_json(MetadataVersion::DEFAULT)).collect();
        assert_eq!(
            shown,
            [
                r#"{"name":"metadata.version","featureLevel":30}"#,
                r#"{"name":"eligible.leader.replicas.version","featureLevel":1}"#,
                r#"{"name":"group.version","featureLevel":1}"#,
                r#"{"name":"share.version","featureLevel":1}"#,
                r#"{"name":"streams.version","featureLevel":1}"#,
                r#"{"name":"transaction.version","featureLevel":2}"#,
            ]
        );
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_refused() {
        let wish = |version, features: &[(&str, i16)]| {
            let features =
                features.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
            bootstrap_records(&Bootstrap { version, features, credentials: Vec::new() })
        };
        assert!(wish(Some(6), &[]).is_err());
        assert!(wish(Some(7), &[("eligible.leader.replicas.version", 1)]).is_err());
        assert!(wish(None, &[("nope", 1)]).is_err());
        assert_eq!(wish(None, &[("share.version", 0)]).unwrap().len(), 5);
    }
}
