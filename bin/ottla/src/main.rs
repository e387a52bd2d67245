//! The binary: the first word, or the name it was called by, picks the applet.
//! Not here: what an applet does, nor anything that a test would want to call. Runtime, signals,
//! logs and the exit code are here and nowhere else.

mod background;
mod holder;

use std::io::{self, BufReader, BufWriter, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use ottla_cli::{Context, Processes};
use ottla_env::{Env, Tasks};
use tokio::sync::watch;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let called = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    // More workers than cores, since a write to the page cache may block one.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((2 * cores).max(4))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ottla: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    log(&called, &words);
    let env = Env::real(runtime.handle().clone());
    let tasks = env.tasks();
    let code = runtime.block_on(async {
        let mut context = Context {
            env,
            out: Box::new(BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            input: Some(Box::new(BufReader::new(io::stdin()))),
            interactive: io::stdin().is_terminal(),
            stop: signals(&tasks),
            processes: Some(Processes { start: background::start, stop: holder::stop }),
        };
        ottla_cli::run(&mut context, &called, &words).await
    });
    // A thread that still waits for a line of input must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(SHUTDOWN_MS_MAX));
    ExitCode::from(code)
}

/// Sends the log to stderr: a node tells what it does, a command only what goes wrong. A node's
/// words and the variable `OTTLA_LOG` say otherwise: error, warn, info, debug or trace.
fn log(called: &str, words: &[String]) {
    let node = ottla_cli::log_options(called, words);
    let usual = if node.is_some() { tracing::Level::INFO } else { tracing::Level::ERROR };
    let options = node.unwrap_or_default();
    let level = |text: String| text.parse().ok();
    let asked = options.level.and_then(level);
    let asked = asked.or_else(|| std::env::var("OTTLA_LOG").ok().and_then(level));
    let logger = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(asked.unwrap_or(usual));
    match options.is_json {
        true => logger.json().init(),
        false => logger.init(),
    }
}

/// Counts SIGINT and SIGTERM; the second ends the process at once.
fn signals(tasks: &Tasks) -> watch::Receiver<u32> {
    let (count, counted) = watch::channel(0);
    tasks.spawn("signals", async move {
        while signal().await.is_ok() {
            count.send_modify(|times| *times += 1);
            if *count.borrow() > 1 {
                #[expect(clippy::disallowed_methods, reason = "the user asked twice")]
                std::process::exit(SIGNALLED);
            }
        }
    });
    counted
}

#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// What a shell expects of a process that an interrupt ended.
const SIGNALLED: i32 = 130;
/// How long tasks may take to end after the command.
const SHUTDOWN_MS_MAX: u64 = 100;
