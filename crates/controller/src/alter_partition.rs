//! AlterPartition (56), v2-3: a leader tells which replicas are in sync.
//!
//! v3 carries the broker epoch of each replica (KIP-841), so that one that restarted meanwhile
//! cannot slip in. Epochs that this controller has not seen come from a later one's log:
//! NOT_CONTROLLER.
//! Not served: nothing.

use std::collections::BTreeSet;

use ottla_metadata::{Image, LeaderRecoveryState, MetadataRecord, Partition, Topic};
use ottla_wire::messages::alter_partition_request as asked;
use ottla_wire::messages::alter_partition_response::{PartitionData, TopicData};
use ottla_wire::messages::{AlterPartitionRequest, AlterPartitionResponse};
use ottla_wire::{BrokerEpoch, BrokerId, ErrorCode};

use crate::election::Change;
use crate::leadership::Electorate;
use crate::{Controller, Decision, Live};

impl Controller {
    /// Changes in-sync replicas as their leader asks.
    pub fn alter_partition(
        &self,
        live: &mut Live<'_>,
        request: &AlterPartitionRequest,
    ) -> Decision<AlterPartitionResponse> {
        let image = live.image;
        let broker = image.broker(request.broker_id);
        let is_stale = broker.is_none_or(|broker| broker.epoch != request.broker_epoch);
        // Kafka answers a request without topics before it looks at the epoch.
        if is_stale && !request.topics.is_empty() {
            let error_code = ErrorCode::STALE_BROKER_EPOCH;
            return Decision::reply(AlterPartitionResponse { error_code, ..Default::default() });
        }
        let settings = self.changed_settings(image, live.soft);
        let electorate = Electorate::new(image, settings);
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let found = image.topic(topic.topic_id);
            let mut seen = BTreeSet::new();
            let partitions = topic.partitions.iter().map(|partition| {
                let altered = match found {
                    _ if !seen.insert(partition.partition_index) => Err(ErrorCode::INVALID_REQUEST),
                    Some(topic) => {
                        alter(electorate, topic, request.broker_id, partition, &mut records)
                    }
                    None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
                };
                altered.unwrap_or_else(|error_code| PartitionData {
                    partition_index: partition.partition_index,
                    error_code,
                    ..Default::default()
                })
            });
            let partitions = partitions.collect();
            topics.push(TopicData { topic_id: topic.topic_id, partitions, ..Default::default() });
        }
        Decision::new(records, AlterPartitionResponse { topics, ..Default::default() })
    }
}

fn alter(
    electorate: Electorate<'_>,
    topic: &Topic,
    sender: BrokerId,
    asked: &asked::PartitionData,
    records: &mut Vec<MetadataRecord>,
) -> Result<PartitionData, ErrorCode> {
    let index = asked.partition_index;
    let partition = topic.partitions.get(&index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let isr = wanted_isr(asked);
    let ids: Vec<BrokerId> = isr.iter().map(|(id, _)| *id).collect();
    let state = check(electorate.image, partition, sender, asked, &isr)?;
    let mut change = Change::new(topic.id, index, partition);
    change.next.isr = ids;
    change.next.leader_recovery_state = state;
    let next = match electorate.decide(topic, change) {
        Some(MetadataRecord::PartitionChange(record)) => {
            let next = partition.changed(&record);
            records.push(record.into());
            next
        }
        _ => Partition::clone(partition),
    };
    if next.leader != Some(sender) && !next.replicas.contains(&sender) {
        return Err(ErrorCode::NEW_LEADER_ELECTED);
    }
    Ok(PartitionData {
        partition_index: index,
        leader_id: next.leader.unwrap_or(BrokerId(-1)),
        leader_epoch: next.leader_epoch,
        isr: next.isr,
        leader_recovery_state: next.leader_recovery_state.number(),
        partition_epoch: next.partition_epoch,
        ..Default::default()
    })
}

/// The replicas in the request with their broker epochs, -1 where the version has none.
fn wanted_isr(asked: &asked::PartitionData) -> Vec<(BrokerId, BrokerEpoch)> {
    let with_epochs =
        asked.new_isr_with_epochs.iter().map(|state| (state.broker_id, state.broker_epoch));
    let without = asked.new_isr.iter().map(|id| (*id, BrokerEpoch(-1)));
    with_epochs.chain(without).collect()
}

fn check(
    image: &Image,
    partition: &Partition,
    sender: BrokerId,
    asked: &asked::PartitionData,
    isr: &[(BrokerId, BrokerEpoch)],
) -> Result<LeaderRecoveryState, ErrorCode> {
    if asked.leader_epoch > partition.leader_epoch
        || asked.partition_epoch > partition.partition_epoch
    {
        return Err(ErrorCode::NOT_CONTROLLER);
    }
    if asked.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FENCED_LEADER_EPOCH);
    }
    if partition.leader != Some(sender) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if asked.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::INVALID_UPDATE_VERSION);
    }
    let state = LeaderRecoveryState::from_number(asked.leader_recovery_state)
        .ok_or(ErrorCode::INVALID_REQUEST)?;
    let distinct: BTreeSet<BrokerId> = isr.iter().map(|(id, _)| *id).collect();
    let is_recovering = state == LeaderRecoveryState::Recovering;
    let goes_back =
        is_recovering && partition.leader_recovery_state == LeaderRecoveryState::Recovered;
    let is_valid = distinct.len() == isr.len()
        && distinct.iter().all(|id| partition.replicas.contains(id))
        && distinct.contains(&sender)
        && !(is_recovering && isr.len() > 1)
        && !goes_back;
    if !is_valid {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let is_eligible = |(id, epoch): &(BrokerId, BrokerEpoch)| {
        image
            .broker(*id)
            .is_some_and(|broker| broker.is_active() && (epoch.0 == -1 || *epoch == broker.epoch))
    };
    if !isr.iter().all(is_eligible) {
        return Err(ErrorCode::INELIGIBLE_REPLICA);
    }
    Ok(state)
}
