//! Gives records to a member: what is available again, then what was never delivered.
//!
//! In the mode *batch optimised* whole batches of the log are given, so that a limit may be passed
//! by a batch; in the mode *record limit* (KIP-1206) no more than was asked for. A record that was
//! delivered half as often as it may be is given in smaller pieces, and for the last time alone, so
//! that one bad record does not take its neighbours along (SharePartition, Kafka 4.3). Must hold:
//! each record is given to one member; what the log does not hold is archived.

use ottla_wire::{Offset, StrBytes, Timestamp};

use super::runs::{Run, Standing};
use super::{Rules, SharePartition};

/// How the limit of records is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In whole batches of the log.
    BatchOptimized,
    /// To the record.
    RecordLimit,
}

/// Who asks, and for how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquiring {
    /// The member.
    pub member: StrBytes,
    /// How the limit is meant.
    pub mode: Mode,
    /// As many records at most.
    pub records_max: i64,
    /// What is acquired anew is told in pieces of about as many records.
    pub batch_size: i64,
}

/// Offsets from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Offset,
    /// The last.
    pub last: Offset,
}

/// What the log has given.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// The offset from which on was read.
    pub from: Offset,
    /// The batches in their order; the first may begin before `from`.
    pub batches: &'a [Span],
    /// Those of them whose records nobody is to have: ends of transactions, and for who reads
    /// committed records only, those of aborted ones.
    pub skipped: &'a [Span],
}

/// Records that a member has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// The first offset.
    pub first: Offset,
    /// The last offset.
    pub last: Offset,
    /// How often they have been delivered, this time included.
    pub count: i16,
}

/// What is left to give.
struct Giving<'a> {
    rules: &'a Rules,
    asked: &'a Acquiring,
    until: Timestamp,
    acquired: Vec<Acquired>,
    given: i64,
    /// Nothing else goes along with what was given.
    is_closed: bool,
}

impl Giving<'_> {
    fn left(&self) -> i64 {
        if self.is_closed { 0 } else { (self.asked.records_max - self.given).max(0) }
    }

    fn lock(&self) -> Standing {
        Standing::Acquired { member: self.asked.member.clone(), until: self.until }
    }

    fn give(&mut self, acquired: Acquired) {
        self.given += acquired.last.next() - acquired.first;
        self.acquired.push(acquired);
    }

    /// How many records of a run that was delivered before may go at once, and whether nothing may
    /// go along with them.
    fn portion(&self, run: &Run) -> (i64, bool) {
        let most = self.rules.delivery_count_max;
        let careful_from = most.div_euclid(2).saturating_add(most.rem_euclid(2)).max(2);
        let whole = run.len();
        let limited = match self.asked.mode {
            Mode::BatchOptimized => whole,
            Mode::RecordLimit => whole.min(self.left()),
        };
        if most > 2 && run.count >= most.saturating_sub(1) {
            // The last time: alone, or not along with others.
            return (i64::from(self.acquired.is_empty()), true);
        }
        if run.count < careful_from {
            return (limited, false);
        }
        let halvings = u32::try_from(run.count - careful_from + 1).unwrap_or(1).min(62);
        (limited.min((whole >> halvings).max(1)), true)
    }
}

impl SharePartition {
    /// Locks records of what was fetched for a member, and tells which.
    ///
    /// Batches that begin behind the end with a gap in between are taken to follow a gap in the
    /// log; what was read from an offset that others have been given meanwhile is passed over.
    pub fn acquire(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        asked: &Acquiring,
        fetched: &Fetched<'_>,
    ) -> Vec<Acquired> {
        let Some(reaches) = fetched.batches.last().map(|batch| batch.last) else {
            return Vec::new();
        };
        if fetched.from > self.end() {
            return Vec::new();
        }
        self.archive_missing(fetched, reaches);
        let mut giving = Giving {
            rules,
            asked,
            until: now + rules.lock_ms,
            acquired: Vec::new(),
            given: 0,
            is_closed: false,
        };
        let old: Vec<Run> = self.runs.within(fetched.from, reaches).cloned().collect();
        for run in old {
            if run.standing == Standing::Available && giving.left() > 0 {
                let first = run.first.max(fetched.from);
                let last = run.last.min(reaches);
                self.give_again(&Run { first, last, ..run }, &mut giving);
            }
        }
        self.give_new(fetched, &mut giving);
        self.advance();
        giving.acquired
    }

    fn give_again(&mut self, run: &Run, giving: &mut Giving<'_>) {
        let (portion, is_closed) = giving.portion(run);
        giving.is_closed = is_closed;
        if portion == 0 {
            return;
        }
        let last = run.first + (portion - 1);
        let count = run.count.saturating_add(1);
        let lock = giving.lock();
        self.runs.change(run.first, last, |_| Some((lock.clone(), count)));
        giving.give(Acquired { first: run.first, last, count });
    }

    fn give_new(&mut self, fetched: &Fetched<'_>, giving: &mut Giving<'_>) {
        let room = giving.rules.in_flight_max - self.in_flight();
        let wanted = giving.left().min(room);
        let mut taken = 0;
        let mut piece: Option<Acquired> = None;
        for batch in fetched.batches {
            if taken >= wanted {
                break;
            }
            if batch.last < self.end() {
                continue;
            }
            let first = batch.first.max(self.end());
            if first > self.end() || fetched.skipped.contains(batch) {
                giving.acquired.extend(piece.take());
            }
            self.runs.push_to(Offset(first.0 - 1), Standing::Archived, 0);
            if fetched.skipped.contains(batch) {
                self.runs.push_to(batch.last, Standing::Archived, 0);
                continue;
            }
            let last = match giving.asked.mode {
                Mode::BatchOptimized => batch.last,
                Mode::RecordLimit => batch.last.min(first + (wanted - taken - 1)),
            };
            self.runs.push_to(last, giving.lock(), 1);
            taken += last.next() - first;
            let grown = Acquired { first: piece.map_or(first, |p| p.first), last, count: 1 };
            piece = Some(grown);
            if last.next() - grown.first >= giving.asked.batch_size {
                giving.acquired.extend(piece.take());
            }
        }
        giving.acquired.extend(piece);
        giving.given += taken;
    }

    /// Archives what is available here but nowhere in the log, or not to be had.
    fn archive_missing(&mut self, fetched: &Fetched<'_>, reaches: Offset) {
        let archive = |run: &Run| {
            (run.standing == Standing::Available).then_some((Standing::Archived, run.count))
        };
        let mut at = fetched.from;
        for batch in fetched.batches {
            if batch.first > at {
                self.runs.change(at, Offset(batch.first.0 - 1), archive);
            }
            if fetched.skipped.contains(batch) {
                self.runs.change(batch.first.max(fetched.from), batch.last, archive);
            }
            at = at.max(batch.last.next());
        }
        debug_assert!(at == reaches.next(), "batches are in order");
    }
}
