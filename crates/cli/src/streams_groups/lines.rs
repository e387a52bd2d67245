//! The lines of `streams-groups --describe`: offsets and lag, members and their tasks, states.
//!
//! Not here: how a group is asked for (streams_groups.rs), and columns (groups/table.rs).

use ottla_client::TopicPartition;
use ottla_wire::BrokerId;
use ottla_wire::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, Member, TaskIds,
};

use crate::groups::or_dash;
use crate::groups::table::{at_least, fixed, open, table};

/// Where a group is in a partition.
pub(super) struct Row {
    pub(super) of: TopicPartition,
    pub(super) current: Option<i64>,
    pub(super) leader_epoch: Option<i32>,
    pub(super) end: i64,
    pub(super) lag: i64,
}

/// Where a group is.
pub(super) fn offsets(id: &str, rows: &[Row], verbose: bool) -> String {
    let mut columns = vec![at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10)];
    match verbose {
        true => columns.extend([
            fixed("CURRENT-OFFSET", 15),
            fixed("LEADER-EPOCH", 15),
            fixed("LOG-END-OFFSET", 15),
            fixed("OFFSET-LAG", 15),
        ]),
        false => columns.push(open("OFFSET-LAG")),
    }
    let rows = rows.iter().map(|row| {
        let (topic, index) = (row.of.topic.to_string(), row.of.partition.to_string());
        let mut cells = vec![id.to_string(), topic, index];
        if verbose {
            cells.extend([or_dash(row.current), or_dash(row.leader_epoch), row.end.to_string()]);
        }
        cells.push(row.lag.to_string());
        cells
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

/// The members and their tasks.
pub(super) fn members(group: &DescribedGroup, verbose: bool) -> String {
    let mut columns = vec![at_least("GROUP", 15)];
    if verbose {
        columns.extend([fixed("TARGET-ASSIGNMENT-EPOCH", 25), fixed("TOPOLOGY-EPOCH", 14)]);
    }
    columns.push(at_least("MEMBER", 15));
    if verbose {
        columns.extend([fixed("MEMBER-PROTOCOL", 15), fixed("MEMBER-EPOCH", 15)]);
    }
    columns.extend([at_least("PROCESS", 15), at_least("CLIENT-ID", 15), open("ASSIGNMENTS")]);
    let rows = group.members.iter().map(|member| {
        let mut cells = vec![group.group_id.to_string()];
        if verbose {
            let target = group.assignment_epoch.0.to_string();
            cells.extend([target, member.topology_epoch.to_string()]);
        }
        cells.push(member.member_id.to_string());
        if verbose {
            let protocol = if member.is_classic { "classic" } else { "streams" };
            cells.extend([protocol.to_string(), member.member_epoch.0.to_string()]);
        }
        cells.extend([member.process_id.to_string(), member.client_id.to_string()]);
        cells.push(tasks(member, verbose));
        cells
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

/// `ACTIVE: 0:[0,1]; `, and the same of what else the member has and shall have.
fn tasks(member: &Member, verbose: bool) -> String {
    let mut text = assignment("", &member.assignment);
    if verbose {
        text += &assignment("TARGET-", &member.target_assignment);
    }
    text
}

fn assignment(lead: &str, of: &Assignment) -> String {
    let kinds = [
        ("ACTIVE", &of.active_tasks),
        ("STANDBY", &of.standby_tasks),
        ("WARMUP", &of.warmup_tasks),
    ];
    let kinds = kinds.into_iter().filter(|(_, tasks)| !tasks.is_empty());
    kinds.map(|(kind, tasks)| format!("{lead}{kind}: {}", ids(tasks))).collect()
}

fn ids(tasks: &[TaskIds]) -> String {
    let parts = tasks.iter().map(|part| {
        let partitions: Vec<String> = part.partitions.iter().map(|it| it.0.to_string()).collect();
        format!("{}:[{}]; ", part.subtopology_id, partitions.join(","))
    });
    parts.collect()
}

/// The group's state, and who coordinates it.
pub(super) fn state(
    group: &DescribedGroup,
    coordinator: Option<(String, u16, BrokerId)>,
    verbose: bool,
) -> String {
    let coordinator = coordinator.map(|(host, port, id)| format!("{host}:{port} ({id})"));
    let mut columns =
        vec![at_least("GROUP", 15), at_least("COORDINATOR (ID)", 25), fixed("STATE", 25)];
    let mut cells =
        vec![group.group_id.to_string(), or_dash(coordinator), group.group_state.to_string()];
    if verbose {
        columns.extend([fixed("GROUP-EPOCH", 15), fixed("TARGET-ASSIGNMENT-EPOCH", 25)]);
        cells.extend([group.group_epoch.0.to_string(), group.assignment_epoch.0.to_string()]);
    }
    columns.push(open("#MEMBERS"));
    cells.push(group.members.len().to_string());
    table(&columns, &[cells])
}

#[cfg(test)]
mod tests {
    use ottla_wire::PartitionIndex;

    use super::*;

    #[test]
    fn tasks_stand_by_their_kinds() {
        let tasks = |id: &'static str, partitions: &[i32]| TaskIds {
            subtopology_id: id.into(),
            partitions: partitions.iter().map(|index| PartitionIndex(*index)).collect(),
            ..Default::default()
        };
        let has = Assignment {
            active_tasks: vec![tasks("0", &[0, 1]), tasks("1", &[2])],
            standby_tasks: vec![tasks("1", &[0])],
            ..Default::default()
        };
        assert_eq!(assignment("", &has), "ACTIVE: 0:[0,1]; 1:[2]; STANDBY: 1:[0]; ");
        assert_eq!(
            assignment("TARGET-", &has),
            "TARGET-ACTIVE: 0:[0,1]; 1:[2]; TARGET-STANDBY: 1:[0]; "
        );
    }
}
