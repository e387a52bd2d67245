//! What a command has of the world: the environment, where it writes, when it is to stop.
//!
//! Not here: what a signal is; the binary turns signals into numbers of `stop`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ottla_env::Env;
use tokio::sync::watch;

/// How a command starts and stops other processes, and tells those that started its own.
#[derive(Clone, Copy, Debug)]
pub struct Processes {
    /// Starts the binary as a process of its own, with a file for its output and these words.
    pub start: fn(&Path, &[String]) -> io::Result<Background>,
    /// Tells whoever waits for this process that its node serves.
    pub ready: fn(),
    /// Asks the process that holds the lock of this file to end; answers its id, none when there
    /// is none to be seen.
    pub stop: fn(&Path) -> io::Result<Option<u32>>,
}

/// A process that was started in the background.
pub struct Background {
    /// Its id.
    pub pid: u32,
    /// Waits until its node serves, or until it has ended without that; answers whether it
    /// serves. It blocks.
    pub serves: Box<dyn FnOnce() -> io::Result<bool> + Send>,
}

/// What a command is given.
pub struct Context {
    /// Clock, network, disk.
    pub env: Env,
    /// Where results go.
    pub out: Box<dyn Write + Send + Sync>,
    /// Where errors and notes go.
    pub err: Box<dyn Write + Send + Sync>,
    /// Lines to read, for the commands that read; taken once.
    pub input: Option<Box<dyn io::BufRead + Send + Sync>>,
    /// Whether the input is a terminal, so that a prompt helps.
    pub interactive: bool,
    /// How often the user asked to stop.
    pub stop: watch::Receiver<u32>,
    /// Other processes; none where there is no binary.
    pub processes: Option<Processes>,
}

impl Context {
    /// A context that keeps what is printed, has no input, and is never stopped.
    pub fn captured(env: Env) -> (Context, Captured) {
        let captured = Captured::default();
        let context = Context {
            env,
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            input: None,
            interactive: false,
            stop: watch::channel(0).1,
            processes: None,
        };
        (context, captured)
    }

    /// Ends when the user asks to stop; never when nobody can.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.clone();
        async move {
            if stop.wait_for(|times| *times > 0).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

/// What a command printed.
#[derive(Clone, Default)]
pub struct Captured {
    out: Sink,
    err: Sink,
}

impl Captured {
    /// What went to stdout.
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// What went to stderr.
    pub fn stderr(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
