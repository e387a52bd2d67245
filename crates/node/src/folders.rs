//! The folders of a running node: those of `log.dirs`, and that of the metadata log, which may be
//! one of them or stand apart.
//!
//! Not here: what stands in them before the first start (format.rs).
//! Must hold: all of them are locked and belong to one cluster and node.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_env::Env;
use ottla_settings::Settings;
use ottla_storage::dirs::DirsOpening;
use ottla_storage::{Directory, LogDirs, OnFailure};
use ottla_wire::{BrokerEpoch, BrokerId};

use crate::error::StartError;

/// The folders of a node, locked.
pub(crate) struct Folders {
    /// Those of `log.dirs`.
    pub(crate) logs: Arc<LogDirs>,
    /// That of the metadata log, where it is none of `log.dirs`.
    metadata: Option<Arc<LogDirs>>,
    metadata_path: PathBuf,
}

impl Folders {
    /// Locks and checks them.
    pub(crate) fn open(env: &Env, settings: &Settings) -> Result<Folders, StartError> {
        let metadata_path = PathBuf::from(settings.metadata_log_dir());
        let opening = |paths: Vec<PathBuf>| DirsOpening {
            paths,
            metadata_path: metadata_path.clone(),
            node_id: BrokerId(settings.node.node_id),
        };
        let paths: Vec<PathBuf> = settings.log_dirs().into_iter().map(PathBuf::from).collect();
        let is_apart = !paths.contains(&metadata_path);
        let logs = Arc::new(LogDirs::open(env, &opening(paths))?);
        let metadata = match is_apart {
            true => Some(Arc::new(LogDirs::open(env, &opening(vec![metadata_path.clone()]))?)),
            false => None,
        };
        if let Some(metadata) = &metadata
            && metadata.cluster_id() != logs.cluster_id()
        {
            return Err(StartError::Clusters {
                path: metadata_path,
                cluster_id: metadata.cluster_id().to_owned(),
                others: logs.cluster_id().to_owned(),
            });
        }
        Ok(Folders { logs, metadata, metadata_path })
    }

    /// Those of `log.dirs`, and that of the metadata log where it stands apart.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<LogDirs>> {
        std::iter::once(&self.logs).chain(&self.metadata)
    }

    /// Lets `on_failure` be called whenever a folder goes offline, and now if one is.
    pub(crate) fn watch(&self, on_failure: &Arc<OnFailure>) {
        self.all().for_each(|dirs| dirs.watch(on_failure));
    }

    /// The folder of the metadata log.
    pub(crate) fn metadata(&self) -> Option<Arc<Directory>> {
        let mut all = self.all().flat_map(|dirs| dirs.directories());
        all.find(|directory| directory.path() == self.metadata_path).cloned()
    }

    /// Closes the logs and gives up the locks, in this order.
    pub(crate) fn close(&self, epoch: BrokerEpoch) {
        self.logs.close(epoch);
        if let Some(metadata) = &self.metadata {
            metadata.close(epoch);
        }
    }
}
