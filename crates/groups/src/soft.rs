//! What need not survive: sessions of groups and when to look at each of them again.
//!
//! Dropping all of it is what a change of the coordinator does; dropping one session
//! ([`Groups::abandon`]) does the same to one group. Must hold: every ticket parked in here is
//! answered by a later decision, and a group at rest costs no entry.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ottla_machine::Ticket;
use ottla_wire::{ErrorCode, Offset, StrBytes, Timestamp, TopicId};

use crate::classic::{Out, Session};
use crate::consumer::MemberTimes;
use crate::kinds::Kinds;
use crate::streams::SoftStreams;
use crate::{Decided, GroupReply, Groups, Now, Settings, Topics};

/// How often heartbeats have given groups a new epoch since this state was begun: that many times
/// tasks or partitions were shared out anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebalances {
    /// Groups of KIP-848.
    pub consumers: u64,
    /// Share groups.
    pub shares: u64,
    /// Streams groups.
    pub streams: u64,
}

/// The soft state beside one [`Groups`].
#[derive(Debug, Default)]
pub struct Soft {
    /// What was decided counts, also where its records never came to be.
    pub(crate) rebalances: Rebalances,
    pub(crate) sessions: BTreeMap<StrBytes, Session>,
    wakes: BTreeSet<(Timestamp, StrBytes)>,
    /// The times of members of KIP-848 groups.
    pub(crate) consumers: MemberTimes,
    /// What is known of streams groups.
    pub(crate) streams: SoftStreams,
    /// The times of members of share groups.
    pub(crate) sharers: MemberTimes,
    /// When share groups last asked for the states of partitions to be begun.
    pub(crate) share_initializing: BTreeMap<StrBytes, Timestamp>,
    /// Where the metadata log stood when topics, their partitions or racks last changed.
    pub(crate) topics_changed: Offset,
    /// When offsets are next looked through for what has expired.
    pub(crate) cleanup_at: Option<Timestamp>,
    /// Where the look through goes on when one decision was not enough for it.
    pub(crate) cleanup_from: Option<StrBytes>,
    /// Topics that are deleted and whose offsets are not all removed yet.
    pub(crate) forgetting: VecDeque<(StrBytes, TopicId)>,
    /// When that goes on.
    pub(crate) forget_at: Option<Timestamp>,
}

impl Soft {
    /// How often groups were shared out anew.
    pub fn rebalances(&self) -> Rebalances {
        self.rebalances
    }

    /// Requests that wait for a later decision.
    pub fn parked(&self) -> usize {
        self.sessions.values().map(Session::parked).sum()
    }

    /// The earliest time at which [`Groups::tick`] has something to do.
    pub fn wake(&self) -> Option<Timestamp> {
        let session = self.wakes.first().map(|(at, _)| *at);
        let times = [session, Kinds::wake(self), self.cleanup_at, self.forget_at];
        times.into_iter().flatten().min()
    }

    /// An answer that follows from nothing that is to be written.
    pub(crate) fn answer(&self, ticket: Ticket, reply: GroupReply) -> Decided {
        Decided { wake: self.wake(), ..Decided::reply(ticket, reply) }
    }

    /// Files a session's next deadline, or forgets the session when it holds nothing.
    pub(crate) fn settle(&mut self, id: &str) {
        let Some(id) = self.sessions.get_key_value(id).map(|(id, _)| id.clone()) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let next = session.next_deadline();
        if session.armed != next {
            if let Some(at) = session.armed.take() {
                self.wakes.remove(&(at, id.clone()));
            }
            if let Some(at) = next {
                session.armed = Some(at);
                self.wakes.insert((at, id.clone()));
            }
        }
        if session.is_idle() {
            self.remove(&id);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Session> {
        let (id, session) = self.sessions.remove_entry(id)?;
        if let Some(at) = session.armed {
            self.wakes.remove(&(at, id));
        }
        Some(session)
    }

    /// The group that is due first, at `now` or before.
    pub(crate) fn due(&self, now: Timestamp) -> Option<StrBytes> {
        self.wakes.first().filter(|(at, _)| *at <= now).map(|(_, id)| id.clone())
    }
}

impl Groups {
    /// The partition is loaded: restarts the sessions of all members, as Kafka does, and rebalances
    /// groups that are larger than allowed.
    pub fn loaded(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        let mut out = Out::new(now, settings);
        for (id, group) in &self.groups {
            group.kinds.restart(soft, id, now, settings);
            if let Some(session) = self.restore(soft, id, now) {
                session.shrink_if_over_capacity(&mut out);
                soft.settle(id);
            }
        }
        soft.cleanup_at = Some(now.steady + settings.offsets_retention_check_interval_ms);
        out.decided(soft)
    }

    /// Makes the session of a group that has members according to its last record.
    fn restore<'a>(&self, soft: &'a mut Soft, id: &str, now: Now) -> Option<&'a mut Session> {
        let group = self.group(id).filter(|group| group.is_classic())?;
        let metadata = group.metadata.as_ref().filter(|metadata| !metadata.members.is_empty())?;
        soft.sessions.insert(StrBytes::copied(id), Session::restored(id, metadata, now));
        soft.settle(id);
        soft.sessions.get_mut(id)
    }

    /// Does what is due at `now`: ends sessions and rebalances, expires offsets.
    pub fn tick(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        topics: &dyn Topics,
    ) -> Decided {
        let mut out = Out::new(now, settings);
        while out.records.len() < TICK_RECORDS_MAX
            && let Some(id) = soft.due(now.steady)
        {
            if let Some(session) = soft.sessions.get_mut(&id) {
                session.expire(&mut out);
            }
            soft.settle(&id);
        }
        if out.records.len() < TICK_RECORDS_MAX {
            Kinds::tick(self, soft, topics, &mut out);
        }
        if soft.forget_at.is_some_and(|at| at <= now.steady) && out.records.len() < TICK_RECORDS_MAX
        {
            out.records.extend(self.forget_topics(soft, now));
        }
        if soft.cleanup_at.is_some_and(|at| at <= now.steady)
            && out.records.len() < TICK_RECORDS_MAX
        {
            self.cleanup(soft, &mut out);
        }
        out.decided(soft)
    }

    /// Forgets one group's session and answers what waits in it: what to do when the append of a
    /// record of this group's members failed. They go on from the last record.
    pub fn abandon(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        group: &str,
        error: ErrorCode,
    ) -> Decided {
        let mut replies = Vec::new();
        if let Some(mut session) = soft.remove(group) {
            session.answer_all(error, &mut replies);
        }
        self.restore(soft, group, now);
        let id = StrBytes::copied(group);
        Kinds::forget(soft, &id);
        if let Some(group) = self.group(group) {
            group.kinds.restart(soft, &id, now, settings);
        }
        Decided { replies, wake: soft.wake(), ..Decided::default() }
    }

    /// Topics, their partitions or the racks of brokers have changed, as of `at` in the metadata
    /// log: groups look at their subscriptions again with their next heartbeat.
    pub fn topics_changed(&self, soft: &mut Soft, at: Offset) -> Decided {
        soft.topics_changed = soft.topics_changed.max(at);
        Decided { wake: soft.wake(), ..Decided::default() }
    }

    /// The coordinator moves away: answers all that waits.
    pub fn unload(soft: &mut Soft, error: ErrorCode) -> Decided {
        let mut replies = Vec::new();
        for session in soft.sessions.values_mut() {
            session.answer_all(error, &mut replies);
        }
        *soft = Soft::default();
        Decided { replies, ..Decided::default() }
    }
}

/// One tick appends about as many records at most; the rest follows at once.
pub(crate) const TICK_RECORDS_MAX: usize = 1_000;
