//! The share coordinator in the simulated world: what a request of many share partitions becomes,
//! and what another leader finds.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::Env;
use ottla_wire::messages::initialize_share_group_state_request::{
    InitializeStateData, PartitionData as Initialized,
};
use ottla_wire::messages::read_share_group_state_request::{PartitionData as Asked, ReadStateData};
use ottla_wire::messages::write_share_group_state_request::{
    PartitionData as Written, StateBatch, WriteStateData,
};
use ottla_wire::messages::{
    InitializeShareGroupStateRequest, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    WriteShareGroupStateRequest,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

use super::{Memory, PARTITION, run};
use crate::{CoordinatorSettings, ShareCoordinator};

const TOPIC: TopicId = TopicId(Uuid([9; 16]));

async fn coordinator(env: &Env, log: &Arc<Memory>, epoch: i32) -> ShareCoordinator {
    let coordinator = ShareCoordinator::start(env.clone(), CoordinatorSettings::default(), ());
    coordinator.partitions(Some(1));
    coordinator.lead(PARTITION, LeaderEpoch(epoch), log.clone());
    env.sleep(Duration::from_millis(50)).await;
    coordinator
}

async fn initialize(coordinator: &ShareCoordinator, partitions: i32) -> Vec<ErrorCode> {
    let partitions = (0..partitions).map(|index| Initialized {
        partition: PartitionIndex(index),
        state_epoch: 1,
        start_offset: Offset(0),
        ..Default::default()
    });
    let data = InitializeStateData {
        topic_id: TOPIC,
        partitions: partitions.collect(),
        ..Default::default()
    };
    let request = InitializeShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![data],
        ..Default::default()
    };
    let exists = |_, index: PartitionIndex| Ok(index < PartitionIndex(2));
    let response = coordinator.initialize_state(request, &exists).await;
    response.results[0].partitions.iter().map(|result| result.error_code).collect()
}

async fn write(coordinator: &ShareCoordinator, first: i64) -> ErrorCode {
    let written = Written {
        state_epoch: 1,
        start_offset: Offset(first),
        state_batches: vec![StateBatch {
            first_offset: Offset(first),
            last_offset: Offset(first),
            delivery_state: 2,
            delivery_count: 1,
            ..Default::default()
        }],
        ..Default::default()
    };
    let data = WriteStateData { topic_id: TOPIC, partitions: vec![written], ..Default::default() };
    let request = WriteShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![data],
        ..Default::default()
    };
    let response = coordinator.write_state(request, &|_, _| Ok(true)).await;
    response.results[0].partitions[0].error_code
}

async fn read(coordinator: &ShareCoordinator) -> ReadShareGroupStateResponse {
    let asked = Asked { leader_epoch: LeaderEpoch(0), ..Default::default() };
    let data = ReadStateData { topic_id: TOPIC, partitions: vec![asked], ..Default::default() };
    let request = ReadShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![data],
        ..Default::default()
    };
    coordinator.read_state(request, &|_, _| Ok(true)).await
}

#[test]
fn each_share_partition_of_a_request_is_answered_by_itself() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log, 0).await;
        let codes = initialize(&coordinator, 3).await;
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(codes, [ErrorCode::NONE, ErrorCode::NONE, unknown]);
        assert_eq!(log.records(), 2);
        coordinator.resign(PARTITION, LeaderEpoch(0));
        assert_eq!(initialize(&coordinator, 1).await, [ErrorCode::NOT_COORDINATOR]);
    });
}

#[test]
fn the_next_leader_knows_what_was_written_after_the_log_was_pruned() {
    run(async |env, log| {
        let first = coordinator(&env, &log, 0).await;
        initialize(&first, 1).await;
        for offset in 0..600 {
            assert_eq!(write(&first, offset).await, ErrorCode::NONE);
        }
        env.sleep(Duration::from_secs(301)).await;
        let start = *log.forgotten.lock().unwrap();
        assert_eq!(start, Offset(501), "the one snapshot after 500 updates is all that is needed");

        let second = coordinator(&env, &log, 1).await;
        let told = read(&second).await.results.remove(0).partitions.remove(0);
        assert_eq!((told.error_code, told.start_offset), (ErrorCode::NONE, Offset(599)));
        assert_eq!(told.state_batches.len(), 1);
        assert_eq!(told.state_batches[0].last_offset, Offset(599));
    });
}
