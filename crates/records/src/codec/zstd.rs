//! Zstandard frames, one after another.
//!
//! Must hold: a frame that asks for a window of more than 128 MiB is refused, which is the
//! library's own limit and Java's; no frame at all is an empty stream, as it is there.

use std::io;

use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::{STEP_LEN, damaged, room};

/// What inflating needs and may be used again.
pub(super) type Context = DCtx<'static>;

/// Inflates frames step by step.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    context: Context,
    /// Whether a frame has begun and not ended.
    within: bool,
    failed: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8], context: Option<Context>) -> io::Result<Frames<'a>> {
        let mut context = match context {
            Some(context) => context,
            None => DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?,
        };
        context.reset(ResetDirective::SessionOnly).map_err(damage)?;
        Ok(Frames { rest: bytes, context, within: false, failed: false })
    }

    /// Inflates into `out`; 0 is the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            if self.rest.is_empty() && !self.within {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.rest);
            let mut output = OutBuffer::around(room(out, STEP_LEN));
            let step = self.context.decompress_stream(&mut output, &mut input);
            let (read, written) = (input.pos(), output.pos());
            let expected = step.map_err(|code| {
                self.failed = true;
                damage(code)
            })?;
            self.rest = &self.rest[read..];
            self.within = expected != 0;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && self.within {
                return Err(damaged("zstd frame is cut"));
            }
        }
    }

    /// The context, if it did not fail.
    pub(super) fn into_context(self) -> Option<Context> {
        (!self.failed).then_some(self.context)
    }
}

fn damage(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, get_error_name(code))
}
