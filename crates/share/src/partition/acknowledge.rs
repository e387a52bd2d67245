//! Takes what members say of the records that they were given.
//!
//! A request counts as a whole: when one of its records is not the member's to speak of, none is
//! changed. Records below the start are done with, whatever is said of them. Must hold: a record
//! that is available again or done with was acquired by who says so.

use ottla_wire::{ErrorCode, Offset, StrBytes, Timestamp};

use super::dead::Reason;
use super::runs::{After, Run, Standing};
use super::{Rules, SharePartition, Write};

/// What is said of a record, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 0: the log has no record there.
    Gap,
    /// 1: done with.
    Accept,
    /// 2: somebody else may try.
    Release,
    /// 3: nobody should try again.
    Reject,
    /// 4: it takes longer (KIP-1222).
    Renew,
}

impl Verdict {
    /// The verdict of a number.
    pub fn from_number(number: i8) -> Option<Verdict> {
        Some(match number {
            0 => Verdict::Gap,
            1 => Verdict::Accept,
            2 => Verdict::Release,
            3 => Verdict::Reject,
            4 => Verdict::Renew,
            _ => return None,
        })
    }

    /// How a record stands after it that was delivered `count` times; none when it stays locked.
    pub(super) fn after(self, count: i16, rules: &Rules) -> Option<After> {
        match self {
            Verdict::Gap => Some(After::Archived),
            Verdict::Reject => Some(given_up(rules, Reason::Rejected)),
            Verdict::Accept => Some(After::Acknowledged),
            Verdict::Release if count >= rules.delivery_count_max => {
                Some(given_up(rules, Reason::DeliveredTooOften))
            }
            Verdict::Release => Some(After::Available),
            Verdict::Renew => None,
        }
    }
}

/// Where a record goes that nobody is to try again.
fn given_up(rules: &Rules, reason: Reason) -> After {
    if rules.has_dead_letters { After::Archiving(reason) } else { After::Archived }
}

/// Verdicts on a range of offsets.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement {
    /// The first offset.
    pub first: Offset,
    /// The last offset.
    pub last: Offset,
    /// One for all, or one for each.
    pub verdicts: Vec<Verdict>,
}

impl Acknowledgement {
    /// The parts of the range on which the verdict is one.
    fn parts(&self) -> Vec<(Offset, Offset, Verdict)> {
        let mut parts: Vec<(Offset, Offset, Verdict)> = Vec::new();
        if let [verdict] = self.verdicts[..] {
            return vec![(self.first, self.last, verdict)];
        }
        for (at, verdict) in (self.first.0..=self.last.0).zip(&self.verdicts) {
            match parts.last_mut() {
                Some((_, last, former)) if former == verdict => *last = Offset(at),
                _ => parts.push((Offset(at), Offset(at), *verdict)),
            }
        }
        parts
    }
}

impl SharePartition {
    /// Takes a member's verdicts. What must be written before they count is the answer; none when
    /// nothing must.
    ///
    /// # Errors
    /// INVALID_RECORD_STATE for records that the member does not hold, INVALID_REQUEST for those
    /// that were never given to anybody.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        member: &StrBytes,
        acknowledgements: &[Acknowledgement],
    ) -> Result<Option<Write>, ErrorCode> {
        for acknowledgement in acknowledgements {
            self.check(rules, member, acknowledgement)?;
        }
        let id = self.next_write();
        for (first, last, verdict) in acknowledgements.iter().flat_map(Acknowledgement::parts) {
            let until = now + rules.lock_ms;
            self.runs.change(first.max(self.start), last, |run| {
                let standing = match verdict.after(run.count, rules) {
                    Some(after) => run.standing.written(id, after)?,
                    None => Standing::Acquired { member: member.clone(), until },
                };
                Some((standing, run.count))
            });
        }
        Ok(self.to_write(id))
    }

    fn check(
        &self,
        rules: &Rules,
        member: &StrBytes,
        asked: &Acknowledgement,
    ) -> Result<(), ErrorCode> {
        if asked.last < self.start {
            return Ok(());
        }
        if self.start == self.end() {
            return Err(ErrorCode::INVALID_RECORD_STATE);
        }
        if asked.first >= self.end() || asked.last >= self.end() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let is_renewed = asked.verdicts.contains(&Verdict::Renew);
        let is_holder = |run: &Run| match &run.standing {
            Standing::Acquired { member: holder, .. } => holder == member,
            _ => false,
        };
        let mut runs = self.runs.within(asked.first.max(self.start), asked.last);
        if !runs.all(is_holder) || (is_renewed && !rules.may_renew) {
            return Err(ErrorCode::INVALID_RECORD_STATE);
        }
        Ok(())
    }
}
