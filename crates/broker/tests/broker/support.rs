//! One broker in a simulated world, in words that make tests read as sentences.
//!
//! The metadata is replayed from records that the test makes, the controller is a stub that keeps
//! what it was asked, and every request goes through encoded frames.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ottla_broker::{Broker, BrokerParts};
use ottla_env::{Env, Tasks};
use ottla_metadata::{Image, MetadataRecord};
use ottla_metrics::Metrics;
use ottla_net::{BoxFuture, Channel, CloseReason, ConnectionInfo, Outcome, Reply, Service};
use ottla_records::{BatchBuilder, BatchSettings};
use ottla_security::Authorizer;
use ottla_settings::{Input, Settings};
use ottla_sim::World;
use ottla_storage::dirs::DirsOpening;
use ottla_storage::meta_properties::MetaProperties;
use ottla_storage::{LogConfig, LogDirs};
use ottla_wire::frame::{
    encode_request, encode_response, request_header_version, response_header_version,
};
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::register_broker_record::BrokerEndpoint;
use ottla_wire::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ConfigRecord, CreateTopicsRequest,
    CreateTopicsResponse, EnvelopeRequest, EnvelopeResponse, FeatureLevelRecord,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, PartitionRecord,
    ProduceRequest, RegisterBrokerRecord, RemoveTopicRecord, RequestHeader, ResponseHeader,
    TopicRecord, describe_quorum_response,
};
use ottla_wire::{
    ApiKey, BrokerEpoch, BrokerId, DirectoryId, LeaderEpoch, Message, Offset, Part, PartitionEpoch,
    PartitionIndex, ProducerId, Reader, Records, Request, StrBytes, Timestamp, TopicId, Uuid,
};
use tokio::sync::watch;

/// The node in the world.
pub(crate) const NODE: u32 = 1;
/// Its id in the cluster.
pub(crate) const ME: BrokerId = BrokerId(1);
pub(crate) const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";
const DIRECTORY: DirectoryId = DirectoryId(Uuid([7; 16]));
const LOG_DIR: &str = "/data";
const LISTENER: &str = "PLAINTEXT";

/// A broker with its disk, its metadata and its controller.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) image: Image,
    pub(crate) controller: Arc<Controller>,
    pub(crate) client_id: &'static str,
    running: Running,
    recipe: Recipe,
    records: i64,
    correlation_ids: AtomicUsize,
}

/// What a broker is started with, again and again.
#[derive(Clone)]
struct Recipe {
    settings: Settings,
    authorizer: Authorizer,
}

/// One life of the broker.
struct Running {
    env: Env,
    broker: Broker,
    dirs: Arc<LogDirs>,
    service: Arc<dyn Service>,
    images: watch::Sender<Arc<Image>>,
    connection: Arc<ConnectionInfo>,
}

/// A request that is under way.
pub(crate) struct Waiting<T> {
    slot: Arc<Mutex<Option<T>>>,
    /// The client, which ends with this.
    _client: Tasks,
}

impl<T> Waiting<T> {
    pub(crate) fn is_done(&self) -> bool {
        self.slot.lock().unwrap().is_some()
    }

    pub(crate) fn answer(self) -> T {
        self.slot.lock().unwrap().take().expect("the answer is there")
    }
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Got<T> {
    Answer(T),
    Nothing,
    Closed(String),
}

impl<T: std::fmt::Debug> Got<T> {
    #[track_caller]
    pub(crate) fn answer(self) -> T {
        match self {
            Got::Answer(answer) => answer,
            other => panic!("an answer was due, not {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn reason_to_close(self) -> String {
        match self {
            Got::Closed(reason) => reason,
            other => panic!("the connection was to be closed, not {other:?}"),
        }
    }
}

impl House {
    /// A broker with Kafka's defaults.
    pub(crate) fn new() -> House {
        House::with(&[])
    }

    /// A broker with these configs.
    pub(crate) fn with(configs: &[&str]) -> House {
        House::seeded(11, configs)
    }

    /// A broker in the world of a seed.
    pub(crate) fn seeded(seed: u64, configs: &[&str]) -> House {
        let authorizer = Authorizer::Everybody;
        let world = World::new(seed);
        let recipe = Recipe { settings: settings(configs), authorizer };
        format(&world.node(NODE));
        let controller = Arc::new(Controller::default());
        let running = start(&world.node(NODE), &recipe, &controller, &|_| true);
        running.dirs.loaded();
        let mut house = House {
            world,
            image: Image::default(),
            controller,
            client_id: "tester",
            running,
            recipe,
            records: 0,
            correlation_ids: AtomicUsize::new(1),
        };
        house.replay(vec![feature("metadata.version", 29), registration()]);
        house
    }

    pub(crate) fn env(&self) -> &Env {
        &self.running.env
    }

    /// Replays records and brings the new image to the broker.
    pub(crate) fn replay(&mut self, records: Vec<MetadataRecord>) {
        let old = self.image.clone();
        for record in &records {
            self.image.apply(Offset(self.records), record);
            self.records += 1;
        }
        self.publish(&old);
    }

    /// The controller has committed one more record than this broker has replayed.
    pub(crate) fn controller_is_ahead(&self) {
        self.controller.committed.store(self.records + 1, Ordering::Relaxed);
    }

    fn publish(&self, old: &Image) {
        let (old, new) = (old.clone(), self.image.clone());
        let running = &self.running;
        self.world.run(|_| async move {
            running.broker.apply(&old, &new);
            running.images.send_replace(Arc::new(new));
        });
        self.pass_ms(100);
    }

    /// Makes a topic with one replica of each partition, here.
    pub(crate) fn topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> TopicId {
        let topic_id = id_of(name);
        let mut records = vec![
            TopicRecord { name: name.to_owned().into(), topic_id, ..Default::default() }.into(),
        ];
        records.extend(configs.iter().map(|(key, value)| config(2, name, key, value)));
        records.extend((0..partitions).map(|index| partition(topic_id, index, &[ME], &[ME])));
        self.replay(records);
        topic_id
    }

    /// Makes a topic under an id that does not follow from its name.
    pub(crate) fn topic_with_id(&mut self, name: &str, topic_id: TopicId, partitions: i32) {
        let made = TopicRecord { name: name.to_owned().into(), topic_id, ..Default::default() };
        let mut records = vec![made.into()];
        records.extend((0..partitions).map(|index| partition(topic_id, index, &[ME], &[ME])));
        self.replay(records);
    }

    /// This broker is elected again for partition 0 of a topic.
    pub(crate) fn new_leader_epoch(&mut self, name: &str, epoch: i32) {
        self.led_by(name, ME.0, epoch);
    }

    /// A broker is elected for partition 0 of a topic.
    pub(crate) fn led_by(&mut self, name: &str, leader: i32, epoch: i32) {
        let replicas = [ME, BrokerId(2)];
        let MetadataRecord::Partition(mut record) = partition(id_of(name), 0, &replicas, &[ME])
        else {
            panic!("a partition is a partition record")
        };
        (record.leader, record.leader_epoch) = (BrokerId(leader), LeaderEpoch(epoch));
        self.replay(vec![MetadataRecord::Partition(record)]);
    }

    /// Makes a topic of one partition with these replicas and in-sync replicas, led here.
    pub(crate) fn replicated_topic(&mut self, name: &str, replicas: &[i32], isr: &[i32]) {
        let topic_id = id_of(name);
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let made = TopicRecord { name: name.to_owned().into(), topic_id, ..Default::default() };
        self.replay(vec![made.into(), partition(topic_id, 0, &ids(replicas), &ids(isr))]);
    }

    /// Makes the home of groups.
    pub(crate) fn offsets_topic(&mut self) {
        let configs = [("cleanup.policy", "compact"), ("segment.bytes", "104857600")];
        self.topic("__consumer_offsets", 4, &configs);
    }

    /// Makes the home of transactions.
    pub(crate) fn transactions_topic(&mut self) {
        self.topic("__transaction_state", 4, &[("cleanup.policy", "compact")]);
    }

    pub(crate) fn delete_topic(&mut self, name: &str) {
        let topic_id = id_of(name);
        self.replay(vec![RemoveTopicRecord { topic_id, ..Default::default() }.into()]);
    }

    pub(crate) fn configure_topic(&mut self, name: &str, key: &str, value: &str) {
        self.replay(vec![config(2, name, key, value)]);
    }

    pub(crate) fn configure_broker(&mut self, broker: &str, key: &str, value: &str) {
        self.replay(vec![config(4, broker, key, value)]);
    }

    pub(crate) fn configure_group(&mut self, group: &str, key: &str, value: &str) {
        self.replay(vec![config(32, group, key, value)]);
    }

    /// The samples of the broker whose names begin so, without that.
    pub(crate) fn samples(&self, prefix: &str) -> Vec<String> {
        let mut page = ottla_metrics::Page::default();
        self.world.run(async |_| self.running.broker.gauges(&mut page).await);
        let text = page.text(ottla_metrics::Format::Prometheus);
        text.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The connection of all requests so far is gone.
    pub(crate) fn hang_up(&self) {
        let running = &self.running;
        let (service, connection) = (Arc::clone(&running.service), Arc::clone(&running.connection));
        self.world.run(|_| async move { service.closed(&connection) });
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.world.run(|world| async move { world.sleep(Duration::from_millis(ms)).await });
    }

    /// Lets a little time pass.
    pub(crate) fn pass_us(&self, us: u64) {
        self.world.run(|world| async move { world.sleep(Duration::from_micros(us)).await });
    }

    /// Sends a request and waits for what comes of it.
    pub(crate) fn send<R: Request>(&self, version: i16, request: R) -> Got<R::Response> {
        let frame = self.frame(version, &request);
        let service = Arc::clone(&self.running.service);
        let connection = Arc::clone(&self.running.connection);
        self.world.run(|_| exchange::<R>(service, connection, version, frame))
    }

    /// Sends a request that must be answered.
    #[track_caller]
    pub(crate) fn ask<R: Request>(&self, version: i16, request: R) -> R::Response {
        self.send(version, request).answer()
    }

    /// Sends a request and goes on for a while.
    pub(crate) fn begin<R>(&self, version: i16, request: R) -> Waiting<Got<R::Response>>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send + 'static,
    {
        let waiting = self.spawn(version, request);
        self.pass_ms(20);
        waiting
    }

    /// Sends a request that is looked at when time passes.
    pub(crate) fn spawn<R>(&self, version: i16, request: R) -> Waiting<Got<R::Response>>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send + 'static,
    {
        let frame = self.frame(version, &request);
        let slot = Arc::new(Mutex::new(None));
        let (service, connection) =
            (Arc::clone(&self.running.service), Arc::clone(&self.running.connection));
        let filled = Arc::clone(&slot);
        let asking = async move {
            let got = exchange::<R>(service, connection, version, frame).await;
            *filled.lock().unwrap() = Some(got);
        };
        let client = self.running.env.tasks();
        client.spawn("client", asking);
        Waiting { slot, _client: client }
    }

    pub(crate) fn frame<R: Request>(&self, version: i16, request: &R) -> Bytes {
        let id = self.correlation_ids.fetch_add(1, Ordering::Relaxed);
        let id = i32::try_from(id).unwrap();
        let client_id = Some(StrBytes::from(self.client_id));
        let mut frame = encode_request(request, version, id, client_id).unwrap();
        frame.advance(4);
        frame
    }

    /// Sends the bytes of a frame, without its size; nothing when no answer comes for a while.
    pub(crate) fn send_bytes(&self, frame: Bytes) -> Option<Got<Bytes>> {
        let service = Arc::clone(&self.running.service);
        let connection = Arc::clone(&self.running.connection);
        let got = async { settled(service.start(&connection, frame).await).await };
        let env = self.running.env.clone();
        self.world.run(|_| async move { env.timeout(Duration::from_secs(3), got).await.ok() })
    }

    /// From here on nothing is allowed.
    pub(crate) fn deny_everything(&mut self) {
        self.recipe.authorizer = Authorizer::Nobody;
        self.kill_and_restart();
    }

    /// Ends the process as kill -9 does, and starts it again on the same disk.
    pub(crate) fn kill_and_restart(&mut self) {
        self.world.kill(NODE);
        self.restart();
    }

    /// Cuts the power, and starts again with what the disk kept.
    pub(crate) fn crash_and_restart(&mut self) {
        self.world.crash(NODE);
        self.restart();
    }

    fn restart(&mut self) {
        let env = self.world.boot(NODE);
        self.running = start(&env, &self.recipe, &self.controller, &|_| true);
        self.running.dirs.loaded();
        self.publish(&Image::default());
    }

    /// Ends the process, and starts it again while only the logs of this topic were opened.
    pub(crate) fn kill_and_open_only(&mut self, topic: &str) {
        self.world.kill(NODE);
        let env = self.world.boot(NODE);
        let is_first = |name: &str| name == topic;
        self.running = start(&env, &self.recipe, &self.controller, &is_first);
        self.publish(&Image::default());
    }

    /// Opens the logs that `kill_and_open_only` has left.
    pub(crate) fn open_the_rest(&mut self, but: &str) {
        let now = Timestamp(self.running.env.now_ms());
        for found in self.running.dirs.find(now, 60_000).unwrap() {
            if found.topic != but {
                self.running.dirs.load(&found, Arc::new(LogConfig::default()), now).unwrap();
            }
        }
        self.running.broker.take_over_opened(&self.image);
        self.running.dirs.loaded();
        self.running.broker.take_over_opened(&self.image);
        self.pass_ms(100);
    }

    /// Stops in order and starts again.
    pub(crate) fn stop_and_restart(&mut self) {
        let running = &self.running;
        self.world.run(|_| async move {
            running.broker.stop().await;
            running.dirs.close(BrokerEpoch(5));
        });
        self.world.kill(NODE);
        self.restart();
    }

    /// How many syncs the disk has seen.
    pub(crate) fn syncs(&self) -> u64 {
        self.world.disk(NODE).syncs()
    }
}

async fn exchange<R: Request>(
    service: Arc<dyn Service>,
    connection: Arc<ConnectionInfo>,
    version: i16,
    frame: Bytes,
) -> Got<R::Response> {
    match settled(service.start(&connection, frame).await).await {
        Got::Answer(bytes) => Got::Answer(decode::<R>(bytes, version)),
        Got::Nothing => Got::Nothing,
        Got::Closed(reason) => Got::Closed(reason),
    }
}

async fn settled(outcome: Outcome) -> Got<Bytes> {
    let reply = match outcome {
        Outcome::Reply(reply) => reply,
        Outcome::Wait(wait) => match wait.await {
            Ok(reply) => reply,
            Err(CloseReason(reason)) => return Got::Closed(reason),
        },
        Outcome::Nothing => return Got::Nothing,
        Outcome::Close(CloseReason(reason)) => return Got::Closed(reason),
    };
    let mut bytes = joined(reply);
    let size = bytes.get_i32();
    assert_eq!(usize::try_from(size).unwrap(), bytes.len(), "the size of a reply");
    Got::Answer(bytes)
}

fn joined(reply: Reply) -> Bytes {
    let mut all = BytesMut::new();
    for part in reply {
        match part {
            Part::Bytes(bytes) => all.extend_from_slice(&bytes),
            Part::File(slice) => {
                let bytes = ottla_storage::read::bytes_of(&Records::File(slice)).unwrap();
                all.extend_from_slice(&bytes);
            }
        }
    }
    all.freeze()
}

fn decode<R: Request>(bytes: Bytes, version: i16) -> R::Response {
    let mut reader = Reader::new(bytes);
    ResponseHeader::decode(&mut reader, response_header_version(R::API_KEY, version)).unwrap();
    let response = R::Response::decode(&mut reader, version).unwrap();
    assert!(reader.is_empty(), "bytes after the body of a response");
    response
}

/// A frame, without its size, with any body.
pub(crate) fn frame_of(key: ApiKey, version: i16, body: &[u8]) -> Bytes {
    let header = RequestHeader {
        request_api_key: key as i16,
        request_api_version: version,
        correlation_id: 1,
        client_id: Some("tester".into()),
        ..Default::default()
    };
    let mut frame =
        BytesMut::from(&*header.to_bytes(request_header_version(key, version)).unwrap());
    frame.extend_from_slice(body);
    frame.freeze()
}

fn settings(configs: &[&str]) -> Settings {
    let file = "process.roles=broker,controller\nnode.id=1\n\
        listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n\
        controller.quorum.voters=1@localhost:9093\nlog.dirs=/data\n\
        group.initial.rebalance.delay.ms=0\n";
    let overrides: Vec<String> = configs.iter().map(|config| (*config).to_owned()).collect();
    let input = Input { file: Some(file.as_bytes()), environment: &[], overrides: &overrides };
    Settings::load(input).unwrap().settings
}

fn format(env: &Env) {
    let meta = MetaProperties {
        cluster_id: Some(CLUSTER.to_owned()),
        node_id: Some(ME),
        directory_id: Some(DIRECTORY),
    };
    let path = PathBuf::from(LOG_DIR);
    env.disk().create_dir_all(&path).unwrap();
    meta.write(env.disk(), &path).unwrap();
    env.disk().sync_dir(&path).unwrap();
    env.disk().sync_dir(path.parent().unwrap()).unwrap();
}

/// Starts a broker, of whose logs those are open that `is_open` says, by the names of topics.
fn start(
    env: &Env,
    recipe: &Recipe,
    controller: &Arc<Controller>,
    is_open: &dyn Fn(&str) -> bool,
) -> Running {
    let opening = DirsOpening {
        paths: vec![PathBuf::from(LOG_DIR)],
        metadata_path: PathBuf::from(LOG_DIR),
        node_id: ME,
        connections_max: usize::MAX,
    };
    let dirs = LogDirs::open(env, &opening).unwrap();
    let now = Timestamp(env.now_ms());
    for found in dirs.find(now, 60_000).unwrap() {
        if is_open(&found.topic) {
            dirs.load(&found, Arc::new(LogConfig::default()), now).unwrap();
        }
    }
    let dirs = Arc::new(dirs);
    let (images, image) = watch::channel(Arc::new(Image::default()));
    let broker = Broker::new(BrokerParts {
        env: env.clone(),
        id: ME,
        cluster_id: CLUSTER.to_owned(),
        kraft_version: 1,
        settings: recipe.settings.clone(),
        dirs: Arc::clone(&dirs),
        image,
        controller: Channel::pipe(Arc::clone(controller) as Arc<dyn Service>, "1"),
        authorizer: recipe.authorizer.clone(),
        metrics: Arc::new(Metrics::new([], Vec::new())),
    });
    let peer = "127.0.0.1:50000".parse().unwrap();
    Running {
        env: env.clone(),
        service: broker.service(),
        broker,
        dirs,
        images,
        connection: Arc::new(ConnectionInfo::new(1, peer, LISTENER.into())),
    }
}

/// A request with one batch for partition 0 of a topic.
pub(crate) fn produce(topic: &str, acks: i16, records: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned().into(),
            topic_id: id_of(topic),
            partition_data: vec![PartitionProduceData {
                index: PartitionIndex(0),
                records: Some(Records::Bytes(records)),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A topic's id, which follows from its name.
pub(crate) fn id_of(name: &str) -> TopicId {
    let mut id = [9; 16];
    for (at, byte) in name.bytes().enumerate() {
        id[at % 16] ^= byte.wrapping_mul(31).wrapping_add(u8::try_from(at % 200).unwrap());
    }
    TopicId(Uuid(id))
}

pub(crate) fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: name.to_owned().into(), feature_level, ..Default::default() }.into()
}

fn registration() -> MetadataRecord {
    RegisterBrokerRecord {
        broker_id: ME,
        broker_epoch: BrokerEpoch(5),
        incarnation_id: Uuid([3; 16]),
        end_points: vec![BrokerEndpoint {
            name: LISTENER.into(),
            host: "broker.example".into(),
            port: 9092,
            ..Default::default()
        }],
        rack: Some("r1".into()),
        fenced: false,
        log_dirs: vec![DIRECTORY],
        ..Default::default()
    }
    .into()
}

fn partition(
    topic_id: TopicId,
    index: i32,
    replicas: &[BrokerId],
    isr: &[BrokerId],
) -> MetadataRecord {
    PartitionRecord {
        partition_id: PartitionIndex(index),
        topic_id,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        leader: ME,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        directories: replicas
            .iter()
            .map(|id| if *id == ME { DIRECTORY } else { DirectoryId::UNASSIGNED })
            .collect(),
        ..Default::default()
    }
    .into()
}

fn config(resource_type: i8, name: &str, key: &str, value: &str) -> MetadataRecord {
    ConfigRecord {
        resource_type,
        resource_name: name.to_owned().into(),
        name: key.to_owned().into(),
        value: Some(value.to_owned().into()),
        ..Default::default()
    }
    .into()
}

/// A batch of records with these keys and values, at the world's first time.
pub(crate) fn batch(records: &[(Option<&str>, &str)]) -> Bytes {
    batch_with(BatchSettings::default(), NOW, records)
}

/// The wall clock at the world's beginning, near enough for timestamps of records.
pub(crate) const NOW: Timestamp = Timestamp(1_767_225_600_000);

pub(crate) fn batch_with(
    settings: BatchSettings,
    first: Timestamp,
    records: &[(Option<&str>, &str)],
) -> Bytes {
    let mut builder = BatchBuilder::new(settings);
    for (at, (key, value)) in (0..).zip(records) {
        let key = key.map(str::as_bytes);
        builder.append(Timestamp(first.0 + at), key, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

/// A controller that keeps what it is asked, and answers what a broker needs to live.
#[derive(Debug, Default)]
pub(crate) struct Controller {
    /// The topics that the broker asked for, in order.
    pub(crate) created: Mutex<Vec<String>>,
    /// The requests for them.
    pub(crate) requests: Mutex<Vec<CreateTopicsRequest>>,
    /// The keys of all requests, in order.
    pub(crate) asked: Mutex<Vec<ApiKey>>,
    /// Leaves CreateTopics without an answer.
    pub(crate) stalls: AtomicBool,
    /// The end of what it says that it has committed.
    pub(crate) committed: AtomicI64,
    next_producer_id: AtomicI64,
}

impl Service for Controller {
    fn start<'a>(&'a self, _: &'a Arc<ConnectionInfo>, frame: Bytes) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(self.serve(frame)))
    }
}

impl Controller {
    fn serve(&self, frame: Bytes) -> Outcome {
        let mut reader = Reader::new(frame);
        let header = ottla_wire::frame::decode_request_header(&mut reader).unwrap();
        let key = ApiKey::from_i16(header.request_api_key).unwrap();
        self.asked.lock().unwrap().push(key);
        match key {
            ApiKey::AllocateProducerIds => self.allocate(&header, reader),
            ApiKey::CreateTopics => self.create(&header, reader),
            ApiKey::Envelope => enveloped(&header, reader),
            ApiKey::DescribeQuorum => self.describe_quorum(&header),
            other => Outcome::Close(CloseReason(format!("{} is not served", other.name()))),
        }
    }

    fn allocate(&self, header: &RequestHeader, mut reader: Reader) -> Outcome {
        let version = header.request_api_version;
        let request = AllocateProducerIdsRequest::decode(&mut reader, version).unwrap();
        assert_eq!((request.broker_id, request.broker_epoch), (ME, BrokerEpoch(5)));
        let producer_id_len = 3;
        let start = self.next_producer_id.fetch_add(i64::from(producer_id_len), Ordering::Relaxed);
        let producer_id_start = ProducerId(start);
        reply(
            header,
            ApiKey::AllocateProducerIds,
            &AllocateProducerIdsResponse {
                producer_id_start,
                producer_id_len,
                ..Default::default()
            },
        )
    }

    fn describe_quorum(&self, header: &RequestHeader) -> Outcome {
        use describe_quorum_response::*;
        let partition = PartitionData {
            high_watermark: Offset(self.committed.load(Ordering::Relaxed)),
            ..Default::default()
        };
        let topic = TopicData { partitions: vec![partition], ..Default::default() };
        let response = DescribeQuorumResponse { topics: vec![topic], ..Default::default() };
        reply(header, ApiKey::DescribeQuorum, &response)
    }

    fn create(&self, header: &RequestHeader, mut reader: Reader) -> Outcome {
        let request = CreateTopicsRequest::decode(&mut reader, header.request_api_version).unwrap();
        let names = request.topics.iter().map(|topic| topic.name.to_string());
        self.created.lock().unwrap().extend(names);
        self.requests.lock().unwrap().push(request);
        if self.stalls.load(Ordering::Relaxed) {
            return Outcome::Wait(Box::pin(std::future::pending()));
        }
        reply(header, ApiKey::CreateTopics, &CreateTopicsResponse::default())
    }
}

/// Answers an IncrementalAlterConfigs that a broker passes on for its client: done, with nothing
/// to tell. Other requests it refuses.
fn enveloped(header: &RequestHeader, mut reader: Reader) -> Outcome {
    let request = EnvelopeRequest::decode(&mut reader, header.request_api_version).unwrap();
    let mut embedded = Reader::new(request.request_data);
    let of = ottla_wire::frame::decode_request_header(&mut embedded).unwrap();
    let key = ApiKey::IncrementalAlterConfigs;
    let version = of.request_api_version;
    let is_whole = IncrementalAlterConfigsRequest::decode(&mut embedded, version).is_ok();
    if of.request_api_key != key as i16 || !is_whole {
        return Outcome::Close(CloseReason("the stub passes no such request on".to_owned()));
    }
    let done = IncrementalAlterConfigsResponse::default();
    let parts = encode_response(&done, key, version, of.correlation_id).unwrap();
    let mut data = joined(parts);
    data.advance(4);
    let response = EnvelopeResponse { response_data: Some(data), ..Default::default() };
    reply(header, ApiKey::Envelope, &response)
}

fn reply<M: Message>(header: &RequestHeader, key: ApiKey, response: &M) -> Outcome {
    let (version, id) = (header.request_api_version, header.correlation_id);
    Outcome::Reply(encode_response(response, key, version, id).unwrap())
}
