//! A partition's log on a disk, in Apache Kafka's own bytes.
//!
//! Start at [`log`] (what a log is), then `append`, `read`, `flush` and `load`; `clean` compacts;
//! [`dirs`] holds the logs of a node's log directories. Below them stand one file per kind of file
//! on the disk.
//!
//! Not here: leadership, replication, requests. Must hold: a folder written here
//! opens under Apache Kafka and the other way round; what was synced survives a power cut, what
//! was acknowledged a crash; bytes from a disk never panic.
//!
//! ```
//! use std::sync::Arc;
//! use ottla_env::Env;
//! use ottla_records::{BatchBuilder, BatchSettings};
//! use ottla_storage::{Directory, Log, LogConfig, Opening, Origin};
//! use ottla_wire::{DirectoryId, LeaderEpoch, Offset, Timestamp};
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! let env = Env::real(runtime.handle().clone());
//! let folder = tempfile::tempdir().unwrap();
//! let disk = env.disk().clone();
//! let directory = Directory::new(disk, folder.path().to_owned(), DirectoryId::default());
//! let now = Timestamp(env.now_ms());
//! let log = Log::open(Opening {
//!     path: directory.path().join("orders-0"),
//!     directory,
//!     name: "orders-0".to_owned(),
//!     config: Arc::new(LogConfig::default()),
//!     clean: true,
//!     start: Offset(0),
//!     recovery_point: Offset(0),
//!     high_watermark: Offset(0),
//!     now,
//!     random: env.random_u64(),
//! })
//! .unwrap();
//! let mut builder = BatchBuilder::new(BatchSettings::default());
//! builder.append(now, None, Some(b"one"), &[]).unwrap();
//! let batch = builder.build().unwrap();
//! let appended = log.append(&batch, Origin::Leader { epoch: LeaderEpoch(0), now }).unwrap();
//! assert_eq!(appended.last_offset, Offset(0));
//! log.set_high_watermark(log.end());
//! let slice = log.read(Offset(0), 1 << 20, log.high_watermark(), true).unwrap();
//! assert_eq!(slice.records.len(), batch.len());
//! log.sync().unwrap();
//! ```

mod admit;
pub mod append;
mod changes;
pub mod checkpoint;
mod clean;
pub mod clean_shutdown;
pub mod config;
pub mod directory;
pub mod dirs;
mod entries;
pub mod epochs;
pub mod error;
mod flush;
mod home;
pub mod load;
pub mod log;
mod lost_epochs;
mod markers;
pub mod meta_properties;
pub mod names;
mod offset_index;
mod open_files;
mod origin;
pub mod partition_metadata;
pub mod producer_snapshot;
pub mod producers;
pub mod read;
mod recover;
mod reload;
pub mod repair;
pub mod reserve;
mod retention;
mod scan;
mod scratches;
mod segment;
mod swap;
mod tail;
mod time_index;
pub mod transaction_index;
mod truncate;
mod underway;
pub mod verify;
mod writeback;

pub use admit::Admitted;
pub use append::Appended;
pub use clean::Pass;
pub use config::LogConfig;
pub use directory::{Directory, OnFailure};
pub use dirs::{
    Cleaning, CleaningStatus, Copied, DirsOpening, Loading, LogDirs, Progress, Uncleanable,
};
pub use epochs::{EpochEnd, EpochEntry};
pub use error::{AppendError, StorageError};
pub use load::Opening;
pub use log::Log;
pub use meta_properties::MetaProperties;
pub use offset_index::{OffsetEntry, offset_entries};
pub use origin::Origin;
pub use producers::Standing;
pub use read::{ReadError, Slice, TimedOffset, bytes_of};
pub use time_index::{TimeEntry, time_entries};
pub use transaction_index::AbortedTransaction;
pub use underway::{HANGS_AFTER, Underway};
