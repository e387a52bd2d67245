//! What the tests of this crate share: a formatted folder on a simulated disk, and a quorum on it.

use std::path::PathBuf;

use ottla_env::Env;
use ottla_metadata::{Bootstrap, bootstrap_records};
use ottla_quorum::{
    BOOTSTRAP, FOLDER, InitialVoter, Opening, Quorum, SnapshotId, VoterEndpoint, bootstrap_file,
    voters_file,
};
use ottla_raft::Voter;
use ottla_security::Authorizer;
use ottla_settings::{Input, Settings};
use ottla_storage::Directory;
use ottla_wire::messages::CreateTopicsRequest;
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::{BrokerId, DirectoryId, Timestamp, Uuid};

pub(crate) const DATA: &str = "/data";
pub(crate) const DIRECTORY: DirectoryId = DirectoryId(Uuid([9; 16]));
pub(crate) const NODE: BrokerId = BrokerId(1);

pub(crate) fn endpoints() -> Vec<VoterEndpoint> {
    vec![VoterEndpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 9093 }]
}

pub(crate) fn format(env: &Env) {
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

pub(crate) fn opening(env: &Env, overrides: &[&str]) -> Opening {
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

pub(crate) async fn start(env: &Env) -> Quorum {
    let quorum = Quorum::start(env, opening(env, &[])).await.expect("it starts");
    quorum.image().wait_for(|image| !image.features().is_empty()).await.expect("it lives");
    quorum
}

pub(crate) fn create(name: &'static str) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() }
}
