//! `consumer-groups --reset-offsets`: what offsets become, and setting them.
//!
//! Not here: which options go together (options.rs). Must hold: the group of running consumers is
//! left alone; an offset that is not in the log becomes the nearest that is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ottla_client::{Client, TopicPartition, admin};
use ottla_wire::{Offset, Timestamp};

use crate::context::Context;
use crate::datetime::{datetime_ms, span_ms};
use crate::failure::Failure;
use crate::options::Parsed;

use super::group;
use super::table::{at_least, fixed, open, table};
use super::{executing, partition, said};

/// Where offsets go.
enum Scenario {
    Earliest,
    Latest,
    Current,
    Offset(i64),
    Shift(i64),
    Time(i64),
    File(String),
}

/// New offsets of one group.
type Plan = BTreeMap<TopicPartition, i64>;

/// Plans, sets the offsets when told to, and prints them.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let scenario = scenario(context, parsed)?;
    let groups = group::wanted(client, parsed).await?;
    let mut plans = Vec::new();
    for id in &groups {
        let state = match group::describe(client, id).await {
            Ok(group) => group.state,
            Err(error) if group::is_unknown(&error) => "Dead".to_string(),
            Err(error) => return Err(executing(error)),
        };
        if !["Empty", "Dead"].contains(&state.as_str()) {
            writeln!(
                context.out,
                "\nError: Assignments can only be reset if the group '{id}' is inactive, but the \
                 current state is {state}."
            )?;
            continue;
        }
        let plan = plan(context, parsed, client, id, &scenario, groups.len() > 1).await?;
        if parsed.has("execute") {
            set(context, client, id, &plan).await?;
        }
        plans.push((id.clone(), plan));
    }
    let lines = match parsed.has("export") {
        true => csv(&plans, groups.len() > 1),
        false => lines(&plans),
    };
    Ok(write!(context.out, "{lines}")?)
}

fn scenario(context: &Context, parsed: &Parsed) -> Result<Scenario, Failure> {
    if parsed.has("to-earliest") {
        return Ok(Scenario::Earliest);
    }
    if parsed.has("to-latest") {
        return Ok(Scenario::Latest);
    }
    if let Some(offset) = parsed.number("to-offset")? {
        return Ok(Scenario::Offset(offset));
    }
    if let Some(by) = parsed.number("shift-by")? {
        return Ok(Scenario::Shift(by));
    }
    if let Some(text) = parsed.text("to-datetime")? {
        let time = datetime_ms(text);
        return time
            .map(Scenario::Time)
            .map_err(|error| said(&format!("java.text.ParseException: {error}")));
    }
    if let Some(text) = parsed.text("by-duration")? {
        let span = span_ms(text).map_err(|error| said(&error))?;
        return Ok(Scenario::Time(context.env.now_ms() - span));
    }
    match parsed.text("from-file")? {
        None => Ok(Scenario::Current),
        Some(path) => {
            let bytes = context.env.disk().read(Path::new(path));
            let bytes = bytes.map_err(|error| {
                let why = crate::file::explained(&error);
                said(&format!("java.io.IOException: Unable to read file {path}: {why}"))
            })?;
            Ok(Scenario::File(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

async fn plan(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    id: &str,
    scenario: &Scenario,
    several: bool,
) -> Result<Plan, Failure> {
    let mut committed: Plan = BTreeMap::new();
    for (of, found) in client.admin().group_offsets(id).await.map_err(executing)? {
        let found = found.map_err(executing)?;
        committed.insert(of, found.committed_offset.0);
    }
    if let Scenario::File(text) = scenario {
        return clamp(context, client, read_csv(text, id, several)?).await;
    }
    let partitions: Vec<TopicPartition> = match parsed.has("all-topics") {
        true => committed.keys().cloned().collect(),
        false => match partitions(client, &parsed.texts("topic")).await? {
            (partitions, unknown) if unknown.is_empty() => partitions,
            _ => return Err(said(&"This server does not host this topic-partition.")),
        },
    };
    match scenario {
        Scenario::Earliest => ask(client, &partitions, admin::EARLIEST).await,
        Scenario::Latest => ask(client, &partitions, admin::LATEST).await,
        Scenario::Offset(offset) => {
            let plan = partitions.into_iter().map(|of| (of, *offset)).collect();
            clamp(context, client, plan).await
        }
        Scenario::Shift(by) => {
            let mut plan = Plan::new();
            for of in partitions {
                let Some(offset) = committed.get(&of).filter(|offset| **offset >= 0) else {
                    return Err(said(&format!(
                        "Cannot shift offset for partition {of} since there is no current \
                         committed offset"
                    )));
                };
                plan.insert(of, offset.saturating_add(*by));
            }
            clamp(context, client, plan).await
        }
        Scenario::Time(time) => {
            let mut plan = ask(client, &partitions, Timestamp((*time).max(0))).await?;
            let ends = ask(client, &partitions, admin::LATEST).await?;
            for (of, offset) in plan.iter_mut().filter(|(_, offset)| **offset < 0) {
                writeln!(
                    context.out,
                    "\nWarn: Partition {} from topic {} is empty. Falling back to latest known \
                     offset.",
                    of.partition, of.topic
                )?;
                *offset = ends.get(of).copied().unwrap_or_default();
            }
            Ok(plan)
        }
        Scenario::Current | Scenario::File(_) => {
            let mut plan = ask(client, &partitions, admin::LATEST).await?;
            for (of, offset) in &mut plan {
                if let Some(current) = committed.get(of).filter(|current| **current >= 0) {
                    *offset = *current;
                }
            }
            Ok(plan)
        }
    }
}

/// The partitions that `--topic` means: `orders`, or `orders:0,2`; and the topics that are
/// not there.
pub(super) async fn partitions(
    client: &Client,
    topics: &[&str],
) -> Result<(Vec<TopicPartition>, Vec<String>), Failure> {
    let cluster = client.refresh_all().await.map_err(executing)?;
    let (mut partitions, mut unknown) = (Vec::new(), Vec::new());
    for text in topics {
        let (name, list) = text.rsplit_once(':').unwrap_or((text, ""));
        let Some(topic) = cluster.topic(name) else {
            unknown.push(name.to_string());
            continue;
        };
        if list.is_empty() {
            partitions.extend(topic.partitions.keys().map(|index| partition(name, index.0)));
            continue;
        }
        for index in list.split(',') {
            let index = index
                .trim()
                .parse()
                .map_err(|_| said(&format!("Invalid partition '{index}' of topic '{name}'")))?;
            let of = partition(name, index);
            if !topic.partitions.contains_key(&of.partition) {
                return Err(said(&format!("The partitions \"{of}\" do not exist")));
            }
            partitions.push(of);
        }
    }
    Ok((partitions, unknown))
}

/// An offset of each partition by time; -1 where there is none.
async fn ask(client: &Client, of: &[TopicPartition], time: Timestamp) -> Result<Plan, Failure> {
    let asked: Vec<(TopicPartition, Timestamp)> = of.iter().map(|of| (of.clone(), time)).collect();
    let answers = client.admin().list_offsets(&asked, false).await.map_err(executing)?;
    answers.into_iter().map(|(of, found)| Ok((of, found.map_err(executing)?.offset.0))).collect()
}

/// The same offsets, each within its log.
async fn clamp(context: &mut Context, client: &Client, plan: Plan) -> Result<Plan, Failure> {
    let partitions: Vec<TopicPartition> = plan.keys().cloned().collect();
    let first = ask(client, &partitions, admin::EARLIEST).await?;
    let last = ask(client, &partitions, admin::LATEST).await?;
    let mut clamped = Plan::new();
    for (of, offset) in plan {
        let (first, last) = (first.get(&of).copied(), last.get(&of).copied());
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        let (nearest, than) = match offset {
            offset if offset > last => (last, "higher than latest"),
            offset if offset < first => (first, "lower than earliest"),
            offset => (offset, ""),
        };
        if !than.is_empty() {
            writeln!(
                context.err,
                "New offset ({offset}) is {than} offset for topic partition {of}. Value will be \
                 set to {nearest}"
            )?;
        }
        clamped.insert(of, nearest);
    }
    Ok(clamped)
}

async fn set(context: &mut Context, client: &Client, id: &str, plan: &Plan) -> Result<(), Failure> {
    if plan.is_empty() {
        return Ok(());
    }
    let offsets: Vec<(TopicPartition, Offset)> =
        plan.iter().map(|(of, offset)| (of.clone(), Offset(*offset))).collect();
    for (of, result) in client.admin().alter_group_offsets(id, &offsets).await.map_err(executing)? {
        if let Err(error) = result {
            writeln!(context.err, "the offset of {of} was not set: {error}")?;
            return Err(executing(error));
        }
    }
    Ok(())
}

/// Reads `topic,partition,offset`, or with several groups `group,topic,partition,offset`.
fn read_csv(text: &str, id: &str, several: bool) -> Result<Plan, Failure> {
    let mut plan = Plan::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let (group, cells) = match (several, cells.split_first()) {
            (true, Some((group, rest))) if cells.len() == 4 => (*group, rest),
            _ => (id, cells.as_slice()),
        };
        let read = match cells {
            [topic, index, offset] => {
                index.parse().ok().zip(offset.parse().ok()).map(|read: (i32, i64)| (*topic, read))
            }
            _ => None,
        };
        let Some((topic, (index, offset))) = read else {
            return Err(said(&format!("the line '{line}' is not topic,partition,offset")));
        };
        if group == id {
            plan.insert(partition(topic, index), offset);
        }
    }
    Ok(plan)
}

fn csv(plans: &[(String, Plan)], several: bool) -> String {
    let mut text = String::new();
    for (id, plan) in plans {
        for (of, offset) in plan {
            let lead = if several { format!("{id},") } else { String::new() };
            text.push_str(&format!("{lead}{},{},{offset}\n", of.topic, of.partition));
        }
    }
    text + "\n"
}

fn lines(plans: &[(String, Plan)]) -> String {
    let columns =
        [at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10), open("NEW-OFFSET")];
    let rows = plans.iter().flat_map(|(id, plan)| {
        plan.iter().map(|(of, offset)| {
            vec![id.clone(), of.topic.to_string(), of.partition.to_string(), offset.to_string()]
        })
    });
    format!("\n{}", table(&columns, &rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_what_was_exported() {
        let plan = read_csv("orders,0,5\n\"orders\",1,7\n\n", "g", false).unwrap();
        let plans = [("g".to_string(), plan)];
        assert_eq!(csv(&plans, false), "orders,0,5\norders,1,7\n\n");
        let several = csv(&plans, true);
        assert_eq!(several, "g,orders,0,5\ng,orders,1,7\n\n");
        assert_eq!(read_csv(&several, "g", true).unwrap(), plans[0].1);
        assert!(read_csv(&several, "other", true).unwrap().is_empty());
        assert!(read_csv("orders,x,5", "g", false).is_err());
    }

    #[test]
    fn new_offsets_stand_in_a_table() {
        let plan = Plan::from([(partition("orders", 0), 12)]);
        assert_eq!(
            lines(&[("g1".to_string(), plan)]),
            "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
             g1              orders          0          12\n"
        );
    }
}
