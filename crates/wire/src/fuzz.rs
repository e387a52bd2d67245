//! Feeds hostile bytes to decoders: a seeded mutator, and this crate's targets for it.
//!
//! A crate lists its own [`Target`]s and draws [`Cases`] from them in `tests/fuzz.rs`: a fixed
//! number in an ordinary test run, for a time in `cargo xtask fuzz`. The same seed draws the same
//! cases. Not here: a clock, threads, an allocator that counts; the test brings them.

mod dense;
mod sample;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use sample::sample;
pub use targets::TARGETS;

/// Inputs are cut to this many bytes.
const INPUT_MAX: usize = 1 << 16;

/// What eats bytes: it may refuse them, but not panic.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// How it is called in reports.
    pub name: &'static str,
    /// Eats one input; panics when something that must hold does not.
    pub run: fn(&[u8]),
    /// Inputs worth mutating.
    pub seeds: fn(&mut Prng) -> Vec<Vec<u8>>,
    /// It allocates at most this many bytes per byte of input, and a constant. 0: not checked.
    pub allocation_max: usize,
}

/// Pseudorandom numbers (xorshift64*), the same for the same seed.
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next_u64() >> 11) as usize % end.max(1)
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// An endless row of inputs for the targets in turn.
pub struct Cases {
    prng: Prng,
    targets: &'static [Target],
    seeds: Vec<Vec<Vec<u8>>>,
    drawn: usize,
}

impl Cases {
    /// The cases of this seed.
    pub fn new(targets: &'static [Target], seed: u64) -> Self {
        let mut prng = Prng::new(seed);
        let seeds = targets.iter().map(|target| (target.seeds)(&mut prng)).collect();
        Self { prng, targets, seeds, drawn: 0 }
    }
}

impl Iterator for Cases {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        let turn = self.drawn % self.targets.len().max(1);
        let target = self.targets.get(turn)?;
        let seeds = &self.seeds[turn];
        let mut input = pick(&mut self.prng, seeds).to_vec();
        // One in eight stays as it is, so that what is valid is seen too.
        while !self.prng.one_in(8) && input.len() < INPUT_MAX {
            let other = pick(&mut self.prng, seeds);
            mutate(&mut self.prng, &mut input, other);
            if self.prng.one_in(2) {
                break;
            }
        }
        input.truncate(INPUT_MAX);
        self.drawn += 1;
        Some(Case { target, input })
    }
}

/// One input for one target.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who eats it.
    pub target: &'static Target,
    /// What.
    pub input: Vec<u8>,
}

impl Case {
    /// Runs it; a panic is reported with the input and goes on.
    pub fn run(&self) {
        let run = self.target.run;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&self.input))) {
            eprintln!("{} panics on {}", self.target.name, self.hex());
            resume_unwind(panic);
        }
    }

    /// The input in hexadecimal digits.
    pub fn hex(&self) -> String {
        self.input.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn pick<'a>(prng: &mut Prng, seeds: &'a [Vec<u8>]) -> &'a [u8] {
    seeds.get(prng.below(seeds.len())).map_or(&[], Vec::as_slice)
}

/// Changes the input in one way.
fn mutate(prng: &mut Prng, input: &mut Vec<u8>, other: &[u8]) {
    let at = prng.below(input.len() + 1);
    let len = prng.below(8) + 1;
    let end = (at + len).min(input.len());
    match prng.below(9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << prng.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = [0, 1, 0x7f, 0x80, 0xff][prng.below(5)];
            }
        }
        2 => input.truncate(at),
        3 => {
            input.drain(at..end);
        }
        4 => {
            let copied = input[at..end].to_vec();
            input.splice(at..at, copied);
        }
        5 => {
            let random: Vec<u8> = (0..len).map(|_| prng.next_u64() as u8).collect();
            input.splice(at..at, random);
        }
        6 => number(prng, &mut input[at..]),
        7 => varint(prng, input, at),
        _ => {
            let from = prng.below(other.len() + 1);
            let to = (from + prng.below(64)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
    }
}

/// Overwrites a big-endian number by one at the edge of its range.
fn number(prng: &mut Prng, input: &mut [u8]) {
    let edges = [-1, 0, 1, 2, i64::MAX, i64::MIN, 1_000_000, 1_000_001, 10_001, 0x7fff];
    let edge = edges[prng.below(edges.len())].to_be_bytes();
    let width = [2, 4, 8][prng.below(3)];
    if let Some(place) = input.get_mut(..width) {
        place.copy_from_slice(&edge[8 - width..]);
        if prng.one_in(3) {
            place[0] ^= 0x80;
        }
    }
}

/// Puts a variable-length number in the place of a byte.
fn varint(prng: &mut Prng, input: &mut Vec<u8>, at: usize) {
    let edges = [0, 1, 2, 128, 32_768, 1_000_001, 1_000_002, 10_001, u32::MAX];
    let mut number = Vec::new();
    crate::varint::put_uvarint(&mut number, edges[prng.below(edges.len())]);
    let end = (at + 1).min(input.len());
    input.splice(at..end, number);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(input: &[u8]) {
        assert!(!input.ends_with(&[0xff, 0xff]), "planted");
    }

    const CANARY: &[Target] =
        &[Target { name: "canary", run: planted, seeds: |_| vec![vec![0; 8]], allocation_max: 0 }];

    #[test]
    fn a_planted_mistake_is_found() {
        let broken = |case: &Case| catch_unwind(|| planted(&case.input)).is_err();
        assert!(Cases::new(CANARY, 1).take(20_000).any(|case| broken(&case)));
    }

    #[test]
    fn the_same_seed_draws_the_same_cases() {
        let draw = |seed| Cases::new(TARGETS, seed).take(100).map(|case| case.input);
        assert!(draw(5).eq(draw(5)));
        assert!(!draw(5).eq(draw(6)));
    }
}
