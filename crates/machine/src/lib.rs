//! The replicated state machine that every coordinator and the controller is: decide, append,
//! replay, commit, reply.
//!
//! A *decision* looks at the live state and gives records and replies. The host appends the
//! records to a log, *replays* them into the live state, and keeps the replies until the log has
//! committed everything that the decision saw. Nothing else changes the state, so a machine that
//! replays the log from nothing is equal to one that has lived through it.
//!
//! Not here: the log, threads, timers, sockets. Start reading at [`Host`]; [`kit`] is the host
//! that tests use.
//!
//! ```
//! use ottla_machine::{Decided, Host, Machine, Ticket};
//! use ottla_wire::Offset;
//!
//! #[derive(Default, Debug, PartialEq)]
//! struct Counter(u64);
//! impl Machine for Counter {
//!     type Record = u64;
//!     type Undo = u64;
//!     fn replay(&mut self, _at: Offset, add: &u64) -> u64 {
//!         self.0 += add;
//!         *add
//!     }
//!     fn undo(&mut self, added: u64) {
//!         self.0 -= added;
//!     }
//! }
//!
//! let mut host: Host<Counter, &str> = Host::new(Counter::default(), Offset(0));
//! let decided = Decided { records: vec![5], replies: vec![(Ticket(1), "added")], wake: None };
//! assert!(host.appended(Offset(0), decided).is_empty()); // not committed: the reply waits
//! assert_eq!(host.live().0, 5);
//! assert_eq!(host.commit(Offset(1)), vec![(Ticket(1), "added")]);
//! ```

pub mod golden;
mod host;
pub mod kit;
mod now;
mod prng;

pub use host::Host;
pub use now::Now;
pub use prng::Prng;

use ottla_wire::{Offset, Timestamp};

/// Names one waiting request, so that one decision may answer many of them.
///
/// The host's caller gives them out, unique for the life of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// Nobody's request: what is said to it, once it is committed, is for the machine's host to do.
    pub const HOST: Ticket = Ticket(0);
}

/// What an input leads to: the records to append, who is answered once they are committed, and
/// when the machine wants to look at the clock again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided<Record, Reply> {
    /// To be appended as one batch, in this order; empty when nothing durable changes.
    pub records: Vec<Record>,
    /// Answers, held back until `records` and all that was appended before them are committed.
    pub replies: Vec<(Ticket, Reply)>,
    /// The earliest time at which the machine has something to do by itself.
    pub wake: Option<Timestamp>,
}

impl<Record, Reply> Default for Decided<Record, Reply> {
    fn default() -> Self {
        Decided { records: Vec::new(), replies: Vec::new(), wake: None }
    }
}

impl<Record, Reply> Decided<Record, Reply> {
    /// One answer, and nothing to append.
    pub fn reply(ticket: Ticket, reply: Reply) -> Self {
        Decided { replies: vec![(ticket, reply)], ..Decided::default() }
    }

    /// Adds what a second decision on the same state gave, in order.
    pub fn and(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.replies.extend(other.replies);
        self.wake = match (self.wake, other.wake) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }
}

/// State that only records change.
pub trait Machine {
    /// One entry of the log.
    type Record;
    /// What takes one replayed record back, while it is not committed.
    type Undo;

    /// Applies one record. Never decides and never fails: whoever wrote the record decided.
    fn replay(&mut self, at: Offset, record: &Self::Record) -> Self::Undo;

    /// Takes back the newest replayed record that was not taken back yet.
    fn undo(&mut self, undo: Self::Undo);
}
