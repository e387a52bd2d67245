//! How scripts for streams groups show answers and records.

use ottla_wire::ErrorCode;
use ottla_wire::messages::streams_group_heartbeat_response as told;

use crate::GroupReply;
use crate::kinds::RecordOf;
use crate::streams::tasks::{TaskId, tasks_of};
use crate::streams::{InternalTopic, StreamsEntry};

pub(super) fn names<'a>(tasks: impl IntoIterator<Item = &'a TaskId>) -> String {
    let names = tasks.into_iter().map(|task| format!("{}:{}", task.subtopology, task.partition));
    names.collect::<Vec<_>>().join(" ")
}

pub(super) fn status(response: &told::StreamsGroupHeartbeatResponse) -> String {
    let status = response.status.as_deref().unwrap_or_default();
    if status.is_empty() {
        return String::new();
    }
    let status = status.iter().map(|it| format!("{} {}", it.status_code, it.status_detail));
    format!(" status=[{}]", status.collect::<Vec<_>>().join(", "))
}

pub(super) fn endpoints(response: &told::StreamsGroupHeartbeatResponse) -> String {
    let told = response.partitions_by_user_endpoint.iter().flatten().map(|served| {
        let topics = |topics: &[told::TopicPartition]| {
            let topics = topics.iter().map(|it| {
                let partitions: Vec<i32> = it.partitions.iter().map(|index| index.0).collect();
                format!("{}{partitions:?}", it.topic)
            });
            topics.collect::<Vec<_>>().join(" ")
        };
        let (active, standby) =
            (topics(&served.active_partitions), topics(&served.standby_partitions));
        let at = &served.user_endpoint;
        format!("{}:{} {active}/{standby}", at.host, at.port)
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(" at={} [{}]", response.endpoint_information_epoch, told.join(", ")),
    }
}

pub(in crate::streams::tests) fn created(create: &[InternalTopic]) -> String {
    if create.is_empty() {
        return String::new();
    }
    let topics = create.iter().map(|topic| {
        let configs = topic.configs.iter().map(|(key, value)| format!(" {key}={value}"));
        assert_eq!(topic.replication_factor, -1);
        format!("{}/{}{}", topic.name, topic.partitions, configs.collect::<String>())
    });
    format!(" create=[{}]", topics.collect::<Vec<_>>().join(", "))
}

pub(super) fn printed(reply: &GroupReply) -> String {
    match reply {
        GroupReply::StreamsDescribe(group) if group.error_code != ErrorCode::NONE => {
            let message = group.error_message.clone().unwrap_or_default();
            format!("{} {message}", group.error_code.name())
        }
        GroupReply::StreamsDescribe(group) => {
            use ottla_wire::messages::streams_group_describe_response::TaskIds;
            let tasks = |lists: &[TaskIds]| {
                let lists = lists.iter().map(|it| (&it.subtopology_id, &*it.partitions));
                names(&tasks_of(lists).collect::<Vec<_>>())
            };
            let both =
                |assignment: &ottla_wire::messages::streams_group_describe_response::Assignment| {
                    let standby = tasks(&assignment.standby_tasks);
                    let standby = if standby.is_empty() { standby } else { format!(" +{standby}") };
                    format!("[{}{standby}]", tasks(&assignment.active_tasks))
                };
            let members = group.members.iter().map(|it| {
                let (has, shall) = (both(&it.assignment), both(&it.target_assignment));
                format!(" {}@{} {has} shall {shall}", it.member_id, it.member_epoch)
            });
            let members: Vec<String> = members.collect();
            let (epoch, target) = (group.group_epoch, group.assignment_epoch);
            format!("{} epoch={epoch}/{target}{}", group.group_state, members.join(","))
        }
        GroupReply::List(groups) => {
            let groups = groups.iter().map(|it| {
                format!("{} {} {} {}", it.group_id, it.group_type, it.group_state, it.protocol_type)
            });
            groups.collect::<Vec<_>>().join(", ")
        }
        GroupReply::Delete(result) => format!("delete: {}", result.error_code.name()),
        GroupReply::OffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let errors: Vec<&str> = partitions.map(|one| one.error_code.name()).collect();
            format!("commit: {}", errors.join(" "))
        }
        GroupReply::OffsetFetch(group) => {
            let topics = group.topics.iter().map(|it| it.name.to_string());
            let topics = topics.collect::<Vec<_>>().join(" ");
            format!("fetch: {} [{topics}]", group.error_code.name())
        }
        GroupReply::OffsetDelete(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let errors: Vec<&str> = partitions.map(|one| one.error_code.name()).collect();
            format!("forget: {}", errors.join(" "))
        }
        GroupReply::ConsumerHeartbeat(response) => {
            format!("consumer: {}", response.error_code.name())
        }
        GroupReply::Join(response) => format!("join: {}", response.error_code.name()),
        other => format!("{other:?}"),
    }
}

/// A record as scripts show it.
pub(super) fn entry(record: &RecordOf<StreamsEntry>) -> String {
    let gone = || "gone".to_owned();
    match &record.entry {
        StreamsEntry::Epoch(value) => {
            let text = value
                .as_ref()
                .map(|it| format!("{} validated {}", it.epoch, it.validated_topology_epoch));
            format!("epoch {}", text.unwrap_or_else(gone))
        }
        StreamsEntry::Member(id, value) => match value {
            Some(_) => format!("member {id}"),
            None => format!("member {id} gone"),
        },
        StreamsEntry::TargetEpoch(value) => {
            let text = value.as_ref().map(|value| value.assignment_epoch.to_string());
            format!("target epoch {}", text.unwrap_or_else(gone))
        }
        StreamsEntry::Target(id, value) => {
            let text = value.as_ref().map(|value| {
                let lists = value.active_tasks.iter();
                let lists = lists.map(|it| (&it.subtopology_id, &*it.partitions));
                format!("[{}]", names(&tasks_of(lists).collect::<Vec<_>>()))
            });
            format!("target {id} {}", text.unwrap_or_else(gone))
        }
        StreamsEntry::Current(id, value) => {
            use ottla_wire::messages::streams_group_current_member_assignment_value::TaskIds;
            let tasks = |lists: &[TaskIds]| {
                let lists = lists.iter().map(|it| (&it.subtopology_id, &*it.partitions));
                names(&tasks_of(lists).collect::<Vec<_>>())
            };
            let text = value.as_ref().map(|value| {
                format!(
                    "{}/{} state={} [{}] revoking [{}]",
                    value.member_epoch,
                    value.previous_member_epoch,
                    value.state,
                    tasks(&value.active_tasks),
                    tasks(&value.active_tasks_pending_revocation)
                )
            });
            format!("current {id} {}", text.unwrap_or_else(gone))
        }
        StreamsEntry::Topology(value) => {
            let text = value.as_ref().map(|value| value.epoch.to_string());
            format!("topology {}", text.unwrap_or_else(gone))
        }
    }
}

/// A line as several that fit on a page.
pub(in crate::streams::tests) fn wrapped(line: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        if width > 0 && width + word.len() > WIDTH {
            wrapped += "\n   ";
            width = 3;
        }
        if !wrapped.is_empty() {
            wrapped.push(' ');
        }
        wrapped += word;
        width += word.len() + 1;
    }
    wrapped
}

const WIDTH: usize = 80;
