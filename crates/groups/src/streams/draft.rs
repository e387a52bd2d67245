//! A group on which a decision is being taken: the live one, and over it what was decided so far.
//!
//! Each record that is decided is applied to a copy, so that the next step of the same decision
//! sees it. A heartbeat that changes nothing copies nothing.

use std::borrow::Cow;

use ottla_wire::StrBytes;

use super::records::{StreamsEntry, StreamsRecord};
use super::state::StreamsGroup;
use crate::GroupRecord;

/// A group and the records decided for it.
pub(crate) struct StreamsDraft<'a> {
    pub(crate) id: StrBytes,
    group: Cow<'a, StreamsGroup>,
    pub(crate) records: Vec<GroupRecord>,
}

impl<'a> StreamsDraft<'a> {
    /// A group as it stands.
    pub(crate) fn of(id: &str, group: &'a StreamsGroup) -> Self {
        StreamsDraft { id: StrBytes::copied(id), group: Cow::Borrowed(group), records: Vec::new() }
    }

    /// A group that nobody has been in, after what had its id before is removed by `records`.
    pub(crate) fn new(id: &str, records: Vec<GroupRecord>) -> Self {
        let group = Cow::Owned(StreamsGroup::default());
        StreamsDraft { id: StrBytes::copied(id), group, records }
    }

    /// The group with all that was decided.
    pub(crate) fn group(&self) -> &StreamsGroup {
        &self.group
    }

    /// Decides one record.
    pub(crate) fn push(&mut self, entry: StreamsEntry) {
        self.group.to_mut().apply(&entry);
        self.records.push(GroupRecord::Streams(StreamsRecord { group: self.id.clone(), entry }));
    }
}
