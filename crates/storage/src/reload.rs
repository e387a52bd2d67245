//! Producers at some offset: the newest snapshot that can be read, and the batches behind it.
//!
//! Must hold: snapshots that do not fit the log, or can't be read, are removed and never used.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::{Offset, Timestamp};

use crate::error::StorageError;
use crate::home::Home;
use crate::markers;
use crate::names::{FileKind, file_name};
use crate::producer_snapshot;
use crate::producers::Producers;
use crate::scan::{CHUNK_SMALL, Scan};
use crate::segment::{FindError, Segment};

/// Producers as they were rebuilt.
#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) producers: Producers,
    /// The offset of the newest snapshot that was kept.
    pub(crate) snapshot_at: Option<Offset>,
}

/// What the producers are rebuilt from.
pub(crate) struct Source<'a> {
    pub(crate) home: &'a Arc<Home>,
    pub(crate) segments: &'a [Arc<Segment>],
    pub(crate) now: Timestamp,
    pub(crate) expire_after_ms: i64,
}

/// Rebuilds the producers at `end`, and drops the snapshots that do not fit the log.
pub(crate) fn reload(
    source: &Source<'_>,
    snapshots: &mut Vec<Offset>,
    start: Offset,
    end: Offset,
) -> Result<Reloaded, StorageError> {
    let mut kept = Vec::new();
    for at in snapshots.drain(..) {
        if at > end || at <= start {
            source.home.remove(&file_name(at, FileKind::Snapshot))?;
        } else {
            kept.push(at);
        }
    }
    *snapshots = kept;
    let (mut producers, from) = loop {
        let Some(at) = snapshots.last().copied() else { break (Producers::default(), start) };
        match read_snapshot(source, at)? {
            Some(producers) => break (producers, at),
            None => {
                snapshots.pop();
            }
        }
    };
    replay(source, &mut producers, from, end)?;
    Ok(Reloaded { producers, snapshot_at: snapshots.last().copied() })
}

/// Writes a snapshot without syncing it; answers its name.
pub(crate) fn write_snapshot(
    home: &Home,
    at: Offset,
    producers: &Producers,
) -> Result<String, StorageError> {
    let path = home.of(at, FileKind::Snapshot);
    let bytes = producer_snapshot::encode(producers);
    home.directory.with_reserve(|| {
        home.disk().write(&path, &bytes).map_err(StorageError::io("write", &path))
    })?;
    Ok(file_name(at, FileKind::Snapshot))
}

/// Reads a snapshot; one that can't be used is removed.
pub(crate) fn read_snapshot(
    source: &Source<'_>,
    at: Offset,
) -> Result<Option<Producers>, StorageError> {
    let path = source.home.of(at, FileKind::Snapshot);
    let bytes = source.home.disk().read(&path).map_err(StorageError::io("read", &path))?;
    match producer_snapshot::decode(&bytes, source.now, source.expire_after_ms) {
        Ok(producers) => Ok(Some(producers)),
        Err(what) => {
            tracing::warn!(file = %path.display(), what, "producer snapshot is dropped");
            source.home.remove(&file_name(at, FileKind::Snapshot))?;
            Ok(None)
        }
    }
}

/// Notes what the batches in `[from, end)` tell of producers.
fn replay(
    source: &Source<'_>,
    producers: &mut Producers,
    from: Offset,
    end: Offset,
) -> Result<(), StorageError> {
    if from >= end {
        return Ok(());
    }
    let first = source.segments.partition_point(|s| s.base <= from).saturating_sub(1);
    for segment in &source.segments[first..] {
        if segment.base >= end || segment.size() == 0 {
            break;
        }
        let position = segment.offsets.lookup(from)?.position;
        let file = segment.file()?;
        let mut scan = Scan::new(&file, position, segment.size(), CHUNK_SMALL);
        let error = |error| FindError::warm(segment.scan_error(error));
        while let Some(placed) = scan.next().map_err(error)? {
            let header = placed.header();
            if header.base_offset() >= end {
                break;
            }
            if header.last_offset() < from {
                continue;
            }
            if header.is_control() {
                let body = Bytes::copy_from_slice(scan.body(&placed).map_err(error)?);
                if let Some(marker) = markers::read(&body, placed.last_offset()) {
                    producers.complete(&marker);
                }
            } else if let Some(batch) = markers::producer_batch(&header) {
                producers.append(&batch, header.base_offset());
            }
        }
        segment.close_idle();
    }
    Ok(())
}
