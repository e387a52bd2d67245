//! The binary: the first word, or the name it was called by, picks the applet.
//! Not here: what an applet does, nor anything that a test would want to call. Runtime, signals,
//! logs and the exit code are here and nowhere else.

mod background;
#[cfg(target_os = "linux")]
mod files;
mod holder;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory;
mod notice;
mod signals;

use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use ottla_cli::{Context, Failure, LEVEL_VARIABLE, Processes};
use ottla_env::Env;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    memory::return_large_blocks();
    let mut words = Vec::new();
    for word in std::env::args_os() {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                complain(format_args!("ottla: {word:?} is not UTF-8: name it otherwise"));
                return ExitCode::FAILURE;
            }
        }
    }
    let called = if words.is_empty() { String::new() } else { words.remove(0) };
    if let Err(failure) = log(&called, &words) {
        complain(format_args!("{failure}"));
        return ExitCode::from(failure.code());
    }
    #[cfg(target_os = "linux")]
    files::allow_many();
    // More workers than cores, since a write to the page cache may block one.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((2 * cores).max(4))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("ottla: cannot start threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let env = Env::real(runtime.handle().clone());
    let tasks = env.tasks();
    let code = runtime.block_on(async {
        let mut context = Context {
            env,
            out: Box::new(BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            input: Some(Box::new(BufReader::new(io::stdin()))),
            interactive: io::stdin().is_terminal(),
            stop: signals::count(&tasks),
            processes: Some(Processes {
                start: background::start,
                ready: notice::tell,
                stop: holder::stop,
            }),
        };
        ottla_cli::run(&mut context, &called, &words).await
    });
    // A thread that still waits for a line of input must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(SHUTDOWN_MS_MAX));
    ExitCode::from(code)
}

/// Writes a line to stderr, if somebody reads there: the exit code tells the same.
fn complain(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Sends the log to stderr: a node tells what it does, a command only what goes wrong. A node's
/// words and the variable `OTTLA_LOG` say otherwise.
fn log(called: &str, words: &[String]) -> Result<(), Failure> {
    let variable = std::env::var_os(LEVEL_VARIABLE);
    let variable = variable.as_ref().map(|text| text.to_string_lossy());
    let options = ottla_cli::log_options(called, words, variable.as_deref())?;
    let level: tracing::Level = options.level.parse().expect("the level is one of tracing's");
    let logger = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // It would say so on stderr, and panic where nobody reads that any more.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(level);
    match options.is_json {
        true => logger.json().init(),
        false => logger.init(),
    }
    Ok(())
}

/// How long tasks may take to end after the command.
const SHUTDOWN_MS_MAX: u64 = 100;
