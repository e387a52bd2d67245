//! The feature levels that this node can open, as registrations and ApiVersions tell them.
//!
//! A level that can be opened is not always served: its APIs are then in no table, and records
//! of it are kept as they are.

use ottla_metadata::{FEATURES, KRAFT_VERSION};

use crate::voters::KRAFT_VERSIONS;

/// Name, lowest and highest level of every feature, sorted by name.
pub fn supported_features() -> Vec<(&'static str, i16, i16)> {
    let kraft = (KRAFT_VERSION, KRAFT_VERSIONS.0, KRAFT_VERSIONS.1);
    let mut all: Vec<_> =
        FEATURES.iter().map(|f| (f.name, f.level_min, f.level_max)).chain([kraft]).collect();
    all.sort_unstable();
    all
}
