//! The host that tests of a machine use: a log in memory that commits at once or when told.
//!
//! When it is dropped it replays its log from nothing and compares: a machine that changes its
//! state outside of `replay`, or whose `undo` forgets something, fails whatever test it is in.

use std::fmt::Debug;

use ottla_wire::Offset;

use crate::{Decided, Host, Machine, Ticket};

/// A machine with a log in memory.
pub struct Kit<M: Machine + Default + PartialEq + Debug, Reply> {
    host: Host<M, Reply>,
    log: Vec<M::Record>,
}

impl<M: Machine + Default + PartialEq + Debug, Reply> Default for Kit<M, Reply> {
    fn default() -> Self {
        Kit { host: Host::new(M::default(), Offset(0)), log: Vec::new() }
    }
}

impl<M: Machine + Default + PartialEq + Debug, Reply> Kit<M, Reply>
where
    M::Record: Clone,
{
    /// The live state.
    pub fn live(&self) -> &M {
        self.host.live()
    }

    /// Everything that was appended and not rolled back.
    pub fn log(&self) -> &[M::Record] {
        &self.log
    }

    /// Appends and commits at once, as a partition with one replica does.
    pub fn decide(&mut self, decided: Decided<M::Record, Reply>) -> Vec<(Ticket, Reply)> {
        let mut replies = self.append(decided);
        replies.extend(self.commit());
        replies
    }

    /// Appends without committing.
    pub fn append(&mut self, decided: Decided<M::Record, Reply>) -> Vec<(Ticket, Reply)> {
        let base = self.host.end();
        self.log.extend(decided.records.iter().cloned());
        self.host.appended(base, decided)
    }

    /// Commits all that was appended.
    pub fn commit(&mut self) -> Vec<(Ticket, Reply)> {
        self.host.commit(self.host.end())
    }

    /// Loses everything that is not committed.
    pub fn rollback(&mut self) -> Vec<Ticket> {
        let to = self.host.committed();
        let keep = usize::try_from(to.0).expect("offsets of the kit count from 0");
        self.log.truncate(keep);
        self.host.rollback(to)
    }
}

impl<M: Machine + Default + PartialEq + Debug, Reply> Drop for Kit<M, Reply> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut fresh = M::default();
        for (at, record) in (0..).zip(&self.log) {
            fresh.replay(Offset(at), record);
        }
        assert_eq!(&fresh, self.host.live(), "replaying the log does not give the live state");
    }
}
