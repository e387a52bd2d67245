//! What stands in a node's folders before its first start, as Apache Kafka's storage tool leaves
//! it: `meta.properties`, `bootstrap.checkpoint`, and the voters of a quorum that keeps them in
//! its log.
//!
//! A node formats by itself only when every folder is empty and its configuration names no other
//! node. Must hold: `meta.properties` is written last, when all else is on the disk, so that a
//! folder cut off in between counts as not formatted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ottla_env::{Disk, Env, FileLock};
use ottla_metadata::{Bootstrap, MetadataRecord, bootstrap_records};
use ottla_quorum::{BOOTSTRAP, FOLDER, SnapshotId, bootstrap_file, voters_file};
pub use ottla_quorum::{InitialVoter, VoterEndpoint};
pub use ottla_raft::Voter;
use ottla_settings::Settings;
use ottla_storage::StorageError;
use ottla_storage::meta_properties::{self, MetaProperties, directory_id};
use ottla_wire::{BrokerId, DirectoryId, Timestamp};

use crate::error::StartError;
use crate::listeners::told;

/// Who votes in the quorum of a new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voters {
    /// Whom `controller.quorum.voters` names, or whoever leads a quorum that is there already.
    Elsewhere,
    /// This node alone, reached at these addresses.
    Standalone(Vec<VoterEndpoint>),
    /// These nodes.
    Listed(Vec<InitialVoter>),
}

/// How folders are to be formatted.
#[derive(Clone, Debug)]
pub struct Format {
    /// The cluster's id.
    pub cluster_id: String,
    /// The node.
    pub node_id: BrokerId,
    /// The log directories that are not formatted yet.
    pub dirs: Vec<PathBuf>,
    /// The one that holds the metadata log.
    pub metadata_dir: PathBuf,
    /// The records that the cluster begins with.
    pub bootstrap: Vec<MetadataRecord>,
    /// Who votes.
    pub voters: Voters,
}

impl Format {
    /// Formats every folder.
    ///
    /// # Errors
    /// The disk is at fault.
    pub fn run(&self, env: &Env) -> Result<(), StartError> {
        let disk = env.disk();
        let now = Timestamp(env.now_ms());
        let bootstrap = bootstrap_file(self.bootstrap.clone(), now)?;
        for dir in &self.dirs {
            disk.create_private_dir_all(dir).map_err(io("create", dir))?;
            write(disk, &dir.join(BOOTSTRAP), &bootstrap)?;
            let mut id = random_id(env);
            if *dir == self.metadata_dir {
                id = self.own_directory().unwrap_or(id);
                self.write_voters(disk, dir, id, now)?;
            }
            disk.sync_tree(dir).map_err(io("sync", dir))?;
            let meta = MetaProperties {
                cluster_id: Some(self.cluster_id.clone()),
                node_id: Some(self.node_id),
                directory_id: Some(id),
            };
            meta.write(disk, dir)?;
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new("."));
            disk.sync_dir(above).map_err(io("sync", above))?;
        }
        Ok(())
    }

    /// The directory id that the list of voters gives to this node.
    fn own_directory(&self) -> Option<DirectoryId> {
        let Voters::Listed(voters) = &self.voters else { return None };
        let own = voters.iter().find(|voter| voter.key.id == self.node_id);
        own.map(|voter| voter.key.directory)
    }

    fn write_voters(
        &self,
        disk: &Disk,
        dir: &Path,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let own = |endpoints: &Vec<VoterEndpoint>| InitialVoter {
            key: Voter { id: self.node_id, directory: id },
            endpoints: endpoints.clone(),
        };
        let voters = match &self.voters {
            Voters::Elsewhere => return Ok(()),
            Voters::Standalone(endpoints) => vec![own(endpoints)],
            Voters::Listed(voters) => voters.clone(),
        };
        let folder = dir.join(FOLDER);
        disk.create_dir_all(&folder).map_err(io("create", &folder))?;
        let bytes = voters_file(&voters, now)?;
        write(disk, &folder.join(SnapshotId::FORMATTED.file_name()), &bytes)
    }
}

/// A random id, as `ottla storage random-uuid` prints it.
pub fn random_id(env: &Env) -> DirectoryId {
    directory_id(|| env.random_bytes())
}

/// Where others reach the controller of a node with these settings, as far as the ports are
/// known: one that the system is to choose is 0 until the node has started.
pub fn controller_endpoints(env: &Env, settings: &Settings) -> Vec<VoterEndpoint> {
    settings.listeners.advertised_controller.iter().map(|at| told(env, at, &[])).collect()
}

/// Formats the folders of a node that may do that by itself.
///
/// # Errors
/// The node may not, and the command that somebody must run; or the disk is at fault.
pub(crate) fn format_if_new(
    env: &Env,
    settings: &Settings,
    cluster_id: Option<&str>,
    controllers: &[VoterEndpoint],
) -> Result<(), StartError> {
    let disk = env.disk();
    let metadata_dir = PathBuf::from(settings.metadata_log_dir());
    let dirs = all_dirs(settings);
    let Some(unformatted) = dirs.iter().find(|dir| !disk.exists(&dir.join(meta_properties::FILE)))
    else {
        return Ok(());
    };
    let refused = |why| StartError::NotFormatted {
        path: unformatted.clone(),
        why,
        command: command(env, settings, cluster_id),
    };
    for dir in &dirs {
        if !is_empty(disk, dir)? {
            return Err(refused("not every folder of log.dirs is empty"));
        }
    }
    if !settings.is_alone() {
        return Err(refused("the configuration names other nodes"));
    }
    let Some(_locks) = lock(disk, &dirs)? else { return Ok(()) };
    let bootstrap = bootstrap_records(&Bootstrap::default());
    let format = Format {
        cluster_id: cluster_id.map_or_else(|| random_id(env).to_string(), str::to_owned),
        node_id: BrokerId(settings.node.node_id),
        dirs: dirs.clone(),
        metadata_dir,
        bootstrap: bootstrap.map_err(|problem| StartError::NotServed(problem.to_string()))?,
        voters: match settings.listeners.voters.is_empty() {
            true => Voters::Standalone(controllers.to_vec()),
            false => Voters::Elsewhere,
        },
    };
    format.run(env)?;
    tracing::info!(cluster_id = format.cluster_id, "formatted the empty folders of a new cluster");
    Ok(())
}

/// Locks folders while they are formatted. None when somebody else is at it, or has done it: who
/// opens the folders finds out which.
fn lock(disk: &Disk, dirs: &[PathBuf]) -> Result<Option<Vec<FileLock>>, StartError> {
    let mut locks = Vec::new();
    for dir in dirs {
        disk.create_private_dir_all(dir).map_err(io("create", dir))?;
        match disk.lock(&dir.join(LOCK)) {
            Ok(lock) => locks.push(lock),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(io("lock", dir)(error)),
        }
    }
    let is_new = |dir: &PathBuf| !disk.exists(&dir.join(meta_properties::FILE));
    Ok(dirs.iter().all(is_new).then_some(locks))
}

/// Every folder of a node: `log.dirs`, and that of the metadata log where it is none of them.
pub fn all_dirs(settings: &Settings) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = settings.log_dirs().into_iter().map(PathBuf::from).collect();
    let metadata = PathBuf::from(settings.metadata_log_dir());
    if !dirs.contains(&metadata) {
        dirs.push(metadata);
    }
    dirs
}

/// The command that formats the folders of this node, in the cluster that some of them belong to.
fn command(env: &Env, settings: &Settings, cluster_id: Option<&str>) -> String {
    let read = |dir: &PathBuf| MetaProperties::read(env.disk(), dir).ok().flatten()?.cluster_id;
    let known = all_dirs(settings).iter().find_map(read).or(cluster_id.map(str::to_owned));
    let id = known.unwrap_or_else(|| random_id(env).to_string());
    let quorum = match settings.listeners.voters.is_empty() && settings.is_controller() {
        true => " --standalone",
        false => "",
    };
    let ignore = match all_dirs(settings).len() {
        1 => "",
        _ => " --ignore-formatted",
    };
    let command = format!("ottla storage format --cluster-id {id}");
    match settings.has_file() {
        true => format!("{command} --config <the same file>{quorum}{ignore}"),
        false => format!(
            "{command} --config <a file with these settings>{quorum}{ignore}, \
             and start with that file"
        ),
    }
}

/// Whether there is nothing in the folder, or no folder. What a file system puts there by itself
/// is nothing, and so is what a format left that was cut off.
fn is_empty(disk: &Disk, dir: &Path) -> Result<bool, StartError> {
    if !disk.exists(dir) {
        return Ok(true);
    }
    let log = dir.join(FOLDER);
    for entry in disk.list(dir).map_err(io("list", dir))? {
        let is_nothing = match entry.name.as_str() {
            FOLDER => {
                let inside = disk.list(&log).map_err(io("list", &log))?;
                inside.iter().all(|entry| entry.name == SnapshotId::FORMATTED.file_name())
            }
            name => NOTHING.contains(&name),
        };
        if !is_nothing {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    disk.write(path, bytes).map_err(io("write", path))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let path = path.to_owned();
    move |source| StartError::Storage(StorageError::Io { what, path, source })
}

/// Names that do not make a folder somebody's.
const NOTHING: &[&str] = &["lost+found", LOCK, BOOTSTRAP, "meta.properties.tmp"];
/// The file that is locked while a folder is in use.
const LOCK: &str = ".lock";

impl std::fmt::Display for Voters {
    /// The kind of folder that the metadata log is put into, in the storage tool's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Voters::Elsewhere => "metadata",
            Voters::Standalone(_) => "dynamic metadata voter",
            Voters::Listed(_) => "dynamic metadata",
        })
    }
}
