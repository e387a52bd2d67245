//! How memberships of KIP-848 groups end: by leaving, by silence, by not letting go in time.
//!
//! A static member may leave for a while: it keeps what it has until it is back or its session
//! ends. Must hold: all who go in one decision go in one group epoch.

use std::collections::BTreeSet;

use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes, Timestamp};

use crate::classic::Out;
use crate::consumer::ConsumerDraft;
use crate::consumer::Refusal;
use crate::consumer::membership::{LEAVING_FOR_A_WHILE, fenced_or, remove, unknown_member};
use crate::consumer::mixed::{downgrade, may_downgrade};
use crate::consumer::partitions::Partitions;
use crate::consumer::sessions::{Rebalance, TimeUp};
use crate::consumer::state::{
    ConsumerGroup, Current, MemberState, Subscription, epoch_entry, session_ms, target_epoch_entry,
};
use crate::consumer::subscription::{forget_unsubscribed, metadata_hash};
use crate::{Groups, Now, Settings, Soft, Topics};

impl Groups {
    /// A member's last heartbeat.
    pub(crate) fn leave_consumers(
        &self,
        soft: &mut Soft,
        topics: &dyn Topics,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Out<'_>,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let id = &request.group_id;
        let Some(group) = self.consumers(id) else {
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found.")));
        };
        let member = StrBytes::copied(&request.member_id);
        let mut draft = ConsumerDraft::of(id, group);
        if let Some(instance) = &request.instance_id {
            fenced_or(group, &member, instance)?;
        }
        if group.member(&member).is_none() {
            return Err(unknown_member(&draft, &member));
        }
        if request.member_epoch == LEAVING_FOR_A_WHILE {
            let current = group.current(&member);
            let waiting = Current {
                epoch: LEAVING_FOR_A_WHILE,
                assigned: current.assigned.at(MemberEpoch(0)),
                revoking: Partitions::default(),
                ..current.as_ref().clone()
            };
            draft.push(waiting.entry(&member));
        } else {
            fence(&mut draft, std::slice::from_ref(&member), soft, topics, out);
        }
        out.records.append(&mut draft.records);
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(member),
            member_epoch: request.member_epoch,
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// Removes the members whose time is up, as many as one decision takes.
    pub(crate) fn end_consumers(&self, soft: &mut Soft, topics: &dyn Topics, out: &mut Out<'_>) {
        let gone = soft.consumers.take_up(out.now.steady, |id, member, up| {
            let group = self.consumers(id)?;
            let value = group.member(member)?;
            let TimeUp::Rebalance(epoch) = up else { return Some(true) };
            // Otherwise it has let go meanwhile.
            Some(value.classic_member_metadata.is_some() || group.current(member).epoch == epoch)
        });
        for (id, members) in gone {
            let Some(group) = self.consumers(&id) else { continue };
            fence(&mut ConsumerDraft::of(&id, group), &members, soft, topics, out);
        }
    }
}

/// Starts the sessions of all members of a group, as after a change of the coordinator.
pub(super) fn restart(
    group: &ConsumerGroup,
    soft: &mut Soft,
    id: &StrBytes,
    now: Now,
    settings: &Settings,
) {
    soft.consumers.remove_group(id);
    for (member, value) in group.members().iter() {
        let until = now.steady + session_ms(value, settings, id);
        soft.consumers.heard(id, member, until);
        let current = group.current(member);
        let speaks_classic = value.classic_member_metadata.is_some();
        if current.state == MemberState::Unrevoked && !speaks_classic {
            let until = now.steady + i64::from(value.rebalance_timeout_ms.max(1));
            let rebalance = Rebalance { until, epoch: current.epoch };
            soft.consumers.rebalance(id, member, Some(rebalance));
        }
    }
}

/// Ends memberships. When only members of the classic protocol are left the group goes back to it.
pub(crate) fn fence(
    draft: &mut ConsumerDraft<'_>,
    members: &[StrBytes],
    soft: &mut Soft,
    topics: &dyn Topics,
    out: &mut Out<'_>,
) {
    if may_downgrade(draft.group(), members, members.len(), out.settings)
        && downgrade(draft, members, true, soft, topics, out)
    {
        return;
    }
    remove_members(draft, members, topics);
    for member in members {
        soft.consumers.remove(&draft.id, member);
    }
    out.records.append(&mut draft.records);
}

/// Removes members and gives the group its next epoch.
fn remove_members(draft: &mut ConsumerDraft<'_>, members: &[StrBytes], topics: &dyn Topics) {
    let before = draft.group();
    let epoch = before.epochs().next();
    let leaving = members.iter().filter_map(|member| before.member(member));
    let regexes: BTreeSet<StrBytes> =
        leaving.filter_map(|value| value.regex().map(StrBytes::copied)).collect();
    for member in members {
        remove(draft, member);
    }
    for regex in regexes {
        forget_unsubscribed(draft, &regex);
    }
    let after = draft.group();
    let is_empty = after.members().is_empty();
    draft.push(epoch_entry(epoch, metadata_hash(after, topics)));
    if is_empty {
        // Whoever comes next is assigned at once, whenever that is (Kafka 4.4).
        draft.push(target_epoch_entry(epoch, Timestamp(0)));
    }
}
