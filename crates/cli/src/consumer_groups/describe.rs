//! The lines of `consumer-groups --describe`: offsets and lag, members, states.
//!
//! Not here: how a group is asked for (group.rs), and columns (table.rs).

use std::collections::BTreeMap;
use std::io::Write;

use ottla_client::{Client, TopicPartition, admin};
use ottla_wire::{Offset, PartitionIndex, StrBytes};

use crate::context::Context;
use crate::failure::Failure;
use crate::groups::or_dash;
use crate::groups::table::{Column, at_least, fixed, open, table};
use crate::options::Parsed;

use super::group::{self, Assignment, Group};

/// A line of the table of offsets.
#[derive(Debug, Default)]
struct Row {
    of: Option<TopicPartition>,
    committed: Option<i64>,
    leader_epoch: Option<i32>,
    end: Option<i64>,
    /// Consumer, host and client; none for a partition that nobody has.
    member: Option<(String, String, String)>,
}

/// Describes the groups that are meant.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    for id in group::wanted(client, parsed).await? {
        let group = group::describe(client, &id).await.map_err(super::executing)?;
        let verbose = parsed.has("verbose");
        let lines = if parsed.has("members") {
            members(&group, verbose)
        } else if parsed.has("state") {
            state(&group, verbose)
        } else {
            offsets(&group, &rows(client, &group).await?, verbose)
        };
        if let Some(notice) = notice(&group) {
            writeln!(context.err, "{notice}")?;
        }
        write!(context.out, "{lines}")?;
    }
    Ok(())
}

/// What is to be known of a group that does not work as it should.
fn notice(group: &Group) -> Option<String> {
    let id = &group.id;
    match group.state.as_str() {
        "Dead" => Some(format!("\nError: Consumer group '{id}' does not exist.")),
        "Empty" => Some(format!("\nConsumer group '{id}' has no active members.")),
        "Stable" => None,
        _ => Some(format!("\nWarning: Consumer group '{id}' is rebalancing.")),
    }
}

/// Asks for committed offsets and ends of logs.
async fn rows(client: &Client, group: &Group) -> Result<Vec<Row>, Failure> {
    let committed = client.admin().group_offsets(&group.id).await.map_err(super::executing)?;
    let mut offsets = BTreeMap::new();
    for (of, found) in committed {
        let found = found.map_err(super::executing)?;
        let epoch = Some(found.committed_leader_epoch.0).filter(|epoch| *epoch >= 0);
        offsets.insert(of, (Some(found.committed_offset.0).filter(|offset| *offset >= 0), epoch));
    }
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|member| (count(&member.assignment), member.id.clone()));
    let mut rows = Vec::new();
    for member in members {
        let named = (member.id.clone(), member.host.clone(), member.client_id.clone());
        let partitions = member.assignment.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|index| TopicPartition {
                topic: StrBytes::copied(topic),
                partition: PartitionIndex(*index),
            })
        });
        for of in partitions {
            let (committed, leader_epoch) = offsets.remove(&of).unwrap_or_default();
            let member = Some(named.clone());
            rows.push(Row { of: Some(of), committed, leader_epoch, end: None, member });
        }
        if member.assignment.is_empty() {
            let member = Some(named);
            rows.push(Row { member, ..Row::default() });
        }
    }
    rows.extend(offsets.into_iter().map(|(of, (committed, leader_epoch))| Row {
        of: Some(of),
        committed,
        leader_epoch,
        end: None,
        member: None,
    }));
    let asked: Vec<_> =
        rows.iter().filter_map(|row| Some((row.of.clone()?, admin::LATEST))).collect();
    let ends = client.admin().list_offsets(&asked, false).await.map_err(super::executing)?;
    // A partition whose topic is gone has no end, and its line says so.
    let ends: BTreeMap<TopicPartition, Offset> =
        ends.into_iter().filter_map(|(of, found)| Some((of, found.ok()?.offset))).collect();
    for row in &mut rows {
        row.end = row.of.as_ref().and_then(|of| ends.get(of)).map(|end| end.0);
    }
    Ok(rows)
}

fn offsets(group: &Group, rows: &[Row], verbose: bool) -> String {
    let mut columns = vec![at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10)];
    if verbose {
        columns.push(fixed("LEADER-EPOCH", 15));
    }
    columns.extend([
        fixed("CURRENT-OFFSET", 15),
        fixed("LOG-END-OFFSET", 15),
        fixed("LAG", 15),
        at_least("CONSUMER-ID", 15),
        at_least("HOST", 15),
        open("CLIENT-ID"),
    ]);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![
                group.id.clone(),
                or_dash(row.of.as_ref().map(|of| &of.topic)),
                or_dash(row.of.as_ref().map(|of| of.partition)),
            ];
            if verbose {
                cells.push(or_dash(row.leader_epoch));
            }
            let lag = row.end.zip(row.committed).map(|(end, committed)| end - committed);
            let (id, host, client) = match &row.member {
                Some((id, host, client)) => (Some(id), Some(host), Some(client)),
                None => (None, None, None),
            };
            cells.extend([or_dash(row.committed), or_dash(row.end), or_dash(lag)]);
            cells.extend([or_dash(id), or_dash(host), or_dash(client)]);
            cells
        })
        .collect();
    // An empty group without offsets has no table.
    if rows.is_empty() { String::new() } else { format!("\n{}", table(&columns, &rows)) }
}

fn members(group: &Group, verbose: bool) -> String {
    let has_instances = group.members.iter().any(|member| member.instance_id.is_some());
    let has_upgrades = group.members.iter().any(|member| member.is_upgraded == Some(false));
    let mut columns: Vec<Column> = vec![at_least("GROUP", 15), at_least("CONSUMER-ID", 15)];
    if has_instances {
        columns.push(at_least("GROUP-INSTANCE-ID", 17));
    }
    columns.extend([at_least("HOST", 15), at_least("CLIENT-ID", 15), fixed("#PARTITIONS", 15)]);
    match verbose {
        true => columns.extend([
            fixed("CURRENT-EPOCH", 15),
            at_least("CURRENT-ASSIGNMENT", 20),
            fixed("TARGET-EPOCH", 15),
            at_least("TARGET-ASSIGNMENT", 20),
        ]),
        // The line ends with a space.
        false => columns.push(open("")),
    }
    if verbose && has_upgrades {
        columns.push(open("UPGRADED"));
    }
    let rows: Vec<Vec<String>> = group
        .members
        .iter()
        .map(|member| {
            let mut cells = vec![group.id.clone(), member.id.clone()];
            if has_instances {
                cells.push(member.instance_id.clone().unwrap_or_default());
            }
            let partitions = count(&member.assignment).to_string();
            cells.extend([member.host.clone(), member.client_id.clone(), partitions]);
            match verbose {
                true => cells.extend([
                    or_dash(member.epoch),
                    assignment(&member.assignment),
                    or_dash(member.epoch.and(group.target_epoch)),
                    assignment(&member.target),
                ]),
                false => cells.push(String::new()),
            }
            if verbose && has_upgrades {
                cells.push(or_dash(member.is_upgraded));
            }
            cells
        })
        .collect();
    format!("\n{}", table(&columns, &rows))
}

fn state(group: &Group, verbose: bool) -> String {
    let coordinator =
        group.coordinator.as_ref().map(|(host, port, id)| format!("{host}:{port}  ({id})"));
    let assignor = Some(group.assignor.clone()).filter(|assignor| !assignor.is_empty());
    let mut columns = vec![
        at_least("GROUP", 15),
        at_least("COORDINATOR (ID)", 25),
        fixed("ASSIGNMENT-STRATEGY", 20),
        fixed("STATE", 20),
    ];
    let mut cells =
        vec![group.id.clone(), or_dash(coordinator), or_dash(assignor), group.state.clone()];
    if verbose {
        columns.extend([fixed("GROUP-EPOCH", 15), fixed("TARGET-ASSIGNMENT-EPOCH", 25)]);
        cells.extend([or_dash(group.epoch), or_dash(group.target_epoch)]);
    }
    columns.push(open("#MEMBERS"));
    cells.push(group.members.len().to_string());
    format!("\n{}", table(&columns, &[cells]))
}

fn count(assignment: &Assignment) -> usize {
    assignment.iter().map(|(_, partitions)| partitions.len()).sum()
}

/// `orders:0,1;payments:0`.
fn assignment(assignment: &Assignment) -> String {
    let topics = assignment.iter().map(|(topic, partitions)| {
        let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{topic}:{}", partitions.join(","))
    });
    or_dash(Some(topics.collect::<Vec<_>>().join(";")).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use ottla_wire::BrokerId;

    use super::super::group::Member;
    use super::*;

    fn group() -> Group {
        Group {
            id: "g1".into(),
            state: "Stable".into(),
            assignor: "range".into(),
            coordinator: Some(("127.0.0.1".into(), 29092, BrokerId(1))),
            members: vec![Member {
                id: "c-1".into(),
                client_id: "c".into(),
                host: "/127.0.0.1".into(),
                assignment: vec![("orders".into(), vec![0, 1])],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Runs of spaces are given by their length: `{5}` stands for five.
    fn check(lines: &str, expect: &[&str]) {
        let mut said = Vec::new();
        for line in lines.lines() {
            let mut text = String::new();
            let mut rest = line;
            while let Some(at) = rest.find("  ") {
                let spaces = rest[at..].chars().take_while(|letter| *letter == ' ').count();
                text.push_str(&format!("{}{{{spaces}}}", &rest[..at]));
                rest = &rest[at + spaces..];
            }
            said.push(text + rest);
        }
        assert_eq!(said, expect);
    }

    #[test]
    fn offsets_stand_with_their_lag_and_owner() {
        let of = TopicPartition { topic: "orders".into(), partition: PartitionIndex(0) };
        let row = Row {
            of: Some(of),
            committed: Some(2),
            leader_epoch: Some(0),
            end: Some(5),
            member: Some(("c-1".into(), "/127.0.0.1".into(), "c".into())),
        };
        let free = Row { of: row.of.clone(), end: Some(5), ..Row::default() };
        check(
            &offsets(&group(), &[row, free], true),
            &[
                "",
                "GROUP{11}TOPIC{11}PARTITION{2}LEADER-EPOCH{4}CURRENT-OFFSET{2}LOG-END-OFFSET{2}\
                 LAG{13}CONSUMER-ID{5}HOST{12}CLIENT-ID",
                "g1{14}orders{10}0{10}0{15}2{15}5{15}3{15}c-1{13}/127.0.0.1{6}c",
                "g1{14}orders{10}0{10}-{15}-{15}5{15}-{15}-{15}-{15}-",
            ],
        );
    }

    #[test]
    fn members_stand_with_their_assignments() {
        check(
            &members(&group(), false),
            &[
                "",
                "GROUP{11}CONSUMER-ID{5}HOST{12}CLIENT-ID{7}#PARTITIONS{5}",
                "g1{14}c-1{13}/127.0.0.1{6}c{15}2{15}",
            ],
        );
        check(
            &members(&group(), true),
            &[
                "",
                "GROUP{11}CONSUMER-ID{5}HOST{12}CLIENT-ID{7}#PARTITIONS{5}CURRENT-EPOCH{3}\
                 CURRENT-ASSIGNMENT{3}TARGET-EPOCH{4}TARGET-ASSIGNMENT{3}",
                "g1{14}c-1{13}/127.0.0.1{6}c{15}2{15}-{15}orders:0,1{11}-{15}-{19}",
            ],
        );
    }

    #[test]
    fn states_stand_with_their_coordinator() {
        check(
            &state(&group(), true),
            &[
                "",
                "GROUP{11}COORDINATOR (ID){10}ASSIGNMENT-STRATEGY{2}STATE{16}GROUP-EPOCH{5}\
                 TARGET-ASSIGNMENT-EPOCH{3}#MEMBERS",
                "g1{14}127.0.0.1:29092{2}(1){6}range{16}Stable{15}-{15}-{25}1",
            ],
        );
    }
}
