//! Which version to speak with a broker: the highest that both sides know (KIP-35, KIP-511).
//! Must hold: none is picked that either side has not named.

use std::collections::BTreeMap;

use ottla_wire::messages::ApiVersionsResponse;
use ottla_wire::{ApiKey, VersionRange};

/// What one broker has announced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Versions {
    apis: BTreeMap<i16, VersionRange>,
    /// The cluster's features and their levels.
    features: BTreeMap<String, i16>,
}

impl Versions {
    /// What the answer to ApiVersions announces. A range that is upside down counts as none.
    pub fn from_response(response: &ApiVersionsResponse) -> Versions {
        let ranges = response.api_keys.iter().filter(|api| api.min_version <= api.max_version);
        let apis = ranges
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        let features = response.finalized_features.iter();
        let features =
            features.map(|feature| (feature.name.to_string(), feature.max_version_level)).collect();
        Versions { apis, features }
    }

    /// What the broker serves of an API.
    pub fn of(&self, api: ApiKey) -> Option<VersionRange> {
        self.apis.get(&(api as i16)).copied()
    }

    /// The level that the cluster has agreed on for a feature (KIP-584); 0 where it is off.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All APIs that the broker serves, by number; some may be unknown here.
    pub fn iter(&self) -> impl Iterator<Item = (i16, VersionRange)> + '_ {
        self.apis.iter().map(|(key, range)| (*key, *range))
    }

    /// The highest version in `ours` that the broker serves too.
    pub fn pick(&self, api: ApiKey, ours: VersionRange) -> Option<i16> {
        let theirs = self.of(api)?;
        let highest = ours.max.min(theirs.max);
        (highest >= ours.min && highest >= theirs.min).then_some(highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::messages::api_versions_response::ApiVersion;

    fn versions(rows: &[(ApiKey, i16, i16)]) -> Versions {
        let api_keys = rows.iter().map(|&(key, min_version, max_version)| ApiVersion {
            api_key: key as i16,
            min_version,
            max_version,
            ..Default::default()
        });
        let api_keys = api_keys.collect();
        Versions::from_response(&ApiVersionsResponse { api_keys, ..Default::default() })
    }

    #[test]
    fn the_highest_common_version_is_picked() {
        let broker = versions(&[(ApiKey::Fetch, 4, 12), (ApiKey::Metadata, 3, 1)]);
        let pick = |api, min, max| broker.pick(api, VersionRange::new(min, max));
        assert_eq!(pick(ApiKey::Fetch, 4, 18), Some(12));
        assert_eq!(pick(ApiKey::Fetch, 0, 7), Some(7));
        assert_eq!(pick(ApiKey::Fetch, 13, 18), None);
        assert_eq!(pick(ApiKey::Fetch, 0, 3), None);
        assert_eq!(pick(ApiKey::Metadata, 0, 9), None);
        assert_eq!(pick(ApiKey::Produce, 0, 9), None);
    }
}
