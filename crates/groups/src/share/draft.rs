//! A group on which a decision is being taken: the live one, and over it what was decided so far.
//!
//! Each record that is decided is applied to a copy, so that the next step of the same decision
//! sees it. A heartbeat that changes nothing copies nothing, and what a record does not change is
//! shared with the live group.

use std::borrow::Cow;

use ottla_wire::StrBytes;

use super::records::{ShareEntry, ShareGroupRecord};
use super::state::ShareGroup;
use crate::GroupRecord;

/// A group and the records decided for it.
pub(crate) struct ShareDraft<'a> {
    pub(crate) id: StrBytes,
    group: Cow<'a, ShareGroup>,
    pub(crate) records: Vec<GroupRecord>,
}

impl<'a> ShareDraft<'a> {
    /// A group as it stands.
    pub(crate) fn of(id: &str, group: &'a ShareGroup) -> Self {
        ShareDraft { id: StrBytes::copied(id), group: Cow::Borrowed(group), records: Vec::new() }
    }

    /// A group that nobody has been in.
    pub(crate) fn new(id: &str) -> Self {
        let group = Cow::Owned(ShareGroup::default());
        ShareDraft { id: StrBytes::copied(id), group, records: Vec::new() }
    }

    /// The group with all that was decided.
    pub(crate) fn group(&self) -> &ShareGroup {
        &self.group
    }

    /// Decides one record.
    pub(crate) fn push(&mut self, entry: ShareEntry) {
        self.group.to_mut().apply(&entry);
        self.records.push(GroupRecord::Share(ShareGroupRecord { group: self.id.clone(), entry }));
    }
}
