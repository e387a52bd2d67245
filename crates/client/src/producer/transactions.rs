//! The producer's transactions: what is asked of coordinators, and again while that may help.
//!
//! [`crate::core::transaction`] decides what may be done when. Every request here may be repeated
//! when its answer is lost: coordinators recognise what they have done. Must hold: an end is asked
//! for only when nothing of the transaction is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    InitProducerIdRequest, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use ottla_wire::{ApiKey, ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, StrBytes};

use crate::admin::INIT_WITHOUT_PREPARED;
use crate::client::CoordinatorKind;
use crate::consumer::{CommittedOffset, ConsumerGroupMetadata};
use crate::coordinated::Seat;
use crate::core::cluster::TopicPartition;
use crate::core::transaction::{End, Transaction};
use crate::error::ClientError;
use crate::nodes::Lane;
use crate::producer::{Producer, Shared, tell};

impl Producer {
    /// Gets a producer id for transactional.id: ends what another producer of it has open, and
    /// keeps that one from going on. Comes once, before the first transaction.
    ///
    /// # Errors
    /// Without transactional.id or idempotence, or what the coordinator says.
    pub async fn init_transactions(&self) -> Result<(), ClientError> {
        let shared = &*self.shared;
        let id = shared.transactional_id()?;
        if !shared.settings.is_idempotent() {
            return Err(ClientError::Setting {
                key: "enable.idempotence".to_owned(),
                value: "false".to_owned(),
                allowed: "must be true with transactional.id, and acks all".to_owned(),
            });
        }
        let bumps = shared.ends_bump(&id).await?;
        let producer = shared.init(&id, NOBODY).await?;
        let mut state = shared.state();
        state.in_flight.begin_epoch(producer.0, producer.1);
        state.in_flight.transaction.as_mut().ok_or_else(no_id)?.initialized(bumps);
        Ok(())
    }

    /// Begins a transaction; asks nobody.
    ///
    /// # Errors
    /// Before [`Producer::init_transactions`], within another one, or when fenced.
    pub fn begin_transaction(&self) -> Result<(), ClientError> {
        self.shared.with_transaction(Transaction::begin)
    }

    /// Commits offsets of a group with the transaction. `member` is who has read up to there; when
    /// the group has gone on without it, this fails.
    ///
    /// # Errors
    /// When no transaction is open, or what coordinators say: then it can only be aborted.
    pub async fn send_offsets(
        &self,
        offsets: &[CommittedOffset],
        member: &ConsumerGroupMetadata,
    ) -> Result<(), ClientError> {
        let shared = &*self.shared;
        shared.with_transaction(|transaction| transaction.check_open())?;
        if offsets.is_empty() {
            return Ok(());
        }
        let sent = shared.send_offsets(offsets, member).await;
        if let Err(why) = &sent {
            shared.fail(why);
        }
        sent
    }

    /// Waits until all records are written, then has the transaction committed.
    ///
    /// # Errors
    /// When a record was not written or another producer has taken over: nothing is committed. When
    /// the time is over it is not known what became of it; the call can be repeated.
    pub async fn commit_transaction(&self) -> Result<(), ClientError> {
        self.flush().await;
        self.shared.end(true).await
    }

    /// Gives up what is not written and has the transaction aborted.
    ///
    /// # Errors
    /// When another producer has taken over, or the time is over; the call can be repeated then.
    pub async fn abort_transaction(&self) -> Result<(), ClientError> {
        let shared = &*self.shared;
        let ends = shared.with_transaction(|transaction| transaction.end(false))?;
        let given_up = shared.state().in_flight.give_up_aborted();
        given_up.into_iter().for_each(tell);
        shared.relief.notify_waiters();
        self.flush().await;
        shared.finish(false, ends).await
    }

    /// Aborts what is open, for who closes the producer.
    pub(super) async fn abandon(&self) {
        let is_open = {
            let state = self.shared.state();
            state.in_flight.transaction.as_ref().is_some_and(Transaction::is_under_way)
        };
        if is_open && let Err(error) = self.abort_transaction().await {
            tracing::debug!(%error, "the open transaction is left to its timeout");
        }
    }
}

/// The producer id and epoch of who has none.
const NOBODY: (ProducerId, ProducerEpoch) = (ProducerId(-1), ProducerEpoch(-1));

impl Shared {
    fn transactional_id(&self) -> Result<String, ClientError> {
        self.settings.transactional_id.clone().ok_or_else(no_id)
    }

    fn with_transaction<T>(
        &self,
        act: impl FnOnce(&mut Transaction) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        act(self.state().in_flight.transaction.as_mut().ok_or_else(no_id)?)
    }

    /// Something failed; what waits is given up at the sender's next step.
    fn fail(&self, why: &ClientError) {
        if let Some(transaction) = &mut self.state().in_flight.transaction {
            transaction.fail(why);
        }
        self.news.notify_one();
    }

    /// The id, who writes under it, and whether ends bump the epoch.
    fn who(&self) -> Result<(StrBytes, ProducerId, ProducerEpoch, bool), ClientError> {
        let state = self.state();
        let transaction = state.in_flight.transaction.as_ref().ok_or_else(no_id)?;
        let (id, epoch) = state.in_flight.producer().unwrap_or(NOBODY);
        Ok((transaction.id().clone(), id, epoch, transaction.bumps()))
    }

    /// Whether the cluster has transactions whose ends bump the epoch (KIP-890).
    async fn ends_bump(&self, id: &str) -> Result<bool, ClientError> {
        let broker = self.client.coordinator(CoordinatorKind::Transaction, id).await?;
        let versions = match self.client.versions(broker).await {
            Ok(versions) => versions,
            Err(error) if error.is_retriable() => self.client.any().await?.versions().clone(),
            Err(error) => return Err(error),
        };
        let knows = versions.of(ApiKey::EndTxn).is_some_and(|range| range.max >= BUMPING_END);
        Ok(knows && versions.feature("transaction.version") >= BUMPING)
    }

    async fn init(
        &self,
        id: &str,
        (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
    ) -> Result<(ProducerId, ProducerEpoch), ClientError> {
        let request = InitProducerIdRequest {
            transactional_id: Some(StrBytes::copied(id)),
            transaction_timeout_ms: self.settings.transaction_timeout_ms,
            producer_id,
            producer_epoch,
            ..InitProducerIdRequest::default()
        };
        let seat = self.seat(id, INIT_WITHOUT_PREPARED);
        let told =
            self.client.until_agreed(&seat, &request, |response| response.error_code).await?;
        Ok((told.producer_id, told.producer_epoch))
    }

    async fn send_offsets(
        &self,
        offsets: &[CommittedOffset],
        member: &ConsumerGroupMetadata,
    ) -> Result<(), ClientError> {
        let (id, producer_id, producer_epoch, bumps) = self.who()?;
        self.with_transaction(|transaction| {
            transaction.sends_offsets();
            Ok(())
        })?;
        let group_id = StrBytes::copied(&member.group_id);
        if !bumps {
            let request = AddOffsetsToTxnRequest {
                transactional_id: id.clone(),
                producer_id,
                producer_epoch,
                group_id: group_id.clone(),
                ..AddOffsetsToTxnRequest::default()
            };
            self.client
                .until_agreed(&self.seat(&id, i16::MAX), &request, |told| told.error_code)
                .await?;
        }
        let request = TxnOffsetCommitRequest {
            transactional_id: id,
            group_id,
            producer_id,
            producer_epoch,
            generation_id_or_member_epoch: member.generation.0,
            member_id: StrBytes::copied(&member.member_id),
            group_instance_id: member.group_instance_id.as_deref().map(StrBytes::copied),
            topics: by_topic(offsets),
            ..TxnOffsetCommitRequest::default()
        };
        let version_max = if bumps { OFFSETS_WITH_NAMES } else { OFFSETS_ADDED_BEFORE };
        let seat = Seat {
            kind: CoordinatorKind::Group,
            key: &member.group_id,
            lane: Lane::COMMON,
            timeout: self.client.request_timeout(),
            version_max,
        };
        self.client.until_agreed(&seat, &request, first_refused).await.map(drop)
    }

    /// Ends the transaction when nothing of it is under way.
    async fn end(&self, commits: bool) -> Result<(), ClientError> {
        let ends = self.with_transaction(|transaction| transaction.end(commits))?;
        self.finish(commits, ends).await
    }

    async fn finish(&self, committed: bool, ends: End) -> Result<(), ClientError> {
        let (id, producer_id, producer_epoch, bumps) = self.who()?;
        let mut next = None;
        if ends == End::Ask {
            let request = EndTxnRequest {
                transactional_id: id.clone(),
                producer_id,
                producer_epoch,
                committed,
                ..EndTxnRequest::default()
            };
            let version_max = if bumps { i16::MAX } else { BUMPING_END - 1 };
            let seat = self.seat(&id, version_max);
            match self.client.until_agreed(&seat, &request, |response| response.error_code).await {
                Ok(told) if bumps => next = Some((told.producer_id, told.producer_epoch)),
                Ok(_) => {}
                // Nobody knows: the same end may be asked for again.
                Err(unknown) if unknown.code().is_none() => return Err(unknown),
                Err(refused) => {
                    self.fail(&refused);
                    return Err(refused);
                }
            }
        }
        if self.with_transaction(|transaction| Ok(transaction.needs_epoch()))? {
            next = Some(self.init(&id, (producer_id, producer_epoch)).await?);
        }
        let mut state = self.state();
        if let Some((producer_id, epoch)) = next {
            state.in_flight.begin_epoch(producer_id, epoch);
        }
        state.in_flight.transaction.as_mut().ok_or_else(no_id)?.ended();
        Ok(())
    }

    fn seat<'a>(&self, id: &'a str, version_max: i16) -> Seat<'a> {
        Seat {
            kind: CoordinatorKind::Transaction,
            key: id,
            lane: Lane::COMMON,
            timeout: self.client.request_timeout(),
            version_max,
        }
    }
}

/// Adds partitions to the transaction, for the sender that found them missing.
pub(super) async fn add(shared: Arc<Shared>, partitions: Vec<TopicPartition>) {
    let added = ask_to_add(&shared, &partitions).await;
    if let Some(transaction) = &mut shared.state().in_flight.transaction {
        transaction.added(&partitions, added.as_ref().copied());
    }
    shared.news.notify_one();
}

async fn ask_to_add(shared: &Shared, partitions: &[TopicPartition]) -> Result<(), ClientError> {
    let (id, producer_id, producer_epoch, _) = shared.who()?;
    let mut topics: BTreeMap<&StrBytes, Vec<PartitionIndex>> = BTreeMap::new();
    for of in partitions {
        topics.entry(&of.topic).or_default().push(of.partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| AddPartitionsToTxnTopic {
        name: name.clone(),
        partitions,
        ..AddPartitionsToTxnTopic::default()
    });
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.clone(),
        v3_and_below_producer_id: producer_id,
        v3_and_below_producer_epoch: producer_epoch,
        v3_and_below_topics: topics.collect(),
        ..AddPartitionsToTxnRequest::default()
    };
    shared
        .client
        .until_agreed(&shared.seat(&id, ADD_OF_CLIENTS), &request, first_not_added)
        .await
        .map(drop)
}

fn by_topic(offsets: &[CommittedOffset]) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&StrBytes, Vec<TxnOffsetCommitRequestPartition>> = BTreeMap::new();
    for offset in offsets {
        topics.entry(&offset.of.topic).or_default().push(TxnOffsetCommitRequestPartition {
            partition_index: offset.of.partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(StrBytes::copied(&offset.metadata)),
            ..TxnOffsetCommitRequestPartition::default()
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| TxnOffsetCommitRequestTopic {
        name: name.clone(),
        partitions,
        ..TxnOffsetCommitRequestTopic::default()
    });
    topics.collect()
}

fn first_refused(response: &TxnOffsetCommitResponse) -> ErrorCode {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let refused = partitions.find(|partition| partition.error_code.is_error());
    refused.map_or(ErrorCode::NONE, |partition| partition.error_code)
}

/// The refusal that counts: the others were not attempted because of it.
fn first_not_added(response: &AddPartitionsToTxnResponse) -> ErrorCode {
    let results = &response.results_by_topic_v3_and_below;
    let codes = results.iter().flat_map(|topic| &topic.results_by_partition);
    let refused = codes.map(|result| result.partition_error_code).filter(|code| code.is_error());
    let rank = |code: &ErrorCode| *code == ErrorCode::OPERATION_NOT_ATTEMPTED;
    refused.min_by_key(rank).unwrap_or(ErrorCode::NONE)
}

fn no_id() -> ClientError {
    ClientError::Misuse("transactions need transactional.id".to_owned())
}

/// The `transaction.version` from which on ends bump the epoch.
const BUMPING: i16 = 2;
/// The version of EndTxn that does so.
const BUMPING_END: i16 = 5;
/// The last version of AddPartitionsToTxn that is for clients.
const ADD_OF_CLIENTS: i16 = 3;
/// The last version of TxnOffsetCommit before which the group is added to the transaction.
const OFFSETS_ADDED_BEFORE: i16 = 4;
/// The last one that knows topics by name.
const OFFSETS_WITH_NAMES: i16 = 5;
