//! The formatters by their classes, and records of coordinators' topics as JSON.
//!
//! Each prints the records of a few types and passes over the others; nothing stands between two
//! of them, as Apache Kafka's formatters print them. Not here: lines (formatter.rs).

use ottla_records::Record;
use ottla_wire::Bytes;
use ottla_wire::registry::{Kind, MESSAGES, MessageInfo};

use crate::failure::Failure;

/// The class whose work formatter.rs does.
pub(crate) const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

/// What a formatter does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printing {
    /// A line of it.
    Lines,
    /// A line of it, which the log has as well.
    Logged,
    /// Nothing.
    Nothing,
    /// JSON, where its key is one of these messages.
    Records(&'static [&'static str]),
}

/// The formatters by the names of their classes.
#[rustfmt::skip]
pub(super) const FORMATTERS: &[(&str, Printing)] = &[
    (DEFAULT, Printing::Lines),
    ("org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
        Printing::Records(&["GroupMetadataKey"])),
    ("org.apache.kafka.tools.consumer.LoggingMessageFormatter", Printing::Logged),
    ("org.apache.kafka.tools.consumer.NoOpMessageFormatter", Printing::Nothing),
    ("org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
        Printing::Records(&["LegacyOffsetCommitKey", "OffsetCommitKey"])),
    ("org.apache.kafka.tools.consumer.ShareGroupMessageFormatter",
        Printing::Records(&[
            "ShareGroupMemberMetadataKey", "ShareGroupMetadataKey",
            "ShareGroupTargetAssignmentMetadataKey", "ShareGroupTargetAssignmentMemberKey",
            "ShareGroupCurrentMemberAssignmentKey", "ShareGroupStatePartitionMetadataKey",
        ])),
    ("org.apache.kafka.tools.consumer.TransactionLogMessageFormatter",
        Printing::Records(&["TransactionLogKey"])),
    ("org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter",
        Printing::Records(&["ShareSnapshotKey", "ShareUpdateKey"])),
];

/// A record as JSON; none when it has no key, or one of another type.
pub(super) fn json(names: &[&str], record: &Record) -> Result<Option<String>, Failure> {
    let read = || -> Result<Option<String>, String> {
        let Some(key) = &record.key else { return Ok(None) };
        let (kind, key) = int16(key)?;
        let is_key = |info: &&MessageInfo| {
            info.kind == Kind::CoordinatorKey
                && info.key == Some(kind)
                && names.contains(&info.name)
        };
        let Some(info) = MESSAGES.iter().find(is_key) else { return Ok(None) };
        let key = info.json(key, 0).map_err(|error| error.to_string())?;
        let value = match &record.value {
            None => "null".to_owned(),
            Some(value) => {
                let (version, value) = int16(value)?;
                let data = value_of(info)?.json(value, version);
                let data = data.map_err(|error| error.to_string())?;
                format!("{{\"version\":{version},\"data\":{data}}}")
            }
        };
        let key = format!("{{\"type\":{kind},\"data\":{key}}}");
        Ok(Some(format!("{{\"key\":{key},\"value\":{value}}}")))
    };
    read().map_err(|why| {
        let offset = record.offset;
        Failure::said(format!("Could not read record at offset {offset} due to: {why}"))
    })
}

/// The message that stands beside a key.
fn value_of(key: &MessageInfo) -> Result<&'static MessageInfo, String> {
    let name = key.name.strip_suffix("Key").unwrap_or(key.name);
    let is_value = |info: &&MessageInfo| {
        info.kind == Kind::CoordinatorValue && info.name.strip_suffix("Value") == Some(name)
    };
    MESSAGES.iter().find(is_value).ok_or_else(|| format!("{} has no value", key.name))
}

/// A number of two bytes, and what follows it.
fn int16(bytes: &Bytes) -> Result<(i16, Bytes), String> {
    let number = bytes.first_chunk().copied().ok_or("it has no version")?;
    Ok((i16::from_be_bytes(number), bytes.slice(2..)))
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::transaction_log_value::PartitionsSchema;
    use ottla_wire::messages::{
        GroupMetadataKey, GroupMetadataValue, TransactionLogKey, TransactionLogValue,
    };
    use ottla_wire::{
        Generation, Message, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
    };

    use super::*;

    fn framed(number: i16, version: i16, message: &impl Message) -> Option<Bytes> {
        let body = message.to_bytes(version).unwrap();
        Some([&number.to_be_bytes(), &body[..]].concat().into())
    }

    fn record(key: Option<Bytes>, value: Option<Bytes>) -> Record {
        Record { offset: Offset(7), timestamp: Timestamp(0), key, value, headers: vec![] }
    }

    fn check(class: &str, record: &Record, expect: Option<&str>) {
        let class = format!("org.apache.kafka.tools.consumer.{class}");
        let found = FORMATTERS.iter().find(|(name, _)| *name == class);
        let Some((_, Printing::Records(names))) = found else { panic!("{class}") };
        assert_eq!(json(names, record).unwrap().as_deref(), expect);
    }

    /// What follows was printed by the formatters of Apache Kafka 4.3.1 from its own topics.
    #[test]
    fn records_are_printed_as_apache_kafkas_formatters_print_them() {
        let key = framed(0, 0, &TransactionLogKey { transactional_id: "tx".into() });
        let value = TransactionLogValue {
            producer_id: ProducerId(0),
            previous_producer_id: ProducerId(0),
            producer_epoch: ProducerEpoch(0),
            transaction_timeout_ms: 60_000,
            transaction_status: 1,
            transaction_partitions: Some(vec![PartitionsSchema {
                topic: "t".into(),
                partition_ids: vec![PartitionIndex(0)],
                ..Default::default()
            }]),
            transaction_last_update_timestamp_ms: Timestamp(1_795_287_724_493),
            transaction_start_timestamp_ms: Timestamp(1_795_287_724_493),
            client_transaction_version: 2,
            ..Default::default()
        };
        let transaction = record(key, framed(1, 1, &value));
        check(
            "TransactionLogMessageFormatter",
            &transaction,
            Some(
                "{\"key\":{\"type\":0,\"data\":{\"transactionalId\":\"tx\"}},\"value\":\
                 {\"version\":1,\"data\":{\"producerId\":0,\"previousProducerId\":0,\
                 \"producerEpoch\":0,\"transactionTimeoutMs\":60000,\"transactionStatus\":1,\
                 \"transactionPartitions\":[{\"topic\":\"t\",\"partitionIds\":[0]}],\
                 \"transactionLastUpdateTimestampMs\":1795287724493,\
                 \"transactionStartTimestampMs\":1795287724493,\"clientTransactionVersion\":2}}}",
            ),
        );
        let key = framed(2, 0, &GroupMetadataKey { group: "dyn".into() });
        let value = GroupMetadataValue {
            generation: Generation(0),
            protocol: None,
            leader: None,
            current_state_timestamp: Timestamp(1_795_286_748_682),
            ..Default::default()
        };
        check(
            "GroupMetadataMessageFormatter",
            &record(key.clone(), framed(3, 3, &value)),
            Some(
                "{\"key\":{\"type\":2,\"data\":{\"group\":\"dyn\"}},\"value\":{\"version\":3,\
                 \"data\":{\"protocolType\":\"\",\"generation\":0,\"protocol\":null,\
                 \"leader\":null,\"currentStateTimestamp\":1795286748682,\"members\":[]}}}",
            ),
        );
        let gone = "{\"key\":{\"type\":2,\"data\":{\"group\":\"dyn\"}},\"value\":null}";
        check("GroupMetadataMessageFormatter", &record(key.clone(), None), Some(gone));
        check("OffsetsMessageFormatter", &record(key, None), None);
        check("OffsetsMessageFormatter", &record(None, None), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_with_its_offset() {
        let torn =
            record(framed(2, 0, &GroupMetadataKey::default()), Some(Bytes::from_static(&[0])));
        let told = json(&["GroupMetadataKey"], &torn).unwrap_err().to_string();
        assert_eq!(told, "Could not read record at offset 7 due to: it has no version");
    }

    #[test]
    fn every_name_of_a_formatter_is_one_of_a_key() {
        for (class, printing) in FORMATTERS {
            let Printing::Records(names) = printing else { continue };
            for name in *names {
                let key = MESSAGES.iter().find(|info| info.name == *name);
                let key = key.unwrap_or_else(|| panic!("{class}: {name}"));
                assert_eq!(key.kind, Kind::CoordinatorKey);
                assert!(value_of(key).is_ok(), "{name}");
            }
        }
    }
}
