//! How members of share groups go: by their own word, or because nothing was heard of them.
//!
//! Must hold: with a member its target and what it has go, in one decision with the group's next
//! epoch.

use ottla_wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes, Timestamp};

use super::heartbeat::Answered;
use super::records::ShareEntry;
use super::state::{ShareGroup, epoch_entry, target_epoch_entry};
use super::{Refusal, ShareDraft, ShareSettings};
use crate::classic::Out;
use crate::consumer::hash_of;
use crate::{Groups, Soft, Topics};

impl Groups {
    /// A member leaves.
    pub(super) fn share_leave(
        &self,
        soft: &mut Soft,
        topics: &dyn Topics,
        request: &ShareGroupHeartbeatRequest,
    ) -> Result<Answered, Refusal> {
        let (id, member) = (&request.group_id, &request.member_id);
        let Some(group) = self.share_group(id) else {
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Share group {id} not found.")));
        };
        if group.member(member).is_none() {
            let message = format!("Member {member} is not a member of group {id}.");
            return Err((ErrorCode::UNKNOWN_MEMBER_ID, message));
        }
        let mut draft = ShareDraft::of(id, group);
        remove(&mut draft, member);
        let hash = hash_of(&draft.group().names(), topics);
        bump(&mut draft, hash);
        soft.sharers.remove(id, member);
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(member.clone()),
            member_epoch: request.member_epoch,
            ..ShareGroupHeartbeatResponse::default()
        };
        Ok((draft.records, response, None))
    }

    /// Removes the members of share groups whose sessions are over.
    pub(crate) fn end_sharers(&self, soft: &mut Soft, out: &mut Out<'_>) {
        while let Some((id, member, _)) = soft.sharers.up(out.now.steady) {
            soft.sharers.remove(&id, &member);
            let Some(group) = self.share_group(&id).filter(|it| it.member(&member).is_some())
            else {
                continue;
            };
            let mut draft = ShareDraft::of(&id, group);
            remove(&mut draft, &member);
            // Nobody is here who could tell of topics: the next heartbeat finds another hash.
            bump(&mut draft, 0);
            out.records.extend(draft.records);
            // The next one of the same group is looked at when this is replayed.
            break;
        }
    }
}

/// The group's members begin their sessions anew.
pub(super) fn restart(
    group: &ShareGroup,
    soft: &mut Soft,
    id: &StrBytes,
    now: Timestamp,
    settings: &ShareSettings,
) {
    let until = now + i64::from(settings.times_of(id).session_timeout_ms);
    soft.sharers.remove_group(id);
    for member in group.members().keys() {
        soft.sharers.heard(id, member, until);
    }
}

fn remove(draft: &mut ShareDraft<'_>, member: &StrBytes) {
    draft.push(ShareEntry::Current(member.clone(), None));
    draft.push(ShareEntry::Target(member.clone(), None));
    draft.push(ShareEntry::Member(member.clone(), None));
}

fn bump(draft: &mut ShareDraft<'_>, hash: i64) {
    let epoch = draft.group().epochs().next();
    draft.push(epoch_entry(epoch, hash));
    if draft.group().members().is_empty() {
        // Nothing is left to assign: the group is as it shall be (GroupMetadataManager, Kafka 4.4).
        draft.push(target_epoch_entry(epoch, Timestamp(0)));
    }
}
