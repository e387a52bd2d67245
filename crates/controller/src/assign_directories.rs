//! AssignReplicasToDirs (73), v0: a broker tells in which log directory its replicas are.
//!
//! A replica in a directory that the broker did not register is offline: it leaves the ISR. One
//! that was thought to be offline may lead again; Apache Kafka lets it wait for its broker's
//! restart.
//! Not served: nothing.

use ottla_metadata::{Broker, MetadataRecord, Partition};
use ottla_wire::messages::assign_replicas_to_dirs_request as asked;
use ottla_wire::messages::assign_replicas_to_dirs_response::{
    DirectoryData, PartitionData, TopicData,
};
use ottla_wire::messages::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, PartitionChangeRecord,
};
use ottla_wire::{BrokerId, DirectoryId, ErrorCode, PartitionIndex};

use crate::election::Change;
use crate::leadership::Electorate;
use crate::{Controller, Decision, Live};

impl Controller {
    /// Notes the directories of replicas.
    pub fn assign_replicas_to_dirs(
        &self,
        live: &mut Live<'_>,
        request: &AssignReplicasToDirsRequest,
    ) -> Decision<AssignReplicasToDirsResponse> {
        let image = live.image;
        let broker = image.broker(request.broker_id);
        let Some(broker) = broker.filter(|broker| broker.epoch == request.broker_epoch) else {
            let error_code = ErrorCode::STALE_BROKER_EPOCH;
            return Decision::reply(AssignReplicasToDirsResponse {
                error_code,
                ..Default::default()
            });
        };
        let settings = self.changed_settings(image, live.soft);
        let electorate = Electorate::new(image, settings);
        let mut records = Vec::new();
        let mut assign = |id: DirectoryId, topic: &asked::TopicData| {
            let partition = |partition: &asked::PartitionData| {
                let index = partition.partition_index;
                let assigned = assigned(electorate, broker, topic, index, id);
                let error_code = match assigned {
                    Ok(assigned) => {
                        records.extend(assigned);
                        ErrorCode::NONE
                    }
                    Err(code) => code,
                };
                PartitionData { partition_index: index, error_code, ..Default::default() }
            };
            TopicData {
                topic_id: topic.topic_id,
                partitions: topic.partitions.iter().map(partition).collect(),
                ..Default::default()
            }
        };
        let directory = |directory: &asked::DirectoryData| DirectoryData {
            id: directory.id,
            topics: directory.topics.iter().map(|topic| assign(directory.id, topic)).collect(),
            ..Default::default()
        };
        let directories = request.directories.iter().map(directory).collect();
        Decision::new(records, AssignReplicasToDirsResponse { directories, ..Default::default() })
    }
}

fn assigned(
    electorate: Electorate<'_>,
    broker: &Broker,
    asked: &asked::TopicData,
    index: PartitionIndex,
    id: DirectoryId,
) -> Result<Vec<MetadataRecord>, ErrorCode> {
    let topic = electorate.image.topic(asked.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    let partition = topic.partitions.get(&index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let known = partition.directory(broker.id).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    if known == id {
        return Ok(Vec::new());
    }
    let moved = PartitionChangeRecord {
        partition_id: index,
        topic_id: topic.id,
        directories: Some(with_directory(partition, broker.id, id)),
        ..Default::default()
    };
    let next = partition.changed(&moved);
    let mut records = vec![MetadataRecord::from(moved)];
    // Apache Kafka leaves a replica alone whose directory is said to be lost: its broker will say
    // in its next heartbeat that the directory is offline.
    if id != DirectoryId::LOST && !broker.has_directory(id) {
        let mut change = Change::new(topic.id, index, &next);
        change.next.isr.retain(|member| *member != broker.id);
        let without = Electorate { without: Some(broker.id), ..electorate };
        records.extend(without.decide(topic, change));
    } else if next.leader.is_none() && broker.has_directory(id) {
        // It was thought to be lost: a move to a directory that failed was taken back.
        records.extend(electorate.decide(topic, Change::new(topic.id, index, &next)));
    }
    Ok(records)
}

fn with_directory(partition: &Partition, broker: BrokerId, id: DirectoryId) -> Vec<DirectoryId> {
    let replicas = partition.replicas.iter().zip(&partition.directories);
    replicas.map(|(replica, known)| if *replica == broker { id } else { *known }).collect()
}
