//! What share groups do with this broker: what is fetched, said of records, and given up.
//!
//! Not here: what stands right now, as records in flight, which is looked up when somebody asks.

use crate::number::Counter;
use crate::page::Page;
use crate::table::Metric;

/// What is counted of share groups, of all groups and topics together.
#[derive(Debug, Default)]
pub struct ShareTraffic {
    /// Share partitions that fetches looked at.
    pub fetches: Counter,
    /// Those that could not be fetched from.
    pub failed_fetches: Counter,
    /// Share partitions that something was said of.
    pub acknowledgements: Counter,
    /// Those where it was refused.
    pub failed_acknowledgements: Counter,
    /// Records that are done with.
    pub accepted: Counter,
    /// Records that somebody else may try.
    pub released: Counter,
    /// Records that nobody should try again.
    pub rejected: Counter,
    /// Records that are held for longer.
    pub renewed: Counter,
    /// Records whose locks ran out.
    pub timed_out: Counter,
    /// Records that were written to dead-letter queues.
    pub dead_letters: Counter,
    /// Batches for dead-letter queues, each try counted.
    pub dead_letter_produces: Counter,
    /// Tries that failed.
    pub failed_dead_letter_produces: Counter,
}

impl ShareTraffic {
    /// Writes the counters.
    pub fn write(&self, page: &mut Page) {
        for (metric, counter) in [
            (Metric::ShareFetches, &self.fetches),
            (Metric::FailedShareFetches, &self.failed_fetches),
            (Metric::ShareAcknowledgements, &self.acknowledgements),
            (Metric::FailedShareAcknowledgements, &self.failed_acknowledgements),
            (Metric::DeadLetters, &self.dead_letters),
            (Metric::DeadLetterProduces, &self.dead_letter_produces),
            (Metric::FailedDeadLetterProduces, &self.failed_dead_letter_produces),
        ] {
            page.put(metric, &[], counter.value());
        }
        for (kind, counter) in [
            ("Accept", &self.accepted),
            ("Release", &self.released),
            ("Reject", &self.rejected),
            ("Renew", &self.renewed),
        ] {
            page.put(Metric::RecordAcknowledgements, &[kind], counter.value());
        }
    }
}
