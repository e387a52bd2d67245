//! Variable-length numbers: seven bits per byte, lowest first, the high bit says "more follows".
//!
//! `uvarint` is the protocol's unsigned kind (lengths, tags); `varint` and `varlong` are the zigzag
//! kinds that records use. Readers return the value and the bytes it took, or `None` when the
//! slice ends too early or the number does not fit; they never panic.

/// Reads an unsigned 32-bit number.
#[inline]
pub fn uvarint(from: &[u8]) -> Option<(u32, usize)> {
    match from.first() {
        Some(&byte) if byte < 0x80 => Some((u32::from(byte), 1)),
        _ => {
            let (value, used) = uvarlong(from)?;
            Some((u32::try_from(value).ok()?, used))
        }
    }
}

/// Reads an unsigned 64-bit number.
pub fn uvarlong(from: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in from.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Reads a zigzag 32-bit number.
#[inline]
pub fn varint(from: &[u8]) -> Option<(i32, usize)> {
    let (raw, used) = uvarint(from)?;
    Some(((raw >> 1) as i32 ^ -((raw & 1) as i32), used))
}

/// Reads a zigzag 64-bit number.
#[inline]
pub fn varlong(from: &[u8]) -> Option<(i64, usize)> {
    let (raw, used) = uvarlong(from)?;
    Some(((raw >> 1) as i64 ^ -((raw & 1) as i64), used))
}

/// Appends an unsigned 32-bit number.
#[inline]
pub fn put_uvarint(to: &mut Vec<u8>, value: u32) {
    match value {
        0..0x80 => to.push(value as u8),
        _ => put_uvarlong(to, u64::from(value)),
    }
}

/// Appends an unsigned 64-bit number.
pub fn put_uvarlong(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Appends a zigzag 32-bit number.
pub fn put_varint(to: &mut Vec<u8>, value: i32) {
    put_uvarint(to, zigzag(value));
}

/// Appends a zigzag 64-bit number.
pub fn put_varlong(to: &mut Vec<u8>, value: i64) {
    put_uvarlong(to, zigzag_long(value));
}

/// The bytes that [`put_uvarint`] appends.
pub fn uvarint_len(value: u32) -> usize {
    uvarlong_len(u64::from(value))
}

/// The bytes that [`put_varint`] appends.
pub fn varint_len(value: i32) -> usize {
    uvarint_len(zigzag(value))
}

/// The bytes that [`put_varlong`] appends.
pub fn varlong_len(value: i64) -> usize {
    uvarlong_len(zigzag_long(value))
}

fn uvarlong_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_with_the_length_they_took() {
        let edges = [0i64, 1, -1, 63, 64, -64, -65, 127, 128, 16_383, 16_384];
        let wide = [i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN];
        for value in edges.into_iter().chain(wide) {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(varlong(&out), Some((value, out.len())), "{value}");
            assert_eq!(varlong_len(value), out.len(), "{value}");
            if let Ok(small) = i32::try_from(value) {
                assert_eq!(varint(&out), Some((small, out.len())), "{value}");
                assert_eq!(varint_len(small), out.len(), "{value}");
            }
        }
        for value in [0u32, 127, 128, 300, 16_384, u32::MAX] {
            let mut out = Vec::new();
            put_uvarint(&mut out, value);
            assert_eq!(uvarint(&out), Some((value, out.len())));
            assert_eq!(uvarint_len(value), out.len());
        }
    }

    #[test]
    fn torn_and_oversized_numbers_are_none() {
        assert_eq!(uvarint(&[]), None);
        assert_eq!(uvarint(&[0x80]), None);
        assert_eq!(uvarint(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(uvarlong(&[0xff; 11]), None);
        assert_eq!(varlong(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), None);
    }
}
