//! Who may commit and fetch offsets of a KIP-848 group.
//!
//! A member may commit in its own epoch and, since it learns of a newer one only with the next
//! heartbeat, in an older one for what it has had since then (Kafka's
//! ConsumerGroup.validateOffsetCommit). Not here: the offsets.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::{ErrorCode, MemberEpoch, PartitionIndex, StrBytes, TopicId};

use crate::consumer::state::{ConsumerGroup, Current};
use crate::consumer::subscription::names_of_group;
use crate::kinds::Commits;
use crate::streams::OlderEpoch;

/// From this version of OffsetCommit on the generation may be a member epoch.
const EPOCHS_SINCE: i16 = 9;

/// A commit, as far as it says who commits.
pub(crate) struct Committer<'a> {
    pub(crate) member: &'a StrBytes,
    pub(crate) instance: Option<&'a StrBytes>,
    pub(crate) epoch: MemberEpoch,
    /// The version of OffsetCommit; none within a transaction.
    pub(crate) version: Option<i16>,
}

/// Which partitions a commit may be for.
pub(crate) enum May {
    /// All.
    All,
    /// Those that the member has had since this epoch; what is said of others.
    Since(MemberEpoch, Arc<Current>, ErrorCode),
    /// Those of the tasks that a member of a streams group has had since an older epoch.
    Tasks(OlderEpoch),
}

impl May {
    /// Whether this partition may be committed.
    pub(crate) fn commit(
        &self,
        name: &str,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), ErrorCode> {
        match self {
            May::All => Ok(()),
            May::Tasks(older) => older.commit(name, partition),
            May::Since(epoch, current, error) => match current.assigned.epoch(topic, partition) {
                Some(since) if since <= *epoch => Ok(()),
                _ => Err(*error),
            },
        }
    }
}

impl Commits for ConsumerGroup {
    fn keeps_offsets(&self) -> bool {
        true
    }

    fn subscribed(&self) -> BTreeSet<StrBytes> {
        names_of_group(self)
    }

    fn may_commit(&self, committer: &Committer<'_>) -> Result<May, ErrorCode> {
        let Committer { member, instance, epoch, version } = committer;
        if epoch.0 < 0 && self.members().is_empty() {
            return Ok(May::All);
        }
        let nobody = epoch.0 == -1 && member.is_empty() && instance.is_none();
        if version.is_none() && nobody {
            return Ok(May::All);
        }
        let Some(value) = self.member(member) else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        let is_classic = value.classic_member_metadata.is_some();
        if !is_classic && version.is_some_and(|version| version < EPOCHS_SINCE) {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let current = self.current(member);
        let error = match is_classic {
            true => ErrorCode::ILLEGAL_GENERATION,
            false => ErrorCode::STALE_MEMBER_EPOCH,
        };
        match epoch.cmp(&current.epoch) {
            std::cmp::Ordering::Equal => Ok(May::All),
            std::cmp::Ordering::Less => Ok(May::Since(*epoch, current, error)),
            std::cmp::Ordering::Greater => Err(error),
        }
    }

    fn may_fetch(&self, member: Option<&StrBytes>, epoch: MemberEpoch) -> Result<(), ErrorCode> {
        let Some(member) = member.filter(|_| epoch.0 >= 0 || member.is_some()) else {
            return if epoch.0 < 0 { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        };
        let Some(value) = self.member(member) else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        match (self.current(member).epoch == epoch, value.classic_member_metadata.is_some()) {
            (true, _) => Ok(()),
            (false, true) => Err(ErrorCode::ILLEGAL_GENERATION),
            (false, false) => Err(ErrorCode::STALE_MEMBER_EPOCH),
        }
    }
}
