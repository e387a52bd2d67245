//! The checks of single records: keys where they must be, timestamps within their bounds, offsets
//! in order.
//!
//! The visitor of a walk. Not here: the checks of headers, and what follows from the findings
//! (validate.rs). Must hold: a few compares per record, and text only for one that is refused.

use std::fmt::Write as _;

use ottla_wire::{ErrorCode, Timestamp};

use super::{Invalid, RECORD_ERRORS_MAX, RecordError, Rules};
use crate::batch::{BatchView, NO_TIMESTAMP, TimestampType};
use crate::codec::{self, Codec, Scratch};
use crate::walk::{Broken, Head, walk};

/// What the records of a batch turned out to be.
pub(crate) struct Findings {
    pub(crate) max_timestamp: Timestamp,
    pub(crate) offset_delta_of_max_timestamp: i32,
    /// Whether the inner offsets are 0, 1, 2, ...
    pub(crate) in_order: bool,
}

/// Walks the records of a batch that is compressed by `codec`.
pub(super) fn check_records(
    batch: &BatchView<'_>,
    codec: Codec,
    rules: &Rules<'_>,
    scratch: &mut Scratch,
) -> Result<Findings, Invalid> {
    let mut check = RecordCheck::new(batch, rules);
    let visit = |index, head: Head, has_key| check.visit(index, head, has_key);
    let walked = match codec {
        Codec::None => walk(&mut batch.records(), batch.count(), visit),
        codec => codec::reader_with(codec, batch.records(), scratch)
            .map_err(Broken::Inflating)
            .and_then(|mut reader| {
                let walked = walk(&mut reader, batch.count(), visit);
                reader.give_back(scratch);
                walked
            }),
    };
    walked.map_err(|broken| Invalid::broken(&broken, codec))?;
    check.finish()
}

/// The walk's visitor: a few compares per record, and text only for a record that is refused.
struct RecordCheck<'a> {
    rules: &'a Rules<'a>,
    source_type: TimestampType,
    base_timestamp: i64,
    append_timestamp: Option<i64>,
    findings: Findings,
    errors: Vec<RecordError>,
    errors_count: usize,
    wrong_time: bool,
}

impl<'a> RecordCheck<'a> {
    fn new(batch: &BatchView<'_>, rules: &'a Rules<'a>) -> Self {
        let source_type = batch.timestamp_type();
        let append_timestamp =
            (source_type == TimestampType::LogAppendTime).then(|| batch.max_timestamp().0);
        let findings = Findings {
            max_timestamp: NO_TIMESTAMP,
            offset_delta_of_max_timestamp: 0,
            in_order: true,
        };
        RecordCheck {
            rules,
            source_type,
            base_timestamp: batch.base_timestamp().0,
            append_timestamp,
            findings,
            errors: Vec::new(),
            errors_count: 0,
            wrong_time: false,
        }
    }

    #[inline]
    fn visit(&mut self, index: i32, head: Head, has_key: bool) {
        let timestamp = match self.append_timestamp {
            Some(timestamp) => timestamp,
            None => self.base_timestamp.wrapping_add(head.timestamp_delta),
        };
        if (self.rules.compacted && !has_key) || !self.time_allowed(timestamp) {
            return self.refuse(index, head.offset_delta, timestamp, has_key);
        }
        self.findings.in_order &= head.offset_delta == index;
        if timestamp > self.findings.max_timestamp.0 {
            self.findings.max_timestamp = Timestamp(timestamp);
            self.findings.offset_delta_of_max_timestamp = index;
        }
    }

    #[inline]
    fn time_allowed(&self, timestamp: i64) -> bool {
        if self.rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP.0 {
            let age = self.rules.now.0.wrapping_sub(timestamp);
            return age <= self.rules.before_max_ms
                && age.wrapping_neg() <= self.rules.after_max_ms;
        }
        self.source_type == TimestampType::CreateTime
    }

    #[cold]
    fn refuse(&mut self, index: i32, offset: i32, timestamp: i64, has_key: bool) {
        let Rules { now, before_max_ms, after_max_ms, partition, .. } = self.rules;
        let message = if self.rules.compacted && !has_key {
            format!(
                "Compacted topic cannot accept message without key in topic partition {partition}"
            )
        } else {
            self.wrong_time = true;
            if self.rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP.0
            {
                let first = now.0.wrapping_sub(*before_max_ms);
                let last = now.0.wrapping_add(*after_max_ms);
                format!(
                    "Timestamp {timestamp} of message with offset {offset} is out of range. The \
                     timestamp should be within [{first}, {last}]"
                )
            } else {
                format!(
                    "Invalid timestamp type in message with offset {offset}. Producer should not \
                     set timestamp type to LogAppendTime."
                )
            }
        };
        self.errors_count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordError { index, message });
        }
    }

    fn finish(self) -> Result<Findings, Invalid> {
        if self.errors.is_empty() {
            return Ok(self.findings);
        }
        let (error, message) = if self.wrong_time {
            let message = "One or more records have been rejected due to invalid timestamp";
            (ErrorCode::INVALID_TIMESTAMP, message.to_owned())
        } else {
            let mut message = format!(
                "One or more records have been rejected due to {} record errors in total, and \
                 only showing the first three errors at most: [",
                self.errors_count
            );
            for (n, RecordError { index, message: cause }) in self.errors.iter().take(3).enumerate()
            {
                let comma = if n == 0 { "" } else { ", " };
                let _ =
                    write!(message, "{comma}RecordError(batchIndex={index}, message='{cause}')");
            }
            message.push(']');
            (ErrorCode::INVALID_RECORD, message)
        };
        Err(Invalid { error, message, record_errors: self.errors })
    }
}
