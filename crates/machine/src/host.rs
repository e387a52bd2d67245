//! One machine beside its log: the live state, what of it is committed, and the replies that wait.
//!
//! The caller owns the log. It takes a decision on [`Host::live`], appends the records, tells the
//! host with [`Host::appended`], and passes on what [`Host::commit`] gives back.
//! Must hold: a reply leaves only when every record that its decision could have seen is committed.

use std::collections::VecDeque;

use ottla_wire::Offset;

use crate::{Decided, Machine, Ticket};

/// A machine with its uncommitted tail and its parked replies.
#[derive(Debug)]
pub struct Host<M: Machine, Reply> {
    live: M,
    end: Offset,
    committed: Offset,
    uncommitted: VecDeque<(Offset, M::Undo)>,
    parked: VecDeque<(Offset, Ticket, Reply)>,
}

impl<M: Machine, Reply> Host<M, Reply> {
    /// A machine whose state is that of all records below `end`, all of them committed.
    pub fn new(state: M, end: Offset) -> Self {
        Host {
            live: state,
            end,
            committed: end,
            uncommitted: VecDeque::new(),
            parked: VecDeque::new(),
        }
    }

    /// The state with everything that was appended: what decisions are taken on.
    pub fn live(&self) -> &M {
        &self.live
    }

    /// One past the last replayed record.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// One past the last committed record.
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// Replies that wait for a commit.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Replays a record that is already in the log and committed: loading after a start.
    pub fn load(&mut self, at: Offset, record: &M::Record) {
        debug_assert!(self.uncommitted.is_empty(), "loading comes before deciding");
        self.live.replay(at, record);
        self.end = at.next();
        self.committed = self.end;
    }

    /// Moves both ends past offsets that hold no records of this machine (control batches, gaps).
    pub fn loaded_to(&mut self, end: Offset) {
        debug_assert!(self.uncommitted.is_empty(), "loading comes before deciding");
        self.end = self.end.max(end);
        self.committed = self.end;
    }

    /// The records of `decided` stand in the log from `base` on. Gives the replies that need not
    /// wait, which is all of them when nothing is uncommitted.
    ///
    /// A decision without records is told with any `base`: it saw the live state, so its replies
    /// wait for what was uncommitted then.
    pub fn appended(
        &mut self,
        base: Offset,
        decided: Decided<M::Record, Reply>,
    ) -> Vec<(Ticket, Reply)> {
        if !decided.records.is_empty() {
            assert!(base >= self.end, "a log never gives an offset twice");
            let mut at = base;
            for record in &decided.records {
                let undo = self.live.replay(at, record);
                self.uncommitted.push_back((at, undo));
                at = at.next();
            }
            self.end = at;
        }
        if self.uncommitted.is_empty() {
            return decided.replies;
        }
        let end = self.end;
        self.parked.extend(decided.replies.into_iter().map(|(ticket, reply)| (end, ticket, reply)));
        Vec::new()
    }

    /// Everything below `to` is committed. Gives the replies that waited for it, in order.
    pub fn commit(&mut self, to: Offset) -> Vec<(Ticket, Reply)> {
        self.committed = self.committed.max(to.min(self.end));
        while self.uncommitted.front().is_some_and(|(at, _)| *at < self.committed) {
            self.uncommitted.pop_front();
        }
        let ready = self.parked.iter().take_while(|(end, ..)| *end <= self.committed).count();
        self.parked.drain(..ready).map(|(_, ticket, reply)| (ticket, reply)).collect()
    }

    /// Leadership is lost: takes back what was not committed, from `to` on. Gives the tickets
    /// whose replies will never come; the caller answers them with an error.
    ///
    /// # Panics
    /// When `to` lies below what is committed: a commit is never taken back.
    pub fn rollback(&mut self, to: Offset) -> Vec<Ticket> {
        assert!(to >= self.committed, "rollback to {to} below the commit at {}", self.committed);
        while self.uncommitted.back().is_some_and(|(at, _)| *at >= to) {
            if let Some((_, undo)) = self.uncommitted.pop_back() {
                self.live.undo(undo);
            }
        }
        self.end = self.end.min(to);
        let kept = self.parked.iter().take_while(|(end, ..)| *end <= to).count();
        self.parked.drain(kept..).map(|(_, ticket, _)| ticket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Stack(Vec<char>);

    impl Machine for Stack {
        type Record = char;
        type Undo = ();
        fn replay(&mut self, _at: Offset, record: &char) {
            self.0.push(*record);
        }
        fn undo(&mut self, (): ()) {
            self.0.pop();
        }
    }

    fn host() -> Host<Stack, &'static str> {
        Host::new(Stack::default(), Offset(0))
    }

    fn push(records: &str, ticket: u64) -> Decided<char, &'static str> {
        Decided {
            records: records.chars().collect(),
            replies: vec![(Ticket(ticket), "pushed")],
            wake: None,
        }
    }

    #[test]
    fn a_reply_waits_for_the_commit_of_its_records() {
        let mut host = host();
        assert!(host.appended(Offset(0), push("ab", 1)).is_empty());
        assert!(host.commit(Offset(1)).is_empty());
        assert_eq!(host.commit(Offset(2)), vec![(Ticket(1), "pushed")]);
    }

    #[test]
    fn a_read_waits_for_what_it_has_seen() {
        let mut host = host();
        host.appended(Offset(0), push("a", 1));
        assert!(host.appended(host.end(), Decided::reply(Ticket(2), "read")).is_empty());
        assert_eq!(host.commit(Offset(1)), vec![(Ticket(1), "pushed"), (Ticket(2), "read")]);
        assert_eq!(
            host.appended(host.end(), Decided::reply(Ticket(3), "read")),
            vec![(Ticket(3), "read")]
        );
    }

    #[test]
    fn a_rollback_restores_the_committed_state_and_names_the_lost_replies() {
        let mut host = host();
        host.appended(Offset(0), push("a", 1));
        host.commit(Offset(1));
        host.appended(Offset(1), push("bc", 2));
        assert_eq!(host.rollback(Offset(1)), vec![Ticket(2)]);
        assert_eq!(host.live(), &Stack(vec!['a']));
        assert_eq!(host.end(), Offset(1));
    }

    #[test]
    #[should_panic(expected = "below the commit")]
    fn a_commit_is_never_rolled_back() {
        let mut host = host();
        host.appended(Offset(0), push("a", 1));
        host.commit(Offset(1));
        host.rollback(Offset(0));
    }

    #[test]
    fn gaps_in_the_log_are_skipped() {
        let mut host = host();
        host.load(Offset(0), &'a');
        host.loaded_to(Offset(5));
        host.appended(Offset(7), push("b", 1));
        assert_eq!(host.end(), Offset(8));
    }
}
