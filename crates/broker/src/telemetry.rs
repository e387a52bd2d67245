//! Metrics that clients push (KIP-714): which client is asked for which, how often, and how much
//! came.
//!
//! The receiver is built in: it opens what is pushed, sees that it is metrics (otlp.rs), counts it,
//! and lets it go. Not here: the subscriptions, which are configs of the kind client metrics in the
//! image. Must hold: what is kept of clients is bounded and small, and no subscription's expression
//! is compiled anew for each request.

pub(crate) mod otlp;

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::sync::{Mutex, PoisonError};

use ottla_metadata::{Image, ResourceType};
use ottla_net::ConnectionInfo;
use ottla_records::{Codec, codec};
use ottla_wire::{ErrorCode, Timestamp, Uuid};
use regex::Regex;

/// The name in `metric.reporters` that turns the receiver on.
pub(crate) const RECEIVER: &str = "ottla.ClientTelemetry";
/// So many clients are remembered; the one that was silent longest is forgotten first.
const INSTANCES_MAX: usize = 16_384;
/// How often clients push that no subscription matches, in milliseconds.
const INTERVAL_MS: i32 = 300_000;
/// The subscription to everything.
const ALL_METRICS: &str = "*";
/// Kafka's `Uuid.ONE_UUID`, which with zero is no client's.
const RESERVED_MAX: u128 = 1;
/// So many times its own length may a push have when it is opened.
const INFLATION_MAX: u64 = 64;

/// What one subscription asks of whom.
struct Subscription {
    interval_ms: i32,
    metrics: Vec<String>,
    /// Selector and what the whole of it must match.
    selectors: Vec<(String, Regex)>,
}

/// What one client is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Changes whenever anything else here does.
    pub(crate) id: i32,
    /// How often the client pushes, in milliseconds.
    pub(crate) interval_ms: i32,
    /// Beginnings of names, `*` for all.
    pub(crate) metrics: Vec<String>,
}

/// What is remembered of a client.
#[derive(Clone, Copy, Debug, Default)]
struct Instance {
    asked_at: Option<Timestamp>,
    pushed_at: Option<Timestamp>,
    seen_at: Timestamp,
    is_ending: bool,
    /// Whether its last push was refused for a reason that a new subscription mends.
    may_ask_again: bool,
}

/// How much came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) instances: usize,
    pub(crate) pushes: u64,
    /// Of what was pushed, after it was opened.
    pub(crate) bytes: u64,
    /// Pushes for another subscription than the client has.
    pub(crate) unknown_subscriptions: u64,
}

#[derive(Default)]
struct State {
    instances: BTreeMap<Uuid, Instance>,
    subscriptions: Vec<Subscription>,
    received: Received,
}

/// The receiver of one broker.
#[derive(Default)]
pub(crate) struct Telemetry(Mutex<State>);

/// A push as it came.
pub(crate) struct Push<'a> {
    pub(crate) client: Uuid,
    pub(crate) subscription: i32,
    pub(crate) is_ending: bool,
    pub(crate) codec: i8,
    pub(crate) payload: &'a [u8],
    /// `telemetry.max.bytes`.
    pub(crate) bytes_max: usize,
}

impl Telemetry {
    /// Takes over the subscriptions of an image.
    pub(crate) fn configure(&self, image: &Image) {
        let configs = image.all_configs().iter();
        let of_clients = configs.filter(|(of, _)| of.kind == ResourceType::CLIENT_METRICS);
        let subscriptions = of_clients.filter_map(|(_, configs)| subscription(configs)).collect();
        self.state().subscriptions = subscriptions;
    }

    /// What a client is asked for; a refusal when it asks too often.
    pub(crate) fn subscribe(
        &self,
        client: Uuid,
        connection: &ConnectionInfo,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Asked, ErrorCode> {
        let mut state = self.state();
        let asked = state.asked(client, connection, client_id);
        let known = state.instance(client, now);
        let is_due = is_over(known.asked_at.max(known.pushed_at), asked.interval_ms, now);
        if !is_due && !known.may_ask_again {
            return Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
        }
        if is_due {
            known.asked_at = Some(now);
        }
        known.may_ask_again = false;
        Ok(asked)
    }

    /// Takes a push.
    pub(crate) fn push(
        &self,
        push: &Push<'_>,
        connection: &ConnectionInfo,
        client_id: &str,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        if push.client.as_u128() <= RESERVED_MAX {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let mut state = self.state();
        let asked = state.asked(push.client, connection, client_id);
        let instance = state.instance(push.client, now);
        let taken = check(instance, push, &asked, now);
        let mends = [ErrorCode::UNKNOWN_SUBSCRIPTION_ID, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE];
        instance.may_ask_again = taken.err().is_some_and(|code| mends.contains(&code));
        if taken == Err(ErrorCode::UNKNOWN_SUBSCRIPTION_ID) {
            state.received.unknown_subscriptions += 1;
        }
        taken?;
        drop(state);
        let bytes = opened(push)?;
        let mut state = self.state();
        state.received.pushes += 1;
        state.received.bytes += bytes;
        Ok(())
    }

    /// How much came so far.
    pub(crate) fn received(&self) -> Received {
        let state = self.state();
        Received { instances: state.instances.len(), ..state.received }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What all subscriptions together ask of a client.
    fn asked(&self, client: Uuid, connection: &ConnectionInfo, client_id: &str) -> Asked {
        let software = connection.software();
        let (address, port) =
            (connection.peer.ip().to_string(), connection.peer.port().to_string());
        let instance = client.to_string();
        let value = |selector: &str| match selector {
            "client_instance_id" => instance.as_str(),
            "client_id" => client_id,
            "client_software_name" => &software.name,
            "client_software_version" => &software.version,
            "client_source_address" => &address,
            "client_source_port" => &port,
            _ => "",
        };
        let mut asked = Asked { id: 0, interval_ms: INTERVAL_MS, metrics: Vec::new() };
        for subscription in &self.subscriptions {
            let mut selectors = subscription.selectors.iter();
            if !selectors.all(|(selector, wanted)| wanted.is_match(value(selector))) {
                continue;
            }
            asked.interval_ms = asked.interval_ms.min(subscription.interval_ms);
            asked.metrics.extend(subscription.metrics.iter().cloned());
        }
        asked.metrics.sort();
        asked.metrics.dedup();
        if asked.metrics.iter().any(|name| name == ALL_METRICS) {
            asked.metrics = vec![ALL_METRICS.to_owned()];
        }
        asked.id = fingerprint(client, &asked);
        asked
    }

    /// What is remembered of a client, which is room for one more if it is new.
    fn instance(&mut self, client: Uuid, now: Timestamp) -> &mut Instance {
        if self.instances.len() >= INSTANCES_MAX && !self.instances.contains_key(&client) {
            let silent = self.instances.iter().min_by_key(|(_, instance)| instance.seen_at);
            if let Some(silent) = silent.map(|(id, _)| *id) {
                self.instances.remove(&silent);
            }
        }
        let instance = self.instances.entry(client).or_default();
        instance.seen_at = now;
        instance
    }
}

/// Whether a push comes when it may, and is what was asked for.
fn check(
    instance: &mut Instance,
    push: &Push<'_>,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), ErrorCode> {
    if instance.is_ending {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    // The first push after a subscription may come at any time: clients spread it by chance.
    let is_first = instance.asked_at > instance.pushed_at;
    let is_due = is_first || is_over(instance.pushed_at, asked.interval_ms, now);
    if !is_due && !push.is_ending {
        return Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    }
    if is_due {
        instance.pushed_at = Some(now);
    }
    instance.is_ending = push.is_ending;
    if push.subscription != asked.id {
        return Err(ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    }
    if !(0..=4).contains(&push.codec) {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    match push.payload.len() > push.bytes_max {
        true => Err(ErrorCode::TELEMETRY_TOO_LARGE),
        false => Ok(()),
    }
}

/// How long the payload is when it is opened, and that it is metrics. Nothing to tell is told too.
fn opened(push: &Push<'_>) -> Result<u64, ErrorCode> {
    if push.payload.is_empty() {
        return Ok(0);
    }
    let codec = u8::try_from(push.codec).ok().and_then(Codec::from_id).unwrap_or(Codec::None);
    let invalid = |_| ErrorCode::INVALID_RECORD;
    let reader = codec::reader(codec, push.payload).map_err(invalid)?;
    let length = u64::try_from(push.payload.len()).unwrap_or(u64::MAX);
    let most = length.saturating_mul(INFLATION_MAX);
    let bytes = otlp::walk(BufReader::new(reader.take(most))).map_err(invalid)?;
    match bytes < most {
        true => Ok(bytes),
        false => Err(ErrorCode::INVALID_RECORD),
    }
}

fn is_over(last: Option<Timestamp>, interval_ms: i32, now: Timestamp) -> bool {
    last.is_none_or(|last| now.0 - last.0 >= i64::from(interval_ms))
}

/// A subscription of the image; none where its expressions are none, which its check forbids.
fn subscription(configs: &BTreeMap<String, String>) -> Option<Subscription> {
    let list = |key: &str| configs.get(key).map_or(Vec::new(), |text| ottla_settings::list(text));
    let interval = configs.get("interval.ms").and_then(|text| text.trim().parse().ok());
    let selectors = list("match").into_iter().map(|item| {
        let (selector, wanted) = item.split_once('=')?;
        // The whole of it must match, as in Java's `matches`.
        let wanted = Regex::new(&format!("^(?:{})$", wanted.trim())).ok()?;
        Some((selector.trim().to_owned(), wanted))
    });
    Some(Subscription {
        interval_ms: interval.unwrap_or(INTERVAL_MS),
        metrics: list("metrics"),
        selectors: selectors.collect::<Option<_>>()?,
    })
}

/// A number that differs where subscription or client do (FNV-1a).
fn fingerprint(client: Uuid, asked: &Asked) -> i32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let add = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
    let names = asked.metrics.iter().flat_map(|name| name.bytes().chain([0]));
    let all = client.as_u128().to_be_bytes().into_iter();
    let all = all.chain(asked.interval_ms.to_be_bytes()).chain(names);
    i32::from_be_bytes(all.fold(BASIS, add).to_be_bytes())
}

#[cfg(test)]
mod tests;
