//! What a quorum writes, and what a restart finds.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_net::Channel;
use ottla_quorum::{FOLDER, Quorum, QuorumError, SnapshotId};
use ottla_sim::World;
use ottla_wire::messages::DescribeQuorumRequest;
use ottla_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use ottla_wire::{ErrorCode, Offset};

use crate::support::{DATA, DIRECTORY, NODE, create, format, opening, start};

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
