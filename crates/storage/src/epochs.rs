//! The leader epochs of one log: which leader wrote from which offset on.
//!
//! Not here: who leads. Must hold: entries ascend strictly in epoch and in offset, also when
//! what is assigned contradicts what was there; then the later entries are dropped.

use std::fmt::Write as _;

use ottla_wire::{LeaderEpoch, Offset};

use crate::checkpoint::parse_lines;

/// The file's name inside a partition's directory.
pub(crate) const FILE: &str = "leader-epoch-checkpoint";

/// One leader's reign: its epoch and the first offset it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// The log's end when the leader began.
    pub start: Offset,
}

/// The answer to a request for the end of an epoch: the highest epoch not above, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch, or -1 when the log knows none that answers.
    pub epoch: LeaderEpoch,
    /// One past its last offset, or -1.
    pub end: Offset,
}

impl EpochEnd {
    /// The answer for an epoch that the log does not know.
    pub const UNKNOWN: EpochEnd = EpochEnd { epoch: LeaderEpoch(-1), end: Offset(-1) };
}

/// The epoch history of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    entries: Vec<EpochEntry>,
}

impl Epochs {
    /// Reads `leader-epoch-checkpoint`.
    pub fn parse(text: &[u8]) -> Result<Epochs, String> {
        let mut epochs = Epochs::default();
        for line in parse_lines(text)? {
            let entry = line
                .split_once(char::is_whitespace)
                .and_then(|(epoch, start)| epoch.parse().ok().zip(start.trim().parse().ok()));
            let (epoch, start) =
                entry.ok_or_else(|| format!("'{line}' is not an epoch and an offset"))?;
            epochs.assign(LeaderEpoch(epoch), Offset(start));
        }
        Ok(epochs)
    }

    /// The text of `leader-epoch-checkpoint`.
    pub fn format(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{} {}", entry.epoch.0, entry.start.0);
        }
        text
    }

    /// The history, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch that the log knows.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Notes that `epoch` begins at `start`; answers whether anything changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch.0 < 0 || start.0 < 0 {
            return false;
        }
        if self.entries.last().is_some_and(|last| last.epoch == epoch && last.start <= start) {
            return false;
        }
        let keep = self.entries.partition_point(|entry| entry.epoch < epoch && entry.start < start);
        self.entries.truncate(keep);
        self.entries.push(EpochEntry { epoch, start });
        true
    }

    /// Forgets what begins at `end` or later; answers whether anything changed.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start < end);
        self.entries.len() != before
    }

    /// Lets the history begin at `start`; answers whether anything changed.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let below = self.entries.partition_point(|entry| entry.start <= start);
        let Some(last) = below.checked_sub(1) else { return false };
        if last == 0 && self.entries[0].start == start {
            return false;
        }
        self.entries.drain(..last);
        self.entries[0].start = start;
        true
    }

    /// The epoch in which `offset` was written.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        after.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    /// The first offset of the newest epoch.
    pub fn latest_start(&self) -> Option<Offset> {
        self.entries.last().map(|entry| entry.start)
    }

    /// The end of `epoch`, when the log ends at `log_end`.
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> EpochEnd {
        let Some(latest) = self.latest() else { return EpochEnd::UNKNOWN };
        if epoch.0 < 0 || epoch > latest {
            return EpochEnd::UNKNOWN;
        }
        if epoch == latest {
            return EpochEnd { epoch, end: log_end };
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries[above].start;
        match above.checked_sub(1) {
            Some(at) => EpochEnd { epoch: self.entries[at].epoch, end },
            None => EpochEnd { epoch, end },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, start) in entries {
            epochs.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        epochs
    }

    #[test]
    fn what_was_written_is_read_back() {
        let some = epochs(&[(0, 0), (3, 100)]);
        assert_eq!(some.format(), "0\n2\n0 0\n3 100\n");
        assert_eq!(Epochs::parse(some.format().as_bytes()), Ok(some));
        assert_eq!(Epochs::parse(b""), Ok(Epochs::default()));
        assert!(Epochs::parse(b"0\n1\n0\n").is_err());
    }

    #[test]
    fn an_entry_that_contradicts_later_ones_drops_them() {
        assert_eq!(
            epochs(&[(0, 0), (2, 10), (4, 20), (3, 15)]),
            epochs(&[(0, 0), (2, 10), (3, 15)])
        );
        assert_eq!(epochs(&[(0, 0), (2, 10), (3, 10)]), epochs(&[(0, 0), (3, 10)]));
        assert_eq!(epochs(&[(0, 0), (0, 10)]), epochs(&[(0, 0)]));
    }

    #[test]
    fn truncation_at_the_end_keeps_what_began_before() {
        let mut some = epochs(&[(0, 0), (2, 10), (4, 20)]);
        assert!(some.truncate_from_end(Offset(20)));
        assert!(!some.truncate_from_end(Offset(20)));
        assert_eq!(some, epochs(&[(0, 0), (2, 10)]));
    }

    #[test]
    fn truncation_at_the_start_lets_the_epoch_there_begin_there() {
        let mut some = epochs(&[(0, 0), (2, 10), (4, 20)]);
        assert!(some.truncate_from_start(Offset(15)));
        assert_eq!(some, epochs(&[(2, 15), (4, 20)]));
        assert!(!some.truncate_from_start(Offset(15)));
        assert!(some.truncate_from_start(Offset(30)));
        assert_eq!(some, epochs(&[(4, 30)]));
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next_one_known() {
        let some = epochs(&[(1, 5), (2, 10), (4, 20)]);
        let end = |epoch| some.end_offset_for(LeaderEpoch(epoch), Offset(33));
        assert_eq!(end(4), EpochEnd { epoch: LeaderEpoch(4), end: Offset(33) });
        assert_eq!(end(3), EpochEnd { epoch: LeaderEpoch(2), end: Offset(20) });
        assert_eq!(end(2), EpochEnd { epoch: LeaderEpoch(2), end: Offset(20) });
        assert_eq!(end(0), EpochEnd { epoch: LeaderEpoch(0), end: Offset(5) });
        assert_eq!(end(5), EpochEnd::UNKNOWN);
        assert_eq!(end(-1), EpochEnd::UNKNOWN);
        assert_eq!(Epochs::default().end_offset_for(LeaderEpoch(0), Offset(0)), EpochEnd::UNKNOWN);
    }

    #[test]
    fn an_offset_belongs_to_the_last_epoch_that_began_before_it() {
        let some = epochs(&[(1, 5), (2, 10)]);
        assert_eq!(some.epoch_of(Offset(4)), None);
        assert_eq!(some.epoch_of(Offset(9)), Some(LeaderEpoch(1)));
        assert_eq!(some.epoch_of(Offset(10)), Some(LeaderEpoch(2)));
    }
}
