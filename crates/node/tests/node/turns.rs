//! A folder that Apache Kafka filled, and everything that Kafka told of it: here it is the same,
//! at the first start and after a stop and a crash.
//!
//! The same with Kafka itself, in turns, is in conform/folders.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use ottla_client::{Client, CoordinatorKind};
use ottla_records::{batches, read_batch};
use ottla_sim::World;
use ottla_wire::messages::describe_producers_request::TopicRequest;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, FetchRequest, ListOffsetsRequest,
    OffsetFetchRequest,
};
use ottla_wire::{BrokerId, ErrorCode, Offset, PartitionIndex, ProducerId, Timestamp, TopicId};

use crate::support::{client, start_with, unpack};

const FOLDER: &[u8] = include_bytes!("../fixtures/kafka-turns.tar.gz");
const TOLD: &[u8] = include_bytes!("../fixtures/kafka-turns.txt.gz");
const ISOLATIONS: [&str; 2] = ["read_uncommitted", "read_committed"];
const NEVER: [&str; 2] =
    ["listeners=PLAINTEXT://:9092,CONTROLLER://:9093", "transaction.max.timeout.ms=7200000"];

type Lines = BTreeMap<String, String>;

/// What Kafka told, of the kinds that are asked for here.
fn told() -> Lines {
    let mut text = String::new();
    GzDecoder::new(TOLD).read_to_string(&mut text).expect("the fixture is whole");
    let kinds = ["record ", "offset ", "producer ", "transaction "];
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    let is_asked = |name: &str| {
        kinds.iter().any(|kind| name.starts_with(kind))
            || (name.starts_with("group ") && name.contains(" in "))
    };
    let lines = lines.filter(|(name, _)| is_asked(name));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A partition with its topic's id.
struct Place {
    topic: String,
    id: TopicId,
    index: PartitionIndex,
}

async fn asked(client: &Client, told: &Lines) -> Lines {
    let mut lines = Lines::new();
    let topics = client.admin().topics().await.expect("an answer");
    let ids: BTreeMap<TopicId, String> =
        topics.iter().map(|(name, topic)| (topic.id, name.to_string())).collect();
    let names = told.keys().filter_map(|line| line.strip_prefix("offset "));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    for name in names {
        let (topic, index) = name.rsplit_once('-').expect("a topic and a partition");
        let place = Place {
            topic: topic.to_owned(),
            id: topics.get(topic).expect("the topic is known").id,
            index: PartitionIndex(index.parse().expect("a number")),
        };
        offsets(client, &place, &mut lines).await;
        producers(client, &place, &mut lines).await;
        for isolation in [0, 1] {
            records(client, &place, isolation, &mut lines).await;
        }
    }
    let of = |kind: &str| {
        let names = told.keys().filter_map(|line| line.strip_prefix(kind));
        names.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for id in of("transaction ") {
        transaction(client, &id, &mut lines).await;
    }
    for group in of("group ") {
        positions(client, &group, &ids, &mut lines).await;
    }
    lines
}

async fn offsets(client: &Client, place: &Place, lines: &mut Lines) {
    let Place { topic, index, .. } = place;
    for (what, timestamp) in [("earliest", -2), ("latest", -1), ("max timestamp", -3)] {
        for (isolation, name) in (0_i8..).zip(ISOLATIONS) {
            let partition = ListOffsetsPartition {
                partition_index: *index,
                timestamp: Timestamp(timestamp),
                ..Default::default()
            };
            let request = ListOffsetsRequest {
                replica_id: BrokerId(-1),
                isolation_level: isolation,
                topics: vec![ListOffsetsTopic {
                    name: topic.clone().into(),
                    partitions: vec![partition],
                    ..Default::default()
                }],
                ..Default::default()
            };
            let answer = client.call_leader(topic, *index, &request).await.expect("an answer");
            let told = &answer.topics[0].partitions[0];
            assert_eq!(told.error_code, ErrorCode::NONE);
            let line = format!("offset {topic}-{index} {what} {name}");
            lines.insert(line, format!("{} at {}", told.offset, told.timestamp));
        }
    }
}

async fn producers(client: &Client, place: &Place, lines: &mut Lines) {
    let Place { topic, index, .. } = place;
    let request = DescribeProducersRequest {
        topics: vec![TopicRequest {
            name: topic.clone().into(),
            partition_indexes: vec![*index],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut answer = client.call_leader(topic, *index, &request).await.expect("an answer");
    for it in answer.topics.remove(0).partitions.remove(0).active_producers {
        lines.insert(
            format!("producer {} of {topic}-{index}", it.producer_id),
            format!(
                "epoch {} sequence {} time {} coordinator {} begins {}",
                it.producer_epoch,
                it.last_sequence,
                it.last_timestamp,
                it.coordinator_epoch,
                it.current_txn_start_offset
            ),
        );
    }
}

async fn transaction(client: &Client, id: &str, lines: &mut Lines) {
    let request = DescribeTransactionsRequest {
        transactional_ids: vec![id.to_owned().into()],
        ..Default::default()
    };
    let kind = CoordinatorKind::Transaction;
    let mut answer = client.call_coordinator(kind, id, &request).await.expect("an answer");
    let it = answer.transaction_states.remove(0);
    let topics = it.topics.iter();
    let mut partitions: Vec<String> = topics
        .flat_map(|topic| topic.partitions.iter().map(|index| format!("{}-{index}", topic.topic)))
        .collect();
    partitions.sort_unstable();
    lines.insert(
        format!("transaction {id}"),
        format!(
            "{} producer {} epoch {} timeout {} begun {} in [{}]",
            it.transaction_state,
            it.producer_id,
            it.producer_epoch,
            it.transaction_timeout_ms,
            it.transaction_start_time_ms,
            partitions.join(", ")
        ),
    );
}

async fn positions(
    client: &Client,
    group: &str,
    ids: &BTreeMap<TopicId, String>,
    lines: &mut Lines,
) {
    let asked = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: None,
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![asked], ..Default::default() };
    let kind = CoordinatorKind::Group;
    let mut answer = client.call_coordinator(kind, group, &request).await.expect("an answer");
    for topic in answer.groups.remove(0).topics {
        let name = ids.get(&topic.topic_id).cloned().unwrap_or_else(|| topic.name.to_string());
        for it in topic.partitions {
            let metadata = it.metadata.unwrap_or_default();
            let (offset, epoch) = (it.committed_offset, it.committed_leader_epoch);
            lines.insert(
                format!("group {group} in {name}-{}", it.partition_index),
                format!("{offset} epoch {epoch} '{metadata}'"),
            );
        }
    }
}

/// Reads to the end, and shows a reader of committed records what it would see.
async fn records(client: &Client, place: &Place, isolation: i8, lines: &mut Lines) {
    let name = ISOLATIONS[usize::from(isolation.unsigned_abs())];
    let mut from = offset_in(lines, place, "earliest", name);
    let end = offset_in(lines, place, "latest", name);
    while from < end {
        let part = fetch(client, place, isolation, from).await;
        assert_eq!(part.error_code, ErrorCode::NONE);
        let bytes = part.records.as_ref().and_then(|records| records.as_bytes());
        let bytes = Bytes::copy_from_slice(bytes.expect("bytes came over the network"));
        let mut begins = part.aborted_transactions.unwrap_or_default();
        begins.sort_by_key(|it| it.first_offset);
        let mut begins = begins.into_iter().peekable();
        let mut taken_back = BTreeSet::<ProducerId>::new();
        let before = from;
        for batch in batches(&bytes).map(|batch| batch.expect("whole batches")) {
            from = from.max(batch.last_offset().next());
            while let Some(it) = begins.next_if(|it| it.first_offset <= batch.last_offset()) {
                taken_back.insert(it.producer_id);
            }
            let is_hidden = isolation == 1
                && batch.is_transactional()
                && taken_back.contains(&batch.producer_id());
            if batch.is_control() {
                taken_back.remove(&batch.producer_id());
                continue;
            }
            if is_hidden {
                continue;
            }
            for record in read_batch(&bytes.slice_ref(batch.bytes())) {
                let record = record.expect("a record");
                if record.offset < before || record.offset >= end {
                    continue;
                }
                let at = format!("{}-{}@{:06}", place.topic, place.index, record.offset.0);
                let kind = format!("{:?}", batch.timestamp_type());
                let mut line = format!(
                    "{kind} {} epoch {} key {} value {}",
                    record.timestamp,
                    batch.leader_epoch(),
                    words(record.key.as_deref()),
                    words(record.value.as_deref())
                );
                for (name, value) in &record.headers {
                    line.push_str(&format!(" {name}={}", words(value.as_deref())));
                }
                lines.insert(format!("record {name} {at}"), line);
            }
        }
        assert!(from > before, "a {name} fetch at {before} of {} gave nothing", place.topic);
        assert!(from <= end || isolation == 0, "{name} of {} goes above {end}", place.topic);
    }
}

fn offset_in(lines: &Lines, place: &Place, what: &str, isolation: &str) -> Offset {
    let line = format!("offset {}-{} {what} {isolation}", place.topic, place.index);
    let offset = lines[&line].split(' ').next().expect("an offset");
    Offset(offset.parse().expect("a number"))
}

async fn fetch(client: &Client, place: &Place, isolation: i8, from: Offset) -> PartitionData {
    let request = FetchRequest {
        max_bytes: 1 << 20,
        max_wait_ms: 100,
        session_epoch: -1,
        isolation_level: isolation,
        topics: vec![FetchTopic {
            topic: place.topic.clone().into(),
            topic_id: place.id,
            partitions: vec![FetchPartition {
                partition: place.index,
                fetch_offset: from,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = client.call_leader(&place.topic, place.index, &request).await;
    answer.expect("an answer").responses.remove(0).partitions.remove(0)
}

/// Bytes in a few characters, as the program of conform has them; long ones by Java's hash.
fn words(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    if bytes.len() <= 40 {
        return format!("'{}'", bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
    }
    let add = |hash: i32, byte: &u8| {
        hash.wrapping_mul(31).wrapping_add(i32::from(i8::from_be_bytes([*byte])))
    };
    format!("{} bytes {}", bytes.len(), bytes.iter().fold(1, add))
}

#[test]
fn what_apache_kafka_told_of_its_folder_is_told_here() {
    World::new(5).run(async |world: World| {
        let env = world.node(1);
        unpack(env.disk(), FOLDER);
        let told = told();
        for stops in [true, false, true] {
            let node = start_with(&env, &NEVER).await.expect("it starts");
            // The end of an earlier client's connection may still be on its way.
            env.sleep(Duration::from_secs(1)).await;
            let client = client(&world.node(2)).await;
            let asked = asked(&client, &told).await;
            let missing = told.iter().filter(|(name, value)| asked.get(*name) != Some(value));
            let missing: Vec<_> =
                missing.map(|(name, value)| (name, value, asked.get(name))).collect();
            assert!(missing.is_empty(), "{} differ: {:#?}", missing.len(), &missing[..1]);
            let more: Vec<_> = asked.keys().filter(|name| !told.contains_key(*name)).collect();
            assert!(more.is_empty(), "{more:?}");
            match stops {
                true => node.stop().await,
                false => node.crash().await,
            }
        }
    });
}
