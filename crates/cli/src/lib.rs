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
mod client_options;
mod completions;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod context;
mod datetime;
mod failure;
mod get_offsets;
mod help;
mod links;
mod options;
mod partition_filter;
mod start;
mod storage;
mod topics;

use std::io::Write;

pub use applets::{APPLETS, Applet};
pub use context::{Captured, Context};
pub use failure::Failure;

use applets::Body;
use failure::Place;
use options::{HELP, VERSION};

/// The release of Apache Kafka whose tools these are; what their `--version` prints.
pub const KAFKA_VERSION: &str = "4.4.0";

/// Runs what the words ask for and gives the exit code. `called` is the name or path by which the
/// binary was called.
pub async fn run(context: &mut Context, called: &str, words: &[String]) -> u8 {
    let outcome = match pick(called, words) {
        Pick::Applet(applet, words) => run_applet(context, applet, words).await,
        Pick::Help => help::print(context, &[]),
        Pick::Version => {
            writeln!(context.out, "ottla {}", env!("CARGO_PKG_VERSION")).map_err(Failure::from)
        }
        Pick::Unknown(word) => Err(Failure::said(format!(
            "ottla: there is no command '{word}'; ottla --help lists them"
        ))),
    };
    let flushed = context.out.flush().map_err(Failure::from);
    match outcome.and(flushed) {
        Ok(()) => 0,
        Err(failure) => failure.code(),
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

/// Runs one command and prints how it failed.
async fn run_applet(
    context: &mut Context,
    applet: &'static Applet,
    words: &[String],
) -> Result<(), Failure> {
    let outcome = match applet.body {
        Body::Words(run) => run(context, words).await,
        Body::Options { options, about, run } => {
            let outcome = match options::parse(options, words) {
                Ok(parsed) if words.is_empty() => {
                    drop(parsed);
                    Err(Failure::usage(about))
                }
                Ok(parsed) if parsed.has(HELP.name) => Err(Failure::usage(about)),
                Ok(parsed) if parsed.has(VERSION.name) => {
                    writeln!(context.out, "{KAFKA_VERSION}").map_err(Failure::from)
                }
                Ok(parsed) => run(context, &parsed).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = &outcome
                && failure.place() == Place::Usage
            {
                writeln!(context.err, "{failure}")?;
                write!(context.err, "{}", options::help::table(options))?;
            }
            outcome
        }
    };
    if let Err(failure) = &outcome {
        match failure.place() {
            Place::Stdout => writeln!(context.out, "{failure}")?,
            Place::Stderr => writeln!(context.err, "{failure}")?,
            Place::Grammar => {
                let name = applet.name;
                writeln!(context.err, "{failure}\n`ottla {name} --help` lists the options")?;
            }
            Place::Usage | Place::Nowhere => (),
        }
    }
    outcome
}
