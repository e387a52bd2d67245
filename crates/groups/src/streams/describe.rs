//! StreamsGroupDescribe, and what else is asked of a streams group from outside.
//!
//! Not here: authorization, which is the caller's, as is the names of the topics that the topology
//! has. Must hold: a topology is told with the partitions that its topics have once they are known,
//! and as the client sent it before that.

use std::collections::BTreeMap;

use ottla_wire::messages::StreamsGroupTopologyValue;
use ottla_wire::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TaskIds, TopicInfo,
    Topology,
};
use ottla_wire::messages::streams_group_topology_value as sent;
use ottla_wire::{ErrorCode, StrBytes};

use super::leave::restart;
use super::records::StreamsEntry;
use super::state::{MemberValue, StreamsGroup};
use super::tasks::{Tasks, lists_of};
use super::topology::Configured;
use super::{InternalTopic, StreamsDraft};
use crate::kinds::AnyKind;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Now, Settings, Soft};

impl Groups {
    /// The streams group of an id.
    pub(crate) fn streams_group(&self, id: &str) -> Option<&StreamsGroup> {
        self.group(id)?.kinds.streams.as_deref()
    }

    /// StreamsGroupDescribe, one group of v0.
    pub fn streams_describe(&self, soft: &Soft, ask: &Ask<'_>, id: &StrBytes) -> Decided {
        let refused = |message| DescribedGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND,
            error_message: Some(StrBytes::from(message)),
            group_id: id.clone(),
            ..DescribedGroup::default()
        };
        let described = match (self.group(id), self.streams_group(id)) {
            (None, _) => refused(format!("Group {id} not found.")),
            (Some(_), None) => refused(format!("Group {id} is not a streams group.")),
            (Some(_), Some(group)) => described(soft, id, group),
        };
        soft.answer(ask.ticket, GroupReply::StreamsDescribe(described))
    }
}

fn described(soft: &Soft, id: &StrBytes, group: &StreamsGroup) -> DescribedGroup {
    let topology = group.topology().map(|topology| {
        let configured = soft.streams.configured(id, topology);
        told(topology, configured.filter(|it| it.is_ready()).map(|it| &**it))
    });
    let members = group.members().iter().map(|(id, value)| member(group, id, value));
    DescribedGroup {
        group_id: id.clone(),
        group_state: StrBytes::from(group.state()),
        group_epoch: group.epochs().epoch(),
        assignment_epoch: group.epochs().target_epoch(),
        topology,
        members: members.collect(),
        assignor_name: Some(StrBytes::from(ASSIGNOR)),
        ..DescribedGroup::default()
    }
}

fn member(group: &StreamsGroup, id: &StrBytes, value: &MemberValue) -> Member {
    let current = group.current(id);
    let endpoint = value.user_endpoint.as_ref().map(|endpoint| Endpoint {
        host: endpoint.host.clone(),
        port: endpoint.port,
        ..Endpoint::default()
    });
    let tags = value.client_tags.iter().map(|tag| KeyValue {
        key: tag.key.clone(),
        value: tag.value.clone(),
        ..KeyValue::default()
    });
    Member {
        member_id: id.clone(),
        member_epoch: current.epoch,
        instance_id: value.instance_id.clone(),
        rack_id: value.rack_id.clone(),
        client_id: value.client_id.clone(),
        client_host: value.client_host.clone(),
        topology_epoch: value.topology_epoch,
        process_id: value.process_id.clone(),
        user_endpoint: endpoint,
        client_tags: tags.collect(),
        assignment: assignment(&current.assigned),
        target_assignment: assignment(&group.target(id)),
        ..Member::default()
    }
}

fn assignment(tasks: &Tasks) -> Assignment {
    let list =
        |subtopology_id, partitions| TaskIds { subtopology_id, partitions, ..TaskIds::default() };
    Assignment {
        active_tasks: lists_of(tasks.active.keys(), list),
        standby_tasks: lists_of(&tasks.standby, list),
        warmup_tasks: lists_of(&tasks.warmup, list),
        ..Assignment::default()
    }
}

/// The one assignor there is, by Kafka's name of it.
const ASSIGNOR: &str = "sticky";

fn sorted(names: &[StrBytes]) -> Vec<StrBytes> {
    let mut names = names.to_vec();
    names.sort();
    names
}

/// The topology as the client sent it, but for the numbers of partitions when they are known.
fn told(topology: &StreamsGroupTopologyValue, configured: Option<&Configured>) -> Topology {
    let known = configured.and_then(|configured| configured.subtopologies.as_ref());
    let mut subtopologies: Vec<Subtopology> = topology
        .subtopologies
        .iter()
        .map(|it| {
            let known = known.and_then(|known| known.get(&it.subtopology_id));
            let changelogs = known.map(|known| &known.changelogs);
            let repartition = known.map(|known| &known.repartition_sources);
            Subtopology {
                subtopology_id: it.subtopology_id.clone(),
                source_topics: sorted(&it.source_topics),
                repartition_sink_topics: sorted(&it.repartition_sink_topics),
                state_changelog_topics: topics(&it.state_changelog_topics, changelogs),
                repartition_source_topics: topics(&it.repartition_source_topics, repartition),
                ..Subtopology::default()
            }
        })
        .collect();
    subtopologies.sort_by(|a, b| a.subtopology_id.cmp(&b.subtopology_id));
    Topology { epoch: topology.epoch, subtopologies: Some(subtopologies), ..Topology::default() }
}

fn topics(
    sent: &[sent::TopicInfo],
    known: Option<&BTreeMap<StrBytes, InternalTopic>>,
) -> Vec<TopicInfo> {
    let topic = |sent: &sent::TopicInfo| {
        let configs = sent.topic_configs.iter().map(|config| KeyValue {
            key: config.key.clone(),
            value: config.value.clone(),
            ..KeyValue::default()
        });
        let known = known.and_then(|known| known.get(&sent.name));
        TopicInfo {
            name: sent.name.clone(),
            partitions: known.map_or(sent.partitions, |known| known.partitions),
            replication_factor: sent.replication_factor,
            topic_configs: configs.collect(),
            ..TopicInfo::default()
        }
    };
    let mut topics: Vec<TopicInfo> = sent.iter().map(topic).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    topics
}

impl AnyKind for StreamsGroup {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn state(&self) -> &'static str {
        let ready = self.topology().map(|topology| topology.epoch);
        if self.members().is_empty() {
            "Empty"
        } else if ready != Some(self.ground().validated_topology_epoch) {
            "NotReady"
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
        let mut draft = StreamsDraft::of(id, self);
        draft.push(StreamsEntry::TargetEpoch(None));
        draft.push(StreamsEntry::Epoch(None));
        draft.push(StreamsEntry::Topology(None));
        draft.records
    }

    fn restart(&self, soft: &mut Soft, id: &StrBytes, now: Now, settings: &Settings) {
        restart(self, soft, id, now, settings);
    }
}
