//! Where new replicas go: spread over racks, then over brokers, leaders too.
//!
//! A partition's leader is taken from the next rack in turn, its other replicas from the racks
//! behind it; within a rack the broker with the least so far is taken, fenced ones last. Where
//! the turn begins and which of equals comes first is drawn, so that small topics spread as well.
//! Must hold: replicas are distinct, and the first is a broker that is not fenced.

use std::collections::BTreeMap;

use ottla_machine::Prng;
use ottla_metadata::Image;
use ottla_wire::{BrokerId, StrBytes};

/// A broker that may get replicas.
#[derive(Clone, Debug)]
struct Place {
    id: BrokerId,
    fenced: bool,
    leaders: usize,
    replicas: usize,
}

const FENCED_OR_CORDONED: &str =
    "All brokers are currently fenced, or have all their log directories cordoned.";

/// Why a topic cannot be placed, as Kafka says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unplaceable(pub(crate) String);

/// Lists of replicas for `partitions` new partitions.
pub(crate) fn place(
    image: &Image,
    partitions: usize,
    replicas: usize,
    random: &mut Prng,
) -> Result<Vec<Vec<BrokerId>>, Unplaceable> {
    let mut racks = racks(image, random);
    let brokers: usize = racks.iter().map(Vec::len).sum();
    if racks.iter().flatten().all(|place| place.fenced) {
        return Err(Unplaceable(FENCED_OR_CORDONED.to_owned()));
    }
    if replicas > brokers {
        return Err(Unplaceable(format!(
            "The target replication factor of {replicas} cannot be reached because only \
             {brokers} broker(s) are registered or some brokers have all their log directories \
             cordoned."
        )));
    }
    let begin = random.below(racks.len());
    Ok((0..partitions).map(|turn| one(&mut racks, begin + turn, replicas)).collect())
}

/// The brokers by rack, in drawn order; those without a rack are in one of their own.
fn racks(image: &Image, random: &mut Prng) -> Vec<Vec<Place>> {
    let mut racks: BTreeMap<Option<&StrBytes>, Vec<Place>> = BTreeMap::new();
    let usable = image.brokers().filter(|broker| !broker.is_cordoned());
    for broker in usable.filter(|broker| !broker.in_controlled_shutdown) {
        let place = Place { id: broker.id, fenced: broker.fenced, leaders: 0, replicas: 0 };
        racks.entry(broker.rack.as_ref()).or_default().push(place);
    }
    let mut racks: Vec<Vec<Place>> = racks.into_values().collect();
    racks.iter_mut().for_each(|rack| shuffle(rack, random));
    shuffle(&mut racks, random);
    racks
}

fn shuffle<T>(items: &mut [T], random: &mut Prng) {
    for end in (1..items.len()).rev() {
        items.swap(end, random.below(end + 1));
    }
}

/// The replicas of one partition, its leader first.
fn one(racks: &mut [Vec<Place>], turn: usize, replicas: usize) -> Vec<BrokerId> {
    let count = racks.len();
    let mut chosen: Vec<BrokerId> = Vec::with_capacity(replicas);
    let can_begin = |rack: &usize| racks[rack % count].iter().any(|place| !place.fenced);
    let begin = (turn..turn + count).find(can_begin).unwrap_or(turn);
    let mut rack = begin;
    while chosen.len() < replicas {
        let leads = chosen.is_empty();
        let free =
            racks[rack % count].iter_mut().filter(|place| !chosen.contains(&place.id)).min_by_key(
                |place| (place.fenced, if leads { place.leaders } else { 0 }, place.replicas),
            );
        if let Some(place) = free {
            place.leaders += usize::from(leads);
            place.replicas += 1;
            chosen.push(place.id);
        }
        rack += 1;
        assert!(rack <= begin + count * (replicas + 1), "there are as many brokers as replicas");
    }
    chosen
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::RegisterBrokerRecord;
    use ottla_wire::{DirectoryId, Offset, Uuid};

    use super::*;

    /// Brokers from 1 on; one letter each: its rack, in capitals when it is fenced, - for none.
    fn cluster(racks: &str) -> Image {
        let mut image = Image::default();
        for (id, rack) in (1..).zip(racks.chars()) {
            let record = RegisterBrokerRecord {
                broker_id: BrokerId(id),
                fenced: rack.is_ascii_uppercase(),
                rack: (rack != '-').then(|| StrBytes::from(rack.to_ascii_lowercase().to_string())),
                log_dirs: vec![DirectoryId(Uuid::from_u128(100 + id as u128))],
                ..Default::default()
            };
            image.apply(Offset(id.into()), &record.into());
        }
        image
    }

    #[test]
    fn leaders_and_replicas_are_spread_whatever_is_drawn() {
        for seed in 0..50 {
            let image = cluster("------");
            let placed = place(&image, 12, 3, &mut Prng::new(seed)).unwrap();
            for id in (1..=6).map(BrokerId) {
                let leads = placed.iter().filter(|replicas| replicas[0] == id).count();
                let holds = placed.iter().filter(|replicas| replicas.contains(&id)).count();
                assert_eq!(leads, 2, "seed {seed}: {placed:?}");
                assert!((4..=8).contains(&holds), "seed {seed}: {placed:?}");
            }
        }
    }

    #[test]
    fn replicas_of_a_partition_lie_in_different_racks() {
        for seed in 0..50 {
            let placed = place(&cluster("aabbcc"), 9, 3, &mut Prng::new(seed)).unwrap();
            for replicas in &placed {
                let mut racks: Vec<i32> = replicas.iter().map(|id| (id.0 - 1) / 2).collect();
                racks.sort_unstable();
                assert_eq!(racks, [0, 1, 2], "seed {seed}: {placed:?}");
            }
        }
    }

    #[test]
    fn a_fenced_broker_never_comes_first_and_helps_out_last() {
        for seed in 0..50 {
            let placed = place(&cluster("aAb"), 6, 2, &mut Prng::new(seed)).unwrap();
            assert!(placed.iter().flatten().all(|id| *id != BrokerId(2)), "seed {seed}");
            let placed = place(&cluster("aAB"), 6, 3, &mut Prng::new(seed)).unwrap();
            assert!(placed.iter().all(|replicas| replicas[0] == BrokerId(1)), "seed {seed}");
        }
    }

    #[test]
    fn what_cannot_be_placed_is_explained() {
        let problem = |racks: &str, replicas| {
            place(&cluster(racks), 1, replicas, &mut Prng::new(1)).unwrap_err().0
        };
        assert_eq!(problem("AB", 1), FENCED_OR_CORDONED);
        assert_eq!(problem("", 1), FENCED_OR_CORDONED);
        assert!(
            problem("-", 2).starts_with("The target replication factor of 2 cannot be reached")
        );
    }
}
