//! A group on which a decision is being taken: the live one, and over it what was decided so far.
//!
//! Each record that is decided is applied to a copy, so that the next step of the same decision
//! sees it. A heartbeat that changes nothing copies nothing, and what a record does not change is
//! shared with the live group.

use std::borrow::Cow;

use ottla_wire::StrBytes;

use crate::GroupRecord;
use crate::consumer::records::{ConsumerEntry, ConsumerRecord};
use crate::consumer::state::ConsumerGroup;

/// A group and the records decided for it.
pub(crate) struct ConsumerDraft<'a> {
    pub(crate) id: StrBytes,
    group: Cow<'a, ConsumerGroup>,
    pub(crate) records: Vec<GroupRecord>,
}

impl<'a> ConsumerDraft<'a> {
    /// A group as it stands.
    pub(crate) fn of(id: &str, group: &'a ConsumerGroup) -> Self {
        ConsumerDraft { id: StrBytes::copied(id), group: Cow::Borrowed(group), records: Vec::new() }
    }

    /// A group that nobody has been in, after what had its id before is removed by `records`.
    pub(crate) fn new(id: &str, records: Vec<GroupRecord>) -> Self {
        let group = Cow::Owned(ConsumerGroup::default());
        ConsumerDraft { id: StrBytes::copied(id), group, records }
    }

    /// The group with all that was decided.
    pub(crate) fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    /// Decides one record.
    pub(crate) fn push(&mut self, entry: ConsumerEntry) {
        self.group.to_mut().apply(&entry);
        self.records.push(GroupRecord::Consumer(ConsumerRecord { group: self.id.clone(), entry }));
    }
}
