//! Which partition a record goes to: by its key exactly as Apache Kafka's clients do, or without
//! one to a partition that is kept until it has had its share (KIP-794).
//!
//! Must hold: the same key goes to the same partition as from every other client of the cluster.

use ottla_wire::PartitionIndex;

/// The partition of a key among so many; the count is not 0.
pub fn partition_of_key(key: &[u8], partitions: u32) -> PartitionIndex {
    let hash = murmur2(key) & 0x7fff_ffff;
    PartitionIndex(i32::try_from(hash % partitions).expect("less than 2 to the 31"))
}

/// The 32-bit MurmurHash2 with the seed that Apache Kafka uses.
pub fn murmur2(bytes: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // The length of a key fits, as a record's length is an int32.
    let mut hash = SEED ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MIX) ^ word.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ hash >> 15
}

/// The partition of a topic that takes records without keys for the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sticky {
    now: Option<PartitionIndex>,
    bytes: usize,
}

impl Sticky {
    /// The partition for a record of so many bytes. Another one is drawn by `random` once this
    /// one has had `share` bytes, or is no longer among those that have a leader.
    pub fn pick(
        &mut self,
        led: &[PartitionIndex],
        bytes: usize,
        share: usize,
        random: u64,
    ) -> Option<PartitionIndex> {
        let kept = self.now.filter(|now| self.bytes < share && led.contains(now));
        if kept.is_none() {
            let others: Vec<_> = led.iter().filter(|led| Some(**led) != self.now).collect();
            let from = if others.is_empty() { led.iter().collect() } else { others };
            let place = random.checked_rem(u64::try_from(from.len()).ok()?)?;
            self.now = from.get(usize::try_from(place).ok()?).copied().copied();
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_apache_kafka() {
        // Printed by org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1.
        let known: [(&str, i32); 7] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
            ("", 275_646_681),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(partition_of_key(b"21", 3), PartitionIndex(((-973_932_308) & 0x7fff_ffff) % 3));
    }

    #[test]
    fn records_without_keys_stay_together_for_a_share() {
        let led = [0, 1, 2].map(PartitionIndex);
        let mut sticky = Sticky::default();
        let mut pick = |led: &[PartitionIndex], random| {
            sticky.pick(led, 40, 100, random).map(|partition| partition.0)
        };
        assert_eq!([0; 3].map(|_| pick(&led, 1)), [Some(1); 3]);
        assert_eq!(pick(&led, 1), Some(2), "the other one of 0 and 2");
        assert_eq!(pick(&led[..1], 9), Some(0), "2 has no leader now");
        assert_eq!(pick(&[], 9), None);
    }
}
