//! AddPartitionsToTxn and AddOffsetsToTxn: takes partitions into a transaction, or tells whether
//! they are in it.
//!
//! AddPartitionsToTxn v0 to v3 come from clients, v4 and v5 from partition leaders, who may ask to
//! verify only (KIP-890). v0 and v1 say INVALID_PRODUCER_EPOCH for PRODUCER_FENCED. Must hold: what
//! is in already costs no record.

use std::collections::BTreeSet;

use ottla_wire::messages::AddOffsetsToTxnRequest;
use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use ottla_wire::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use ottla_wire::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, StrBytes};

use crate::state::{BUMPING, State, TopicPartition, Transaction};
use crate::{Ask, Decided, Soft, TransactionRecord, TransactionReply, Transactions};

/// The topic of groups' offsets.
const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// From this version on partition leaders ask, for clients that go by transaction.version 2.
const BROKERS_SINCE: i16 = 4;

impl Transactions {
    /// AddPartitionsToTxn, one transaction of v0 to v5; that of v0 to v3 in the form of later ones.
    pub fn add_partitions(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        request: &AddPartitionsToTxnTransaction,
    ) -> Decided {
        if request.verify_only {
            let verified = self.verify(request);
            let result = match &verified {
                Ok(transaction) => add_partitions_result(request, |partition| {
                    match transaction.partitions.contains(partition) {
                        true => ErrorCode::NONE,
                        false => ErrorCode::TRANSACTION_ABORTABLE,
                    }
                }),
                Err(error) => add_partitions_result(request, |_| *error),
            };
            return Decided::reply(ask.ticket, TransactionReply::AddPartitions(result));
        }
        let added: BTreeSet<TopicPartition> = partitions(request).collect();
        let client_version = if ask.version >= BROKERS_SINCE { BUMPING } else { 0 };
        let producer = (request.producer_id, request.producer_epoch);
        let id = &request.transactional_id;
        let (record, error) = split(self.add(soft, ask, id, producer, added, client_version));
        let error = in_version(ask.version, error);
        let reply = TransactionReply::AddPartitions(add_partitions_result(request, |_| error));
        Decided { records: record, replies: vec![(ask.ticket, reply)], wake: soft.wake() }
    }

    /// AddOffsetsToTxn, v0 to v4: `partition` of `__consumer_offsets` keeps the group.
    pub fn add_offsets(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        request: &AddOffsetsToTxnRequest,
        partition: PartitionIndex,
    ) -> Decided {
        let topic = StrBytes::from(CONSUMER_OFFSETS);
        let added = BTreeSet::from([TopicPartition { topic, partition }]);
        let producer = (request.producer_id, request.producer_epoch);
        let (record, error) =
            split(self.add(soft, ask, &request.transactional_id, producer, added, 0));
        let reply = TransactionReply::AddOffsets(in_version(ask.version, error));
        Decided { records: record, replies: vec![(ask.ticket, reply)], wake: soft.wake() }
    }

    /// The record that adds partitions; none when they are in already.
    fn add(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        id: &StrBytes,
        producer: (ProducerId, ProducerEpoch),
        added: BTreeSet<TopicPartition>,
        client_version: i16,
    ) -> Result<Option<TransactionRecord>, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let known = self.get(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        // First of all: while epochs overflow the client may go by an id that is not known yet.
        if known.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        check_producer(known, producer)?;
        if known.state == State::Ongoing && added.is_subset(&known.partitions) {
            return Ok(None);
        }
        let mut grown = known.step(State::Ongoing, ask.now.wall);
        if known.state != State::Ongoing {
            grown.started_at = ask.now.wall;
        }
        grown.partitions.extend(added);
        grown.client_version = client_version;
        soft.watch_timeouts(ask.now, ask.settings);
        Ok(Some(TransactionRecord::Transaction {
            id: StrBytes::copied(id),
            value: Some(grown.into()),
            version: ask.settings.value_version(),
        }))
    }

    fn verify(&self, request: &AddPartitionsToTxnTransaction) -> Result<&Transaction, ErrorCode> {
        let id = &request.transactional_id;
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let known = self.get(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        check_producer(known, (request.producer_id, request.producer_epoch))?;
        if known.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        Ok(known)
    }
}

fn split(
    added: Result<Option<TransactionRecord>, ErrorCode>,
) -> (Vec<TransactionRecord>, ErrorCode) {
    match added {
        Ok(record) => (record.into_iter().collect(), ErrorCode::NONE),
        Err(error) => (Vec::new(), error),
    }
}

/// Whether the request is of the present producer.
pub(crate) fn check_producer(
    known: &Transaction,
    (id, epoch): (ProducerId, ProducerEpoch),
) -> Result<(), ErrorCode> {
    if known.producer_id != id {
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    if known.producer_epoch != epoch {
        return Err(ErrorCode::PRODUCER_FENCED);
    }
    Ok(())
}

/// The first two versions of every request of a producer know no PRODUCER_FENCED.
pub(crate) fn in_version(version: i16, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::PRODUCER_FENCED if version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => error,
    }
}

fn partitions(
    request: &AddPartitionsToTxnTransaction,
) -> impl Iterator<Item = TopicPartition> + '_ {
    request.topics.iter().flat_map(|topic| {
        let name = StrBytes::copied(&topic.name);
        topic
            .partitions
            .iter()
            .map(move |partition| TopicPartition { topic: name.clone(), partition: *partition })
    })
}

/// The result of AddPartitionsToTxn with an error code for each partition of the request.
pub fn add_partitions_result(
    request: &AddPartitionsToTxnTransaction,
    code: impl Fn(&TopicPartition) -> ErrorCode,
) -> AddPartitionsToTxnResult {
    let topic_results = request.topics.iter().map(|topic| {
        let results = topic.partitions.iter().map(|partition| {
            let asked = TopicPartition { topic: topic.name.clone(), partition: *partition };
            AddPartitionsToTxnPartitionResult {
                partition_index: *partition,
                partition_error_code: code(&asked),
                ..Default::default()
            }
        });
        AddPartitionsToTxnTopicResult {
            name: topic.name.clone(),
            results_by_partition: results.collect(),
            ..Default::default()
        }
    });
    AddPartitionsToTxnResult {
        transactional_id: request.transactional_id.clone(),
        topic_results: topic_results.collect(),
        ..Default::default()
    }
}
