//! What of this crate eats bytes from outside: every message, frames, numbers.
//! The first bytes of an input for messages say which message and version the rest claims to be.

use bytes::Bytes;

use crate::frame;
use crate::fuzz::dense::dense;
use crate::fuzz::{Prng, Target, sample};
use crate::reader::Reader;
use crate::registry::{Kind, MESSAGES, MessageInfo};
use crate::uuid::Uuid;
use crate::varint;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "wire decode", run: decode, seeds: messages, allocation_max: 64 },
    Target { name: "wire dense", run: decode, seeds: dense_messages, allocation_max: 64 },
    Target { name: "wire round trip", run: round_trip, seeds: messages, allocation_max: 0 },
    Target { name: "wire frame", run: request_frame, seeds: frames, allocation_max: 64 },
    Target { name: "wire numbers", run: numbers, seeds: frames, allocation_max: 64 },
];

fn split(input: &[u8]) -> Option<(&'static MessageInfo, i16, Bytes)> {
    let (&[high, low, version], body) = input.split_first_chunk()?;
    let info = &MESSAGES[usize::from(u16::from_be_bytes([high, low])) % MESSAGES.len()];
    let count = info.versions.iter().count();
    let version = info.versions.iter().nth(usize::from(version) % count)?;
    Some((info, version, Bytes::copy_from_slice(body)))
}

fn decode(input: &[u8]) {
    if let Some((info, version, body)) = split(input) {
        let _ = info.check(body, version);
    }
}

fn round_trip(input: &[u8]) {
    let Some((info, version, body)) = split(input) else { return };
    let Ok(once) = info.reencode(body.clone(), version) else {
        let refused = info.check(body, version);
        assert!(refused.is_err(), "{} {version}: read, but not written", info.name);
        return;
    };
    let twice = info.reencode(once.clone(), version);
    assert_eq!(twice.as_ref(), Ok(&once), "{} {version} is not stable", info.name);
    let size = info.size(once.clone(), version);
    assert_eq!(size, Ok(once.len()), "{} {version}: size", info.name);
    let json = info.json(once, version).expect("it was read twice");
    assert!(json.starts_with('{') && json.ends_with('}'), "{json}");
}

fn request_frame(input: &[u8]) {
    let mut r = Reader::new(Bytes::copy_from_slice(input));
    let Ok(header) = frame::decode_request_header(&mut r) else { return };
    let is_body = |info: &&MessageInfo| {
        info.kind == Kind::Request && info.key == Some(header.request_api_key)
    };
    let info = MESSAGES.iter().find(is_body).expect("a header names only keys that exist");
    let _ = info.check(r.rest(), header.request_api_version);
}

fn numbers(input: &[u8]) {
    if let Some((value, used)) = varint::varlong(input) {
        assert!(varint::varlong_len(value) <= used);
    }
    if let Some((value, used)) = varint::uvarint(input) {
        assert!(varint::uvarint_len(value) <= used);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(id) = text.parse::<Uuid>()
    {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// A random message of each kind and version, behind the bytes that name it.
fn messages(prng: &mut Prng) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, info) in MESSAGES.iter().enumerate() {
        for (place, version) in info.versions.iter().enumerate() {
            let [.., high, low] = index.to_be_bytes();
            let mut seed = vec![high, low, place as u8];
            seed.extend(sample(info, version, prng));
            seeds.push(seed);
        }
    }
    seeds
}

/// Messages that take much memory per byte, of each kind and version, in each depth of arrays.
fn dense_messages(_: &mut Prng) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, info) in MESSAGES.iter().enumerate() {
        for (place, version) in info.versions.iter().enumerate() {
            let [.., high, low] = index.to_be_bytes();
            for body in (0..).map_while(|depth| dense(info, version, depth)) {
                seeds.push([&[high, low, place as u8], &body[..]].concat());
            }
        }
    }
    seeds
}

/// A random request of each API and version behind its header.
fn frames(prng: &mut Prng) -> Vec<Vec<u8>> {
    let mut seeds = vec![b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n".to_vec(), vec![22, 3, 1, 2, 0]];
    for info in MESSAGES.iter().filter(|info| info.kind == Kind::Request) {
        for version in info.versions.iter() {
            let key = info.key.unwrap_or_default();
            let mut seed = [key.to_be_bytes(), version.to_be_bytes()].concat();
            seed.extend(*b"\0\0\0\x07\0\x02me");
            if info.is_flexible(version) {
                seed.push(0);
            }
            seed.extend(sample(info, version, prng));
            seeds.push(seed);
        }
    }
    seeds
}
