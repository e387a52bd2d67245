//! Which partitions the members serve at their endpoints, for interactive queries.
//!
//! Only members that said where they can be reached are told of. Must hold: what is told of the
//! member that asks is what it has from now on.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::StrBytes;
use ottla_wire::messages::streams_group_heartbeat_response::{
    Endpoint, EndpointToPartitions, TopicPartition,
};

use super::state::{MemberValue, StreamsGroup};
use super::tasks::{TaskId, Tasks, lists_of};
use super::topology::Configured;
use crate::Topics;

/// All members with an endpoint, the one that asks last.
pub(crate) fn endpoints(
    group: &StreamsGroup,
    configured: &Configured,
    topics: &dyn Topics,
    member: &StrBytes,
) -> Vec<EndpointToPartitions> {
    let others = group.members().keys().filter(|id| *id != member);
    let told = others.chain(std::iter::once(member)).filter_map(|id| {
        let value = group.member(id)?;
        let current = group.current(id);
        endpoint(value, &current.assigned, configured, topics)
    });
    told.collect()
}

fn endpoint(
    value: &MemberValue,
    assigned: &Tasks,
    configured: &Configured,
    topics: &dyn Topics,
) -> Option<EndpointToPartitions> {
    let endpoint = value.user_endpoint.as_ref()?;
    let active: BTreeSet<TaskId> = assigned.active.keys().cloned().collect();
    Some(EndpointToPartitions {
        user_endpoint: Endpoint {
            host: endpoint.host.clone(),
            port: endpoint.port,
            ..Endpoint::default()
        },
        active_partitions: partitions(&active, configured, topics),
        standby_partitions: partitions(&assigned.standby, configured, topics),
        ..EndpointToPartitions::default()
    })
}

fn partitions(
    tasks: &BTreeSet<TaskId>,
    configured: &Configured,
    topics: &dyn Topics,
) -> Vec<TopicPartition> {
    let sources = sources(configured);
    let lists = lists_of(tasks, |subtopology, partitions| (subtopology, partitions));
    let told = lists.iter().flat_map(|(subtopology, partitions)| {
        let names = sources.get(subtopology).into_iter().flatten();
        names.filter_map(|name| {
            // A topic may have fewer partitions than the sub-topology has tasks.
            let count = topics.partition_count(topics.id(name)?);
            let count = usize::try_from(count).unwrap_or(0);
            Some(TopicPartition {
                topic: (*name).clone(),
                partitions: partitions.iter().take(count).copied().collect(),
                ..TopicPartition::default()
            })
        })
    });
    told.collect()
}

fn sources(configured: &Configured) -> BTreeMap<&StrBytes, BTreeSet<&StrBytes>> {
    let subtopologies = configured.topology.subtopologies.iter().map(|subtopology| {
        let repartition = subtopology.repartition_source_topics.iter().map(|topic| &topic.name);
        let names = subtopology.source_topics.iter().chain(repartition);
        (&subtopology.subtopology_id, names.collect())
    });
    subtopologies.collect()
}
