//! What stands in a node's folders before its first start.
//!
//! A node formats by itself only when every folder is empty and the configuration names no other
//! node; whoever formats by command calls [`format`] as well. Must hold: `meta.properties` is
//! written last, so that a folder cut off in between is formatted again.

use std::path::{Path, PathBuf};

use ottla_env::{Disk, Env};
use ottla_metadata::{Bootstrap, bootstrap_records};
use ottla_quorum::{BOOTSTRAP, SnapshotId, VoterEndpoint};
use ottla_raft::Voter;
use ottla_settings::Settings;
use ottla_storage::StorageError;
use ottla_storage::meta_properties::{self, MetaProperties};
use ottla_wire::{BrokerId, DirectoryId, Timestamp};

use crate::error::StartError;

/// The folder of the metadata log in its log directory.
const METADATA_LOG: &str = "__cluster_metadata-0";

/// How the folders of a node are to be formatted.
#[derive(Clone, Debug)]
pub struct Format {
    /// The cluster's id; none for a random one.
    pub cluster_id: Option<String>,
    /// The node.
    pub node_id: BrokerId,
    /// Every log directory.
    pub dirs: Vec<PathBuf>,
    /// The one that holds the metadata log.
    pub metadata_dir: PathBuf,
    /// The features and credentials that the cluster begins with.
    pub bootstrap: Bootstrap,
    /// The controller's listeners when this node becomes the only voter of a quorum that keeps
    /// its voters in its log (`--standalone`); none where the configuration fixes the voters.
    pub standalone: Option<Vec<VoterEndpoint>>,
}

/// Formats every folder; gives the cluster's id.
///
/// # Errors
/// The disk is at fault, or the features do not go together.
pub fn format(env: &Env, format: &Format) -> Result<String, StartError> {
    let disk = env.disk();
    let now = Timestamp(env.now_ms());
    let random = || env.random_bytes::<16>();
    let cluster_id = format
        .cluster_id
        .clone()
        .unwrap_or_else(|| meta_properties::directory_id(random).to_string());
    let records = bootstrap_records(&format.bootstrap)
        .map_err(|problem| StartError::NotServed(problem.to_string()))?;
    let bootstrap = ottla_quorum::bootstrap_file(records, now)?;
    for dir in &format.dirs {
        let directory_id = meta_properties::directory_id(random);
        disk.create_private_dir_all(dir).map_err(io("create", dir))?;
        write(disk, &dir.join(BOOTSTRAP), &bootstrap)?;
        if let Some(endpoints) = &format.standalone
            && *dir == format.metadata_dir
        {
            let voter = Voter { id: format.node_id, directory: directory_id };
            standalone(disk, dir, voter, endpoints, now)?;
        }
        let meta = MetaProperties {
            cluster_id: Some(cluster_id.clone()),
            node_id: Some(format.node_id),
            directory_id: Some(directory_id),
        };
        meta.write(disk, dir)?;
    }
    Ok(cluster_id)
}

/// Formats the folders of a node that may do that by itself.
///
/// # Errors
/// The node may not, and the command that somebody must run.
pub(crate) fn format_if_new(
    env: &Env,
    settings: &Settings,
    cluster_id: Option<&str>,
    endpoints: &[VoterEndpoint],
) -> Result<(), StartError> {
    let disk = env.disk();
    let dirs: Vec<PathBuf> = settings.log_dirs().into_iter().map(PathBuf::from).collect();
    let mut unformatted = Vec::new();
    let mut all_empty = true;
    for dir in &dirs {
        if MetaProperties::read(disk, dir)?.is_none() {
            unformatted.push(dir.clone());
        }
        all_empty &= is_empty(disk, dir)?;
    }
    let Some(first) = unformatted.into_iter().next() else { return Ok(()) };
    let refused = |why| {
        let id =
            cluster_id.map_or_else(|| "$(ottla storage random-uuid)".to_owned(), str::to_owned);
        let standalone = if settings.listeners.voters.is_empty() { " --standalone" } else { "" };
        let command =
            format!("ottla storage format{standalone} -t {id} -c <your server.properties>");
        StartError::NotFormatted { path: first.clone(), why, command }
    };
    if !all_empty {
        return Err(refused("it, or another of log.dirs, holds files already"));
    }
    if !settings.is_alone() {
        return Err(refused("the configuration names other nodes"));
    }
    let formatted = format(
        env,
        &Format {
            cluster_id: cluster_id.map(str::to_owned),
            node_id: BrokerId(settings.node.node_id),
            dirs,
            metadata_dir: PathBuf::from(settings.metadata_log_dir()),
            bootstrap: Bootstrap::default(),
            standalone: settings.listeners.voters.is_empty().then(|| endpoints.to_vec()),
        },
    )?;
    tracing::info!(cluster_id = formatted, "formatted new folders");
    Ok(())
}

fn standalone(
    disk: &Disk,
    dir: &Path,
    voter: Voter,
    endpoints: &[VoterEndpoint],
    now: Timestamp,
) -> Result<(), StartError> {
    let folder = dir.join(METADATA_LOG);
    disk.create_dir_all(&folder).map_err(io("create", &folder))?;
    let snapshot = ottla_quorum::standalone_file(voter, endpoints, now)?;
    write(disk, &folder.join(SnapshotId::FORMATTED.file_name()), &snapshot)
}

fn write(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    Ok(disk.replace(path, bytes).map_err(StorageError::of_io("write", path))?)
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let describe = StorageError::of_io(what, path);
    move |error| StartError::Storage(describe(error))
}

/// Whether there is nothing in the folder, or no folder. What file systems put there is nothing.
fn is_empty(disk: &Disk, dir: &Path) -> Result<bool, StartError> {
    if !disk.exists(dir) {
        return Ok(true);
    }
    let listed = disk.list(dir).map_err(io("list", dir))?;
    Ok(listed.iter().all(|entry| matches!(entry.name.as_str(), "lost+found" | ".lock")))
}

/// A random directory or cluster id, as `ottla storage random-uuid` prints it.
pub fn random_id(env: &Env) -> DirectoryId {
    meta_properties::directory_id(|| env.random_bytes::<16>())
}
