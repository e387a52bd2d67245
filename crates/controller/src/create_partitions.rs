//! CreatePartitions (37), v0-3: more partitions for a topic, placed or assigned.
//!
//! A topic that occurs twice is answered once, before the others, as Kafka does.
//! Not served: nothing.

use ottla_metadata::{Image, MetadataRecord, Topic};
use ottla_wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use ottla_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use crate::create_topics::{check_assignment, new_partition, once_and_twice};
use crate::placement::place;
use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

impl Controller {
    /// Gives topics more partitions.
    pub fn create_partitions(
        &self,
        live: &mut Live<'_>,
        request: &CreatePartitionsRequest,
    ) -> Decision<CreatePartitionsResponse> {
        let (once, twice) = once_and_twice(request.topics.iter().map(|topic| &topic.name));
        let duplicate = || Refusal::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
        let mut results: Vec<_> =
            twice.into_iter().map(|name| result(name, Some(duplicate()))).collect();
        let mut records = Vec::new();
        for topic in request.topics.iter().filter(|topic| once.contains(&topic.name)) {
            let refusal = match add_partitions(live, topic, RECORDS_MAX - records.len()) {
                Ok(added) => {
                    records.extend(added);
                    None
                }
                Err(refusal) => Some(refusal),
            };
            results.push(result(&topic.name, refusal));
        }
        if request.validate_only {
            records.clear();
        }
        Decision::new(records, CreatePartitionsResponse { results, ..Default::default() })
    }
}

fn add_partitions(
    live: &mut Live<'_>,
    asked: &CreatePartitionsTopic,
    records_max: usize,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let image = live.image;
    let Some(topic) = image.topic_by_name(&asked.name) else {
        return Err(Refusal { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message: None });
    };
    let present = topic.partitions.len();
    let added = wanted(topic, asked.count)?;
    if added > records_max {
        return Err(Refusal::new(
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        ));
    }
    let first = topic.partitions.values().next();
    let replicas = first.map_or(1, |partition| partition.replicas.len());
    let assignments = match &asked.assignments {
        Some(assignments) => assigned(image, assignments, added, replicas)?,
        // Unlike CreateTopics, Kafka says this without a word about the number of replicas.
        None => place(image, added, replicas, live.random)
            .map_err(|problem| Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, problem.0))?,
    };
    let from = i32::try_from(present).unwrap_or(i32::MAX);
    let numbered = (from..).map(PartitionIndex).zip(assignments);
    numbered
        .map(|(index, replicas)| Ok(new_partition(image, topic.id, index, replicas)?.into()))
        .collect()
}

/// How many partitions more than now.
fn wanted(topic: &Topic, count: i32) -> Result<usize, Refusal> {
    let present = topic.partitions.len();
    let refusal = |message: String| Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    match usize::try_from(count).unwrap_or(0) {
        same if same == present => refusal(format!("Topic already has {present} partition(s).")),
        more if more > present => Ok(more - present),
        _ => refusal(format!(
            "The topic {} currently has {present} partition(s); {count} would not be an increase.",
            topic.name
        )),
    }
}

fn assigned(
    image: &Image,
    assignments: &[CreatePartitionsAssignment],
    added: usize,
    replicas: usize,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    if assignments.len() != added {
        let message = format!(
            "Attempted to add {added} additional partition(s), but only {} assignment(s) were \
             specified.",
            assignments.len()
        );
        return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    }
    let mut given = Vec::with_capacity(added);
    for assignment in assignments {
        check_assignment(image, &assignment.broker_ids, Some(replicas))?;
        given.push(assignment.broker_ids.clone());
    }
    Ok(given)
}

fn result(name: &StrBytes, refusal: Option<Refusal>) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult {
        name: name.clone(),
        error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
        error_message: refusal.and_then(Refusal::text),
        ..Default::default()
    }
}
