//! The orders of Java's `HashMap` and `PriorityQueue`, by which Kafka's assignor chooses between
//! equals.
//!
//! With them a group that moves between Kafka and here keeps its tasks where they are. Not here:
//! buckets that have become trees, which takes eight of a kind. Must hold: the same insertions give
//! the order that Java gives.

use std::cmp::Ordering;

/// The places of keys, which were inserted in this order, as a map iterates over them whose table
/// was made for `table` entries.
pub(super) fn hash_order(keys: &[&str], table: usize) -> Vec<usize> {
    let mut capacity = table.next_power_of_two();
    while keys.len() > capacity * 3 / 4 {
        capacity *= 2;
    }
    let mask = u32::try_from(capacity - 1).unwrap_or(u32::MAX);
    let mut places: Vec<usize> = (0..keys.len()).collect();
    places.sort_by_key(|at| {
        let hash = hash(keys[*at]);
        (hash ^ (hash >> 16)) & mask
    });
    places
}

/// `String.hashCode`
fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// The table of a map that was made for nothing in particular.
pub(super) const TABLE: usize = 16;

/// A heap whose order is given with each operation, since it changes in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Heap {
    items: Vec<usize>,
}

impl Heap {
    pub(super) fn push(&mut self, item: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let mut at = self.items.len();
        self.items.push(item);
        while at > 0 {
            let parent = (at - 1) / 2;
            if compare(item, self.items[parent]).is_ge() {
                break;
            }
            self.items.swap(at, parent);
            at = parent;
        }
    }

    pub(super) fn pop(&mut self, compare: impl Fn(usize, usize) -> Ordering) -> Option<usize> {
        let last = self.items.pop()?;
        let Some(first) = self.items.first_mut() else { return Some(last) };
        let least = std::mem::replace(first, last);
        let mut at = 0;
        loop {
            let mut child = 2 * at + 1;
            let Some(left) = self.items.get(child) else { break };
            if self.items.get(child + 1).is_some_and(|right| compare(*left, *right).is_gt()) {
                child += 1;
            }
            if compare(last, self.items[child]).is_le() {
                break;
            }
            self.items.swap(at, child);
            at = child;
        }
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_javas_hash_map() {
        // for (String key : List.of("one", "two", "three", "four", "p0")) map.put(key, 1);
        // for (String key : map.keySet()) System.out.print(key + " ");
        let keys = ["one", "two", "three", "four", "p0"];
        let order: Vec<&str> = hash_order(&keys, TABLE).into_iter().map(|at| keys[at]).collect();
        assert_eq!(order, JAVA);
        let order: Vec<&str> = hash_order(&keys, 1).into_iter().map(|at| keys[at]).collect();
        assert_eq!(order, JAVA_FROM_ONE);
    }

    #[test]
    fn the_least_comes_first_and_equals_as_javas_heap_has_them() {
        let mut heap = Heap::default();
        let weights = [5, 1, 4, 1, 3];
        let compare = |a: usize, b: usize| weights[a].cmp(&weights[b]);
        (0..5).for_each(|item| heap.push(item, compare));
        let popped: Vec<usize> = std::iter::from_fn(|| heap.pop(compare)).collect();
        assert_eq!(popped, [1, 3, 4, 2, 0]);
    }

    const JAVA: [&str; 5] = ["p0", "four", "one", "two", "three"];
    const JAVA_FROM_ONE: [&str; 5] = ["p0", "two", "three", "four", "one"];
}
