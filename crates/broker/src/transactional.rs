//! Batches of transactions on their way into partitions: whether they may (KIP-890).
//!
//! Before the first batch of a transaction is appended to a partition its coordinator is asked:
//! whether the partition was added, or, for clients that go by transaction.version 2, to add it.
//! Not here: the look under the partition's lock (verification.rs). Must hold: no lock is held
//! while the coordinator is asked; codes are those that clients of the request's version know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use ottla_wire::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, StrBytes, TopicId};

use crate::context::Ctx;
use crate::partition::Partition;
use crate::refusal::Refusal;
use crate::verification::Entering;

/// How a client takes part in transactions, by the version of what it asks
/// (TransactionSupportedOperation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It adds partitions itself, and does not know TRANSACTION_ABORTABLE.
    Oldest,
    /// It adds partitions itself.
    Adds,
    /// It counts on partitions being added when it writes to them.
    IsAdded,
}

impl Support {
    fn by_version(version: i16, abortable_since: i16, added_since: i16) -> Support {
        match version {
            version if version >= added_since => Support::IsAdded,
            version if version >= abortable_since => Support::Adds,
            _ => Support::Oldest,
        }
    }

    /// Of a client that sends this version of Produce.
    pub(crate) fn of_produce(version: i16) -> Support {
        Support::by_version(version, 11, 12)
    }

    /// Of a client that sends this version of TxnOffsetCommit.
    pub(crate) fn of_offset_commit(version: i16) -> Support {
        Support::by_version(version, 4, 5)
    }
}

/// A transaction that is about to be written to.
pub(crate) struct Written<'a> {
    pub(crate) id: &'a StrBytes,
    pub(crate) producer: (ProducerId, ProducerEpoch),
    pub(crate) support: Support,
}

type Place = (TopicId, PartitionIndex);
/// What may enter each partition, or why it may not, by topic and partition.
pub(crate) type Entries = BTreeMap<Place, Result<Entering, ErrorCode>>;

/// Asks for the partitions in which the transaction is not open yet. Nothing is said of a
/// partition that needs no consent.
pub(crate) async fn enter(
    ctx: &Ctx,
    written: &Written<'_>,
    partitions: &[Arc<Partition>],
) -> Entries {
    let settings = ctx.rooms.configs.now();
    let is_verified = settings.transactions.partition_verification_enable;
    if !is_verified && written.support != Support::IsAdded {
        return Entries::new();
    }
    let is_added = written.support == Support::IsAdded;
    let mut entries = Entries::new();
    let mut asked = Vec::new();
    for partition in partitions {
        let entering = partition.begin_entering(written.producer, is_added);
        if entering.guard.is_some() {
            asked.push(Arc::clone(partition));
        }
        entries.insert((partition.topic_id, partition.index), Ok(entering));
    }
    if asked.is_empty() {
        return entries;
    }
    for (place, code) in ask(ctx, written, &asked).await {
        if code != ErrorCode::NONE {
            entries.insert(place, Err(code));
        }
    }
    entries
}

/// Asks the coordinator, and again for a while where the transaction before is still being ended.
async fn ask(
    ctx: &Ctx,
    written: &Written<'_>,
    partitions: &[Arc<Partition>],
) -> BTreeMap<Place, ErrorCode> {
    let env = &ctx.rooms.env;
    let settings = ctx.rooms.configs.now();
    let milliseconds = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let transactions = &settings.transactions;
    let rest = milliseconds(transactions.add_partitions_to_txn_retry_backoff_ms);
    let rests_until =
        env.monotonic() + milliseconds(transactions.add_partitions_to_txn_retry_backoff_max_ms);
    loop {
        let codes = ask_once(ctx, written, partitions).await;
        let busy = codes.values().any(|code| *code == ErrorCode::CONCURRENT_TRANSACTIONS);
        let again = busy && written.support == Support::IsAdded && env.monotonic() < rests_until;
        if !again {
            let known = codes.into_iter();
            return known.map(|(place, code)| (place, in_words_of(written, code))).collect();
        }
        env.sleep(rest).await;
    }
}

async fn ask_once(
    ctx: &Ctx,
    written: &Written<'_>,
    partitions: &[Arc<Partition>],
) -> BTreeMap<Place, ErrorCode> {
    let mut by_topic: BTreeMap<&str, Vec<&Arc<Partition>>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition);
    }
    let topics = by_topic.iter().map(|(name, partitions)| AddPartitionsToTxnTopic {
        name: StrBytes::copied(name),
        partitions: partitions.iter().map(|partition| partition.index).collect(),
        ..Default::default()
    });
    let request = AddPartitionsToTxnTransaction {
        transactional_id: written.id.clone(),
        producer_id: written.producer.0,
        producer_epoch: written.producer.1,
        verify_only: written.support != Support::IsAdded,
        topics: topics.collect(),
        ..Default::default()
    };
    let asked = ctx.rooms.transactions.add_partitions(ADD_PARTITIONS_VERSION, request);
    let Ok(result) = ctx.rooms.env.timeout(PATIENCE, asked.into_future()).await else {
        let late = |partition: &Arc<Partition>| {
            ((partition.topic_id, partition.index), ErrorCode::NETWORK_EXCEPTION)
        };
        return partitions.iter().map(late).collect();
    };
    let told: BTreeMap<(&str, PartitionIndex), ErrorCode> = result
        .topic_results
        .iter()
        .flat_map(|topic| {
            let partitions = topic.results_by_partition.iter();
            partitions.map(|one| ((&*topic.name, one.partition_index), one.partition_error_code))
        })
        .collect();
    let place = |partition: &Arc<Partition>| {
        let code = told.get(&(&*partition.topic, partition.index)).copied();
        let code = code.unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
        ((partition.topic_id, partition.index), code)
    };
    partitions.iter().map(place).collect()
}

/// The coordinator's code as this client knows it (AddPartitionsToTxnManager).
fn in_words_of(written: &Written<'_>, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if written.support == Support::Oldest => {
            ErrorCode::INVALID_TXN_STATE
        }
        code => code,
    }
}

/// What a producer hears of a refusal: what older ones would not try again becomes something that
/// they do (ReplicaManager.handleProduceAppend).
pub(crate) fn refusal_of_produce(support: Support, code: ErrorCode) -> Refusal {
    let may_pass = match code {
        ErrorCode::INVALID_TXN_STATE => {
            let message = "Partition was not added to the transaction".to_owned();
            return Refusal { message, ..code.into() };
        }
        ErrorCode::CONCURRENT_TRANSACTIONS => support != Support::IsAdded,
        ErrorCode::NETWORK_EXCEPTION
        | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR => true,
        _ => false,
    };
    if !may_pass {
        return code.into();
    }
    let name = code.name();
    let message =
        format!("Unable to verify the partition has been added to the transaction: {name}");
    Refusal { message, ..ErrorCode::NOT_ENOUGH_REPLICAS.into() }
}

/// The version that partition leaders speak to coordinators.
const ADD_PARTITIONS_VERSION: i16 = 5;

/// How long a coordinator may take.
const PATIENCE: Duration = Duration::from_secs(30);
