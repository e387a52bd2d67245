//! `ottla start`: a node in the foreground, until the user asks it to stop.
//!
//! Not here: signals and the output of the log, which are the binary's; a node in the background
//! (daemon.rs). Must hold: a node that
//! was asked to stop stops cleanly.

use std::io::{self, Write};
use std::path::PathBuf;

use ottla_node::{Node, Opening};
use ottla_settings::{ConfigError, Input, Loaded, Settings};

use crate::context::Context;
use crate::daemon;
use crate::failure::Failure;
use crate::file;
use crate::logging::{self, LEVELS, LogOptions};

const USAGE: &str = "\
usage: ottla start [-daemon] [server.properties] [--override key=value]... [options]
Without a file it runs on its own configuration: alone, on localhost, in ./ottla-data.
  -daemon                run in the background, with its log in $LOG_DIR/ottla.log, or in
                         ./ottla.log; returns when the node serves, or tells why it does not
  --log-level <level>    error, warn, info, debug or trace; else that of the variable OTTLA_LOG,
                         else info
  --log-format <format>  text or json, one object a line; else text";

/// The id of a cluster that is yet to be formatted, as the container image of Apache Kafka has it.
const CLUSTER_ID: &str = "CLUSTER_ID";

/// What `--log-format` may be.
const FORMATS: &[&str] = &["text", "json"];

/// Why a node that was given no file lacks something.
const NOT_BUILT_IN: &str = "No file was given, and the built-in configuration applies only where \
    no variable or override names the node's roles, its id, its controller listeners or the \
    quorum: name them all, give a file, or name none.";

/// The folder for the log of a node in the background, as Kafka's scripts have it.
const LOG_DIR: &str = "LOG_DIR";

/// What the command line says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Arguments {
    file: Option<String>,
    overrides: Vec<String>,
    is_daemon: bool,
    log_level: Option<String>,
    log_format: Option<String>,
}

/// How a node that is started with these words is to log. Words that are wrong say nothing; they
/// are refused when the node starts.
pub(crate) fn log_options(words: &[String], variable: Option<&str>) -> Result<LogOptions, Failure> {
    let Arguments { log_level, log_format, .. } = parse(words).unwrap_or_default();
    let is_json = log_format.is_some_and(|format| format.eq_ignore_ascii_case("json"));
    logging::options(log_level.as_deref(), variable, "info", is_json)
}

/// Runs a node until it is stopped.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        writeln!(context.out, "{USAGE}")?;
        return Ok(());
    }
    let arguments = parse(words)?;
    let stopped = context.stopped();
    let settings = tokio::select! {
        biased;
        () = stopped => return Ok(()),
        settings = load(context, &arguments) => settings?,
    };
    if arguments.is_daemon {
        let words: Vec<String> = words.iter().filter(|word| !is_daemon(word)).cloned().collect();
        let folder = std::env::var_os(LOG_DIR).map_or_else(|| PathBuf::from("."), PathBuf::from);
        return daemon::start(context, &folder, &words).await;
    }
    let cluster_id = std::env::var(CLUSTER_ID).ok();
    let opening = Opening { settings, cluster_id };
    let started = tokio::select! {
        biased;
        () = context.stopped() => return Ok(()),
        started = Node::start(&context.env, opening) => started,
    };
    let node = started.map_err(|why| Failure::said(format!("ottla did not start: {why}")))?;
    // A node serves whether or not somebody still reads what it says.
    let _ = announce(context, &node);
    if let Some(processes) = context.processes {
        (processes.ready)();
    }
    tokio::select! {
        biased;
        why = node.failed() => return Err(Failure::said(format!("ottla ends: {why}"))),
        why = node.out_of_room() => {
            node.stop().await;
            return Err(Failure::said(format!("ottla stopped: {why}")));
        }
        () = context.stopped() => {}
    }
    let _ = writeln!(context.err, "stopping; once more ends it at once");
    node.stop().await;
    Ok(())
}

/// Reads the command line.
pub(crate) fn parse(words: &[String]) -> Result<Arguments, Failure> {
    let wrong = |what: String| Failure::said(format!("{what}\n{USAGE}"));
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = |what: &str| {
            let value = joined.clone().or_else(|| words.next().cloned());
            value.ok_or_else(|| wrong(format!("{name} needs {what}")))
        };
        match name {
            "--override" => arguments.overrides.push(value("key=value")?),
            "--log-level" => arguments.log_level = Some(value("a level")?),
            "--log-format" => arguments.log_format = Some(value("a format")?),
            _ if is_daemon(word) => arguments.is_daemon = true,
            _ if word.starts_with('-') || arguments.file.is_some() => {
                return Err(wrong(format!("'{word}' is not understood")));
            }
            _ => arguments.file = Some(word.clone()),
        }
    }
    let checked = [
        ("--log-level", &arguments.log_level, LEVELS),
        ("--log-format", &arguments.log_format, FORMATS),
    ];
    for (name, given, allowed) in checked {
        let is_known = |given: &str| allowed.iter().any(|one| one.eq_ignore_ascii_case(given));
        if let Some(given) = given.as_deref().filter(|given| !is_known(given)) {
            return Err(wrong(format!("{name} {given}: it must be one of {}", allowed.join(", "))));
        }
    }
    Ok(arguments)
}

/// Kafka's script takes it with one dash.
fn is_daemon(word: &str) -> bool {
    matches!(word, "-daemon" | "--daemon")
}

/// The settings that the command line leads to. The file is read where that may take its time: it
/// may be a pipe.
pub(crate) async fn load(
    context: &mut Context,
    arguments: &Arguments,
) -> Result<Settings, Failure> {
    let file = match arguments.file.clone() {
        None => None,
        Some(path) => {
            let env = context.env.clone();
            let read = move || file::read(&env, "the configuration", &path);
            Some(context.env.blocking(read).await?)
        }
    };
    // Names that are not UTF-8 are nobody's here; a value that is not is refused as a wrong one.
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment: Vec<(String, String)> =
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    let input =
        Input { file: file.as_deref(), environment: &environment, overrides: &arguments.overrides };
    let Loaded { settings, warnings } = Settings::load(input).map_err(|wrong| {
        let mut lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let is_missing = |wrong: &ConfigError| matches!(wrong, ConfigError::Missing { .. });
        if file.is_none() && wrong.iter().any(is_missing) {
            lines.push(NOT_BUILT_IN.to_owned());
        }
        Failure::said(lines.join("\n"))
    })?;
    for warning in warnings {
        let _ = writeln!(context.err, "warning: {warning}");
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
    fn a_log_level_and_a_format_are_one_of_a_list() {
        let options = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            log_options(&words, None).map(|options| (options.level, options.is_json))
        };
        assert_eq!(options("--log-level debug a --log-format=json"), Ok(("debug", true)));
        assert_eq!(options("-daemon --log-level=DEBUG"), Ok(("debug", false)));
        assert_eq!(options("--log-level loud"), Ok(("info", false)), "it is refused later");
    }

    #[cfg(unix)]
    #[test]
    fn a_node_stops_while_it_waits_for_its_configuration() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("server.properties");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (mut context, output) =
            Context::captured(ottla_env::Env::real(runtime.handle().clone()));
        let (stop, stopped) = tokio::sync::watch::channel(0);
        context.stop = stopped;
        let words = [pipe.display().to_string()];
        let started = runtime.spawn(async move { run(&mut context, &words).await });
        // Opening the other end waits until the node waits for what it reads.
        let other = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        stop.send(1).unwrap();
        assert_eq!(runtime.block_on(started).unwrap(), Ok(()));
        assert_eq!(output.stdout(), "");
        drop(other);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let lines = [
            ("--port 1", "--port"),
            ("a b", "'b'"),
            ("--override", "key=value"),
            ("--log-level loud", "error, warn, info, debug, trace"),
            ("--log-format xml", "text, json"),
        ];
        for (line, word) in lines {
            let message = parsed(line).expect_err(line);
            assert!(message.contains(word) && message.contains("usage"), "{message}");
        }
    }
}
