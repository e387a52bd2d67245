//! How the allocator of glibc deals with large blocks.
//!
//! Left to itself it takes blocks of up to 32 MiB from its arenas once one such block was freed,
//! and what many large frames took stays there: 500 MB after 300 frames of 2 MB that were cut off.
//! A fixed limit sends them back to the system at once: 13 MB, at no cost that could be measured.
//! Not here: other C libraries; with musl the allocator is another one.
#![expect(unsafe_code, reason = "no safe library has this call")]

/// Lets blocks above `LARGE` be the system's own. For the start of the process.
pub(crate) fn return_large_blocks() {
    // SAFETY: the calls take two numbers and change how later allocations are made; they may come
    // at any time, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_AT_END_MAX);
    }
}

const LARGE: libc::c_int = 256 << 10;
/// An arena that ends with more free bytes is shortened.
const FREE_AT_END_MAX: libc::c_int = 1 << 20;
