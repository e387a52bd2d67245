//! The offset checkpoint files of a log directory: a version, a count, and one line per partition.
//!
//! Four files have this form: recovery points, log starts, high watermarks and the cleaner's
//! progress. Must hold: a file that this code wrote is read by Apache Kafka, and a file that
//! Kafka would refuse is refused, never half used.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ottla_wire::{Offset, PartitionIndex};

/// Up to which offset each log is known to be on the disk.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Log starts that lie inside a segment.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// The first offset that the cleaner has not seen, per compacted partition.
pub const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";

/// Offsets by topic name and partition, in the order in which they are written.
pub type Offsets = BTreeMap<(String, PartitionIndex), Offset>;

const VERSION: &str = "0";

/// Reads an offset checkpoint; an empty file has no entries.
pub fn parse_offsets(text: &[u8]) -> Result<Offsets, String> {
    let mut offsets = Offsets::new();
    for (number, line) in parse_lines(text)?.into_iter().enumerate() {
        let (key, offset) = parse_entry(line)
            .ok_or_else(|| format!("entry {} is not a topic, partition and offset", number + 1))?;
        offsets.insert(key, offset);
    }
    Ok(offsets)
}

/// The entries that can still be read of a file that is refused as a whole.
pub(crate) fn salvage(text: &[u8]) -> Offsets {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(parse_entry).collect()
}

fn parse_entry(line: &str) -> Option<((String, PartitionIndex), Offset)> {
    let mut words = line.split_ascii_whitespace();
    let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
    let key = (topic.to_owned(), PartitionIndex(partition.parse().ok()?));
    words.next().is_none().then_some(())?;
    Some((key, Offset(offset.parse().ok()?)))
}

/// The text of an offset checkpoint.
pub fn format_offsets(offsets: &Offsets) -> String {
    let mut text = format!("{VERSION}\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{topic} {} {}", partition.0, offset.0);
    }
    text
}

/// The entry lines of a checkpoint, after its version and count were checked.
pub(crate) fn parse_lines(text: &[u8]) -> Result<Vec<&str>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8 text".to_owned())?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let version = lines.next().unwrap_or_default().trim();
    if version != VERSION {
        return Err(format!("version is '{version}', not {VERSION}"));
    }
    let count = lines.next().unwrap_or_default().trim();
    let count: usize = count.parse().map_err(|_| format!("count '{count}' is not a number"))?;
    let entries: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    if entries.len() != count {
        return Err(format!("{count} entries are told but {} are there", entries.len()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(entries: &[(&str, i32, i64)]) -> Offsets {
        entries
            .iter()
            .map(|(topic, partition, offset)| {
                (((*topic).to_owned(), PartitionIndex(*partition)), Offset(*offset))
            })
            .collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let some = offsets(&[("a", 0, 5), ("a", 10, 7), ("b.c-d", 2, 0)]);
        let text = format_offsets(&some);
        assert_eq!(text, "0\n3\na 0 5\na 10 7\nb.c-d 2 0\n");
        assert_eq!(parse_offsets(text.as_bytes()), Ok(some));
        assert_eq!(format_offsets(&Offsets::new()), "0\n0\n");
    }

    #[test]
    fn an_empty_file_has_no_entries() {
        assert_eq!(parse_offsets(b""), Ok(Offsets::new()));
    }

    #[test]
    fn a_wrong_version_line_or_count_is_an_error() {
        for bad in
            ["1\n0\n", "0\n", "0\n2\na 0 5\n", "0\n1\na 0\n", "0\n1\na x 5\n", "x", "0\n0\na 0 1\n"]
        {
            assert!(parse_offsets(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse_offsets(&[0x30, 0x0a, 0xff]).is_err());
    }
}
