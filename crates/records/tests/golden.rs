//! Logs that Apache Kafka wrote are read record by record as Kafka's own consumer reads them.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use bytes::Bytes;
use ottla_records::record::Header;
use ottla_records::{BatchView, Codec, ControlRecord, Record, batches, read_batch};

#[test]
fn every_record_of_every_codec_is_what_kafkas_consumer_read() {
    check("sample-none", include_bytes!("golden/sample-none.log"), Codec::None);
    check("sample-gzip", include_bytes!("golden/sample-gzip.log"), Codec::Gzip);
    check("sample-snappy", include_bytes!("golden/sample-snappy.log"), Codec::Snappy);
    check("sample-lz4", include_bytes!("golden/sample-lz4.log"), Codec::Lz4);
    check("sample-zstd", include_bytes!("golden/sample-zstd.log"), Codec::Zstd);
    check("sample-txn", include_bytes!("golden/sample-txn.log"), Codec::None);
}

#[test]
fn markers_end_every_second_transaction_with_an_abort() {
    let log = Bytes::from_static(include_bytes!("golden/sample-txn.log"));
    let mut markers = String::new();
    for batch in whole(&log).into_iter().filter(|batch| batch.is_control()) {
        assert!(batch.is_transactional());
        for record in read(&log, &batch) {
            let offset = record.offset;
            markers += match ControlRecord::decode(&record).unwrap() {
                ControlRecord::Commit { coordinator_epoch: 0 } => "commit at ",
                ControlRecord::Abort { coordinator_epoch: 0 } => "abort at ",
                other => panic!("{other:?}"),
            };
            markers += &format!("{offset}, ");
        }
    }
    assert_eq!(
        markers,
        "commit at 3, abort at 7, commit at 11, abort at 15, commit at 19, abort at 23, "
    );
}

#[test]
fn control_records_of_kraft_are_written_as_they_are_read() {
    let mut kinds = Vec::new();
    for log in [
        &include_bytes!("golden/cluster-metadata.log")[..],
        &include_bytes!("golden/cluster-metadata.checkpoint")[..],
    ] {
        let log = Bytes::from_static(log);
        for batch in whole(&log).into_iter().filter(|batch| batch.is_control()) {
            for record in read(&log, &batch) {
                let control = ControlRecord::decode(&record).unwrap();
                assert_eq!(record.key.as_deref(), Some(&control.key()[..]));
                assert_eq!(record.value, Some(control.value().unwrap()));
                kinds.push(control.key()[3]);
            }
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [2, 3, 4, 5, 6], "every type of KRaft is among them");
}

fn check(topic: &str, log: &'static [u8], codec: Codec) {
    let log = Bytes::from_static(log);
    let mut lines = String::new();
    for batch in whole(&log).into_iter().filter(|batch| !batch.is_control()) {
        assert_eq!(batch.codec(), Ok(codec));
        for record in read(&log, &batch) {
            lines += &line(topic, &batch, &record);
        }
    }
    let expected: String = include_str!("golden/records.tsv")
        .split_inclusive('\n')
        .filter(|line| line.starts_with(&format!("{topic}\t")))
        .collect();
    assert_eq!(lines, expected);
}

fn whole(log: &Bytes) -> Vec<BatchView<'_>> {
    let mut all = batches(log);
    let whole: Vec<_> = all.by_ref().map(|batch| batch.unwrap()).collect();
    assert!(all.rest().is_empty(), "the log ends with a batch");
    whole.iter().for_each(|batch| batch.verify_crc().unwrap());
    whole
}

fn read(log: &Bytes, batch: &BatchView<'_>) -> Vec<Record> {
    read_batch(&log.slice_ref(batch.bytes())).collect::<Result<_, _>>().unwrap()
}

fn line(topic: &str, batch: &BatchView<'_>, record: &Record) -> String {
    let text = |bytes: &Option<Bytes>| match bytes {
        Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        None => "null".to_owned(),
    };
    let header = |(name, value): &Header| format!("{}={};", &**name, text(value));
    let headers: String = record.headers.iter().map(header).collect();
    let (epoch, key, value) = (batch.leader_epoch(), text(&record.key), text(&record.value));
    let (offset, time) = (record.offset, record.timestamp);
    format!("{topic}\t0\t{offset}\t{time}\t{epoch}\t{key}\t{value}\t{headers}\n")
}
