//! Whether a binary is static: its program headers name no interpreter, and its dynamic section
//! needs no library.
//!
//! Not here: anything but ELF of 64 bits, little-endian, as Linux runs it.

/// The kinds of program headers that matter.
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
/// The entry of a dynamic section that names a library.
const NEEDED: u64 = 1;
/// Where the program headers stand, how long one is, how many there are.
const HEADERS_AT: usize = 0x20;
const HEADER_LEN_AT: usize = 0x36;
const HEADERS_COUNT_AT: usize = 0x38;

/// Fails with what makes the binary a dynamic one.
pub(super) fn is_static(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return Err("the binary is no ELF file of 64 bits".into());
    }
    let cut = || "the binary is cut off".to_string();
    let number = |at: u64, len: usize| -> Result<u64, String> {
        let at = usize::try_from(at).map_err(|_| cut())?;
        let end = at.checked_add(len).ok_or_else(cut)?;
        let field = bytes.get(at..end).ok_or_else(cut)?;
        Ok(field.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let first = number(HEADERS_AT as u64, 8)?;
    let (len, count) = (number(HEADER_LEN_AT as u64, 2)?, number(HEADERS_COUNT_AT as u64, 2)?);
    for at in (0..count).map(|index| first.saturating_add(index * len)) {
        match u32::try_from(number(at, 4)?).unwrap_or(0) {
            INTERPRETER => return Err("the binary asks for a dynamic loader".into()),
            DYNAMIC => {
                let (from, size) = (number(at + 8, 8)?, number(at + 32, 8)?);
                for entry in (from..from.saturating_add(size)).step_by(16) {
                    if number(entry, 8)? == NEEDED {
                        return Err("the binary needs a library of the system".into());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one program header, and 32 bytes of dynamic section behind it.
    fn file(kind: u8, tag: u8) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(0x40 + 56 + 32, 0);
        bytes[HEADERS_AT] = 0x40;
        bytes[HEADER_LEN_AT] = 56;
        bytes[HEADERS_COUNT_AT] = 1;
        bytes[0x40] = kind;
        bytes[0x40 + 8] = 0x40 + 56;
        bytes[0x40 + 32] = 32;
        bytes[0x40 + 56 + 16] = tag;
        bytes
    }

    #[test]
    fn only_a_binary_that_needs_nothing_is_static() {
        assert_eq!(is_static(&file(1, 0)), Ok(()));
        assert_eq!(is_static(&file(2, 5)), Ok(()));
        assert!(is_static(&file(2, 1)).unwrap_err().contains("library"));
        assert!(is_static(&file(3, 0)).unwrap_err().contains("loader"));
        assert!(is_static(&file(2, 1)[..100]).unwrap_err().contains("cut"));
        assert!(is_static(b"#!/bin/sh").unwrap_err().contains("no ELF"));
    }
}
