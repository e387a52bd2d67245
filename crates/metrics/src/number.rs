//! Numbers: those that are counted, and those that stand on a page.
//!
//! Cost of counting: one relaxed addition to an atomic number, no lock, no fence. Not here: what
//! is counted by the value of a label (requests.rs, traffic.rs, listeners.rs).

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds, or takes away.
    pub fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Where it stands.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number on a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole and not negative.
    Unsigned(u64),
    /// Whole.
    Signed(i64),
    /// Anything else.
    Float(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Unsigned(number) => number.fmt(f),
            Number::Signed(number) => number.fmt(f),
            Number::Float(number) => number.fmt(f),
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number::Unsigned(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Number::Unsigned(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Number::Signed(number)
    }
}

impl From<bool> for Number {
    fn from(is_so: bool) -> Self {
        Number::Unsigned(u64::from(is_so))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Number::Float(number)
    }
}
