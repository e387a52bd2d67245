//! Topics that are read together must have the same number of partitions.
//!
//! Repartition topics whose number is not given follow the others; a topic of somebody else cannot
//! be changed, and a given number is not either (Kafka's CopartitionedTopicsEnforcer). Must hold:
//! after it every repartition topic of a group has the group's number.

use std::collections::BTreeSet;

use ottla_wire::messages::streams_group_topology_value::{CopartitionGroup, Subtopology};
use ottla_wire::{ErrorCode, StrBytes};

use super::topology::{Counts, INCORRECTLY_PARTITIONED_TOPICS, Problem, Wrong, count, invalid};
use crate::Topics;

/// Makes the decided numbers of all sub-topologies agree.
pub(super) fn enforce<'a>(
    subtopologies: impl Iterator<Item = &'a Subtopology> + Clone,
    topics: &dyn Topics,
    decided: &mut Counts,
) -> Result<(), Wrong> {
    let repartition = || subtopologies.clone().flat_map(|it| &it.repartition_source_topics);
    let internal: BTreeSet<&StrBytes> = repartition().map(|topic| &topic.name).collect();
    let given = repartition().filter(|topic| topic.partitions != 0);
    let given: BTreeSet<&StrBytes> = given.map(|topic| &topic.name).collect();
    let groups = subtopologies.clone().flat_map(|subtopology| {
        subtopology.copartition_groups.iter().map(move |group| names(subtopology, group))
    });
    for group in groups.collect::<Result<Vec<_>, _>>()? {
        if group.is_empty() {
            continue;
        }
        let mut counts = Counts::new();
        for name in group {
            let partitions = count(topics, decided, name).ok_or_else(no_words)?;
            counts.insert(name.clone(), partitions);
        }
        let (ours, others): (Counts, Counts) =
            counts.into_iter().partition(|(name, _)| internal.contains(name));
        let partitions = match others.is_empty() {
            false => same(&others, &others)?,
            // As in Kafka, the given numbers of the whole application have to agree then.
            true if !given.is_empty() => {
                let all = given.iter().map(|name| {
                    let partitions = count(topics, decided, name).ok_or_else(no_words)?;
                    Ok(((*name).clone(), partitions))
                });
                same(&all.collect::<Result<Counts, Wrong>>()?, &ours)?
            }
            true => largest(&ours)?,
        };
        for (name, had) in ours {
            if given.contains(&name) && had != partitions {
                return Err(apart(format!(
                    "Number of partitions [{had}] of repartition topic [{name}] doesn't match \
                     number of partitions [{partitions}] of the source topic."
                )));
            }
            decided.insert(name, partitions);
        }
    }
    Ok(())
}

/// The names of a group, which has them by their places in two lists.
fn names<'a>(
    subtopology: &'a Subtopology,
    group: &'a CopartitionGroup,
) -> Result<BTreeSet<&'a StrBytes>, Wrong> {
    let place = |at: &i16| usize::try_from(*at).map_err(|_| no_words());
    let sources = group.source_topics.iter().map(|at| {
        let source = subtopology.source_topics.get(place(at)?);
        source.ok_or_else(no_words)
    });
    let repartition = group.repartition_source_topics.iter().map(|at| {
        let topic = subtopology.repartition_source_topics.get(place(at)?);
        topic.map(|topic| &topic.name).ok_or_else(no_words)
    });
    sources.chain(repartition).collect()
}

/// The number that all of them have; `told` are named when they have not.
fn same(counts: &Counts, told: &Counts) -> Result<i32, Wrong> {
    let first = counts.values().next().copied().unwrap_or(0);
    if counts.values().all(|partitions| *partitions == first) {
        return Ok(first);
    }
    let told: Vec<String> = told.iter().map(|(name, count)| format!("{name}={count}")).collect();
    let told = told.join(", ");
    let words = "Following topics do not have the same number of partitions";
    Err(apart(format!("{words}: [{{{told}}}]")))
}

fn largest(counts: &Counts) -> Result<i32, Wrong> {
    let largest = counts.values().copied().max().unwrap_or(0).max(0);
    if largest == 0 {
        let names: Vec<&str> = counts.keys().map(|name| &**name).collect();
        let words = "All topics in the copartition group had undefined partition number";
        return Err(invalid(format!("{words}: [{}]", names.join(", "))));
    }
    Ok(largest)
}

fn apart(detail: String) -> Wrong {
    Wrong::Topics(Problem { status: INCORRECTLY_PARTITIONED_TOPICS, detail })
}

/// What Kafka does not expect either.
fn no_words() -> Wrong {
    Wrong::Topology((ErrorCode::UNKNOWN_SERVER_ERROR, String::new()))
}
