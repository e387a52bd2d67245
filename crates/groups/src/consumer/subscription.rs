//! Which topics a group wants, by names and by regular expressions, and when to ask anew.
//!
//! The topics that a group's last assignment was made for are told by one hash over their ids,
//! partitions and racks (Kafka's Utils.computeGroupHash, in the same bytes): another hash is
//! another group epoch. Expressions are resolved at once when they are new, and again when topics
//! have changed, at most every ten seconds, or when the refresh interval is over. Kafka resolves a
//! new one after its answer, so that its member waits one heartbeat longer. Must hold: an
//! expression stands for topics that the member who asked may know of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::messages::ConsumerGroupRegularExpressionValue;
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, Timestamp, TopicId};
use twox_hash::XxHash3_64;

use crate::consumer::ConsumerDraft;
use crate::consumer::Refusal;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::regex::TopicRegex;
use crate::consumer::state::{ConsumerGroup, MemberValue, ResolvedRegex, Subscription};
use crate::{Ask, Topics};

/// What became of a member's expression.
pub(crate) struct RegexChange {
    /// The member subscribes by another one.
    pub(crate) changed: bool,
    /// The topics of the group may be others.
    pub(crate) bump: bool,
}

/// A member has changed from one expression to another; the draft knows of it.
pub(crate) fn change_regex(
    draft: &mut ConsumerDraft<'_>,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    (before, after): (Option<&str>, Option<&str>),
) -> Result<RegexChange, Refusal> {
    if before == after {
        return Ok(RegexChange { changed: false, bump: false });
    }
    if let Some(before) = before {
        forget_unsubscribed(draft, before);
    }
    if let Some(after) = after
        && !draft.group().regexes().contains_key(after)
    {
        let regex = compiled(after)?;
        resolve(draft, ask, topics, after, &regex);
    }
    Ok(RegexChange { changed: true, bump: true })
}

/// Forgets what an expression stands for when nobody subscribes by it.
pub(crate) fn forget_unsubscribed(draft: &mut ConsumerDraft<'_>, regex: &str) {
    let group = draft.group();
    if group.subscribers(regex) == 0 && group.regexes().contains_key(regex) {
        draft.push(ConsumerEntry::Regex(StrBytes::copied(regex), None));
    }
}

/// Resolves all expressions of the group again, if it is time. Answers whether one stands for
/// other topics than before.
pub(crate) fn refresh_regexes(
    draft: &mut ConsumerDraft<'_>,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    topics_changed: ottla_wire::Offset,
) -> bool {
    let subscribed = draft.group().census().regexes();
    if subscribed.is_empty() {
        return false;
    }
    let resolved = draft.group().regexes();
    let last = resolved.values().map(|regex| regex.resolved_at).max().unwrap_or(Timestamp(0));
    let version = resolved.values().map(|regex| regex.version).min();
    let age_ms = ask.now.wall - last;
    let is_missing = subscribed.keys().any(|regex| !resolved.contains_key(regex));
    let is_due = version.is_none_or(|version| version < topics_changed)
        || age_ms > ask.settings.consumer.regex_refresh_interval_ms;
    let is_time = is_missing || is_due && age_ms > REGEX_REFRESH_MS_MIN;
    if !is_time {
        return false;
    }
    let mut changed = false;
    for expression in subscribed.keys().cloned().collect::<Vec<_>>() {
        // What cannot be read any more stands for what it stood for.
        let Ok(regex) = compiled(&expression) else { continue };
        changed |= resolve(draft, ask, topics, &expression, &regex);
    }
    changed
}

fn compiled(expression: &str) -> Result<TopicRegex, Refusal> {
    TopicRegex::new(expression).map_err(|wrong| {
        let message = format!(
            "SubscribedTopicRegex `{expression}` is not a valid regular expression: {wrong}."
        );
        (ErrorCode::INVALID_REGULAR_EXPRESSION, message)
    })
}

/// Writes down which topics an expression stands for. Answers whether they are others than before.
fn resolve(
    draft: &mut ConsumerDraft<'_>,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    expression: &str,
    regex: &TopicRegex,
) -> bool {
    let mut matching: Vec<StrBytes> = Vec::new();
    topics.each_name(&mut |name| {
        if regex.matches(name) {
            matching.push(StrBytes::copied(name));
        }
    });
    matching.sort();
    let before = draft.group().regexes().get(expression);
    let changed = before.is_none_or(|before| before.topics != matching);
    draft.push(ConsumerEntry::Regex(
        StrBytes::copied(expression),
        Some(Arc::new(ConsumerGroupRegularExpressionValue {
            topics: matching,
            version: topics.version().0,
            timestamp: ask.now.wall,
            ..ConsumerGroupRegularExpressionValue::default()
        })),
    ));
    changed
}

/// The names that a member subscribes to, by itself and by its expression.
pub(crate) fn names_of<'a>(
    group: &'a ConsumerGroup,
    value: &'a MemberValue,
) -> impl Iterator<Item = &'a StrBytes> {
    let regex = value.regex().and_then(|regex| group.regexes().get(regex));
    let resolved = regex.into_iter().flat_map(|regex: &Arc<ResolvedRegex>| &regex.topics);
    value.subscribed_topic_names.iter().chain(resolved)
}

/// The names that all members subscribe to.
pub(crate) fn names_of_group(group: &ConsumerGroup) -> BTreeSet<StrBytes> {
    let members = group.members().values();
    members.flat_map(|value| names_of(group, value)).cloned().collect()
}

/// The topics that there are of those that a member subscribes to.
pub(crate) fn topics_of(
    group: &ConsumerGroup,
    value: &MemberValue,
    topics: &dyn Topics,
) -> BTreeSet<TopicId> {
    names_of(group, value).filter_map(|name| topics.id(name)).collect()
}

/// The topics of every member, in the order of members; those with the same ones share them.
pub(crate) fn topics_of_members(
    group: &ConsumerGroup,
    topics: &dyn Topics,
) -> Vec<Arc<BTreeSet<TopicId>>> {
    let mut known: BTreeMap<_, Arc<BTreeSet<TopicId>>> = BTreeMap::new();
    let members = group.members().values().map(|value| {
        let key = (value.subscribed_topic_names.as_slice(), value.regex());
        known.entry(key).or_insert_with(|| Arc::new(topics_of(group, value, topics))).clone()
    });
    members.collect()
}

/// The hash of the topics that a group wants; 0 when there are none of them.
pub(crate) fn metadata_hash(group: &ConsumerGroup, topics: &dyn Topics) -> i64 {
    hash_of(&names_of_group(group), topics)
}

/// The hash of the topics with these names; 0 when there are none of them.
pub(crate) fn hash_of(names: &BTreeSet<StrBytes>, topics: &dyn Topics) -> i64 {
    let mut hashes = Vec::new();
    for name in names {
        if let Some(id) = topics.id(name) {
            hashes.extend_from_slice(&topic_hash(name, id, topics).to_le_bytes());
        }
    }
    if hashes.is_empty() { 0 } else { XxHash3_64::oneshot(&hashes).cast_signed() }
}

fn topic_hash(name: &str, id: TopicId, topics: &dyn Topics) -> u64 {
    let count = topics.partition_count(id);
    let mut bytes = vec![HASH_VERSION];
    let (high, low) = id.0.0.split_at(8);
    // As two longs, each with its lowest byte first.
    bytes.extend(high.iter().rev().chain(low.iter().rev()));
    put_text(&mut bytes, name);
    bytes.extend_from_slice(&count.to_le_bytes());
    for partition in 0..count {
        bytes.extend_from_slice(&partition.to_le_bytes());
        for rack in topics.racks(id, PartitionIndex(partition)) {
            bytes.extend_from_slice(&units(&rack).to_le_bytes());
            put_text(&mut bytes, &rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

/// As hash4j takes a string of Java: its characters, then how many they are.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    bytes.extend_from_slice(&units(text).to_le_bytes());
}

fn units(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

/// Kafka's number for what a topic's hash is made of.
const HASH_VERSION: u8 = 0;
/// Expressions are not resolved again more often than this.
const REGEX_REFRESH_MS_MIN: i64 = 10_000;
