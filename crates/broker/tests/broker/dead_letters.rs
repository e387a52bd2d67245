//! Dead-letter queues of share groups (KIP-1191) through the broker: what comes to them, what does
//! not, and that the group goes on whatever becomes of it.

use ottla_records::{batches, read_batch};
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, Offset, PartitionIndex};

use crate::fetch;
use crate::shares::{ACCEPT, REJECT, RELEASE, acknowledge, initialize, put, summary};
use crate::support::{House, batch, feature, id_of, produce};

const TOPIC: &str = "errors.deadletterqueue.topic.name";
const COPY: &str = "errors.deadletterqueue.copy.record.enable";
const ENABLE: &str = "errors.deadletterqueue.group.enable";

/// A house whose group `g` has the queue `dlq.t`, which is still to be made.
fn house(configs: &[&str]) -> House {
    let mut house = House::with(configs);
    house.replay(vec![feature("share.version", 2)]);
    house.topic("t", 1, &[]);
    house.topic("__share_group_state", 3, &[("cleanup.policy", "delete")]);
    house.configure_group("g", TOPIC, "dlq.t");
    initialize(&house, 0);
    house
}

/// The records of a topic: key, value, and headers without the part that all have.
fn letters(house: &House, topic: &str) -> Vec<String> {
    let told = fetch::only(house.ask(12, fetch::fetch(topic, 0)));
    assert_eq!(told.error_code, ErrorCode::NONE);
    let bytes = told.records.and_then(|records| records.as_bytes().cloned()).unwrap_or_default();
    let mut letters = Vec::new();
    for batch in batches(&bytes) {
        for record in read_batch(&bytes.slice_ref(batch.unwrap().bytes())) {
            let record = record.unwrap();
            let text = |bytes: Option<&[u8]>| {
                bytes.map_or("-".to_owned(), |it| String::from_utf8_lossy(it).into_owned())
            };
            let headers = record.headers.iter().map(|(name, value)| {
                format!("{}={}", name.replace("__dlq.errors.", ""), text(value.as_deref()))
            });
            let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
            letters.push(format!("{key} {value} {}", headers.collect::<Vec<_>>().join(" ")));
        }
    }
    letters
}

fn bare(offset: i64, count: i16, message: &str) -> String {
    format!("- - {}", headers(offset, count, message))
}

fn headers(offset: i64, count: i16, message: &str) -> String {
    format!("topic=t partition=0 offset={offset} group=g delivery.count={count} message={message}")
}

const REJECTED: &str = "Offset rejected by client.";
const TOO_OFTEN: &str = "Offset delivery count exceeded the threshold.";

/// What a member of group `g` gets; it begins its session.
fn take(house: &House, member: &str) -> String {
    crate::shares::fetch(house, member, 0, &[])
}

#[test]
fn what_is_rejected_or_delivered_too_often_comes_to_the_queue_and_is_archived() {
    let mut house = house(&[]);
    house.configure_group("g", "share.delivery.count.limit", "2");
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    put(&house, &["a", "b", "c", "d"]);
    assert_eq!(take(&house, "m"), "0-3/1 a b c d");
    let said = [(0, 0, ACCEPT), (1, 2, REJECT), (3, 3, RELEASE)];
    assert_eq!(acknowledge(&house, "m", 1, &said), "NONE NONE");
    house.pass_ms(100);
    assert_eq!(letters(&house, "dlq.t"), [bare(1, 1, REJECTED), bare(2, 1, REJECTED)]);
    assert_eq!(take(&house, "n"), "3-3/2 a b c d");
    house.pass_ms(30_100);
    let third = bare(3, 2, TOO_OFTEN);
    assert_eq!(letters(&house, "dlq.t")[2..], [third], "a lock that runs out counts as well");
    assert_eq!(summary(&house), (3, 1));
    assert_eq!(take(&house, "m"), "");
}

#[test]
fn letters_have_key_and_value_where_the_group_wants_them() {
    let mut house = house(&[]);
    house.configure_group("g", COPY, "true");
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    house.ask(9, produce("t", 1, batch(&[(Some("k"), "a"), (None, "b"), (Some("l"), "c")])));
    assert_eq!(take(&house, "m"), "0-2/1 a b c");
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 1, REJECT), (2, 2, ACCEPT)]), "NONE NONE");
    house.pass_ms(100);
    let first = format!("k a {}", headers(0, 1, REJECTED));
    let second = format!("- b {}", headers(1, 1, REJECTED));
    assert_eq!(letters(&house, "dlq.t"), [first, second]);
}

#[test]
fn a_queue_is_made_when_it_is_needed_if_the_broker_may() {
    let mut house = house(&["errors.deadletterqueue.auto.create.topics.enable=true"]);
    put(&house, &["a"]);
    assert_eq!(take(&house, "m"), "0-0/1 a");
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
    house.pass_ms(100);
    {
        let asked = house.controller.requests.lock().unwrap();
        let topic = &asked.last().unwrap().topics[0];
        assert_eq!(
            (&*topic.name, topic.num_partitions, topic.replication_factor),
            ("dlq.t", -1, -1)
        );
        let configs = topic.configs.iter().map(|it| (&*it.name, it.value.as_deref().unwrap()));
        let wanted = [(ENABLE, "true"), ("message.timestamp.type", "CreateTime")];
        assert_eq!(configs.collect::<Vec<_>>(), wanted);
    }
    assert_eq!(summary(&house).1, 0, "it is not done with before it is in the queue");
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    house.pass_ms(1_100);
    assert_eq!(letters(&house, "dlq.t"), [bare(0, 1, REJECTED)]);
    assert_eq!(summary(&house), (0, 1));
}

#[test]
fn what_cannot_come_to_the_queue_is_archived_all_the_same() {
    for (queue, enabled) in [("dlq.t", "false"), ("plain", "true"), ("dlq.none", "true")] {
        let mut house = house(&[]);
        house.configure_group("g", TOPIC, queue);
        if queue != "dlq.none" {
            house.topic(queue, 1, &[(ENABLE, enabled)]);
        }
        put(&house, &["a", "b"]);
        assert_eq!(take(&house, "m"), "0-1/1 a b");
        assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
        house.pass_ms(100);
        assert_eq!(summary(&house), (0, 1), "{queue}");
        if queue != "dlq.none" {
            assert_eq!(letters(&house, queue), [""; 0], "{queue}");
        }
        assert!(house.controller.created.lock().unwrap().is_empty());
    }
}

#[test]
fn records_are_archived_where_no_topic_can_have_the_queues_name() {
    for queue in ["dlq.a b", "dlq./", "."] {
        let mut house = house(&["errors.deadletterqueue.auto.create.topics.enable=true"]);
        house.configure_group("g", TOPIC, queue);
        put(&house, &["a", "b"]);
        assert_eq!(take(&house, "m"), "0-1/1 a b");
        assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
        house.pass_ms(16_000);
        assert_eq!(summary(&house), (0, 1), "{queue}");
    }
}

#[test]
fn a_queue_that_does_not_take_letters_for_a_while_is_tried_again_and_given_up_at_last() {
    let mut house = house(&[]);
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    put(&house, &["a", "b"]);
    assert_eq!(take(&house, "m"), "0-1/1 a b");
    house.led_by("dlq.t", 2, 1);
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
    house.pass_ms(500);
    assert_eq!(summary(&house), (0, 0));
    house.new_leader_epoch("dlq.t", 2);
    house.pass_ms(3_100);
    assert_eq!(letters(&house, "dlq.t"), [bare(0, 1, REJECTED)]);
    assert_eq!(summary(&house), (0, 1));

    house.led_by("dlq.t", 2, 3);
    assert_eq!(acknowledge(&house, "m", 2, &[(1, 1, REJECT)]), "NONE NONE");
    house.pass_ms(14_000);
    assert_eq!(summary(&house), (1, 0));
    house.pass_ms(2_000);
    assert_eq!(summary(&house), (1, 1), "five tries were enough");
    let of = |name: &str| {
        house.samples(&format!("kafka_server_sharegroupmetrics_deadletterqueue{name}_total"))
    };
    assert_eq!(of("recordcount"), [" 1"]);
    assert_eq!(of("totalproducerequests"), [" 1"], "without a leader nothing is sent");
    assert_eq!(of("failedproducerequests"), [" 0"]);
}

#[test]
fn letters_go_to_the_partition_that_follows_from_the_source() {
    let mut house = house(&[]);
    house.topic("u", 5, &[]);
    house.topic("dlq.t", 3, &[(ENABLE, "true")]);
    use initialize_share_group_state_request::{InitializeStateData, PartitionData};
    let partition = PartitionIndex(4);
    let begun =
        PartitionData { partition, state_epoch: 1, start_offset: Offset(0), ..Default::default() };
    let topic =
        InitializeStateData { topic_id: id_of("u"), partitions: vec![begun], ..Default::default() };
    let request = InitializeShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![topic],
        ..Default::default()
    };
    house.ask(0, request);
    let mut put = produce("u", 1, batch(&[(None, "a")]));
    put.topic_data[0].partition_data[0].index = partition;
    house.ask(9, put);
    let mut asked = crate::shares::request("m", 0, &[]);
    asked.topics[0].topic_id = id_of("u");
    asked.topics[0].partitions[0].partition_index = partition;
    let mut said = crate::shares::request("m", 1, &[(0, 0, REJECT)]);
    (said.topics[0].topic_id, said.topics[0].partitions[0].partition_index) =
        (id_of("u"), partition);
    said.max_wait_ms = 0;
    assert_eq!(crate::shares::told(&house.ask(2, asked)), "0-0/1 a");
    house.ask(2, said);
    house.pass_ms(100);
    let mut read = fetch::fetch("dlq.t", 0);
    read.topics[0].partitions[0].partition = PartitionIndex(1);
    let told = fetch::only(house.ask(12, read));
    assert_eq!(told.high_watermark, Offset(1));
}

#[test]
fn a_leader_brings_what_the_one_before_it_had_not_brought() {
    let mut house = house(&[]);
    put(&house, &["a", "b"]);
    assert_eq!(take(&house, "m"), "0-1/1 a b");
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    house.led_by("dlq.t", 2, 1);
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
    house.kill_and_restart();
    house.new_leader_epoch("dlq.t", 2);
    assert_eq!(take(&house, "m"), "1-1/1 a b");
    house.pass_ms(100);
    assert_eq!(letters(&house, "dlq.t"), [bare(0, 1, REJECTED)]);
    assert_eq!(acknowledge(&house, "m", 1, &[(1, 1, ACCEPT)]), "NONE NONE");
    house.pass_ms(31_000);
    assert_eq!(take(&house, "n"), "");
}

#[test]
fn there_are_no_queues_at_the_first_level_of_share_groups() {
    let mut house = house(&[]);
    house.replay(vec![feature("share.version", 1)]);
    house.topic("dlq.t", 1, &[(ENABLE, "true")]);
    put(&house, &["a", "b"]);
    assert_eq!(take(&house, "m"), "0-1/1 a b");
    assert_eq!(acknowledge(&house, "m", 1, &[(0, 0, REJECT)]), "NONE NONE");
    house.pass_ms(100);
    assert_eq!(letters(&house, "dlq.t"), [""; 0]);
    assert_eq!(summary(&house), (0, 1));
}
