//! `--generate`: a plan that spreads the replicas of topics over brokers.
//!
//! A partition's leader is the next broker in turn, the other replicas are those behind it, from
//! racks that the partition is not in yet as long as there are such. Where the turn begins is
//! drawn for each topic. Not here: whether what comes out is better than what there is. Must
//! hold: replicas are distinct, and there are as many as before.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::Client;
use ottla_wire::{BrokerId, StrBytes};

use super::plan::{Directories, Placed};
use super::{file, plan, replicas};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

/// A broker and its rack.
type Place = (BrokerId, Option<StrBytes>);

/// Prints where replicas are, and where they could be.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let listed = file(context, parsed.text("topics-to-move-json-file")?.unwrap_or_default())?;
    let brokers = brokers(parsed.text("broker-list")?.unwrap_or_default())?;
    let names = plan::parse_topics(&listed)?;
    let twice: Vec<String> = plan::repeated(&names).into_iter().collect();
    if !twice.is_empty() {
        let twice = twice.join(", ");
        return Err(Failure::said(format!(
            "List of topics to reassign contains duplicate entries: [{twice}]"
        )));
    }
    let topics: BTreeSet<StrBytes> = names.iter().map(|name| StrBytes::copied(name)).collect();
    let current = replicas::of_topics(client, &topics).await?;
    let there: BTreeSet<&StrBytes> = current.keys().map(|partition| &partition.topic).collect();
    if let Some(missing) = topics.iter().find(|name| !there.contains(name)) {
        return Err(replicas::unknown(format!("Topic {missing} not found.")));
    }
    let places = places(client, &brokers, parsed.has("disable-rack-aware"))?;
    let proposed = spread(&current, &places, || context.env.random_u64())?;
    let directories = replicas::directories(client, &current).await?;
    let current = plan::line(&current, &directories);
    writeln!(context.out, "Current partition replica assignment\n{current}\n")?;
    let proposed = plan::line(&proposed, &Directories::new());
    writeln!(context.out, "Proposed partition reassignment configuration\n{proposed}")?;
    Ok(())
}

/// Reads `0,1,2`.
fn brokers(text: &str) -> Result<Vec<BrokerId>, Failure> {
    let ids = text.split(',').map(|id| {
        let id = id.trim();
        let number = id.parse().map(BrokerId);
        number.map_err(|_| Failure::said(format!("For input string: \"{id}\"")))
    });
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let twice: Vec<String> = plan::repeated(&ids).iter().map(BrokerId::to_string).collect();
    if !twice.is_empty() {
        let twice = twice.join(", ");
        return Err(Failure::said(format!("Broker list contains duplicate entries: [{twice}]")));
    }
    Ok(ids)
}

/// The brokers that are there, each behind one of another rack as far as that goes.
fn places(
    client: &Client,
    wanted: &[BrokerId],
    without_racks: bool,
) -> Result<Vec<Place>, Failure> {
    let cluster = client.cluster();
    let known = wanted.iter().filter_map(|id| cluster.brokers.get(id));
    let racks: Vec<Place> =
        known.map(|broker| (broker.id, broker.rack.clone().filter(|_| !without_racks))).collect();
    let with = racks.iter().filter(|(_, rack)| rack.is_some()).count();
    if with > 0 && with < racks.len() {
        return Err(Failure::said(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to \
             make replica assignment without rack information.",
        ));
    }
    Ok(alternating(racks))
}

/// The first broker of each rack, then the second of each, and so on.
fn alternating(places: Vec<Place>) -> Vec<Place> {
    let mut seen: BTreeMap<Option<StrBytes>, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Place)> = places
        .into_iter()
        .map(|place| {
            let rank = seen.entry(place.1.clone()).or_default();
            *rank += 1;
            (*rank, place)
        })
        .collect();
    ranked.sort_by_key(|(rank, (_, rack))| (*rank, rack.clone()));
    ranked.into_iter().map(|(_, place)| place).collect()
}

/// A place in the turn of a topic's leaders.
#[derive(Clone, Copy)]
struct Turn {
    /// Where among the brokers the topic began.
    begin: usize,
    /// How many partitions of it came before.
    number: usize,
}

/// Places each topic anew, with as many replicas as its first partition has.
fn spread(
    current: &Placed,
    places: &[Place],
    mut draw: impl FnMut() -> u64,
) -> Result<Placed, Failure> {
    let mut turns: BTreeMap<&StrBytes, (Turn, usize)> = BTreeMap::new();
    let mut proposed = Placed::new();
    for (partition, replicas) in current {
        check(places, replicas.len())?;
        let (turn, factor) = turns.entry(&partition.topic).or_insert_with(|| {
            // A place among those that there are fits into what counts them.
            let drawn = usize::try_from(draw() % places.len() as u64).unwrap_or_default();
            (Turn { begin: drawn, number: 0 }, replicas.len())
        });
        proposed.insert(partition.clone(), one(places, *turn, *factor));
        turn.number += 1;
    }
    Ok(proposed)
}

fn check(places: &[Place], factor: usize) -> Result<(), Failure> {
    let brokers = places.len();
    if brokers == 0 {
        return Err(Failure::said(
            "All brokers are currently fenced, or have all their log directories cordoned.",
        ));
    }
    if factor > brokers {
        return Err(Failure::said(format!(
            "The target replication factor of {factor} cannot be reached because only \
             {brokers} broker(s) are registered or some brokers have all their log directories \
             cordoned."
        )));
    }
    Ok(())
}

/// The replicas of one partition, its leader first.
fn one(places: &[Place], turn: Turn, factor: usize) -> Vec<BrokerId> {
    let count = places.len();
    // Each round about the brokers another one follows the leader first.
    let gap = turn.number / count;
    let leader = turn.begin + turn.number;
    let behind = (0..count.saturating_sub(1)).map(|step| 1 + (step + gap) % (count - 1));
    let order: Vec<&Place> =
        std::iter::once(0).chain(behind).map(|step| &places[(leader + step) % count]).collect();
    let mut chosen: Vec<&Place> = Vec::with_capacity(factor);
    let racks = order.iter().map(|(_, rack)| rack).collect::<BTreeSet<_>>().len();
    while chosen.len() < factor.min(count) {
        // In each round of `racks` replicas every rack comes once, where it has brokers left.
        let round = chosen.len() - chosen.len() % racks;
        let is_new = |place: &&&Place| {
            !chosen.contains(place) && !chosen[round..].iter().any(|other| other.1 == place.1)
        };
        let next = order.iter().find(is_new);
        let next = next.or_else(|| order.iter().find(|place| !chosen.contains(place)));
        chosen.extend(next.copied());
    }
    chosen.into_iter().map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use ottla_client::TopicPartition;

    use super::*;

    /// Brokers from 1 on, one letter each: its rack, - for none.
    fn cluster(racks: &str) -> Vec<Place> {
        let place = |(id, rack): (i32, char)| {
            (BrokerId(id), (rack != '-').then(|| StrBytes::from(rack.to_string())))
        };
        alternating((1..).zip(racks.chars()).map(place).collect())
    }

    fn topic(partitions: i32, factor: usize) -> Placed {
        let replicas = vec![BrokerId(9); factor];
        (0..partitions).map(|index| (TopicPartition::new("t", index), replicas.clone())).collect()
    }

    #[test]
    fn leaders_and_replicas_are_spread_wherever_the_turn_begins() {
        for drawn in 0..6 {
            let placed = spread(&topic(12, 3), &cluster("------"), || drawn).unwrap();
            for id in (1..=6).map(BrokerId) {
                let leads = placed.values().filter(|replicas| replicas[0] == id).count();
                let holds = placed.values().filter(|replicas| replicas.contains(&id)).count();
                assert_eq!((leads, holds), (2, 6), "{drawn}: {placed:?}");
            }
        }
    }

    #[test]
    fn replicas_are_distinct_and_in_as_many_racks_as_there_are() {
        for racks in ["aabbcc", "abcabc", "aaabbc", "------", "aabb"] {
            for (drawn, factor) in (0..6).flat_map(|drawn| [(drawn, 2), (drawn, 3), (drawn, 4)]) {
                let places = cluster(racks);
                let placed = spread(&topic(9, factor), &places, || drawn).unwrap();
                let all: BTreeSet<_> = places.iter().map(|(_, rack)| rack).collect();
                for replicas in placed.values() {
                    let brokers: BTreeSet<_> = replicas.iter().collect();
                    assert_eq!(brokers.len(), factor, "{racks} {drawn}: {placed:?}");
                    let used = places.iter().filter(|(id, _)| replicas.contains(id));
                    let used: BTreeSet<_> = used.map(|(_, rack)| rack).collect();
                    assert_eq!(used.len(), all.len().min(factor), "{racks} {drawn}: {placed:?}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_spread_is_explained() {
        let refused = |racks: &str, factor| {
            spread(&topic(1, factor), &cluster(racks), || 0).unwrap_err().to_string()
        };
        assert!(refused("", 1).contains("All brokers are currently fenced"));
        let few = "The target replication factor of 3 cannot be reached because only 2 broker(s)";
        assert!(refused("--", 3).contains(few));
        assert_eq!(brokers("1,x").unwrap_err().to_string(), "For input string: \"x\"");
    }
}
