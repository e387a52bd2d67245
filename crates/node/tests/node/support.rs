//! What the tests of this crate share: a node in the simulator, a client, folders of others.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::read::GzDecoder;
use ottla_client::admin::resource_type;
use ottla_client::{Acks, Client, ClientSettings, Producer, ProducerRecord, ProducerSettings};
use ottla_env::{Disk, Env, Open};
use ottla_node::{Node, Opening, StartError};
use ottla_records::{batches, read_batch};
use ottla_settings::{Input, Settings};
use ottla_wire::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_wire::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest, FetchRequest};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, TopicId};

/// The folder of the node.
pub(crate) const DATA: &str = "/data";

/// Lines of a configuration for a node alone, reached as `node-1`.
pub(crate) fn alone() -> Vec<String> {
    [
        "process.roles=broker,controller",
        "node.id=1",
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
        "controller.listener.names=CONTROLLER",
        "controller.quorum.bootstrap.servers=localhost:9093",
        "log.dirs=/data",
        "offsets.topic.replication.factor=1",
        "log.segment.delete.delay.ms=1000",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What a node is started with; later lines win.
pub(crate) fn opening(lines: &[String], more: &[&str]) -> Opening {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let overrides: Vec<String> = more.iter().map(|line| (*line).to_owned()).collect();
    let input = Input { file: Some(text.as_bytes()), overrides: &overrides, ..Input::default() };
    let settings = Settings::load(input).expect("the configuration is right").settings;
    Opening { settings, cluster_id: None }
}

/// Starts a node alone.
pub(crate) async fn start(env: &Env) -> Node {
    start_with(env, &[]).await.expect("the node starts")
}

/// Starts a node alone with some configs changed.
pub(crate) async fn start_with(env: &Env, more: &[&str]) -> Result<Node, StartError> {
    let mut lines = alone();
    lines.retain(|line| {
        let key = line.split('=').next();
        more.iter().all(|other| other.split('=').next() != key)
    });
    Node::start(env, opening(&lines, more)).await
}

/// Why a start is refused.
pub(crate) async fn refusal(env: &Env, more: &[&str]) -> String {
    match start_with(env, more).await {
        Ok(_) => panic!("the node started"),
        Err(error) => error.to_string(),
    }
}

/// A client of the node.
pub(crate) async fn client(env: &Env) -> Client {
    let settings = ClientSettings::new("node-1:9092");
    Client::connect(env.clone(), settings).await.expect("the node answers")
}

/// Creates a topic of one partition.
pub(crate) async fn create_topic(client: &Client, name: &'static str) {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let results = client.admin().create_topics(vec![topic], false).await.expect("an answer");
    results.into_iter().for_each(|(_, result)| drop(result.expect("it is created")));
}

/// Writes values with acks=all, and returns when they are acknowledged.
pub(crate) async fn produce(client: &Client, topic: &'static str, values: &[&'static str]) {
    let settings = ProducerSettings { acks: Acks::All, ..ProducerSettings::default() };
    let producer = Producer::new(client, settings);
    for value in values {
        let record = ProducerRecord {
            topic: topic.into(),
            partition: Some(PartitionIndex(0)),
            value: Some(Bytes::from_static(value.as_bytes())),
            ..Default::default()
        };
        let delivery = producer.send(record).await.expect("it is taken");
        delivery.await.expect("it is acknowledged");
    }
    producer.close().await;
}

/// Every value of the first partition.
pub(crate) async fn values(client: &Client, topic: &str) -> Vec<String> {
    let partition = fetch(client, topic).await;
    assert_eq!(partition.error_code, ErrorCode::NONE);
    let records = partition.records.expect("records");
    let bytes = Bytes::copy_from_slice(records.as_bytes().expect("bytes came over the network"));
    let all = batches(&bytes).flat_map(|batch| {
        let batch = batch.expect("whole batches");
        read_batch(&bytes.slice_ref(batch.bytes())).collect::<Vec<_>>()
    });
    all.map(|record| {
        let value = record.expect("a record").value.unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    })
    .collect()
}

async fn fetch(client: &Client, topic: &str) -> PartitionData {
    let partition = PartitionIndex(0);
    let id = topic_id(client, topic).await;
    let request = FetchRequest {
        max_bytes: 1 << 20,
        max_wait_ms: 100,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.to_owned().into(),
            topic_id: id,
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: Offset(0),
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut response = client.call_leader(topic, partition, &request).await.expect("an answer");
    response.responses.remove(0).partitions.remove(0)
}

/// Asks for a move of partition 0 of a topic to another directory.
pub(crate) async fn alter_dirs(client: &Client, topic: &str, to: &str) -> ErrorCode {
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: to.to_owned().into(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_owned().into(),
                partitions: vec![PartitionIndex(0)],
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut answer = client.call(&request).await.expect("an answer");
    answer.results.remove(0).partitions.remove(0).error_code
}

/// The log directories in one line: what lies in them, or their error.
pub(crate) async fn describe_dirs(client: &Client) -> String {
    let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
    let answer = client.call(&request).await.expect("an answer");
    let dirs = answer.results.into_iter().map(|dir| {
        let mut items = Vec::new();
        if dir.error_code != ErrorCode::NONE {
            items.push(format!(" error {}", dir.error_code.0));
        }
        if dir.is_cordoned {
            items.push(" cordoned".to_owned());
        }
        for topic in dir.topics {
            for partition in topic.partitions {
                let future = if partition.is_future_key { "future " } else { "" };
                let (index, lag) = (partition.partition_index, partition.offset_lag);
                items.push(format!(" {}-{index} {future}lag {lag}", topic.name));
            }
        }
        format!("{}:{}", dir.log_dir, items.join(","))
    });
    dirs.collect::<Vec<_>>().join(" | ")
}

/// Sets a config of a broker, or of all when `broker` is empty.
pub(crate) async fn set_broker_config(client: &Client, broker: &str, key: &str, value: &str) {
    let resource = AlterConfigsResource {
        resource_type: resource_type::BROKER,
        resource_name: broker.to_owned().into(),
        configs: vec![AlterableConfig {
            name: key.to_owned().into(),
            config_operation: 0,
            value: Some(value.to_owned().into()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answers = client.admin().alter_configs(vec![resource], false).await.expect("an answer");
    answers.into_iter().for_each(|(_, result)| result.expect("it is set"));
}

async fn topic_id(client: &Client, topic: &str) -> TopicId {
    let known = client.admin().topics().await.expect("an answer");
    known.get(topic).expect("the topic is known").id
}

/// The text of a file.
pub(crate) fn text(env: &Env, path: &str) -> String {
    let bytes = env.disk().read(&PathBuf::from(DATA).join(path)).expect("the file is there");
    String::from_utf8(bytes).expect("it is text")
}

/// Unpacks a folder into `/data`.
pub(crate) fn unpack(disk: &Disk, archive: &[u8]) {
    let mut folder = tar::Archive::new(GzDecoder::new(archive));
    for entry in folder.entries().expect("the fixture is whole") {
        let mut entry = entry.expect("the fixture is whole");
        let path = Path::new(DATA).join(entry.path().expect("a name"));
        if entry.header().entry_type().is_dir() {
            disk.create_dir_all(&path).expect("a folder");
        } else {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("the fixture is whole");
            disk.write(&path, &bytes).expect("a file");
        }
    }
    disk.sync_tree(Path::new(DATA)).expect("a disk");
}

/// Lets another program take whatever room there is.
pub(crate) fn fill(env: &Env) {
    let left = env.disk().space(Path::new("/")).expect("a disk").usable_bytes;
    let other = env.disk().open(Path::new("/other"), Open::Create).expect("a file");
    let len = other.len().expect("a length");
    other.allocate(len + left).expect("it fits");
}
