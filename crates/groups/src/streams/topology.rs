//! What an application's topology needs of the cluster: which topics must be there, how many
//! partitions they must have, and so how many tasks each sub-topology has.
//!
//! A repartition topic without a number of partitions gets that of what feeds it, through as many
//! sub-topologies as that takes; topics that are read together must agree; a changelog has a
//! partition per task (Kafka's InternalTopicManager and what it uses). Not here: the creation of
//! what is missing. Must hold: for the same topics the answer is the same, in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::messages::StreamsGroupTopologyValue;
use ottla_wire::messages::streams_group_topology_value::{Subtopology, TopicInfo};
use ottla_wire::{ErrorCode, StrBytes};

use super::copartition::enforce;
use super::{InternalTopic, Refusal};
use crate::Topics;

/// A topology and the topics that are there for it.
#[derive(Debug)]
pub(crate) struct Configured {
    /// What it was made of.
    pub(crate) topology: Arc<StreamsGroupTopologyValue>,
    /// By id; none when the topics do not even tell how many tasks there are.
    pub(crate) subtopologies: Option<BTreeMap<StrBytes, ConfiguredSubtopology>>,
    /// The internal topics that are missing.
    pub(crate) missing: Vec<InternalTopic>,
    /// Why the application cannot run.
    pub(crate) problem: Option<Problem>,
}

/// One sub-topology.
#[derive(Debug)]
pub(crate) struct ConfiguredSubtopology {
    /// How many tasks it has.
    pub(crate) tasks: i32,
    pub(crate) repartition_sources: BTreeMap<StrBytes, InternalTopic>,
    pub(crate) changelogs: BTreeMap<StrBytes, InternalTopic>,
}

/// Why an application cannot run, by a status of heartbeats and in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: i8,
    pub(crate) detail: String,
}

/// Why a topology is not configured.
pub(super) enum Wrong {
    /// The topics do not fit it, which can be mended.
    Topics(Problem),
    /// It makes no sense.
    Topology(Refusal),
}

/// Numbers of partitions of topics by name.
pub(super) type Counts = BTreeMap<StrBytes, i32>;

impl Configured {
    pub(crate) fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

/// Looks for the topics of a topology.
pub(crate) fn configure(
    topology: &Arc<StreamsGroupTopologyValue>,
    topics: &dyn Topics,
) -> Result<Configured, Refusal> {
    match configured(&by_id(topology)?, topics) {
        Ok((subtopologies, missing)) => {
            let problem = (!missing.is_empty()).then(|| Problem {
                status: MISSING_INTERNAL_TOPICS,
                detail: format!("Internal topics are missing: {}", summed_up(&missing)),
            });
            let subtopologies = Some(subtopologies);
            Ok(Configured { topology: topology.clone(), subtopologies, missing, problem })
        }
        Err(Wrong::Topics(problem)) => Ok(Configured {
            topology: topology.clone(),
            subtopologies: None,
            missing: Vec::new(),
            problem: Some(problem),
        }),
        Err(Wrong::Topology(refusal)) => Err(refusal),
    }
}

/// The names of all topics that a topology reads or writes its state to.
pub(crate) fn required(topology: &StreamsGroupTopologyValue) -> BTreeSet<StrBytes> {
    let names = topology.subtopologies.iter().flat_map(|subtopology| {
        let changelogs = subtopology.state_changelog_topics.iter().map(|it| &it.name);
        sources(subtopology).chain(changelogs)
    });
    names.cloned().collect()
}

type ById<'a> = BTreeMap<&'a StrBytes, &'a Subtopology>;
type Subtopologies = BTreeMap<StrBytes, ConfiguredSubtopology>;

fn by_id(topology: &StreamsGroupTopologyValue) -> Result<ById<'_>, Refusal> {
    let by_id: ById<'_> =
        topology.subtopologies.iter().map(|it| (&it.subtopology_id, it)).collect();
    if by_id.len() < topology.subtopologies.len() || topology.epoch < 0 {
        // Kafka has no words for it either.
        return Err((ErrorCode::UNKNOWN_SERVER_ERROR, String::new()));
    }
    Ok(by_id)
}

fn configured(
    by_id: &ById<'_>,
    topics: &dyn Topics,
) -> Result<(Subtopologies, Vec<InternalTopic>), Wrong> {
    let external = by_id.values().flat_map(|subtopology| &subtopology.source_topics);
    let absent: BTreeSet<&StrBytes> = external.filter(|name| topics.id(name).is_none()).collect();
    if !absent.is_empty() {
        let detail = format!("Source topics {} are missing.", summary(absent.into_iter()));
        return Err(Wrong::Topics(Problem { status: MISSING_SOURCE_TOPICS, detail }));
    }
    let mut decided = repartition_counts(by_id, topics)?;
    enforce(by_id.values().copied(), topics, &mut decided)?;
    let mut changelogs = Counts::new();
    for (id, subtopology) in by_id {
        let tasks = most(sources(subtopology).filter_map(|name| count(topics, &decided, name)));
        let tasks =
            tasks.ok_or_else(|| invalid(format!("No source topics found for subtopology {id}")))?;
        let names = subtopology.state_changelog_topics.iter().map(|topic| topic.name.clone());
        changelogs.extend(names.map(|name| (name, tasks)));
    }
    decided.append(&mut changelogs);
    let subtopologies = by_id.iter().map(|(id, subtopology)| {
        let tasks = most(sources(subtopology).filter_map(|name| count(topics, &decided, name)));
        let internal = |infos: &[TopicInfo]| -> Result<BTreeMap<_, _>, Wrong> {
            let internal = infos.iter().map(|info| internal_topic(info, &decided));
            internal.map(|topic| topic.map(|topic| (topic.name.clone(), topic))).collect()
        };
        let configured = ConfiguredSubtopology {
            tasks: tasks.unwrap_or(0),
            repartition_sources: internal(&subtopology.repartition_source_topics)?,
            changelogs: internal(&subtopology.state_changelog_topics)?,
        };
        Ok(((*id).clone(), configured))
    });
    let subtopologies: Subtopologies = subtopologies.collect::<Result<_, Wrong>>()?;
    let missing = missing(&subtopologies, topics)?;
    Ok((subtopologies, missing))
}

/// How many partitions the repartition topics have: those they are given, else as many as the
/// largest topic that is known to feed them.
fn repartition_counts(by_id: &ById<'_>, topics: &dyn Topics) -> Result<Counts, Wrong> {
    let all = || by_id.values().flat_map(|it| &it.repartition_source_topics);
    let given = all().filter(|topic| topic.partitions != 0);
    let mut counts: Counts = given.map(|topic| (topic.name.clone(), topic.partitions)).collect();
    loop {
        let (mut needed, mut found) = (false, false);
        for subtopology in by_id.values() {
            for sink in &subtopology.repartition_sink_topics {
                if counts.contains_key(sink) {
                    continue;
                }
                let repartition = subtopology.repartition_source_topics.iter();
                let repartition = repartition.filter_map(|it| counts.get(&it.name).copied());
                let external = subtopology.source_topics.iter();
                let external = external.filter_map(|name| count(topics, &Counts::new(), name));
                match most(repartition.chain(external)) {
                    None => needed = true,
                    Some(partitions) => {
                        counts.insert(sink.clone(), partitions);
                        found = true;
                    }
                }
            }
        }
        if needed && !found {
            let words = "Failed to compute number of partitions for all repartition topics. There \
                         may be loops in the topology that cannot be resolved.";
            return Err(invalid(words.to_owned()));
        }
        if !needed {
            break;
        }
    }
    if all().any(|topic| !counts.contains_key(&topic.name)) {
        let words = "Failed to compute number of partitions for all repartition topics, because a \
                     repartition source topic is never used as a sink topic.";
        return Err(invalid(words.to_owned()));
    }
    Ok(counts)
}

fn internal_topic(info: &TopicInfo, decided: &Counts) -> Result<InternalTopic, Wrong> {
    let partitions = match info.partitions {
        0 => decided.get(&info.name).copied().unwrap_or(0),
        given => given,
    };
    if partitions < 1 {
        return Err(Wrong::Topology((ErrorCode::UNKNOWN_SERVER_ERROR, String::new())));
    }
    let configs = info.topic_configs.iter().map(|it| (it.key.clone(), it.value.clone()));
    let configs: BTreeMap<StrBytes, StrBytes> = configs.collect();
    Ok(InternalTopic {
        name: info.name.clone(),
        partitions,
        replication_factor: if info.replication_factor == 0 { -1 } else { info.replication_factor },
        configs: configs.into_iter().collect(),
    })
}

fn missing(
    subtopologies: &Subtopologies,
    topics: &dyn Topics,
) -> Result<Vec<InternalTopic>, Wrong> {
    let internal = subtopologies.values().flat_map(|subtopology| {
        subtopology.repartition_sources.values().chain(subtopology.changelogs.values())
    });
    let internal: BTreeMap<&StrBytes, &InternalTopic> =
        internal.map(|topic| (&topic.name, topic)).collect();
    let mut missing = Vec::new();
    for (name, topic) in internal {
        let Some(id) = topics.id(name) else {
            missing.push(topic.clone());
            continue;
        };
        let (expected, found) = (topic.partitions, topics.partition_count(id));
        if expected != found {
            let detail = format!(
                "Existing topic {name} has different number of partitions: expected {expected}, \
                 found {found}"
            );
            return Err(Wrong::Topics(Problem { status: INCORRECTLY_PARTITIONED_TOPICS, detail }));
        }
    }
    Ok(missing)
}

/// The topics that feed a sub-topology.
fn sources(subtopology: &Subtopology) -> impl Iterator<Item = &StrBytes> {
    let repartition = subtopology.repartition_source_topics.iter().map(|topic| &topic.name);
    subtopology.source_topics.iter().chain(repartition)
}

/// How many partitions a topic has or shall have.
pub(super) fn count(topics: &dyn Topics, decided: &Counts, name: &StrBytes) -> Option<i32> {
    match topics.id(name) {
        Some(id) => Some(topics.partition_count(id)),
        None => decided.get(name).copied(),
    }
}

fn most(counts: impl Iterator<Item = i32>) -> Option<i32> {
    counts.max()
}

fn summed_up(topics: &[InternalTopic]) -> String {
    summary(topics.iter().map(|topic| &topic.name))
}

/// The first few names.
fn summary<'a>(names: impl ExactSizeIterator<Item = &'a StrBytes>) -> String {
    let more = names.len().saturating_sub(NAMES_TOLD);
    let told: Vec<&str> = names.take(NAMES_TOLD).map(|name| &**name).collect();
    let told = told.join(", ");
    match more {
        0 => told,
        more => format!("{told} and {more} additional topics"),
    }
}

pub(super) fn invalid(words: String) -> Wrong {
    Wrong::Topology((ErrorCode::STREAMS_INVALID_TOPOLOGY, words))
}

/// So many topics are named.
const NAMES_TOLD: usize = 3;
const MISSING_SOURCE_TOPICS: i8 = 1;
pub(super) const INCORRECTLY_PARTITIONED_TOPICS: i8 = 2;
const MISSING_INTERNAL_TOPICS: i8 = 3;
