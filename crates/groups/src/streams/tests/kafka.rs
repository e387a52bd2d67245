//! The answers of Apache Kafka 4.3.1 to scripts of heartbeats, word by word.
//!
//! tests/golden/streams_heartbeats.txt is what conform/golden/kafka-4.3 printed of a live broker.

use super::world::play;

#[test]
fn heartbeats_are_answered_as_kafka_answers_them() {
    let text = include_str!("../../../tests/golden/streams_heartbeats.txt");
    let scenes: Vec<&str> = text.split("== ").skip(1).collect();
    assert!(scenes.len() > 10);
    for scene in scenes {
        let (script, answers) = scene.split_once('\n').expect("a script and its answers");
        assert_eq!(play(script), answers.lines().collect::<Vec<_>>(), "{script}");
    }
}
