//! `ottla transactions` beside Apache Kafka's tool: the session of `tests/kafka-transactions.txt`,
//! and what hangs.
//!
//! Must hold: times of a run are the only thing in which the two may differ on stdout, and the
//! order of rows and of partitions, which are those of hash maps there.

use ottla_client::{Client, ClientSettings, Producer, ProducerRecord, ProducerSettings};
use ottla_records::{BatchBuilder, BatchSettings, Producer as Writer};
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::{ProduceRequest, ProduceResponse};
use ottla_wire::{
    ApiKey, Message, PartitionIndex, ProducerEpoch, ProducerId, Reader, Records, Timestamp, frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::session::{Ran, Session, with_session};

const SESSION: &str = include_str!("../kafka-transactions.txt");
const HOUR_MS: i64 = 3_600_000;

async fn run(session: &Session, line: &str) -> Ran {
    let head = ["transactions", "--bootstrap-server", session.address()];
    let words = head.into_iter().chain(line.split_whitespace());
    let words: Vec<String> = words.map(String::from).collect();
    session.words(&words, String::new()).await
}

/// The times of a run get one name, and what comes from hash maps an order.
fn normal(line: &str) -> String {
    let cells: Vec<&str> = line.split('\t').collect();
    let is_description = cells.len() == 10;
    let cells = cells.iter().enumerate().map(|(at, cell)| {
        let text = cell.trim_end();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match at {
            _ if is_number && text.len() == 13 => cell.replace(text, "TIME"),
            7 if is_description && is_number => "DURATION".to_owned(),
            8 if is_description => {
                let mut partitions: Vec<&str> = text.split(',').collect();
                partitions.sort_unstable();
                format!("{:1$}", partitions.join(","), cell.len())
            }
            _ => (*cell).to_owned(),
        }
    });
    cells.collect::<Vec<_>>().join("\t")
}

fn normal_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = lines.map(normal).collect();
    lines.get_mut(1..).unwrap_or_default().sort();
    lines
}

async fn producer(client: &Client, id: &str) -> Producer {
    let settings = ProducerSettings {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: 600_000,
        ..ProducerSettings::default()
    };
    let producer = Producer::new(client, settings);
    producer.init_transactions().await.unwrap();
    producer
}

async fn send(producer: &Producer, partition: i32) {
    let sent = producer.send(ProducerRecord {
        topic: "t".into(),
        partition: Some(PartitionIndex(partition)),
        value: Some("v".into()),
        ..ProducerRecord::default()
    });
    sent.await.unwrap().await.unwrap();
}

#[test]
fn transactions_are_shown_and_ended_as_apache_kafkas_tool_does() {
    with_session(async |session| {
        session.run("topics --create --topic t --partitions 2", "").await;
        let settings = ClientSettings::new(session.address());
        let client = Client::connect(session.env().clone(), settings).await.unwrap();
        let mut kept = Vec::new();
        let mut wrong = Vec::new();
        for (at, step) in SESSION.split("\n$ transactions ").skip(1).enumerate() {
            if at == 1 {
                let done = producer(&client, "done").await;
                done.begin_transaction().unwrap();
                send(&done, 0).await;
                done.commit_transaction().await.unwrap();
                let open = producer(&client, "open").await;
                open.begin_transaction().unwrap();
                send(&open, 0).await;
                send(&open, 1).await;
                kept.extend([done, open, producer(&client, "empty").await]);
            }
            let mut lines = step.lines();
            let command = lines.next().unwrap();
            let theirs = normal_lines(lines.clone().filter_map(|line| line.strip_prefix("| ")));
            let code = if step.contains("\n= 1") { 1 } else { 0 };
            let mut tries = TRIES_MAX;
            loop {
                let ran = run(session, command).await;
                let ours = normal_lines(ran.stdout.lines());
                if (&ours, ran.code) == (&theirs, code) {
                    let error = lines.find_map(|line| line.strip_prefix("! "));
                    let error = error.map(|error| error.trim_end_matches(THEIR_ADVICE));
                    if error.is_some_and(|error| !ran.stderr.starts_with(error)) {
                        wrong.push(format!("{command}: {error:?}\n{}", ran.stderr));
                    }
                    break;
                }
                tries -= 1;
                // Markers are written behind the answer.
                if tries == 0 {
                    wrong.push(format!("{command}\n{theirs:#?} {code}\n{ours:#?} {}", ran.code));
                    break;
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
        drop(kept);
        client.close().await;
    });
}

#[test]
fn a_transaction_that_no_coordinator_knows_hangs_and_is_aborted() {
    with_session(async |session| {
        session.run("topics --create --topic t --partitions 2", "").await;
        let settings = ClientSettings::new(session.address());
        let client = Client::connect(session.env().clone(), settings).await.unwrap();
        // A coordinator that knows nothing of it.
        producer(&client, "other").await.close().await;
        let then = Timestamp(session.env().now_ms() - HOUR_MS);
        append(session, then).await;
        let found = run(session, "find-hanging --topic t").await.stdout;
        let rows: Vec<Vec<&str>> =
            found.lines().map(|line| line.split('\t').map(str::trim).collect()).collect();
        let time = then.0.to_string();
        assert_eq!(rows.len(), 2, "{found}");
        assert_eq!(rows[1], ["t", "1", "77", "3", "-1", "0", &time, "60", ""]);
        let by_broker = run(session, "find-hanging --broker-id 1").await.stdout;
        assert_eq!(by_broker.lines().count(), 2, "{by_broker}");
        let young = "find-hanging --topic t --max-transaction-timeout 61";
        assert_eq!(run(session, young).await.stdout.lines().count(), 1);
        let aborted = run(session, "abort --topic t --partition 1 --start-offset 0").await;
        assert_eq!((aborted.stdout.as_str(), aborted.code), ("", 0), "{}", aborted.stderr);
        assert_eq!(run(session, "find-hanging --topic t").await.stdout.lines().count(), 1);
        client.close().await;
    });
}

/// Appends a record to partition 1 of `t` in a transaction that was never begun, as a client did
/// before brokers took partitions in by themselves.
async fn append(session: &Session, timestamp: Timestamp) {
    let (id, epoch) = (ProducerId(77), ProducerEpoch(3));
    let producer = Some(Writer { id, epoch, base_sequence: 0 });
    let mut batch =
        BatchBuilder::new(BatchSettings { producer, is_transactional: true, ..Default::default() });
    batch.append(timestamp, None, Some(b"hangs"), &[]).unwrap();
    let data = PartitionProduceData {
        index: PartitionIndex(1),
        records: Some(Records::Bytes(batch.build().unwrap())),
        ..Default::default()
    };
    let partition_data = vec![data];
    let topic = TopicProduceData { name: "t".into(), partition_data, ..Default::default() };
    let request = ProduceRequest {
        transactional_id: Some("nobody".into()),
        acks: -1,
        timeout_ms: 9_000,
        topic_data: vec![topic],
        ..Default::default()
    };
    let (host, port) = session.address().rsplit_once(':').unwrap();
    let mut stream = session.env().net().connect(host, port.parse().unwrap()).await.unwrap();
    let bytes = frame::encode_request(&request, VERSION, 1, Some("test".into())).unwrap();
    stream.write_all(&bytes).await.unwrap();
    let len = usize::try_from(stream.read_u32().await.unwrap()).unwrap();
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.unwrap();
    let mut reader = Reader::new(bytes.into());
    frame::decode_response_header(&mut reader, ApiKey::Produce, VERSION).unwrap();
    let told = ProduceResponse::decode(&mut reader, VERSION).unwrap();
    let told = &told.responses[0].partition_responses[0];
    assert!(told.error_code.is_none(), "{told:?}");
}

/// Of Produce.
const VERSION: i16 = 9;
/// What Apache Kafka's tool says behind an error; it has no such log.
const THEIR_ADVICE: &str = ". Enable debug logging for additional detail.";
/// How often what a broker tells is asked for again.
const TRIES_MAX: u32 = 100;
