//! ElectLeaders (43), v0-2: gives partitions back to their preferred leaders, or elects uncleanly
//! where nobody leads.
//!
//! Who asks for all partitions hears only of those for which an election was due, and who asks for
//! none hears nothing, whatever the kind of election.
//! Not served: timeoutMs; the answer comes when the elections are committed.

use std::collections::BTreeSet;

use ottla_metadata::{MetadataRecord, Partition, Topic};
use ottla_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use crate::election::{Change, Election};
use crate::leadership::Electorate;
use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

/// `electionType`: the first replica of a partition is to lead.
const PREFERRED: i8 = 0;
/// `electionType`: any replica is to lead a partition that has no leader.
const UNCLEAN: i8 = 1;

impl Controller {
    /// Elects leaders.
    pub fn elect_leaders(
        &self,
        live: &mut Live<'_>,
        request: &ElectLeadersRequest,
    ) -> Decision<ElectLeadersResponse> {
        if request.topic_partitions.as_ref().is_some_and(|topics| topics.is_empty()) {
            return Decision::reply(ElectLeadersResponse::default());
        }
        let election = match request.election_type {
            PREFERRED => Election::Preferred,
            UNCLEAN => Election::Unclean,
            _ => {
                let error_code = ErrorCode::INVALID_REQUEST;
                let refused = ElectLeadersResponse { error_code, ..Default::default() };
                return Decision::reply(refused);
            }
        };
        let settings = self.changed_settings(live.image, live.soft);
        let electorate = Electorate::new(live.image, settings);
        let mut records = Vec::new();
        let mut elected = BTreeSet::new();
        let mut results = Vec::new();
        let mut elect = |topic: &StrBytes, index: PartitionIndex| {
            let is_first = elected.insert((topic.clone(), index));
            let outcome = electorate.elected(topic, index, election).and_then(|record| {
                match is_first && records.len() < RECORDS_MAX {
                    true => Ok(record),
                    false => Err(not_needed()),
                }
            });
            outcome.map(|record| records.push(record)).err()
        };
        match &request.topic_partitions {
            None => {
                for topic in live.image.topics().iter() {
                    let told =
                        topic.partitions.keys().map(|at| result(*at, elect(&topic.name, *at)));
                    let is_due =
                        |told: &PartitionResult| told.error_code != ErrorCode::ELECTION_NOT_NEEDED;
                    let told = told.filter(is_due).collect();
                    results.push(of_topic(&topic.name, told));
                }
            }
            Some(topics) => {
                for topic in topics {
                    let partitions = topic.partitions.iter();
                    let told = partitions.map(|at| result(*at, elect(&topic.topic, *at))).collect();
                    results.push(of_topic(&topic.topic, told));
                }
            }
        }
        let response =
            ElectLeadersResponse { replica_election_results: results, ..Default::default() };
        Decision::new(records, response)
    }
}

impl Electorate<'_> {
    /// The record by which a partition gets another leader.
    fn elected(
        &self,
        name: &str,
        index: PartitionIndex,
        election: Election,
    ) -> Result<MetadataRecord, Refusal> {
        let (topic, partition) = self.found(name, index)?;
        let has_leader = match election {
            Election::Preferred => partition.leader == partition.replicas.first().copied(),
            _ => partition.leader.is_some(),
        };
        if has_leader {
            return Err(not_needed());
        }
        let mut change = Change::new(topic.id, index, partition);
        change.election = election;
        match self.decide(topic, change) {
            Some(MetadataRecord::PartitionChange(record)) if record.leader >= BrokerId(0) => {
                Ok(record.into())
            }
            _ => {
                let code = match election {
                    Election::Preferred => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
                    _ => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
                };
                Err(Refusal::new(code, code.message()))
            }
        }
    }

    fn found(&self, name: &str, index: PartitionIndex) -> Result<(&Topic, &Partition), Refusal> {
        let unknown = |message| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let topic = self.image.topic_by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let partition = topic.partitions.get(&index);
        let partition =
            partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
        Ok((topic, partition))
    }
}

fn not_needed() -> Refusal {
    let message = "Leader election not needed for topic partition.";
    Refusal::new(ErrorCode::ELECTION_NOT_NEEDED, message)
}

fn result(partition_id: PartitionIndex, refusal: Option<Refusal>) -> PartitionResult {
    PartitionResult {
        partition_id,
        error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
        error_message: refusal.and_then(Refusal::text),
        ..Default::default()
    }
}

fn of_topic(name: &StrBytes, partition_result: Vec<PartitionResult>) -> ReplicaElectionResult {
    ReplicaElectionResult { topic: name.clone(), partition_result, ..Default::default() }
}
