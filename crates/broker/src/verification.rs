//! Which producers are about to begin a transaction in a partition (KIP-890).
//!
//! Who asks the coordinator takes a [`Guard`] first. When a transaction of that producer ends in
//! the partition meanwhile, the guard is worth nothing any more: a batch that comes late would
//! hang. Not here: the question to the coordinator (transactional.rs). Must hold: looked at and
//! appended under one lock, as are the ends of transactions; what nobody holds is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ottla_wire::{ProducerEpoch, ProducerId};

/// That a question about a producer is under way.
#[derive(Clone, Debug)]
pub(crate) struct Guard(Arc<()>);

/// A batch of a transaction on its way into a partition.
#[derive(Clone, Debug)]
pub(crate) struct Entering {
    pub(crate) producer: (ProducerId, ProducerEpoch),
    /// What the coordinator's consent is bound to; none where the transaction was open already.
    pub(crate) guard: Option<Guard>,
    /// Whether a producer that the log knows nothing of has to begin with sequence 0.
    pub(crate) counts_from_zero: bool,
}

/// The guards of one partition.
#[derive(Debug, Default)]
pub(crate) struct Verifications(BTreeMap<ProducerId, Weak<()>>);

impl Verifications {
    /// A guard for a question, which is that of others who ask about the same producer.
    pub(crate) fn begin(&mut self, id: ProducerId) -> Guard {
        if let Some(guard) = self.0.get(&id).and_then(Weak::upgrade) {
            return Guard(guard);
        }
        self.0.retain(|_, guard| guard.strong_count() > 0);
        let guard = Arc::new(());
        self.0.insert(id, Arc::downgrade(&guard));
        Guard(guard)
    }

    /// Whether nothing has ended since the guard was taken.
    pub(crate) fn holds(&self, id: ProducerId, guard: &Guard) -> bool {
        self.0.get(&id).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&guard.0)))
    }

    /// A transaction of this producer has ended.
    pub(crate) fn end(&mut self, id: ProducerId) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ProducerId = ProducerId(7);

    #[test]
    fn an_end_makes_the_guards_of_its_producer_worthless() {
        let mut verifications = Verifications::default();
        let (first, second) = (verifications.begin(ID), verifications.begin(ID));
        let other = verifications.begin(ProducerId(8));
        assert!(verifications.holds(ID, &first) && verifications.holds(ID, &second));
        verifications.end(ID);
        assert!(!verifications.holds(ID, &first) && !verifications.holds(ID, &second));
        assert!(verifications.holds(ProducerId(8), &other));
        let third = verifications.begin(ID);
        assert!(verifications.holds(ID, &third) && !verifications.holds(ID, &first));
    }

    #[test]
    fn guards_that_nobody_holds_are_forgotten() {
        let mut verifications = Verifications::default();
        for id in 0..100 {
            drop(verifications.begin(ProducerId(id)));
        }
        let held = verifications.begin(ID);
        assert!(verifications.holds(ID, &held) && verifications.0.len() == 1);
    }
}
