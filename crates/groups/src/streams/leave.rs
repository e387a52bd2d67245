//! How memberships of streams groups end: by leaving, by silence, by not letting go in time; and
//! how the wait of a new group for members ends.
//!
//! Must hold: all who go in one decision go in one group epoch.

use ottla_wire::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes};

use super::heartbeat::Answered;
use super::membership::unknown;
use super::records::StreamsEntry;
use super::state::{MemberState, StreamsGroup};
use super::target::retarget;
use super::{Refusal, StreamsAnswer, StreamsDraft};
use crate::classic::Out;
use crate::consumer::{Rebalance, TimeUp};
use crate::soft::TICK_RECORDS_MAX;
use crate::{Groups, Now, Settings, Soft};

impl Groups {
    /// A member's last heartbeat.
    pub(super) fn streams_leave(
        &self,
        soft: &mut Soft,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<Answered, Refusal> {
        let (id, member) = (&request.group_id, StrBytes::copied(&request.member_id));
        let Some(group) = self.streams_group(id) else {
            let message = match self.group(id) {
                None => format!("Group {id} not found."),
                Some(_) => format!("Group {id} is not a streams group."),
            };
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        let mut draft = StreamsDraft::of(id, group);
        if request.shutdown_application {
            soft.streams.known_mut(&draft.id).stopped_by = Some(member.clone());
        }
        if group.member(&member).is_none() {
            return Err(unknown(id, &member));
        }
        remove_members(&mut draft, soft, std::slice::from_ref(&member));
        let response = StreamsGroupHeartbeatResponse {
            member_id: member,
            member_epoch: request.member_epoch,
            status: Some(Vec::new()),
            ..StreamsGroupHeartbeatResponse::default()
        };
        Ok((draft.records, StreamsAnswer { response, create: Vec::new() }))
    }

    /// Removes the members whose time is up, as many as one decision takes.
    pub(crate) fn end_streamers(&self, soft: &mut Soft, out: &mut Out<'_>) {
        let gone = soft.streams.times.take_up(out.now.steady, |id, member, up| {
            let group = self.streams_group(id)?;
            group.member(member)?;
            let TimeUp::Rebalance(epoch) = up else { return Some(true) };
            // Otherwise it has let go meanwhile.
            Some(group.current(member).epoch == epoch)
        });
        for (id, members) in gone {
            let Some(group) = self.streams_group(&id) else { continue };
            let mut draft = StreamsDraft::of(&id, group);
            remove_members(&mut draft, soft, &members);
            out.records.append(&mut draft.records);
        }
    }

    /// Assigns the tasks of groups that have waited long enough for members. What is not known of
    /// a group's topics is looked up by the next heartbeat, which assigns then.
    pub(crate) fn end_delays(&self, soft: &mut Soft, out: &mut Out<'_>) {
        while out.records.len() < TICK_RECORDS_MAX
            && let Some(id) = soft.streams.waited(out.now.steady)
        {
            let Some(group) = self.streams_group(&id) else { continue };
            let Some(topology) = group.topology() else { continue };
            if group.members().is_empty() || !group.epochs().is_ahead() {
                continue;
            }
            let Some(configured) = soft.streams.configured(&id, topology) else { continue };
            let mut draft = StreamsDraft::of(&id, group);
            retarget(&mut draft, configured, out.now.wall);
            out.records.append(&mut draft.records);
        }
    }
}

/// Starts the sessions of all members of a group, as after a change of the coordinator.
pub(super) fn restart(
    group: &StreamsGroup,
    soft: &mut Soft,
    id: &StrBytes,
    now: Now,
    settings: &Settings,
) {
    soft.streams.remove(id);
    let session_ms = i64::from(settings.streams.rules_of(id).session_timeout_ms.max(1));
    for (member, value) in group.members().iter() {
        soft.streams.times.heard(id, member, now.steady + session_ms);
        let current = group.current(member);
        if current.state == MemberState::Unrevoked {
            let until = now.steady + i64::from(value.rebalance_timeout_ms.max(1));
            let rebalance = Rebalance { until, epoch: current.epoch };
            soft.streams.times.rebalance(id, member, Some(rebalance));
        }
    }
}

/// Removes members and gives the group its next epoch.
fn remove_members(draft: &mut StreamsDraft<'_>, soft: &mut Soft, members: &[StrBytes]) {
    for member in members {
        draft.push(StreamsEntry::Current(member.clone(), None));
        draft.push(StreamsEntry::Target(member.clone(), None));
        draft.push(StreamsEntry::Member(member.clone(), None));
        soft.streams.times.remove(&draft.id, member);
    }
    let group = draft.group();
    let epochs = group.epochs();
    let entry = group.ground().entry(epochs.next(), epochs.metadata_hash());
    if group.members().is_empty() {
        soft.streams.emptied(&draft.id);
    }
    draft.push(entry);
}
