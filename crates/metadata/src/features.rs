//! Feature levels: which there are, what they depend on, and which the cluster has finalised.
//!
//! `metadata.version` is a feature as the others, but its level also names a release and decides
//! the versions of records. `kraft.version` lives in control records of the metadata log and is
//! never part of [`Features`]. Measured with the jars of Apache Kafka 4.3.1 and 4.4.0.

use std::collections::BTreeMap;
use std::fmt;

/// Kafka's name of the feature whose level is a [`MetadataVersion`].
pub const METADATA_VERSION: &str = "metadata.version";

/// Kafka's name of the feature that tells whether the quorum keeps its voters in its log. Its
/// level stands in control records.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The highest level of [`KRAFT_VERSION`].
pub const KRAFT_VERSION_MAX: i16 = 1;

/// The level of `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

/// Level and text, oldest first.
const LEVELS: &[(i16, &str)] = &[
    (7, "3.3-IV3"),
    (8, "3.4-IV0"),
    (9, "3.5-IV0"),
    (10, "3.5-IV1"),
    (11, "3.5-IV2"),
    (12, "3.6-IV0"),
    (13, "3.6-IV1"),
    (14, "3.6-IV2"),
    (15, "3.7-IV0"),
    (16, "3.7-IV1"),
    (17, "3.7-IV2"),
    (18, "3.7-IV3"),
    (19, "3.7-IV4"),
    (20, "3.8-IV0"),
    (21, "3.9-IV0"),
    (22, "4.0-IV0"),
    (23, "4.0-IV1"),
    (24, "4.0-IV2"),
    (25, "4.0-IV3"),
    (26, "4.1-IV0"),
    (27, "4.1-IV1"),
    (28, "4.2-IV0"),
    (29, "4.2-IV1"),
    (30, "4.3-IV0"),
    (31, "4.4-IV0"),
    (32, "4.4-IV1"),
    (33, "4.4-IV2"),
];

impl MetadataVersion {
    /// 3.3-IV3: the oldest level that Apache Kafka 4 opens.
    pub const MINIMUM: Self = Self(7);
    /// 3.4-IV0: RegisterBrokerRecord 2.
    pub const ZK_MIGRATION: Self = Self(8);
    /// 3.5-IV2: UserScramCredentialRecord.
    pub const SCRAM: Self = Self(11);
    /// 3.6-IV0: from here on a shrunk ISR leaves the leader epoch alone.
    pub const NO_EPOCH_BUMP_ON_SHRINK: Self = Self(12);
    /// 3.6-IV1: BeginTransactionRecord and its like.
    pub const TRANSACTIONS: Self = Self(13);
    /// 3.9-IV0: a new quorum keeps its voters in its log.
    pub const VOTERS_IN_LOG: Self = Self(21);
    /// 3.7-IV0: RegisterControllerRecord.
    pub const CONTROLLER_REGISTRATION: Self = Self(15);
    /// 3.7-IV2: directories of replicas.
    pub const DIRECTORIES: Self = Self(17);
    /// 4.0-IV1: records know eligible leader replicas.
    pub const ELIGIBLE_LEADER_REPLICAS: Self = Self(23);
    /// 4.3-IV0: cordoned log directories. What `ottla storage format` writes unless told.
    pub const CORDONED_LOG_DIRS: Self = Self(30);
    /// 4.4-IV2: UnregisterControllerRecord.
    pub const CONTROLLER_UNREGISTRATION: Self = Self(33);
    /// The level of a new cluster that was not asked for another: both 4.3 and 4.4 open it.
    pub const DEFAULT: Self = Self::CORDONED_LOG_DIRS;
    /// The newest level that is known.
    pub const LATEST: Self = Self(33);

    /// The level with this number, when it is known.
    pub fn from_level(level: i16) -> Option<Self> {
        (Self::MINIMUM.0..=Self::LATEST.0).contains(&level).then_some(Self(level))
    }

    /// The level that a text names: `4.3-IV0`, or `4.3` for the last one of a release.
    pub fn from_text(text: &str) -> Option<Self> {
        let of_release = |name: &str| name.split('-').next() == Some(text);
        let found = LEVELS.iter().rev().find(|(_, name)| *name == text || of_release(name));
        found.map(|(level, _)| Self(*level))
    }

    /// The level's number.
    pub fn level(self) -> i16 {
        self.0
    }

    /// All levels, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        LEVELS.iter().map(|(level, _)| Self(*level))
    }

    /// The version of Fetch with which brokers of this level replicate.
    pub fn fetch_version(self) -> i16 {
        match self.0 {
            27.. => 18,
            21.. => 17,
            19.. => 16,
            10.. => 15,
            9.. => 14,
            _ => 13,
        }
    }

    /// The version of ListOffsets with which brokers of this level ask each other.
    pub fn list_offsets_version(self) -> i16 {
        match self.0 {
            29.. => 11,
            25.. => 10,
            21.. => 9,
            9.. => 8,
            _ => 7,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = LEVELS.iter().find(|(level, _)| *level == self.0);
        f.write_str(known.map_or("unknown", |(_, text)| text))
    }
}

/// One feature: its levels, and what they need.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Kafka's name.
    pub name: &'static str,
    /// The lowest level.
    pub level_min: i16,
    /// The highest level.
    pub level_max: i16,
    /// The level of a new cluster by the level of `metadata.version` it begins at, ascending.
    pub defaults: &'static [(MetadataVersion, i16)],
    /// `(level, needed)`: from this level on, that level of `metadata.version` is needed.
    pub needs: &'static [(i16, MetadataVersion)],
    /// The highest level that Ottla serves so far; clusters with more are opened, not joined.
    pub level_served: i16,
}

/// Every feature of Apache Kafka 4.4 but `kraft.version`, sorted by name.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "eligible.leader.replicas.version",
        level_min: 0,
        level_max: 1,
        defaults: &[(MetadataVersion(26), 1)],
        needs: &[(1, MetadataVersion::ELIGIBLE_LEADER_REPLICAS)],
        level_served: 1,
    },
    Feature {
        name: "group.version",
        level_min: 0,
        level_max: 1,
        defaults: &[(MetadataVersion(22), 1)],
        needs: &[],
        level_served: 1,
    },
    Feature {
        name: METADATA_VERSION,
        level_min: MetadataVersion::MINIMUM.0,
        level_max: MetadataVersion::LATEST.0,
        defaults: &[],
        needs: &[],
        level_served: MetadataVersion::LATEST.0,
    },
    Feature {
        name: "share.version",
        level_min: 0,
        level_max: 2,
        defaults: &[(MetadataVersion(28), 1), (MetadataVersion(31), 2)],
        needs: &[],
        level_served: 2,
    },
    Feature {
        name: "streams.version",
        level_min: 0,
        level_max: 1,
        defaults: &[(MetadataVersion(29), 1)],
        needs: &[],
        level_served: 1,
    },
    Feature {
        name: "transaction.version",
        level_min: 0,
        level_max: 2,
        defaults: &[(MetadataVersion(24), 2)],
        needs: &[],
        level_served: 2,
    },
];

impl Feature {
    /// The feature of that name.
    pub fn by_name(name: &str) -> Option<&'static Feature> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    /// The level of a new cluster at `version`.
    pub fn default_at(&self, version: MetadataVersion) -> i16 {
        if self.name == METADATA_VERSION {
            return version.0;
        }
        let began = self.defaults.iter().rev().find(|(from, _)| version >= *from);
        began.map_or(0, |(_, level)| *level)
    }
}

/// The levels with which a new cluster begins at `version`, without features at level 0.
pub fn features_at(version: MetadataVersion) -> Features {
    let levels = FEATURES.iter().map(|feature| (feature.name, feature.default_at(version)));
    let mut features = Features::default();
    levels.for_each(|(name, level)| features.set(name, level));
    features
}

/// Why levels do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureProblem {
    /// No release has this feature.
    Unknown(String),
    /// No release has this level.
    Level {
        /// Which feature.
        feature: String,
        /// The level.
        level: i16,
    },
    /// A level of `metadata.version` is needed that the cluster does not have.
    Needs {
        /// Which feature.
        feature: String,
        /// Its level.
        level: i16,
        /// What it needs.
        needed: MetadataVersion,
    },
}

impl fmt::Display for FeatureProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(feature) => write!(f, "feature {feature} is unknown"),
            Self::Level { feature, level } => write!(f, "{feature} has no level {level}"),
            Self::Needs { feature, level, needed } => {
                write!(f, "{feature} at level {level} needs {METADATA_VERSION} {needed} or higher")
            }
        }
    }
}

impl std::error::Error for FeatureProblem {}

/// The levels that a cluster has finalised. Level 0 is the same as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(BTreeMap<String, i16>);

impl Features {
    /// The level of `name`, 0 when it has none.
    pub fn level(&self, name: &str) -> i16 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The level of `metadata.version`, which decides how records are written.
    ///
    /// An empty log has the oldest one; a level of a later release counts as the newest known.
    pub fn metadata_version(&self) -> MetadataVersion {
        let level = self.level(METADATA_VERSION);
        MetadataVersion(level.clamp(MetadataVersion::MINIMUM.0, MetadataVersion::LATEST.0))
    }

    /// Sets a level; 0 removes it.
    pub fn set(&mut self, name: &str, level: i16) {
        if level == 0 {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), level);
        }
    }

    /// All levels, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.0.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// Whether there is no level at all: nothing was finalised yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether eligible leader replicas are kept.
    pub fn eligible_leader_replicas(&self) -> bool {
        self.level("eligible.leader.replicas.version") > 0
    }

    /// Finds levels that no release has or that do not go together.
    pub fn check(&self) -> Result<(), FeatureProblem> {
        for (name, level) in self.iter() {
            let feature =
                Feature::by_name(name).ok_or_else(|| FeatureProblem::Unknown(name.to_owned()))?;
            if !(feature.level_min..=feature.level_max).contains(&level) {
                return Err(FeatureProblem::Level { feature: name.to_owned(), level });
            }
            let missing = |(from, needed): &&(i16, MetadataVersion)| {
                level >= *from && self.level(METADATA_VERSION) < needed.0
            };
            if let Some((_, needed)) = feature.needs.iter().find(missing) {
                let (feature, needed) = (name.to_owned(), *needed);
                return Err(FeatureProblem::Needs { feature, level, needed });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_unique_and_without_gaps() {
        let levels: Vec<i16> = MetadataVersion::all().map(MetadataVersion::level).collect();
        assert_eq!(
            levels,
            (MetadataVersion::MINIMUM.0..=MetadataVersion::LATEST.0).collect::<Vec<_>>()
        );
        assert!(FEATURES.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(FEATURES.iter().all(|feature| feature.level_served <= feature.level_max));
    }

    #[test]
    fn a_text_names_a_level_or_the_last_one_of_a_release() {
        let level = |text| MetadataVersion::from_text(text).map(MetadataVersion::level);
        assert_eq!(level("4.3-IV0"), Some(30));
        assert_eq!(level("4.0"), Some(25));
        assert_eq!(level("3.9"), Some(21));
        assert_eq!((level("2.8"), level("4"), level("")), (None, None, None));
        assert_eq!(MetadataVersion::DEFAULT.to_string(), "4.3-IV0");
    }

    #[test]
    fn a_new_cluster_has_the_levels_that_kafka_gives_it() {
        let at = |text| {
            let features = features_at(MetadataVersion::from_text(text).unwrap());
            features.iter().map(|(name, level)| format!("{name}={level}")).collect::<Vec<_>>()
        };
        assert_eq!(
            at("4.3-IV0"),
            [
                "eligible.leader.replicas.version=1",
                "group.version=1",
                "metadata.version=30",
                "share.version=1",
                "streams.version=1",
                "transaction.version=2",
            ]
        );
        assert_eq!(at("3.9"), ["metadata.version=21"]);
        assert_eq!(at("4.0"), ["group.version=1", "metadata.version=25", "transaction.version=2"]);
        assert!(at("4.4-IV0").contains(&"share.version=2".to_owned()));
    }

    #[test]
    fn levels_that_do_not_go_together_are_named() {
        let mut features = features_at(MetadataVersion::MINIMUM);
        assert_eq!(features.check(), Ok(()));
        features.set("eligible.leader.replicas.version", 1);
        assert_eq!(
            features.check().unwrap_err().to_string(),
            "eligible.leader.replicas.version at level 1 needs metadata.version 4.0-IV1 or higher"
        );
        features.set("eligible.leader.replicas.version", 0);
        features.set("share.version", 9);
        assert_eq!(features.check().unwrap_err().to_string(), "share.version has no level 9");
        features.set("share.version", 0);
        features.set("foo", 1);
        assert_eq!(features.check(), Err(FeatureProblem::Unknown("foo".to_owned())));
    }

    #[test]
    fn brokers_of_a_level_agree_on_their_versions() {
        let versions = |level: i16| {
            let version = MetadataVersion::from_level(level).unwrap();
            (version.fetch_version(), version.list_offsets_version())
        };
        assert_eq!(versions(7), (13, 7));
        assert_eq!(versions(30), (18, 11));
        assert_eq!(versions(25), (17, 10));
    }
}
