//! Batches of delivery states: ranges of offsets that are in one state after as many deliveries.
//!
//! What is written is laid over what is known: where both speak of an offset, the one that was
//! delivered more often counts, then the state that comes later in a record's life
//! (PersisterStateBatchCombiner). Must hold: the result is sorted, without overlaps, and two
//! neighbours differ.

use std::collections::BTreeMap;

use ottla_wire::Offset;

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

    /// Bytes from outside may say anything.
    fn is_sound(&self) -> bool {
        self.first >= Offset(0) && self.last >= self.first && self.last < Offset(i64::MAX)
    }
}

fn before(offset: Offset) -> Offset {
    Offset(offset.0 - 1)
}

/// Lays `new` over `old` and drops what is below `start`.
pub(crate) fn combine(old: &[StateBatch], new: &[StateBatch], start: Offset) -> Vec<StateBatch> {
    let mut laid = BTreeMap::new();
    for batch in old.iter().chain(new).filter(|batch| batch.is_sound()) {
        lay(&mut laid, *batch);
    }
    let mut combined: Vec<StateBatch> = Vec::with_capacity(laid.len());
    for batch in laid.into_values().filter(|batch| batch.last >= start) {
        let batch = batch.cut(batch.first.max(start), batch.last);
        match combined.last_mut() {
            Some(former) if former.last.next() == batch.first && former.rank() == batch.rank() => {
                former.last = batch.last;
            }
            _ => combined.push(batch),
        }
    }
    combined
}

fn lay(laid: &mut BTreeMap<Offset, StateBatch>, batch: StateBatch) {
    let (first, last) = (batch.first, batch.last);
    let reaching = laid.range(..first).next_back().filter(|(_, known)| known.last >= first);
    let from = reaching.map_or(first, |(known, _)| *known);
    let overlapped: Vec<StateBatch> = laid.range(from..=last).map(|(_, known)| *known).collect();
    let mut put = |piece: StateBatch| {
        if piece.first <= piece.last {
            laid.insert(piece.first, piece);
        }
    };
    let mut at = first;
    for known in overlapped {
        let (low, high) = (known.first.max(first), known.last.min(last));
        if known.first < first {
            put(known.cut(known.first, before(first)));
        }
        put(batch.cut(at, before(low)));
        let winner = if known.rank() > batch.rank() { known } else { batch };
        put(winner.cut(low, high));
        put(known.cut(last.next().max(known.first), known.last));
        at = high.next();
    }
    put(batch.cut(at, last));
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
}
