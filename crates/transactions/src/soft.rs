//! What need not survive: markers under way, epochs that a retry may come with, when to look at
//! the clock.
//!
//! Dropping all of it is what a change of the coordinator does: prepared transactions then have all
//! their markers written anew. Must hold: an id at rest costs no timer.

use std::collections::{BTreeMap, BTreeSet};

use ottla_machine::Now;
use ottla_wire::{ProducerEpoch, StrBytes, Timestamp};

use crate::end::is_timed_out;
use crate::marking::Marking;
use crate::{Decided, Settings, TransactionRecord, Transactions};

/// The soft state beside one [`Transactions`].
#[derive(Debug, Default)]
pub struct Soft {
    pub(crate) marking: BTreeMap<StrBytes, Marking>,
    pub(crate) retries: BTreeSet<(Timestamp, StrBytes)>,
    /// The epoch before the present one, for ids whose producer knows of both (KIP-360).
    last_epochs: BTreeMap<StrBytes, ProducerEpoch>,
    /// When transactions are next looked through for those past their timeout.
    abort_at: Option<Timestamp>,
    /// When ids are next looked through for those past their expiry.
    expire_at: Option<Timestamp>,
    /// Where that look goes on when one decision was not enough for it.
    expire_from: Option<StrBytes>,
}

impl Soft {
    /// The earliest time at which [`Transactions::tick`] has something to do.
    pub fn wake(&self) -> Option<Timestamp> {
        let retry = self.retries.first().map(|(at, _)| *at);
        [retry, self.abort_at, self.expire_at].into_iter().flatten().min()
    }

    /// How many transactions have markers under way.
    pub fn marking(&self) -> usize {
        self.marking.len()
    }

    /// The epoch that a retry of an answered InitProducerId may come with; -1 for none.
    pub(crate) fn last_epoch(&self, id: &str) -> ProducerEpoch {
        self.last_epochs.get(id).copied().unwrap_or(ProducerEpoch(-1))
    }

    pub(crate) fn remember_epoch(&mut self, id: &str, last: ProducerEpoch) {
        if last.0 < 0 {
            self.last_epochs.remove(id);
        } else if let Some(known) = self.last_epochs.get_mut(id) {
            *known = last;
        } else {
            self.last_epochs.insert(StrBytes::copied(id), last);
        }
    }

    /// A transaction is under way: it may time out.
    pub(crate) fn watch_timeouts(&mut self, now: Now, settings: &Settings) {
        let next = now.steady + settings.abort_interval_ms.max(1);
        self.abort_at.get_or_insert(next);
    }

    /// There is an id: it may expire.
    pub(crate) fn watch_expiry(&mut self, now: Now, settings: &Settings) {
        let next = now.steady + settings.expiry_interval_ms.max(1);
        self.expire_at.get_or_insert(next);
    }
}

impl Transactions {
    /// The partition is loaded: goes on with what was prepared.
    pub fn loaded(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        let mut decided = Decided::default();
        for (id, transaction) in self.iter() {
            if transaction.state.is_prepared() {
                decided.replies.push(soft.begin_marking(id, transaction));
            }
        }
        if !self.ongoing().is_empty() {
            soft.watch_timeouts(now, settings);
        }
        if !self.is_empty() {
            soft.watch_expiry(now, settings);
        }
        decided.wake = soft.wake();
        decided
    }

    /// Does what is due at `now`: repeats markers, aborts what takes too long, forgets old ids.
    pub fn tick(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        let mut decided = Decided::default();
        while decided.records.len() < TICK_RECORDS_MAX
            && self.retry_due(soft, now, settings, &mut decided)
        {}
        if soft.abort_at.is_some_and(|at| at <= now.steady) {
            soft.abort_at = None;
            decided = decided.and(self.abort_due(soft, now, settings));
        }
        if soft.expire_at.is_some_and(|at| at <= now.steady) {
            self.expire_due(soft, now, settings, &mut decided);
        }
        decided.wake = soft.wake();
        decided
    }

    fn abort_due(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        let mut decided = Decided::default();
        for id in self.ongoing() {
            if decided.records.len() >= TICK_RECORDS_MAX {
                soft.abort_at = Some(now.steady);
                return decided;
            }
            if self.get(id).is_some_and(|known| is_timed_out(known, now)) {
                decided = decided.and(self.abort_timed_out(soft, now, settings, id, None));
            }
        }
        if !self.ongoing().is_empty() {
            soft.watch_timeouts(now, settings);
        }
        decided
    }

    fn expire_due(&self, soft: &mut Soft, now: Now, settings: &Settings, decided: &mut Decided) {
        let from = soft.expire_from.take();
        for (seen, (id, transaction)) in self.from(from.as_ref()).enumerate() {
            if decided.records.len() >= TICK_RECORDS_MAX || seen >= IDS_SEEN_MAX {
                soft.expire_from = Some(id.clone());
                soft.expire_at = Some(now.steady);
                return;
            }
            let is_old = transaction.updated_at + settings.expiration_ms <= now.wall;
            if is_old && transaction.state.is_at_rest() {
                soft.remember_epoch(id, ProducerEpoch(-1));
                let version = settings.value_version();
                let forgotten =
                    TransactionRecord::Transaction { id: id.clone(), value: None, version };
                decided.records.push(forgotten);
            }
        }
        soft.expire_at = None;
        if !self.is_empty() {
            soft.watch_expiry(now, settings);
        }
    }
}

/// One tick appends about as many records at most; the rest follows at once.
const TICK_RECORDS_MAX: usize = 1_000;
/// One look for expired ids sees as many at most.
const IDS_SEEN_MAX: usize = 10_000;
