//! The real world: tokio's timers, tasks and sockets, and the operating system's randomness.
//!
//! Not here: the disk (disk.rs), the calls that systems have under different names (linux.rs,
//! portable.rs). Must hold: the runtime is the one that was given; nothing is static.
#![expect(clippy::disallowed_methods, reason = "this is the one place where the world is real")]

pub(crate) mod disk;
#[cfg(all(test, target_os = "linux"))]
mod portable;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub(crate) mod system;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::time::std_instant;
use crate::{BLOCKING_CALLS_MAX, Instant, LONG_WORKS_MAX, Sleep};

/// The runtime and the start of this world's clock.
pub(crate) struct Real {
    runtime: Handle,
    origin: std::time::Instant,
    blocking: Arc<Semaphore>,
    long: Semaphore,
}

impl Real {
    pub(crate) fn new(runtime: Handle) -> Real {
        let blocking = Arc::new(Semaphore::new(BLOCKING_CALLS_MAX));
        let long = Semaphore::new(LONG_WORKS_MAX);
        Real { runtime, origin: std::time::Instant::now(), blocking, long }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        disk::unix_ms(SystemTime::now())
    }

    pub(crate) fn monotonic(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    pub(crate) fn sleep_until(&self, at: Instant) -> Sleep {
        let _runtime = self.runtime.enter();
        let deadline = std_instant(self.origin, at);
        Sleep::real(tokio::time::sleep_until(deadline.into()), self.origin, at)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    pub(crate) fn long<T>(&self, work: impl FnOnce() -> T) -> T {
        // A runtime of one thread has nobody who could step in.
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        match self.long.try_acquire() {
            Ok(_permit) if flavor.is_ok_and(|it| it == RuntimeFlavor::MultiThread) => {
                tokio::task::block_in_place(work)
            }
            _ => work(),
        }
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let permit = self.blocking.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        // The permit goes with the work, which runs on when the caller is dropped.
        let work = move || {
            let _permit = permit;
            work()
        };
        match self.runtime.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is going down and this task with it.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The machine's name; `localhost` for one that has none.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn random_fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has randomness");
}

/// Processor time of this process.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Sends a range of a file, waiting whenever the socket is full.
pub(crate) async fn send_file(
    stream: &mut OwnedWriteHalf,
    file: &std::fs::File,
    mut position: u64,
    len: u64,
) -> io::Result<()> {
    let end = position.saturating_add(len);
    while position < end {
        let wanted = (end - position).min(SEND_FILE_BYTES);
        match system::send_file(stream, file, position, wanted).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => position += sent,
        }
        // A socket that never fills must not keep the other tasks of this thread waiting.
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// The plain way to send: one buffer of the file; 0 at its end.
async fn copy_file(
    stream: &mut OwnedWriteHalf,
    file: &std::fs::File,
    position: u64,
    len: u64,
) -> io::Result<u64> {
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(COPY_BYTES)];
    let read = disk::read_at(file, &mut buffer, position)?;
    stream.write_all(&buffer[..read]).await?;
    Ok(read as u64)
}

const COPY_BYTES: usize = 64 * 1024;

/// The most that one call of sendfile is asked for, so that a task gives its thread back.
const SEND_FILE_BYTES: u64 = 512 * 1024;

/// Milliseconds as this crate counts them.
pub(crate) fn saturating_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_works_long_does_not_keep_the_only_thread_from_others() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let real = Arc::new(Real::new(runtime.handle().clone()));
        let (tell, told) = mpsc::channel();
        runtime.block_on(async {
            let worker = Arc::clone(&real);
            let works = runtime.spawn(async move {
                tokio::spawn(async move { tell.send(7) });
                worker.long(|| told.recv())
            });
            assert_eq!(works.await.unwrap(), Ok(7));
        });
        assert_eq!(real.long.available_permits(), LONG_WORKS_MAX);
    }

    #[test]
    fn long_work_is_done_in_place_where_nobody_can_step_in() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let real = Real::new(runtime.handle().clone());
        assert_eq!(runtime.block_on(async { real.long(|| 7) }), 7);
        assert_eq!(real.long(|| 8), 8);
    }
}
