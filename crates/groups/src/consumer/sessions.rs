//! When members of groups are given up: their sessions, and how long they may take to let go.
//!
//! One list of times for all groups of a coordinator partition. A heartbeat moves a member's times
//! without moving its place in the list: whoever is woken too early is filed anew, so that a
//! heartbeat costs no more than a lookup. Nothing in here knows what a member is: all kinds of
//! groups use it. Must hold: a member with a time is filed at that time or before.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{MemberEpoch, Offset, StrBytes, Timestamp};

use crate::soft::TICK_RECORDS_MAX;

/// The times of all members of the groups of one coordinator partition.
#[derive(Debug, Default)]
pub(crate) struct MemberTimes {
    groups: BTreeMap<StrBytes, GroupTimes>,
    due: BTreeSet<(Timestamp, StrBytes, StrBytes)>,
}

/// The times of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupTimes {
    members: BTreeMap<StrBytes, Times>,
    /// The metadata that the group's topics were last looked up in.
    pub(crate) topics_seen: Option<Offset>,
}

#[derive(Debug)]
struct Times {
    session: Timestamp,
    rebalance: Option<Rebalance>,
    filed: Timestamp,
}

/// Until when a member must have let go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rebalance {
    pub(crate) until: Timestamp,
    /// The epoch that it must have left by then.
    pub(crate) epoch: MemberEpoch,
}

/// Why a member's time is up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TimeUp {
    /// It has been silent for too long.
    Session,
    /// It has kept partitions of this epoch for too long.
    Rebalance(MemberEpoch),
}

impl MemberTimes {
    /// When the next member is to be looked at.
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// The times of a group, if it has any.
    pub(crate) fn group(&mut self, group: &str) -> Option<&mut GroupTimes> {
        self.groups.get_mut(group)
    }

    /// When a member's session ends, if nothing is heard of it.
    pub(crate) fn session(&self, group: &str, member: &str) -> Option<Timestamp> {
        Some(self.groups.get(group)?.members.get(member)?.session)
    }

    /// A member has been heard of: its session ends at `until`. The text of a new one's id is kept,
    /// so it must be its own.
    pub(crate) fn heard(&mut self, group: &StrBytes, member: &StrBytes, until: Timestamp) {
        self.change(group, member, |times| times.session = until, until);
    }

    /// A member has to let go in time, or need not any more.
    pub(crate) fn rebalance(
        &mut self,
        group: &StrBytes,
        member: &StrBytes,
        rebalance: Option<Rebalance>,
    ) {
        let until = rebalance.map_or(Timestamp(i64::MAX), |rebalance| rebalance.until);
        self.change(group, member, |times| times.rebalance = rebalance, until);
    }

    /// Whether a member has to let go, or to come back, in time.
    pub(crate) fn has_rebalance(&self, group: &str, member: &str) -> bool {
        let times = self.groups.get(group).and_then(|group| group.members.get(member));
        times.is_some_and(|times| times.rebalance.is_some())
    }

    fn change(
        &mut self,
        group: &StrBytes,
        member: &StrBytes,
        change: impl FnOnce(&mut Times),
        at: Timestamp,
    ) {
        let known = self.groups.get_mut(group).and_then(|group| group.members.get_mut(member));
        if let Some(times) = known {
            change(times);
            let next = times.next();
            if next < times.filed {
                self.due.remove(&(times.filed, group.clone(), member.clone()));
                times.filed = next;
                self.due.insert((next, group.clone(), member.clone()));
            }
            return;
        }
        let known = self.groups.get_key_value(group).map(|(group, _)| group.clone());
        let group = known.unwrap_or_else(|| StrBytes::copied(group));
        let session = Timestamp(i64::MAX);
        let mut times = Times { session, rebalance: None, filed: at };
        change(&mut times);
        self.groups.entry(group.clone()).or_default().members.insert(member.clone(), times);
        self.due.insert((at, group, member.clone()));
    }

    /// A member is gone; with the last one its group goes.
    pub(crate) fn remove(&mut self, group: &StrBytes, member: &StrBytes) {
        let Some(times) = self.groups.get_mut(group) else { return };
        if let Some(gone) = times.members.remove(member) {
            self.due.remove(&(gone.filed, group.clone(), member.clone()));
        }
        if times.members.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Nobody is in the group any more.
    pub(crate) fn remove_group(&mut self, group: &StrBytes) {
        let Some(times) = self.groups.remove(group) else { return };
        for (member, gone) in times.members {
            self.due.remove(&(gone.filed, group.clone(), member));
        }
    }

    /// The first member whose time is up at `now`. Asked again, it is told again.
    pub(crate) fn up(&mut self, now: Timestamp) -> Option<(StrBytes, StrBytes, TimeUp)> {
        let mut is_filed_anew = false;
        while let Some((at, group, member)) = self.due.first().cloned() {
            if at > now {
                break;
            }
            let Some(times) =
                self.groups.get_mut(&group).and_then(|it| it.members.get_mut(&member))
            else {
                self.due.pop_first();
                continue;
            };
            if times.session <= now {
                return Some((group, member, TimeUp::Session));
            }
            if let Some(rebalance) = times.rebalance.filter(|rebalance| rebalance.until <= now) {
                times.rebalance = None;
                return Some((group, member, TimeUp::Rebalance(rebalance.epoch)));
            }
            self.due.pop_first();
            times.filed = times.next();
            self.due.insert((times.filed, group, member));
            is_filed_anew = true;
        }
        if is_filed_anew {
            self.look_ahead(now);
        }
        None
    }

    /// Takes out the members whose time is up, by group, as many as one decision removes. `is_over`
    /// says of a time whether it counts yet, and nothing of who is no member.
    pub(crate) fn take_up(
        &mut self,
        now: Timestamp,
        is_over: impl Fn(&str, &str, TimeUp) -> Option<bool>,
    ) -> BTreeMap<StrBytes, Vec<StrBytes>> {
        let mut gone: BTreeMap<StrBytes, Vec<StrBytes>> = BTreeMap::new();
        let mut count = 0;
        while count < TICK_RECORDS_MAX / RECORDS_PER_MEMBER
            && let Some((group, member, up)) = self.up(now)
        {
            let judged = is_over(&group, &member, up);
            if judged == Some(false) {
                continue;
            }
            self.remove(&group, &member);
            if judged.is_some() {
                gone.entry(group).or_default().push(member);
                count += 1;
            }
        }
        gone
    }

    /// Files those anew who are filed shortly after `now` and have been heard of since: one wake
    /// does for many members what each would cause one for.
    fn look_ahead(&mut self, now: Timestamp) {
        let until = now + LOOK_AHEAD_MS;
        let soon = self.due.iter().take_while(|(at, ..)| *at <= until);
        let moved = soon.filter(|(at, group, member)| {
            let times = self.groups.get(group).and_then(|it| it.members.get(member));
            times.is_none_or(|times| times.next() > *at)
        });
        for filed in moved.cloned().collect::<Vec<_>>() {
            self.due.remove(&filed);
            let (_, group, member) = filed;
            let times = self.groups.get_mut(&group).and_then(|it| it.members.get_mut(&member));
            if let Some(times) = times {
                times.filed = times.next();
                self.due.insert((times.filed, group, member));
            }
        }
    }
}

impl Times {
    fn next(&self) -> Timestamp {
        self.rebalance.map_or(self.session, |rebalance| rebalance.until.min(self.session))
    }
}

/// How far a wake looks ahead for members who have been heard of since they were filed.
const LOOK_AHEAD_MS: i64 = 5_000;

/// Each member that goes leaves three tombstones.
const RECORDS_PER_MEMBER: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (StrBytes, StrBytes) {
        (StrBytes::from("g"), StrBytes::from("m"))
    }

    #[test]
    fn a_member_that_was_heard_of_since_is_filed_anew() {
        let (g, m) = names();
        let mut times = MemberTimes::default();
        times.heard(&g, &m, Timestamp(45));
        times.heard(&g, &m, Timestamp(50));
        assert_eq!((times.wake(), times.up(Timestamp(45))), (Some(Timestamp(45)), None));
        assert_eq!(times.wake(), Some(Timestamp(50)));
        assert_eq!(times.up(Timestamp(50)), Some((g.clone(), m.clone(), TimeUp::Session)));
        times.remove(&g, &m);
        assert!(times.wake().is_none() && times.groups.is_empty());
    }

    #[test]
    fn one_wake_files_anew_all_who_were_filed_shortly_after_it() {
        let (g, _) = names();
        let mut times = MemberTimes::default();
        for member in 0..100 {
            let m = StrBytes::from(format!("m{member}"));
            times.heard(&g, &m, Timestamp(45_000 + 30 * member));
            times.heard(&g, &m, Timestamp(87_000 + 30 * member));
        }
        let silent = StrBytes::from("silent");
        times.heard(&g, &silent, Timestamp(49_000));
        assert_eq!(times.up(Timestamp(45_000)), None);
        assert_eq!(times.wake(), Some(Timestamp(49_000)));
        assert_eq!(times.up(Timestamp(49_000)), Some((g.clone(), silent.clone(), TimeUp::Session)));
        times.remove(&g, &silent);
        assert_eq!(times.wake(), Some(Timestamp(87_000)));
    }

    #[test]
    fn an_earlier_time_counts_at_once_and_is_told_once() {
        let (g, m) = names();
        let mut times = MemberTimes::default();
        times.heard(&g, &m, Timestamp(45));
        let rebalance = Rebalance { until: Timestamp(10), epoch: MemberEpoch(3) };
        times.rebalance(&g, &m, Some(rebalance));
        assert_eq!(times.wake(), Some(Timestamp(10)));
        let up = TimeUp::Rebalance(MemberEpoch(3));
        assert_eq!(times.up(Timestamp(10)), Some((g, m, up)));
        assert_eq!(times.up(Timestamp(10)), None);
        assert_eq!(times.wake(), Some(Timestamp(45)));
    }
}
