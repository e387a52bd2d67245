//! What goes by itself: offsets whose retention is over or whose topic is deleted, groups of
//! nothing.
//!
//! The clock of a group that nobody is in starts when the last member left, that of a live group of
//! consumers at the commit, and only for topics that nobody subscribes to. Must hold: an offset of
//! an open transaction never expires.

use std::collections::BTreeSet;
use std::ops::Bound;

use ottla_wire::{StrBytes, Timestamp, TopicId};

use crate::classic::{Out, Phase, Session};
use crate::offsets::{CommittedOffset, OffsetKey};
use crate::soft::TICK_RECORDS_MAX;
use crate::state::Group;
use crate::{Decided, GroupRecord, Groups, Now, Settings, Soft};

/// From when on a group's offsets grow old.
enum Clock {
    /// They do not.
    Never,
    /// From this time on.
    Since(Timestamp),
    /// From the commit on, but for the topics of this list.
    Commit(BTreeSet<StrBytes>),
}

impl Groups {
    /// Looks through the offsets of groups for what has expired, until a decision's worth of
    /// records or of work is done; the rest is due at once.
    pub(crate) fn cleanup(&self, soft: &mut Soft, out: &mut Out<'_>) {
        let from = soft.cleanup_from.take().map_or(Bound::Unbounded, Bound::Included);
        let mut seen = 0;
        for (id, group) in self.groups.range((from, Bound::Unbounded)) {
            seen += 1;
            let is_done = out.records.len() < TICK_RECORDS_MAX
                && seen <= OFFSETS_SEEN_MAX
                && self.cleanup_group(soft, id, group, &mut seen, out);
            if !is_done {
                soft.cleanup_from = Some(id.clone());
                soft.cleanup_at = Some(out.now.steady);
                return;
            }
        }
        let interval = out.settings.offsets_retention_check_interval_ms.max(1);
        soft.cleanup_at = Some(out.now.steady + interval);
    }

    /// Answers whether it came to the group's end; what it has left is found by the next look.
    fn cleanup_group(
        &self,
        soft: &mut Soft,
        id: &StrBytes,
        group: &Group,
        seen: &mut usize,
        out: &mut Out<'_>,
    ) -> bool {
        let kind = group.kinds.group();
        if kind.is_some_and(|kind| !kind.keeps_offsets()) {
            return true;
        }
        let session = soft.sessions.get(id);
        let clock = clock(group, session);
        let mut left = 0;
        for (topic, partition, committed) in group.offsets.iter() {
            if out.records.len() >= TICK_RECORDS_MAX {
                return false;
            }
            *seen += 1;
            let is_pending = !self.pending.is_empty()
                && self.pending.contains(&OffsetKey::copied(id, topic, partition));
            if !is_pending && has_expired(&clock, topic, committed, out.now.wall, out.settings) {
                out.records.push(GroupRecord::forget_offset(id, topic, partition));
            } else {
                left += 1;
            }
        }
        let nobody =
            session.is_none_or(|session| session.phase() == Phase::Empty && !session.has_pending());
        let nobody = nobody && kind.is_none_or(|kind| kind.is_empty());
        let pending = self.pending.of_group(id).next().is_some();
        if left == 0 && nobody && !pending {
            group.end(soft, id, &mut out.records);
        }
        true
    }

    /// Topics are deleted: removes what was committed for them. A topic of the same name that was
    /// created since keeps its offsets.
    ///
    /// One decision removes so many offsets at most; the rest is due at once.
    pub fn topics_deleted(
        &self,
        soft: &mut Soft,
        now: Now,
        deleted: &[(StrBytes, TopicId)],
    ) -> Decided {
        soft.forgetting.extend(deleted.iter().cloned());
        let mut records = self.share_topics_deleted(deleted);
        records.extend(self.forget_topics(soft, now));
        Decided { records, wake: soft.wake(), ..Decided::default() }
    }

    /// Goes on with the topics that are to be forgotten.
    pub(crate) fn forget_topics(&self, soft: &mut Soft, now: Now) -> Vec<GroupRecord> {
        let mut gone = BTreeSet::new();
        while let Some((name, topic_id)) = soft.forgetting.front() {
            let committed = self.groups.iter().flat_map(|(id, group)| {
                let partitions = group.offsets.topic(name).into_iter().flatten();
                let of_topic = partitions.filter(|(_, committed)| {
                    committed.topic_id == TopicId::ZERO || committed.topic_id == *topic_id
                });
                of_topic.map(|(partition, _)| OffsetKey {
                    group: id.clone(),
                    topic: name.clone(),
                    partition: *partition,
                })
            });
            let pending = self.pending.keys().filter(|key| key.topic == *name).cloned();
            let room = TICK_RECORDS_MAX.saturating_sub(gone.len());
            gone.extend(committed.chain(pending).take(room));
            if gone.len() >= TICK_RECORDS_MAX {
                break;
            }
            soft.forgetting.pop_front();
        }
        soft.forget_at = (!soft.forgetting.is_empty()).then_some(now.steady);
        let forgotten = gone
            .iter()
            .map(|key| GroupRecord::forget_offset(&key.group, &key.topic, key.partition));
        forgotten.collect()
    }
}

fn clock(group: &Group, session: Option<&Session>) -> Clock {
    if let Some(group) = group.kinds.group() {
        return Clock::Commit(group.subscribed());
    }
    let metadata = group.metadata.as_deref();
    if let Some(session) = session.filter(|session| session.phase() != Phase::Empty) {
        if session.phase() != Phase::Stable || !session.is_of_consumers() {
            return Clock::Never;
        }
        return session.subscriptions().map_or(Clock::Never, Clock::Commit);
    }
    let has_type = metadata.is_some_and(|metadata| !metadata.protocol_type.is_empty());
    match metadata.map(|metadata| metadata.current_state_timestamp) {
        Some(since) if has_type && since.0 != -1 => Clock::Since(since),
        _ => Clock::Commit(BTreeSet::new()),
    }
}

fn has_expired(
    clock: &Clock,
    topic: &StrBytes,
    committed: &CommittedOffset,
    now: Timestamp,
    settings: &Settings,
) -> bool {
    let since = match clock {
        Clock::Never => return false,
        Clock::Commit(subscribed) if subscribed.contains(topic) => return false,
        Clock::Commit(_) => committed.committed_at,
        Clock::Since(since) => *since,
    };
    match committed.expires_at {
        Some(at) => now >= at,
        None => now - since >= settings.offsets_retention_ms,
    }
}

/// One decision looks at about as many offsets at most.
const OFFSETS_SEEN_MAX: usize = 20_000;
