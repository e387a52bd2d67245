//! The folders of a running node: those of `log.dirs`, and that of the metadata log, which may be
//! one of them or stand apart.
//!
//! Not here: what stands in them before the first start (format.rs).
//! Must hold: all of them are locked and belong to one cluster and node; no mark of a clean stop
//! goes before it is known that the node can start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_env::Env;
use ottla_settings::Settings;
use ottla_storage::dirs::DirsOpening;
use ottla_storage::names::METADATA_DIR;
use ottla_storage::verify::damage_inside;
use ottla_storage::{Directory, LogDirs, OnFailure, StorageError, clean_shutdown};
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
        check_metadata(env, &metadata_path)?;
        let opening = |paths: Vec<PathBuf>| DirsOpening {
            paths,
            metadata_path: metadata_path.clone(),
            node_id: BrokerId(settings.node.node_id),
            connections_max: usize::try_from(settings.network.max_connections).unwrap_or(0),
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

/// Refuses a metadata log that was damaged after a clean stop. Apache Kafka cuts it there and goes
/// on without the topics behind that place, whose partitions it sets aside as strays.
fn check_metadata(env: &Env, dir: &Path) -> Result<(), StartError> {
    if !env.disk().exists(&dir.join(clean_shutdown::FILE)) {
        return Ok(());
    }
    // A disk that cannot be read says so again when the log is opened.
    let Ok(Some(damage)) = damage_inside(env.disk(), &dir.join(METADATA_DIR)) else {
        return Ok(());
    };
    let (path, at, what, dir) =
        (damage.path.display(), damage.position, &damage.what, dir.display());
    Err(StartError::from(StorageError::Refused(format!(
        "{path} is damaged at byte {at}: {what}; the folder was closed in order and whole batches \
         follow, so this is no torn end: restore the file from a copy, or let ottla log repair \
         --truncate-torn-tail {dir} end it there, which keeps what it cuts aside; topics that were \
         made later are then not known any more"
    ))))
}
