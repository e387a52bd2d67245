//! A histogram of times, with the same bounds for all of them: 100 us to 10 s.
//!
//! Cost of an observation: a search among the bounds and two additions. Must hold: the buckets
//! together are the count, so that a page read in the middle of one never shows a count below its
//! buckets.

use std::time::Duration;

use crate::number::Counter;

/// The upper bounds of the buckets in nanoseconds, and as they are written; the last bucket has
/// no bound.
pub(crate) const BOUNDS: [(u64, &str); 16] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// How long something took, time after time.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    nanos: Counter,
}

impl Histogram {
    /// Something took this long.
    pub fn observe(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS.partition_point(|(bound, _)| *bound < nanos)].one();
        if nanos > 0 {
            self.nanos.add(nanos);
        }
    }

    /// How often each bound was not exceeded, from the lowest to none.
    pub(crate) fn cumulative(&self) -> [u64; BOUNDS.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|at| {
            sum += self.buckets[at].value();
            sum
        })
    }

    /// How often something was observed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::value).sum()
    }

    /// How long all of it took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_under_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 1_000, 9_999_999, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let seen = histogram.cumulative();
        assert_eq!((seen[0], seen[1], seen[3], seen[15], seen[16]), (2, 3, 4, 5, 6));
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.sum(), Duration::from_micros(100 + 101 + 1_000 + 20_000_000));
    }

    #[test]
    fn bounds_ascend_and_are_written_as_they_are() {
        assert!(BOUNDS.is_sorted_by(|a, b| a.0 < b.0));
        for (nanos, text) in BOUNDS {
            let seconds: f64 = text.parse().expect("a number");
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(nanos), "{text}");
        }
    }
}
