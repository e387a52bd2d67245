//! `ottla metadata-quorum` (kafka-metadata-quorum.sh): who votes, who leads, how far everyone is.
//!
//! The grammar is that of argparse. Not served: add-controller and remove-controller, since the
//! quorum of a node is that node.

use std::fmt::Write as _;
use std::io::Write;

use ottla_client::Client;
use ottla_wire::messages::describe_quorum_request::{PartitionData as Asked, TopicData};
use ottla_wire::messages::describe_quorum_response::{Node, PartitionData, ReplicaState};
use ottla_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use ottla_wire::{DirectoryId, StrBytes, Timestamp};

use crate::client_options::{self, refused};
use crate::context::Context;
use crate::failure::Failure;
use crate::words::{Servers, Words};

const PROGRAM: &str = "kafka-metadata-quorum";
const USAGE: &str = "\
usage: kafka-metadata-quorum [-h] [--command-config COMMAND_CONFIG]
                             (--bootstrap-server BOOTSTRAP_SERVER |
                             --bootstrap-controller BOOTSTRAP_CONTROLLER)
                             {describe} ...
";
const USAGE_DESCRIBE: &str = "\
usage: kafka-metadata-quorum (--bootstrap-server BOOTSTRAP_SERVER |
                             --bootstrap-controller BOOTSTRAP_CONTROLLER)
                             describe [-h] [--status] [--replication]
                             [--human-readable]
";
const HELP: &str = "
Tells how the quorum of the metadata log is doing.

  describe               who votes, who leads, how far everyone is

  --bootstrap-server BOOTSTRAP_SERVER
                         the brokers to begin with, as host:port, comma separated
  --bootstrap-controller BOOTSTRAP_CONTROLLER
                         the controllers to begin with, instead of brokers
  --command-config COMMAND_CONFIG
                         a file of properties for the client
";
const HELP_DESCRIBE: &str = "
  --status               the quorum as a whole
  --replication          each replica
  --human-readable       times as how long ago they are (--replication)
";
/// The topic that the metadata log is; it has one partition.
const TOPIC: &str = "__cluster_metadata";

/// What is to be told.
#[derive(Clone, Copy)]
enum View {
    Status,
    Replication { as_age: bool },
}

/// Runs the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let mut servers = Servers::default();
    let mut words = Words::new(words, PROGRAM, USAGE);
    while let Some(word) = words.next() {
        let Some(word) = servers.take(word, &mut words)? else { continue };
        match word.name.as_str() {
            "-h" | "--help" => return Ok(write!(context.out, "{USAGE}{HELP}")?),
            "describe" => {
                let rest = Words::new(words.rest(), PROGRAM, USAGE_DESCRIBE);
                let Some(view) = view(rest)? else {
                    return Ok(write!(context.out, "{USAGE_DESCRIBE}{HELP_DESCRIBE}")?);
                };
                servers.check(&words)?;
                return describe(context, &servers, view).await;
            }
            option if option.starts_with('-') => return Err(words.unrecognized(&word)),
            other => {
                let choices = "(choose from 'describe')";
                return Err(words.wrong(&format!("invalid choice: '{other}' {choices}")));
            }
        }
    }
    Err(words.wrong("too few arguments"))
}

/// What `describe` is to tell; none when it is asked for help.
fn view(mut words: Words<'_>) -> Result<Option<View>, Failure> {
    let (mut status, mut replication, mut as_age) = (false, false, false);
    while let Some(word) = words.next() {
        match word.name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--status" => status = true,
            "--replication" => replication = true,
            "--human-readable" => as_age = true,
            _ => return Err(words.unrecognized(&word)),
        }
    }
    match (status, replication) {
        (true, true) => Err(Failure::said(
            "Only one of --status or --replication should be specified with describe sub-command",
        )),
        (false, false) => Err(Failure::said(
            "One of --status or --replication must be specified with describe sub-command",
        )),
        (true, false) if as_age => Err(Failure::said(
            "The option --human-readable is only supported along with --replication",
        )),
        (true, false) => Ok(Some(View::Status)),
        (false, true) => Ok(Some(View::Replication { as_age })),
    }
}

async fn describe(context: &mut Context, servers: &Servers, view: View) -> Result<(), Failure> {
    let client = client_options::admin_of(context, servers).await?;
    let told = told(&client).await?;
    let cluster_id = client.cluster().id.clone().unwrap_or_default();
    client.close().await;
    let partition = told.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or_else(|| Failure::said("the quorum was not told"))?;
    refused(partition.error_code, partition.error_message.as_ref())?;
    let text = match view {
        View::Status => status(&cluster_id, partition, &told.nodes),
        View::Replication { as_age } => {
            let now = as_age.then(|| Timestamp(context.env.now_ms()));
            replication(partition, now)
        }
    };
    Ok(write!(context.out, "{text}")?)
}

async fn told(client: &Client) -> Result<DescribeQuorumResponse, Failure> {
    let topic = TopicData {
        topic_name: StrBytes::from_static(TOPIC),
        partitions: vec![Asked::default()],
        ..Default::default()
    };
    let request = DescribeQuorumRequest { topics: vec![topic], ..Default::default() };
    let response = client.call(&request).await?;
    refused(response.error_code, response.error_message.as_ref())?;
    Ok(response)
}

fn status(cluster_id: &str, partition: &PartitionData, nodes: &[Node]) -> String {
    let leader = partition.current_voters.iter().find(|v| v.replica_id == partition.leader_id);
    let last = partition.current_voters.iter().min_by_key(|voter| voter.log_end_offset);
    let (mut lag, mut lag_ms) = (0, 0);
    if let (Some(leader), Some(last)) = (leader, last) {
        lag = leader.log_end_offset.0 - last.log_end_offset.0;
        let caught_up = (leader.last_caught_up_timestamp.0, last.last_caught_up_timestamp.0);
        lag_ms = match caught_up {
            _ if leader.replica_id == last.replica_id => 0,
            (leader, last) if leader >= 0 && last >= 0 => leader - last,
            _ => -1,
        };
    }
    let rows = [
        ("ClusterId:", cluster_id.to_owned()),
        ("LeaderId:", partition.leader_id.to_string()),
        ("LeaderEpoch:", partition.leader_epoch.to_string()),
        ("HighWatermark:", partition.high_watermark.to_string()),
        ("MaxFollowerLag:", lag.to_string()),
        ("MaxFollowerLagTimeMs:", lag_ms.to_string()),
        ("CurrentVoters:", replicas(&partition.current_voters, nodes)),
        ("CurrentObservers:", replicas(&partition.observers, nodes)),
    ];
    rows.iter().map(|(name, value)| format!("{name:<24}{value}\n")).collect()
}

/// Replicas as a list in JSON, with where they are as far as that was told.
fn replicas(replicas: &[ReplicaState], nodes: &[Node]) -> String {
    let replica = |replica: &ReplicaState| {
        let mut text = format!("{{\"id\": {}, ", replica.replica_id);
        match replica.replica_directory_id {
            none if none == DirectoryId::default() => text.push_str("\"directoryId\": null"),
            id => write!(text, "\"directoryId\": \"{id}\"").expect("a string takes all"),
        }
        if let Some(node) = nodes.iter().find(|node| node.node_id == replica.replica_id) {
            let listeners = node.listeners.iter();
            let listeners = listeners.map(|at| {
                let host = if at.host.contains(':') {
                    format!("[{}]", at.host)
                } else {
                    at.host.to_string()
                };
                format!("\"{}://{host}:{}\"", at.name, at.port)
            });
            let listeners: Vec<String> = listeners.collect();
            write!(text, ", \"endpoints\": [{}]", listeners.join(", "))
                .expect("a string takes all");
        }
        text + "}"
    };
    let list: Vec<String> = replicas.iter().map(replica).collect();
    format!("[{}]", list.join(", "))
}

/// A table of all replicas; times as ages where there is a `now`.
fn replication(partition: &PartitionData, now: Option<Timestamp>) -> String {
    let header = [
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ];
    let mut rows = vec![header.map(String::from)];
    let all = partition.current_voters.iter();
    let end = all.clone().find(|voter| voter.replica_id == partition.leader_id);
    let end = end.map_or(0, |leader| leader.log_end_offset.0);
    let time = |at: Timestamp| match now {
        _ if at.0 < 0 => "-1".to_owned(),
        Some(now) => format!("{} ms ago", now.0 - at.0),
        None => at.0.to_string(),
    };
    let mut row = |replica: &ReplicaState, status: &str| {
        rows.push([
            replica.replica_id.to_string(),
            replica.replica_directory_id.to_string(),
            replica.log_end_offset.to_string(),
            (end - replica.log_end_offset.0).to_string(),
            time(replica.last_fetch_timestamp),
            time(replica.last_caught_up_timestamp),
            status.to_owned(),
        ]);
    };
    let is_leader = |voter: &&ReplicaState| voter.replica_id == partition.leader_id;
    all.clone().filter(is_leader).for_each(|leader| row(leader, "Leader"));
    all.filter(|voter| !is_leader(voter)).for_each(|voter| row(voter, "Follower"));
    partition.observers.iter().for_each(|observer| row(observer, "Observer"));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}\t"));
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use ottla_wire::messages::describe_quorum_response::Listener;
    use ottla_wire::{BrokerId, LeaderEpoch, Offset};

    use super::*;

    fn quorum() -> (PartitionData, Vec<Node>) {
        let replica = |id, end, caught_up| ReplicaState {
            replica_id: BrokerId(id),
            log_end_offset: Offset(end),
            last_fetch_timestamp: Timestamp(caught_up),
            last_caught_up_timestamp: Timestamp(caught_up),
            ..Default::default()
        };
        let partition = PartitionData {
            leader_id: BrokerId(2),
            leader_epoch: LeaderEpoch(7),
            high_watermark: Offset(90),
            current_voters: vec![replica(1, 88, 900), replica(2, 100, 1_000)],
            observers: vec![replica(3, 50, -1)],
            ..Default::default()
        };
        let listener = Listener {
            name: "CONTROLLER".into(),
            host: "::1".into(),
            port: 9093,
            ..Default::default()
        };
        let (node_id, listeners) = (BrokerId(1), vec![listener]);
        (partition, vec![Node { node_id, listeners, ..Default::default() }])
    }

    #[test]
    fn the_status_tells_how_far_the_last_voter_is_behind() {
        let (partition, nodes) = quorum();
        expect![[r#"
            ClusterId:              c
            LeaderId:               2
            LeaderEpoch:            7
            HighWatermark:          90
            MaxFollowerLag:         12
            MaxFollowerLagTimeMs:   100
            CurrentVoters:          [{"id": 1, "directoryId": null, "endpoints": ["CONTROLLER://[::1]:9093"]}, {"id": 2, "directoryId": null}]
            CurrentObservers:       [{"id": 3, "directoryId": null}]
        "#]]
        .assert_eq(&status("c", &partition, &nodes));
    }

    #[test]
    fn replicas_stand_in_a_table_the_leader_first() {
        let (partition, _) = quorum();
        let no_id = "A".repeat(22);
        let header = format!("DirectoryId{}", " ".repeat(11));
        let lines = |text: &str| {
            let text = text.replace('\t', "|").replace(&no_id, "none       ");
            text.replace(&header, "DirectoryId")
        };
        expect![[r#"
            NodeId|DirectoryId|LogEndOffset|Lag|LastFetchTimestamp|LastCaughtUpTimestamp|Status  |
            2     |none       |100         |0  |1000              |1000                 |Leader  |
            1     |none       |88          |12 |900               |900                  |Follower|
            3     |none       |50          |50 |-1                |-1                   |Observer|
        "#]]
        .assert_eq(&lines(&replication(&partition, None)));
        let aged = replication(&partition, Some(Timestamp(1_033)));
        assert!(aged.contains("33 ms ago"), "{aged}");
    }
}
