//! Scripts: commands between bars, and what each of them tells.

use ottla_wire::{LeaderEpoch, Offset, StrBytes, Timestamp};

use super::super::runs::Standing;
use super::super::{
    Acknowledgement, Acquiring, DeadLetters, Fetched, Mode, ReadState, Rules, SharePartition, Span,
    Verdict, Write, WriteId,
};
use crate::batches::StateBatch;

struct Scene {
    partition: SharePartition,
    rules: Rules,
    log: Vec<Span>,
    skipped: Vec<Span>,
    batch_size: i64,
    now: Timestamp,
    /// What nobody has brought to the queue.
    dead: Vec<DeadLetters>,
}

/// Plays a script and compares what it tells.
pub(super) fn check(script: &str, expect: &str) {
    let state = ReadState { state_epoch: 1, start: Offset(0), batches: Vec::new() };
    let mut scene = Scene {
        partition: SharePartition::load(&state, LeaderEpoch(0)),
        rules: Rules::default(),
        log: Vec::new(),
        skipped: Vec::new(),
        batch_size: 1_000,
        now: Timestamp(0),
        dead: Vec::new(),
    };
    let told: Vec<String> = script.split('|').filter_map(|line| scene.obey(line.trim())).collect();
    assert_eq!(told.join("\n"), expect);
}

fn offset(word: &str) -> Offset {
    Offset(word.parse().unwrap())
}

fn span(word: &str) -> Span {
    let (first, last) = word.trim_end_matches('!').split_once('-').unwrap();
    Span { first: offset(first), last: offset(last) }
}

fn batch(word: &str) -> StateBatch {
    let (range, rest) = word.split_once(':').unwrap();
    let (state, count) = rest.split_once('/').unwrap();
    let Span { first, last } = span(range);
    StateBatch { first, last, state: state.parse().unwrap(), count: count.parse().unwrap() }
}

pub(super) fn verdict(word: &str) -> Verdict {
    let names = ["gap", "accept", "release", "reject", "renew"];
    let number = names.iter().position(|name| *name == word).unwrap();
    Verdict::from_number(i8::try_from(number).unwrap()).unwrap()
}

fn acknowledgement(words: &str) -> Acknowledgement {
    let (range, verdicts) = words.trim().split_once(' ').unwrap();
    let Span { first, last } = span(range);
    Acknowledgement { first, last, verdicts: verdicts.split(',').map(verdict).collect() }
}

fn told(write: Option<Write>) -> String {
    let Some(write) = write else { return "nothing".to_owned() };
    let batches = write
        .batches
        .iter()
        .map(|batch| format!("{}-{}:{}/{}", batch.first, batch.last, batch.state, batch.count));
    let batches: Vec<String> = batches.collect();
    let (start, done) = (write.start, write.delivery_complete_count);
    format!("write {}: start {start}, {done} done, {}", write.id.0, batches.join(" "))
}

fn letters(dead: &[DeadLetters]) -> String {
    let told =
        dead.iter().map(|it| format!("{}-{}/{} {:?}", it.first, it.last, it.count, it.reason));
    format!("dead: {}", told.collect::<Vec<_>>().join(", "))
}

impl Scene {
    fn obey(&mut self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["log", ..] => {
                self.log = words[1..].iter().map(|word| span(word)).collect();
                let skipped = words[1..].iter().filter(|word| word.ends_with('!'));
                self.skipped = skipped.map(|word| span(word)).collect();
                return None;
            }
            ["limit", count] => self.rules.delivery_count_max = count.parse().unwrap(),
            ["dead", "letters"] => self.rules.has_dead_letters = true,
            ["buried"] => {
                let letters = self.dead.remove(0);
                return Some(told(self.partition.archive(&[letters])));
            }
            ["room", count] => self.rules.in_flight_max = count.parse().unwrap(),
            ["batch", count] => self.batch_size = count.parse().unwrap(),
            ["load", start, ..] => {
                let batches = words[2..].iter().map(|word| batch(word)).collect();
                let state = ReadState { state_epoch: 1, start: offset(start), batches };
                self.partition = SharePartition::load(&state, LeaderEpoch(0));
                self.dead = self.partition.unsent(&self.rules);
                return (!self.dead.is_empty()).then(|| letters(&self.dead));
            }
            [member, "takes", count] => {
                return Some(self.take(member, count, Mode::BatchOptimized));
            }
            [member, "takes", count, "limit"] => {
                return Some(self.take(member, count, Mode::RecordLimit));
            }
            [member, "says", ..] => {
                let said = line.split_once("says ").unwrap().1;
                let said: Vec<Acknowledgement> = said.split(';').map(acknowledgement).collect();
                let member = StrBytes::copied(member);
                let taken = self.partition.acknowledge(self.now, &self.rules, &member, &said);
                return Some(taken.map_or_else(|error| error.name().to_owned(), told));
            }
            [member, "ends"] => {
                let member = StrBytes::copied(member);
                return Some(told(self.partition.release_member(&self.rules, &member)));
            }
            ["wait", ms] => {
                self.now = self.now + ms.parse::<i64>().unwrap();
                return Some(told(self.partition.release_expired(self.now, &self.rules)));
            }
            ["written", id] => return Some(self.settle(id, true)),
            ["lost", id] => return Some(self.settle(id, false)),
            ["starts", at] => {
                self.partition.move_start(offset(at));
                return Some(self.show());
            }
            ["show"] => return Some(self.show()),
            _ => panic!("no such command: {line}"),
        }
        None
    }

    fn take(&mut self, member: &str, count: &str, mode: Mode) -> String {
        let from = self.partition.next_fetch();
        let batches: Vec<Span> =
            self.log.iter().filter(|batch| batch.last >= from).copied().collect();
        let fetched = Fetched { from, batches: &batches, skipped: &self.skipped };
        let asked = Acquiring {
            member: StrBytes::copied(member),
            mode,
            records_max: count.parse().unwrap(),
            batch_size: self.batch_size,
        };
        let acquired = match self.partition.can_acquire(&self.rules) {
            true => self.partition.acquire(self.now, &self.rules, &asked, &fetched),
            false => Vec::new(),
        };
        let words: Vec<String> =
            acquired.iter().map(|it| format!("{}-{}/{}", it.first, it.last, it.count)).collect();
        let words = if words.is_empty() { "nothing".to_owned() } else { words.join(" ") };
        format!("{member}: {words}")
    }

    fn settle(&mut self, id: &str, is_written: bool) -> String {
        let id = WriteId(id.parse().unwrap());
        let is_under_way = |partition: &SharePartition| {
            let mut runs = partition.runs.iter();
            runs.any(|run| matches!(run.standing, Standing::Writing { write, .. } if write == id))
        };
        if !is_under_way(&self.partition) {
            return "not settled".to_owned();
        }
        let dead = self.partition.settle(id, is_written);
        let dead_told = if dead.is_empty() { String::new() } else { letters(&dead) };
        self.dead.extend(dead);
        let (start, end) = (self.partition.start(), self.partition.end());
        format!("{start}..{end} settled {dead_told}").trim_end().to_owned()
    }

    fn show(&self) -> String {
        let runs = self.partition.runs.iter().map(|run| {
            let standing = match &run.standing {
                Standing::Available => "available",
                Standing::Acquired { member, .. } => member,
                Standing::Writing { .. } => "writing",
                Standing::Acknowledged => "acknowledged",
                Standing::Archiving => "archiving",
                Standing::Archived => "archived",
            };
            format!("{}-{} {standing}", run.first, run.last)
        });
        let runs: Vec<String> = runs.collect();
        let (start, end) = (self.partition.start(), self.partition.end());
        let in_flight = self.partition.in_flight();
        format!("{start}..{end} in flight {in_flight}: {}", runs.join(", ")).trim_end().to_owned()
    }
}
