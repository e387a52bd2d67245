//! SIGINT and SIGTERM, counted; the second ends the process at once.
//!
//! Must hold: from the moment that they are listened to, none is missed.

use std::io;

use ottla_env::Tasks;
use tokio::sync::watch;

/// Listens from here on; answers how many there were.
pub(crate) fn count(tasks: &Tasks) -> watch::Receiver<u32> {
    let (count, counted) = watch::channel(0);
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!(%error, "signals are not heard: kill -9 alone ends this process");
            return counted;
        }
    };
    tasks.spawn("signals", async move {
        loop {
            signals.next().await;
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
struct Signals {
    interrupted: tokio::signal::unix::Signal,
    terminated: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupted = signal(SignalKind::interrupt())?;
        Ok(Signals { interrupted, terminated: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminated.recv() => (),
            _ = self.interrupted.recv() => (),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// What a shell expects of a process that an interrupt ended.
const SIGNALLED: i32 = 130;
