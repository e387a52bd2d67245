//! ConsumerGroupDescribe, and what else is asked of a KIP-848 group from outside.
//!
//! v1 tells whether a member speaks the classic protocol. Not here: authorization of the topics in
//! it, which is the caller's. Must hold: a topic that is gone is left out.

use ottla_wire::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::consumer::ConsumerDraft;
use crate::consumer::leave::restart;
use crate::consumer::partitions::Partitions;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::state::ConsumerGroup;
use crate::consumer::target::preferred_assignor;
use crate::kinds::AnyKind;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Now, Settings, Soft, Topics};

impl Groups {
    /// ConsumerGroupDescribe, one group of v0 and v1.
    pub fn consumer_describe(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        id: &StrBytes,
    ) -> Decided {
        let refused = |message| DescribedGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND,
            error_message: Some(StrBytes::from(message)),
            group_id: id.clone(),
            ..DescribedGroup::default()
        };
        let described = match self.group(id) {
            None => refused(format!("Group {id} not found.")),
            Some(group) => match &group.kinds.consumers {
                None => refused(format!("Group {id} is not a consumer group.")),
                Some(group) => described(ask, topics, id, group),
            },
        };
        soft.answer(ask.ticket, GroupReply::ConsumerDescribe(described))
    }
}

fn described(
    ask: &Ask<'_>,
    topics: &dyn Topics,
    id: &StrBytes,
    group: &ConsumerGroup,
) -> DescribedGroup {
    let members = group.members().iter().map(|(member, value)| {
        let current = group.current(member);
        Member {
            member_id: member.clone(),
            instance_id: value.instance_id.clone(),
            rack_id: value.rack_id.clone(),
            member_epoch: current.epoch,
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            subscribed_topic_names: value.subscribed_topic_names.clone(),
            subscribed_topic_regex: value.subscribed_topic_regex.clone(),
            assignment: assignment(topics, &current.assigned),
            target_assignment: assignment(topics, &group.target(member)),
            member_type: i8::from(value.classic_member_metadata.is_none()),
            ..Member::default()
        }
    });
    DescribedGroup {
        group_id: id.clone(),
        group_state: StrBytes::from(group.state()),
        group_epoch: group.epochs().epoch(),
        assignment_epoch: group.epochs().target_epoch(),
        assignor_name: StrBytes::copied(preferred_assignor(group, &ask.settings.consumer)),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn assignment(topics: &dyn Topics, partitions: &Partitions) -> Assignment {
    let topic_partitions = partitions.topics().filter_map(|(topic_id, partitions)| {
        Some(TopicPartitions {
            topic_id,
            topic_name: topics.name(topic_id)?,
            partitions: partitions.iter().map(|(index, _)| *index).collect(),
            ..TopicPartitions::default()
        })
    });
    Assignment { topic_partitions: topic_partitions.collect(), ..Assignment::default() }
}

impl AnyKind for ConsumerGroup {
    fn name(&self) -> &'static str {
        "consumer"
    }

    fn state(&self) -> &'static str {
        if self.members().is_empty() {
            "Empty"
        } else if self.epochs().is_ahead() {
            "Assigning"
        } else if self.is_settled() {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    fn tombstones(&self, id: &str) -> Vec<GroupRecord> {
        let mut draft = ConsumerDraft::of(id, self);
        for regex in self.regexes().keys() {
            draft.push(ConsumerEntry::Regex(regex.clone(), None));
        }
        draft.push(ConsumerEntry::TargetEpoch(None));
        if self.has_partition_metadata {
            draft.push(ConsumerEntry::PartitionMetadata(None));
        }
        draft.push(ConsumerEntry::Epoch(None));
        draft.records
    }

    fn restart(&self, soft: &mut Soft, id: &StrBytes, now: Now, settings: &Settings) {
        restart(self, soft, id, now, settings);
    }
}
