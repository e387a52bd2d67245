//! Compaction by the broker itself: it runs, obeys its configs, and groups outlive it.

use ottla_wire::ErrorCode;

use crate::groups::{commit, committed};
use crate::support::{House, NODE, NOW, batch_with, produce};

/// How many bytes of batches a topic's partition 0 has.
fn log_bytes(house: &House, topic: &str) -> u64 {
    let files = house.world.disk(NODE).files(format!("/data/{topic}-0"));
    let logs = files.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "log"));
    logs.map(|(_, bytes)| bytes).sum()
}

/// Writes each of four keys many times, over closed segments.
fn write(house: &House, topic: &str) {
    let value = "v".repeat(1_000);
    for round in 0..10 {
        let keys = ["a", "b", "c", "d"].map(|key| (Some(key), value.as_str()));
        let time = NOW + round * 1_000;
        let request = produce(topic, -1, batch_with(Default::default(), time, &keys));
        let told = house.ask(11, request);
        assert_eq!(told.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    }
}

const SEGMENTS: (&str, &str) = ("segment.ms", "500");
const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

#[test]
fn a_compacted_topic_is_compacted_while_it_is_served() {
    let mut house = House::with(&["log.cleaner.backoff.ms=1000"]);
    house.topic("t", 1, &[COMPACT, SEGMENTS]);
    house.topic("kept", 1, &[SEGMENTS]);
    write(&house, "t");
    write(&house, "kept");
    assert!(log_bytes(&house, "t") > 40_000);
    house.pass_ms(3_000);
    // The newest of each key, and the active segment.
    assert!(log_bytes(&house, "t") < 10_000, "{} bytes are left", log_bytes(&house, "t"));
    assert!(log_bytes(&house, "kept") > 40_000);
    house.crash_and_restart();
    assert!(log_bytes(&house, "t") < 10_000);
    write(&house, "t");
}

#[test]
fn a_topic_is_compacted_from_when_its_config_says_so() {
    let mut house = House::with(&["log.cleaner.backoff.ms=1000"]);
    house.topic("t", 1, &[SEGMENTS]);
    write(&house, "t");
    house.pass_ms(3_000);
    assert!(log_bytes(&house, "t") > 40_000);
    house.configure_topic("t", COMPACT.0, COMPACT.1);
    house.pass_ms(3_000);
    assert!(log_bytes(&house, "t") < 10_000);
}

#[test]
fn the_throttle_slows_compaction_down_and_may_change_while_it_runs() {
    let mut house = House::with(&["log.cleaner.backoff.ms=100"]);
    house.configure_broker("", "log.cleaner.io.max.bytes.per.second", "1000");
    house.topic("t", 1, &[COMPACT, SEGMENTS]);
    write(&house, "t");
    house.pass_ms(5_000);
    assert!(log_bytes(&house, "t") > 40_000);
    house.configure_broker("", "log.cleaner.io.max.bytes.per.second", "1000000000");
    house.pass_ms(20_000);
    assert!(log_bytes(&house, "t") < 10_000);
}

#[test]
fn nothing_is_compacted_without_a_cleaner() {
    for config in ["log.cleaner.enable=false", "log.cleaner.threads=0"] {
        let mut house = House::with(&["log.cleaner.backoff.ms=1000", config]);
        house.topic("t", 1, &[COMPACT, SEGMENTS]);
        write(&house, "t");
        house.pass_ms(10_000);
        assert!(log_bytes(&house, "t") > 40_000, "{config}");
    }
}

#[test]
fn groups_are_the_same_after_their_topic_was_compacted() {
    let mut house = House::with(&["log.cleaner.backoff.ms=1000"]);
    house.topic("__consumer_offsets", 1, &[COMPACT, ("segment.bytes", "1048576")]);
    house.topic("t", 1, &[]);
    let groups = ["one", "two", "three"];
    for offset in 0..110 {
        let metadata = format!("{offset}-{}", "m".repeat(4_000));
        for group in groups {
            let told = commit(&house, group, "t", offset, &metadata);
            assert_eq!(told, ErrorCode::NONE);
        }
    }
    let before = groups.map(|group| committed(&house, group, "t"));
    assert_eq!(before[0].0.0, 109);
    assert!(log_bytes(&house, "__consumer_offsets") > 1 << 20);
    house.pass_ms(5_000);
    let left = log_bytes(&house, "__consumer_offsets");
    assert!(left < 1 << 19, "{left} bytes are left");
    assert_eq!(groups.map(|group| committed(&house, group, "t")), before);
    house.kill_and_restart();
    assert_eq!(groups.map(|group| committed(&house, group, "t")), before);
    house.stop_and_restart();
    assert_eq!(groups.map(|group| committed(&house, group, "t")), before);
}
