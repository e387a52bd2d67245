//! The commands of `ottla`: one file per command, one table of applets.
//!
//! Start reading at [`APPLETS`]: a row is a command with its options, and `ottla --help`, each
//! command's `--help`, the links with Apache Kafka's names and the completions derive from it.
//! [`run`] picks the row by the first word, or by the name that the binary was called by.
//!
//! The commands reach a cluster through the client alone. Absent: signals, the runtime, the exit
//! of the process, which are the binary's; a test runs a command as a value:
//!
//! ```
//! use ottla_cli::{Context, run};
//! use ottla_env::Env;
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! let (mut context, output) = Context::captured(Env::real(runtime.handle().clone()));
//! let code = runtime.block_on(run(&mut context, "ottla", &["topics".into(), "--version".into()]));
//! assert_eq!((code, output.stdout()), (0, "4.4.0\n".to_string()));
//! ```

mod applets;
mod broker_api_versions;
mod client_options;
mod cluster;
mod completions;
mod configs;
mod console_consumer;
mod console_producer;
mod console_share_consumer;
mod consumer_groups;
mod context;
mod daemon;
mod datetime;
mod delete_records;
mod dump_log;
mod failure;
mod features;
mod file;
mod get_offsets;
mod groups;
mod help;
mod leader_election;
mod links;
mod log;
mod log_dirs;
mod logging;
mod metadata_quorum;
mod options;
mod partition_file;
mod partition_filter;
mod reassign_partitions;
mod share_groups;
mod start;
mod stop;
mod storage;
mod streams_groups;
mod topics;
mod transactions;
mod words;

use std::io::Write;

pub use applets::{APPLETS, Applet};
pub use context::{Background, Captured, Context, Processes};
pub use failure::Failure;
pub use logging::{LEVEL_VARIABLE, LogOptions};

use applets::Body;
use failure::Place;
use options::{HELP, VERSION};

/// The release of Apache Kafka whose tools these are; what their `--version` prints.
pub const KAFKA_VERSION: &str = "4.4.0";

/// Runs what the words ask for and gives the exit code. `called` is the name or path by which the
/// binary was called.
pub async fn run(context: &mut Context, called: &str, words: &[String]) -> u8 {
    let (applet, outcome) = match pick(called, words) {
        Pick::Applet(applet, words) => (Some(applet), run_applet(context, applet, words).await),
        Pick::Help => (None, help::print(context, &[])),
        Pick::Version => {
            let version = env!("CARGO_PKG_VERSION");
            (None, writeln!(context.out, "ottla {version}").map_err(Failure::from))
        }
        Pick::Unknown(word) => {
            let unknown = format!("ottla: there is no command '{word}'; ottla --help lists them");
            (None, Err(Failure::said(unknown)))
        }
    };
    let told = match &outcome {
        Err(failure) => tell(context, applet, failure),
        Ok(()) => Ok(()),
    };
    let told = told.and(context.out.flush()).map_err(Failure::from);
    outcome.and(told).map_or_else(|failure| failure.code(), |()| 0)
}

/// How the process of these words is to log, where the variable [`LEVEL_VARIABLE`] has this value.
///
/// # Errors
/// The variable counts and is no level.
pub fn log_options(
    called: &str,
    words: &[String],
    variable: Option<&str>,
) -> Result<LogOptions, Failure> {
    // Who asks how a thing is used is answered, whatever the variable says.
    let is_help = |word: &String| matches!(word.as_str(), "--help" | "-h" | "--version" | "-V");
    let variable = variable.filter(|_| !words.iter().any(is_help));
    match pick(called, words) {
        Pick::Applet(applet, words) if applet.name == "start" => {
            start::log_options(words, variable)
        }
        _ => logging::options(None, variable, "error", false),
    }
}

/// What the name and the words ask for.
enum Pick<'a> {
    Applet(&'static Applet, &'a [String]),
    Help,
    Version,
    Unknown(&'a str),
}

fn pick<'a>(called: &str, words: &'a [String]) -> Pick<'a> {
    let name = called.rsplit(['/', '\\']).next().unwrap_or(called);
    if let Some(applet) = APPLETS.iter().find(|applet| applet.answers_to(name)) {
        return Pick::Applet(applet, words);
    }
    let named = |word: &str| APPLETS.iter().find(|applet| applet.name == word);
    match words.split_first() {
        // A node is what most want: without a word, one starts.
        None => named("start").map_or(Pick::Help, |applet| Pick::Applet(applet, words)),
        Some((word, rest)) => match (named(word), word.as_str()) {
            (Some(applet), _) => Pick::Applet(applet, rest),
            (None, "--help" | "-h") => Pick::Help,
            (None, "--version" | "-V") => Pick::Version,
            (None, word) => Pick::Unknown(word),
        },
    }
}

/// Runs one command.
async fn run_applet(
    context: &mut Context,
    applet: &Applet,
    words: &[String],
) -> Result<(), Failure> {
    let (options, about, run) = match applet.body {
        Body::Words(run) => return run(context, words).await,
        Body::Options { options, about, run } => (options, about, run),
    };
    let parsed = options::parse(options, words)?;
    if words.is_empty() || parsed.has(HELP.name) {
        return Err(Failure::usage(about));
    }
    if parsed.has(VERSION.name) {
        return Ok(writeln!(context.out, "{KAFKA_VERSION}")?);
    }
    run(context, &parsed).await
}

/// Prints how a command failed.
fn tell(context: &mut Context, applet: Option<&Applet>, failure: &Failure) -> std::io::Result<()> {
    match (failure.place(), applet) {
        (Place::Nowhere, _) => Ok(()),
        (Place::Stdout, _) => writeln!(context.out, "{failure}"),
        (Place::Grammar, Some(Applet { name, .. })) => {
            writeln!(context.err, "{failure}\n`ottla {name} --help` lists the options")
        }
        (Place::Usage, Some(applet)) => {
            writeln!(context.err, "{failure}")?;
            write!(context.err, "{}", options::help::table(applet.options()))
        }
        (Place::Stderr | Place::Grammar | Place::Usage, _) => writeln!(context.err, "{failure}"),
    }
}
