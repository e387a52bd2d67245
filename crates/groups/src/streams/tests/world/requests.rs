//! The requests of clients in scripts for streams groups, and their applications.

use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_wire::messages::streams_group_heartbeat_request::{
    Endpoint, KeyValue, Subtopology, TaskIds, TopicInfo, Topology,
};
use ottla_wire::messages::{
    OffsetCommitRequest, OffsetDeleteRequest, StreamsGroupHeartbeatRequest,
};
use ottla_wire::{MemberEpoch, Offset, PartitionIndex, StrBytes};

use super::Client;
use crate::script::{Words, millis};
use crate::streams::tasks::{TaskId, lists_of};

pub(super) fn request(
    name: &str,
    words: &Words<'_>,
    client: &Client,
    epoch: i32,
) -> StreamsGroupHeartbeatRequest {
    let joins = epoch == 0;
    let list =
        |subtopology_id, partitions| TaskIds { subtopology_id, partitions, ..TaskIds::default() };
    let rebalance = words.keys.get("rebalance").map_or(60_000, |text| millis(text));
    let active: Vec<TaskId> = match words.keys.get("tasks") {
        Some(tasks) => tasks.split(',').map(task).collect(),
        None => client.has.active.keys().cloned().collect(),
    };
    let endpoint = words.keys.get("at").map(|at| {
        let (host, port) = at.split_once(':').expect("host:port");
        let port = port.parse().expect("a port");
        Endpoint { host: StrBytes::copied(host), port, ..Endpoint::default() }
    });
    let mut topology = topology(&client.app);
    if words.keys.contains_key("regex") {
        topology.subtopologies[0].source_topic_regex.push("x.*".into());
    }
    if let Some(partitions) = words.keys.get("changelog") {
        topology.subtopologies[0].state_changelog_topics.push(TopicInfo {
            name: "c".into(),
            partitions: partitions.parse().expect("a number"),
            ..TopicInfo::default()
        });
    }
    let group = words.keys.get("group").unwrap_or(&"g");
    let process = words.keys.get("process").unwrap_or(&name);
    StreamsGroupHeartbeatRequest {
        group_id: StrBytes::copied(if words.plain.contains(&"blank") { " " } else { group }),
        member_id: StrBytes::copied(name),
        member_epoch: MemberEpoch(epoch),
        endpoint_information_epoch: client.endpoints_seen,
        instance_id: words.keys.get("static").map(|text| StrBytes::copied(text)),
        rebalance_timeout_ms: if joins { rebalance.try_into().expect("fits") } else { -1 },
        topology: joins.then_some(topology),
        active_tasks: Some(lists_of(&active, list)),
        standby_tasks: Some(lists_of(&client.has.standby, list)),
        warmup_tasks: Some(Vec::new()),
        process_id: joins.then(|| StrBytes::copied(process)),
        user_endpoint: endpoint,
        client_tags: joins.then(Vec::new),
        shutdown_application: words.plain.contains(&"stop"),
        ..StreamsGroupHeartbeatRequest::default()
    }
}

pub(in crate::streams::tests) fn task(text: &str) -> TaskId {
    let (subtopology, partition) = text.split_once(':').expect("subtopology:partition");
    let partition = PartitionIndex(partition.parse().expect("a number"));
    TaskId { subtopology: StrBytes::copied(subtopology), partition }
}

/// An application by name: `plain` reads t, `count` counts what it reads there, `join` joins t with
/// v. A number behind a plus is the epoch of its topology.
pub(super) fn topology(app: &str) -> Topology {
    let (app, epoch) = app.split_once('+').unwrap_or((app, "0"));
    let text = match app {
        "plain" => "0 src=t",
        "count" => "0 src=t sink=count-r; 1 rep=count-r log=count-c",
        "join" => "0 src=t,v cop=0+1",
        other => panic!("no such application: {other}"),
    };
    Topology {
        epoch: epoch.parse().expect("an epoch"),
        subtopologies: subtopologies(text),
        ..Topology::default()
    }
}

/// Sub-topologies by their ids; `src` are topics of others, `rep` repartition topics that are read,
/// with a number of partitions behind a slash, `sink` those that are written, `log` changelogs.
/// `cop` are places in `src` and, after a slash, in `rep` that are read together.
pub(in crate::streams::tests) fn subtopologies(text: &str) -> Vec<Subtopology> {
    let parsed = text.split(';').map(|text| {
        let words = Words::of(text);
        let names = |key| -> Vec<&str> {
            words.keys.get(key).map_or(Vec::new(), |text| text.split(',').collect())
        };
        let copied =
            |key| -> Vec<StrBytes> { names(key).into_iter().map(StrBytes::copied).collect() };
        let infos = |key, compact| -> Vec<TopicInfo> {
            names(key).into_iter().map(|text| info(text, compact)).collect()
        };
        let groups = names("cop").into_iter().map(|group| {
            let (sources, repartition) = group.split_once('/').unwrap_or((group, ""));
            let places = |text: &str| -> Vec<i16> {
                let places = text.split('+').filter(|place| !place.is_empty());
                places.map(|place| place.parse().expect("a place")).collect()
            };
            ottla_wire::messages::streams_group_heartbeat_request::CopartitionGroup {
                source_topics: places(sources),
                repartition_source_topics: places(repartition),
                ..Default::default()
            }
        });
        Subtopology {
            subtopology_id: StrBytes::copied(words.plain[0]),
            source_topics: copied("src"),
            repartition_sink_topics: copied("sink"),
            repartition_source_topics: infos("rep", false),
            state_changelog_topics: infos("log", true),
            copartition_groups: groups.collect(),
            ..Subtopology::default()
        }
    });
    parsed.collect()
}

fn info(text: &str, compact: bool) -> TopicInfo {
    let (name, partitions) = text.split_once('/').unwrap_or((text, "0"));
    let configs = compact.then(|| KeyValue {
        key: "cleanup.policy".into(),
        value: "compact".into(),
        ..KeyValue::default()
    });
    TopicInfo {
        name: StrBytes::copied(name),
        partitions: partitions.parse().expect("a number"),
        topic_configs: configs.into_iter().collect(),
        ..TopicInfo::default()
    }
}

fn place_of(place: &str) -> (StrBytes, PartitionIndex) {
    let (topic, partition) = place.split_once(':').expect("topic:partition");
    (StrBytes::copied(topic), PartitionIndex(partition.parse().expect("a number")))
}

pub(super) fn commit(member: &str, place: &str, epoch: &str) -> OffsetCommitRequest {
    let (name, partition_index) = place_of(place);
    let partition = OffsetCommitRequestPartition {
        partition_index,
        committed_offset: Offset(7),
        ..OffsetCommitRequestPartition::default()
    };
    let partitions = vec![partition];
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: epoch.parse().expect("an epoch"),
        member_id: StrBytes::copied(if member == "-" { "" } else { member }),
        topics: vec![OffsetCommitRequestTopic {
            name,
            partitions,
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

pub(super) fn forget(place: &str) -> OffsetDeleteRequest {
    let (name, partition_index) = place_of(place);
    let partitions = vec![OffsetDeleteRequestPartition { partition_index }];
    let topics = vec![OffsetDeleteRequestTopic { name, partitions }];
    OffsetDeleteRequest { group_id: "g".into(), topics }
}
