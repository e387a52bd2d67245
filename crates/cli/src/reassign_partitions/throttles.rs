//! The limits of moves: configs of the brokers and topics that take part (KIP-73, KIP-113).
//!
//! Replicas that are copied from and to are named in two configs of their topic, and only they
//! are slowed down. Must hold: what is set here, [`clear`] takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, TopicPartition};
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_wire::{BrokerId, StrBytes};

use super::plan::Placed;
use super::replicas::Change;
use super::{joined, plural};
use crate::client_options::exception;
use crate::context::Context;
use crate::failure::Failure;

/// From where to where the records of a partition are copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Move {
    sources: BTreeSet<BrokerId>,
    destinations: BTreeSet<BrokerId>,
}

/// What is copied already, and what will be.
pub(super) fn moves(
    moving: &BTreeMap<TopicPartition, Change>,
    wanted: &Placed,
    current: &Placed,
) -> BTreeMap<TopicPartition, Move> {
    let mut moves: BTreeMap<TopicPartition, Move> = BTreeMap::new();
    for (partition, change) in moving {
        let destinations: BTreeSet<BrokerId> = change.adding.iter().copied().collect();
        let sources = change.replicas.iter().filter(|id| !destinations.contains(id));
        let sources = sources.copied().collect();
        moves.insert(partition.clone(), Move { sources, destinations });
    }
    for (partition, brokers) in wanted {
        let one = moves.entry(partition.clone()).or_insert_with(|| {
            let sources = current.get(partition).into_iter().flatten().copied().collect();
            Move { sources, destinations: BTreeSet::new() }
        });
        let new = brokers.iter().filter(|id| !one.sources.contains(id)).copied().collect();
        one.destinations = new;
    }
    moves
}

/// Limits what brokers send each other of these partitions, in bytes a second.
pub(super) async fn between_brokers(
    client: &Client,
    moves: &BTreeMap<TopicPartition, Move>,
    rate: i64,
) -> Result<(), Failure> {
    let mut resources: Vec<AlterConfigsResource> = throttled(moves)
        .into_iter()
        .map(|(topic, [leaders, followers])| {
            let configs = vec![set(LEADER_REPLICAS, leaders), set(FOLLOWER_REPLICAS, followers)];
            resource(TOPIC, topic, configs)
        })
        .collect();
    let both = |one: &Move| one.sources.union(&one.destinations).copied().collect::<Vec<_>>();
    let brokers: BTreeSet<BrokerId> = moves.values().flat_map(both).collect();
    resources.extend(brokers.iter().map(|id| {
        let rate = || rate.to_string();
        broker(*id, vec![set(LEADER_RATE, rate()), set(FOLLOWER_RATE, rate())])
    }));
    alter(client, resources).await
}

/// Limits what moves between the log directories of each of these brokers, in bytes a second.
pub(super) async fn within_brokers(
    client: &Client,
    brokers: &BTreeSet<BrokerId>,
    rate: i64,
) -> Result<(), Failure> {
    let limit = |id: &BrokerId| broker(*id, vec![set(LOG_DIRS_RATE, rate.to_string())]);
    alter(client, brokers.iter().map(limit).collect()).await
}

/// Takes away all limits of all brokers that there are, and those of these partitions.
pub(super) async fn clear(
    context: &mut Context,
    client: &Client,
    partitions: &Placed,
) -> Result<(), Failure> {
    let mut brokers: BTreeSet<BrokerId> = client.cluster().brokers.keys().copied().collect();
    brokers.extend(partitions.values().flatten());
    writeln!(
        context.out,
        "Clearing broker-level throttles on broker{} {}",
        plural(brokers.len()),
        joined(&brokers)
    )?;
    let all = [LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE];
    let cleared = brokers.iter().map(|id| broker(*id, all.into_iter().map(unset).collect()));
    alter(client, cleared.collect()).await?;
    let topics: BTreeSet<&StrBytes> = partitions.keys().map(|one| &one.topic).collect();
    writeln!(
        context.out,
        "Clearing topic-level throttles on topic{} {}",
        plural(topics.len()),
        joined(topics.iter().map(|name| name.as_str()))
    )?;
    let both = [LEADER_REPLICAS, FOLLOWER_REPLICAS];
    let cleared = topics
        .into_iter()
        .map(|topic| resource(TOPIC, topic.clone(), both.into_iter().map(unset).collect()));
    alter(client, cleared.collect()).await
}

/// What is set for each topic: replicas that are copied from, and those that are copied to.
fn throttled(moves: &BTreeMap<TopicPartition, Move>) -> BTreeMap<StrBytes, [String; 2]> {
    let mut topics: BTreeMap<StrBytes, [BTreeSet<String>; 2]> = BTreeMap::new();
    for (partition, one) in moves {
        let [leaders, followers] = topics.entry(partition.topic.clone()).or_default();
        let named = |id: &BrokerId| format!("{}:{id}", partition.partition);
        leaders.extend(one.sources.iter().map(named));
        followers.extend(one.destinations.difference(&one.sources).map(named));
    }
    let topics = topics.into_iter();
    topics.map(|(topic, both)| (topic, both.map(joined))).collect()
}

async fn alter(client: &Client, resources: Vec<AlterConfigsResource>) -> Result<(), Failure> {
    if resources.is_empty() {
        return Ok(());
    }
    for (_, altered) in client.admin().alter_configs(resources, false).await? {
        altered.map_err(|error| Failure::said(exception(&error)))?;
    }
    Ok(())
}

fn broker(id: BrokerId, configs: Vec<AlterableConfig>) -> AlterConfigsResource {
    resource(BROKER, StrBytes::from(id.to_string()), configs)
}

fn resource(kind: i8, name: StrBytes, configs: Vec<AlterableConfig>) -> AlterConfigsResource {
    AlterConfigsResource { resource_type: kind, resource_name: name, configs, ..Default::default() }
}

fn set(name: &'static str, value: String) -> AlterableConfig {
    let value = Some(StrBytes::from(value));
    AlterableConfig { name: name.into(), config_operation: SET, value, ..Default::default() }
}

fn unset(name: &'static str) -> AlterableConfig {
    AlterableConfig { name: name.into(), config_operation: DELETE, ..Default::default() }
}

const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";
const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
/// The kinds of resources in IncrementalAlterConfigs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Its operations.
const SET: i8 = 0;
const DELETE: i8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(text: &str) -> Placed {
        let each = text.split_whitespace().map(|word| {
            let (index, brokers) = word.split_once('=').unwrap();
            (TopicPartition::new("t", index.parse().unwrap()), brokers_of(brokers))
        });
        each.collect()
    }

    fn brokers_of(text: &str) -> Vec<BrokerId> {
        let ids = text.split(',').filter(|id| !id.is_empty());
        ids.map(|id| BrokerId(id.parse().unwrap())).collect()
    }

    fn check(moving: &[(i32, [&str; 2])], wanted: &str, current: &str, expect: [&str; 2]) {
        let moving = moving.iter().map(|(index, [replicas, adding])| {
            let change = Change {
                replicas: brokers_of(replicas),
                adding: brokers_of(adding),
                removing: Vec::new(),
            };
            (TopicPartition::new("t", *index), change)
        });
        let moves = moves(&moving.collect(), &placed(wanted), &placed(current));
        let throttled = throttled(&moves);
        let [leaders, followers] = &throttled[&StrBytes::from("t")];
        assert_eq!([leaders.as_str(), followers.as_str()], expect);
    }

    #[test]
    fn replicas_that_are_copied_from_and_to_are_named() {
        check(&[], "0=1,2", "0=1,2", ["0:1,0:2", ""]);
        check(&[], "0=1,3 1=2", "0=1,2 1=1", ["0:1,0:2,1:1", "0:3,1:2"]);
    }

    #[test]
    fn what_moves_already_is_copied_from_where_it_was() {
        check(&[(0, ["1,2,3", "3"])], "0=4,1", "0=1,2,3", ["0:1,0:2", "0:4"]);
        check(&[(1, ["1,2,3", "3"])], "0=2", "0=1", ["0:1,1:1,1:2", "0:2,1:3"]);
    }
}
