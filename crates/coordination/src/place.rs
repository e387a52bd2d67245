//! Which partition of an internal topic keeps a group or a transactional id.
//!
//! Must hold: the same place as in Kafka, or the state of a migrated cluster is lost.

use ottla_wire::PartitionIndex;

/// The partition of `key` among `count`; none when there are none.
///
/// ```
/// use ottla_wire::PartitionIndex;
///
/// assert_eq!(ottla_coordination::partition_of("sample-group", 10), Some(PartitionIndex(2)));
/// ```
pub fn partition_of(key: &str, count: i32) -> Option<PartitionIndex> {
    // The smallest number has no absolute value; Kafka takes 0.
    (count > 0).then(|| PartitionIndex(java_hash(key).checked_abs().unwrap_or(0) % count))
}

/// `String.hashCode` of Java: over UTF-16 code units, wrapping.
fn java_hash(text: &str) -> i32 {
    let units = text.encode_utf16();
    units.fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        // jshell> "…".hashCode()
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("orders"), -1_008_770_331);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn the_smallest_hash_has_a_place_too() {
        assert_eq!(partition_of("polygenelubricants", 50), Some(PartitionIndex(0)));
    }

    #[test]
    fn groups_stand_where_kafka_put_them() {
        // From a data folder of Apache Kafka 4.3.1 with ten partitions.
        assert_eq!(partition_of("sample-group", 10), Some(PartitionIndex(2)));
        assert_eq!(partition_of("sample-group-txn", 10), Some(PartitionIndex(9)));
        assert_eq!(partition_of("sample-group", 0), None);
    }
}
