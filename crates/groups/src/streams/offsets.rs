//! Who may commit and fetch offsets of a streams group.
//!
//! A member may commit in its own epoch and, since it learns of a newer one only with the next
//! heartbeat, in an older one for the tasks that it has had since then or is about to let go
//! (Kafka's StreamsGroup.validateOffsetCommit). Not here: the offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{ErrorCode, MemberEpoch, PartitionIndex, StrBytes};

use super::state::{Current, StreamsGroup};
use super::tasks::TaskId;
use crate::consumer::{Committer, May};
use crate::kinds::Commits;

/// From this version of OffsetCommit on the generation may be a member epoch.
const EPOCHS_SINCE: i16 = 9;

/// Which partitions a commit of an older epoch may be for.
pub(crate) struct OlderEpoch {
    epoch: MemberEpoch,
    current: Arc<Current>,
    /// The sub-topology that each topic feeds.
    feeds: BTreeMap<StrBytes, StrBytes>,
}

impl OlderEpoch {
    /// Whether this partition may be committed.
    pub(crate) fn commit(&self, topic: &str, partition: PartitionIndex) -> Result<(), ErrorCode> {
        let stale = ErrorCode::STALE_MEMBER_EPOCH;
        let subtopology = self.feeds.get(topic).cloned().ok_or(stale)?;
        let task = TaskId { subtopology, partition };
        let assigned = self.current.assigned.active.get(&task);
        match assigned.or_else(|| self.current.revoking.active.get(&task)) {
            Some(since) if *since <= self.epoch => Ok(()),
            _ => Err(stale),
        }
    }
}

impl Commits for StreamsGroup {
    fn keeps_offsets(&self) -> bool {
        true
    }

    /// The topics that feed the application, while somebody is there.
    fn subscribed(&self) -> BTreeSet<StrBytes> {
        match self.members().is_empty() {
            true => BTreeSet::new(),
            false => self.feeds().into_keys().collect(),
        }
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
        if self.member(member).is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if version.is_some_and(|version| version < EPOCHS_SINCE) {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let current = self.current(member);
        match epoch.cmp(&current.epoch) {
            std::cmp::Ordering::Equal => Ok(May::All),
            std::cmp::Ordering::Greater => Err(ErrorCode::STALE_MEMBER_EPOCH),
            std::cmp::Ordering::Less => {
                Ok(May::Tasks(OlderEpoch { epoch: *epoch, current, feeds: self.feeds() }))
            }
        }
    }

    fn may_fetch(&self, member: Option<&StrBytes>, epoch: MemberEpoch) -> Result<(), ErrorCode> {
        if member.is_none() && epoch.0 < 0 {
            return Ok(());
        }
        let member = member.filter(|id| self.member(id).is_some());
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        match self.current(member).epoch == epoch {
            true => Ok(()),
            false => Err(ErrorCode::STALE_MEMBER_EPOCH),
        }
    }
}

impl StreamsGroup {
    /// The sub-topology that each topic feeds.
    fn feeds(&self) -> BTreeMap<StrBytes, StrBytes> {
        let subtopologies = self.topology().into_iter().flat_map(|it| &it.subtopologies);
        let feeds = subtopologies.flat_map(|subtopology| {
            let repartition = subtopology.repartition_source_topics.iter().map(|it| &it.name);
            let topics = subtopology.source_topics.iter().chain(repartition);
            topics.map(|topic| (topic.clone(), subtopology.subtopology_id.clone()))
        });
        feeds.collect()
    }
}
