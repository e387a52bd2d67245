//! What share groups do with this broker: what is said of records, waited for, and given up.
//!
//! Not here: what stands right now, as records in flight, which is looked up when somebody asks;
//! what counts for each topic (traffic.rs).

use std::time::Duration;

use crate::number::Counter;
use crate::page::Page;
use crate::table::Metric;

/// What is counted of share groups, of all groups and topics together.
#[derive(Debug, Default)]
pub struct ShareTraffic {
    /// States of share partitions that were read.
    pub loads: Timed,
    /// Share fetches that found something to acquire.
    pub acquires: Timed,
    /// Writes of states of share partitions.
    pub writes: Timed,
    /// Share fetches that found nothing in their time.
    pub expired: Counter,
    /// Sessions that ended with their connection.
    pub evicted: Counter,
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

/// How often something was done, and how long that took together.
#[derive(Debug, Default)]
pub struct Timed {
    count: Counter,
    nanos: Counter,
}

impl Timed {
    /// It was done once more, and took this long.
    pub fn took(&self, time: Duration) {
        self.count.one();
        self.nanos.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl ShareTraffic {
    /// Writes the counters.
    pub fn write(&self, page: &mut Page) {
        for (metric, counter) in [
            (Metric::ShareFetchesExpired, &self.expired),
            (Metric::ShareSessionsEvicted, &self.evicted),
            (Metric::DeadLetters, &self.dead_letters),
            (Metric::DeadLetterProduces, &self.dead_letter_produces),
            (Metric::FailedDeadLetterProduces, &self.failed_dead_letter_produces),
        ] {
            page.put(metric, &[], counter.value());
        }
        for (count, time, timed) in [
            (Metric::ShareLoads, Metric::ShareLoadTime, &self.loads),
            (Metric::ShareAcquires, Metric::ShareAcquireTime, &self.acquires),
            (Metric::ShareStateWrites, Metric::ShareStateWriteTime, &self.writes),
        ] {
            page.put(count, &[], timed.count.value());
            let seconds = Duration::from_nanos(timed.nanos.value()).as_secs_f64();
            page.put(time, &[], seconds);
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
