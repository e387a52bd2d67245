//! The coordinator of transactions in the simulated world: what it has done outside, and when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla_env::Env;
use ottla_transactions::{Marked, Markers, TopicPartition};
use ottla_wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use ottla_wire::messages::{EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest};
use ottla_wire::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes, Timestamp,
};

use super::{Memory, PARTITION, run};
use crate::{
    Answer, BoxFuture, CoordinatorSettings, MarkerResults, ShardState, TransactionCoordinator,
    TransactionWorld,
};

/// What the coordinator has had done, and how it goes.
#[derive(Default)]
struct Outside {
    written: Mutex<Vec<String>>,
    /// What leaders answer, if not that all is well.
    refusals: Mutex<BTreeMap<String, ErrorCode>>,
    producer_ids: AtomicI64,
    no_producer_ids: Mutex<Option<ErrorCode>>,
}

impl Outside {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.written.lock().unwrap())
    }
}

/// The world as the coordinator is given it.
struct Given(Arc<Outside>);

impl TransactionWorld for Given {
    fn write_markers(
        &self,
        epoch: LeaderEpoch,
        markers: &Markers,
    ) -> BoxFuture<'static, MarkerResults> {
        let kind = if markers.committed { "commit" } else { "abort" };
        let names = markers.partitions.iter().map(ToString::to_string).collect::<Vec<_>>();
        let line = format!(
            "{kind} {}/{} by {epoch}: {}",
            markers.producer_id,
            markers.producer_epoch,
            names.join(" ")
        );
        self.0.written.lock().unwrap().push(line);
        let refusals = self.0.refusals.lock().unwrap().clone();
        let result = |partition: &TopicPartition| {
            let refusal = refusals.get(&partition.to_string()).copied();
            (partition.clone(), Marked::Answered(refusal.unwrap_or(ErrorCode::NONE)))
        };
        let results = markers.partitions.iter().map(result).collect();
        Box::pin(std::future::ready(results))
    }

    fn producer_id(&self) -> BoxFuture<'static, Result<ProducerId, ErrorCode>> {
        let id = match *self.0.no_producer_ids.lock().unwrap() {
            Some(error) => Err(error),
            None => Ok(ProducerId(self.0.producer_ids.fetch_add(1, Ordering::Relaxed))),
        };
        Box::pin(std::future::ready(id))
    }
}

/// A coordinator of one partition on this log, loaded as far as it can be.
async fn coordinator(
    env: &Env,
    log: &Arc<Memory>,
    epoch: i32,
) -> (TransactionCoordinator, Arc<Outside>) {
    let outside = Arc::new(Outside::default());
    let world = Arc::new(Given(outside.clone()));
    let settings = CoordinatorSettings::default();
    let coordinator = TransactionCoordinator::start(env.clone(), settings, world);
    coordinator.partitions(Some(1));
    coordinator.lead(PARTITION, LeaderEpoch(epoch), log.clone());
    env.sleep(Duration::from_millis(50)).await;
    (coordinator, outside)
}

pub(super) type Who = (ProducerId, ProducerEpoch);

pub(super) async fn init(coordinator: &TransactionCoordinator) -> Result<Who, ErrorCode> {
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 60_000,
        producer_id: ProducerId(-1),
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    };
    let told = coordinator.init_producer_id(5, request).await;
    match told.error_code {
        ErrorCode::NONE => Ok((told.producer_id, told.producer_epoch)),
        error => Err(error),
    }
}

pub(super) async fn add(
    coordinator: &TransactionCoordinator,
    who: Who,
    partitions: &[i32],
) -> ErrorCode {
    let request = AddPartitionsToTxnTransaction {
        transactional_id: "tx".into(),
        producer_id: who.0,
        producer_epoch: who.1,
        topics: vec![AddPartitionsToTxnTopic {
            name: "t".into(),
            partitions: partitions.iter().copied().map(PartitionIndex).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let told = coordinator.add_partitions(5, request).await;
    told.topic_results[0].results_by_partition[0].partition_error_code
}

pub(super) fn commit(who: Who) -> EndTxnRequest {
    EndTxnRequest {
        transactional_id: "tx".into(),
        producer_id: who.0,
        producer_epoch: who.1,
        committed: true,
        ..Default::default()
    }
}

pub(super) async fn state(coordinator: &TransactionCoordinator) -> String {
    let told = coordinator.describe_transaction(&StrBytes::from("tx")).await;
    match told.error_code {
        ErrorCode::NONE => told.transaction_state.to_string(),
        error => error.name().to_owned(),
    }
}

#[test]
fn a_transaction_whose_markers_are_written_at_once_is_over_with_the_answer() {
    run(async |env, log| {
        let (coordinator, outside) = coordinator(&env, &log, 3).await;
        let who = init(&coordinator).await.expect("a producer");
        assert_eq!(add(&coordinator, who, &[0, 1]).await, ErrorCode::NONE);
        let told = coordinator.end_transaction(5, commit(who)).await;
        assert_eq!((told.error_code, told.producer_epoch), (ErrorCode::NONE, ProducerEpoch(1)));
        // All markers could be written at once: the producer need not wait to begin again.
        assert_eq!(outside.take(), ["commit 0/1 by 3: t-0 t-1"]);
        assert_eq!(state(&coordinator).await, "CompleteCommit");
        assert_eq!(log.records(), 4);
    });
}

#[test]
fn no_marker_leaves_before_its_decision_is_committed() {
    run(async |env, log| {
        let (first, outside) = coordinator(&env, &log, 0).await;
        let who = init(&first).await.expect("a producer");
        add(&first, who, &[0]).await;
        *log.commits.lock().unwrap() = false;
        let Answer::Later(mut ending) = first.end_transaction(5, commit(who)) else {
            panic!("answered before the commit")
        };
        assert!(env.timeout(Duration::from_secs(1), &mut ending).await.is_err());
        assert_eq!(outside.take(), Vec::<String>::new());
        log.commit();
        assert_eq!(ending.await.error_code, ErrorCode::NONE);
        env.sleep(Duration::from_millis(1)).await;
        assert_eq!(outside.take(), ["commit 0/1 by 0: t-0"]);
    });
}

#[test]
fn a_decision_that_was_never_committed_is_taken_by_whoever_comes_next() {
    run(async |env, log| {
        let (first, outside) = coordinator(&env, &log, 0).await;
        let who = init(&first).await.expect("a producer");
        add(&first, who, &[0]).await;
        *log.commits.lock().unwrap() = false;
        let ending = first.end_transaction(5, commit(who));
        first.resign(PARTITION, LeaderEpoch(0));
        assert_eq!(ending.await.error_code, ErrorCode::NOT_COORDINATOR);
        assert_eq!(outside.take(), Vec::<String>::new());

        // Its record stayed, and counts once it is committed.
        let (second, outside) = coordinator(&env, &log, 1).await;
        assert_eq!(state(&second).await, "COORDINATOR_LOAD_IN_PROGRESS");
        log.commit();
        *log.commits.lock().unwrap() = true;
        env.sleep(Duration::from_millis(50)).await;
        assert_eq!(outside.take(), ["commit 0/1 by 1: t-0"]);
        assert_eq!(state(&second).await, "CompleteCommit");
    });
}

#[test]
fn a_leader_that_cannot_take_a_marker_is_asked_again() {
    run(async |env, log| {
        let (coordinator, outside) = coordinator(&env, &log, 0).await;
        let who = init(&coordinator).await.expect("a producer");
        add(&coordinator, who, &[0, 1]).await;
        let refusal = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        outside.refusals.lock().unwrap().insert("t-1".to_owned(), refusal);
        coordinator.end_transaction(5, commit(who)).await;
        env.sleep(Duration::from_millis(250)).await;
        let written = outside.take();
        assert_eq!(written[0], "commit 0/1 by 0: t-0 t-1");
        assert!(written.len() > 1 && written[1..].iter().all(|line| line.ends_with(": t-1")));
        assert_eq!(state(&coordinator).await, "PrepareCommit");
        outside.refusals.lock().unwrap().clear();
        env.sleep(Duration::from_millis(150)).await;
        assert_eq!(state(&coordinator).await, "CompleteCommit");
        env.sleep(Duration::from_secs(5)).await;
        assert_eq!(outside.take().len(), 1);
    });
}

#[test]
fn an_end_that_the_log_refuses_is_not_carried_out() {
    run(async |env, log| {
        let (coordinator, outside) = coordinator(&env, &log, 0).await;
        let who = init(&coordinator).await.expect("a producer");
        add(&coordinator, who, &[0]).await;
        *log.refuses.lock().unwrap() = Some(ErrorCode::NOT_ENOUGH_REPLICAS);
        let told = coordinator.end_transaction(5, commit(who)).await;
        assert_eq!(told.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        *log.refuses.lock().unwrap() = None;
        env.sleep(Duration::from_secs(1)).await;
        assert_eq!(outside.take(), Vec::<String>::new());
        assert_eq!(state(&coordinator).await, "Ongoing");
        assert_eq!(coordinator.end_transaction(5, commit(who)).await.error_code, ErrorCode::NONE);
    });
}

#[test]
fn without_a_producer_id_a_new_producer_hears_why() {
    run(async |env, log| {
        let (coordinator, outside) = coordinator(&env, &log, 0).await;
        let error = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        *outside.no_producer_ids.lock().unwrap() = Some(error);
        assert_eq!(init(&coordinator).await, Err(error));
        assert_eq!(log.records(), 0);
        *outside.no_producer_ids.lock().unwrap() = None;
        assert_eq!(init(&coordinator).await, Ok((ProducerId(0), ProducerEpoch(0))));
    });
}

#[test]
fn a_record_that_cannot_be_applied_stops_the_shard() {
    run(async |env, log| {
        use ottla_records::{BatchBuilder, BatchSettings};
        let mut builder = BatchBuilder::new(BatchSettings::default());
        let key = [0, 0, 0, 2, b't', b'x'];
        builder.append(Timestamp(0), Some(&key), None, &[]).unwrap();
        builder.append(Timestamp(0), Some(&key), Some(&[0, 99]), &[]).unwrap();
        log.put(&builder.build().unwrap());
        let (coordinator, _) = coordinator(&env, &log, 0).await;
        let states = coordinator.states();
        assert!(matches!(&states[0].1, ShardState::Failed(error) if error.offset == Offset(1)));
        assert_eq!(init(&coordinator).await, Err(ErrorCode::NOT_COORDINATOR));
    });
}

#[test]
fn records_stand_as_kafka_writes_them() {
    run(async |env, log| {
        let (coordinator, _) = coordinator(&env, &log, 0).await;
        init(&coordinator).await.expect("a producer");
        let bytes = log.batches.lock().unwrap()[0].1.clone();
        let batch = ottla_records::batches(&bytes).next().unwrap().unwrap();
        assert_eq!((batch.producer_id(), batch.base_sequence()), (ProducerId(-1), -1));
        assert_eq!(batch.attributes(), 0);
        let list = ListTransactionsRequest { duration_filter: -1, ..Default::default() };
        let told = coordinator.list_transactions(2, &list).await;
        assert_eq!(&*told.transaction_states[0].transaction_state, "Empty");
    });
}
