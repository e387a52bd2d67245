//! What clients were promised and shown, and the invariants that are checked on it.
//!
//! Every observation is compared with all earlier ones when it is made. Must hold: a violation
//! carries the name of its invariant; none is ever taken back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ottla_client::{ClientError, TopicPartition};

/// What a node promises, and a client with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Invariant {
    /// Every acknowledged record is read back, at its offset.
    CommittedNeverLost,
    /// No record of an idempotent producer is there twice, or before an earlier one.
    NoDuplicateSequence,
    /// What a group has committed is there at every later look.
    OffsetsNeverGoBack,
    /// What a reader was shown stays, at its offset.
    NothingUnsyncedShown,
    /// The offsets of a partition follow each other without a hole.
    NoHoles,
    /// Every acknowledged record is given to some member of the group before the group's offset
    /// passes it.
    GivenAtLeastOnce,
    /// No partition has two owners in one generation of the group.
    OneOwner,
    /// A member that keeps a partition is given its records in order, each once.
    OrderPerPartition,
    /// A node that ends by itself says which folder is at fault.
    SaysWhy,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    pub(crate) of: Invariant,
    pub(crate) what: String,
}

/// A numbered record of a producer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Numbered {
    pub(crate) producer: u32,
    pub(crate) number: u32,
}

impl Numbered {
    pub(crate) fn to_text(self) -> String {
        format!("{} {}", self.producer, self.number)
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Numbered> {
        let (producer, number) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        Some(Numbered { producer: producer.parse().ok()?, number: number.parse().ok()? })
    }
}

/// Everything observed; clones are the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// By partition and offset: what was acknowledged there.
    acknowledged: BTreeMap<(TopicPartition, i64), Numbered>,
    /// By partition and offset: what a reader saw there.
    shown: BTreeMap<(TopicPartition, i64), Numbered>,
    /// The last commit that was acknowledged, and those that were asked for since.
    committed: BTreeMap<TopicPartition, Commits>,
    /// Why the fate of records is unknown, with how many there are.
    uncertain: BTreeMap<String, u64>,
    violations: Vec<Violation>,
}

/// What a group's offset may be.
#[derive(Default)]
struct Commits {
    acknowledged: Option<i64>,
    asked: Vec<i64>,
}

impl Inner {
    fn violated(&mut self, of: Invariant, what: String) {
        self.violations.push(Violation { of, what });
    }
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with the ledger")
    }

    /// Something was observed that breaks a promise.
    pub(crate) fn violated(&self, of: Invariant, what: String) {
        self.inner().violated(of, what);
    }

    /// The offsets of a partition below `end` at which a record was acknowledged.
    pub(crate) fn acknowledged_below(&self, of: &TopicPartition, end: i64) -> Vec<i64> {
        let inner = self.inner();
        let range = (of.clone(), 0)..(of.clone(), end);
        inner.acknowledged.range(range).map(|((_, offset), _)| *offset).collect()
    }

    /// A producer was told that a record stands at an offset.
    pub(crate) fn acknowledge(&self, of: &TopicPartition, offset: i64, record: Numbered) {
        let mut inner = self.inner();
        let at = (of.clone(), offset);
        let other = inner.acknowledged.insert(at.clone(), record);
        if let Some(other) = other.filter(|other| *other != record) {
            let what = format!("{of} {offset}: {other:?} and {record:?} were acknowledged");
            inner.violated(Invariant::CommittedNeverLost, what);
        }
        if let Some(shown) = inner.shown.get(&at).copied().filter(|shown| *shown != record) {
            let what = format!("{of} {offset}: {record:?} was acknowledged, {shown:?} shown");
            inner.violated(Invariant::CommittedNeverLost, what);
        }
    }

    /// A producer was told that it is not known what became of a record.
    pub(crate) fn uncertain(&self, why: &ClientError) {
        *self.inner().uncertain.entry(why.to_string()).or_default() += 1;
    }

    /// A reader that had reached `position` was shown a record.
    pub(crate) fn show(&self, of: &TopicPartition, offset: i64, position: i64, record: Numbered) {
        let mut inner = self.inner();
        if offset != position {
            let what = format!("{of}: {offset} comes where {position} was asked for");
            inner.violated(Invariant::NoHoles, what);
        }
        let at = (of.clone(), offset);
        let other = inner.shown.insert(at.clone(), record);
        if let Some(other) = other.filter(|other| *other != record) {
            let what = format!("{of} {offset}: {other:?} was shown, later {record:?}");
            inner.violated(Invariant::NothingUnsyncedShown, what);
        }
        let promised = inner.acknowledged.get(&at).copied();
        if let Some(promised) = promised.filter(|promised| *promised != record) {
            let what = format!("{of} {offset}: {promised:?} was acknowledged, {record:?} read");
            inner.violated(Invariant::CommittedNeverLost, what);
        }
    }

    /// A reader was told that there is nothing at its position.
    pub(crate) fn out_of_range(&self, of: &TopicPartition, position: i64) {
        let what = format!("{of}: a reader came to {position}, which is out of range");
        self.inner().violated(Invariant::NothingUnsyncedShown, what);
    }

    /// A group is about to commit.
    pub(crate) fn committing(&self, of: &TopicPartition, offset: i64) {
        self.inner().committed.entry(of.clone()).or_default().asked.push(offset);
    }

    /// A group was told that its last commit stands.
    pub(crate) fn committed(&self, of: &TopicPartition, offset: i64) {
        let mut inner = self.inner();
        let commits = inner.committed.entry(of.clone()).or_default();
        commits.acknowledged = Some(offset);
        // Those that nobody answered may yet be carried out by a node that was stalled.
        commits.asked.pop();
    }

    /// A group's offset as it was found; none when there was none.
    pub(crate) fn found(&self, of: &TopicPartition, offset: Option<i64>) {
        let mut inner = self.inner();
        let Some(commits) = inner.committed.get(of) else { return };
        let asked = offset.is_some_and(|offset| commits.asked.contains(&offset));
        if offset != commits.acknowledged && !asked {
            let what = format!("{of}: {:?} was committed, {offset:?} found", commits.acknowledged);
            inner.violated(Invariant::OffsetsNeverGoBack, what);
        }
    }

    /// The whole of a partition as it is at the end.
    pub(crate) fn audit(&self, of: &TopicPartition, records: &BTreeMap<i64, Numbered>) {
        let mut inner = self.inner();
        for (offset, promised) in of_partition(&inner.acknowledged, of) {
            if records.get(&offset) != Some(&promised) {
                let what = format!(
                    "{of} {offset}: {promised:?} was acknowledged, at the end there is {:?}",
                    records.get(&offset)
                );
                inner.violated(Invariant::CommittedNeverLost, what);
            }
        }
        for (offset, shown) in of_partition(&inner.shown, of) {
            if records.get(&offset) != Some(&shown) {
                let what = format!(
                    "{of} {offset}: {shown:?} was shown, at the end there is {:?}",
                    records.get(&offset)
                );
                inner.violated(Invariant::NothingUnsyncedShown, what);
            }
        }
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for (offset, record) in records {
            let earlier = last.insert(record.producer, record.number);
            if earlier >= Some(record.number) {
                let what = format!("{of} {offset}: {record:?} comes after {earlier:?}");
                inner.violated(Invariant::NoDuplicateSequence, what);
            }
        }
    }

    /// How many records were acknowledged, shown, and of unknown fate.
    pub(crate) fn counts(&self) -> (usize, usize, BTreeMap<String, u64>) {
        let inner = self.inner();
        (inner.acknowledged.len(), inner.shown.len(), inner.uncertain.clone())
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.inner().violations.clone()
    }
}

fn of_partition(
    records: &BTreeMap<(TopicPartition, i64), Numbered>,
    of: &TopicPartition,
) -> Vec<(i64, Numbered)> {
    let range = (of.clone(), 0)..=(of.clone(), i64::MAX);
    records.range(range).map(|((_, offset), record)| (*offset, *record)).collect()
}
