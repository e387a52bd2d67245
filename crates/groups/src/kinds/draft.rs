//! A group on which a decision is being taken: the live one, and over it what was decided so far.
//!
//! Each record that is decided is applied to a copy, so that the next step of the same decision
//! sees it. A heartbeat that changes nothing copies nothing, and what a record does not change is
//! shared with the live group.

use std::borrow::Cow;

use ottla_wire::StrBytes;

use super::{Entry, Kind};
use crate::GroupRecord;

/// A group of one kind and the records decided for it.
pub(crate) struct Draft<'a, K: Kind> {
    pub(crate) id: StrBytes,
    group: Cow<'a, K>,
    pub(crate) records: Vec<GroupRecord>,
}

impl<'a, K: Kind> Draft<'a, K> {
    /// A group as it stands.
    pub(crate) fn of(id: &str, group: &'a K) -> Self {
        Draft { id: StrBytes::copied(id), group: Cow::Borrowed(group), records: Vec::new() }
    }

    /// A group that nobody has been in, after what had its id before is removed by `records`.
    pub(crate) fn new(id: &str, records: Vec<GroupRecord>) -> Self {
        Draft { id: StrBytes::copied(id), group: Cow::Owned(K::default()), records }
    }

    /// The group with all that was decided.
    pub(crate) fn group(&self) -> &K {
        &self.group
    }

    /// Decides one record.
    pub(crate) fn push(&mut self, entry: K::Entry) {
        self.group.to_mut().apply(&entry);
        self.records.push(GroupRecord::Kind(entry.of(self.id.clone())));
    }
}
