//! CreateTopics (19), v2-7: names, counts or assignments, configs, `validate_only`.
//!
//! Behaviour by version is the codec's: v5 tells partitions, replicas and configs, v7 the id.
//! As in Kafka, names that collide are found among the topics that exist, not within the request,
//! and a topic that occurs twice is answered once, behind the others.
//! Not served: create.topic.policy.class.name, which names a class of Java.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{Image, MetadataRecord, MetadataVersion};
use ottla_settings::{Scope, Settings, TopicConfig, check_served};
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_wire::messages::{
    ConfigRecord, CreateTopicsRequest, CreateTopicsResponse, PartitionRecord, TopicRecord,
};
use ottla_wire::{
    BrokerId, DirectoryId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionIndex, StrBytes,
    TopicId, Uuid,
};

use crate::config_check::config_refusal;
use crate::names::{METADATA_TOPIC, check_topic_name};
use crate::placement::place;
use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

/// Ids that Kafka keeps for itself: unassigned, the metadata log, and what may come.
const RESERVED_IDS: u128 = 100;

impl Controller {
    /// Creates topics.
    pub fn create_topics(
        &self,
        live: &mut Live<'_>,
        request: &CreateTopicsRequest,
    ) -> Decision<CreateTopicsResponse> {
        let settings = self.changed_settings(live.image, live.soft).clone();
        let (once, twice) = once_and_twice(request.topics.iter().map(|topic| &topic.name));
        let too_many = self.partitions_wanted(request) > RECORDS_MAX;
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics.iter().filter(|topic| once.contains(&topic.name)) {
            let created = match too_many {
                true => Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    "Excessively large number of partitions per request.",
                )),
                false => self.create_topic(live, &settings, topic),
            };
            topics.push(match created {
                Ok(created) => {
                    let result = created.result(&settings);
                    records.extend(created.records);
                    result
                }
                Err(refusal) => refused(&topic.name, refusal),
            });
        }
        let duplicate = || Refusal::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
        topics.extend(twice.into_iter().map(|name| refused(name, duplicate())));
        if request.validate_only {
            records.clear();
        }
        Decision::new(records, CreateTopicsResponse { topics, ..Default::default() })
    }

    fn partitions_wanted(&self, request: &CreateTopicsRequest) -> usize {
        let wanted = |topic: &CreatableTopic| match topic.num_partitions {
            -1 if !topic.assignments.is_empty() => topic.assignments.len(),
            -1 => usize::try_from(self.settings.log.num_partitions).unwrap_or(0),
            count => usize::try_from(count).unwrap_or(0),
        };
        request.topics.iter().map(wanted).fold(0, usize::saturating_add)
    }

    fn create_topic(
        &self,
        live: &mut Live<'_>,
        settings: &Settings,
        topic: &CreatableTopic,
    ) -> Result<Created, Refusal> {
        check_name(live.image, &topic.name)?;
        let assignments = match topic.assignments.is_empty() {
            true => self.placed(live, topic)?,
            false => assigned(live.image, topic)?,
        };
        let mut configs = BTreeMap::new();
        for config in &topic.configs {
            let null = || {
                let name = &config.name;
                let message = format!("Null value not supported for topic configs: {name}");
                Refusal::new(ErrorCode::INVALID_CONFIG, message)
            };
            configs.insert(config.name.as_str(), config.value.as_deref().ok_or_else(null)?);
        }
        let overrides = || configs.iter().map(|(name, value)| (*name, *value));
        TopicConfig::check(&settings.topic_defaults(), overrides()).map_err(config_refusal)?;
        check_served(Scope::Topic, overrides()).map_err(config_refusal)?;
        let id = new_topic_id(live);
        let name = StrBytes::copied(&topic.name);
        let topic_record = TopicRecord { name, topic_id: id, ..Default::default() };
        let mut records = vec![MetadataRecord::from(topic_record)];
        records.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::from(ConfigRecord {
                resource_type: ottla_metadata::ResourceType::TOPIC.0,
                resource_name: StrBytes::copied(&topic.name),
                name: StrBytes::copied(key),
                value: Some(StrBytes::copied(value)),
                ..Default::default()
            })
        }));
        let partitions = assignments.len();
        let replicas = assignments.first().map_or(0, Vec::len);
        for (index, assignment) in (0..).map(PartitionIndex).zip(assignments) {
            records.push(new_partition(live.image, id, index, assignment)?.into());
        }
        let configs =
            configs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Created { name: topic.name.clone(), id, records, configs, partitions, replicas })
    }

    fn placed(
        &self,
        live: &mut Live<'_>,
        topic: &CreatableTopic,
    ) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        let partitions = match topic.num_partitions {
            -1 => self.settings.log.num_partitions,
            count => count,
        };
        let replicas = match topic.replication_factor {
            -1 => self.settings.log.default_replication_factor,
            count => i32::from(count),
        };
        let positive = |number: i32| usize::try_from(number).ok().filter(|number| *number > 0);
        let Some(replicas) = positive(replicas) else {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        };
        let Some(partitions) = positive(partitions) else {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        };
        place(live.image, partitions, replicas, live.random).map_err(|problem| {
            let message =
                format!("Unable to replicate the partition {replicas} time(s): {}", problem.0);
            Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message)
        })
    }
}

/// A topic that can be created.
struct Created {
    name: StrBytes,
    id: TopicId,
    records: Vec<MetadataRecord>,
    configs: BTreeMap<String, String>,
    partitions: usize,
    replicas: usize,
}

impl Created {
    fn result(&self, settings: &Settings) -> CreatableTopicResult {
        let overrides = self.configs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        // Kafka tells what was given as it was given, and all of it by name.
        let given = |name: &str| self.configs.get(name).cloned();
        let config = |entry: ottla_settings::Entry| CreatableTopicConfigs {
            value: given(&entry.name).or(entry.value).map(StrBytes::from),
            name: StrBytes::from(entry.name),
            read_only: entry.is_read_only,
            config_source: entry.source as i8,
            is_sensitive: entry.is_sensitive,
            ..Default::default()
        };
        let mut configs: Vec<_> =
            settings.describe_topic(overrides).into_iter().map(config).collect();
        configs.sort_by(|a, b| a.name.cmp(&b.name));
        CreatableTopicResult {
            name: self.name.clone(),
            topic_id: self.id,
            error_message: None,
            num_partitions: i32::try_from(self.partitions).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(self.replicas).unwrap_or(i16::MAX),
            configs: Some(configs),
            ..Default::default()
        }
    }
}

fn refused(name: &StrBytes, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: refusal.code,
        error_message: refusal.text(),
        configs: Some(Vec::new()),
        ..Default::default()
    }
}

fn check_name(image: &Image, name: &str) -> Result<(), Refusal> {
    if name == METADATA_TOPIC {
        let message = format!("Creation of internal topic {name} is prohibited.");
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    }
    check_topic_name(name)?;
    if image.topic_by_name(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(Refusal::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
    }
    if let Some(other) = image.topics().colliding(name) {
        let message = format!("Topic '{name}' collides with existing topic: {other}");
        return Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    Ok(())
}

/// The assignments that the request gives, by partition.
fn assigned(image: &Image, topic: &CreatableTopic) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let only_minus_one = |what: &str| {
        let message =
            format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Refusal::new(ErrorCode::INVALID_REQUEST, message)
    };
    if topic.replication_factor != -1 {
        return Err(only_minus_one("replication factor"));
    }
    if topic.num_partitions != -1 {
        return Err(only_minus_one("numPartitions"));
    }
    let mut assignments = BTreeMap::new();
    let mut replicas = None;
    for assignment in &topic.assignments {
        let index = assignment.partition_index;
        if assignments.contains_key(&index) {
            let message =
                format!("Found multiple manual partition assignments for partition {index}");
            return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
        check_assignment(image, &assignment.broker_ids, replicas)?;
        replicas = Some(assignment.broker_ids.len());
        assignments.insert(index, assignment.broker_ids.clone());
    }
    if !assignments.keys().copied().eq((0..).map(PartitionIndex).take(assignments.len())) {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ));
    }
    Ok(assignments.into_values().collect())
}

/// Finds what is wrong with the replicas that a request names for one partition.
pub(crate) fn check_assignment(
    image: &Image,
    brokers: &[BrokerId],
    replicas: Option<usize>,
) -> Result<(), Refusal> {
    let wrong = |rest: String| {
        let message = format!("The manual partition assignment includes {rest}");
        Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message))
    };
    if brokers.is_empty() {
        return wrong("an empty replica list.".to_owned());
    }
    let mut sorted = brokers.to_vec();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if pair[0] == pair[1] {
            return wrong(format!("the broker {} more than once.", pair[0]));
        }
    }
    if let Some(unknown) = sorted.iter().find(|id| image.broker(**id).is_none()) {
        return wrong(format!("broker {unknown}, but no such broker is registered."));
    }
    match replicas {
        Some(before) if before != brokers.len() => wrong(format!(
            "a partition with {} replica(s), but this is not consistent with previous partitions, \
             which have {before} replica(s).",
            brokers.len()
        )),
        _ => Ok(()),
    }
}

/// The record of a partition that is new: in sync are those that are there.
pub(crate) fn new_partition(
    image: &Image,
    topic_id: TopicId,
    partition_id: PartitionIndex,
    replicas: Vec<BrokerId>,
) -> Result<PartitionRecord, Refusal> {
    let is_active = |id: &BrokerId| image.broker(*id).is_some_and(|broker| broker.is_active());
    let isr: Vec<BrokerId> = replicas.iter().copied().filter(is_active).collect();
    let Some(leader) = isr.first().copied() else {
        let message = format!(
            "All brokers specified in the manual partition assignment for partition {partition_id} \
             are fenced or in controlled shutdown."
        );
        return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    };
    let has_directories = image.features().metadata_version() >= MetadataVersion::DIRECTORIES;
    let directory = |id: &BrokerId| match image.broker(*id).map(|broker| &broker.directories[..]) {
        Some([only]) => *only,
        _ => DirectoryId::UNASSIGNED,
    };
    Ok(PartitionRecord {
        partition_id,
        topic_id,
        directories: match has_directories {
            true => replicas.iter().map(directory).collect(),
            false => Vec::new(),
        },
        replicas,
        isr,
        leader,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        ..PartitionRecord::default()
    })
}

fn new_topic_id(live: &mut Live<'_>) -> TopicId {
    loop {
        let id = TopicId(Uuid::from_u128(live.random.next_u128()));
        // An id whose text begins with a dash looks like an option to command lines.
        let is_usable = id.0.as_u128() >= RESERVED_IDS && !id.to_string().starts_with('-');
        if is_usable && live.image.topic(id).is_none() {
            return id;
        }
    }
}

/// The names that occur once, and each that occurs more often.
pub(crate) fn once_and_twice<'a>(
    names: impl Iterator<Item = &'a StrBytes>,
) -> (BTreeSet<&'a StrBytes>, BTreeSet<&'a StrBytes>) {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if twice.contains(name) {
            continue;
        }
        if !once.insert(name) {
            once.remove(name);
            twice.insert(name);
        }
    }
    (once, twice)
}
