//! Where a consumer stands in each of its partitions.
//!
//! Must hold: what was asked before a seek or a new assignment never moves a position after it.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::core::cluster::TopicPartition;

/// Where to go on in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// Where the group has committed.
    Committed,
    /// Where the partition's log has this time, or one of its ends.
    Sought(Timestamp),
    /// Here, behind a record of this leader epoch (-1 if unknown).
    At(Offset, LeaderEpoch),
}

/// One partition of a consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where to go on.
    pub position: Position,
    /// Whether the caller wants no records of it for now.
    pub is_paused: bool,
    /// Nothing is asked before.
    pub not_before: Option<Timestamp>,
    /// Which assignment brought it; a partition that went and came back has another one.
    pub stint: Stint,
}

/// The time between getting a partition and losing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stint(u64);

/// A position that is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// Of which partition.
    pub of: TopicPartition,
    /// How to find it.
    pub position: Position,
    /// For which assignment of it.
    pub stint: Stint,
}

/// All partitions of a consumer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Positions {
    places: BTreeMap<TopicPartition, Place>,
    newest: Stint,
}

impl Positions {
    /// Takes these partitions and no others; those that stay keep their place.
    pub fn assign(&mut self, partitions: &BTreeSet<TopicPartition>) {
        self.places.retain(|of, _| partitions.contains(of));
        self.newest.0 += 1;
        for of in partitions {
            self.places.entry(of.clone()).or_insert(Place {
                position: Position::Committed,
                is_paused: false,
                not_before: None,
                stint: self.newest,
            });
        }
    }

    /// The partitions.
    pub fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.places.keys().cloned().collect()
    }

    /// The place in a partition that is assigned.
    pub fn place(&self, of: &TopicPartition) -> Option<&Place> {
        self.places.get(of)
    }

    /// The place in a partition that is assigned, to be changed.
    pub fn place_mut(&mut self, of: &TopicPartition) -> Option<&mut Place> {
        self.places.get_mut(of)
    }

    /// All places.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Place)> {
        self.places.iter()
    }

    /// Moves from one position to another, if it is still the one believed in.
    pub fn advance(&mut self, of: &TopicPartition, from: Position, to: Position) -> bool {
        match self.places.get_mut(of).filter(|place| place.position == from) {
            Some(place) => {
                place.position = to;
                place.not_before = None;
                true
            }
            None => false,
        }
    }

    /// Moves to where an open position was found, if nobody has moved it or lost the partition
    /// meanwhile.
    pub fn found(&mut self, open: &Open, to: Position) -> bool {
        let same = self.places.get(&open.of).is_some_and(|place| place.stint == open.stint);
        same && self.advance(&open.of, open.position, to)
    }

    /// Lets nothing be asked of a partition for a while.
    pub fn hold(&mut self, of: &TopicPartition, until: Timestamp) {
        if let Some(place) = self.places.get_mut(of) {
            place.not_before = Some(until);
        }
    }

    /// The partitions whose offset is to be found, and how.
    pub fn unresolved(&self, now: Timestamp) -> Vec<Open> {
        let open = self
            .places
            .iter()
            .filter(|(_, place)| !matches!(place.position, Position::At(..)) && place.is_due(now));
        open.map(|(of, place)| Open {
            of: of.clone(),
            position: place.position,
            stint: place.stint,
        })
        .collect()
    }

    /// The offsets at which the consumer stands.
    pub fn offsets(&self) -> Vec<(TopicPartition, Offset, LeaderEpoch)> {
        let at = self.places.iter().filter_map(|(of, place)| match place.position {
            Position::At(offset, epoch) => Some((of.clone(), offset, epoch)),
            _ => None,
        });
        at.collect()
    }

    /// When the next held partition may be asked for; none when all may.
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.places.values().filter_map(|place| place.not_before).filter(|at| *at > now).min()
    }
}

impl Place {
    /// Whether it may be asked for now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_seek_moves_nothing() {
        let of = TopicPartition::new("t", 0);
        let mut positions = Positions::default();
        positions.assign(&[of.clone()].into());
        let at = |offset| Position::At(Offset(offset), LeaderEpoch(-1));
        assert!(positions.advance(&of, Position::Committed, at(5)));
        positions.place_mut(&of).unwrap().position = at(90);
        assert!(!positions.advance(&of, at(5), at(6)));
        assert_eq!(positions.offsets(), [(of.clone(), Offset(90), LeaderEpoch(-1))]);
        positions.assign(&BTreeSet::new());
        assert!(!positions.advance(&of, at(90), at(91)));
    }

    #[test]
    fn an_answer_from_before_a_partition_went_and_came_back_moves_nothing() {
        let of = TopicPartition::new("t", 0);
        let mut positions = Positions::default();
        let at = |offset| Position::At(Offset(offset), LeaderEpoch(-1));
        positions.assign(&[of.clone()].into());
        let before = positions.unresolved(Timestamp(0)).remove(0);
        positions.assign(&BTreeSet::new());
        positions.assign(&[of.clone()].into());
        assert!(!positions.found(&before, at(5)), "others may have committed since");
        let now = positions.unresolved(Timestamp(0)).remove(0);
        assert!(positions.found(&now, at(9)));
        assert_eq!(positions.offsets(), [(of, Offset(9), LeaderEpoch(-1))]);
    }

    #[test]
    fn partitions_that_stay_keep_their_place() {
        let [zero, one] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let mut positions = Positions::default();
        positions.assign(&[zero.clone()].into());
        positions.advance(&zero, Position::Committed, Position::At(Offset(5), LeaderEpoch(0)));
        positions.assign(&[zero, one.clone()].into());
        assert_eq!(positions.offsets().len(), 1);
        let open: Vec<_> = positions.unresolved(Timestamp(0)).into_iter().map(|o| o.of).collect();
        assert_eq!(open, std::slice::from_ref(&one));
        positions.hold(&one, Timestamp(9));
        assert!(positions.unresolved(Timestamp(8)).is_empty());
        assert_eq!(positions.wake(Timestamp(8)), Some(Timestamp(9)));
        assert_eq!(positions.wake(Timestamp(9)), None);
    }
}
