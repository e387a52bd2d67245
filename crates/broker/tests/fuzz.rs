//! Hostile frames for the whole broker, and hostile metrics: nothing panics, every answer is one.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::cell::RefCell;

use bytes::Bytes;
use ottla_broker::APIS;
use ottla_wire::frame::decode_response_header;
use ottla_wire::fuzz::{Cases, Prng, Target, sample};
use ottla_wire::registry::{Kind, MESSAGES};
use ottla_wire::{ApiKey, Reader};

#[path = "broker/support.rs"]
#[allow(dead_code, reason = "scenarios need more of it than hostile bytes do")]
mod support;

use support::{Got, House, batch, frame_of};

/// Cases of one run, about two seconds' worth.
const CASES: usize = 20_000;
/// A broker that has eaten so many frames is replaced, so that what broke it is not far back.
const FRAMES_MAX: usize = 1_000;

const TARGETS: &[Target] = &[
    Target { name: "broker_frame", run: eat, seeds: frames, allocation_max: 0 },
    ottla_broker::fuzz::METRICS,
];

thread_local! {
    static HOUSE: RefCell<Option<(House, usize)>> = const { RefCell::new(None) };
}

/// A broker in which random names mean something.
fn furnished() -> House {
    let mut house = House::with(&["metric.reporters=ottla.ClientTelemetry"]);
    house.offsets_topic();
    house.topic("topic", 2, &[]);
    house.topic("a", 1, &[("cleanup.policy", "compact")]);
    house
}

fn eat(input: &[u8]) {
    HOUSE.with_borrow_mut(|house| {
        let (house, eaten) = house.get_or_insert_with(|| (furnished(), 0));
        if *eaten == FRAMES_MAX {
            (*house, *eaten) = (furnished(), 0);
        }
        *eaten += 1;
        match house.send_bytes(Bytes::copy_from_slice(input)) {
            Some(Got::Closed(reason)) => {
                assert!(!reason.contains("cannot be written"), "{reason}");
            }
            Some(Got::Answer(bytes)) => read(input, bytes),
            Some(Got::Nothing) | None => {}
        }
    });
}

/// Reads an answer as the client would who sent the frame.
fn read(frame: &[u8], answer: Bytes) {
    let number = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
    let (key, mut version) = (ApiKey::from_i16(number(0)).unwrap(), number(2));
    if key == ApiKey::ApiVersions && !(0..=5).contains(&version) {
        version = 0;
    }
    let mut reader = Reader::new(answer.clone());
    decode_response_header(&mut reader, key, version).unwrap();
    let response =
        MESSAGES.iter().find(|info| info.kind == Kind::Response && info.key == Some(key as i16));
    let body = answer.slice(answer.len() - reader.remaining()..);
    response.unwrap().check(body, version).unwrap();
}

/// A valid frame of each version of each API, and some that reach the log.
fn frames(prng: &mut Prng) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for api in APIS {
        let request = MESSAGES
            .iter()
            .find(|info| info.kind == Kind::Request && info.key == Some(api.key as i16));
        for version in api.versions.clone() {
            let body = sample(request.unwrap(), version, prng);
            frames.push(frame_of(api.key, version, &body).to_vec());
        }
    }
    let house = House::new();
    let records = batch(&[(Some("k"), "v"), (None, "w")]);
    for topic in ["topic", "a"] {
        frames.push(house.frame(9, &support::produce(topic, -1, records.clone())).to_vec());
    }
    frames
}

#[test]
fn no_frame_breaks_the_broker() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        case.run();
    }
}
