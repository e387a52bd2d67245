//! JoinGroup of a consumer into a KIP-848 group: a heartbeat in other words.
//!
//! It is answered at once. v4 and later: a dynamic member first gets an id, which nobody keeps in
//! mind. A static member takes the place of whoever had its instance id by either protocol, without
//! that one's consent. Must hold: a refused join leaves no record.

use std::sync::Arc;

use ottla_wire::messages::consumer_group_member_metadata_value::{
    ClassicMemberMetadata, ClassicProtocol,
};
use ottla_wire::messages::{ConsumerProtocolSubscription, JoinGroupRequest, JoinGroupResponse};
use ottla_wire::{ErrorCode, Generation, StrBytes, Uuid};

use super::{downgrade, embedded, may_downgrade};
use crate::classic::{CONSUMERS, Out};
use crate::consumer::ConsumerDraft;
use crate::consumer::heartbeat::{bump_if_changed, has_room, reconcile};
use crate::consumer::membership::{fenced_or, hand_over};
use crate::consumer::records::ConsumerEntry;
use crate::consumer::sessions::Rebalance;
use crate::consumer::settings::MigrationPolicy;
use crate::consumer::state::{
    ConsumerGroup, Current, MemberValue, Subscription, session_ms, unsaid,
};
use crate::consumer::subscription::change_regex;
use crate::consumer::target::retarget;
use crate::{Ask, GroupReply, Groups, Soft, Topics};

impl Groups {
    /// A consumer joins by the classic protocol.
    pub(crate) fn join_consumers(
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &JoinGroupRequest,
        group: &ConsumerGroup,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        let is_unknown = request.member_id.is_empty();
        let member = match is_unknown {
            true => StrBytes::from(Uuid(ask.random).to_string()),
            false => StrBytes::copied(&request.member_id),
        };
        let mut draft = ConsumerDraft::of(&request.group_id, group);
        may_join(&draft, ask, request)?;
        let instance = request.group_instance_id.as_deref();
        if is_unknown && instance.is_none() && ask.version >= 4 {
            let response = JoinGroupResponse {
                error_code: ErrorCode::MEMBER_ID_REQUIRED,
                member_id: member,
                protocol_name: None,
                ..JoinGroupResponse::default()
            };
            out.reply(ask.ticket, GroupReply::Join(Box::new(response)));
            return Ok(());
        }
        // A member that speaks consumer and cannot be understood is none.
        let offered = request.protocols.first().ok_or(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)?;
        let said = embedded::subscription(&offered.metadata);
        let said = said.ok_or(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)?;
        let replaced = instance.and_then(|instance| group.static_member(instance));
        let replaced = replaced.map(|(former, _)| former.clone());
        match (&replaced, instance) {
            (Some(former), _) if is_unknown => hand_over(&mut draft, former, &member),
            (_, Some(instance)) if !is_unknown => {
                fenced_or(group, &member, instance).map_err(|(code, _)| code)?;
            }
            _ => {}
        }
        let ends = replaced.as_slice();
        let downgrades = !ends.is_empty() && may_downgrade(group, ends, 0, ask.settings);
        let (value, current) =
            settle(&mut draft, soft, ask, topics, &member, request, (&said, downgrades))?;
        let protocol_name = Some(StrBytes::copied(&offered.name));
        if let Some(former) = replaced.filter(|former| *former != member) {
            soft.consumers.remove(&draft.id, &former);
        }
        let is_stale = draft.group().epochs().is_ahead();
        if !(downgrades && downgrade(&mut draft, &[], is_stale, soft, topics, out)) {
            await_sync(soft, ask, &draft, &member, (&value, &current));
            if let Some(times) = soft.consumers.group(&draft.id) {
                times.topics_seen = Some(topics.version());
            }
            out.records.append(&mut draft.records);
        }
        let response = JoinGroupResponse {
            generation_id: Generation(current.epoch.0),
            protocol_type: Some(StrBytes::from(CONSUMERS)),
            protocol_name,
            member_id: member,
            ..JoinGroupResponse::default()
        };
        out.reply(ask.ticket, GroupReply::Join(Box::new(response)));
        Ok(())
    }
}

/// What can be said against a join before it is known who joins.
fn may_join(
    draft: &ConsumerDraft<'_>,
    ask: &Ask<'_>,
    request: &JoinGroupRequest,
) -> Result<(), ErrorCode> {
    if ask.settings.consumer.migration == MigrationPolicy::Disabled {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    has_room(draft, ask, &request.member_id, request.group_instance_id.as_deref())
        .map_err(|(code, _)| code)?;
    let members = draft.group().members().values();
    let classic: Vec<&ClassicMemberMetadata> =
        members.filter_map(|value| value.classic_member_metadata.as_ref()).collect();
    let is_common = |name: &str| {
        classic.iter().all(|member| {
            let mut protocols = member.supported_protocols.iter();
            protocols.any(|protocol| *protocol.name == *name)
        })
    };
    let speaks = request.protocol_type == CONSUMERS
        && request.protocols.iter().any(|offered| is_common(&offered.name));
    if speaks { Ok(()) } else { Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) }
}

/// Takes down what the member says, gives the group its next epoch and targets if they are due, and
/// takes the member one step further. While the group is about to end its targets stay.
fn settle(
    draft: &mut ConsumerDraft<'_>,
    soft: &mut Soft,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    member: &StrBytes,
    request: &JoinGroupRequest,
    (said, ends): (&ConsumerProtocolSubscription, bool),
) -> Result<(MemberValue, Arc<Current>), ErrorCode> {
    let before = draft.group().member(member).cloned();
    let value = described(before.as_deref(), ask, request, said);
    if before.as_deref() != Some(&value) {
        draft.push(ConsumerEntry::Member(member.clone(), Some(Arc::new(value.clone()))));
    }
    let before = before.as_deref();
    let names_changed = before.map_or(&[][..], |before| &before.subscribed_topic_names)
        != value.subscribed_topic_names.as_slice();
    let regexes = (before.and_then(Subscription::regex), None);
    let regex = change_regex(draft, ask, topics, regexes).map_err(|(code, _)| code)?;
    bump_if_changed(draft, soft, ask, topics, names_changed || regex.bump);
    if !ends {
        retarget(draft, soft, ask, topics, member);
    }
    let owned = embedded::owned(&said.owned_partitions, topics);
    let changed = names_changed || regex.changed;
    let current = reconcile(draft, soft, ask, topics, (member, &value), Some(&owned), changed)
        .map_err(|(code, _)| code)?;
    Ok((value, current))
}

/// What is known of a member after its JoinGroup.
fn described(
    before: Option<&MemberValue>,
    ask: &Ask<'_>,
    request: &JoinGroupRequest,
    said: &ConsumerProtocolSubscription,
) -> MemberValue {
    let mut value = before.cloned().unwrap_or_else(unsaid);
    let copied = |text: &StrBytes| StrBytes::copied(text);
    if request.group_instance_id.is_some() {
        value.instance_id = request.group_instance_id.as_ref().map(copied);
    }
    if let Some(rack) = said.rack_id.as_ref().filter(|rack| !rack.is_empty()) {
        value.rack_id = Some(copied(rack));
    }
    if request.rebalance_timeout_ms != -1 {
        value.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    value.subscribed_topic_names = said.topics.iter().map(copied).collect();
    value.subscribed_topic_names.sort();
    value.subscribed_topic_names.dedup();
    value.subscribed_topic_regex = Some(StrBytes::default());
    value.client_id = StrBytes::copied(ask.client_id);
    value.client_host = StrBytes::copied(ask.client_host);
    let protocols = request.protocols.iter().map(|offered| ClassicProtocol {
        name: copied(&offered.name),
        metadata: bytes::Bytes::copy_from_slice(&offered.metadata),
        ..ClassicProtocol::default()
    });
    value.classic_member_metadata = Some(ClassicMemberMetadata {
        session_timeout_ms: request.session_timeout_ms,
        supported_protocols: protocols.collect(),
        ..ClassicMemberMetadata::default()
    });
    value
}

/// The member has to fetch what it was given by SyncGroup, within its rebalance timeout.
fn await_sync(
    soft: &mut Soft,
    ask: &Ask<'_>,
    draft: &ConsumerDraft<'_>,
    member: &StrBytes,
    (value, current): (&MemberValue, &Current),
) {
    let now = ask.now.steady;
    soft.consumers.heard(&draft.id, member, now + session_ms(value, ask.settings, &draft.id));
    let until = now + i64::from(value.rebalance_timeout_ms.max(1));
    let rebalance = Rebalance { until, epoch: current.epoch };
    soft.consumers.rebalance(&draft.id, member, Some(rebalance));
}
