//! How long to wait before the next attempt: exponential, with jitter (KIP-580, KIP-144).
//!
//! Must hold: a wait is never longer than its maximum and a fifth.

use std::time::Duration;

/// The rule: the first wait, doubled with each failure, up to a maximum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The wait after the first failure.
    pub initial_ms: u64,
    /// The longest wait before jitter.
    pub max_ms: u64,
}

impl Backoff {
    /// The wait after so many failures in a row; `random` spreads it by a fifth either way.
    pub fn after(self, failures: u32, random: u64) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let doubled = self.initial_ms.saturating_mul(1 << (failures - 1).min(DOUBLINGS_MAX));
        let wait_us = doubled.min(self.max_ms).saturating_mul(1000);
        let spread_us = wait_us / JITTER_PART;
        let jitter_us = random % (2 * spread_us + 1);
        Duration::from_micros(wait_us - spread_us + jitter_us)
    }
}

/// Jitter is one part in so many, either way.
const JITTER_PART: u64 = 5;
/// More would only overflow: no maximum is that far from its beginning.
const DOUBLINGS_MAX: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_with_a_fifth_of_jitter() {
        let backoff = Backoff { initial_ms: 100, max_ms: 1000 };
        let least = |failures| backoff.after(failures, 0).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 99].map(least), [0, 80, 160, 320, 640, 800, 800]);
        for random in [1, 77, u64::MAX] {
            assert!(backoff.after(50, random) <= Duration::from_millis(1200));
        }
        assert_eq!(Backoff { initial_ms: 0, max_ms: 0 }.after(3, 9), Duration::ZERO);
    }
}
