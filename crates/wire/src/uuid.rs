//! 128-bit ids in Kafka's spelling: 22 characters of URL-safe base64 without padding.
//! They are never made here: randomness is `env`'s.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A 128-bit id, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The id that names nothing.
    pub const ZERO: Self = Self([0; 16]);

    /// The id with this value.
    pub const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    /// The id's value.
    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.as_u128();
        // 21 characters carry 126 bits, the last one the two that are left.
        let mut text = [0u8; 22];
        for (index, slot) in text.iter_mut().enumerate() {
            let six = if index < 21 { value >> (122 - 6 * index) } else { value << 4 };
            *slot = ALPHABET[(six & 0x3f) as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidUuid;

impl fmt::Display for InvalidUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id has 22 characters of URL-safe base64")
    }
}

impl std::error::Error for InvalidUuid {}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let text = text.trim_end_matches('=').as_bytes();
        let (&last, first) = text.split_last().ok_or(InvalidUuid)?;
        if first.len() != 21 {
            return Err(InvalidUuid);
        }
        let mut value = 0u128;
        for &byte in first {
            value = value << 6 | sextet(byte)?;
        }
        Ok(Self::from_u128(value << 2 | sextet(last)? >> 4))
    }
}

fn sextet(byte: u8) -> Result<u128, InvalidUuid> {
    let place = ALPHABET.iter().position(|&letter| letter == byte).ok_or(InvalidUuid)?;
    Ok(place as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_url_safe_base64_without_padding() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::from_u128(1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
        let id: Uuid = "4L6g3nShT-eMCtK--X86sw".parse().unwrap();
        assert_eq!(id.0[..4], [0xe0, 0xbe, 0xa0, 0xde]);
        assert_eq!(id.to_string(), "4L6g3nShT-eMCtK--X86sw");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA+A", "é"] {
            assert_eq!(text.parse::<Uuid>(), Err(InvalidUuid), "{text}");
        }
    }
}
