//! JoinGroup: how someone becomes, or stays, a member of a classic group.
//!
//! v4 and later: a dynamic member first gets an id and joins with it (KIP-394). v5: static members
//! (KIP-345). v9: the leader is told to skip the assignment (KIP-814). As in Kafka, a join that the
//! group refuses leaves a new group behind, with nobody in it. Must hold: every path parks the
//! ticket in a member or answers it.

use ottla_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::classic::member::{Member, Waits};
use crate::classic::{Out, Phase, Session};
use crate::kinds::AnyKind;
use crate::{Ask, Decided, GroupReply, Groups, Soft, Topics};

/// A client names a handful of protocols. What is common to all members is found by comparing each
/// of theirs with each other, which must not become long.
const PROTOCOLS_MAX: usize = 1_000;

impl Groups {
    /// JoinGroup, v0 to v9. The answer may come with a later decision.
    pub fn join(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &JoinGroupRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        if let Err(error) = self.join_or_refuse(soft, ask, topics, request, &mut out) {
            out.reply(ask.ticket, refused(request.member_id.clone(), error));
        }
        soft.settle(&request.group_id);
        out.decided(soft)
    }

    fn join_or_refuse(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &JoinGroupRequest,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let limits = ask.settings.session_timeout_ms_min..=ask.settings.session_timeout_ms_max;
        if !limits.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        if request.protocols.len() > PROTOCOLS_MAX {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let mut known = self.group(&request.group_id);
        let consumers = known.and_then(|group| group.kinds.consumers.as_deref());
        if let Some(consumers) = consumers.filter(|consumers| !consumers.is_empty()) {
            let joined = Groups::join_consumers(soft, ask, topics, request, consumers, out);
            // There the answer to who is refused names no member (GroupCoordinatorService).
            return joined.or_else(|error| {
                out.reply(ask.ticket, refused(StrBytes::default(), error));
                Ok(())
            });
        }
        let replaced = known.and_then(|group| group.kinds.group());
        // What stands elsewhere of a group would be left behind.
        if replaced.is_some_and(|group| !group.is_empty() || !group.keeps_offsets()) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        known = known.filter(|_| replaced.is_none());
        if known.is_none() && !request.member_id.is_empty() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if let Some(replaced) = replaced {
            replaced.end(soft, &request.group_id, &mut out.records);
        }
        if !soft.sessions.contains_key(&request.group_id) {
            let id = StrBytes::copied(&request.group_id);
            let session = match known.and_then(|group| group.metadata.as_ref()) {
                Some(metadata) => Session::restored(&id, metadata, ask.now),
                None => Session::new(&id, ask.now),
            };
            soft.sessions.insert(id, session);
        }
        let Some(session) = soft.sessions.get_mut(&request.group_id) else {
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        };
        let before = out.records.len();
        let joined = session.join(ask, request, out);
        if known.is_none() && out.records.len() == before {
            // So that the group exists, for whoever asks and after a change of the coordinator.
            out.records.push(session.first_record());
        }
        joined
    }
}

fn refused(member_id: StrBytes, error: ErrorCode) -> GroupReply {
    GroupReply::Join(Box::new(JoinGroupResponse {
        error_code: error,
        member_id,
        protocol_name: None,
        ..JoinGroupResponse::default()
    }))
}

impl Session {
    fn join(
        &mut self,
        ask: &Ask<'_>,
        request: &JoinGroupRequest,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        if !self.has_room_for(&request.member_id, ask) {
            self.remove(&request.member_id, out);
            self.complete_if_all_joined(out);
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.speaks(request) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if request.member_id.is_empty() {
            self.join_unknown(ask, request, out)
        } else {
            self.join_known(ask, request, out)
        }
    }

    fn has_room_for(&self, member: &str, ask: &Ask<'_>) -> bool {
        let max = ask.settings.group_size_max;
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing { .. } => {
                let joined = self.members.get(member).is_some_and(Member::awaits_join);
                joined || self.parked() < max
            }
            Phase::Completing | Phase::Stable => {
                self.members.contains_key(member) || self.members.len() < max
            }
        }
    }

    /// Whether the group and the joining member have a protocol in common.
    fn speaks(&self, request: &JoinGroupRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|offered| {
                self.members.values().all(|member| member.metadata(&offered.name).is_some())
            })
    }

    fn join_unknown(
        &mut self,
        ask: &Ask<'_>,
        request: &JoinGroupRequest,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        let id = member_id(ask, request);
        if let Some(instance) = &request.group_instance_id {
            return match self.statics.get(instance).cloned() {
                Some(old) => {
                    self.replace_static(&old, id, ask, request, out);
                    Ok(())
                }
                None => {
                    self.add(id, ask, request, out);
                    Ok(())
                }
            };
        }
        if ask.version < 4 {
            self.add(id, ask, request, out);
            return Ok(());
        }
        if self.pending.len() >= PENDING_MEMBERS_MAX {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let until = out.after(request.session_timeout_ms);
        self.pending.insert(id.clone(), until);
        self.note_arrival(out);
        let response = JoinGroupResponse {
            error_code: ErrorCode::MEMBER_ID_REQUIRED,
            member_id: id,
            protocol_name: None,
            ..JoinGroupResponse::default()
        };
        out.reply(ask.ticket, GroupReply::Join(Box::new(response)));
        Ok(())
    }

    fn join_known(
        &mut self,
        ask: &Ask<'_>,
        request: &JoinGroupRequest,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        if self.pending.contains_key(&request.member_id) {
            if request.group_instance_id.is_some() {
                return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
            }
            self.add(StrBytes::copied(&request.member_id), ask, request, out);
            return Ok(());
        }
        self.validate(&request.member_id, request.group_instance_id.as_ref())?;
        let Some(member) = self.members.get(&request.member_id) else {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        };
        let unchanged = member.matches(request);
        let leads = self.is_leader(&request.member_id);
        match self.phase {
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            // The answer to its first request did not reach it.
            Phase::Completing if unchanged => {
                self.answer_as_it_is(ask, request, leads, out);
                Ok(())
            }
            // A leader joins again to have partitions assigned anew.
            Phase::Stable if unchanged && !leads => {
                self.answer_as_it_is(ask, request, false, out);
                Ok(())
            }
            Phase::Preparing { .. } | Phase::Completing | Phase::Stable => {
                self.rejoin(ask, request, out);
                Ok(())
            }
        }
    }

    fn answer_as_it_is(
        &mut self,
        ask: &Ask<'_>,
        request: &JoinGroupRequest,
        with_members: bool,
        out: &mut Out<'_>,
    ) {
        let mut response = self.joined(&StrBytes::copied(&request.member_id));
        if with_members {
            response.members = self.roster();
        }
        out.reply(ask.ticket, GroupReply::Join(Box::new(response)));
    }

    fn add(&mut self, id: StrBytes, ask: &Ask<'_>, request: &JoinGroupRequest, out: &mut Out<'_>) {
        let mut member = Member::joining(id.clone(), ask, request);
        // A client that went away while its request waits cannot be told from one that waits.
        member.deadline = Some(out.after(NEW_MEMBER_JOIN_TIMEOUT_MS));
        member.order = self.joined;
        self.joined += 1;
        if self.members.is_empty() {
            self.protocol_type = Some(StrBytes::copied(&request.protocol_type));
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.pending.remove(&id);
        self.members.insert(id, member);
        self.note_new_member(out);
        self.rebalance(out);
    }

    fn rejoin(&mut self, ask: &Ask<'_>, request: &JoinGroupRequest, out: &mut Out<'_>) {
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.update(request);
            out.replies.extend(member.answer(ErrorCode::REBALANCE_IN_PROGRESS));
            member.waits = Waits::Join(ask.ticket);
        }
        self.rebalance(out);
    }

    /// A static member is back without its member id: it gets a new one and its old place, and
    /// whoever still uses the old id is fenced.
    fn replace_static(
        &mut self,
        old: &StrBytes,
        new: StrBytes,
        ask: &Ask<'_>,
        request: &JoinGroupRequest,
        out: &mut Out<'_>,
    ) {
        let Some(mut member) = self.members.remove(old) else { return };
        out.replies.extend(member.answer(ErrorCode::FENCED_INSTANCE_ID));
        let led_before = self.leader.clone();
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), new.clone());
        }
        member.id = new.clone();
        member.update(request);
        member.extend(out.now);
        self.members.insert(new.clone(), member);
        if self.phase == Phase::Stable && self.select_protocol() == self.protocol {
            self.keep_static(&new, led_before, ask, out);
            return;
        }
        if let Some(member) = self.members.get_mut(&new) {
            member.waits = Waits::Join(ask.ticket);
        }
        self.rebalance(out);
    }

    /// The replaced member goes on with the assignment of the old one, without a rebalance.
    fn keep_static(
        &mut self,
        id: &StrBytes,
        led_before: Option<StrBytes>,
        ask: &Ask<'_>,
        out: &mut Out<'_>,
    ) {
        out.records.push(self.record());
        let mut response = self.joined(id);
        if ask.version >= 9 {
            if self.is_leader(id) {
                response.skip_assignment = true;
                response.members = self.roster();
            }
        } else {
            // Named the leader, an older client would assign anew; so it hears of the old id.
            response.leader = led_before.unwrap_or_default();
        }
        out.reply(ask.ticket, GroupReply::Join(Box::new(response)));
    }
}

/// `<instance id or client id>-<random UUID>`, as Kafka makes them.
fn member_id(ask: &Ask<'_>, request: &JoinGroupRequest) -> StrBytes {
    let mut random = ask.random;
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let owner = request.group_instance_id.as_deref().unwrap_or(ask.client_id);
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    StrBytes::from(format!("{owner}-{}", groups.join("-")))
}

/// How long a new member's JoinGroup may wait, as in Kafka.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1_000;

/// Ids given out to members that have not joined yet; more than that is an attack or a bug.
const PENDING_MEMBERS_MAX: usize = 10_000;
