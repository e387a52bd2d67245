//! A sorted map whose copies share what has not changed since.
//!
//! A decision is taken on a copy of its group: a copy of this costs a pointer per leaf, and a
//! change copies one leaf of at most 64 entries, whatever the size of the map. Not here: what is in
//! it. Must hold: no leaf is empty, leaves and entries are in order, and two maps with the same
//! entries are equal, however their leaves came to be.

use std::borrow::Borrow;
use std::sync::Arc;

/// A sorted map that is cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct SharedMap<K, V> {
    leaves: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.leaves.iter().flat_map(|leaf| leaf.iter());
        entries.map(|(key, value)| {
            #[cfg(test)]
            walked::one();
            (key, value)
        })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let leaf = self.leaves.get(self.leaf_of(key))?;
        let at = place_of(leaf, key).ok()?;
        leaf.get(at).map(|(_, value)| value)
    }

    /// The key as it stands in the map.
    pub(crate) fn key<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        let leaf = self.leaves.get(self.leaf_of(key))?;
        let at = place_of(leaf, key).ok()?;
        leaf.get(at).map(|(key, _)| key)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts an entry or, without a value, removes it; gives what stood there.
    pub(crate) fn set<Q: Ord + ?Sized>(
        &mut self,
        key: &Q,
        own: impl FnOnce(&Q) -> K,
        value: Option<V>,
    ) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // What belongs behind all others goes to the last leaf.
        let at_leaf = self.leaf_of(key).min(self.leaves.len().saturating_sub(1));
        let Some(shared) = self.leaves.get_mut(at_leaf) else {
            self.leaves.push(Arc::new(vec![(own(key), value?)]));
            self.len = 1;
            return None;
        };
        let found = place_of(shared, key);
        if value.is_none() && found.is_err() {
            return None;
        }
        let leaf = Arc::make_mut(shared);
        match (found, value) {
            (Ok(at), Some(value)) => {
                leaf.get_mut(at).map(|(_, place)| std::mem::replace(place, value))
            }
            (Err(at), Some(value)) => {
                // A leaf has few entries, and most maps have one leaf for as long as they live.
                leaf.reserve_exact(1);
                leaf.insert(at, (own(key), value));
                self.len += 1;
                if leaf.len() > LEAF_ENTRIES_MAX {
                    let behind = leaf.split_off(leaf.len() / 2);
                    self.leaves.insert(at_leaf + 1, Arc::new(behind));
                }
                None
            }
            (Ok(at), None) => {
                let (_, before) = leaf.remove(at);
                self.len -= 1;
                if leaf.is_empty() {
                    self.leaves.remove(at_leaf);
                }
                Some(before)
            }
            (Err(_), None) => None,
        }
    }

    /// How many leaves it does not share with another of as many leaves.
    #[cfg(test)]
    pub(crate) fn copied(&self, other: &Self) -> usize {
        let leaves = self.leaves.iter().zip(&other.leaves);
        leaves.filter(|(one, other)| !Arc::ptr_eq(one, other)).count()
    }

    /// The first leaf whose last key is not before this one.
    fn leaf_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.leaves.partition_point(|leaf| leaf.last().is_some_and(|(last, _)| last.borrow() < key))
    }
}

fn place_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(leaf: &[(K, V)], key: &Q) -> Result<usize, usize> {
    leaf.binary_search_by(|(known, _)| known.borrow().cmp(key))
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap { leaves: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Clone + PartialEq, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

const LEAF_ENTRIES_MAX: usize = 64;

/// How many entries were walked over by this thread: a test can tell that a decision looks at few.
#[cfg(test)]
pub(crate) mod walked {
    use std::cell::Cell;

    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

    pub(crate) fn one() {
        COUNT.set(COUNT.get() + 1);
    }

    pub(crate) fn during(act: impl FnOnce()) -> usize {
        let before = COUNT.get();
        act();
        COUNT.get() - before
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn put(map: &mut SharedMap<u64, u64>, key: u64, value: Option<u64>) -> Option<u64> {
        map.set(&key, |key| *key, value)
    }

    #[test]
    fn it_is_a_sorted_map_whatever_is_put_and_removed() {
        let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..20_000_u64 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let key = dice % 700;
            // It grows, and shrinks to nothing.
            let puts = if step < 10_000 { dice >> 32 & 3 > 0 } else { dice >> 32 & 7 == 0 };
            if puts {
                assert_eq!(put(&mut map, key, Some(step)), model.insert(key, step));
            } else {
                assert_eq!(put(&mut map, key, None), model.remove(&key));
            }
            assert_eq!((map.len(), map.get(&key)), (model.len(), model.get(&key)));
            if step % 97 == 0 {
                assert!(map.iter().eq(model.iter()));
                assert!(map.leaves.iter().all(|leaf| !leaf.is_empty()));
            }
        }
        for key in 0..700 {
            assert_eq!(put(&mut map, key, None), model.remove(&key));
        }
        assert!(map.is_empty() && map == SharedMap::default());
    }

    #[test]
    fn a_change_copies_one_leaf_and_leaves_the_copy_as_it_was() {
        let mut map = SharedMap::default();
        for key in 0..1_000 {
            put(&mut map, key, Some(key));
        }
        let before = map.clone();
        assert_eq!(put(&mut map, 500, Some(7)), Some(500));
        assert_eq!(map.copied(&before), 1);
        assert_eq!((before.get(&500), map.get(&500)), (Some(&500), Some(&7)));
    }
}
