//! What a crash leaves of deletions and compactions: removed, or carried to the end.
//!
//! A compaction is committed once its output is named `.swap`: then the segments that it replaces
//! go and it takes their place. Output named `.cleaned` was not committed and goes.

use ottla_env::Open;
use ottla_wire::Offset;

use crate::error::StorageError;
use crate::home::Home;
use crate::names::{CLEANED, DELETED, FileKind, SWAP, parse_file};
use crate::scan::{CHUNK_SMALL, Scan};

/// Brings a partition's directory into the state before or after every unfinished change.
pub(crate) fn finish(home: &Home) -> Result<(), StorageError> {
    let path = home.path();
    let listed = home.disk().list(&path).map_err(StorageError::io("list", &path))?;
    let names: Vec<String> =
        listed.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
    // Snapshots of the metadata log have suffixes of their own and another owner.
    let deleted = names.iter().filter(|n| n.ends_with(DELETED) && !n.contains(".checkpoint"));
    deleted.into_iter().try_for_each(|name| home.remove(name))?;

    let cleaned: Vec<(Offset, &String)> = with_suffix(&names, CLEANED);
    let uncommitted = cleaned.iter().map(|(base, _)| *base).min();
    let mut swaps = with_suffix(&names, SWAP);
    if let Some(from) = uncommitted {
        for (_, name) in swaps.extract_if(.., |(base, _)| *base >= from) {
            home.remove(name)?;
        }
    }
    cleaned.iter().try_for_each(|(_, name)| home.remove(name))?;
    if swaps.is_empty() {
        return Ok(());
    }
    replace(home, &names, &swaps)
}

/// Removes the segments whose place committed output takes, and gives it its final names.
fn replace(home: &Home, names: &[String], swaps: &[(Offset, &String)]) -> Result<(), StorageError> {
    let mut range: Option<(Offset, Offset)> = None;
    for (base, name) in swaps {
        if is_log(name) {
            // Output without a batch replaces what began where it begins, with all its indexes.
            let next = next_offset(home, name, *base)?.max(base.next());
            let (from, until) = range.unwrap_or((*base, next));
            range = Some((from.min(*base), until.max(next)));
        }
    }
    if let Some((from, until)) = range {
        for name in names {
            let replaced = parse_file(name).is_some_and(|(base, kind)| {
                kind != FileKind::Snapshot && base >= from && base < until
            });
            if replaced {
                home.remove(name)?;
            }
        }
    }
    for (_, name) in swaps {
        let (from, to) = (home.file(name), home.file(name.trim_end_matches(SWAP)));
        tracing::warn!(file = %to.display(), "compaction is finished after a crash");
        home.disk().rename(&from, &to).map_err(StorageError::io("rename", &from))?;
    }
    Ok(())
}

fn with_suffix<'a>(names: &'a [String], suffix: &str) -> Vec<(Offset, &'a String)> {
    let parse = |name: &str| parse_file(name.strip_suffix(suffix)?).map(|(base, _)| base);
    names.iter().filter_map(|name| Some((parse(name)?, name))).collect()
}

fn is_log(name: &str) -> bool {
    parse_file(name.trim_end_matches(SWAP)).is_some_and(|(_, kind)| kind == FileKind::Log)
}

/// The offset behind the last whole batch of a file.
fn next_offset(home: &Home, name: &str, base: Offset) -> Result<Offset, StorageError> {
    let path = home.file(name);
    let file = home.disk().open(&path, Open::Read).map_err(StorageError::io("open", &path))?;
    let len = file.len().map_err(StorageError::io("read the length of", &path))?;
    let mut scan = Scan::new(&file, 0, len, CHUNK_SMALL);
    let mut next = base;
    while let Ok(Some(placed)) = scan.next() {
        next = placed.last_offset().next();
    }
    Ok(next)
}
