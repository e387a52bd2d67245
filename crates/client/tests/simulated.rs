//! The client in the simulator, against a broker that says only what each test needs: what it
//! does when brokers are away, silent, slow or wrong. Real brokers are in other tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Client, ClientError, ClientSettings, Producer, ProducerRecord, ProducerSettings,
};
use ottla_env::{Env, Stream};
use ottla_records::batches;
use ottla_sim::World;
use ottla_wire::messages::api_versions_response::ApiVersion;
use ottla_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_wire::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_wire::messages::{
    ApiVersionsResponse, InitProducerIdResponse, ListGroupsRequest, MetadataResponse,
    ProduceRequest, ProduceResponse,
};
use ottla_wire::{
    ApiKey, BrokerId, ErrorCode, LeaderEpoch, Message, Offset, Part, ProducerEpoch, ProducerId,
    Reader, Records, frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves connections on port 9092 until its node ends.
async fn broker(env: Env) {
    let listener = env.net().listen("0.0.0.0:9092".parse().unwrap()).await.unwrap();
    let tasks = env.tasks();
    let mut end = Offset(0);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tasks.spawn("connection", serve(stream, end));
        end = end + 1000;
    }
}

async fn serve(mut stream: Stream, mut end: Offset) {
    while let Ok(size) = stream.read_u32().await {
        let mut bytes = vec![0; size as usize];
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let mut reader = Reader::new(Bytes::from(bytes));
        let header = frame::decode_request_header(&mut reader).unwrap();
        let api = ApiKey::from_i16(header.request_api_key).unwrap();
        let (version, id) = (header.request_api_version, header.correlation_id);
        let reply = match api {
            ApiKey::ApiVersions if version > 3 => refusal(id),
            ApiKey::ApiVersions => frame::encode_response(&versions(), api, version, id),
            ApiKey::Metadata => frame::encode_response(&metadata(), api, version, id),
            ApiKey::InitProducerId => frame::encode_response(&producer_id(), api, version, id),
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut reader, version).unwrap();
                let response = produced(&request, &mut end);
                frame::encode_response(&response, api, version, id)
            }
            // Everything else is never answered.
            _ => continue,
        };
        for part in reply.unwrap() {
            let Part::Bytes(bytes) = part else { panic!("no files here") };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
}

fn served() -> Vec<ApiVersion> {
    let apis = [
        (ApiKey::Produce, 3, 9),
        (ApiKey::Metadata, 4, 9),
        (ApiKey::ApiVersions, 0, 3),
        (ApiKey::InitProducerId, 0, 4),
        (ApiKey::ListGroups, 0, 4),
    ];
    let row = |(api, min_version, max_version)| ApiVersion {
        api_key: api as i16,
        min_version,
        max_version,
        ..Default::default()
    };
    apis.map(row).into()
}

fn versions() -> ApiVersionsResponse {
    ApiVersionsResponse { api_keys: served(), ..Default::default() }
}

/// As brokers refuse a version of ApiVersions that they do not know: in version 0.
fn refusal(id: i32) -> Result<Vec<Part>, ottla_wire::EncodeError> {
    let error_code = ErrorCode::UNSUPPORTED_VERSION;
    let response = ApiVersionsResponse { error_code, api_keys: served(), ..Default::default() };
    frame::encode_response(&response, ApiKey::ApiVersions, 0, id)
}

fn metadata() -> MetadataResponse {
    let leader = MetadataResponsePartition {
        leader_id: BrokerId(1),
        leader_epoch: LeaderEpoch(0),
        ..Default::default()
    };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: BrokerId(1),
            host: "node-1".into(),
            port: 9092,
            ..Default::default()
        }],
        controller_id: BrokerId(1),
        topics: vec![MetadataResponseTopic {
            name: Some("t".into()),
            partitions: vec![leader],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn producer_id() -> InitProducerIdResponse {
    InitProducerIdResponse {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(0),
        ..Default::default()
    }
}

fn produced(request: &ProduceRequest, end: &mut Offset) -> ProduceResponse {
    let data = &request.topic_data[0].partition_data[0];
    let records = data.records.as_ref().and_then(Records::as_bytes).unwrap();
    let batch = batches(records).next().unwrap().unwrap();
    batch.verify_crc().unwrap();
    let base_offset = *end;
    *end = *end + i64::from(batch.count());
    let answer = PartitionProduceResponse { index: data.index, base_offset, ..Default::default() };
    let topic = TopicProduceResponse {
        name: request.topic_data[0].name.clone(),
        partition_responses: vec![answer],
        ..Default::default()
    };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

fn settings() -> ClientSettings {
    ClientSettings { request_timeout_ms: 2000, ..ClientSettings::new("node-1:9092") }
}

fn record(value: &str) -> ProducerRecord {
    let value = Some(Bytes::copy_from_slice(value.as_bytes()));
    ProducerRecord { topic: "t".into(), value, ..ProducerRecord::default() }
}

#[test]
fn a_broker_that_is_away_is_named_with_the_cause() {
    World::new(1).run(async |world: World| {
        world.start(1, async |_| {});
        let refused = Client::connect(world.node(2), settings()).await.unwrap_err().to_string();
        assert!(
            refused.starts_with("no bootstrap server answers (cannot connect to node-1:9092: "),
            "{refused}"
        );
    });
}

#[test]
fn a_broker_that_is_silent_times_out_and_is_connected_to_anew() {
    World::new(2).run(async |world: World| {
        world.start(1, broker);
        world.sleep(Duration::from_millis(1)).await;
        let client = Client::connect(world.node(2), settings()).await.unwrap();
        let begun = world.now();
        let silence = client.call(&ListGroupsRequest::default()).await.unwrap_err();
        assert_eq!(
            silence.to_string(),
            "broker 1 (node-1:9092) did not answer ListGroups within 2000 ms"
        );
        assert!(silence.is_retriable());
        assert!((world.now() - begun).as_millis() < 2200);
        assert_eq!(client.refresh_all().await.unwrap().topics.len(), 1);
    });
}

#[test]
fn an_api_that_is_not_served_is_named() {
    World::new(3).run(async |world: World| {
        world.start(1, broker);
        world.sleep(Duration::from_millis(1)).await;
        let client = Client::connect(world.node(2), settings()).await.unwrap();
        let refused = client.admin().delete_topics(&["t".into()]).await.unwrap_err();
        assert_eq!(refused.to_string(), "broker 1 (node-1:9092) does not serve DeleteTopics");
    });
}

#[test]
fn records_outlast_a_broker_that_is_killed_and_comes_back() {
    for seed in 0..20 {
        World::new(seed).run(async |world: World| {
            world.start(1, broker);
            world.sleep(Duration::from_millis(1)).await;
            let client = Client::connect(world.node(2), settings()).await.unwrap();
            let producer = Producer::new(&client, ProducerSettings::default());
            producer.send(record("a")).await.unwrap().await.unwrap();
            world.kill(1);
            let late = producer.send(record("b")).await.unwrap();
            world.sleep(Duration::from_secs(3)).await;
            world.start(1, broker);
            let written = late.await.unwrap();
            assert_eq!((written.of.to_string().as_str(), written.timestamp.0 > 0), ("t-0", true));
            producer.close().await;
            client.close().await;
        });
    }
}

#[test]
fn a_producer_that_is_dropped_tells_what_was_under_way() {
    World::new(5).run(async |world: World| {
        world.start(1, broker);
        world.sleep(Duration::from_millis(1)).await;
        let client = Client::connect(world.node(2), settings()).await.unwrap();
        let producer = Producer::new(&client, ProducerSettings::default());
        let under_way = producer.send(record("a")).await.unwrap();
        drop(producer);
        assert_eq!(under_way.await, Err(ClientError::Closed));
    });
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let world = World::new(seed);
        world.run(async |world: World| {
            world.start(1, broker);
            world.sleep(Duration::from_millis(1)).await;
            let client = Client::connect(world.node(2), settings()).await.unwrap();
            let producer = Producer::new(&client, ProducerSettings::default());
            for _ in 0..20 {
                producer.send(record("x")).await.unwrap();
            }
            producer.close().await;
        });
        world.trace_hash()
    };
    assert_eq!(trace(9), trace(9));
    assert_ne!(trace(9), trace(10));
}
