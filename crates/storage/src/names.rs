//! Names of files and directories in a log directory: what they mean and how they are made.
//!
//! Not here: what is inside the files. Must hold: a name that this file makes is read back as
//! the same thing, and a name that Apache Kafka would refuse is refused.

use ottla_wire::{Offset, PartitionIndex};

/// The directory of the metadata log, which the log directories skip when they load partitions.
pub const METADATA_DIR: &str = "__cluster_metadata-0";

/// The topics that Apache Kafka itself writes to.
const INTERNAL: [&str; 4] =
    ["__cluster_metadata", "__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether a partition's directory is that of one of Kafka's own topics.
pub(crate) fn is_internal(dir: &str) -> bool {
    dir.rsplit_once('-').is_some_and(|(topic, _)| INTERNAL.contains(&topic))
}

/// The suffix of a file that only waits to be removed.
pub(crate) const DELETED: &str = ".deleted";
/// The suffix of a cleaner's output that is not committed.
pub(crate) const CLEANED: &str = ".cleaned";
/// The suffix of a cleaner's output that is committed but does not have its final name.
pub(crate) const SWAP: &str = ".swap";

/// How many hex digits tell apart directories of one partition.
const UNIQUE_DIGITS: usize = 32;

/// The longest name that a directory may have after a suffix was added.
const NAME_BYTES_MAX: usize = 255;

/// The files of a segment that share its base offset, and the producer snapshots beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TransactionIndex,
    Snapshot,
}

impl FileKind {
    pub(crate) const ALL: [FileKind; 5] = [
        FileKind::Log,
        FileKind::OffsetIndex,
        FileKind::TimeIndex,
        FileKind::TransactionIndex,
        FileKind::Snapshot,
    ];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            FileKind::Log => "log",
            FileKind::OffsetIndex => "index",
            FileKind::TimeIndex => "timeindex",
            FileKind::TransactionIndex => "txnindex",
            FileKind::Snapshot => "snapshot",
        }
    }
}

/// The name of a file of the given kind: the offset in 20 digits and the kind's extension.
pub(crate) fn file_name(offset: Offset, kind: FileKind) -> String {
    format!("{:020}.{}", offset.0, kind.extension())
}

/// Reads a file name without any suffix such as `.deleted`; `None` for every other file.
pub(crate) fn parse_file(name: &str) -> Option<(Offset, FileKind)> {
    let (stem, extension) = name.split_once('.')?;
    let kind = FileKind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
    if stem.is_empty() || !stem.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some((Offset(stem.parse().ok()?), kind))
}

/// What a partition's directory is for, told by its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirKind {
    /// A replica that is served.
    Live,
    /// The target of a move between the directories of one broker.
    Future,
    /// Waits to be removed.
    Delete,
    /// A replica that the metadata does not know; kept until an operator removes it.
    Stray,
}

impl DirKind {
    fn suffix(self) -> &'static str {
        match self {
            DirKind::Live => "",
            DirKind::Future => "-future",
            DirKind::Delete => "-delete",
            DirKind::Stray => "-stray",
        }
    }
}

/// A partition's directory name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirName {
    /// The topic's name; cut when the whole was longer than a name may be.
    pub topic: String,
    /// The partition's number.
    pub partition: PartitionIndex,
    /// What the directory is for.
    pub kind: DirKind,
}

/// Whether a move between directories is possible for a topic of this name: Apache Kafka refuses
/// it when the name of the `-future` directory would pass 255 bytes (KAFKA-4893).
pub fn can_move(topic: &str, partition: PartitionIndex) -> bool {
    let unique = "0".repeat(UNIQUE_DIGITS);
    dir_name_with(topic, partition, DirKind::Future, &unique).len() <= NAME_BYTES_MAX
}

/// The name of the directory of a served replica.
pub fn dir_name(topic: &str, partition: PartitionIndex) -> String {
    format!("{topic}-{}", partition.0)
}

/// The name that a replica's directory gets when it is moved, deleted or set aside.
///
/// `unique` are 32 hex digits. Only the name of a future replica may pass 255 bytes.
pub fn dir_name_with(
    topic: &str,
    partition: PartitionIndex,
    kind: DirKind,
    unique: &str,
) -> String {
    if kind == DirKind::Live {
        return dir_name(topic, partition);
    }
    let tail = format!("-{}.{unique}{}", partition.0, kind.suffix());
    let mut room = topic.len();
    if kind != DirKind::Future {
        room = room.min(NAME_BYTES_MAX.saturating_sub(tail.len()));
    }
    while !topic.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{tail}", &topic[..room])
}

/// Reads a directory's name; `None` when Apache Kafka would refuse to load its parent over it.
pub fn parse_dir(name: &str) -> Option<DirName> {
    let kind = [DirKind::Future, DirKind::Delete, DirKind::Stray]
        .into_iter()
        .find(|kind| name.ends_with(kind.suffix()))
        .filter(|_| name.contains('.'))
        .unwrap_or(DirKind::Live);
    let plain = match kind {
        DirKind::Live => name,
        _ => {
            let (plain, unique) = name.rsplit_once('.')?;
            if unique.strip_suffix(kind.suffix()).is_none_or(str::is_empty) {
                return None;
            }
            plain
        }
    };
    if plain.chars().any(char::is_whitespace) {
        return None;
    }
    let (topic, partition) = plain.rsplit_once('-')?;
    let partition = PartitionIndex(partition.parse().ok()?);
    (!topic.is_empty()).then(|| DirName { topic: topic.to_owned(), partition, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: Option<(&str, i32, DirKind)>) {
        let got = parse_dir(name);
        let expect = expect.map(|(topic, partition, kind)| DirName {
            topic: topic.to_owned(),
            partition: PartitionIndex(partition),
            kind,
        });
        assert_eq!(got, expect, "{name}");
    }

    #[test]
    fn a_directory_name_is_split_at_its_last_dash() {
        check("orders-0", Some(("orders", 0, DirKind::Live)));
        check("a-b.c-12", Some(("a-b.c", 12, DirKind::Live)));
        check("orders", None);
        check("-0", None);
        check("orders-", None);
        check("orders-x", None);
    }

    #[test]
    fn a_suffix_tells_what_a_directory_is_for() {
        let id = "0123456789abcdef0123456789abcdef";
        check(&format!("orders-3.{id}-delete"), Some(("orders", 3, DirKind::Delete)));
        check(&format!("or.ders-3.{id}-future"), Some(("or.ders", 3, DirKind::Future)));
        check(&format!("orders-3.{id}-stray"), Some(("orders", 3, DirKind::Stray)));
        check("orders-3.-stray", None);
        check("my.topic-delete", None);
    }

    #[test]
    fn a_name_for_removal_is_cut_to_255_bytes_but_one_for_a_move_is_not() {
        let topic = "t".repeat(249);
        let id = "0123456789abcdef0123456789abcdef";
        let delete = dir_name_with(&topic, PartitionIndex(7), DirKind::Delete, id);
        assert_eq!(delete.len(), 255);
        assert_eq!(parse_dir(&delete).map(|name| name.kind), Some(DirKind::Delete));
        let future = dir_name_with(&topic, PartitionIndex(7), DirKind::Future, id);
        assert_eq!(parse_dir(&future).map(|name| name.topic), Some(topic));
    }

    #[test]
    fn file_names_are_read_back_as_what_they_were_made_from() {
        for kind in FileKind::ALL {
            let name = file_name(Offset(1440), kind);
            assert_eq!(parse_file(&name), Some((Offset(1440), kind)));
            assert_eq!(parse_file(&format!("{name}.deleted")), None);
        }
        assert_eq!(parse_file("00000000000000000140-0000000003.checkpoint"), None);
        assert_eq!(parse_file("leader-epoch-checkpoint"), None);
        assert_eq!(parse_file("99999999999999999999.log"), None);
    }
}
