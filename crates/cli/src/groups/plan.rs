//! What committed offsets become: by time, by number, from a file; each within its log.
//!
//! Not here: which groups and partitions are meant, and lines about it: each command's own.
//! Must hold: an offset that is not in the log becomes the nearest that is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ottla_client::{Client, TopicPartition, admin};
use ottla_wire::{Offset, Timestamp};

use crate::context::Context;
use crate::datetime::{datetime_ms, span_ms};
use crate::failure::Failure;
use crate::options::Parsed;

use super::{Tool, partition};

/// Where offsets go.
pub(crate) enum Scenario {
    Earliest,
    Latest,
    Current,
    Offset(i64),
    Shift(i64),
    Time(i64),
    File(String),
}

/// New offsets of one group.
pub(crate) type Plan = BTreeMap<TopicPartition, i64>;

impl Tool {
    /// The scenario among the options, of which a tool may lack some; without any the offsets
    /// stay what they are.
    pub(crate) fn scenario(&self, context: &Context, parsed: &Parsed) -> Result<Scenario, Failure> {
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
                .map_err(|error| self.said(&format!("java.text.ParseException: {error}")));
        }
        if let Some(text) = parsed.text("by-duration")? {
            let span = span_ms(text).map_err(|error| self.said(&error))?;
            return Ok(Scenario::Time(context.env.now_ms() - span));
        }
        match parsed.text("from-file")? {
            None => Ok(Scenario::Current),
            Some(path) => {
                let bytes = context.env.disk().read(Path::new(path));
                let bytes = bytes.map_err(|error| {
                    let why = crate::file::explained(&error);
                    self.said(&format!("java.io.IOException: Unable to read file {path}: {why}"))
                })?;
                Ok(Scenario::File(String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
    }

    /// What the offsets of these partitions become.
    pub(crate) async fn plan(
        &self,
        context: &mut Context,
        client: &Client,
        committed: &Plan,
        partitions: Vec<TopicPartition>,
        scenario: &Scenario,
    ) -> Result<Plan, Failure> {
        match scenario {
            Scenario::Earliest => self.ask(client, &partitions, admin::EARLIEST).await,
            Scenario::Latest => self.ask(client, &partitions, admin::LATEST).await,
            Scenario::Offset(offset) => {
                let plan = partitions.into_iter().map(|of| (of, *offset)).collect();
                self.clamp(context, client, plan).await
            }
            Scenario::Shift(by) => {
                let mut plan = Plan::new();
                for of in partitions {
                    let Some(offset) = committed.get(&of).filter(|offset| **offset >= 0) else {
                        return Err(self.said(&format!(
                            "Cannot shift offset for partition {of} since there is no current \
                             committed offset"
                        )));
                    };
                    plan.insert(of, offset.saturating_add(*by));
                }
                self.clamp(context, client, plan).await
            }
            Scenario::Time(time) => self.by_time(context, client, &partitions, *time).await,
            Scenario::Current | Scenario::File(_) => {
                let mut plan = self.ask(client, &partitions, admin::LATEST).await?;
                for (of, offset) in &mut plan {
                    if let Some(current) = committed.get(of).filter(|current| **current >= 0) {
                        *offset = *current;
                    }
                }
                Ok(plan)
            }
        }
    }

    /// The first offsets at or behind a time; ends of logs where there are none.
    pub(crate) async fn by_time(
        &self,
        context: &mut Context,
        client: &Client,
        partitions: &[TopicPartition],
        time: i64,
    ) -> Result<Plan, Failure> {
        let mut plan = self.ask(client, partitions, Timestamp(time.max(0))).await?;
        let ends = self.ask(client, partitions, admin::LATEST).await?;
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

    /// What a group has committed.
    pub(crate) async fn committed(&self, client: &Client, id: &str) -> Result<Plan, Failure> {
        let mut committed = Plan::new();
        let offsets = client.admin().group_offsets(id).await;
        for (of, found) in offsets.map_err(|error| self.executing(&error))? {
            let found = found.map_err(|error| self.executing(&error))?;
            committed.insert(of, found.committed_offset.0);
        }
        Ok(committed)
    }

    /// An offset of each partition by time; -1 where there is none.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        of: &[TopicPartition],
        time: Timestamp,
    ) -> Result<Plan, Failure> {
        let asked: Vec<_> = of.iter().map(|of| (of.clone(), time)).collect();
        let answers = client.admin().list_offsets(&asked, false).await;
        let answers = answers.map_err(|error| self.executing(&error))?.into_iter();
        let offsets = answers
            .map(|(of, found)| Ok((of, found.map_err(|error| self.executing(&error))?.offset.0)));
        offsets.collect()
    }

    /// The same offsets, each within its log.
    pub(crate) async fn clamp(
        &self,
        context: &mut Context,
        client: &Client,
        plan: Plan,
    ) -> Result<Plan, Failure> {
        let partitions: Vec<TopicPartition> = plan.keys().cloned().collect();
        let first = self.ask(client, &partitions, admin::EARLIEST).await?;
        let last = self.ask(client, &partitions, admin::LATEST).await?;
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
                    "New offset ({offset}) is {than} offset for topic partition {of}. Value will \
                     be set to {nearest}"
                )?;
            }
            clamped.insert(of, nearest);
        }
        Ok(clamped)
    }

    /// Sets the offsets.
    pub(crate) async fn set(
        &self,
        context: &mut Context,
        client: &Client,
        id: &str,
        plan: &Plan,
    ) -> Result<(), Failure> {
        if plan.is_empty() {
            return Ok(());
        }
        let offsets: Vec<(TopicPartition, Offset)> =
            plan.iter().map(|(of, offset)| (of.clone(), Offset(*offset))).collect();
        let set = client.admin().alter_group_offsets(id, &offsets).await;
        for (of, result) in set.map_err(|error| self.executing(&error))? {
            if let Err(error) = result {
                writeln!(context.err, "the offset of {of} was not set: {error}")?;
                return Err(self.executing(&error));
            }
        }
        Ok(())
    }

    /// Reads `topic,partition,offset`, or with several groups `group,topic,partition,offset`.
    pub(crate) fn read_csv(&self, text: &str, id: &str, several: bool) -> Result<Plan, Failure> {
        let mut plan = Plan::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let cells: Vec<&str> =
                line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
            let (group, cells) = match (several, cells.split_first()) {
                (true, Some((group, rest))) if cells.len() == 4 => (*group, rest),
                _ => (id, cells.as_slice()),
            };
            let read = match cells {
                [topic, index, offset] => index
                    .parse()
                    .ok()
                    .zip(offset.parse().ok())
                    .map(|read: (i32, i64)| (*topic, read)),
                _ => None,
            };
            let Some((topic, (index, offset))) = read else {
                return Err(self.said(&format!("the line '{line}' is not topic,partition,offset")));
            };
            if group == id {
                plan.insert(partition(topic, index), offset);
            }
        }
        Ok(plan)
    }
}

/// The offsets as CSV; with several groups each line begins with its group.
pub(crate) fn csv(plans: &[(String, Plan)], several: bool) -> String {
    let mut text = String::new();
    for (id, plan) in plans {
        for (of, offset) in plan {
            let lead = if several { format!("{id},") } else { String::new() };
            text.push_str(&format!("{lead}{},{},{offset}\n", of.topic, of.partition));
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_what_was_exported() {
        let tool = Tool { kind: "consumer", code: 0, states: &[], actions: &[] };
        let plan = tool.read_csv("orders,0,5\n\"orders\",1,7\n\n", "g", false).unwrap();
        let plans = [("g".to_string(), plan)];
        assert_eq!(csv(&plans, false), "orders,0,5\norders,1,7\n\n");
        let several = csv(&plans, true);
        assert_eq!(several, "g,orders,0,5\ng,orders,1,7\n\n");
        assert_eq!(tool.read_csv(&several, "g", true).unwrap(), plans[0].1);
        assert!(tool.read_csv(&several, "other", true).unwrap().is_empty());
        assert!(tool.read_csv("orders,x,5", "g", false).is_err());
    }
}
