//! A classic group becomes one of KIP-848: its members stay members, with what they have.
//!
//! Its generation becomes the group's epoch and that of each member, and what the leader gave is
//! both target and assignment, so that nobody has to give anything up. Must hold: a group that
//! cannot be understood stays what it is.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::consumer_group_member_metadata_value::{
    ClassicMemberMetadata, ClassicProtocol,
};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes, Timestamp};

use super::embedded;
use crate::classic::{Member, Session};
use crate::consumer::ConsumerDraft;
use crate::consumer::Refusal;
use crate::consumer::partitions::Partitions;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::settings::MigrationPolicy;
use crate::consumer::state::{
    Current, MemberState, MemberValue, epoch_entry, target_entry, target_epoch_entry, unsaid,
};
use crate::consumer::subscription::metadata_hash;
use crate::{GroupRecord, Settings, Topics};

/// Whether a classic group with members may become one of KIP-848.
pub(crate) fn check_upgrade(
    id: &str,
    session: &Session,
    settings: &Settings,
) -> Result<(), Refusal> {
    let policy = settings.consumer.migration;
    let because = if !matches!(policy, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade) {
        "online upgrade is disabled."
    } else if !session.is_of_consumers() {
        "the group does not use the consumer embedded protocol."
    } else if session.members_in_order().len() > settings.consumer.size_max {
        "the group size exceeds the consumer group maximum size."
    } else {
        return Ok(());
    };
    Err(refused(id, because))
}

/// The group after the change, with the records of it.
pub(crate) fn upgrade(
    id: &str,
    session: &Session,
    topics: &dyn Topics,
) -> Result<ConsumerDraft<'static>, Refusal> {
    // Before its first rebalance is over the group has neither a generation nor a protocol. Kafka
    // fails there; but its members are told to join again, and nobody has anything yet.
    let epoch = MemberEpoch(session.generation().0.max(1));
    let protocol = session.protocol().cloned().or_else(|| session.select_protocol());
    let protocol = protocol.unwrap_or_default();
    let members = session.members_in_order().into_iter().map(|member| {
        let (value, assigned) = converted(id, member, &protocol, epoch, topics)?;
        Ok((member.id.clone(), value, assigned))
    });
    let members: Vec<(StrBytes, MemberValue, Partitions)> =
        members.collect::<Result<_, Refusal>>()?;
    let gone = GroupRecord::GroupMetadata { group: StrBytes::copied(id), value: None };
    let mut draft = ConsumerDraft::new(id, vec![gone]);
    for (member, value, _) in &members {
        draft.push(ConsumerEntry::Member(member.clone(), Some(Arc::new(value.clone()))));
    }
    draft.push(epoch_entry(epoch, metadata_hash(draft.group(), topics)));
    for (member, _, assigned) in &members {
        draft.push(target_entry(member, assigned));
    }
    draft.push(target_epoch_entry(epoch, Timestamp(0)));
    for (member, _, assigned) in members {
        let current = Current {
            epoch,
            previous_epoch: epoch,
            state: MemberState::Stable,
            assigned,
            revoking: Partitions::default(),
        };
        draft.push(current.entry(&member));
    }
    Ok(draft)
}

fn converted(
    id: &str,
    member: &Member,
    protocol: &str,
    epoch: MemberEpoch,
    topics: &dyn Topics,
) -> Result<(MemberValue, Partitions), Refusal> {
    let assigned = assigned(id, &member.assignment, epoch, topics)?;
    let said = member.metadata(protocol).and_then(embedded::subscription);
    let said = said.ok_or_else(|| malformed(id))?;
    let copied = |text: &StrBytes| StrBytes::copied(text);
    let mut names: Vec<StrBytes> = said.topics.iter().map(copied).collect();
    names.sort();
    names.dedup();
    let protocols = member.protocols.iter().map(|(name, metadata)| ClassicProtocol {
        name: name.clone(),
        metadata: metadata.clone(),
        ..ClassicProtocol::default()
    });
    let value = MemberValue {
        instance_id: member.instance.clone(),
        rack_id: said.rack_id.as_ref().filter(|rack| !rack.is_empty()).map(copied),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: names,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        classic_member_metadata: Some(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: protocols.collect(),
            ..ClassicMemberMetadata::default()
        }),
        ..unsaid()
    };
    Ok((value, assigned))
}

/// What the leader gave; nothing to a member that has just joined.
fn assigned(
    id: &str,
    bytes: &Bytes,
    epoch: MemberEpoch,
    topics: &dyn Topics,
) -> Result<Partitions, Refusal> {
    if bytes.is_empty() {
        return Ok(Partitions::default());
    }
    let assignment = embedded::assignment(bytes).ok_or_else(|| malformed(id))?;
    if assignment.user_data.is_some_and(|data| !data.is_empty()) {
        let because = "an unsupported custom assignor is in use. Please refer to the documentation \
                       or switch to a default assignor before re-attempting the upgrade.";
        return Err(refused(id, because));
    }
    let places = assignment.assigned_partitions.iter().filter_map(|topic| {
        let id = topics.id(&topic.topic)?;
        Some(topic.partitions.iter().map(move |partition| (id, *partition, epoch)))
    });
    Ok(places.flatten().collect())
}

fn malformed(id: &str) -> Refusal {
    refused(id, "the embedded consumer protocol is malformed.")
}

fn refused(id: &str, because: &str) -> Refusal {
    let message = format!("Cannot upgrade classic group {id} to consumer group because {because}");
    (ErrorCode::GROUP_ID_NOT_FOUND, message)
}
