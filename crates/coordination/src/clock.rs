//! The two clocks of a coordinator, and the one list of times at which shards want to be woken.
//!
//! Must hold: one entry per shard at most, however many groups and members it has.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ottla_env::{Env, Instant};
use ottla_machine::Now;
use ottla_wire::{PartitionIndex, Timestamp};
use tokio::sync::Notify;

/// Tells the time.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    pub(crate) fn new(env: &Env) -> Self {
        Clock { started: env.monotonic(), started_ms: env.now_ms() }
    }

    pub(crate) fn now(&self, env: &Env) -> Now {
        let passed = (env.monotonic() - self.started).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        Now {
            steady: Timestamp(self.started_ms.saturating_add(passed)),
            wall: Timestamp(env.now_ms()),
        }
    }
}

/// When which shard is to be woken.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: Mutex<BTreeSet<(Timestamp, PartitionIndex)>>,
    changed: Notify,
}

impl Timers {
    /// Files a shard's time in place of its former one.
    pub(crate) fn file(
        &self,
        partition: PartitionIndex,
        former: Option<Timestamp>,
        next: Option<Timestamp>,
    ) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = former {
            due.remove(&(at, partition));
        }
        let Some(at) = next else { return };
        let is_first = due.first().is_none_or(|(first, _)| at < *first);
        due.insert((at, partition));
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Forgets a time that has come.
    pub(crate) fn take(&self, due: (Timestamp, PartitionIndex)) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).remove(&due);
    }

    pub(crate) fn first(&self) -> Option<(Timestamp, PartitionIndex)> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    /// Ends when an earlier time than all before has been filed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
