//! Which topics the members of a classic group of consumers subscribe to.
//!
//! The metadata of the protocol type `consumer` is written by clients: it may be anything.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_wire::messages::ConsumerProtocolSubscription;
use ottla_wire::{Message, Reader, StrBytes};

/// The topics in these members' metadata; `None` when one of them cannot be read.
pub(crate) fn topics_of<'a>(
    metadata: impl Iterator<Item = &'a Bytes>,
) -> Option<BTreeSet<StrBytes>> {
    let mut topics = BTreeSet::new();
    for one in metadata {
        let mut reader = Reader::new(one.clone());
        let version = reader.take(2).ok()?;
        let version = i16::from_be_bytes([*version.first()?, *version.get(1)?]);
        // A newer version only adds fields behind those that are known.
        let version = version.min(ConsumerProtocolSubscription::VERSIONS.max);
        let subscription = ConsumerProtocolSubscription::decode(&mut reader, version).ok()?;
        topics.extend(subscription.topics);
    }
    Some(topics)
}
