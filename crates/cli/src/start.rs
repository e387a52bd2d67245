//! `ottla start`: a node in the foreground, until the user asks it to stop.
//!
//! Not here: signals and the output of the log, which are the binary's. Must hold: a node that
//! was asked to stop stops cleanly.

use std::io::{self, Write};
use std::path::Path;

use ottla_node::{Node, Opening};
use ottla_settings::{Input, Loaded, Settings};

use crate::context::Context;
use crate::failure::Failure;

const USAGE: &str = "usage: ottla start [server.properties] [--override key=value]...\n\
    Without a file it runs on its own configuration: alone, on localhost, in ./ottla-data.";

/// The id of a cluster that is yet to be formatted, as the container image of Apache Kafka has it.
const CLUSTER_ID: &str = "CLUSTER_ID";

/// What the command line says.
#[derive(Debug, Default, PartialEq)]
struct Arguments {
    file: Option<String>,
    overrides: Vec<String>,
}

/// Runs a node until it is stopped.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    if words.iter().any(|word| word == "--help") {
        writeln!(context.out, "{USAGE}")?;
        return Ok(());
    }
    let settings = load(context, &parse(words)?)?;
    let cluster_id = std::env::var(CLUSTER_ID).ok();
    let opening = Opening { settings, cluster_id };
    let started = tokio::select! {
        biased;
        () = context.stopped() => return Ok(()),
        started = Node::start(&context.env, opening) => started,
    };
    let node = started.map_err(|why| Failure::said(format!("ottla did not start: {why}")))?;
    announce(context, &node)?;
    tokio::select! {
        biased;
        why = node.failed() => return Err(Failure::said(format!("ottla ends: {why}"))),
        () = context.stopped() => {}
    }
    writeln!(context.err, "stopping; once more ends it at once")?;
    node.stop().await;
    Ok(())
}

fn parse(words: &[String]) -> Result<Arguments, Failure> {
    let wrong = |what: String| Failure::said(format!("{what}\n{USAGE}"));
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--override") {
            Some("") => match words.next() {
                Some(pair) => arguments.overrides.push(pair.clone()),
                None => return Err(wrong("--override needs key=value".to_owned())),
            },
            Some(rest) if rest.starts_with('=') => arguments.overrides.push(rest[1..].to_owned()),
            _ if word.starts_with('-') || arguments.file.is_some() => {
                return Err(wrong(format!("'{word}' is not understood")));
            }
            _ => arguments.file = Some(word.clone()),
        }
    }
    Ok(arguments)
}

fn load(context: &mut Context, arguments: &Arguments) -> Result<Settings, Failure> {
    let read = |path: &String| {
        let bytes = context.env.disk().read(Path::new(path));
        bytes.map_err(|error| Failure::said(format!("{path}: {error}")))
    };
    let file = arguments.file.as_ref().map(read).transpose()?;
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let input =
        Input { file: file.as_deref(), environment: &environment, overrides: &arguments.overrides };
    let Loaded { settings, warnings } = Settings::load(input).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Failure::said(lines.join("\n"))
    })?;
    for warning in warnings {
        writeln!(context.err, "warning: {warning}")?;
    }
    Ok(settings)
}

/// Says where the node is, for whoever started it by hand.
fn announce(context: &mut Context, node: &Node) -> io::Result<()> {
    let out = &mut context.out;
    writeln!(out, "ottla {} serves", env!("CARGO_PKG_VERSION"))?;
    for address in node.addresses() {
        writeln!(out, "  {:<12} {}", address.listener, address.address)?;
    }
    for folder in node.folders() {
        writeln!(out, "  {:<12} {}", "data", folder.display())?;
    }
    writeln!(out, "  {:<12} {}", "cluster", node.cluster_id())?;
    writeln!(out, "stop it with ctrl-c")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_file_and_overrides_are_understood_as_kafka_writes_them() {
        let arguments = parsed("server.properties --override a=1 --override=b=2=3").expect("right");
        assert_eq!(arguments.file.as_deref(), Some("server.properties"));
        assert_eq!(arguments.overrides, ["a=1", "b=2=3"]);
        assert_eq!(parsed(""), Ok(Arguments::default()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, word) in [("--port 1", "--port"), ("a b", "'b'"), ("--override", "key=value")] {
            let message = parsed(line).expect_err(line);
            assert!(message.contains(word) && message.contains("usage"), "{message}");
        }
    }
}
