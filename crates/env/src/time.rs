//! Points in time, sleeping, and the end of a timeout.
//!
//! Not here: the wall clock (`Env::now_ms`) and the clocks themselves (real.rs, the simulator).
//! Must hold: arithmetic saturates, since timeouts come from configurations and from clients.

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::sim_api::SimTimer;

/// A point on the monotonic clock: nanoseconds since the start of this world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The start of the world.
    pub const ZERO: Instant = Instant(0);
    /// Later than any time that will come.
    pub const MAX: Instant = Instant(u64::MAX);
}

impl Add<Duration> for Instant {
    type Output = Instant;
    /// Saturates at [`Instant::MAX`].
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// The time from `earlier` to this; zero when `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// A future that ends at a point in time. Made by `Env::sleep`; may be set again and reused.
pub struct Sleep {
    deadline: Instant,
    timer: Timer,
}

enum Timer {
    Real { timer: Pin<Box<tokio::time::Sleep>>, origin: std::time::Instant },
    Sim(Box<dyn SimTimer>),
}

impl Sleep {
    pub(crate) fn real(
        timer: tokio::time::Sleep,
        origin: std::time::Instant,
        deadline: Instant,
    ) -> Sleep {
        Sleep { deadline, timer: Timer::Real { timer: Box::pin(timer), origin } }
    }

    pub(crate) fn simulated(timer: Box<dyn SimTimer>, deadline: Instant) -> Sleep {
        Sleep { deadline, timer: Timer::Sim(timer) }
    }

    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Makes it end at `at` instead, also when it has ended already. Await it as `&mut sleep`.
    pub fn reset(&mut self, at: Instant) {
        self.deadline = at;
        match &mut self.timer {
            Timer::Real { timer, origin } => timer.as_mut().reset(std_instant(*origin, at).into()),
            Timer::Sim(timer) => timer.reset(at),
        }
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Timer::Real { timer, .. } => timer.as_mut().poll(cx),
            Timer::Sim(timer) => timer.poll(cx),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sleep(until {:?})", self.deadline)
    }
}

/// `at` on the clock of the standard library whose zero was `origin`.
pub(crate) fn std_instant(origin: std::time::Instant, at: Instant) -> std::time::Instant {
    let far = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    origin + Duration::from_nanos(at.0).min(far)
}

/// The time of an `Env::timeout` was over before its future was ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(_: Elapsed) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_at_both_ends() {
        assert_eq!(Instant(5) + Duration::MAX, Instant::MAX);
        assert_eq!(Instant(5) - Instant(7), Duration::ZERO);
        assert_eq!(Instant(7) - Instant(5), Duration::from_nanos(2));
    }
}
