//! What became of transactions: every append, decision and read, and what must hold of them all.
//!
//! The workload is the one of the published Jepsen analyses of brokers of this protocol: partitions
//! are lists, transactions append to several of them, and readers see prefixes of lists; what
//! movers carry over is a queue. Must hold: an outcome that nobody knows may be either, but whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// What can be wrong with a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Anomaly {
    /// What was committed, or read, is not there.
    Lost,
    /// An element is there twice.
    Doubled,
    /// A writer's elements are not in its order, or two reads do not agree.
    Reordered,
    /// What was never committed was read.
    DirtyRead,
    /// A part of a transaction is there.
    Torn,
    /// A transaction does not end.
    Hanging,
}

/// One element of a list: the transaction that appended it, and which of its appends it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// Who appended it.
    pub writer: u32,
    /// Counted for each writer, from 0 on.
    pub transaction: u32,
    /// Counted within the transaction, from 0 on.
    pub place: u32,
}

impl Element {
    /// Reads what `Display` writes: `writer.transaction.place`.
    pub fn parse(text: &[u8]) -> Option<Element> {
        let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Element { writer: next()?, transaction: next()?, place: next()? })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.writer, self.transaction, self.place)
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a transaction ended, as far as its writer knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its commit was never asked for.
    Open,
    /// Its commit was asked for.
    Asked,
    /// The commit was answered.
    Committed,
    /// The end was answered, and nothing of it counts.
    Aborted,
}

/// A partition of the lists.
pub type List = i32;

/// Everything observed; clones are the same history.
#[derive(Clone, Default)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// By writer and transaction.
    transactions: BTreeMap<(u32, u32), Transaction>,
    /// What readers saw, by list and offset.
    read: BTreeMap<(List, i64), Element>,
    anomalies: Vec<(Anomaly, String)>,
}

struct Transaction {
    outcome: Outcome,
    appended: Vec<(List, Element)>,
}

impl History {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with the history")
    }

    /// A writer begins its next transaction; gives its number.
    pub fn begin(&self, writer: u32) -> u32 {
        let mut inner = self.inner();
        let last = inner.transactions.range((writer, 0)..=(writer, u32::MAX)).next_back();
        let next = last.map_or(0, |((_, last), _)| last + 1);
        let begun = Transaction { outcome: Outcome::Open, appended: Vec::new() };
        inner.transactions.insert((writer, next), begun);
        next
    }

    /// Whether a writer has begun this transaction.
    pub(crate) fn has(&self, writer: u32, transaction: u32) -> bool {
        self.inner().transactions.contains_key(&(writer, transaction))
    }

    /// A writer is about to append to a list.
    pub fn append(&self, writer: u32, transaction: u32, list: List) -> Element {
        let mut inner = self.inner();
        let known = inner.transactions.get_mut(&(writer, transaction)).expect("it has begun");
        let place = u32::try_from(known.appended.len()).expect("a few");
        let element = Element { writer, transaction, place };
        known.appended.push((list, element));
        element
    }

    /// A writer learns, or decides, how its transaction ends.
    pub fn ends(&self, writer: u32, transaction: u32, outcome: Outcome) {
        let mut inner = self.inner();
        let known = inner.transactions.get_mut(&(writer, transaction)).expect("it has begun");
        known.outcome = outcome;
    }

    /// A reader of committed records is given an element.
    pub fn read(&self, list: List, offset: i64, element: Element) {
        let mut inner = self.inner();
        let before = inner.read.insert((list, offset), element);
        if let Some(before) = before.filter(|before| *before != element) {
            let what = format!("list {list} has {before} at {offset}, later {element}");
            inner.anomalies.push((Anomaly::Reordered, what));
        }
    }

    /// Something does not end.
    pub fn hangs(&self, what: String) {
        self.inner().anomalies.push((Anomaly::Hanging, what));
    }

    /// How many transactions there were, and how many of them were committed for certain.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.inner();
        let committed = inner.transactions.values().filter(|it| it.outcome == Outcome::Committed);
        (inner.transactions.len(), committed.count())
    }

    /// Judges everything by the lists as they are in the end.
    pub fn judge(&self, lists: &BTreeMap<List, Vec<(i64, Element)>>) {
        let mut found = Vec::new();
        let inner = self.inner();
        let mut seen = BTreeSet::new();
        for (list, elements) in lists {
            let mut last: BTreeMap<u32, Element> = BTreeMap::new();
            for (_, element) in elements {
                if !seen.insert((*list, *element)) {
                    found.push((Anomaly::Doubled, format!("{element} in list {list}")));
                }
                let before = last.insert(element.writer, *element);
                if let Some(before) = before.filter(|before| before > element) {
                    let what = format!("list {list}: {element} comes after {before}");
                    found.push((Anomaly::Reordered, what));
                }
            }
        }
        for ((list, offset), element) in &inner.read {
            let at = lists.get(list).into_iter().flatten().find(|(at, _)| at == offset);
            if at.map(|(_, there)| there) != Some(element) {
                let what =
                    format!("list {list}: {element} was read at {offset}, in the end: {at:?}");
                found.push((Anomaly::Lost, what));
            }
        }
        for (transaction, known) in &inner.transactions {
            found.extend(judge(*transaction, known, &seen, &inner.read));
        }
        drop(inner);
        self.inner().anomalies.extend(found);
    }

    /// Judges a queue by what went in and what came out, list by list.
    pub fn judge_queue(
        &self,
        inputs: &BTreeMap<List, Vec<(i64, Element)>>,
        outputs: &BTreeMap<List, Vec<(i64, Element)>>,
    ) {
        let mut inner = self.inner();
        for (list, inputs) in inputs {
            let elements = |of: &[(i64, Element)]| of.iter().map(|(_, it)| *it).collect::<Vec<_>>();
            let (inputs, outputs) =
                (elements(inputs), elements(outputs.get(list).map_or(&[], Vec::as_slice)));
            let count = |all: &[Element], one: &Element| all.iter().filter(|it| *it == one).count();
            let mut ordered = true;
            for element in &inputs {
                if !outputs.contains(element) {
                    ordered = false;
                    let what = format!("{element} did not come out of queue {list}");
                    inner.anomalies.push((Anomaly::Lost, what));
                }
            }
            for element in &outputs {
                let (came, went) = (count(&outputs, element), count(&inputs, element));
                let wrong = match went {
                    0 => Some(Anomaly::DirtyRead),
                    _ if came > went => Some(Anomaly::Doubled),
                    _ => None,
                };
                ordered &= wrong.is_none();
                let what = format!("{element} came out of queue {list} {came} times");
                inner.anomalies.extend(wrong.map(|wrong| (wrong, what)));
            }
            if ordered && inputs != outputs {
                let what = format!("queue {list} took {inputs:?} and gave {outputs:?}");
                inner.anomalies.push((Anomaly::Reordered, what));
            }
        }
    }

    /// Everything that was found so far.
    pub fn anomalies(&self) -> Vec<(Anomaly, String)> {
        self.inner().anomalies.clone()
    }
}

/// What is wrong with one transaction.
fn judge(
    (writer, number): (u32, u32),
    known: &Transaction,
    seen: &BTreeSet<(List, Element)>,
    read: &BTreeMap<(List, i64), Element>,
) -> Option<(Anomaly, String)> {
    let there = known.appended.iter().filter(|append| seen.contains(append)).count();
    let name = format!("transaction {writer}.{number}, {:?}", known.outcome);
    let is_of = |it: &&Element| (it.writer, it.transaction) == (writer, number);
    match known.outcome {
        Outcome::Open | Outcome::Aborted => {
            let early = read.values().find(is_of);
            (there > 0 || early.is_some())
                .then(|| (Anomaly::DirtyRead, format!("{name}: {there} are there, {early:?} read")))
        }
        Outcome::Committed if there == 0 && !known.appended.is_empty() => {
            Some((Anomaly::Lost, format!("{name}: nothing is there")))
        }
        Outcome::Asked | Outcome::Committed => {
            (there != 0 && there != known.appended.len()).then(|| {
                let all = known.appended.len();
                (Anomaly::Torn, format!("{name}: {there} of {all} are there"))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Aborted, Asked, Committed, Open};

    fn list(elements: &[&str]) -> Vec<(i64, Element)> {
        let parsed = elements.iter().map(|it| Element::parse(it.as_bytes()).expect("an element"));
        (0..).zip(parsed).collect()
    }

    /// Two transactions of one writer, each of which appends to lists 0 and 1.
    fn check(outcomes: [Outcome; 2], lists: [&[&str]; 2], expected: &[Anomaly]) {
        let history = History::default();
        for outcome in outcomes {
            let number = history.begin(1);
            history.append(1, number, 0);
            history.append(1, number, 1);
            history.ends(1, number, outcome);
        }
        history.judge(
            &lists.into_iter().map(list).enumerate().map(|(at, it)| (at as i32, it)).collect(),
        );
        let told = history.anomalies();
        let found: Vec<Anomaly> = told.iter().map(|(anomaly, _)| *anomaly).collect();
        assert_eq!(found, expected, "{told:?}");
    }

    #[test]
    fn what_became_of_transactions_is_judged_by_the_lists() {
        let (first, second): ([&[&str]; 2], [&[&str]; 2]) =
            ([&["1.0.0"], &["1.0.1"]], [&["1.0.0", "1.1.0"], &["1.0.1", "1.1.1"]]);
        check([Committed, Aborted], first, &[]);
        check([Committed, Asked], first, &[]);
        check([Committed, Asked], second, &[]);
        check([Committed, Open], second, &[Anomaly::DirtyRead]);
        check([Committed, Aborted], second, &[Anomaly::DirtyRead]);
        check([Committed, Committed], first, &[Anomaly::Lost]);
        check([Committed, Asked], [&["1.0.0", "1.1.0"], &["1.0.1"]], &[Anomaly::Torn]);
        check([Committed, Committed], [&["1.0.0", "1.1.0"], &["1.1.1"]], &[Anomaly::Torn]);
        check([Committed, Asked], [&["1.0.0", "1.0.0"], &["1.0.1"]], &[Anomaly::Doubled]);
        check(
            [Committed, Committed],
            [&["1.1.0", "1.0.0"], &["1.0.1", "1.1.1"]],
            &[Anomaly::Reordered],
        );
    }

    #[test]
    fn what_was_read_stays() {
        let history = History::default();
        let lists = BTreeMap::from([(0, list(&["1.0.0"]))]);
        let number = history.begin(1);
        let element = history.append(1, number, 0);
        history.ends(1, number, Committed);
        history.read(0, 0, element);
        history.read(0, 1, element);
        history.judge(&lists);
        let other = Element { writer: 2, ..element };
        history.read(0, 0, other);
        let found: Vec<Anomaly> = history.anomalies().iter().map(|(it, _)| *it).collect();
        assert_eq!(found, [Anomaly::Lost, Anomaly::Reordered]);
    }

    #[test]
    fn a_queue_gives_what_it_took_in_the_same_order() {
        let judged = |outputs: &[&str]| {
            let history = History::default();
            let inputs = BTreeMap::from([(0, list(&["1.0.0", "1.1.0"]))]);
            history.judge_queue(&inputs, &BTreeMap::from([(0, list(outputs))]));
            history.anomalies().iter().map(|(it, _)| *it).collect::<BTreeSet<_>>()
        };
        assert_eq!(judged(&["1.0.0", "1.1.0"]), BTreeSet::new());
        assert_eq!(judged(&["1.0.0"]), BTreeSet::from([Anomaly::Lost]));
        assert_eq!(judged(&["1.0.0", "1.0.0", "1.1.0"]), BTreeSet::from([Anomaly::Doubled]));
        assert_eq!(judged(&["1.1.0", "1.0.0"]), BTreeSet::from([Anomaly::Reordered]));
        assert_eq!(judged(&["1.0.0", "2.2.0", "1.1.0"]), BTreeSet::from([Anomaly::DirtyRead]));
    }
}
