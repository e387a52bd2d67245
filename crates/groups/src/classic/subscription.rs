//! Which topics the members of a classic group of consumers subscribe to.
//!
//! The metadata of the protocol type `consumer` is written by clients: it may be anything.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_wire::StrBytes;

use crate::consumer::subscription_of;

/// The topics in these members' metadata; `None` when one of them cannot be read.
pub(crate) fn topics_of<'a>(
    metadata: impl Iterator<Item = &'a Bytes>,
) -> Option<BTreeSet<StrBytes>> {
    let mut topics = BTreeSet::new();
    for one in metadata {
        topics.extend(subscription_of(one)?.topics);
    }
    Some(topics)
}
