//! Which segments are written into one: small ones come together, up to the limits of a segment.
//!
//! Not here: what is left of them, which is never more than they had. Must hold: groups are runs of
//! segments in order, and every segment is in one.

use std::ops::Range;

use ottla_wire::Offset;

/// What grouping needs to know of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) base: Offset,
    pub(crate) bytes: u64,
    pub(crate) offset_index_bytes: u64,
    pub(crate) time_index_bytes: u64,
}

/// The limits of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `segment.bytes`
    pub(crate) bytes: u64,
    /// `segment.index.bytes`
    pub(crate) index_bytes: u64,
    /// Nothing at or above is cleaned in this round.
    pub(crate) round_end: Offset,
}

/// Splits segments into runs that fit one segment each: by size, by both indexes, and by the
/// distance of offsets, for which the begin of the segment behind is the worst case.
pub(crate) fn group(segments: &[Extent], limits: Limits) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut from = 0;
    while let Some(first) = segments.get(from) {
        let mut sum = *first;
        let mut until = from + 1;
        while let Some(next) = segments.get(until) {
            let behind = segments.get(until + 1).map_or(limits.round_end, |segment| segment.base);
            let last = behind + -1;
            sum.bytes = sum.bytes.saturating_add(next.bytes);
            sum.offset_index_bytes += next.offset_index_bytes;
            sum.time_index_bytes += next.time_index_bytes;
            let fits = sum.bytes <= limits.bytes
                && sum.offset_index_bytes <= limits.index_bytes
                && sum.time_index_bytes <= limits.index_bytes
                && (next.bytes == 0 || last - first.base <= i64::from(i32::MAX));
            if !fits {
                break;
            }
            until += 1;
        }
        groups.push(from..until);
        from = until;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments as `base:bytes:index entries`, groups as runs of bases.
    fn check(segments: &str, bytes: u64, round_end: i64, expect: &str) {
        let extents: Vec<Extent> = segments
            .split_whitespace()
            .map(|segment| {
                let mut fields = segment.split(':').map(|field| field.parse::<i64>().unwrap());
                let mut next = || fields.next().unwrap_or(0);
                let (base, bytes, entries) = (Offset(next()), next(), next());
                let bytes = u64::try_from(bytes).unwrap();
                let entries = u64::try_from(entries).unwrap();
                Extent {
                    base,
                    bytes,
                    offset_index_bytes: entries * 8,
                    time_index_bytes: entries * 12,
                }
            })
            .collect();
        let limits = Limits { bytes, index_bytes: 120, round_end: Offset(round_end) };
        let bases = |run: &Range<usize>| {
            let bases = extents[run.clone()].iter().map(|extent| extent.base.0.to_string());
            bases.collect::<Vec<_>>().join(",")
        };
        let groups: Vec<String> = group(&extents, limits).iter().map(bases).collect();
        assert_eq!(groups.join(" "), expect, "{segments}");
    }

    #[test]
    fn small_segments_come_together_up_to_the_size_of_one() {
        check("", 100, 0, "");
        check("0:40 10:40 20:40 30:60", 100, 40, "0,10 20,30");
        check("0:100 10:1 20:200 30:0", 100, 40, "0 10 20 30");
        check("0:0 10:0 20:100", 100, 40, "0,10,20");
    }

    #[test]
    fn indexes_and_the_distance_of_offsets_are_limits_too() {
        check("0:1:6 10:1:4 20:1:1", 100, 40, "0,10 20");
        check("0:1 10:1 20:1", 100, 2_147_483_648, "0,10,20");
        check("0:1 10:1 20:1", 100, 2_147_483_649, "0,10 20");
        check(
            "0:1 10:1 2147483700:0 2147483800:1",
            100,
            2_147_483_900,
            "0 10,2147483700 2147483800",
        );
    }
}
