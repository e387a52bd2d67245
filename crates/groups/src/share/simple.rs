//! The assignor `simple` of share groups: every partition has somebody, every member about as many.
//!
//! Where there are more members than partitions, several share one. What a member has it keeps as
//! far as that fits (SimpleAssignor). Members that subscribe alike are looked at together, others
//! topic by topic. Must hold: nobody is given what they do not subscribe to, and no partition that
//! somebody subscribes to is nobody's.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{PartitionIndex, TopicId};

/// A partition of a topic.
pub(super) type Place = (TopicId, PartitionIndex);

/// A member, as far as the assignor looks at it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// What it subscribes to.
    pub(super) topics: BTreeSet<TopicId>,
    /// What it was given last.
    pub(super) had: BTreeSet<Place>,
}

/// What each member is given, in the order of the members; `open` tells the partitions of a topic
/// that may be given.
pub(super) fn assign(
    members: &[Candidate],
    open: &dyn Fn(TopicId) -> Vec<Place>,
) -> Vec<BTreeSet<Place>> {
    let all: BTreeSet<TopicId> = members.iter().flat_map(|it| &it.topics).copied().collect();
    let alike = members.iter().all(|member| member.topics == all);
    let rounds: Vec<Vec<TopicId>> = if alike {
        vec![all.into_iter().collect()]
    } else {
        all.into_iter().map(|topic| vec![topic]).collect()
    };
    let mut given = vec![BTreeSet::new(); members.len()];
    for topics in rounds {
        let open: Vec<Place> = topics.iter().flat_map(|topic| open(*topic)).collect();
        let wants = |member: &Candidate| topics.iter().all(|topic| member.topics.contains(topic));
        let wanting: Vec<usize> = (0..members.len()).filter(|at| wants(&members[*at])).collect();
        let had: Vec<&BTreeSet<Place>> = wanting.iter().map(|at| &members[*at].had).collect();
        for (at, of_round) in wanting.into_iter().zip(share_out(&open, &had)) {
            given[at].extend(of_round);
        }
    }
    given
}

/// Shares partitions out among members, by what each of them had.
fn share_out(open: &[Place], had: &[&BTreeSet<Place>]) -> Vec<BTreeSet<Place>> {
    let (count, members) = (open.len(), had.len());
    let mut given: Vec<BTreeSet<Place>> = vec![BTreeSet::new(); members];
    if count == 0 || members == 0 {
        return given;
    }
    let sharing = members.div_ceil(count);
    let all = count * sharing;
    // So many for each, which differ by one at most and add up to all.
    let room =
        |member: usize| (all * (member + 1)).div_ceil(members) - (all * member).div_ceil(members);
    let mut holders: BTreeMap<Place, usize> = open.iter().map(|place| (*place, 0)).collect();
    let had_by = |place: &Place| had.iter().filter(|had| had.contains(place)).count();
    let sharers: BTreeMap<Place, usize> =
        open.iter().map(|place| (*place, had_by(place))).collect();
    for (member, had) in had.iter().enumerate() {
        // What others can keep as well is let go first.
        let mut kept: Vec<&Place> =
            had.iter().filter(|place| sharers.contains_key(place)).collect();
        kept.sort_by_key(|place| (sharers[*place], *place));
        for place in kept {
            let Some(held) = holders.get_mut(place).filter(|held| **held < sharing) else {
                continue;
            };
            if given[member].len() < room(member) {
                given[member].insert(*place);
                *held += 1;
            }
        }
    }
    for (member, given) in given.iter_mut().enumerate() {
        // Those that nobody has come first.
        while given.len() < room(member) {
            let free = holders
                .iter_mut()
                .filter(|(place, held)| **held < sharing && !given.contains(*place));
            let Some((place, held)) = free.min_by_key(|(place, held)| (**held, **place)) else {
                break;
            };
            given.insert(*place);
            *held += 1;
        }
    }
    // Where only those had room who have it already, somebody gets one more.
    for place in holders.iter().filter(|(_, held)| **held == 0).map(|(place, _)| *place) {
        if let Some(least) = given.iter_mut().min_by_key(|given| given.len()) {
            least.insert(place);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    //! tests/golden/shares.txt is what conform/golden/kafka-4.3 printed by the class of Kafka:
    //! groups in pairs, of which the second begins with what the first was given.

    use ottla_wire::Uuid;

    use super::*;

    /// A line of the captured ones: a group, and what Kafka's assignor gave to its members.
    struct Case {
        line: &'static str,
        open: BTreeMap<TopicId, Vec<Place>>,
        members: Vec<Candidate>,
        kafka: Vec<BTreeSet<Place>>,
    }

    fn topic(text: &str) -> TopicId {
        TopicId(Uuid::from_u128(text.parse().expect("a number")))
    }

    fn index(text: &str) -> PartitionIndex {
        PartitionIndex(text.parse().expect("a number"))
    }

    fn places(text: &str) -> BTreeSet<Place> {
        let places = text.split_whitespace().map(|place| {
            let (name, partition) = place.split_once(':').expect("topic:partition");
            (topic(name), index(partition))
        });
        places.collect()
    }

    fn cases() -> impl Iterator<Item = Case> {
        let text = include_str!("../../tests/golden/shares.txt");
        text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (sizes, told) = line.split_once(';').expect("two parts");
            let open = sizes.split(',').map(|size| {
                let (name, count) = size.split_once('=').expect("topic=partitions");
                let (count, without) = count.split_once('-').unwrap_or((count, "0"));
                let count = index(count).0 - index(without).0;
                let places = (0..count).map(|at| (topic(name), PartitionIndex(at)));
                (topic(name), places.collect())
            });
            let (mut members, mut kafka) = (Vec::new(), Vec::new());
            for member in told.split(',') {
                let words: Vec<&str> = member.split('/').collect();
                let topics = words[1].split('+').filter(|name| !name.is_empty()).map(topic);
                members.push(Candidate { topics: topics.collect(), had: places(words[2]) });
                kafka.push(places(words[3]));
            }
            Case { line, open: open.collect(), members, kafka }
        })
    }

    fn ours(case: &Case) -> Vec<BTreeSet<Place>> {
        assign(&case.members, &|topic| case.open[&topic].clone())
    }

    /// What may be given at all: who wants it, and it has a state.
    fn wanted(case: &Case) -> BTreeSet<Place> {
        let topics: BTreeSet<TopicId> =
            case.members.iter().flat_map(|member| &member.topics).copied().collect();
        topics.iter().flat_map(|topic| case.open[topic].clone()).collect()
    }

    /// How many hold each partition, of those that may be given.
    fn holders(case: &Case, given: &[BTreeSet<Place>]) -> Vec<usize> {
        let count = |place| given.iter().filter(|given| given.contains(place)).count();
        wanted(case).iter().map(count).collect()
    }

    fn squares(counts: impl IntoIterator<Item = usize>) -> usize {
        counts.into_iter().map(|count| count * count).sum()
    }

    /// What members had, could have kept, and have not.
    fn moves(case: &Case, given: &[BTreeSet<Place>]) -> usize {
        let wanted = wanted(case);
        let members = case.members.iter().zip(given);
        let lost = members.map(|(member, given)| {
            let mine = |place: &&Place| member.topics.contains(&place.0) && wanted.contains(place);
            member.had.iter().filter(mine).filter(|place| !given.contains(place)).count()
        });
        lost.sum()
    }

    #[test]
    fn nobody_has_what_they_do_not_want_and_everything_is_somebodys() {
        for case in cases() {
            let (given, wanted) = (ours(&case), wanted(&case));
            for (member, given) in case.members.iter().zip(&given) {
                for place in given {
                    assert!(member.topics.contains(&place.0), "{place:?} {}", case.line);
                    assert!(wanted.contains(place), "{place:?} {}", case.line);
                }
            }
            assert!(holders(&case, &given).iter().all(|held| *held > 0), "{}", case.line);
        }
    }

    #[test]
    fn groups_are_as_balanced_as_kafkas_and_move_no_more() {
        for case in cases() {
            let (given, line) = (ours(&case), case.line);
            let loads = |given: &[BTreeSet<Place>]| squares(given.iter().map(BTreeSet::len));
            assert_eq!(loads(&given), loads(&case.kafka), "{line}");
            let (here, there) = (holders(&case, &given), holders(&case, &case.kafka));
            assert_eq!(squares(here), squares(there), "{line}");
            let (here, there) = (moves(&case, &given), moves(&case, &case.kafka));
            assert!(here <= there, "{here} > {there} {line}");
        }
    }

    fn open(count: i32) -> Vec<Place> {
        let topic = TopicId(Uuid([1; 16]));
        (0..count).map(|index| (topic, PartitionIndex(index))).collect()
    }

    #[test]
    fn every_partition_has_somebody_and_every_member_about_as_many() {
        for partitions in 1..12 {
            for members in 1..12 {
                let open = open(partitions);
                let given = share_out(&open, &vec![&BTreeSet::new(); members]);
                for place in &open {
                    let holders = given.iter().filter(|given| given.contains(place)).count();
                    assert!(holders > 0, "{place:?} of {partitions} among {members}");
                }
                let least = given.iter().map(BTreeSet::len).min().unwrap();
                let most = given.iter().map(BTreeSet::len).max().unwrap();
                assert!(most - least <= 1, "{partitions} among {members}: {least} to {most}");
            }
        }
    }

    #[test]
    fn what_a_member_has_it_keeps() {
        let open = open(6);
        let alone = share_out(&open, &[&BTreeSet::new()]);
        let both = share_out(&open, &[&alone[0], &BTreeSet::new()]);
        assert!(both[0].is_subset(&alone[0]) && both[0].len() == 3 && both[1].len() == 3);
        assert_eq!(share_out(&open, &[&both[0], &both[1]]), both);
    }
}
