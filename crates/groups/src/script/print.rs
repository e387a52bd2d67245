//! How scripts print answers.
//!
//! Not here: answers whose member ids have names in the script (script.rs).

use std::fmt::Write as _;

use bytes::Bytes;
use ottla_wire::ErrorCode;
use ottla_wire::messages::consumer_group_describe_response::{DescribedGroup, TopicPartitions};

use crate::GroupReply;

pub(super) fn summary(reply: &GroupReply) -> String {
    match reply {
        GroupReply::OffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let errors: Vec<&str> = partitions.map(|one| one.error_code.name()).collect();
            format!("OffsetCommit [{}]", errors.join(" "))
        }
        GroupReply::TxnOffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let errors: Vec<&str> = partitions.map(|one| one.error_code.name()).collect();
            format!("TxnOffsetCommit [{}]", errors.join(" "))
        }
        GroupReply::OffsetFetch(group) => outcome("OffsetFetch", group.error_code, || {
            let offsets = group.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |one| {
                    let mut line =
                        format!("{}:{}@{}", topic.name, one.partition_index, one.committed_offset);
                    if let Some(metadata) = one.metadata.as_ref().filter(|text| !text.is_empty()) {
                        write!(line, " {metadata:?}").expect("strings grow");
                    }
                    if one.error_code != ErrorCode::NONE {
                        write!(line, " {}", one.error_code.name()).expect("strings grow");
                    }
                    line
                })
            });
            format!("[{}]", offsets.collect::<Vec<_>>().join(" "))
        }),
        GroupReply::OffsetDelete(response) => outcome("OffsetDelete", response.error_code, || {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let errors: Vec<&str> = partitions.map(|one| one.error_code.name()).collect();
            format!("[{}]", errors.join(" "))
        }),
        GroupReply::Describe(group) => {
            let members = group.members.iter().map(|member| {
                let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
                let (metadata, assignment) =
                    (text(&member.member_metadata), text(&member.member_assignment));
                format!("{}{} {metadata:?} {assignment:?}", member.client_id, member.client_host)
            });
            format!(
                "{} {} type={:?} protocol={:?} [{}]",
                group.error_code.name(),
                group.group_state,
                group.protocol_type,
                group.protocol_data,
                members.collect::<Vec<_>>().join(", ")
            )
        }
        GroupReply::ConsumerDescribe(group) => consumers(group),
        GroupReply::List(groups) => {
            let groups = groups.iter().map(|group| {
                let protocol_type = &group.protocol_type;
                format!(
                    "{} {} {} {protocol_type:?}",
                    group.group_id, group.group_type, group.group_state
                )
            });
            format!("[{}]", groups.collect::<Vec<_>>().join(", "))
        }
        GroupReply::Delete(result) => outcome("DeleteGroups", result.error_code, || "ok".into()),
        other => format!("{other:?}"),
    }
}

fn consumers(group: &DescribedGroup) -> String {
    outcome("ConsumerGroupDescribe", group.error_code, || {
        let members = group.members.iter().map(|member| {
            let count = |topics: &[TopicPartitions]| {
                topics.iter().map(|topic| topic.partitions.len()).sum::<usize>()
            };
            format!(
                "\n    {}@{} has={} shall={}{}",
                member.member_id,
                member.member_epoch,
                count(&member.assignment.topic_partitions),
                count(&member.target_assignment.topic_partitions),
                if member.member_type == 0 { " classic" } else { "" }
            )
        });
        let (state, epoch) = (&group.group_state, group.group_epoch);
        let members = members.collect::<String>();
        format!("{state} epoch={epoch}/{} {}{members}", group.assignment_epoch, group.assignor_name)
    })
}

pub(super) fn outcome(api: &str, error: ErrorCode, good: impl FnOnce() -> String) -> String {
    if error == ErrorCode::NONE {
        format!("{api} {}", good())
    } else {
        format!("{api} {}", error.name())
    }
}
