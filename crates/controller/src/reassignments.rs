//! AlterPartitionReassignments (45), v0-1, and ListPartitionReassignments (46), v0: other replicas
//! for partitions (KIP-455).
//!
//! A reassignment adds replicas and, once those are in sync, takes the others away; election.rs
//! ends it. What is asked again takes the place of what is under way.
//! Not served: timeoutMs; the answer comes when the change is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::{Image, MetadataRecord, MetadataVersion, Partition, Topic};
use ottla_wire::messages::alter_partition_reassignments_request::ReassignablePartition;
use ottla_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use ottla_wire::{BrokerId, DirectoryId, ErrorCode, PartitionIndex, StrBytes};

use crate::create_topics::check_assignment;
use crate::election::Change;
use crate::leadership::Electorate;
use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

impl Controller {
    /// Begins, replaces and cancels reassignments.
    pub fn alter_partition_reassignments(
        &self,
        live: &mut Live<'_>,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Decision<AlterPartitionReassignmentsResponse> {
        if request.topics.is_empty() {
            // As in Kafka all defaults, also for what is otherwise repeated from the request.
            return Decision::reply(AlterPartitionReassignmentsResponse::default());
        }
        let settings = self.changed_settings(live.image, live.soft);
        let electorate = Electorate::new(live.image, settings);
        let may_resize = request.allow_replication_factor_change;
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let result = |asked: &ReassignablePartition| {
                let altered = electorate.reassigned(&topic.name, asked, may_resize);
                let refusal = match altered {
                    Ok(more) if records.len() + usize::from(more.is_some()) > RECORDS_MAX => {
                        let message = "Too many partitions in one request.";
                        Some(Refusal::new(ErrorCode::POLICY_VIOLATION, message))
                    }
                    Ok(more) => {
                        records.extend(more);
                        None
                    }
                    Err(refusal) => Some(refusal),
                };
                ReassignablePartitionResponse {
                    partition_index: asked.partition_index,
                    error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
                    error_message: refusal.and_then(Refusal::text),
                    ..Default::default()
                }
            };
            let partitions = topic.partitions.iter().map(result).collect();
            let name = topic.name.clone();
            responses.push(ReassignableTopicResponse { name, partitions, ..Default::default() });
        }
        let response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_resize,
            error_message: None,
            responses,
            ..Default::default()
        };
        Decision::new(records, response)
    }
}

/// Answers ListPartitionReassignments from an image: of the partitions that are named, or of all,
/// those that are being reassigned.
pub fn list_partition_reassignments(
    image: &Image,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let all = || {
        let topics = image.topics().iter();
        topics.flat_map(|topic| topic.partitions.keys().map(move |index| (topic, *index))).collect()
    };
    let asked: Vec<(&Arc<Topic>, PartitionIndex)> = match &request.topics {
        None => all(),
        Some(asked) => asked
            .iter()
            .filter_map(|asked| Some((image.topic_by_name(&asked.name)?, asked)))
            .flat_map(|(topic, asked)| asked.partition_indexes.iter().map(move |at| (topic, *at)))
            .collect(),
    };
    let mut topics: BTreeMap<&str, BTreeMap<PartitionIndex, &Partition>> = BTreeMap::new();
    for (topic, index) in asked {
        if let Some(partition) = topic.partitions.get(&index)
            && partition.is_reassigning()
        {
            topics.entry(topic.name.as_str()).or_default().insert(index, partition);
        }
    }
    let ongoing =
        |(index, partition): (&PartitionIndex, &&Partition)| OngoingPartitionReassignment {
            partition_index: *index,
            replicas: partition.replicas.clone(),
            adding_replicas: partition.adding.clone(),
            removing_replicas: partition.removing.clone(),
            ..Default::default()
        };
    let topics = topics.iter().map(|(name, partitions)| OngoingTopicReassignment {
        name: StrBytes::copied(name),
        partitions: partitions.iter().map(ongoing).collect(),
        ..Default::default()
    });
    ListPartitionReassignmentsResponse {
        error_message: None,
        topics: topics.collect(),
        ..Default::default()
    }
}

impl Electorate<'_> {
    /// The record by which a partition gets other replicas, if it has others.
    fn reassigned(
        &self,
        name: &str,
        asked: &ReassignablePartition,
        may_resize: bool,
    ) -> Result<Option<MetadataRecord>, Refusal> {
        let unknown = |message| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let index = asked.partition_index;
        let topic = self.image.topic_by_name(name);
        let topic =
            topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partitions.get(&index);
        let partition = partition
            .ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        // Without what is under way: what was there, in its order.
        let settled: Vec<BrokerId> = partition
            .replicas
            .iter()
            .copied()
            .filter(|id| !partition.adding.contains(id))
            .collect();
        let mut change = Change::new(topic.id, index, partition);
        match &asked.replicas {
            None if !partition.is_reassigning() => {
                let code = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
                return Err(Refusal { code, message: None });
            }
            None => {
                let isr_left = partition.isr.iter().any(|id| settled.contains(id));
                if !isr_left && !self.rules(name).allows_unclean {
                    let message = format!(
                        "Unable to revert partition assignment for {name}:{index} because it would \
                         require an unclean leader election."
                    );
                    let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
                    return Err(Refusal::new(code, message));
                }
                change.next.isr.retain(|id| settled.contains(id));
                self.assign(&mut change.next, partition, settled, Vec::new(), Vec::new());
            }
            Some(target) => {
                check_assignment(self.image, target, None)?;
                if !may_resize && target.len() != settled.len() {
                    let message = format!(
                        "The replication factor is changed from {} to {}",
                        settled.len(),
                        target.len()
                    );
                    let code = ErrorCode::INVALID_REPLICATION_FACTOR;
                    return Err(Refusal::new(code, message));
                }
                let outside = |ids: &[BrokerId], of: &[BrokerId]| {
                    let mut ids: Vec<BrokerId> =
                        ids.iter().copied().filter(|id| !of.contains(id)).collect();
                    ids.sort_unstable();
                    ids
                };
                let (removing, adding) = (outside(&settled, target), outside(target, &settled));
                let replicas = target.iter().chain(&removing).copied().collect();
                change.next.isr.retain(|id| settled.contains(id) || target.contains(id));
                self.assign(&mut change.next, partition, replicas, adding, removing);
            }
        }
        Ok(self.decide(topic, change))
    }

    /// Gives a partition these replicas, each with the directory that is known of it.
    fn assign(
        &self,
        next: &mut Partition,
        before: &Partition,
        replicas: Vec<BrokerId>,
        adding: Vec<BrokerId>,
        removing: Vec<BrokerId>,
    ) {
        let features = self.image.features();
        let has_directories = features.metadata_version() >= MetadataVersion::DIRECTORIES;
        let directory = |id: &BrokerId| match before.directory(*id) {
            Some(known) => known,
            None if !has_directories => DirectoryId::MIGRATING,
            None => match self.image.broker(*id).map(|broker| &broker.directories[..]) {
                Some([only]) => *only,
                _ => DirectoryId::UNASSIGNED,
            },
        };
        next.directories = replicas.iter().map(directory).collect();
        (next.replicas, next.adding, next.removing) = (replicas, adding, removing);
    }
}
