//! Who shall have what: when a new assignment is due, and what it is.
//!
//! One is due when the group's epoch is ahead of the last one's, but not sooner after that than the
//! assignment interval, so that members who come one by one are assigned together. Not here: how
//! partitions are shared out (assign/). Must hold: the target of an epoch is written as a whole.

use std::collections::BTreeMap;

use ottla_wire::{StrBytes, Timestamp};

use crate::consumer::ConsumerDraft;
use crate::consumer::assign::{Assignable, Candidate, assignor};
use crate::consumer::settings::ConsumerSettings;
use crate::consumer::state::{ConsumerGroup, session_ms, target_entry, target_epoch_entry};
use crate::consumer::subscription::topics_of_members;
use crate::{Ask, Soft, Topics};

/// Computes new targets if they are due, while `asking` waits for its answer.
pub(crate) fn retarget(
    draft: &mut ConsumerDraft<'_>,
    soft: &Soft,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    asking: &StrBytes,
) {
    let group = draft.group();
    if !group.epochs().is_ahead() || assignment_wait_ms(group, &draft.id, ask) > 0 {
        return;
    }
    let name = preferred_assignor(group, &ask.settings.consumer);
    let Some(assignor) = assignor(name).or_else(|| self::assignor("uniform")) else { return };
    let next_heartbeat = |member: &StrBytes| match member == asking {
        true => Timestamp(i64::MIN),
        false => next_heartbeat(group, soft, ask, &draft.id, member),
    };
    let assignable = assignable(group, topics, &next_heartbeat);
    let assigned = (assignor.assign)(&assignable);
    let epoch = group.epochs().epoch();
    let shared_out = assignable.members.iter().zip(&assigned);
    let changed = shared_out.filter(|(member, target)| {
        group.targets().get(&member.id).is_none_or(|known| known.as_ref() != *target)
    });
    let entries: Vec<_> =
        changed.map(|(member, target)| target_entry(&member.id, target)).collect();
    for entry in entries {
        draft.push(entry);
    }
    draft.push(target_epoch_entry(epoch, ask.now.wall));
}

/// How long an assignment has to wait if one is needed now.
pub(crate) fn assignment_wait_ms(group: &ConsumerGroup, id: &str, ask: &Ask<'_>) -> i64 {
    let interval_ms = i64::from(ask.settings.consumer.times_of(id).assignment_interval_ms);
    // A clock that was set back must not hold the group up.
    assignment_age_ms(group, ask).map_or(0, |age_ms| (interval_ms - age_ms).max(0))
}

/// How long ago the last assignment was; none when there was none, or when it was in the future.
pub(crate) fn assignment_age_ms(group: &ConsumerGroup, ask: &Ask<'_>) -> Option<i64> {
    let passed_ms = ask.now.wall - group.epochs().target_at()?;
    Some(passed_ms).filter(|passed_ms| *passed_ms >= 0)
}

/// The assignor that most members with a wish want, else the broker's first.
pub(crate) fn preferred_assignor<'a>(
    group: &'a ConsumerGroup,
    settings: &'a ConsumerSettings,
) -> &'a str {
    let wishes = group.census().assignors();
    let most = wishes.max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)));
    most.map_or(settings.assignor(), |(name, _)| name)
}

/// When a member will probably be heard of: who was silent for longest is next, but for those who
/// are late and may be gone.
fn next_heartbeat(
    group: &ConsumerGroup,
    soft: &Soft,
    ask: &Ask<'_>,
    id: &StrBytes,
    member: &StrBytes,
) -> Timestamp {
    let interval_ms = i64::from(ask.settings.consumer.times_of(id).heartbeat_interval_ms);
    let known = group.member(member).zip(soft.consumers.session(id, member));
    let Some((value, until)) = known else { return Timestamp(i64::MAX) };
    let next = until + (interval_ms - session_ms(value, ask.settings, id));
    let is_late = ask.now.steady - next > HEARTBEAT_LATE_MS;
    if is_late { Timestamp(i64::MAX) } else { next }
}

fn assignable(
    group: &ConsumerGroup,
    topics: &dyn Topics,
    next_heartbeat: &dyn Fn(&StrBytes) -> Timestamp,
) -> Assignable {
    let wanted = topics_of_members(group, topics);
    let mut partitions = BTreeMap::new();
    for topic in wanted.iter().flat_map(|topics| topics.iter()) {
        partitions.entry(*topic).or_insert_with(|| topics.partition_count(*topic));
    }
    let members = group.members().iter().zip(wanted).map(|((id, value), topics)| Candidate {
        id: id.clone(),
        instance: value.instance_id.clone(),
        topics,
        had: group.target(id),
        next_heartbeat: next_heartbeat(id),
    });
    Assignable { members: members.collect(), partitions }
}

/// Whoever is later than this is not counted on.
const HEARTBEAT_LATE_MS: i64 = 1_000;
