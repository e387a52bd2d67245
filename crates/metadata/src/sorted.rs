//! A sorted map whose clone costs nothing and whose changes copy little: what the image is made of.
//!
//! Entries lie in chunks of a few dozen behind one list of chunks, all of them shared. A change
//! copies one chunk and the list, so it costs about the square root of the size while a clone is
//! alive, and nothing extra when none is. Chunks that two maps share are equal without a look.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Entries of a chunk before it is split.
const CHUNK_MAX: usize = 64;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map that is cheap to clone.
pub struct SortedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> SortedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// All keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Whether both are the very same map, without looking into it.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    /// The entry that `order` calls equal; `order` tells how a key stands to what is looked for.
    fn search(&self, order: impl Fn(&K) -> Ordering) -> Result<(usize, usize), (usize, usize)> {
        let below =
            |chunk: &Chunk<K, V>| chunk.last().is_some_and(|(key, _)| order(key) == Ordering::Less);
        let at = self.chunks.partition_point(below);
        match self.chunks.get(at) {
            Some(chunk) => match chunk.binary_search_by(|(key, _)| order(key)) {
                Ok(index) => Ok((at, index)),
                Err(index) => Err((at, index)),
            },
            None => Err((at, 0)),
        }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(|known| known.borrow().cmp(key))
    }

    /// The value of the key that `order` calls equal, for keys that cannot be borrowed as needed.
    pub fn find(&self, order: impl Fn(&K) -> Ordering) -> Option<&V> {
        let (chunk, index) = self.search(order).ok()?;
        Some(&self.chunks[chunk][index].1)
    }

    /// The entry that `order` calls equal; which one is open when there are several.
    pub fn entry_by(&self, order: impl Fn(&K) -> Ordering) -> Option<(&K, &V)> {
        let (chunk, index) = self.search(order).ok()?;
        let (key, value) = &self.chunks[chunk][index];
        Some((key, value))
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The entry with the greatest key.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }
}

impl<K: Ord + Clone, V: Clone> SortedMap<K, V> {
    /// Puts `value` in, and gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.search(|known| known.cmp(&key)) {
            Ok((chunk, index)) => {
                let chunks = Arc::make_mut(&mut self.chunks);
                let entry = &mut Arc::make_mut(&mut chunks[chunk])[index];
                Some(std::mem::replace(&mut entry.1, value))
            }
            Err((chunk, index)) => {
                self.insert_new(chunk, index, key, value);
                None
            }
        }
    }

    fn insert_new(&mut self, chunk: usize, index: usize, key: K, value: V) {
        self.len += 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        // A key above all others goes to the end of the last chunk.
        let (chunk, index) = match chunks.len() {
            0 => {
                chunks.push(Arc::new(vec![(key, value)]));
                return;
            }
            count if chunk == count => (count - 1, chunks[count - 1].len()),
            _ => (chunk, index),
        };
        let entries = Arc::make_mut(&mut chunks[chunk]);
        entries.insert(index, (key, value));
        if entries.len() > CHUNK_MAX {
            // Records mostly come in ascending order, so the last chunk is left nearly full.
            let keep = if chunk + 1 == chunks.len() { CHUNK_MAX - 8 } else { CHUNK_MAX / 2 };
            let upper = Arc::make_mut(&mut chunks[chunk]).split_off(keep);
            chunks.insert(chunk + 1, Arc::new(upper));
        }
    }

    /// Takes `key` out, and gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_by(|known| known.borrow().cmp(key))
    }

    /// Takes the key out that `order` calls equal.
    pub fn remove_by(&mut self, order: impl Fn(&K) -> Ordering) -> Option<V> {
        let (chunk, index) = self.search(order).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let (_, value) = Arc::make_mut(&mut chunks[chunk]).remove(index);
        if chunks[chunk].is_empty() {
            chunks.remove(chunk);
        }
        self.len -= 1;
        Some(value)
    }

    /// Changes the value of `key` in place.
    pub fn value_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (chunk, index) = self.search(|known| known.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        Some(&mut Arc::make_mut(&mut chunks[chunk])[index].1)
    }

    /// The keys whose values differ between `old` and this map, in order.
    pub fn changed_since(&self, old: &Self) -> Vec<K>
    where
        V: PartialEq,
    {
        let mut changed = Vec::new();
        if self.is_same(old) {
            return changed;
        }
        let (mut a, mut b) = (Cursor::new(old), Cursor::new(self));
        loop {
            while let (Some(x), Some(y)) = (a.whole_chunk(), b.whole_chunk()) {
                if !Arc::ptr_eq(x, y) {
                    break;
                }
                a.skip_chunk();
                b.skip_chunk();
            }
            match (a.peek(), b.peek()) {
                (None, None) => return changed,
                (Some((key, _)), None) => {
                    changed.push(key.clone());
                    a.step();
                }
                (None, Some((key, _))) => {
                    changed.push(key.clone());
                    b.step();
                }
                (Some((x, old)), Some((y, new))) => match x.cmp(y) {
                    Ordering::Less => {
                        changed.push(x.clone());
                        a.step();
                    }
                    Ordering::Greater => {
                        changed.push(y.clone());
                        b.step();
                    }
                    Ordering::Equal => {
                        if old != new {
                            changed.push(x.clone());
                        }
                        a.step();
                        b.step();
                    }
                },
            }
        }
    }
}

/// A place in a map.
struct Cursor<'a, K, V> {
    chunks: &'a [Chunk<K, V>],
    index: usize,
}

impl<'a, K, V> Cursor<'a, K, V> {
    fn new(map: &'a SortedMap<K, V>) -> Self {
        Cursor { chunks: &map.chunks, index: 0 }
    }

    /// The chunk whose first entry is the next one.
    fn whole_chunk(&self) -> Option<&'a Chunk<K, V>> {
        self.chunks.first().filter(|_| self.index == 0)
    }

    fn skip_chunk(&mut self) {
        self.chunks = &self.chunks[1..];
        self.index = 0;
    }

    fn peek(&self) -> Option<&'a (K, V)> {
        self.chunks.first().map(|chunk| &chunk[self.index])
    }

    fn step(&mut self) {
        self.index += 1;
        if self.chunks.first().is_some_and(|chunk| self.index == chunk.len()) {
            self.skip_chunk();
        }
    }
}

impl<K, V> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        SortedMap { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap { chunks: Arc::default(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SortedMap::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ottla_machine::Prng;

    use super::*;

    #[test]
    fn it_behaves_like_a_btree_map_and_tells_what_changed() {
        let mut random = Prng::new(7);
        let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
        for round in 0..60 {
            let (old, old_model) = (map.clone(), model.clone());
            for _ in 0..random.below(40) {
                let key = u32::try_from(random.below(700)).unwrap();
                if random.below(3) == 0 {
                    assert_eq!(map.remove(&key), model.remove(&key));
                } else {
                    assert_eq!(map.insert(key, round), model.insert(key, round));
                }
            }
            assert_eq!(map.len(), model.len());
            assert!(map.iter().eq(model.iter()));
            assert!(old.iter().eq(old_model.iter()), "a clone sees no later change");
            let keys = old_model.keys().chain(model.keys()).copied();
            let differs = |key: &u32| old_model.get(key) != model.get(key);
            let expected: std::collections::BTreeSet<u32> = keys.filter(differs).collect();
            assert!(map.changed_since(&old).iter().eq(expected.iter()));
            assert_eq!(map.get(&350), model.get(&350));
        }
    }

    #[test]
    fn ascending_keys_fill_their_chunks() {
        let map: SortedMap<u32, ()> = (0..10_000).map(|key| (key, ())).collect();
        assert_eq!(map.len(), 10_000);
        assert!(map.chunks.len() < 200, "{} chunks", map.chunks.len());
        assert_eq!(map.last(), Some((&9_999, &())));
    }
}
