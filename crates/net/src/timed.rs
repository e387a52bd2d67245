//! The times of one request on its way through a connection.
//!
//! Phases follow each other without a gap, so that together they are the time from the request's
//! last byte to its answer's last byte. Cost: a few clock readings per request, of which those of
//! requests and answers that come and go together are one.

use ottla_env::Instant;

use crate::service::ConnectionInfo;

/// A request, and when it came to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    /// Its API.
    pub(crate) key: i16,
    version: i16,
    received: Instant,
    started: Instant,
    /// It was appended or decided.
    pub(crate) decided: Instant,
}

impl Timed {
    /// A request that came and now starts. Every frame begins with its API's key and version.
    pub(crate) fn of(frame: &[u8], received: Instant, started: Instant) -> Timed {
        let [key, version] = match frame.first_chunk() {
            Some([a, b, c, d]) => [i16::from_be_bytes([*a, *b]), i16::from_be_bytes([*c, *d])],
            // Its connection is closed without an answer.
            None => [-1, -1],
        };
        Timed { key, version, received, started, decided: started }
    }

    /// Its answer could leave at `began`, and had left at `ended`.
    pub(crate) fn sent(self, info: &ConnectionInfo, began: Instant, ended: Instant) {
        let Some(meter) = info.meter(self.key) else { return };
        let Timed { received, started, decided, .. } = self;
        meter.answered(
            self.version,
            [started - received, decided - started, began - decided, ended - began],
        );
    }
}
