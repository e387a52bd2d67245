//! Configs that change what becomes of a topic's records: each set to something and seen to do it.

use std::path::Path;

use bytes::Bytes;
use ottla_records::{BatchSettings, Codec, Producer, batches};
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::{
    DescribeProducersRequest, ListOffsetsRequest, describe_producers_request,
};
use ottla_wire::{
    ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId, Records, Timestamp,
};

use crate::fetch::{fetch, values};
use crate::groups::{commit, committed};
use crate::offsets::delete;
use crate::produce::only;
use crate::support::{House, NODE, NOW, batch_with, produce};

/// Longer than retention and removal take to come round by default.
const A_WHILE_MS: u64 = 400_000;

fn with(configs: &[(&str, &str)]) -> House {
    let mut house = House::new();
    house.topic("t", 1, configs);
    house
}

fn code_at(house: &House, ms: i64, value: &str) -> ErrorCode {
    let records = batch_with(BatchSettings::default(), Timestamp(ms), &[(Some("k"), value)]);
    only(house.ask(9, produce("t", -1, records))).error_code
}

/// Appends a record of its own batch, so much later than the world's first time.
fn put(house: &House, later_ms: i64, value: &str) {
    assert_eq!(code_at(house, NOW.0 + later_ms, value), ErrorCode::NONE);
}

/// The files of partition 0 whose names end so, with their lengths.
fn files(house: &House, ending: &str) -> Vec<(String, u64)> {
    let all = house.world.disk(NODE).files(Path::new("/data"));
    let named = all.into_iter().map(|(path, len)| (path.to_string_lossy().into_owned(), len));
    named.filter(|(path, _)| path.contains("/t-0/") && path.ends_with(ending)).collect()
}

fn segments(house: &House) -> usize {
    files(house, ".log").len()
}

/// Where the log starts, by ListOffsets.
fn start(house: &House) -> i64 {
    let partition = ListOffsetsPartition {
        partition_index: PartitionIndex(0),
        timestamp: Timestamp(-2),
        ..Default::default()
    };
    let partitions = vec![partition];
    let topic = ListOffsetsTopic { name: "t".into(), partitions, ..Default::default() };
    let told = house.ask(7, ListOffsetsRequest { topics: vec![topic], ..Default::default() });
    told.topics[0].partitions[0].offset.0
}

/// The codec and the length of the only batch of a topic.
fn stored(house: &House, topic: &str) -> (Codec, usize) {
    let told = house.ask(12, fetch(topic, 0));
    let Some(Records::Bytes(bytes)) = &told.responses[0].partitions[0].records else {
        panic!("a decoded response is in memory")
    };
    let batch = batches(bytes).next().unwrap().unwrap();
    (batch.codec().unwrap(), batch.bytes().len())
}

#[test]
fn a_segment_is_as_large_as_segment_bytes_lets_it_grow() {
    for (bytes, count) in [("1048576", 2), ("10485760", 1)] {
        let house = with(&[("segment.bytes", bytes)]);
        let value = "x".repeat(600_000);
        put(&house, 0, &value);
        put(&house, 1, &value);
        assert_eq!(segments(&house), count);
    }
}

#[test]
fn a_segment_is_as_old_as_segment_ms_lets_it_grow() {
    for (ms, count) in [("1000", 2), ("100000", 1)] {
        let house = with(&[("segment.ms", ms)]);
        put(&house, 0, "a");
        put(&house, 2_000, "b");
        assert_eq!(segments(&house), count);
    }
}

#[test]
fn segment_jitter_ms_lets_partitions_roll_at_different_times() {
    let rolled = |jitter: &str| {
        let mut house = House::new();
        let configs = [("segment.ms", "10000"), ("segment.jitter.ms", jitter)];
        house.topic("t", 12, &configs);
        for later in [0, 5_000] {
            for index in 0..12 {
                let at = Timestamp(NOW.0 + later);
                let records = batch_with(BatchSettings::default(), at, &[(None, "v")]);
                let mut request = produce("t", -1, records);
                request.topic_data[0].partition_data[0].index = PartitionIndex(index);
                assert_eq!(only(house.ask(9, request)).error_code, ErrorCode::NONE);
            }
        }
        let all = house.world.disk(NODE).files(Path::new("/data"));
        let logs = all.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "log"));
        logs.count() - 12
    };
    assert_eq!(rolled("0"), 0);
    assert!((1..12).contains(&rolled("9999")), "{}", rolled("9999"));
}

#[test]
fn indexes_are_as_dense_and_as_large_as_their_configs_say() {
    let entries = |interval: &str| {
        let mut house = with(&[("index.interval.bytes", interval)]);
        (0..20).for_each(|n| put(&house, n, "v"));
        house.stop_and_restart();
        files(&house, ".index")[0].1 / 8
    };
    assert_eq!(entries("1048576"), 0);
    assert!(entries("0") > 15, "{}", entries("0"));
    let house = with(&[("index.interval.bytes", "0"), ("segment.index.bytes", "64")]);
    (0..20).for_each(|n| put(&house, n, "v"));
    assert!(segments(&house) > 1, "a full index begins a new segment");
}

#[test]
fn preallocate_gives_a_segment_its_full_size_at_once() {
    for (preallocate, full) in [("true", true), ("false", false)] {
        let house = with(&[("preallocate", preallocate), ("segment.bytes", "1048576")]);
        put(&house, 0, "v");
        assert_eq!(files(&house, ".log")[0].1 == 1_048_576, full);
        assert_eq!(values(&house, "t", 0), ["v"]);
    }
}

#[test]
fn retention_by_bytes_and_by_time_drops_what_is_too_much() {
    let left = |configs: &[(&str, &str)]| {
        let small = [configs, &[("internal.segment.bytes", "100")]].concat();
        let house = with(&small);
        (0..5).for_each(|n| put(&house, n, "v"));
        house.pass_ms(A_WHILE_MS);
        start(&house)
    };
    assert_eq!(left(&[]), 0);
    assert!(left(&[("retention.bytes", "100")]) > 0);
    assert!(left(&[("retention.ms", "1000")]) > 0);
    assert_eq!(left(&[("retention.bytes", "100"), ("cleanup.policy", "")]), 0);
}

#[test]
fn retention_comes_round_as_often_as_the_broker_is_told() {
    for (ms, is_early) in [("1000", true), ("300000", false)] {
        let interval = format!("log.retention.check.interval.ms={ms}");
        let mut house = House::with(&[&interval, "log.initial.task.delay.ms=10"]);
        house.topic("t", 1, &[("retention.ms", "1")]);
        house.pass_ms(100);
        put(&house, 0, "v");
        house.pass_ms(3_000);
        assert_eq!(start(&house) == 1, is_early);
    }
}

#[test]
fn housekeeping_begins_after_log_initial_task_delay_ms() {
    for (ms, is_early) in [("1000", true), ("3600000", false)] {
        let mut house = House::with(&[&format!("log.initial.task.delay.ms={ms}")]);
        house.topic("t", 1, &[("retention.ms", "1")]);
        put(&house, 0, "v");
        house.pass_ms(3_000);
        assert_eq!(start(&house) == 1, is_early);
    }
}

#[test]
fn a_producer_that_writes_nothing_for_producer_id_expiration_ms_is_forgotten() {
    let known = |house: &House| {
        let topic = describe_producers_request::TopicRequest {
            name: "t".into(),
            partition_indexes: vec![PartitionIndex(0)],
            ..Default::default()
        };
        let told =
            house.ask(0, DescribeProducersRequest { topics: vec![topic], ..Default::default() });
        told.topics[0].partitions[0].active_producers.len()
    };
    for (ms, left) in [("60000", 0), ("86400000", 1)] {
        let mut house = House::with(&[&format!("producer.id.expiration.ms={ms}")]);
        house.topic("t", 1, &[]);
        let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(0), base_sequence: 0 };
        let settings = BatchSettings { producer: Some(producer), ..Default::default() };
        let told = only(house.ask(9, produce("t", -1, batch_with(settings, NOW, &[(None, "a")]))));
        assert_eq!((told.error_code, known(&house)), (ErrorCode::NONE, 1));
        // They are looked for every ten minutes.
        house.pass_ms(2 * A_WHILE_MS);
        assert_eq!(known(&house), left, "{ms}");
    }
}

#[test]
fn a_removed_segment_stays_for_file_delete_delay_ms() {
    for (delay, is_there) in [("1000", false), ("3600000", true)] {
        let configs = [("retention.ms", "1"), ("file.delete.delay.ms", delay)];
        let house = with(&configs);
        put(&house, 0, "v");
        house.pass_ms(A_WHILE_MS);
        assert_eq!(start(&house), 1);
        assert_eq!(!files(&house, ".deleted").is_empty(), is_there);
    }
}

#[test]
fn flush_ms_syncs_what_lies_unsynced_for_so_long() {
    let synced = |ms: &str| {
        let mut house = House::with(&["replica.high.watermark.checkpoint.interval.ms=3600000"]);
        house.topic("t", 1, &[("flush.ms", ms)]);
        house.pass_ms(2_000);
        put(&house, 0, "v");
        let before = house.syncs();
        house.pass_ms(3_000);
        house.syncs() > before
    };
    assert!(synced("1000"));
    assert!(!synced("100000"));
}

#[test]
fn timestamps_too_far_back_are_refused() {
    let house = with(&[("message.timestamp.before.max.ms", "1000")]);
    assert_eq!(code_at(&house, NOW.0 - 3_600_000, "v"), ErrorCode::INVALID_TIMESTAMP);
    let house = with(&[]);
    assert_eq!(code_at(&house, NOW.0 - 3_600_000, "v"), ErrorCode::NONE);
}

#[test]
fn batches_are_stored_in_the_codec_and_level_of_their_topic() {
    let mut house = House::new();
    let value = (0..20_000).map(|n| format!("{}", n * n % 7919)).collect::<Vec<_>>().join(",");
    let sent = |codec: Codec| -> Bytes {
        batch_with(BatchSettings::compressed(codec), NOW, &[(Some("k"), &value)])
    };
    let mut store = |name: &str, configs: &[(&str, &str)], codec: Codec| {
        house.topic(name, 1, configs);
        let told = only(house.ask(9, produce(name, -1, sent(codec))));
        assert_eq!(told.error_code, ErrorCode::NONE);
        stored(&house, name)
    };
    let kinds = [
        ("uncompressed", Codec::None),
        ("gzip", Codec::Gzip),
        ("snappy", Codec::Snappy),
        ("lz4", Codec::Lz4),
        ("zstd", Codec::Zstd),
    ];
    for (name, codec) in kinds {
        assert_eq!(store(name, &[("compression.type", name)], Codec::Gzip).0, codec);
    }
    assert_eq!(store("as-sent", &[("compression.type", "producer")], Codec::Lz4).0, Codec::Lz4);
    for (codec, key, fast, small) in [
        ("gzip", "compression.gzip.level", "1", "9"),
        ("zstd", "compression.zstd.level", "-50", "19"),
    ] {
        let mut len = |name: &str, level: &str| {
            store(name, &[("compression.type", codec), (key, level)], Codec::None).1
        };
        assert!(len(&format!("{codec}-fast"), fast) > len(&format!("{codec}-small"), small));
    }
}

#[test]
fn one_answer_to_a_fetch_is_no_larger_than_the_broker_lets_it_be() {
    let mut house = House::with(&["fetch.max.bytes=1024"]);
    house.topic("t", 1, &[]);
    (0..20).for_each(|n| put(&house, n, &"x".repeat(500)));
    let told = house.ask(12, fetch("t", 0));
    let Some(Records::Bytes(bytes)) = &told.responses[0].partitions[0].records else {
        panic!("a decoded response is in memory")
    };
    assert!(bytes.len() <= 1_024, "{}", bytes.len());
}

#[test]
fn offsets_are_kept_as_compressed_as_their_config_says() {
    for (code, codec) in [("0", Codec::None), ("1", Codec::Gzip), ("4", Codec::Zstd)] {
        let mut house = House::with(&[&format!("offsets.topic.compression.codec={code}")]);
        house.offsets_topic();
        house.topic("t", 1, &[]);
        assert_eq!(commit(&house, "g", "t", 7, &"metadata".repeat(100)), ErrorCode::NONE);
        let files = house.world.disk(NODE).files("/data");
        let kept = files.iter().filter(|(path, size)| {
            let path = path.to_string_lossy();
            *size > 0 && path.contains("__consumer_offsets") && path.ends_with(".log")
        });
        let codecs: Vec<Codec> = kept
            .map(|(path, _)| {
                let bytes = house.env().disk().read(path).unwrap();
                batches(&bytes).next().unwrap().unwrap().codec().unwrap()
            })
            .collect();
        assert_eq!(codecs, [codec], "{code}");
        house.kill_and_restart();
        assert_eq!(committed(&house, "g", "t").0, Offset(7), "{code}");
    }
}

#[test]
fn old_offsets_are_looked_for_as_often_as_the_broker_is_told() {
    for (ms, is_gone) in [("1000", true), ("3600000", false)] {
        let interval = format!("offsets.retention.check.interval.ms={ms}");
        let mut house = House::with(&["offsets.retention.minutes=1", &interval]);
        house.offsets_topic();
        house.topic("t", 1, &[]);
        assert_eq!(commit(&house, "g", "t", 7, ""), ErrorCode::NONE);
        house.pass_ms(30_000);
        assert_eq!(committed(&house, "g", "t").0, Offset(7), "{ms}");
        house.pass_ms(60_000);
        let kept = if is_gone { Offset(-1) } else { Offset(7) };
        assert_eq!(committed(&house, "g", "t").0, kept, "{ms}");
    }
}

#[test]
fn the_log_of_groups_is_loaded_whatever_is_read_at_a_time() {
    for bytes in ["1", "100", "5242880"] {
        let mut house = House::with(&[&format!("offsets.load.buffer.size={bytes}")]);
        house.offsets_topic();
        house.topic("t", 1, &[]);
        for offset in 0..20 {
            assert_eq!(commit(&house, "g", "t", offset, "metadata"), ErrorCode::NONE);
        }
        house.kill_and_restart();
        assert_eq!(committed(&house, "g", "t"), (Offset(19), "metadata".to_owned()), "{bytes}");
    }
}

#[test]
fn checkpoints_are_written_as_often_as_the_broker_is_told() {
    let keys = [
        ("replica.high.watermark.checkpoint.interval.ms", "replication-offset-checkpoint"),
        ("log.flush.offset.checkpoint.interval.ms", "recovery-point-offset-checkpoint"),
        ("log.flush.start.offset.checkpoint.interval.ms", "log-start-offset-checkpoint"),
    ];
    for (key, file) in keys {
        for (ms, is_early) in [("1000", true), ("3600000", false)] {
            let soon = "log.initial.task.delay.ms=10";
            let mut house = House::with(&[&format!("{key}={ms}"), soon]);
            house.pass_ms(100);
            house.topic("t", 1, &[("flush.messages", "1")]);
            put(&house, 0, "v");
            put(&house, 1, "w");
            assert_eq!(delete(&house, "t", 1), Ok(1));
            house.pass_ms(3_000);
            let at = if file.starts_with("log-start") { 1 } else { 2 };
            let text = house.env().disk().read(&Path::new("/data").join(file));
            let text = String::from_utf8(text.unwrap_or_default().to_vec()).unwrap();
            assert_eq!(text.contains(&format!("t 0 {at}")), is_early, "{key}={ms}: {text}");
        }
    }
}
