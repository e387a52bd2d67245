//! The lines of `share-groups --describe`: offsets and lag, members, states.
//!
//! Not here: how a group is asked for (share_groups.rs), and columns (groups/table.rs).

use ottla_wire::BrokerId;
use ottla_wire::messages::describe_share_group_offsets_response as offsets;
use ottla_wire::messages::share_group_describe_response::{DescribedGroup, Member};

use crate::groups::or_dash;
use crate::groups::table::{at_least, fixed, open, table};

/// Where the group is in each partition.
pub(super) fn offsets(
    id: &str,
    topics: &[offsets::DescribeShareGroupOffsetsResponseTopic],
    verbose: bool,
) -> String {
    let mut columns = vec![at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10)];
    if verbose {
        columns.push(fixed("LEADER-EPOCH", 13));
    }
    columns.extend([fixed("START-OFFSET", 13), open("LAG")]);
    let rows = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|it| {
            let start = Some(it.start_offset.0).filter(|start| *start >= 0);
            let (index, topic) = (it.partition_index.to_string(), topic.topic_name.to_string());
            let mut cells = vec![id.to_string(), topic, index];
            if verbose {
                cells.push(or_dash(start.map(|_| it.leader_epoch)));
            }
            cells.extend([or_dash(start), or_dash(Some(it.lag).filter(|lag| *lag >= 0))]);
            cells
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    match rows.is_empty() {
        true => format!("\nShare group '{id}' has no offset information.\n"),
        false => format!("\n{}", table(&columns, &rows)),
    }
}

/// The members and what they are assigned.
pub(super) fn members(group: &DescribedGroup, verbose: bool) -> String {
    let mut columns = vec![
        at_least("GROUP", 15),
        at_least("CONSUMER-ID", 15),
        at_least("HOST", 15),
        at_least("CLIENT-ID", 15),
        fixed("#PARTITIONS", 12),
    ];
    if verbose {
        columns.push(fixed("MEMBER-EPOCH", 13));
    }
    columns.push(open("ASSIGNMENT"));
    let rows = group.members.iter().map(|member| {
        let topics = &member.assignment.topic_partitions;
        let count: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut cells = vec![
            group.group_id.to_string(),
            member.member_id.to_string(),
            member.client_host.to_string(),
            member.client_id.to_string(),
            count.to_string(),
        ];
        if verbose {
            cells.push(member.member_epoch.0.to_string());
        }
        cells.push(assignment(member));
        cells
    });
    format!("\n{}", table(&columns, &rows.collect::<Vec<_>>()))
}

/// `orders:0,1;payments:0`.
fn assignment(member: &Member) -> String {
    let mut topics: Vec<String> = Vec::new();
    for topic in &member.assignment.topic_partitions {
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|index| index.0).collect();
        partitions.sort_unstable();
        let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
        topics.push(format!("{}:{}", topic.topic_name, partitions.join(",")));
    }
    topics.sort();
    or_dash(Some(topics.join(";")).filter(|text| !text.is_empty()))
}

/// The group's state, and who coordinates it.
pub(super) fn state(
    group: &DescribedGroup,
    coordinator: Option<(String, u16, BrokerId)>,
    verbose: bool,
) -> String {
    let coordinator = coordinator.map(|(host, port, id)| format!("{host}:{port}  ({id})"));
    let mut columns =
        vec![at_least("GROUP", 15), at_least("COORDINATOR (ID)", 25), fixed("STATE", 15)];
    let mut cells =
        vec![group.group_id.to_string(), or_dash(coordinator), group.group_state.to_string()];
    if verbose {
        columns.extend([fixed("GROUP-EPOCH", 12), fixed("ASSIGNMENT-EPOCH", 17)]);
        cells.extend([group.group_epoch.0.to_string(), group.assignment_epoch.0.to_string()]);
    }
    columns.push(open("#MEMBERS"));
    cells.push(group.members.len().to_string());
    format!("\n{}", table(&columns, &[cells]))
}
