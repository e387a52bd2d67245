//! What a node shows of itself over HTTP, against what was really sent to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{Client, Producer, ProducerRecord, ProducerSettings, TopicPartition};
use ottla_env::Env;
use ottla_sim::{Broken, World};
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::{DeleteGroupsRequest, FetchRequest};
use ottla_wire::{Offset, PartitionIndex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    alone, client, create_topic, fill, opening, produce, set_broker_config, start_with, values,
};

const SHOWN: &str = "ottla.http.listener=:9404";

/// The status and body of a page.
async fn page(env: &Env, path: &str) -> (String, String) {
    let mut stream = env.net().connect("node-1", 9404).await.expect("pages are shown");
    let request = format!("GET {path} HTTP/1.1\r\nhost: node-1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status").to_owned();
    (status, body.to_owned())
}

/// Every sample of /metrics, by name and labels.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    async fn of(env: &Env) -> Samples {
        let (status, body) = page(env, "/metrics").await;
        assert_eq!(status, "200");
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        Samples(
            lines
                .map(|line| {
                    let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                    (name.to_owned(), value.parse().expect("a number"))
                })
                .collect(),
        )
    }

    fn value(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(value) => *value,
            None => panic!("{name} is not among\n{:#?}", self.0.keys()),
        }
    }

    fn check(&self, expect: &[(&str, f64)]) {
        for (name, value) in expect {
            assert_eq!(self.value(name), *value, "{name}");
        }
    }
}

/// Fetches from `offset` of fish, and waits for a byte for so long.
async fn long_poll(client: &Client, offset: i64, max_wait_ms: i32) {
    let partition = PartitionIndex(0);
    let known = client.admin().topics().await.expect("an answer");
    let request = FetchRequest {
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_wait_ms,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: "fish".into(),
            topic_id: known["fish"].id,
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: Offset(offset),
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    client.call_leader("fish", partition, &request).await.expect("an answer");
}

/// Commits an offset for a group without members.
async fn commit(client: &Client, group: &str) {
    let of = TopicPartition { topic: "fish".into(), partition: PartitionIndex(0) };
    let results = client.admin().alter_group_offsets(group, &[(of, Offset(1))]).await;
    results.expect("an answer").into_iter().for_each(|(_, result)| result.expect("it is taken"));
}

/// Runs `story` beside a node that shows itself.
fn with_node(seed: u64, story: impl AsyncFnOnce(Env, Client)) {
    World::new(seed).run(async |world: World| {
        let node = start_with(&world.node(1), &[SHOWN]).await.expect("it starts");
        let beside = world.node(2);
        story(beside.clone(), client(&beside).await).await;
        node.stop().await;
    });
}

#[test]
fn what_was_produced_and_fetched_is_what_is_counted() {
    with_node(1, async |env, client| {
        create_topic(&client, "fish").await;
        let before = Samples::of(&env).await;
        produce(&client, "fish", &["one", "two", "three"]).await;
        assert_eq!(values(&client, "fish").await, ["one", "two", "three"]);
        let after = Samples::of(&env).await;
        let topic =
            |name: &str| format!("kafka_server_brokertopicmetrics_{name}{{topic=\"fish\"}}");
        let size = after.value("kafka_log_log_size{topic=\"fish\",partition=\"0\"}");
        assert!(size > 0.0);
        assert_eq!(after.value(&topic("bytesin_total")), size);
        assert_eq!(after.value(&topic("bytesout_total")), size);
        assert_eq!(after.value(&topic("messagesin_total")), 3.0);
        assert_eq!(after.value(&topic("totalfetchrequests_total")), 1.0);
        assert_eq!(after.value(&topic("failedproducerequests_total")), 0.0);
        after.check(&[
            ("kafka_server_brokertopicmetrics_bytesin_total", size),
            ("kafka_server_brokertopicmetrics_messagesin_total", 3.0),
            ("kafka_log_log_logstartoffset{topic=\"fish\",partition=\"0\"}", 0.0),
            ("kafka_log_log_logendoffset{topic=\"fish\",partition=\"0\"}", 3.0),
            ("kafka_log_log_numlogsegments{topic=\"fish\",partition=\"0\"}", 1.0),
            ("ottla_log_bytes", size),
            ("ottla_logs_left_out", 0.0),
        ]);
        let network =
            "kafka_server_socket_server_metrics_incoming_byte_total{listener=\"PLAINTEXT\"}";
        assert!(after.value(network) > before.value(network) + size);
    });
}

#[test]
fn requests_count_by_version_error_and_phase() {
    with_node(2, async |env, client| {
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one"]).await;
        values(&client, "fish").await;
        let request = DeleteGroupsRequest {
            groups_names: vec!["nobody".into(), "neither".into()],
            ..Default::default()
        };
        let answered = client.call(&request).await.expect("an answer");
        assert_eq!(answered.results.len(), 2);
        let samples = Samples::of(&env).await;
        let errors = |request: &str, error: &str| {
            let labels = format!("{{request=\"{request}\",error=\"{error}\"}}");
            samples.value(&format!("kafka_network_requestmetrics_errors_total{labels}"))
        };
        assert_eq!(errors("Produce", "NONE"), 1.0);
        assert_eq!(errors("CreateTopics", "NONE"), 1.0, "what the controller answered counts too");
        assert!(errors("DeleteGroups", "NOT_COORDINATOR") >= 2.0);
        for (name, label) in [
            ("ottla_request_seconds", ""),
            ("ottla_request_phase_seconds", ",phase=\"queue\""),
            ("ottla_request_phase_seconds", ",phase=\"local\""),
            ("ottla_request_phase_seconds", ",phase=\"waiting\""),
            ("ottla_request_phase_seconds", ",phase=\"send\""),
        ] {
            let count = format!("{name}_count{{request=\"Fetch\"{label}}}");
            assert_eq!(samples.value(&count), 1.0, "{count}");
        }
        let produces: f64 = samples
            .0
            .iter()
            .filter(|(name, _)| name.contains("requests_total{request=\"Produce\",version="))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(produces, 1.0);
    });
}

#[test]
fn a_long_poll_is_parked_for_as_long_as_it_waits() {
    with_node(3, async |env, client| {
        create_topic(&client, "fish").await;
        produce(&client, "fish", &["one"]).await;
        let tasks = env.tasks();
        tasks.spawn("reader", async move {
            long_poll(&client, 1, 5_000).await;
        });
        let parked =
            "kafka_server_delayedoperationpurgatory_purgatorysize{delayedoperation=\"Fetch\"}";
        env.sleep(Duration::from_secs(2)).await;
        let samples = Samples::of(&env).await;
        assert_eq!(samples.value(parked), 1.0);
        let open = "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\"}";
        assert!(samples.value(open) >= 1.0);
        tasks.join_all().await;
        env.sleep(Duration::from_secs(1)).await;
        let samples = Samples::of(&env).await;
        assert_eq!(samples.value(parked), 0.0);
        let waited =
            samples.value("ottla_request_phase_seconds_sum{request=\"Fetch\",phase=\"waiting\"}");
        assert!((4.9..6.0).contains(&waited), "{waited}");
        assert_eq!(samples.value(open), 0.0, "the reader is gone");
    });
}

#[test]
fn partitions_groups_and_the_cluster_are_shown_as_they_are() {
    with_node(4, async |env, client| {
        create_topic(&client, "fish").await;
        create_topic(&client, "birds").await;
        commit(&client, "readers").await;
        let samples = Samples::of(&env).await;
        samples.check(&[
            ("kafka_server_replicamanager_partitioncount", 52.0),
            ("kafka_server_replicamanager_leadercount", 52.0),
            ("kafka_server_replicamanager_underreplicatedpartitions", 0.0),
            ("kafka_server_replicamanager_offlinereplicacount", 0.0),
            ("kafka_log_logmanager_offlinelogdirectorycount", 0.0),
            ("kafka_coordinator_group_groupmetadatamanager_numgroups", 1.0),
            ("kafka_coordinator_group_groupmetadatamanager_numgroupsempty", 1.0),
            ("kafka_coordinator_group_groupmetadatamanager_numgroupsstable", 0.0),
            ("kafka_server_group_coordinator_metrics_group_count{protocol=\"classic\"}", 1.0),
            ("kafka_server_group_coordinator_metrics_group_count{protocol=\"consumer\"}", 0.0),
            (
                "kafka_server_group_coordinator_metrics_consumer_group_count{state=\"Assigning\"}",
                0.0,
            ),
            ("kafka_controller_kafkacontroller_globaltopiccount", 3.0),
            ("kafka_controller_kafkacontroller_globalpartitioncount", 52.0),
            ("kafka_controller_kafkacontroller_activebrokercount", 1.0),
            ("kafka_controller_kafkacontroller_fencedbrokercount", 0.0),
            ("kafka_controller_kafkacontroller_activecontrollercount", 1.0),
            ("kafka_controller_kafkacontroller_offlinepartitionscount", 0.0),
            ("kafka_server_kafkaserver_brokerstate", 3.0),
        ]);
    });
}

#[test]
fn a_running_node_is_healthy_and_ready() {
    with_node(5, async |env, client| {
        create_topic(&client, "fish").await;
        let healthy = "{\"reasons\":[],\"status\":\"healthy\"}\n";
        assert_eq!(page(&env, "/health").await, ("200".to_owned(), healthy.to_owned()));
        let ready = "{\"status\":\"ready\",\"waits_for\":[]}\n";
        assert_eq!(page(&env, "/ready").await, ("200".to_owned(), ready.to_owned()));
        assert_eq!(page(&env, "/").await.0, "404");
    });
}

#[test]
fn a_node_says_what_it_waits_for_until_it_is_ready() {
    World::new(6).run(async |world: World| {
        let env = world.node(1);
        world.disk(1).slow_us(20_000..40_000);
        let tasks = env.tasks();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let starting = env.clone();
        tasks.spawn("node", async move {
            let node = start_with(&starting, &[SHOWN]).await.expect("it starts");
            let _ = stopped.await;
            node.stop().await;
        });
        let beside = world.node(2);
        let mut said = Vec::new();
        loop {
            if beside.net().connect("node-1", 9404).await.is_ok() {
                let (status, body) = page(&beside, "/ready").await;
                assert_eq!(page(&beside, "/health").await.0, "200");
                if status == "200" {
                    break;
                }
                assert_eq!(status, "503");
                said.push(body);
            }
            beside.sleep(Duration::from_millis(1)).await;
        }
        assert!(said[0].contains("the folders and the metadata log"), "{said:?}");
        let _ = stop.send(());
        tasks.join_all().await;
        assert!(
            beside.net().connect("node-1", 9404).await.is_err(),
            "a stopped node shows nothing"
        );
    });
}

#[test]
fn a_node_whose_disk_fails_is_neither_healthy_nor_ready() {
    World::new(7).run(async |world: World| {
        let env = world.node(1);
        let node = start_with(&env, &[SHOWN]).await.expect("it starts");
        world.disk(1).break_below("/data", Broken::Writes);
        let why = node.failed().await;
        let beside = world.node(2);
        let (status, body) = page(&beside, "/health").await;
        assert_eq!(status, "503");
        assert!(body.contains("\"failed\"") && body.contains("/data is offline"), "{body}");
        let (status, body) = page(&beside, "/ready").await;
        assert_eq!(status, "503");
        assert!(body.contains("\"waiting\"") && body.contains(&why), "{body}");
        Samples::of(&beside).await.check(&[
            ("kafka_log_logmanager_offlinelogdirectorycount", 1.0),
            ("kafka_log_logmanager_logdirectoryoffline{logdirectory=\"/data\"}", 1.0),
            ("kafka_controller_kafkacontroller_activecontrollercount", 0.0),
        ]);
        node.crash().await;
        world.disk(1).repair();
    });
}

#[test]
fn a_folder_that_fails_beside_another_degrades_the_health_and_is_counted() {
    World::new(10).run(async |world: World| {
        let env = world.node(1);
        let two = ["log.dirs=/data,/more", "metadata.log.dir=/data", SHOWN];
        let node = start_with(&env, &two).await.expect("it starts");
        let beside = world.node(2);
        let client = client(&beside).await;
        create_topic(&client, "fish").await;
        create_topic(&client, "birds").await;
        let (status, body) = page(&beside, "/ready").await;
        assert_eq!(status, "200", "{body}");
        world.disk(1).break_below("/more", Broken::All);
        let tasks = beside.tasks();
        for topic in ["fish", "birds"] {
            let client = client.clone();
            tasks.spawn("writer", async move { produce(&client, topic, &["one"]).await });
        }
        beside.sleep(Duration::from_secs(3)).await;
        tasks.shutdown().await;
        let (status, body) = page(&beside, "/health").await;
        assert_eq!(status, "200");
        assert!(body.contains("\"degraded\"") && body.contains("/more is offline"), "{body}");
        Samples::of(&beside).await.check(&[
            ("kafka_log_logmanager_offlinelogdirectorycount", 1.0),
            ("kafka_log_logmanager_logdirectoryoffline{logdirectory=\"/data\"}", 0.0),
            ("kafka_log_logmanager_logdirectoryoffline{logdirectory=\"/more\"}", 1.0),
            ("kafka_server_replicamanager_offlinereplicacount", 1.0),
            ("kafka_controller_kafkacontroller_offlinepartitionscount", 1.0),
        ]);
        node.crash().await;
        world.disk(1).repair();
    });
}

#[test]
fn a_full_disk_degrades_the_health_before_anything_is_written() {
    World::new(11).run(async |world: World| {
        let env = world.node(1);
        world.disk(1).set_capacity(64 << 20);
        let node = start_with(&env, &[SHOWN]).await.expect("it starts");
        let beside = world.node(2);
        let health = async || {
            beside.sleep(Duration::from_secs(3)).await;
            page(&beside, "/health").await
        };
        assert_eq!(
            health().await,
            ("200".into(), "{\"reasons\":[],\"status\":\"healthy\"}\n".into())
        );
        fill(&env);
        let (status, body) = health().await;
        assert_eq!(status, "200", "what was written is still served");
        assert!(body.contains("\"degraded\"") && body.contains("of /data is full"), "{body}");
        env.disk().remove_file(Path::new("/other")).expect("it is there");
        assert!(health().await.1.contains("\"healthy\""));
        node.stop().await;
    });
}

/// Writes one key again and again, so that each record is in a segment of its own.
async fn rewrite(client: &Client, topic: &'static str, times: u32) {
    let producer = Producer::new(client, ProducerSettings::default());
    for _ in 0..times {
        let record = ProducerRecord {
            topic: topic.into(),
            partition: Some(PartitionIndex(0)),
            key: Some(Bytes::from_static(b"key")),
            value: Some(Bytes::from_static(&[b'v'; 200])),
            ..Default::default()
        };
        producer.send(record).await.expect("it is taken").await.expect("it is acknowledged");
        client.env().sleep(Duration::from_secs(1)).await;
    }
    producer.close().await;
}

#[test]
fn what_compaction_does_and_cannot_do_is_shown() {
    World::new(12).run(async |world: World| {
        let compacting = [
            SHOWN,
            "log.cleanup.policy=compact",
            "log.roll.ms=500",
            "log.cleaner.backoff.ms=60000",
            "log.cleaner.max.compaction.lag.ms=20000",
        ];
        let node = start_with(&world.node(1), &compacting).await.expect("it starts");
        let beside = world.node(2);
        let client = client(&beside).await;
        let idle = "kafka_log_logcleanermanager_time_since_last_run_ms";
        for topic in ["fish", "birds"] {
            create_topic(&client, topic).await;
            rewrite(&client, topic, 5).await;
        }
        let segments = "kafka_log_log_numlogsegments{topic=\"fish\",partition=\"0\"}";
        let before = Samples::of(&beside).await;
        before.check(&[("ottla_cleaner_passes_total", 0.0), (segments, 5.0)]);
        assert!(before.value(idle) >= 5_000.0, "{}", before.value(idle));
        world.disk(1).rot("/data/birds-0/00000000000000000000.log", 100).expect("it is there");
        beside.sleep(Duration::from_secs(60)).await;
        let after = Samples::of(&beside).await;
        let uncleanable = |name: &str| {
            let name = format!("kafka_log_logcleanermanager_uncleanable_{name}");
            after.value(&format!("{name}{{logdirectory=\"/data\"}}"))
        };
        assert_eq!(uncleanable("partitions_count"), 1.0);
        assert!(uncleanable("bytes") > 800.0, "{}", uncleanable("bytes"));
        // The newest of the key, and the active segment.
        after.check(&[("ottla_cleaner_passes_total", 1.0), (segments, 2.0)]);
        let recopied = after.value("kafka_log_logcleaner_cleaner_recopy_percent");
        assert!((20.0..40.0).contains(&recopied), "{recopied}");
        assert!(after.value(idle) < 60_000.0, "{}", after.value(idle));
        let delay = after.value("kafka_log_logcleaner_max_compaction_delay_secs");
        assert!(delay < 60.0, "{delay}");
        assert!(after.value("ottla_log_flushes_total{logdirectory=\"/data\"}") > 0.0);
        let cordoned = "kafka_log_logmanager_logdirectorycordoned{logdirectory=\"/data\"}";
        after.check(&[(cordoned, 0.0), ("kafka_log_logmanager_cordonedlogdirectorycount", 0.0)]);
        set_broker_config(&client, "1", "cordoned.log.dirs", "/data").await;
        beside.sleep(Duration::from_secs(1)).await;
        let after = Samples::of(&beside).await;
        after.check(&[(cordoned, 1.0), ("kafka_log_logmanager_cordonedlogdirectorycount", 1.0)]);
        node.stop().await;
    });
}

#[test]
fn nothing_is_shown_where_nothing_is_configured() {
    World::new(8).run(async |world: World| {
        let node = start_with(&world.node(1), &[]).await.expect("it starts");
        assert!(node.addresses().iter().all(|at| at.listener != "HTTP"));
        assert!(world.node(2).net().connect("node-1", 9404).await.is_err());
        node.stop().await;
    });
}

#[test]
fn a_taken_port_is_refused_by_the_name_of_its_config() {
    World::new(9).run(async |world: World| {
        let env = world.node(1);
        let _taken = env.net().listen("0.0.0.0:9404".parse().expect("an address")).await;
        let refused = ottla_node::Node::start(&env, opening(&alone(), &[SHOWN])).await;
        let why = refused.err().expect("it is refused").to_string();
        assert!(why.contains("--override ottla.http.listener="), "{why}");
    });
}
