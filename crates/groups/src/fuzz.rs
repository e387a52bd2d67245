//! Hostile bytes for records, subscriptions and heartbeats: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same, any record can be lived with and taken back.

use bytes::Bytes;
use ottla_machine::Machine;
use ottla_machine::golden::{golden_records, key_and_value, record_inputs};
use ottla_wire::fuzz::{Prng, Target};
use ottla_wire::messages::ConsumerProtocolSubscription;
use ottla_wire::{Message, Offset, ProducerId, StrBytes, Timestamp};

use crate::classic::subscribed_topics;
use crate::consumer::TopicRegex;
use crate::streams::fuzz as streams;
use crate::{GroupRecord, Groups, NoTopics, Now, Settings, Soft};

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "groups_record", run: reread, seeds: records, allocation_max: 0 },
    Target { name: "groups_replay", run: replay, seeds: records, allocation_max: 0 },
    Target { name: "groups_regex", run: resolve, seeds: expressions, allocation_max: 0 },
    Target {
        name: "groups_streams",
        run: streams::beat,
        seeds: streams::heartbeats,
        allocation_max: 0,
    },
    Target { name: "groups_subscription", run: subscribe, seeds: subscriptions, allocation_max: 0 },
];

fn reread(input: &[u8]) {
    let Some(record) = record(input, None) else { return };
    let (key, value) = record.encode().expect("what was read from bytes is no marker");
    let again = GroupRecord::decode(key.clone(), value.clone(), None).expect("it was just written");
    // Versions that tell less than the one written are read once with a loss.
    assert_eq!(again.encode(), Some((key, value)), "{record:?}");
}

/// Whatever a log says of a group, its coordinator starts and its time passes.
fn replay(input: &[u8]) {
    let producer = input.last().filter(|last| **last % 2 == 1).map(|_| ProducerId(1));
    let Some(record) = record(input, producer) else { return };
    let mut groups = Groups::default();
    let undo = groups.replay(Offset(0), &record);
    let (mut soft, settings) = (Soft::default(), Settings::default());
    let mut now = Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) };
    groups.loaded(&mut soft, now, &settings);
    for _ in 0..3 {
        let Some(at) = soft.wake() else { break };
        now.steady = at;
        groups.tick(&mut soft, now, &settings, &NoTopics);
    }
    groups.undo(undo);
    assert_eq!(groups, Groups::default());
}

fn subscribe(input: &[u8]) {
    let metadata = Bytes::copy_from_slice(input);
    drop(subscribed_topics(std::iter::once(&metadata)));
}

/// Whatever a client calls an expression, it is read or refused, and asking it ends soon.
fn resolve(input: &[u8]) {
    let Ok(expression) = std::str::from_utf8(input) else { return };
    if let Ok(regex) = TopicRegex::new(expression) {
        for topic in ["payments", "", "orders.v2-dead_letters"] {
            regex.matches(topic);
        }
    }
}

fn expressions(_: &mut Prng) -> Vec<Vec<u8>> {
    let expressions = [
        "pay.*",
        "(a|b){2,3}",
        r"\Qa.b\E[[:digit:]]+",
        "[^]a&&b]",
        r"(?i)x\<y\>",
        r"\p{Greek}|\x{41}",
    ];
    expressions.iter().map(|expression| expression.as_bytes().to_vec()).collect()
}

fn record(input: &[u8], producer: Option<ProducerId>) -> Option<GroupRecord> {
    let (key, value) = key_and_value(input)?;
    let value = value.map(Bytes::copy_from_slice);
    GroupRecord::decode(Bytes::copy_from_slice(key), value, producer).ok()
}

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    record_inputs(golden_records(include_str!("../tests/golden/consumer_offsets.txt")))
}

fn subscriptions(_: &mut Prng) -> Vec<Vec<u8>> {
    let subscription = ConsumerProtocolSubscription {
        topics: vec![StrBytes::from("payments"), StrBytes::from("orders")],
        ..ConsumerProtocolSubscription::default()
    };
    let versions = 0..=ConsumerProtocolSubscription::VERSIONS.max;
    let inputs = versions.filter_map(|version| {
        let mut input = version.to_be_bytes().to_vec();
        input.extend_from_slice(&subscription.to_bytes(version).ok()?);
        Some(input)
    });
    inputs.collect()
}
