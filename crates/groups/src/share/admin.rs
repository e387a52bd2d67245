//! ShareGroupDescribe (77), the deletion of share groups, and what becomes of their offsets
//! (DescribeShareGroupOffsets 90, AlterShareGroupOffsets 91, DeleteShareGroupOffsets 92).
//!
//! The offsets themselves are with the share coordinator, which the caller asks; in here is which
//! there are, and whether they may be changed: only while nobody is in the group.

use std::collections::BTreeMap;

use ottla_wire::messages::share_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes, TopicId};

use super::initialize::{Initialize, Places};
use super::leave::restart;
use super::records::ShareEntry;
use super::state::{Assigned, ShareGroup};
use super::{Refusal, ShareDraft};
use crate::kinds::{AnyKind, Commits};
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Now, Settings, Soft, Topics};

impl Groups {
    /// The share group of an id.
    pub(crate) fn share_group(&self, id: &str) -> Option<&ShareGroup> {
        self.group(id)?.kinds.shares.as_deref()
    }

    /// ShareGroupDescribe, one group of v1.
    pub fn share_describe(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        id: &StrBytes,
    ) -> Decided {
        let described = match self.share_group(id) {
            Some(group) => described(id, group, topics),
            None => DescribedGroup {
                group_id: id.clone(),
                error_code: ErrorCode::GROUP_ID_NOT_FOUND,
                error_message: Some(self.no_share_group(id).into()),
                ..DescribedGroup::default()
            },
        };
        soft.answer(ask.ticket, GroupReply::ShareDescribe(described))
    }

    /// The partitions of a share group that have a state; none of a group that is not there.
    /// `to_change` asks for those of a group that is there, and nobody is in it.
    pub fn share_places(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        id: &StrBytes,
        to_change: bool,
    ) -> Decided {
        let found = match to_change {
            true => self.changeable(id).map(Some),
            // Where there is no such group nothing of it is anywhere (GroupMetadataManager).
            false => Ok(self.share_group(id)),
        };
        let places = found.map(|group| {
            let Some(group) = group else { return BTreeMap::new() };
            let topics = group.states().initialized.iter();
            topics
                .map(|(topic, known)| (*topic, known.partitions.iter().copied().collect()))
                .collect()
        });
        soft.answer(ask.ticket, GroupReply::SharePlaces(places))
    }

    /// Partitions of a share group are to begin elsewhere, under its epoch; a group that is not
    /// there is begun. Nobody is in it: its epoch is later than that of any state before.
    pub fn share_alter(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        id: &StrBytes,
        names: &BTreeMap<TopicId, StrBytes>,
        places: &Places,
    ) -> Decided {
        let mut records = Vec::new();
        let draft = match self.group(id) {
            None if !id.is_empty() => Ok(ShareDraft::new(id, Vec::new())),
            _ => self.changeable(id).map(|group| ShareDraft::of(id, group)),
        };
        let initialize = draft.map(|mut draft| {
            let epoch = draft.group().epochs().epoch();
            let mut next = (**draft.group().states()).clone();
            next.begin(names, places);
            if !places.is_empty() {
                draft.push(next.entry());
                soft.share_initializing.insert(draft.id.clone(), ask.now.steady);
            }
            records = std::mem::take(&mut draft.records);
            Initialize { group: draft.id.clone(), epoch, places: places.clone() }
        });
        let replies = vec![(ask.ticket, GroupReply::ShareAltered(initialize))];
        Decided { records, replies, wake: soft.wake() }
    }

    /// The states of these topics are deleted.
    pub fn share_forgotten(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        id: &StrBytes,
        topics: &[TopicId],
    ) -> Decided {
        let mut records = Vec::new();
        if let Some(group) = self.share_group(id) {
            let mut draft = ShareDraft::of(id, group);
            let mut next = (**group.states()).clone();
            for topic in topics {
                next.forget(*topic);
            }
            if next != **group.states() {
                draft.push(next.entry());
            }
            records = draft.records;
        }
        let replies = vec![(ask.ticket, GroupReply::ShareNoted(ErrorCode::NONE))];
        Decided { records, replies, wake: soft.wake() }
    }

    /// Topics are deleted: their partitions have no state any more.
    pub(crate) fn share_topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for (id, group) in &self.groups {
            let Some(shares) = group.kinds.shares.as_deref() else { continue };
            let mut next = (**shares.states()).clone();
            for (_, topic) in deleted {
                next.forget(*topic);
            }
            if next != **shares.states() {
                let mut draft = ShareDraft::of(id, shares);
                draft.push(next.entry());
                records.extend(draft.records);
            }
        }
        records
    }

    /// Why there is no share group of this id.
    fn no_share_group(&self, id: &str) -> String {
        match self.group(id) {
            Some(_) => format!("Group {id} is not a share group."),
            None => format!("Group {id} not found."),
        }
    }

    /// A share group that nobody is in.
    fn changeable(&self, id: &str) -> Result<&ShareGroup, Refusal> {
        if id.is_empty() {
            let code = ErrorCode::INVALID_GROUP_ID;
            return Err((code, code.message().to_owned()));
        }
        let Some(group) = self.share_group(id) else {
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, self.no_share_group(id)));
        };
        group.may_go().map(|()| group)
    }
}

/// Its members commit no offsets.
impl Commits for ShareGroup {}

impl AnyKind for ShareGroup {
    fn name(&self) -> &'static str {
        "share"
    }

    fn state(&self) -> &'static str {
        if self.is_empty() { "Empty" } else { "Stable" }
    }

    fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// The states of its partitions are deleted before.
    fn tombstones(&self, id: &str) -> Vec<GroupRecord> {
        let mut draft = ShareDraft::of(id, self);
        draft.push(ShareEntry::TargetEpoch(None));
        if *self.states().as_ref() != Default::default() {
            draft.push(ShareEntry::States(None));
        }
        draft.push(ShareEntry::Epoch(None));
        draft.records
    }

    fn restart(&self, soft: &mut Soft, id: &StrBytes, now: Now, settings: &Settings) {
        restart(self, soft, id, now.steady, &settings.share);
    }
}

fn described(id: &StrBytes, group: &ShareGroup, topics: &dyn Topics) -> DescribedGroup {
    let members = group.members().iter().map(|(member, value)| {
        let current = group.current(member);
        Member {
            member_id: member.clone(),
            rack_id: value.rack_id.clone(),
            member_epoch: current.epoch,
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            subscribed_topic_names: value.subscribed_topic_names.clone(),
            assignment: told(&current.assigned, topics),
            ..Member::default()
        }
    });
    DescribedGroup {
        group_id: id.clone(),
        group_state: StrBytes::from(group.state()),
        group_epoch: group.epochs().epoch(),
        // A group that nobody was in has its first epoch in both places.
        assignment_epoch: group.epochs().target_epoch().max(MemberEpoch(1)),
        assignor_name: StrBytes::from("simple"),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn told(assigned: &Assigned, topics: &dyn Topics) -> Assignment {
    let known =
        assigned.iter().filter_map(|(id, partitions)| Some((id, topics.name(*id)?, partitions)));
    let told = known.map(|(topic_id, topic_name, partitions)| TopicPartitions {
        topic_id: *topic_id,
        topic_name,
        partitions: partitions.iter().copied().collect(),
        ..TopicPartitions::default()
    });
    Assignment { topic_partitions: told.collect(), ..Assignment::default() }
}
