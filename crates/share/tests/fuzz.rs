//! Hostile bytes for records: nothing panics, and every record can be lived with.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED.

use ottla_share::fuzz::TARGETS;
use ottla_wire::fuzz::Cases;

/// Cases of one run, about a second's worth.
const CASES: usize = 10_000;

#[test]
fn no_bytes_break_a_promise() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        case.run();
    }
}
