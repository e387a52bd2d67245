//! `ottla log-dirs` (kafka-log-dirs.sh): what lies in the log directories of brokers, as JSON.
//!
//! Must hold: keys stand in the order of Apache Kafka's tool, which scripts may rely on.

use std::collections::BTreeSet;
use std::io::Write;

use ottla_wire::messages::DescribeLogDirsRequest;
use ottla_wire::messages::describe_log_dirs_response::DescribeLogDirsResult;
use ottla_wire::{BrokerId, ErrorCode};
use serde_json::Value;

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG, refused};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    BOOTSTRAP_SERVER.required(),
    text("broker-list", "Broker list", "The brokers: 0,1,2; else all."),
    COMMAND_CONFIG,
    flag("describe", "Print what lies in the log directories."),
    HELP,
    text("topic-list", "Topic list", "The topics: a,b; else all."),
    VERSION,
];

/// Asks the brokers and prints one line of JSON.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&[BOOTSTRAP_SERVER.name, "describe"])?;
    let list = |name: &str| -> Result<Vec<String>, Failure> {
        let text = parsed.text(name)?.unwrap_or_default();
        Ok(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(String::from).collect())
    };
    let (asked, topics) = (list("broker-list")?, list("topic-list")?);
    let asked: Result<BTreeSet<i32>, String> = asked
        .iter()
        .map(|id| id.parse().map_err(|_| format!("For input string: \"{id}\"")))
        .collect();
    let asked = asked.map_err(Failure::said)?;
    let client = client_options::admin(context, parsed).await?;
    let known: BTreeSet<i32> = client.cluster().brokers.keys().map(|id| id.0).collect();
    let shown = |ids: &BTreeSet<i32>| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let unknown: BTreeSet<i32> = asked.difference(&known).copied().collect();
    if !unknown.is_empty() {
        let (unknown, known) = (shown(&unknown), shown(&known));
        return Err(Failure::said(format!(
            "ERROR: The given brokers do not exist from --broker-list: {unknown}. Current existent \
             brokers: {known}"
        )));
    }
    let asked = if asked.is_empty() { known } else { asked };
    writeln!(context.out, "Querying brokers for log directories information")?;
    let mut brokers = Vec::new();
    for id in &asked {
        let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
        let response = client.call_broker(BrokerId(*id), &request).await?;
        refused(response.error_code, None)?;
        let dirs: Vec<String> =
            response.results.iter().map(|dir| described(dir, &topics)).collect();
        brokers.push(format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs.join(",")));
    }
    client.close().await;
    writeln!(context.out, "Received log directory information from brokers {}", shown(&asked))?;
    Ok(writeln!(context.out, "{{\"brokers\":[{}],\"version\":1}}", brokers.join(","))?)
}

/// One directory, with its keys in the order of Apache Kafka's tool.
fn described(dir: &DescribeLogDirsResult, topics: &[String]) -> String {
    let wanted = dir.topics.iter().filter(|topic| {
        topics.is_empty() || topics.iter().any(|name| name.as_str() == topic.name.as_str())
    });
    let partitions: Vec<String> = wanted
        .flat_map(|topic| {
            topic.partitions.iter().map(|replica| {
                format!(
                    "{{\"partition\":\"{}-{}\",\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
                    topic.name,
                    replica.partition_index,
                    replica.partition_size,
                    replica.offset_lag,
                    replica.is_future_key
                )
            })
        })
        .collect();
    let error = match dir.error_code {
        ErrorCode::NONE => "null".to_owned(),
        code => format!("\"{}\"", code.name()),
    };
    let path = Value::from(dir.log_dir.as_str());
    let partitions = partitions.join(",");
    format!("{{\"partitions\":[{partitions}],\"error\":{error},\"logDir\":{path}}}")
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsTopic,
    };

    use super::*;

    #[test]
    fn a_directory_is_one_object_with_the_topics_that_were_asked_for() {
        let topic = |name: &'static str| DescribeLogDirsTopic {
            name: name.into(),
            partitions: vec![DescribeLogDirsPartition {
                partition_size: 173,
                ..Default::default()
            }],
            ..Default::default()
        };
        let dir = DescribeLogDirsResult {
            log_dir: "/data".into(),
            topics: vec![topic("a"), topic("b")],
            ..Default::default()
        };
        let expect = "{\"partitions\":[{\"partition\":\"b-0\",\"size\":173,\"offsetLag\":0,\
                      \"isFuture\":false}],\"error\":null,\"logDir\":\"/data\"}";
        assert_eq!(described(&dir, &["b".to_owned()]), expect);
    }
}
