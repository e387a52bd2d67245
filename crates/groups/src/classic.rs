//! One classic group at run time: who is in it, which rebalance is going on, who waits for what.
//!
//! Phases and rules are Kafka's (KIP-62, 134, 345, 394, 559, 814). join.rs and sync.rs take the
//! two steps of a rebalance, rebalance.rs begins and completes it, leave.rs ends memberships,
//! member.rs is one member. Must hold: while the group is stable, its members are those of its
//! last record.

mod join;
mod leave;
mod member;
mod rebalance;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_machine::Ticket;
use ottla_wire::messages::GroupMetadataValue;
use ottla_wire::{ErrorCode, Generation, StrBytes, Timestamp};

use crate::{Decided, GroupRecord, GroupReply, Now, Settings, Soft};
use member::Waits;

pub(crate) use member::Member;
pub(crate) use subscription::topics_of as subscribed_topics;

/// What a decision has gathered so far, and the time at which it is taken.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) records: Vec<GroupRecord>,
    pub(crate) replies: Vec<(Ticket, GroupReply)>,
}

impl<'a> Out<'a> {
    pub(crate) fn new(now: Now, settings: &'a Settings) -> Self {
        Out { now, settings, records: Vec::new(), replies: Vec::new() }
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: GroupReply) {
        self.replies.push((ticket, reply));
    }

    pub(crate) fn decided(self, soft: &Soft) -> Decided {
        Decided { records: self.records, replies: self.replies, wake: soft.wake() }
    }

    /// The time `ms` from now; always ahead, so that no timer can fire without an end.
    pub(crate) fn after(&self, ms: i32) -> Timestamp {
        self.now.steady + i64::from(ms.max(1))
    }
}

/// Where a classic group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No member.
    Empty,
    /// Members join; `until` is when those who have not are left behind.
    Preparing { until: Timestamp, initial: Option<InitialDelay> },
    /// All have joined; the leader's assignment is awaited.
    Completing,
    /// Everyone knows their assignment.
    Stable,
}

/// The wait for more members of a group that had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitialDelay {
    /// `group.initial.rebalance.delay.ms`, and once more as long as someone joined since (KIP-134).
    Configured { new_member: bool, delay_ms: i32, remaining_ms: i32 },
    /// Without that delay: until nobody has come for a moment, at `latest` then.
    Moment { latest: Timestamp },
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Preparing { .. } => "PreparingRebalance",
            Phase::Completing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// A classic group with members, or with members to come.
#[derive(Debug)]
pub(crate) struct Session {
    id: StrBytes,
    phase: Phase,
    /// When the phase began, by the wall's clock.
    since: Timestamp,
    generation: Generation,
    protocol_type: Option<StrBytes>,
    protocol: Option<StrBytes>,
    leader: Option<StrBytes>,
    members: BTreeMap<StrBytes, Member>,
    /// Member ids of static members, by instance id.
    statics: BTreeMap<StrBytes, StrBytes>,
    /// Ids that were given out and have not joined yet, with the time at which they expire.
    pending: BTreeMap<StrBytes, Timestamp>,
    /// When members that have not synced are removed.
    sync_until: Option<Timestamp>,
    /// How many members ever joined, for their order.
    joined: u64,
    /// The deadline that `Soft` has filed for the group.
    pub(crate) armed: Option<Timestamp>,
}

impl Session {
    /// A group that nobody has ever been in.
    pub(crate) fn new(id: &str, now: Now) -> Self {
        Session {
            id: StrBytes::copied(id),
            phase: Phase::Empty,
            since: now.wall,
            generation: Generation(0),
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            sync_until: None,
            joined: 0,
            armed: None,
        }
    }

    /// The group as its last record tells, with the sessions of its members started anew.
    pub(crate) fn restored(id: &str, value: &GroupMetadataValue, now: Now) -> Self {
        let mut session = Session::new(id, now);
        session.generation = value.generation;
        session.protocol_type =
            Some(value.protocol_type.clone()).filter(|protocol_type| !protocol_type.is_empty());
        if value.current_state_timestamp.0 != -1 {
            session.since = value.current_state_timestamp;
        }
        if value.members.is_empty() {
            return session;
        }
        session.phase = Phase::Stable;
        session.protocol = value.protocol.clone();
        session.leader = value.leader.clone();
        for metadata in &value.members {
            let protocol = value.protocol.clone().unwrap_or_default();
            let mut member = Member::restored(metadata, protocol);
            member.order = session.joined;
            member.extend(now);
            session.joined += 1;
            if let Some(instance) = &member.instance {
                session.statics.insert(instance.clone(), member.id.clone());
            }
            session.members.insert(member.id.clone(), member);
        }
        session
    }

    /// A settled group of consumers whose members spoke another protocol before; the first of them
    /// leads. They have yet to be given what is theirs.
    pub(crate) fn converted(
        id: &str,
        generation: Generation,
        members: Vec<Member>,
        now: Now,
    ) -> Self {
        let mut session = Session::new(id, now);
        session.phase = Phase::Stable;
        session.generation = generation;
        session.protocol_type = Some(StrBytes::from(CONSUMERS));
        session.leader = members.first().map(|member| member.id.clone());
        for mut member in members {
            member.order = session.joined;
            member.extend(now);
            session.joined += 1;
            if let Some(instance) = &member.instance {
                session.statics.insert(instance.clone(), member.id.clone());
            }
            session.members.insert(member.id.clone(), member);
        }
        session.protocol = session.select_protocol();
        session
    }

    /// Gives each member what `assign` makes for its id and its metadata, if that can be made for
    /// all of them.
    pub(crate) fn give(&mut self, assign: &dyn Fn(&str, &Bytes) -> Option<Bytes>) -> bool {
        let protocol = self.protocol.clone().unwrap_or_default();
        self.members.values_mut().all(|member| {
            let assignment =
                member.metadata(&protocol).and_then(|metadata| assign(&member.id, metadata));
            assignment.map(|assignment| member.assignment = assignment).is_some()
        })
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn protocol_type(&self) -> Option<&StrBytes> {
        self.protocol_type.as_ref()
    }

    pub(crate) fn protocol(&self) -> Option<&StrBytes> {
        self.protocol.as_ref()
    }

    /// Members in the order in which they joined.
    pub(crate) fn members_in_order(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.order);
        members
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether dropping the session loses nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Empty && self.members.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn parked(&self) -> usize {
        self.members.values().filter(|member| member.waits != Waits::Nothing).count()
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let phase = match self.phase {
            Phase::Preparing { until, .. } => Some(until),
            _ => None,
        };
        let members = self.members.values().filter_map(|member| member.deadline);
        let pending = self.pending.values().copied();
        members.chain(pending).chain(phase).chain(self.sync_until).min()
    }

    /// Answers everything that waits in the session.
    pub(crate) fn answer_all(&mut self, error: ErrorCode, replies: &mut Vec<(Ticket, GroupReply)>) {
        for member in self.members.values_mut() {
            replies.extend(member.answer(error));
        }
    }

    /// Refreshes a member's session, as a heartbeat does.
    pub(crate) fn extend(&mut self, member: &str, now: Now) {
        if let Some(member) = self.members.get_mut(member) {
            member.extend(now);
        }
    }

    /// Whether this is a member; a static one must come with the member id that it has last been
    /// given, or someone else has taken its place (KIP-345).
    pub(crate) fn validate(
        &self,
        member: &str,
        instance: Option<&StrBytes>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            let known = self.statics.get(instance).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            if known.as_bytes() != member.as_bytes() {
                return Err(ErrorCode::FENCED_INSTANCE_ID);
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// Whether the members are Kafka consumers, whose metadata names the topics they want.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|protocol_type| *protocol_type == CONSUMERS)
    }

    /// The topics that members of a group of consumers subscribe to; `None` when it is not known.
    pub(crate) fn subscriptions(&self) -> Option<BTreeSet<StrBytes>> {
        let protocol = self.protocol.as_ref().filter(|_| self.is_of_consumers())?;
        let members = self.members.values();
        subscription::topics_of(members.filter_map(|member| member.metadata(protocol)))
    }

    /// Whether someone subscribes to the topic, as far as is known.
    pub(crate) fn subscribes(&self, topic: &str) -> bool {
        self.subscriptions().is_none_or(|topics| topics.contains(topic))
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.as_bytes() == member.as_bytes())
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now.wall;
    }

    /// The record that says who is in the group.
    pub(crate) fn record(&self) -> GroupRecord {
        let protocol = self.protocol.as_ref();
        let members = self.members_in_order().into_iter();
        GroupRecord::GroupMetadata {
            group: self.id.clone(),
            value: Some(Arc::new(GroupMetadataValue {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation: self.generation,
                protocol: protocol.cloned(),
                leader: self.leader.clone(),
                current_state_timestamp: self.since,
                members: members.map(|member| member.recorded(protocol)).collect(),
                ..GroupMetadataValue::default()
            })),
        }
    }

    /// The record by which a group that nobody has settled in yet begins to exist.
    fn first_record(&self) -> GroupRecord {
        GroupRecord::GroupMetadata {
            group: self.id.clone(),
            value: Some(Arc::new(GroupMetadataValue {
                protocol: None,
                leader: None,
                current_state_timestamp: self.since,
                ..GroupMetadataValue::default()
            })),
        }
    }
}

/// The protocol type of Kafka consumers.
pub(crate) const CONSUMERS: &str = "consumer";
