//! `ottla cluster` (kafka-cluster.sh): the cluster's id, its endpoints, brokers taken out of it.
//!
//! The grammar is that of argparse. Not served: nothing.

use std::io::Write;

use ottla_client::Client;
use ottla_wire::messages::describe_cluster_response::DescribeClusterBroker;
use ottla_wire::messages::{DescribeClusterRequest, UnregisterBrokerRequest};
use ottla_wire::{BrokerId, StrBytes};

use crate::client_options::{self, refused};
use crate::context::Context;
use crate::failure::Failure;
use crate::words::{Servers, Words};

const PROGRAM: &str = "kafka-cluster";
const USAGE: &str = "usage: kafka-cluster [-h] {cluster-id,unregister,list-endpoints} ...\n";
const USAGE_ID: &str = "\
usage: kafka-cluster cluster-id [-h] [--config CONFIG]
                     [--command-config COMMAND_CONFIG]
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)
";
const USAGE_UNREGISTER: &str = "\
usage: kafka-cluster unregister [-h] [--config CONFIG]
                     [--command-config COMMAND_CONFIG] --id ID
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)
";
const USAGE_ENDPOINTS: &str = "\
usage: kafka-cluster list-endpoints [-h] [--config CONFIG]
                     [--command-config COMMAND_CONFIG]
                     [--include-fenced-brokers]
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)
";
const HELP: &str = "
Tells what a cluster is, and takes brokers out of it.

  cluster-id             print the cluster's id
  unregister             take a broker that is gone out of the cluster
  list-endpoints         print where brokers or controllers are
";
const HELP_OPTIONS: &str = "
  --bootstrap-server, -b BOOTSTRAP_SERVER
                         the brokers to begin with, as host:port, comma separated
  --bootstrap-controller, -C BOOTSTRAP_CONTROLLER
                         the controllers to begin with, instead of brokers
  --command-config, -c COMMAND_CONFIG
                         a file of properties for the client; --config is its older name
  --id, -i ID            the broker (unregister)
  --include-fenced-brokers
                         brokers that are registered and not running, too (list-endpoints)
";

/// What the words ask for.
enum Asked {
    Id,
    Unregister(BrokerId),
    Endpoints { with_fenced: bool },
}

/// Runs one of the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let mut words = Words::new(words, PROGRAM, USAGE);
    let Some(word) = words.next() else { return Err(words.wrong("too few arguments")) };
    let usage = match word.name.as_str() {
        // Apache Kafka's tool ends with 1 after its help.
        "-h" | "--help" => return help(context, USAGE, HELP),
        "cluster-id" => USAGE_ID,
        "unregister" => USAGE_UNREGISTER,
        "list-endpoints" => USAGE_ENDPOINTS,
        option if option.starts_with('-') => return Err(words.unrecognized(&word)),
        other => {
            let choices = "(choose from 'cluster-id', 'unregister', 'list-endpoints')";
            return Err(words.wrong(&format!("invalid choice: '{other}' {choices}")));
        }
    };
    let rest = Words::new(words.rest(), PROGRAM, usage);
    let Some((servers, asked)) = options(rest, usage)? else {
        return help(context, usage, HELP_OPTIONS);
    };
    if servers.config.is_some() && words.rest().iter().any(|word| word.starts_with("--config")) {
        let note = "Option --config has been deprecated and will be removed in a future version. \
                    Use --command-config instead.";
        writeln!(context.out, "{note}")?;
    }
    let client = client_options::admin_of(context, &servers).await?;
    let done = act(context, &client, asked).await;
    client.close().await;
    done
}

fn help(context: &mut Context, usage: &str, help: &str) -> Result<(), Failure> {
    write!(context.out, "{usage}{help}")?;
    Err(Failure::silent())
}

/// The options of a word; none when it is asked for help.
fn options(mut words: Words<'_>, usage: &str) -> Result<Option<(Servers, Asked)>, Failure> {
    let (mut servers, mut id, mut with_fenced) = (Servers::default(), None, false);
    while let Some(word) = words.next() {
        let Some(word) = servers.take(word, &mut words)? else { continue };
        match word.name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--id" | "-i" if usage == USAGE_UNREGISTER => {
                let text = words.value(word)?;
                let wrong = || words.wrong(&format!("argument --id/-i: '{text}' is no number"));
                id = Some(BrokerId(text.parse().map_err(|_| wrong())?));
            }
            "--include-fenced-brokers" if usage == USAGE_ENDPOINTS => with_fenced = true,
            _ => return Err(words.unrecognized(&word)),
        }
    }
    let asked = match usage {
        USAGE_UNREGISTER => Asked::Unregister(id.ok_or_else(|| words.missing("--id/-i"))?),
        USAGE_ENDPOINTS => Asked::Endpoints { with_fenced },
        _ => Asked::Id,
    };
    servers.check(&words)?;
    Ok(Some((servers, asked)))
}

async fn act(context: &mut Context, client: &Client, asked: Asked) -> Result<(), Failure> {
    match asked {
        Asked::Id => match &client.cluster().id {
            Some(id) => writeln!(context.out, "Cluster ID: {id}")?,
            None => writeln!(
                context.out,
                "No cluster ID found. The Kafka version is probably too old."
            )?,
        },
        Asked::Unregister(broker_id) => {
            let request = UnregisterBrokerRequest { broker_id, ..Default::default() };
            let response = client.call(&request).await?;
            refused(response.error_code, response.error_message.as_ref())?;
            writeln!(context.out, "Broker {broker_id} is no longer registered.")?;
        }
        Asked::Endpoints { with_fenced } => {
            let of_controllers = !client.settings().bootstrap_controllers.is_empty();
            if of_controllers && with_fenced {
                return Err(Failure::said(
                    "The option --include-fenced-brokers is only supported with \
                     --bootstrap-server option",
                ));
            }
            let request = DescribeClusterRequest {
                endpoint_type: if of_controllers { CONTROLLERS } else { BROKERS },
                include_fenced_brokers: with_fenced,
                ..Default::default()
            };
            let response = client.call(&request).await?;
            refused(response.error_code, response.error_message.as_ref())?;
            write!(context.out, "{}", table(&response.brokers, of_controllers))?;
        }
    }
    Ok(())
}

fn table(nodes: &[DescribeClusterBroker], of_controllers: bool) -> String {
    let host_width = nodes.iter().map(|node| node.host.len()).max().unwrap_or(0);
    let row = |cells: [&str; 6]| {
        let [id, host, port, rack, state, kind] = cells;
        let state = if of_controllers { String::new() } else { format!("{state:<10} ") };
        format!("{id:<10} {host:<host_width$} {port:<10} {rack:<10} {state}{kind:<15}\n")
    };
    let header = row(["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]);
    let lines = nodes.iter().map(|node| {
        let rack = node.rack.as_ref().map_or("null", StrBytes::as_str);
        let state = if node.is_fenced { "fenced" } else { "unfenced" };
        let kind = if of_controllers { "controller" } else { "broker" };
        let (id, port) = (node.broker_id.to_string(), node.port.to_string());
        row([&id, &node.host, &port, rack, state, kind])
    });
    header + &lines.collect::<String>()
}

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;
/// `endpoint_type` of controllers.
const CONTROLLERS: i8 = 2;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_column_of_hosts_is_as_wide_as_its_longest() {
        let node = |id, host: &'static str, is_fenced| DescribeClusterBroker {
            broker_id: BrokerId(id),
            host: host.into(),
            port: 9092,
            is_fenced,
            ..Default::default()
        };
        let nodes = [node(1, "a", false), node(12, "broker.example.org", true)];
        let lines = |of_controllers| table(&nodes, of_controllers).replace(" \n", "|\n");
        expect![[r#"
            ID         HOST               PORT       RACK       STATE      ENDPOINT_TYPE |
            1          a                  9092       null       unfenced   broker        |
            12         broker.example.org 9092       null       fenced     broker        |
        "#]]
        .assert_eq(&lines(false));
        expect![[r#"
            ID         HOST               PORT       RACK       ENDPOINT_TYPE |
            1          a                  9092       null       controller    |
            12         broker.example.org 9092       null       controller    |
        "#]]
        .assert_eq(&lines(true));
    }
}
