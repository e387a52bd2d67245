//! A quorum of one on a simulated disk: what it writes, what it answers, what a restart finds.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_env::Env;
use ottla_metadata::{Bootstrap, bootstrap_records};
use ottla_net::Channel;
use ottla_quorum::{
    BOOTSTRAP, FOLDER, InitialVoter, Opening, Quorum, QuorumError, SnapshotId, VoterEndpoint,
    bootstrap_file, voters_file,
};
use ottla_raft::Voter;
use ottla_security::Authorizer;
use ottla_settings::{Input, Settings};
use ottla_sim::World;
use ottla_storage::Directory;
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use ottla_wire::messages::{ApiVersionsRequest, CreateTopicsRequest, DescribeQuorumRequest};
use ottla_wire::{ApiKey, BrokerId, DirectoryId, ErrorCode, Offset, Timestamp, Uuid};

const DATA: &str = "/data";
const DIRECTORY: DirectoryId = DirectoryId(Uuid([9; 16]));
const NODE: BrokerId = BrokerId(1);

fn endpoints() -> Vec<VoterEndpoint> {
    vec![VoterEndpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 9093 }]
}

fn format(env: &Env) {
    let disk = env.disk();
    let folder = PathBuf::from(DATA).join(FOLDER);
    disk.create_dir_all(&folder).expect("the simulated disk takes it");
    let records = bootstrap_records(&Bootstrap::default()).expect("the simulated disk takes it");
    let bootstrap = bootstrap_file(records, Timestamp(1)).expect("the simulated disk takes it");
    disk.replace(&PathBuf::from(DATA).join(BOOTSTRAP), &bootstrap)
        .expect("the simulated disk takes it");
    let key = Voter { id: NODE, directory: DIRECTORY };
    let me = InitialVoter { key, endpoints: endpoints() };
    let voters = voters_file(&[me], Timestamp(1)).expect("the simulated disk takes it");
    disk.replace(&folder.join(SnapshotId::FORMATTED.file_name()), &voters)
        .expect("the simulated disk takes it");
    disk.sync_tree(&PathBuf::from(DATA)).expect("the simulated disk takes it");
    disk.sync_dir(&PathBuf::from("/")).expect("the simulated disk takes it");
}

fn opening(env: &Env, overrides: &[&str]) -> Opening {
    let mut all = vec!["process.roles=broker,controller", "node.id=1"];
    all.extend(["controller.listener.names=CONTROLLER"]);
    all.extend(["listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"]);
    if !overrides.iter().any(|o| o.starts_with("controller.quorum")) {
        all.push("controller.quorum.bootstrap.servers=localhost:9093");
    }
    all.extend(overrides);
    let overrides: Vec<String> = all.iter().map(|text| (*text).to_owned()).collect();
    let settings = Settings::load(Input { overrides: &overrides, ..Input::default() });
    Opening {
        node_id: NODE,
        cluster_id: "4L6g3nShT-eMCtK--X86sw".to_owned(),
        directory: Directory::new(env.disk().clone(), PathBuf::from(DATA), DIRECTORY),
        endpoints: endpoints(),
        settings: settings.expect("allowed").settings,
        authorizer: Authorizer::Everybody,
    }
}

async fn start(env: &Env) -> Quorum {
    let quorum = Quorum::start(env, opening(env, &[])).await.expect("it starts");
    quorum.image().wait_for(|image| !image.features().is_empty()).await.expect("it lives");
    quorum
}

fn create(name: &'static str) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() }
}

#[test]
fn a_new_quorum_writes_what_the_cluster_was_formatted_with() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let image = Arc::clone(&quorum.image().borrow());
        assert_eq!(image.features().metadata_version().to_string(), "4.3-IV0");
        // Three control records, and the ten of the bootstrap transaction.
        assert_eq!(image.provenance().offset, Offset(11));
        quorum.stop().await.expect("it stops");
    });
}

#[test]
fn api_versions_names_what_has_a_row() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let response = channel.send(&request, 4).await.expect("an answer");
        assert_eq!(response.error_code, ErrorCode::NONE);
        let keys: Vec<i16> = response.api_keys.iter().map(|api| api.api_key).collect();
        assert!(keys.contains(&(ApiKey::Envelope as i16)), "{keys:?}");
        assert!(!keys.contains(&(ApiKey::Produce as i16)), "{keys:?}");
        let level = |name: &str| {
            let found = response.finalized_features.iter().find(|f| f.name == *name);
            found.map(|feature| feature.max_version_level)
        };
        assert_eq!(level("metadata.version"), Some(30));
        assert_eq!(level("kraft.version"), Some(1));
    });
}

#[test]
fn the_epoch_goes_up_with_each_start_and_the_log_goes_on() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        for epoch in 1..=3 {
            let quorum = start(&env).await;
            let channel = Channel::pipe(quorum.service(), "test");
            let topic = TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![PartitionData::default()],
                ..Default::default()
            };
            let request = DescribeQuorumRequest { topics: vec![topic], ..Default::default() };
            let response = channel.send(&request, 2).await.expect("an answer");
            let partition = &response.topics[0].partitions[0];
            assert_eq!(partition.leader_epoch.0, epoch);
            assert_eq!(partition.leader_id, NODE);
            assert_eq!(partition.current_voters[0].replica_directory_id, DIRECTORY);
            quorum.stop().await.expect("it stops");
        }
    });
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    let world = World::new(3);
    let image = world.run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let quorum = start(&env).await;
        let channel = Channel::pipe(quorum.service(), "test");
        // No broker is registered, so nothing can be placed: the refusal is an answer as well.
        let response = channel.send(&create("a"), 7).await.expect("an answer");
        assert_ne!(response.topics[0].error_code, ErrorCode::NONE);
        let image = Arc::clone(&quorum.image().borrow());
        world.crash(1);
        drop(quorum);
        image
    });
    world.run(async |world: World| {
        let env = world.boot(1);
        let quorum = start(&env).await;
        assert_eq!(**quorum.image().borrow(), *image);
    });
}

#[test]
fn a_snapshot_is_taken_and_the_next_start_begins_with_it() {
    World::new(5).run(async |world: World| {
        let env = world.node(1);
        format(&env);
        let overrides = ["metadata.log.max.record.bytes.between.snapshots=200"];
        let quorum = Quorum::start(&env, opening(&env, &overrides)).await.expect("it starts");
        let snapshots = || {
            let listed = env.disk().list(&PathBuf::from(DATA).join(FOLDER)).unwrap();
            listed.into_iter().filter_map(|e| SnapshotId::of_file(&e.name)).collect::<Vec<_>>()
        };
        let mut image = quorum.image();
        while snapshots().len() < 2 {
            image.changed().await.expect("it lives");
        }
        let newest = *snapshots().last().unwrap();
        assert!(newest > SnapshotId::FORMATTED);
        let before = Arc::clone(&image.borrow_and_update());
        quorum.stop().await.expect("it stops");
        let quorum = start(&env).await;
        assert_eq!(**quorum.image().borrow(), *before);
    });
}

#[test]
fn more_voters_than_one_are_refused_with_the_way_out() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        env.disk().create_dir_all(&PathBuf::from(DATA)).unwrap();
        let voters = ["controller.quorum.voters=1@localhost:9093,2@localhost:9094"];
        let refused = Quorum::start(&env, opening(&env, &voters)).await.map(drop);
        let text = refused.expect_err("two voters").to_string();
        assert!(text.contains("not served yet"), "{text}");
        let refused = Quorum::start(&env, opening(&env, &[])).await.map(drop);
        assert!(matches!(refused, Err(QuorumError::Refused(_))), "{refused:?}");
    });
}

#[test]
fn fixed_voters_make_a_quorum_of_version_0() {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        env.disk().create_dir_all(&PathBuf::from(DATA)).unwrap();
        let voters = ["controller.quorum.voters=1@localhost:9093"];
        let quorum = Quorum::start(&env, opening(&env, &voters)).await.expect("it starts");
        quorum.image().wait_for(|image| !image.features().is_empty()).await.expect("it lives");
        let state = env.disk().read(&PathBuf::from(DATA).join(FOLDER).join("quorum-state"));
        let state = String::from_utf8(state.unwrap()).unwrap();
        assert_eq!(
            state,
            "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\
             \"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}"
        );
    });
}
