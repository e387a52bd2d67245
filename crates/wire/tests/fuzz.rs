//! Hostile bytes for every decoder: nothing panics, what was read is written the same, and memory
//! stays within a small multiple of the input.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED. The allocator below counts, which is the one need for `unsafe` here.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_wire::fuzz::{Case, Cases, TARGETS};

/// Cases of one run, about two seconds' worth.
const CASES: usize = 120_000;
/// What may be allocated whatever the input's length: one element of the largest struct, the box
/// around the message, the error.
const CONSTANT: usize = 4 * 1024;

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // What grows counts by what it grows.
        ALLOCATED.fetch_add(size.saturating_sub(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_bytes_break_a_decoder() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        run(&case);
    }
}

fn run(case: &Case) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    case.run();
    let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
    let most = case.target.allocation_max * case.input.len() + CONSTANT;
    assert!(
        case.target.allocation_max == 0 || allocated <= most,
        "{} allocates {allocated} bytes for {}: {}",
        case.target.name,
        case.input.len(),
        case.hex()
    );
}
