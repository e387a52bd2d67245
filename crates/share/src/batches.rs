//! Batches of delivery states: ranges of offsets that are in one state after as many deliveries.
//!
//! What is written is laid over what is known: where both speak of an offset, the one that was
//! delivered more often counts, then the state that comes later in a record's life
//! (PersisterStateBatchCombiner). Whoever writes may write anything, and as much of it as a request
//! holds. Must hold: the result is sorted, without overlaps, and two neighbours differ; it takes
//! time and room of the order of what was written, however it overlaps.

use std::collections::BinaryHeap;

use ottla_wire::Offset;

use crate::state::UNSET;

/// Records of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateBatch {
    /// The first offset.
    pub first: Offset,
    /// The last offset.
    pub last: Offset,
    /// Kafka's number of the state: 0 available, 2 acknowledged, 3 archiving, 4 archived.
    pub state: i8,
    /// How often the records were delivered.
    pub count: i16,
}

impl StateBatch {
    fn rank(&self) -> (i16, i8) {
        (self.count, self.state)
    }

    fn cut(&self, first: Offset, last: Offset) -> StateBatch {
        StateBatch { first, last, ..*self }
    }

    /// Bytes from outside may say anything: what ends before it begins says nothing.
    fn is_sound(&self) -> bool {
        self.first > Offset(i64::MIN) && self.last >= self.first && self.last < Offset(i64::MAX)
    }
}

/// Lays `new` over `old` and drops what is below `start`, where there is one.
pub(crate) fn combine(old: &[StateBatch], new: &[StateBatch], start: Offset) -> Vec<StateBatch> {
    let sound = old.iter().chain(new).filter(|batch| batch.is_sound());
    let mut batches: Vec<StateBatch> = match start {
        UNSET => sound.copied().collect(),
        _ => sound
            .filter(|batch| batch.last >= start)
            .map(|batch| batch.cut(batch.first.max(start), batch.last))
            .collect(),
    };
    batches.sort_by_key(|batch| batch.first);
    let mut combined: Vec<StateBatch> = Vec::with_capacity(batches.len());
    let mut coming = batches.iter().peekable();
    // Those that reach so far, the one that counts on top.
    let mut reaching: BinaryHeap<(i16, i8, Offset)> = BinaryHeap::new();
    let mut at = Offset(i64::MIN);
    loop {
        while reaching.peek().is_some_and(|(.., last)| *last < at) {
            reaching.pop();
        }
        if reaching.is_empty() {
            let Some(next) = coming.peek() else { return combined };
            at = at.max(next.first);
        }
        while let Some(batch) = coming.next_if(|batch| batch.first <= at) {
            reaching.push((batch.count, batch.state, batch.last));
        }
        let Some((count, state, last)) = reaching.peek().copied() else { continue };
        let until = coming.peek().map_or(last, |next| last.min(before(next.first)));
        push(&mut combined, StateBatch { first: at, last: until, state, count });
        at = until.next();
    }
}

fn before(offset: Offset) -> Offset {
    Offset(offset.0 - 1)
}

/// Goes on with the last one where that stands alike.
fn push(combined: &mut Vec<StateBatch>, batch: StateBatch) {
    match combined.last_mut() {
        Some(former) if former.last.next() == batch.first && former.rank() == batch.rank() => {
            former.last = batch.last;
        }
        _ => combined.push(batch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: &str) -> Vec<StateBatch> {
        let read = |word: &str| {
            let numbers: Vec<i64> =
                word.split(['-', ':', '/']).map(|number| number.parse().unwrap()).collect();
            StateBatch {
                first: Offset(numbers[0]),
                last: Offset(numbers[1]),
                state: i8::try_from(numbers[2]).unwrap(),
                count: i16::try_from(numbers[3]).unwrap(),
            }
        };
        text.split_whitespace().map(read).collect()
    }

    fn check(old: &str, new: &str, start: i64, expect: &str) {
        let told: Vec<String> = combine(&batches(old), &batches(new), Offset(start))
            .iter()
            .map(|batch| format!("{}-{}:{}/{}", batch.first, batch.last, batch.state, batch.count))
            .collect();
        assert_eq!(told.join(" "), expect);
    }

    #[test]
    fn what_is_new_is_laid_over_what_is_known() {
        check("", "0-9:2/1", 0, "0-9:2/1");
        check("0-9:0/1", "3-5:2/1", 0, "0-2:0/1 3-5:2/1 6-9:0/1");
        check("0-4:0/1 7-9:0/1", "2-8:2/1", 0, "0-1:0/1 2-8:2/1 9-9:0/1");
        check("5-9:0/1", "0-20:4/2", 0, "0-20:4/2");
    }

    #[test]
    fn the_greater_count_and_then_the_later_state_wins() {
        check("0-9:0/2", "0-9:2/1", 0, "0-9:0/2");
        check("0-9:2/1", "0-9:0/1", 0, "0-9:2/1");
        check("0-9:0/1", "0-9:0/2", 0, "0-9:0/2");
    }

    #[test]
    fn neighbours_of_one_state_become_one_and_what_is_below_the_start_goes() {
        check("0-4:2/1", "5-9:2/1", 0, "0-9:2/1");
        check("0-4:2/1 8-9:0/1", "5-7:2/1", 3, "3-7:2/1 8-9:0/1");
        check("0-4:2/1", "5-9:2/1", 10, "");
    }

    #[test]
    fn nonsense_from_outside_is_passed_over() {
        check("", "9-3:2/1 0-1:2/1 5-9223372036854775807:0/1", 0, "0-1:2/1");
    }

    #[test]
    fn what_begins_below_the_first_offset_is_cut_where_the_group_begins() {
        let batch = |first, last| StateBatch { first, last, state: 2, count: 1 };
        let new = [batch(Offset(-9), Offset(-3)), batch(Offset(-1), Offset(12))];
        assert_eq!(combine(&[], &new, Offset(10)), [batch(Offset(10), Offset(12))]);
        assert_eq!(combine(&[], &new, UNSET), new);
        let all = batch(Offset(i64::MIN + 1), Offset(i64::MAX - 1));
        let laid = combine(&[all], &new, UNSET);
        assert_eq!(laid, [all]);
    }

    #[test]
    fn long_lists_that_overlap_a_thousandfold_are_laid_in_one_walk() {
        let small = (0..50_000).map(|at| StateBatch {
            first: Offset(2 * at),
            last: Offset(2 * at),
            state: 0,
            count: 1,
        });
        let small: Vec<StateBatch> = small.collect();
        let over = |at| StateBatch {
            first: Offset(at),
            last: Offset(99_999),
            state: i8::try_from(at % 5).unwrap(),
            count: i16::try_from(at % 7).unwrap(),
        };
        let over: Vec<StateBatch> = (0..50_000).map(over).collect();
        let last = StateBatch { first: Offset(34), last: Offset(99_999), state: 4, count: 6 };
        assert_eq!(combine(&small, &over, Offset(0)).last(), Some(&last));
    }
}
