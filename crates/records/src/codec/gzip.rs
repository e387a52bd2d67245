//! gzip members, one after another.
//!
//! Java takes what follows a member for another one only if it is long enough and looks like one,
//! and ignores it otherwise; so does this. Must hold: every member's checksum is verified.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{STEP_LEN, damaged, room};

/// Inflates members step by step.
pub(super) struct Members<'a> {
    member: GzDecoder<&'a [u8]>,
}

impl<'a> Members<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> io::Result<Members<'a>> {
        let member = GzDecoder::new(bytes);
        match member.header() {
            Some(_) => Ok(Members { member }),
            None => Err(damaged("not in gzip format")),
        }
    }

    /// Inflates into `out`; 0 is the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let len = self.member.read(room(out, STEP_LEN))?;
            if len > 0 {
                return Ok(len);
            }
            let rest: &'a [u8] = self.member.get_ref();
            let next = GzDecoder::new(rest);
            if rest.len() < NEXT_MEMBER_LEN_MIN || next.header().is_none() {
                return Ok(0);
            }
            self.member = next;
        }
    }
}

/// Java looks for a further member when more than a member's header and trailer are left.
const NEXT_MEMBER_LEN_MIN: usize = 19;
