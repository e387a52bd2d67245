//! One record of a dead-letter queue: headers that tell which record was given up and why, and its
//! key and value where the group wants them.
//!
//! Names and values of the headers are those of Apache Kafka 4.4; each value is text. The record's
//! own headers and timestamp are not kept (ShareGroupDLQStateManager). Must hold: a batch fits the
//! queue's `max.message.bytes`; a record that alone does not comes without key and value.

use bytes::Bytes;
use ottla_records::builder::BuildError;
use ottla_records::record::Header;
use ottla_records::{BatchBuilder, BatchSettings};
use ottla_share::{DeadLetters, Reason};
use ottla_wire::{Offset, PartitionIndex, StrBytes, Timestamp};

use super::copies::Copies;

/// Topic, partition and share group of a record.
pub(super) type From<'a> = (&'a str, PartitionIndex, &'a str);

/// One record that was given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) offset: Offset,
    count: i16,
    reason: Reason,
}

impl Letter {
    /// The records of a range.
    pub(super) fn each(of: &DeadLetters) -> impl Iterator<Item = Letter> + use<> {
        let (count, reason) = (of.count, of.reason);
        (of.first.0..=of.last.0).map(move |at| Letter { offset: Offset(at), count, reason })
    }

    fn headers(&self, (topic, partition, group): From<'_>) -> [Header; 6] {
        let header = |name: &'static str, value: String| {
            (StrBytes::from(name), Some(Bytes::from(value.into_bytes())))
        };
        [
            header("__dlq.errors.topic", topic.to_owned()),
            header("__dlq.errors.partition", partition.to_string()),
            header("__dlq.errors.offset", self.offset.to_string()),
            header("__dlq.errors.group", group.to_owned()),
            header("__dlq.errors.delivery.count", self.count.to_string()),
            header("__dlq.errors.message", message(self.reason).to_owned()),
        ]
    }
}

/// Why a record was given up, in the words that readers of Kafka's queues know.
fn message(reason: Reason) -> &'static str {
    match reason {
        Reason::Rejected => "Offset rejected by client.",
        Reason::DeliveredTooOften => "Offset delivery count exceeded the threshold.",
    }
}

/// One batch of as many letters as fit; at least one.
pub(super) fn batch_of(
    from: From<'_>,
    letters: &[Letter],
    copies: &Copies,
    now_ms: i64,
    bytes_max: usize,
) -> Result<(Bytes, usize), BuildError> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    let mut count = 0;
    for letter in letters {
        let headers = letter.headers(from);
        let bare = headers.iter().map(|(name, value)| {
            name.len() + value.as_ref().map_or(0, Bytes::len) + 2 * VARINT_BYTES
        });
        let bare = bare.sum::<usize>() + RECORD_BYTES;
        let (mut key, mut value) = copies.of(letter.offset);
        let whole = bare + key.map_or(0, Bytes::len) + value.map_or(0, Bytes::len);
        let needs = if builder.uncompressed_len() + whole <= bytes_max {
            whole
        } else if builder.is_empty() {
            (key, value) = (None, None);
            bare
        } else {
            break;
        };
        if !builder.is_empty() && builder.uncompressed_len() + needs > bytes_max {
            break;
        }
        let (key, value) = (key.map(|key| &**key), value.map(|value| &**value));
        builder.append(Timestamp(now_ms), key, value, &headers)?;
        count += 1;
    }
    Ok((builder.build()?, count))
}

/// The longest a length may be written.
const VARINT_BYTES: usize = 5;
/// What a record has beside key, value and headers, at most.
const RECORD_BYTES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_records::read_batch;

    const LETTERS: [DeadLetters; 2] = [
        DeadLetters { first: Offset(3), last: Offset(4), count: 1, reason: Reason::Rejected },
        DeadLetters {
            first: Offset(7),
            last: Offset(7),
            count: 5,
            reason: Reason::DeliveredTooOften,
        },
    ];

    /// The records of each batch that the letters become.
    fn told(copies: &Copies, bytes_max: usize) -> Vec<Vec<String>> {
        let letters: Vec<Letter> = LETTERS.iter().flat_map(Letter::each).collect();
        let mut left = &letters[..];
        let mut told = Vec::new();
        while !left.is_empty() {
            let from = ("src", PartitionIndex(2), "g");
            let (batch, count) = batch_of(from, left, copies, 17, bytes_max).unwrap();
            left = &left[count..];
            let text = |bytes: &Option<Bytes>| {
                let bytes = bytes.as_deref();
                bytes.map_or("-".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let records = read_batch(&batch).map(|record| {
                let record = record.unwrap();
                assert_eq!(record.timestamp, Timestamp(17));
                let headers = record.headers.iter().map(|(name, value)| {
                    format!("{}={}", name.strip_prefix("__dlq.errors.").unwrap(), text(value))
                });
                let headers: Vec<String> = headers.collect();
                format!("{} {} {}", text(&record.key), text(&record.value), headers.join(" "))
            });
            told.push(records.collect());
        }
        told
    }

    #[test]
    fn a_record_says_where_it_comes_from_and_why() {
        assert_eq!(
            told(&Copies::none(), 1_000_000),
            [[
                "- - topic=src partition=2 offset=3 group=g delivery.count=1 \
                 message=Offset rejected by client.",
                "- - topic=src partition=2 offset=4 group=g delivery.count=1 \
                 message=Offset rejected by client.",
                "- - topic=src partition=2 offset=7 group=g delivery.count=5 \
                 message=Offset delivery count exceeded the threshold.",
            ]]
        );
    }

    #[test]
    fn batches_fit_the_queue_and_what_does_not_fit_comes_without_its_bytes() {
        let large = Bytes::from(vec![b'x'; 900]);
        let copies = Copies::made([
            (Offset(3), Some(Bytes::from_static(b"k")), Some(Bytes::from_static(b"v"))),
            (Offset(4), None, Some(large)),
            (Offset(7), Some(Bytes::from_static(b"l")), None),
        ]);
        let told = told(&copies, 1_000);
        let begin = |batch: &Vec<String>| {
            let words = batch.iter().map(|record| record[..4].to_owned());
            words.collect::<Vec<_>>().join("|")
        };
        let begins: Vec<String> = told.iter().map(begin).collect();
        assert_eq!(begins, ["k v ", "- - |l - "]);
    }
}
