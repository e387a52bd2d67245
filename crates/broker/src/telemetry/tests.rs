//! A client asks and pushes, and configs change in between. What Apache Kafka 4.3.1 answered to the
//! same questions, with a receiver of its plugin interface, is what is expected here.

use ottla_wire::messages::ConfigRecord;
use ottla_wire::{Offset, StrBytes};

use super::*;

/// A receiver and its world: one client behind one connection.
struct World {
    telemetry: Telemetry,
    image: Image,
    records: i64,
    connection: ConnectionInfo,
    now: Timestamp,
}

const ME: Uuid = Uuid([7; 16]);
/// A `MetricsData` of four bytes: one resource without anything of it.
const METRICS: &[u8] = &[0x0a, 0, 0x0a, 0];

impl World {
    fn new() -> World {
        let peer = "127.0.0.1:5000".parse().unwrap();
        World {
            telemetry: Telemetry::default(),
            image: Image::default(),
            records: 0,
            connection: ConnectionInfo::new(1, peer, "PLAINTEXT".into()),
            now: Timestamp(1_000_000),
        }
    }

    fn set(&mut self, subscription: &str, key: &str, value: &str) {
        let record = ConfigRecord {
            resource_type: ResourceType::CLIENT_METRICS.0,
            resource_name: StrBytes::copied(subscription),
            name: StrBytes::copied(key),
            value: Some(StrBytes::copied(value)),
            ..Default::default()
        };
        self.image.apply(Offset(self.records), &record.into());
        self.records += 1;
        self.telemetry.configure(&self.image);
    }

    fn ask(&self) -> Result<Asked, ErrorCode> {
        self.telemetry.subscribe(ME, &self.connection, "app-1", self.now)
    }

    fn push(&self, subscription: i32, codec: i8, payload: &[u8]) -> ErrorCode {
        self.push_as(ME, subscription, codec, payload, false)
    }

    fn end(&self, subscription: i32) -> ErrorCode {
        self.push_as(ME, subscription, 0, b"", true)
    }

    fn push_as(
        &self,
        client: Uuid,
        subscription: i32,
        codec: i8,
        payload: &[u8],
        is_ending: bool,
    ) -> ErrorCode {
        let push = Push { client, subscription, is_ending, codec, payload, bytes_max: 100 };
        let pushed = self.telemetry.push(&push, &self.connection, "app-1", self.now);
        pushed.err().unwrap_or(ErrorCode::NONE)
    }

    fn pass_ms(&mut self, ms: i64) {
        self.now = self.now + ms;
    }
}

#[test]
fn who_matches_no_subscription_is_asked_for_nothing_every_five_minutes() {
    let world = World::new();
    let asked = world.ask().unwrap();
    assert_eq!((asked.interval_ms, asked.metrics.len()), (300_000, 0));
    assert_eq!(world.ask(), Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED));
}

#[test]
fn subscriptions_that_match_are_asked_for_together() {
    let mut world = World::new();
    world.set("all", "metrics", "org.apache.kafka.producer.,org.apache.kafka.consumer.");
    world.set("all", "interval.ms", "60000");
    world.set("some", "metrics", "org.apache.kafka.admin.,org.apache.kafka.producer.");
    world.set("some", "match", "client_id=app-.*,client_source_address=127.0.0.1");
    world.set("some", "interval.ms", "1000");
    world.set("none", "metrics", "*");
    world.set("none", "match", "client_id=app");
    let asked = world.ask().unwrap();
    assert_eq!(asked.interval_ms, 1_000);
    let names = ["admin.", "consumer.", "producer."].map(|name| format!("org.apache.kafka.{name}"));
    assert_eq!(asked.metrics, names);
    world.set("none", "match", "client_id=app-1");
    world.pass_ms(1_000);
    let all = world.ask().unwrap();
    assert_eq!(all.metrics, ["*"]);
    assert_ne!(all.id, asked.id);
}

#[test]
fn pushes_come_at_the_interval_and_the_first_at_any_time() {
    let mut world = World::new();
    world.set("all", "interval.ms", "1000");
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::NONE);
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    world.pass_ms(1_000);
    assert_eq!(world.push(id, 0, &METRICS[..2]), ErrorCode::NONE);
    let received = world.telemetry.received();
    assert_eq!((received.instances, received.pushes, received.bytes), (1, 2, 6));
    // Nothing to tell is told as well.
    world.pass_ms(1_000);
    assert_eq!(world.push(id, 0, b""), ErrorCode::NONE);
}

#[test]
fn the_last_push_comes_once_and_at_any_time() {
    let world = World::new();
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::NONE);
    assert_eq!(world.end(id), ErrorCode::NONE);
    assert_eq!(world.end(id), ErrorCode::INVALID_REQUEST);
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::INVALID_REQUEST);
    assert_eq!(world.ask(), Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED));
}

#[test]
fn who_pushes_for_another_subscription_may_ask_again_at_once() {
    let world = World::new();
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id.wrapping_add(1), 0, METRICS), ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    assert_eq!(world.telemetry.received().unknown_subscriptions, 1);
    assert_eq!(world.ask().unwrap().id, id);
    let world = World::new();
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id, 9, METRICS), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert!(world.ask().is_ok());
    assert_eq!(world.ask(), Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED));
}

#[test]
fn what_is_too_large_or_cannot_be_opened_is_refused() {
    let mut world = World::new();
    world.set("all", "interval.ms", "1000");
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id, 0, &[0; 101]), ErrorCode::TELEMETRY_TOO_LARGE);
    world.pass_ms(1_000);
    assert_eq!(world.push(id, 1, &[10, 11]), ErrorCode::INVALID_RECORD);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        world.pass_ms(1_000);
        let payload = codec::compress(codec, codec.default_level(), METRICS).unwrap();
        let number = i8::try_from(codec.id()).unwrap();
        assert_eq!(world.push(id, number, &payload), ErrorCode::NONE, "{codec:?}");
    }
    assert_eq!(world.telemetry.received().bytes, 4 * 4);
    // A payload that swells without bound is not opened to its end.
    let empty = METRICS.repeat(1 << 16);
    let payload = codec::compress(Codec::Zstd, 1, &empty).unwrap();
    assert!(payload.len() < 100, "{}", payload.len());
    world.pass_ms(1_000);
    assert_eq!(world.push(id, 4, &payload), ErrorCode::INVALID_RECORD);
}

#[test]
fn what_is_no_metrics_is_refused_and_the_next_push_is_due_as_after_others() {
    let mut world = World::new();
    world.set("all", "interval.ms", "1000");
    let id = world.ask().unwrap().id;
    assert_eq!(world.push(id, 0, b"these are no metrics"), ErrorCode::INVALID_RECORD);
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    assert_eq!(world.ask(), Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED));
    world.pass_ms(1_000);
    let payload = codec::compress(Codec::Gzip, 6, b"nor these").unwrap();
    assert_eq!(world.push(id, 1, &payload), ErrorCode::INVALID_RECORD);
    world.pass_ms(1_000);
    assert_eq!(world.push(id, 0, METRICS), ErrorCode::NONE);
    assert_eq!(world.telemetry.received().bytes, 4);
}

#[test]
fn ids_that_no_client_has_push_nothing() {
    let world = World::new();
    for id in [Uuid::from_u128(0), Uuid::from_u128(1)] {
        assert_eq!(world.push_as(id, 0, 0, METRICS, false), ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn the_client_that_was_silent_longest_is_forgotten_first() {
    let mut world = World::new();
    world.ask().unwrap();
    for number in 0..INSTANCES_MAX {
        world.pass_ms(1);
        let client = Uuid::from_u128(1_000 + u128::try_from(number).unwrap());
        world.telemetry.subscribe(client, &world.connection, "", world.now).unwrap();
    }
    assert_eq!(world.telemetry.received().instances, INSTANCES_MAX);
    // Kept, it would be too early.
    assert!(world.ask().is_ok());
}
