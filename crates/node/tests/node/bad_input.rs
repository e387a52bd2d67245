//! Bytes, batches and folders that are not what they should be: the node says so in one line,
//! with what to do, and goes on for everybody else. docs/bad-input.md lists all of them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ottla_client::Client;
use ottla_env::{Env, Open};
use ottla_records::{BatchBuilder, BatchSettings, Codec};
use ottla_sim::{Broken, Fault, World};
use ottla_wire::messages::ProduceRequest;
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::{ErrorCode, Offset, PartitionIndex, Records, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{DATA, client, create_topic, produce, refusal, start, start_with, values};

/// Keeps what is logged at warning and above, a line for each event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with the lines").clone()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{}={value:?} ", field.name());
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().expect("nobody panics with the lines").push(text.0);
    }
}

/// Runs a world and gives the lines that were logged in it.
fn logged(seed: u64, test: impl AsyncFnOnce(World)) -> Vec<String> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        World::new(seed).run(async |world: World| test(world).await)
    });
    lines.all()
}

/// Sends bytes to the node's port from a connection of its own; gives how many came back until
/// the node closed it.
async fn send(env: &Env, bytes: &[u8]) -> usize {
    let mut stream = env.net().connect("node-1", 9092).await.expect("it listens");
    stream.write_all(bytes).await.expect("it is sent");
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    answer.len()
}

#[test]
fn bytes_that_are_no_requests_close_their_connection_and_no_other() {
    const TLS: &[u8] = &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    let cases: [(&[u8], &str, &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: node-1:9092\r\n\r\n", "HTTP", "only clients of Kafka"),
        (TLS, "TLS", "security.protocol=PLAINTEXT"),
        (&[0xff; 4], "frame of -1 bytes", "this is no client of Kafka"),
        (&[0x7f, 0xff, 0xff, 0xff, 1, 2], "frame of 2147483647 bytes", "socket.request.max.bytes"),
        (&[0, 0, 0, 8, 0x7f, 0, 0, 0, 0, 0, 0, 1], "", ""),
    ];
    for (bytes, cause, remedy) in cases {
        let lines = logged(1, async |world: World| {
            let node = start(&world.node(1)).await;
            let client = client(&world.node(2)).await;
            create_topic(&client, "fish").await;
            assert_eq!(send(&world.node(3), bytes).await, 0, "{bytes:?}");
            produce(&client, "fish", &["one"]).await;
            assert_eq!(values(&client, "fish").await, ["one"]);
            node.stop().await;
        });
        let told = |line: &&String| line.contains(cause) && line.contains(remedy);
        let told: Vec<_> = lines.iter().filter(told).collect();
        assert_eq!(told.len(), 1, "{bytes:?}: {lines:#?}");
        assert!(!told[0].contains('\n') && told[0].contains("peer="), "{}", told[0]);
    }
}

#[test]
fn a_frame_that_is_cut_leaves_nothing_behind() {
    let lines = logged(2, async |world: World| {
        let node = start(&world.node(1)).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        for sent in [1, 4, 5, 40] {
            let env = world.node(3);
            let mut stream = env.net().connect("node-1", 9092).await.expect("it listens");
            let claim = [&[0, 0, 1, 0][..], &[0; 36]].concat();
            stream.write_all(&claim[..sent]).await.expect("it is sent");
            stream.shutdown().await.expect("it is closed");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty());
        }
        produce(&client, "fish", &["one"]).await;
        node.stop().await;
    });
    assert!(lines.is_empty(), "clients come and go: {lines:#?}");
}

/// A batch of three records.
fn batch(codec: Codec, value: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
    for _ in 0..3 {
        let now = Timestamp(ottla_sim_now());
        builder.append(now, None, Some(value), &[]).expect("it fits");
    }
    builder.build().expect("it is a batch").to_vec()
}

/// The clock of a world that has just begun.
fn ottla_sim_now() -> i64 {
    World::new(0).node(1).now_ms()
}

/// Makes the checksum that of the changed bytes.
fn sealed(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]);
    let crc = u32::try_from(crc).expect("it has 32 bits");
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn changed(at: usize, to: &[u8]) -> Vec<u8> {
    let mut batch = batch(Codec::None, b"value");
    batch[at..at + to.len()].copy_from_slice(to);
    batch
}

/// Writes bytes as they are; gives the answer.
async fn write(client: &Client, topic: &'static str, batch: Vec<u8>) -> PartitionProduceResponse {
    let topics = client.admin().topics().await.expect("an answer");
    let data = PartitionProduceData {
        index: PartitionIndex(0),
        records: Some(Records::Bytes(Bytes::from(batch))),
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            topic_id: topics.get(topic).expect("it is there").id,
            partition_data: vec![data],
            ..Default::default()
        }],
        ..Default::default()
    };
    let told = client.call_leader(topic, PartitionIndex(0), &request).await.expect("an answer");
    told.responses.into_iter().next().expect("a topic").partition_responses.remove(0)
}

#[test]
fn batches_that_are_not_what_they_say_are_refused_and_nothing_of_them_is_kept() {
    let torn = {
        let mut batch = batch(Codec::None, b"value");
        batch.truncate(70);
        batch
    };
    let garbage = {
        let mut batch = batch(Codec::Zstd, &[7; 500]);
        let len = batch.len();
        batch[len - 12..].fill(0xaa);
        sealed(batch)
    };
    let cases: [(&str, Vec<u8>, ErrorCode); 7] = [
        ("a flipped bit", changed(80, &[0xff]), ErrorCode::CORRUPT_MESSAGE),
        ("a wrong checksum", changed(17, &[1, 2, 3, 4]), ErrorCode::CORRUPT_MESSAGE),
        ("a cut batch", torn, ErrorCode::INVALID_RECORD),
        ("a length that lies", changed(8, &[0, 0, 0, 20]), ErrorCode::CORRUPT_MESSAGE),
        ("too high a count", sealed(changed(57, &[0, 0, 0, 9])), ErrorCode::INVALID_RECORD),
        ("too low a count", sealed(changed(57, &[0, 0, 0, 1])), ErrorCode::INVALID_RECORD),
        ("bytes that no codec wrote", garbage, ErrorCode::UNKNOWN_SERVER_ERROR),
    ];
    World::new(3).run(async |world: World| {
        let node = start(&world.node(1)).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        for (what, batch, code) in cases {
            let told = write(&client, "fish", batch).await;
            let message = told.error_message.as_deref().unwrap_or_default();
            assert_eq!(told.error_code, code, "{what}: {message}");
            assert!(!message.is_empty() && !message.contains('\n'), "{what}: {message}");
        }
        let told = write(&client, "fish", batch(Codec::None, b"value")).await;
        assert_eq!((told.error_code, told.base_offset), (ErrorCode::NONE, Offset(0)));
        node.stop().await;
        let node = start(&world.node(1)).await;
        assert_eq!(values(&client, "fish").await, ["value"; 3]);
        node.stop().await;
    });
}

#[test]
fn a_batch_that_inflates_a_thousandfold_is_refused_only_where_it_must_be_stored_inflated() {
    let value = vec![0; 2 << 20];
    let bomb = batch(Codec::Zstd, &value);
    assert!(bomb.len() * 1_000 < 3 * value.len(), "{} bytes", bomb.len());
    World::new(4).run(async |world: World| {
        let node = start(&world.node(1)).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        assert_eq!(write(&client, "fish", bomb.clone()).await.error_code, ErrorCode::NONE);
        node.stop().await;
        let node = start_with(&world.node(1), &["compression.type=uncompressed"]).await;
        let node = node.expect("it starts");
        let told = write(&client, "fish", bomb).await;
        assert_eq!(told.error_code, ErrorCode::MESSAGE_TOO_LARGE);
        let told = write(&client, "fish", batch(Codec::None, b"small")).await;
        assert_eq!(told.base_offset, Offset(3));
        node.stop().await;
    });
}

#[test]
fn a_folder_that_cannot_be_used_is_named_with_the_reason_and_the_remedy() {
    let cases = [
        (Fault::Denied, "ermission denied", "give the node's user the right"),
        (Fault::ReadOnly, "ead-only", "mount it writable"),
        (Fault::Full, "space", "make room on the disk"),
    ];
    for (fault, cause, remedy) in cases {
        World::new(5).run(async |world: World| {
            let env = world.node(1);
            start(&env).await.stop().await;
            world.disk(1).fail_below(DATA, Broken::All, fault);
            let told = refusal(&env, &[]).await;
            assert!(told.contains(DATA) && told.contains(cause), "{told}");
            assert!(told.contains(remedy) && !told.contains('\n'), "{told}");
            world.disk(1).repair();
            start(&env).await.stop().await;
        });
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_is_told_as_such() {
    World::new(6).run(async |world: World| {
        let env = world.node(1);
        env.disk().open(Path::new(DATA), Open::Create).expect("a file");
        let told = refusal(&env, &[]).await;
        assert!(told.contains(DATA) && told.contains("log.dirs name folders"), "{told}");
        assert!(!told.contains('\n'), "{told}");
    });
}

#[test]
fn what_stands_in_a_folder_and_cannot_be_used_is_told_with_the_way_out() {
    World::new(8).run(async |world: World| {
        let env = world.node(1);
        start(&env).await.stop().await;
        let meta = Path::new("/data/meta.properties");
        let right = env.disk().read(meta).expect("it is there");
        let way_out = "put the file back as it was, or move the folder aside";
        for wrong in ["version=1\nnode.id=1\n", "version=7\n", "version=1\nnode.id=x\n", ""] {
            env.disk().write(meta, wrong.as_bytes()).expect("room");
            let told = refusal(&env, &[]).await;
            assert!(told.starts_with("/data/meta.properties"), "{told}");
            assert!(told.contains(way_out) && !told.contains('\n'), "{wrong:?}: {told}");
        }
        env.disk().remove_file(meta).expect("it is there");
        env.disk().create_dir_all(meta).expect("room");
        let told = refusal(&env, &[]).await;
        assert!(told.contains("a folder stands where a file belongs"), "{told}");
        env.disk().remove_dir_all(meta).expect("it is there");
        env.disk().write(meta, &right).expect("room");
        start(&env).await.stop().await;
    });
}

#[test]
fn folders_of_two_clusters_are_refused_and_left_as_they_are() {
    World::new(7).run(async |world: World| {
        let env = world.node(1);
        start_with(&env, &["log.dirs=/more"]).await.expect("it starts").stop().await;
        start(&env).await.stop().await;
        let read = |path: &str| env.disk().read(Path::new(path)).expect("it is there");
        let before = [read("/data/meta.properties"), read("/more/meta.properties")];
        let told = refusal(&env, &["log.dirs=/data,/more"]).await;
        assert!(told.contains("/more/meta.properties: cluster.id is"), "{told}");
        assert!(told.contains("all directories of a node belong to one cluster"), "{told}");
        assert_eq!([read("/data/meta.properties"), read("/more/meta.properties")], before);
        start(&env).await.stop().await;
    });
}
