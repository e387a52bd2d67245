//! `--verify`: how far the moves of a plan are; when all are done their limits are taken away.
//!
//! Must hold: as long as one of the plan's moves goes on, limits stay.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, TopicPartition};
use ottla_wire::BrokerId;

use super::plan::{Directories, Placed};
use super::replicas::{self, Change, Located, Replica};
use super::{joined, plan_of, throttles};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

/// Tells of each partition and replica of the plan.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let plan = plan_of(context, parsed)?;
    let moving = replicas::reassignments(client, None).await?;
    let topics: BTreeSet<_> = plan.partitions.keys().map(|one| one.topic.clone()).collect();
    let current = replicas::of_topics(client, &topics).await?;
    let partitions = partitions(&plan.partitions, &moving, &current);
    writeln!(context.out, "Status of partition reassignment:{partitions}")?;
    let states = states(client, &plan.directories).await?;
    let lines = states.iter().map(|(replica, state)| state.line(replica));
    writeln!(context.out, "{}", lines.collect::<Vec<_>>().join("\n"))?;
    let is_moving = plan.partitions.keys().any(|partition| moving.contains_key(partition))
        || states.values().any(|state| matches!(state, State::Active { .. }));
    match is_moving || parsed.has("preserve-throttles") {
        true => Ok(()),
        false => throttles::clear(context, client, &plan.partitions).await,
    }
}

/// A line for each partition, a line break in front of it.
fn partitions(
    wanted: &Placed,
    moving: &BTreeMap<TopicPartition, Change>,
    current: &Placed,
) -> String {
    const NONE: &Vec<BrokerId> = &Vec::new();
    let lines = wanted.iter().map(|(partition, target)| {
        let replicas = current.get(partition).unwrap_or(NONE);
        if moving.contains_key(partition) {
            format!("\nReassignment of partition {partition} is still in progress.")
        } else if replicas == target {
            format!("\nReassignment of partition {partition} is completed.")
        } else {
            format!(
                "\nThere is no active reassignment of partition {partition}, but replica set is \
                 {} rather than {}.",
                joined(replicas),
                joined(target)
            )
        }
    });
    lines.collect()
}

/// How far a replica is on its way to a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The broker is not there.
    NoBroker,
    /// The broker has it in no directory that works.
    NoDirectory,
    /// It is on its way, perhaps to another directory.
    Active { current: String, target: String, future: String },
    /// It is somewhere else, and stays there.
    Cancelled { current: String, target: String },
    /// It is there.
    Completed,
}

/// How far each of these replicas is.
pub(super) async fn states(
    client: &Client,
    wanted: &Directories,
) -> Result<BTreeMap<Replica, State>, Failure> {
    let mut found = replicas::located(client, wanted.keys().cloned()).await?;
    let states = wanted.iter().map(|(replica, target)| {
        let state = state(found.remove(replica), target);
        (replica.clone(), state)
    });
    Ok(states.collect())
}

fn state(located: Option<Located>, target: &str) -> State {
    let Some(Located { current, future }) = located else { return State::NoBroker };
    let target = target.to_owned();
    match (current, future) {
        (None, _) => State::NoDirectory,
        (Some(current), Some(future)) => State::Active { current, target, future },
        (Some(current), None) if current == target => State::Completed,
        (Some(current), None) => State::Cancelled { current, target },
    }
}

impl State {
    fn line(&self, replica: &Replica) -> String {
        let Replica { partition, broker } = replica;
        match self {
            State::NoBroker => format!(
                "Partition {partition} cannot be found in any live log directory on broker \
                 {broker}."
            ),
            State::NoDirectory => format!(
                "Partition {partition} is not found in any live log dir on broker {broker}. There \
                 is likely an offline log directory on the broker."
            ),
            State::Active { target, future, .. } if target == future => {
                format!("Reassignment of replica {replica} is still in progress.")
            }
            State::Active { target, future, .. } => format!(
                "Partition {partition} on broker {broker} is being moved to log dir {future} \
                 instead of {target}."
            ),
            State::Cancelled { current, target } => format!(
                "Partition {partition} on broker {broker} is not being moved from log dir \
                 {current} to {target}."
            ),
            State::Completed => {
                format!("Reassignment of replica {replica} completed successfully.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_done_when_nothing_moves_and_its_replicas_are_the_wanted_ones() {
        let partition = |index| TopicPartition::new("t", index);
        let brokers = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let placed = |list: &[&[i32]]| -> Placed {
            (0..).zip(list).map(|(index, ids)| (partition(index), brokers(ids))).collect()
        };
        let change =
            Change { replicas: brokers(&[1, 2]), adding: brokers(&[2]), removing: brokers(&[1]) };
        assert_eq!(change.line(&partition(2)), "t-2: replicas: 1,2. adding: 2. removing: 1.");
        let moving = BTreeMap::from([(partition(2), change)]);
        let wanted = placed(&[&[1, 2], &[2, 1], &[2]]);
        let told = partitions(&wanted, &moving, &placed(&[&[1, 2], &[1, 2], &[1, 2]]));
        let expect = "\nReassignment of partition t-0 is completed.\
                      \nThere is no active reassignment of partition t-1, but replica set is 1,2 \
                      rather than 2,1.\
                      \nReassignment of partition t-2 is still in progress.";
        assert_eq!(told, expect);
    }

    #[test]
    fn a_replica_is_told_with_the_directories_that_it_leaves_and_goes_to() {
        let check = |located: Option<[Option<&str>; 2]>, expect: &str| {
            let located = located.map(|[current, future]| Located {
                current: current.map(String::from),
                future: future.map(String::from),
            });
            let replica = Replica { partition: TopicPartition::new("t", 0), broker: BrokerId(7) };
            assert_eq!(state(located, "/b").line(&replica), expect);
        };
        check(None, "Partition t-0 cannot be found in any live log directory on broker 7.");
        check(
            Some([None, None]),
            "Partition t-0 is not found in any live log dir on broker 7. There is likely an \
             offline log directory on the broker.",
        );
        check(
            Some([Some("/a"), Some("/b")]),
            "Reassignment of replica t-0-7 is still in progress.",
        );
        check(
            Some([Some("/a"), Some("/c")]),
            "Partition t-0 on broker 7 is being moved to log dir /c instead of /b.",
        );
        check(
            Some([Some("/a"), None]),
            "Partition t-0 on broker 7 is not being moved from log dir /a to /b.",
        );
        check(Some([Some("/b"), None]), "Reassignment of replica t-0-7 completed successfully.");
    }
}
