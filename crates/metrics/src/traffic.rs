//! Records in and out, by topic and of all topics.
//!
//! A topic's counters live as long as the topic on this broker; what it brought stays in the
//! counters of all topics. Must hold: the counters of all topics never fall.

use std::sync::Arc;

use crate::number::Counter;
use crate::page::Page;
use crate::table::Metric;

/// Records in and out.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes_in: Counter,
    bytes_out: Counter,
    messages_in: Counter,
    produces: Counter,
    failed_produces: Counter,
    fetches: Counter,
    share_fetches: Counter,
    failed_share_fetches: Counter,
    share_acknowledgements: Counter,
    failed_share_acknowledgements: Counter,
}

impl Traffic {
    /// Writes the counters; an empty `topic` stands for all of them.
    pub fn write(&self, page: &mut Page, topic: &str) {
        for (metric, counter) in [
            (Metric::BytesIn, &self.bytes_in),
            (Metric::BytesOut, &self.bytes_out),
            (Metric::MessagesIn, &self.messages_in),
            (Metric::Produces, &self.produces),
            (Metric::FailedProduces, &self.failed_produces),
            (Metric::Fetches, &self.fetches),
            (Metric::ShareFetches, &self.share_fetches),
            (Metric::FailedShareFetches, &self.failed_share_fetches),
            (Metric::ShareAcknowledgements, &self.share_acknowledgements),
            (Metric::FailedShareAcknowledgements, &self.failed_share_acknowledgements),
        ] {
            page.put(metric, &[topic], counter.value());
        }
    }
}

/// The records of one topic, which count as those of all topics too.
#[derive(Debug)]
pub struct TopicTraffic {
    all: Arc<Traffic>,
    own: Traffic,
}

impl TopicTraffic {
    /// A topic that begins to count.
    pub fn new(all: Arc<Traffic>) -> TopicTraffic {
        TopicTraffic { all, own: Traffic::default() }
    }

    /// So many bytes with so many records were appended.
    pub fn appended(&self, bytes: u64, records: u64) {
        for to in [&self.own, &*self.all] {
            to.bytes_in.add(bytes);
            to.messages_in.add(records);
        }
    }

    /// An append was asked for.
    pub fn asked(&self) {
        self.own.produces.one();
        self.all.produces.one();
    }

    /// The log refused an append.
    pub fn refused(&self) {
        self.own.failed_produces.one();
        self.all.failed_produces.one();
    }

    /// A fetch was answered with so many bytes.
    pub fn fetched(&self, bytes: u64) {
        for to in [&self.own, &*self.all] {
            to.fetches.one();
            if bytes > 0 {
                to.bytes_out.add(bytes);
            }
        }
    }

    /// A share fetch looked at a partition.
    pub fn share_fetched(&self) {
        self.own.share_fetches.one();
        self.all.share_fetches.one();
    }

    /// A share fetch was refused a partition.
    pub fn share_fetch_refused(&self) {
        self.own.failed_share_fetches.one();
        self.all.failed_share_fetches.one();
    }

    /// Something was said of records of a share partition, and taken or refused.
    pub fn share_acknowledged(&self, is_taken: bool) {
        for to in [&self.own, &*self.all] {
            to.share_acknowledgements.one();
            if !is_taken {
                to.failed_share_acknowledgements.one();
            }
        }
    }

    /// Writes the topic's own counters.
    pub fn write(&self, page: &mut Page, topic: &str) {
        self.own.write(page, topic);
    }
}
