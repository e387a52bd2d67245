//! A model that keeps every record by itself, and random lives of both beside each other.
//!
//! The model knows no runs: a bug in cutting or joining them shows as a difference.

use std::collections::BTreeMap;

use ottla_machine::Prng;
use ottla_wire::{LeaderEpoch, Offset, StrBytes, Timestamp};

use super::super::{
    Acknowledgement, Acquiring, DeadLetters, Fetched, Mode, ReadState, Rules, SharePartition, Span,
    Verdict, Write, WriteId,
};
use crate::batches::{StateBatch, combine};

/// One record: its state by Kafka's number (1: locked), how often it was delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    state: i8,
    count: i16,
    holder: usize,
    until: i64,
    /// What is being written of it.
    writing: Option<(WriteId, i8)>,
}

const FRESH: Record = Record { state: 0, count: 0, holder: 0, until: 0, writing: None };

struct Life {
    random: Prng,
    rules: Rules,
    partition: SharePartition,
    records: BTreeMap<i64, Record>,
    log: Vec<Span>,
    now: i64,
    under_way: Vec<Write>,
    /// What goes to the dead-letter queue.
    dead: Vec<DeadLetters>,
    /// What the coordinator holds.
    kept: (Offset, Vec<StateBatch>),
}

fn name(member: usize) -> StrBytes {
    StrBytes::from(["a", "b", "c"][member])
}

pub(super) fn live(seed: u64) {
    let mut random = Prng::new(seed);
    let mut log = Vec::new();
    let mut at = 0;
    for _ in 0..40 {
        let last = at + i64::try_from(random.below(5)).unwrap();
        log.push(Span { first: Offset(at), last: Offset(last) });
        at = last + 1;
    }
    let state = ReadState { state_epoch: 1, start: Offset(0), batches: Vec::new() };
    let mut life = Life {
        rules: Rules {
            in_flight_max: 30,
            delivery_count_max: 4,
            has_dead_letters: seed % 2 == 1,
            ..Rules::default()
        },
        partition: SharePartition::load(&state, LeaderEpoch(0)),
        records: BTreeMap::new(),
        log,
        now: 0,
        under_way: Vec::new(),
        dead: Vec::new(),
        kept: (Offset(0), Vec::new()),
        random,
    };
    for step in 0..200 {
        life.step();
        life.compare(seed, step);
    }
}

impl Life {
    fn step(&mut self) {
        match self.random.below(14) {
            0..=3 => self.acquire(),
            4..=6 => self.acknowledge(),
            7 => {
                self.now += i64::try_from(self.random.below(20_000)).unwrap();
                let now = self.now;
                let write = self.partition.release_expired(Timestamp(now), &self.rules);
                self.released(write, |record| record.until <= now);
            }
            8 => {
                let member = self.random.below(3);
                let write = self.partition.release_member(&self.rules, &name(member));
                self.released(write, |record| record.holder == member);
            }
            9 | 10 => self.settle(),
            11 | 12 => self.bury(),
            _ if self.random.below(6) == 0 => self.lose_leader(),
            _ => {}
        }
    }

    fn acquire(&mut self) {
        let member = self.random.below(3);
        let from = self.partition.next_fetch();
        let batches: Vec<Span> =
            self.log.iter().filter(|batch| batch.last >= from).take(4).copied().collect();
        let by_record = self.random.below(2) == 0;
        let asked = Acquiring {
            member: name(member),
            mode: if by_record { Mode::RecordLimit } else { Mode::BatchOptimized },
            records_max: i64::try_from(self.random.below(12)).unwrap(),
            batch_size: 3,
        };
        let fetched = Fetched { from, batches: &batches, skipped: &[] };
        let (now, until) = (Timestamp(self.now), self.now + self.rules.lock_ms);
        let acquired = self.partition.acquire(now, &self.rules, &asked, &fetched);
        let mut given = 0;
        for piece in &acquired {
            for offset in piece.first.0..=piece.last.0 {
                let record = self.records.entry(offset).or_insert(FRESH);
                assert_eq!((record.state, record.writing), (0, None), "{offset} was to be had");
                let count = record.count + 1;
                assert_eq!(count, piece.count, "{offset} was delivered as often");
                *record = Record { state: 1, count, holder: member, until, writing: None };
                given += 1;
            }
        }
        if by_record {
            assert!(given <= asked.records_max, "no more than was asked for");
        }
    }

    fn acknowledge(&mut self) {
        let end = self.partition.end().0;
        if end == 0 {
            return;
        }
        let member = self.random.below(3);
        let first = i64::try_from(self.random.below(usize::try_from(end).unwrap())).unwrap();
        let last = (first + i64::try_from(self.random.below(4)).unwrap()).min(end - 1);
        let verdicts: Vec<Verdict> = (first..=last)
            .map(|_| Verdict::from_number(i8::try_from(self.random.below(5)).unwrap()).unwrap())
            .collect();
        let asked = Acknowledgement { first: Offset(first), last: Offset(last), verdicts };
        let said = [asked.clone()];
        let now = Timestamp(self.now);
        let taken = self.partition.acknowledge(now, &self.rules, &name(member), &said);
        let start = self.partition.start().0;
        let is_held =
            |record: &Record| (record.state, record.writing, record.holder) == (1, None, member);
        let own = (first.max(start)..=last).all(|at| is_held(&self.records[&at]));
        assert_eq!(taken.is_ok(), own || last < start, "{first}-{last} of {member}");
        let Ok(write) = taken else { return };
        let given_up_as = self.given_up();
        for (at, verdict) in (first..=last).zip(asked.verdicts) {
            let Some(record) = self.records.get_mut(&at).filter(|_| at >= start) else { continue };
            let given_up = record.count >= self.rules.delivery_count_max;
            let after = match verdict {
                Verdict::Renew => {
                    record.until = self.now + self.rules.lock_ms;
                    continue;
                }
                Verdict::Accept => 2,
                Verdict::Release if !given_up => 0,
                Verdict::Gap => 4,
                _ => given_up_as,
            };
            record.writing = write.as_ref().map(|write| (write.id, after));
        }
        self.under_way.extend(write);
    }

    fn released(&mut self, write: Option<Write>, of: impl Fn(&Record) -> bool) {
        let (max, given_up) = (self.rules.delivery_count_max, self.given_up());
        let held = self.records.values_mut();
        let released = held.filter(|record| record.state == 1 && record.writing.is_none());
        for record in released.filter(|record| of(record)) {
            let after = if record.count >= max { given_up } else { 0 };
            record.writing = Some((write.as_ref().expect("it is to be written").id, after));
        }
        self.under_way.extend(write);
    }

    fn settle(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        // Writes of one share partition come to their ends in order.
        let write = self.under_way.remove(0);
        let is_written = self.random.below(4) != 0;
        let dead = self.partition.settle(write.id, is_written);
        assert!(is_written || dead.is_empty());
        self.dead.extend(dead);
        if is_written {
            let start = write.start.max(self.kept.0);
            self.kept = (start, combine(&self.kept.1, &write.batches, start));
        }
        for record in self.records.values_mut() {
            if let Some((id, after)) = record.writing
                && id == write.id
            {
                record.writing = None;
                if is_written {
                    record.state = after;
                }
            }
        }
    }

    /// Another leader takes over what was written; what was under way is lost.
    fn lose_leader(&mut self) {
        self.under_way.clear();
        let (start, batches) = self.kept.clone();
        let state = ReadState { state_epoch: 1, start, batches: batches.clone() };
        self.partition = SharePartition::load(&state, LeaderEpoch(1));
        for (offset, record) in &mut self.records {
            let kept = batches.iter().find(|it| it.first.0 <= *offset && it.last.0 >= *offset);
            let is_below = *offset < start.0;
            match kept {
                _ if is_below => assert!(matches!(record.state, 2 | 4), "{offset} is done with"),
                Some(kept) => *record = Record { state: kept.state, count: kept.count, ..FRESH },
                None => *record = FRESH,
            }
        }
        let end = self.partition.end().0;
        self.records.retain(|offset, _| *offset < end);
        self.dead = self.partition.unsent(&self.rules);
    }

    /// The state of what nobody is to try again.
    fn given_up(&self) -> i8 {
        if self.rules.has_dead_letters { 3 } else { 4 }
    }

    /// What was brought to the queue, in any order, is archived.
    fn bury(&mut self) {
        if self.dead.is_empty() {
            return;
        }
        let letters = self.dead.swap_remove(self.random.below(self.dead.len()));
        for offset in letters.first.0..=letters.last.0 {
            let record = self.records.get_mut(&offset).expect("it was acquired once");
            assert_eq!((record.state, record.count), (3, letters.count), "{offset} is archiving");
            record.state = 4;
        }
        self.under_way.extend(self.partition.archive(&[letters]));
    }

    fn compare(&self, seed: u64, step: usize) {
        let (start, end) = (self.partition.start().0, self.partition.end().0);
        let place = format!("seed {seed}, step {step}");
        for (offset, record) in &self.records {
            let is_done = matches!(record.state, 2 | 4);
            assert!(*offset >= start || is_done, "{place}: {offset} below the start");
            assert!(*offset != start || !is_done, "{place}: the start is not done with");
        }
        assert_eq!(self.records.len(), usize::try_from(end).unwrap(), "{place}");
        let available = self
            .records
            .iter()
            .find(|(at, record)| **at >= start && record.state == 0 && record.writing.is_none());
        let next = available.map_or(end, |(at, _)| *at);
        assert_eq!(self.partition.next_fetch().0, next, "{place}");
        let in_flight = self.records.range(start..).filter(|(_, record)| {
            let state = record.writing.map_or(record.state, |(_, after)| after);
            matches!(state, 0 | 1 | 3)
        });
        let archiving = self.records.values().filter(|record| record.state == 3).count();
        let waiting: i64 = self.dead.iter().map(|it| it.last.next() - it.first).sum();
        assert_eq!(i64::try_from(archiving).unwrap(), waiting, "{place}: nothing is left out");
        assert_eq!(
            self.partition.in_flight(),
            i64::try_from(in_flight.count()).unwrap(),
            "{place}"
        );
        let locks =
            self.records.values().filter(|record| record.state == 1 && record.writing.is_none());
        let deadline = locks.map(|record| Timestamp(record.until)).min();
        assert_eq!(self.partition.deadline(), deadline, "{place}");
    }
}
