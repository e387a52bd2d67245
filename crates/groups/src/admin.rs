//! DescribeGroups, ListGroups and DeleteGroups.
//!
//! An answer is for one group, or for the groups of this coordinator partition; putting the answers
//! of several partitions together is the caller's. DescribeGroups v6 says GROUP_ID_NOT_FOUND where
//! older versions tell of a dead group; DeleteGroups v3 has messages.

use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::{GroupMetadataValue, ListGroupsRequest};
use ottla_wire::{ErrorCode, StrBytes};

use crate::classic::{Out, Phase, Session};
use crate::kinds::Refusal;
use crate::state::Group;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Soft};

impl Groups {
    /// DescribeGroups, one group of v0 to v6.
    pub fn describe(&self, soft: &Soft, ask: &Ask<'_>, id: &StrBytes) -> Decided {
        let described = match self.group(id) {
            None => missing(ask, id, format!("Group {id} not found.")),
            Some(group) if !group.is_classic() => {
                missing(ask, id, format!("Group {id} is not a classic group."))
            }
            Some(group) => described(id, group, soft.sessions.get(id)),
        };
        soft.answer(ask.ticket, GroupReply::Describe(described))
    }

    /// ListGroups, v0 to v5: those of this partition that pass both filters.
    pub fn list(&self, soft: &Soft, ask: &Ask<'_>, request: &ListGroupsRequest) -> Decided {
        let passes = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let listed = self.groups.iter().filter_map(|(id, group)| {
            let (kind, protocol_type, state) = summary(group, soft.sessions.get(id));
            let wanted =
                passes(&request.states_filter, state) && passes(&request.types_filter, kind);
            wanted.then(|| ListedGroup {
                group_id: id.clone(),
                protocol_type,
                group_state: StrBytes::from(state),
                group_type: StrBytes::from(kind),
                ..ListedGroup::default()
            })
        });
        soft.answer(ask.ticket, GroupReply::List(listed.collect()))
    }

    /// Of which kind each group is and in which state, by Kafka's names of both.
    pub fn states<'a>(
        &'a self,
        soft: &'a Soft,
    ) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
        self.groups.iter().map(|(id, group)| {
            let (kind, _, state) = summary(group, soft.sessions.get(id));
            (kind, state)
        })
    }

    /// DeleteGroups, one group of v0 to v3: its offsets and itself, when nobody is in it.
    pub fn delete(&self, soft: &mut Soft, ask: &Ask<'_>, id: &StrBytes) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let refused = self.delete_group(soft, id, &mut out).err();
        let result = DeletableGroupResult {
            group_id: id.clone(),
            error_code: refused.as_ref().map_or(ErrorCode::NONE, |(error, _)| *error),
            error_message: refused.map(|(_, message)| StrBytes::from(message)),
            ..DeletableGroupResult::default()
        };
        out.reply(ask.ticket, GroupReply::Delete(result));
        out.decided(soft)
    }

    fn delete_group(
        &self,
        soft: &mut Soft,
        id: &StrBytes,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let Some(group) = self.group(id) else {
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found.")));
        };
        if soft.sessions.get(id).is_some_and(|session| session.phase() != Phase::Empty) {
            return Err((ErrorCode::NON_EMPTY_GROUP, ErrorCode::NON_EMPTY_GROUP.message().into()));
        }
        if let Some(group) = group.kinds.group() {
            group.may_go()?;
        }
        soft.remove(id);
        for (topic, partition, _) in group.offsets.iter() {
            out.records.push(GroupRecord::forget_offset(id, topic, partition));
        }
        for key in self.pending.of_group(id) {
            if group.offsets.get(&key.topic, key.partition).is_none() {
                out.records.push(GroupRecord::forget_offset(id, &key.topic, key.partition));
            }
        }
        group.end(soft, id, &mut out.records);
        Ok(())
    }
}

fn missing(ask: &Ask<'_>, id: &StrBytes, message: String) -> DescribedGroup {
    let known_as_error = ask.version >= 6;
    DescribedGroup {
        error_code: if known_as_error { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE },
        error_message: known_as_error.then(|| StrBytes::from(message)),
        group_id: id.clone(),
        group_state: StrBytes::from("Dead"),
        ..DescribedGroup::default()
    }
}

fn described(id: &StrBytes, group: &Group, session: Option<&Session>) -> DescribedGroup {
    let Some(session) = session else {
        return DescribedGroup {
            group_id: id.clone(),
            group_state: StrBytes::from(Phase::Empty.name()),
            protocol_type: recorded_type(group.metadata.as_deref()),
            ..DescribedGroup::default()
        };
    };
    let stable = session.phase() == Phase::Stable;
    let protocol = session.protocol().cloned().unwrap_or_default();
    let members = session.members_in_order().into_iter().map(|member| {
        let mut described = DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_assignment: member.assignment.clone(),
            ..DescribedGroupMember::default()
        };
        if stable {
            described.member_metadata = member.metadata(&protocol).cloned().unwrap_or_default();
        }
        described
    });
    DescribedGroup {
        group_id: id.clone(),
        group_state: StrBytes::from(session.phase().name()),
        protocol_type: session.protocol_type().cloned().unwrap_or_default(),
        members: members.collect(),
        protocol_data: if stable { protocol.clone() } else { StrBytes::default() },
        ..DescribedGroup::default()
    }
}

/// Kind, protocol type and state of a group.
fn summary(group: &Group, session: Option<&Session>) -> (&'static str, StrBytes, &'static str) {
    if let Some(group) = group.kinds.group() {
        return (group.name(), StrBytes::from(group.name()), group.state());
    }
    match session {
        Some(session) => (
            "classic",
            session.protocol_type().cloned().unwrap_or_default(),
            session.phase().name(),
        ),
        None => ("classic", recorded_type(group.metadata.as_deref()), Phase::Empty.name()),
    }
}

fn recorded_type(metadata: Option<&GroupMetadataValue>) -> StrBytes {
    metadata.map(|metadata| metadata.protocol_type.clone()).unwrap_or_default()
}
