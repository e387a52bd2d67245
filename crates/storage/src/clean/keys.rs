//! The newest offset of each key, by the key's hash.
//!
//! Keys are told apart by 128 bits of SipHash under a secret of the pass: keys that were made to
//! collide would need the secret (Apache Kafka takes MD5, which needs none). Must hold: memory is
//! what was granted, or less when there are fewer offsets than would fill it; it is gone with the
//! pass.

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
    secret: [u64; 2],
    hasher: SipHasher13,
}

impl Keys {
    /// Room for the keys of `span` offsets, in at most `bytes`, of which `load_factor` are used.
    pub(crate) fn new(bytes: u64, load_factor: f64, span: u64, secret: [u64; 2]) -> Keys {
        let granted = (bytes / SLOT_BYTES).max(SLOTS_MIN);
        // A tenth more than there are offsets keeps the ways short.
        let needed = span.saturating_add(span / 8).saturating_add(SLOTS_MIN);
        let slots = usize::try_from(granted.min(needed)).unwrap_or(usize::MAX);
        let load_factor = load_factor.clamp(LOAD_FACTOR_MIN, 1.0);
        // A product of a count and a number up to one is a count again: nothing is cut off.
        let count_max = ((granted as f64) * load_factor) as u64;
        Keys {
            slots: vec![[0; 3]; slots],
            count: 0,
            count_max: count_max.max(1),
            granted,
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
        self.count += u64::from(slot[2] == 0);
        *slot = [key.0[0], key.0[1], u64::try_from(offset.0).unwrap_or(0).saturating_add(1)];
    }

    /// The newest offset of a key.
    pub(crate) fn newest(&self, key: KeyHash) -> Option<Offset> {
        let stored = self.slots[self.find(key)?][2].checked_sub(1)?;
        i64::try_from(stored).ok().map(Offset)
    }

    /// The slot that holds the key, or the free one where it would go; `None` when neither is
    /// there, which only a map that is full has.
    fn find(&self, key: KeyHash) -> Option<usize> {
        let len = self.slots.len();
        let first = usize::try_from(key.0[0] % len as u64).unwrap_or(0);
        (0..len).map(|step| (first + step) % len).find(|at| {
            let slot = &self.slots[*at];
            slot[2] == 0 || (slot[0] == key.0[0] && slot[1] == key.0[1])
        })
    }
}

/// The fewest slots, so that every pass gets on.
const SLOTS_MIN: u64 = 16;
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

    #[test]
    fn memory_is_what_was_granted_or_less() {
        let keys = Keys::new(24_000, 0.9, 1 << 40, [1, 2]);
        assert_eq!((keys.slots.len(), keys.count_max), (1_000, 900));
        let keys = Keys::new(128 << 20, 0.9, 80, [1, 2]);
        assert_eq!(keys.slots.len(), 106);
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
