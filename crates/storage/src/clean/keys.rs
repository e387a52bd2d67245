//! The newest offset of each key, by the key's hash.
//!
//! Keys are told apart by 128 bits of SipHash under a secret of the pass: keys that were made to
//! collide would need the secret (Apache Kafka takes MD5, which needs none). The map begins small
//! and grows with the keys that it meets: one that fits the processor's caches makes a pass over
//! many records of few keys a third cheaper. Must hold: memory is never more than was granted, not
//! while the map grows either, nor more than so many offsets can fill; it is gone with the pass.

use std::hash::Hasher;

use ottla_wire::Offset;
use siphasher::sip128::{Hasher128, SipHasher13};

/// What one key takes: its hash and its offset.
pub(crate) const SLOT_BYTES: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash([u64; 2]);

#[derive(Debug)]
pub(crate) struct Keys {
    /// Hash, and the offset plus one: zero is a free slot.
    slots: Vec<[u64; 3]>,
    count: u64,
    count_max: u64,
    /// How many slots there may be in all.
    granted: u64,
    /// How many slots are of use: those that were granted, or fewer.
    most: u64,
    secret: [u64; 2],
    hasher: SipHasher13,
}

impl Keys {
    /// Room for the keys of `span` offsets, in at most `bytes`, of which `load_factor` are used.
    pub(crate) fn new(bytes: u64, load_factor: f64, span: u64, secret: [u64; 2]) -> Keys {
        let granted = (bytes / SLOT_BYTES).max(SLOTS_MIN);
        // A tenth more than there are offsets keeps the ways short.
        let needed = span.saturating_add(span / 8).saturating_add(SLOTS_MIN);
        let most = granted.min(needed);
        let first = most.min((granted / FIRST_PART).max(SLOTS_MIN));
        let load_factor = load_factor.clamp(LOAD_FACTOR_MIN, 1.0);
        // A product of a count and a number up to one is a count again: nothing is cut off.
        let wanted = ((granted as f64) * load_factor) as u64;
        // The last map is made while the one before is still there.
        let fit = if first < most { granted - first } else { granted };
        Keys {
            slots: free_slots(first),
            count: 0,
            count_max: wanted.min(fit).max(1),
            granted,
            most,
            secret,
            hasher: SipHasher13::new_with_keys(secret[0], secret[1]),
        }
    }

    /// Takes a part of the key at hand.
    pub(crate) fn feed(&mut self, part: &[u8]) {
        self.hasher.write(part);
    }

    /// The hash of the key that was fed; the next one begins.
    pub(crate) fn take_hash(&mut self) -> KeyHash {
        let hash = self.hasher.finish128();
        self.hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        KeyHash([hash.h1, hash.h2])
    }

    /// How much of the memory that was granted is taken.
    pub(crate) fn percent(&self) -> u64 {
        self.count.saturating_mul(100) / self.granted
    }

    /// Whether no further key may come.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= self.count_max
    }

    /// Notes that a key has a record at `offset`; later calls have higher offsets.
    pub(crate) fn put(&mut self, key: KeyHash, offset: Offset) {
        let Some(at) = self.find(key) else { return };
        let slot = &mut self.slots[at];
        let is_new = slot[2] == 0;
        *slot = [key.0[0], key.0[1], u64::try_from(offset.0).unwrap_or(0).saturating_add(1)];
        if is_new {
            self.count += 1;
            self.grow_if_crowded();
        }
    }

    /// The newest offset of a key.
    pub(crate) fn newest(&self, key: KeyHash) -> Option<Offset> {
        let stored = self.slots[self.find(key)?][2].checked_sub(1)?;
        i64::try_from(stored).ok().map(Offset)
    }

    /// The slot that holds the key, or the free one where it would go; `None` when neither is
    /// there, which only a map that is full has.
    fn find(&self, key: KeyHash) -> Option<usize> {
        let (before, from) = self.slots.split_at(self.home(key));
        let is_it = |slot: &[u64; 3]| slot[2] == 0 || (slot[0] == key.0[0] && slot[1] == key.0[1]);
        let behind = from.iter().position(is_it).map(|step| before.len() + step);
        behind.or_else(|| before.iter().position(is_it))
    }

    /// Where the search for a key begins: its hash as a part of all hashes, of all slots.
    fn home(&self, key: KeyHash) -> usize {
        let scaled = u128::from(key.0[0]) * (self.slots.len() as u128);
        usize::try_from(scaled >> u64::BITS).expect("it is below the number of slots")
    }

    /// Moves to a larger map when few slots are free: to one of twice the size as long as the
    /// largest of all can be made beside that, else to the largest.
    fn grow_if_crowded(&mut self) {
        let len = self.slots.len() as u64;
        if self.count < len - len / 8 {
            return;
        }
        let twice = len.saturating_mul(2);
        let next = match twice.saturating_add(self.most) <= self.granted {
            true => twice.min(self.most),
            false => self.most.min(self.granted - len),
        };
        if next <= len {
            return;
        }
        let old = std::mem::replace(&mut self.slots, free_slots(next));
        for slot in old.iter().filter(|slot| slot[2] > 0) {
            let at = self.find(KeyHash([slot[0], slot[1]])).expect("there are more slots");
            self.slots[at] = *slot;
        }
    }
}

fn free_slots(count: u64) -> Vec<[u64; 3]> {
    vec![[0; 3]; usize::try_from(count).unwrap_or(usize::MAX)]
}

/// The fewest slots, so that every pass gets on.
const SLOTS_MIN: u64 = 16;
/// The map begins with this part of what was granted: 2 MiB of Kafka's default of 128.
const FIRST_PART: u64 = 64;
const LOAD_FACTOR_MIN: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(keys: &mut Keys, key: &[u8]) -> KeyHash {
        keys.feed(key);
        keys.take_hash()
    }

    #[test]
    fn the_newest_offset_of_each_key_is_found_again() {
        let mut keys = Keys::new(1 << 20, 0.9, 2_000, [1, 2]);
        for offset in 0..2_000_u32 {
            let hash = hash(&mut keys, &(offset % 700).to_be_bytes());
            keys.put(hash, Offset(offset.into()));
        }
        for key in 0..700_u32 {
            let newest = if key < 600 { 1_400 + key } else { 700 + key };
            let hash = hash(&mut keys, &key.to_be_bytes());
            assert_eq!(keys.newest(hash), Some(Offset(newest.into())));
        }
        let unknown = hash(&mut keys, b"never put");
        assert_eq!(keys.newest(unknown), None);
    }

    #[test]
    fn a_key_in_parts_is_the_same_key() {
        let mut keys = Keys::new(0, 0.9, 5, [1, 2]);
        let whole = hash(&mut keys, b"abcdefghijk");
        keys.feed(b"abc");
        keys.feed(b"defghij");
        keys.feed(b"k");
        assert_eq!(keys.take_hash(), whole);
        assert_ne!(hash(&mut keys, b""), whole);
    }

    /// Fills a map of so many granted slots and offsets: the sizes that it has on the way, and how
    /// many keys it takes.
    fn check(granted: u64, load_factor: f64, span: u64, expect: (&[usize], u64)) {
        let mut keys = Keys::new(granted * SLOT_BYTES, load_factor, span, [1, 2]);
        let mut sizes = vec![keys.slots.len()];
        for offset in 0..span {
            if keys.is_full() {
                break;
            }
            let hash = hash(&mut keys, &offset.to_be_bytes());
            keys.put(hash, Offset(offset.cast_signed()));
            if sizes.last() != Some(&keys.slots.len()) {
                let together = sizes.last().unwrap() + keys.slots.len();
                assert!(together as u64 <= granted, "{together} of {granted}");
                sizes.push(keys.slots.len());
            }
        }
        for offset in 0..keys.count {
            let hash = hash(&mut keys, &offset.to_be_bytes());
            assert_eq!(keys.newest(hash), Some(Offset(offset.cast_signed())));
        }
        assert_eq!((&sizes[..], keys.count), expect);
    }

    #[test]
    fn memory_grows_with_the_keys_and_is_never_more_than_was_granted() {
        check(1_000, 0.9, 1 << 40, (&[16, 984], 900));
        check(64_000, 0.9, 1 << 40, (&[1_000, 63_000], 57_600));
        check(64_000, 1.0, 1 << 40, (&[1_000, 63_000], 63_000));
        check(64_000, 0.9, 8_000, (&[1_000, 2_000, 4_000, 8_000, 9_016], 8_000));
        check(64_000, 0.9, 500, (&[578], 500));
        check(16, 1.0, 1 << 40, (&[16], 16));
    }

    #[test]
    fn a_map_without_a_free_slot_finds_nothing_that_it_does_not_have() {
        let mut keys = Keys::new(24 * 16, 1.0, 1 << 40, [1, 2]);
        for offset in 0..16_u8 {
            assert!(!keys.is_full());
            let hash = hash(&mut keys, &[offset]);
            keys.put(hash, Offset(offset.into()));
        }
        assert!(keys.is_full());
        let unknown = hash(&mut keys, b"one more");
        assert_eq!(keys.newest(unknown), None);
    }
}
