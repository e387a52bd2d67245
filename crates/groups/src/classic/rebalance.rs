//! How a rebalance begins, waits and completes, and what a group's deadlines do.
//!
//! Must hold: members get a new generation only here, all of them at once.

use ottla_wire::messages::JoinGroupResponse;
use ottla_wire::messages::join_group_response::JoinGroupResponseMember;
use ottla_wire::{ErrorCode, Generation, StrBytes, Timestamp};

use crate::GroupReply;
use crate::classic::member::{Member, Waits};
use crate::classic::{InitialDelay, Out, Phase, Session};

impl Session {
    /// A change in who is there: begins a rebalance, or completes one that only waited for it.
    pub(crate) fn rebalance(&mut self, out: &mut Out<'_>) {
        match self.phase {
            Phase::Preparing { .. } => self.complete_if_all_joined(out),
            Phase::Empty | Phase::Completing | Phase::Stable => self.prepare(out),
        }
    }

    fn prepare(&mut self, out: &mut Out<'_>) {
        self.answer_syncs(ErrorCode::REBALANCE_IN_PROGRESS, out);
        self.sync_until = None;
        if self.phase == Phase::Empty {
            // The group is new: more members probably come.
            let (until, initial) = self.initial_delay(out);
            self.enter(Phase::Preparing { until, initial: Some(initial) }, out.now);
        } else {
            let until = out.after(self.rebalance_timeout_ms());
            self.enter(Phase::Preparing { until, initial: None }, out.now);
            self.complete_if_all_joined(out);
        }
    }

    pub(crate) fn complete_if_all_joined(&mut self, out: &mut Out<'_>) {
        let Phase::Preparing { initial: None, .. } = self.phase else { return };
        let all = self.pending.is_empty() && self.members.values().all(Member::awaits_join);
        if all {
            self.complete_join(out);
        }
    }

    /// The next generation, of those who have joined and of static members that may come back.
    fn complete_join(&mut self, out: &mut Out<'_>) {
        let absent: Vec<StrBytes> = self
            .members
            .values()
            .filter(|member| !member.awaits_join() && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in absent {
            self.remove(&id, out);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members, all of them away: waits for one, or for their sessions to end.
            let until = out.after(self.rebalance_timeout_ms());
            self.phase = Phase::Preparing { until, initial: None };
            return;
        }
        self.generation = Generation(self.generation.0.checked_add(1).unwrap_or(1));
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.enter(Phase::Empty, out.now);
            out.records.push(self.record());
            return;
        }
        self.protocol = self.select_protocol();
        self.enter(Phase::Completing, out.now);
        self.sync_until = Some(out.after(self.rebalance_timeout_ms()));
        self.answer_joins(out);
    }

    fn answer_joins(&mut self, out: &mut Out<'_>) {
        let mut roster = Some(self.roster());
        let ids: Vec<StrBytes> =
            self.members_in_order().iter().map(|member| member.id.clone()).collect();
        for id in ids {
            let mut response = self.joined(&id);
            let leads = self.is_leader(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.synced = false;
            member.extend(out.now);
            if let Waits::Join(ticket) = member.waits {
                member.waits = Waits::Nothing;
                if leads {
                    response.members = roster.take().unwrap_or_default();
                }
                out.reply(ticket, GroupReply::Join(Box::new(response)));
            }
        }
    }

    /// What a member is told of the generation it is in, without the list of members.
    pub(crate) fn joined(&self, member: &StrBytes) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(self.protocol.clone().unwrap_or_default()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member.clone(),
            ..JoinGroupResponse::default()
        }
    }

    /// All members with what they say under the chosen protocol, for the leader.
    pub(crate) fn roster(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = self.members_in_order().into_iter();
        members
            .map(|member| JoinGroupResponseMember {
                member_id: member.id.clone(),
                group_instance_id: member.instance.clone(),
                metadata: member.metadata(&protocol).cloned().unwrap_or_default(),
                ..JoinGroupResponseMember::default()
            })
            .collect()
    }

    /// Keeps a leader that has joined, else takes the first who has. Says whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if leader.is_some_and(Member::awaits_join) {
            return true;
        }
        let joined = self.members.values().filter(|member| member.awaits_join());
        let Some(first) = joined.min_by_key(|member| member.order) else { return false };
        self.leader = Some(first.id.clone());
        true
    }

    /// The protocol that all speak and most prefer; of equals the one that comes first for the
    /// member that joined first.
    pub(crate) fn select_protocol(&self) -> Option<StrBytes> {
        let members = self.members_in_order();
        let first = members.first()?;
        let common: Vec<&StrBytes> = first
            .protocols
            .iter()
            .map(|(name, _)| name)
            .filter(|name| members.iter().all(|member| member.metadata(name).is_some()))
            .collect();
        let mut votes = vec![0_usize; common.len()];
        for member in &members {
            let mut preferred = member.protocols.iter();
            let vote = preferred.find_map(|(name, _)| common.iter().position(|c| *c == name));
            if let Some(vote) = vote {
                votes[vote] += 1;
            }
        }
        let most = votes.iter().max()?;
        let chosen = votes.iter().position(|count| count == most)?;
        common.get(chosen).map(|name| (*name).clone())
    }

    pub(crate) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Removes a member, answering what it waits for, and lets another one lead if it did.
    pub(crate) fn remove(&mut self, id: &str, out: &mut Out<'_>) {
        self.pending.remove(id);
        let Some(mut member) = self.members.remove(id) else { return };
        out.replies.extend(member.answer(ErrorCode::UNKNOWN_MEMBER_ID));
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.is_leader(id) {
            let first = self.members.values().min_by_key(|member| member.order);
            self.leader = first.map(|member| member.id.clone());
        }
    }

    fn answer_syncs(&mut self, error: ErrorCode, out: &mut Out<'_>) {
        for member in self.members.values_mut() {
            if matches!(member.waits, Waits::Sync(_)) {
                out.replies.extend(member.answer(error));
                member.extend(out.now);
            }
        }
    }

    /// A group that was loaded with more members than allowed rebalances, and the last to join
    /// are refused.
    pub(crate) fn shrink_if_over_capacity(&mut self, out: &mut Out<'_>) {
        if self.members.len() > out.settings.group_size_max {
            self.prepare(out);
        }
    }

    /// Does what the deadlines up to now ask for.
    pub(crate) fn expire(&mut self, out: &mut Out<'_>) {
        self.expire_pending(out);
        self.expire_members(out);
        if self.sync_until.is_some_and(|at| at <= out.now.steady) {
            self.expire_syncs(out);
        }
        if let Phase::Preparing { until, initial } = self.phase
            && until <= out.now.steady
        {
            self.expire_join(initial, out);
        }
    }

    fn expire_pending(&mut self, out: &mut Out<'_>) {
        let before = self.pending.len();
        self.pending.retain(|_, until| *until > out.now.steady);
        if self.pending.len() < before {
            self.complete_if_all_joined(out);
        }
    }

    fn expire_members(&mut self, out: &mut Out<'_>) {
        let due: Vec<StrBytes> = self
            .members
            .values()
            .filter(|member| is_due(member.deadline, out.now.steady))
            .map(|member| member.id.clone())
            .collect();
        for id in due {
            let Some(member) = self.members.get_mut(&id) else { continue };
            // The rebalance that a removal completes starts everyone's session anew.
            if !is_due(member.deadline, out.now.steady) {
                continue;
            }
            if member.is_excused() {
                member.deadline = None;
                continue;
            }
            self.remove(&id, out);
            self.rebalance(out);
        }
    }

    /// Members that never asked for their assignment are gone.
    fn expire_syncs(&mut self, out: &mut Out<'_>) {
        self.sync_until = None;
        let silent: Vec<StrBytes> = self
            .members
            .values()
            .filter(|member| !member.synced)
            .map(|member| member.id.clone())
            .collect();
        if silent.is_empty() {
            return;
        }
        for id in silent {
            self.remove(&id, out);
        }
        self.prepare(out);
    }

    /// Until when a group that was empty waits for more members, and why.
    fn initial_delay(&self, out: &Out<'_>) -> (Timestamp, InitialDelay) {
        let timeout_ms = self.rebalance_timeout_ms();
        match out.settings.initial_rebalance_delay_ms {
            delay_ms @ 1.. => {
                let remaining_ms = timeout_ms.saturating_sub(delay_ms).max(0);
                let until = out.now.steady + i64::from(delay_ms);
                let new_member = false;
                (until, InitialDelay::Configured { new_member, delay_ms, remaining_ms })
            }
            _ => {
                let latest = out.after(timeout_ms.min(MOMENT_MS_MAX));
                (self.moment(latest, out), InitialDelay::Moment { latest })
            }
        }
    }

    /// When a moment has passed in which nobody came.
    fn moment(&self, latest: Timestamp, out: &Out<'_>) -> Timestamp {
        let is_alone = self.members.len() + self.pending.len() <= 1;
        let moment_ms = if is_alone { MOMENT_ALONE_MS } else { MOMENT_MS };
        out.after(moment_ms).min(latest)
    }

    fn expire_join(&mut self, initial: Option<InitialDelay>, out: &mut Out<'_>) {
        match initial {
            Some(InitialDelay::Configured { new_member: true, delay_ms, remaining_ms })
                if remaining_ms > 0 =>
            {
                let next_ms = out.settings.initial_rebalance_delay_ms.min(remaining_ms).max(1);
                let initial = InitialDelay::Configured {
                    new_member: false,
                    delay_ms: next_ms,
                    remaining_ms: remaining_ms.saturating_sub(delay_ms).max(0),
                };
                let until = out.after(next_ms);
                self.phase = Phase::Preparing { until, initial: Some(initial) };
            }
            _ => self.complete_join(out),
        }
    }

    /// A member has joined a group that waits for members.
    pub(crate) fn note_new_member(&mut self, out: &Out<'_>) {
        if let Phase::Preparing { initial: Some(initial), .. } = &mut self.phase
            && let InitialDelay::Configured { new_member, .. } = initial
        {
            *new_member = true;
        }
        self.note_arrival(out);
    }

    /// Somebody has come, who is a member or soon will be.
    pub(crate) fn note_arrival(&mut self, out: &Out<'_>) {
        if let Phase::Preparing { initial, .. } = self.phase
            && let Some(InitialDelay::Moment { latest }) = initial
        {
            self.phase = Phase::Preparing { until: self.moment(latest, out), initial };
        }
    }
}

fn is_due(deadline: Option<Timestamp>, now: Timestamp) -> bool {
    deadline.is_some_and(|at| at <= now)
}

/// Without `group.initial.rebalance.delay.ms` the first generation of a group waits this long
/// after the last member that came. Whoever comes later waits for heartbeats of those who were
/// there, which their clients send every three seconds; members that start together come a few
/// milliseconds apart.
const MOMENT_MS: i32 = 50;
/// And this long while there is one member only, as there mostly is.
const MOMENT_ALONE_MS: i32 = 20;
/// Members that come one after the other are not waited for longer than this.
const MOMENT_MS_MAX: i32 = 250;
