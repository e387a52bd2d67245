//! What happened in a world, as a hash and, when asked for, as lines.
//!
//! Must hold: every poll, timer, network event and disk call is noted, with nothing in its line
//! that differs between two runs of one seed (no addresses of memory, no real time).

use std::fmt::{self, Write};

/// The running hash (FNV-1a over the lines), and the lines when they are kept.
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: None }
    }

    pub(crate) fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    pub(crate) fn note(&mut self, now: u64, event: fmt::Arguments<'_>) {
        let mut hasher = Hasher(self.hash);
        let _ = hasher.write_fmt(format_args!("{now} {event}\n"));
        self.hash = hasher.0;
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now} {event}"));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

struct Hasher(u64);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
