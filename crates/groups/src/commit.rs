//! OffsetCommit, OffsetFetch and OffsetDelete.
//!
//! OffsetCommit v10 and OffsetFetch v10 name topics by id. A group that nobody joins keeps offsets
//! too: a commit without generation makes it. Not here: TxnOffsetCommit (transactional.rs).
//! Must hold: a fetch that asks for stable offsets never sees one that an
//! open transaction is about to change.

use ottla_wire::messages::offset_commit_request::OffsetCommitRequestPartition;
use ottla_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_wire::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitValue, OffsetDeleteRequest,
    OffsetDeleteResponse,
};
use ottla_wire::{
    ErrorCode, Generation, LeaderEpoch, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp,
    TopicId,
};

use crate::classic::{Out, Phase};
use crate::consumer::{Committer, May};
use crate::offsets::OffsetKey;
use crate::records::OffsetCommit;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Settings, Soft, Topics};

impl Groups {
    /// OffsetCommit, v2 to v10.
    pub fn offset_commit(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &OffsetCommitRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let allowed = self.may_commit(soft, ask, request);
        let mut response = OffsetCommitResponse::default();
        for asked in &request.topics {
            let resolved = resolve(ask, topics, &asked.name, asked.topic_id);
            let partitions = asked.partitions.iter().map(|partition| {
                let result = match &resolved {
                    Err(error) => Err(*error),
                    Ok((name, id)) => allowed.as_ref().map_err(|error| *error).and_then(|may| {
                        may.commit(name, *id, partition.partition_index)?;
                        let record = commit_one(ask, topics, request, (name, *id), partition)?;
                        out.records.push(record);
                        Ok(())
                    }),
                };
                OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: result.err().unwrap_or(ErrorCode::NONE),
                    ..OffsetCommitResponsePartition::default()
                }
            });
            response.topics.push(OffsetCommitResponseTopic {
                name: asked.name.clone(),
                topic_id: asked.topic_id,
                partitions: partitions.collect(),
                ..OffsetCommitResponseTopic::default()
            });
        }
        response.topics.retain(|topic| !topic.partitions.is_empty());
        out.reply(ask.ticket, GroupReply::OffsetCommit(response));
        out.decided(soft)
    }

    /// Whether the request comes from a member of the settled generation, or from nobody into a
    /// group of nobody. A member's commit is a sign of life too.
    fn may_commit(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<May, ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let Some(group) = self.group(&request.group_id) else {
            return match (generation < 0, ask.version >= 9) {
                (true, _) => Ok(May::All),
                (false, true) => Err(ErrorCode::GROUP_ID_NOT_FOUND),
                (false, false) => Err(ErrorCode::ILLEGAL_GENERATION),
            };
        };
        if let Some(group) = group.kinds.group() {
            return group.may_commit(&Committer {
                member: &request.member_id,
                instance: request.group_instance_id.as_ref(),
                epoch: MemberEpoch(generation),
                version: Some(ask.version),
            });
        }
        let nobody = request.member_id.is_empty() && request.group_instance_id.is_none();
        let session = soft.sessions.get_mut(&request.group_id);
        let phase = session.as_ref().map_or(Phase::Empty, |session| session.phase());
        if generation < 0 && phase == Phase::Empty {
            return Ok(May::All);
        }
        let Some(session) = session else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        if generation >= 0 || !nobody {
            session.validate(&request.member_id, request.group_instance_id.as_ref())?;
            session.same_generation(Generation(generation))?;
        } else if phase != Phase::Empty {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if phase == Phase::Completing {
            // The member knows of the generation, but not yet of its assignment.
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        session.extend(&request.member_id, ask.now);
        Ok(May::All)
    }

    /// OffsetFetch, one group of v1 to v10. Older versions have one group in the request itself.
    pub fn offset_fetch(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        group: &OffsetFetchRequestGroup,
        require_stable: bool,
    ) -> Decided {
        let mut answer = OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            ..OffsetFetchResponseGroup::default()
        };
        if let Err(error) = self.may_fetch(group) {
            answer.error_code = error;
        } else if let Some(asked) = &group.topics {
            for topic in asked {
                let resolved = if ask.version >= 10 {
                    topics.name(topic.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
                } else {
                    Ok(topic.name.clone())
                };
                let partitions = topic.partition_indexes.iter();
                let partitions = partitions.map(|partition| match &resolved {
                    Ok(name) => self.fetch_one(&group.group_id, name, *partition, require_stable),
                    Err(error) => nothing(*partition, *error),
                });
                answer.topics.push(OffsetFetchResponseTopics {
                    name: topic.name.clone(),
                    topic_id: topic.topic_id,
                    partitions: partitions.collect(),
                    ..OffsetFetchResponseTopics::default()
                });
            }
        } else {
            answer.topics = self.fetch_all(ask, topics, &group.group_id, require_stable);
        }
        soft.answer(ask.ticket, GroupReply::OffsetFetch(answer))
    }

    /// Whether the request comes from a member, or from nobody.
    fn may_fetch(&self, asked: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
        match self.group(&asked.group_id).and_then(|group| group.kinds.group()) {
            Some(group) => group.may_fetch(asked.member_id.as_ref(), asked.member_epoch),
            None => Ok(()),
        }
    }

    fn fetch_one(
        &self,
        group: &str,
        topic: &str,
        partition: PartitionIndex,
        require_stable: bool,
    ) -> OffsetFetchResponsePartitions {
        if require_stable
            && !self.pending.is_empty()
            && self.pending.contains(&OffsetKey::copied(group, topic, partition))
        {
            return nothing(partition, ErrorCode::UNSTABLE_OFFSET_COMMIT);
        }
        let Some(committed) = self.committed(group, topic, partition) else {
            return nothing(partition, ErrorCode::NONE);
        };
        OffsetFetchResponsePartitions {
            partition_index: partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata.clone()),
            ..OffsetFetchResponsePartitions::default()
        }
    }

    fn fetch_all(
        &self,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        group: &str,
        require_stable: bool,
    ) -> Vec<OffsetFetchResponseTopics> {
        let Some(known) = self.group(group) else { return Vec::new() };
        let answers = known.offsets.topics().filter_map(|(name, partitions)| {
            let topic_id = topics.id(name);
            // By id only, a topic that is gone cannot be named.
            if ask.version >= 10 && topic_id.is_none() {
                return None;
            }
            let partitions = partitions.keys();
            Some(OffsetFetchResponseTopics {
                name: name.clone(),
                topic_id: topic_id.unwrap_or_default(),
                partitions: partitions
                    .map(|partition| self.fetch_one(group, name, *partition, require_stable))
                    .collect(),
                ..OffsetFetchResponseTopics::default()
            })
        });
        answers.collect()
    }

    /// OffsetDelete, v0.
    pub fn offset_delete(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &OffsetDeleteRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let response = self.delete_or_refuse(soft, topics, request, &mut out);
        out.reply(ask.ticket, GroupReply::OffsetDelete(response));
        out.decided(soft)
    }

    fn delete_or_refuse(
        &self,
        soft: &Soft,
        topics: &dyn Topics,
        request: &OffsetDeleteRequest,
        out: &mut Out<'_>,
    ) -> OffsetDeleteResponse {
        let refused =
            |error_code| OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
        if request.group_id.is_empty() {
            return refused(ErrorCode::INVALID_GROUP_ID);
        }
        // A share group has no such offsets.
        let group = self.group(&request.group_id).filter(|group| group.kinds.shares.is_none());
        let Some(group) = group else { return refused(ErrorCode::GROUP_ID_NOT_FOUND) };
        let session = soft.sessions.get(&request.group_id);
        let session = session.filter(|session| session.phase() != Phase::Empty);
        if session.is_some_and(|session| !session.is_of_consumers()) {
            return refused(ErrorCode::NON_EMPTY_GROUP);
        }
        let subscriptions = group.kinds.group().map(|group| group.subscribed());
        let mut response = OffsetDeleteResponse::default();
        for topic in &request.topics {
            let subscribed = session.is_some_and(|session| session.subscribes(&topic.name))
                || subscriptions.as_ref().is_some_and(|names| names.contains(&topic.name));
            let partitions = topic.partitions.iter().map(|partition| {
                let partition = partition.partition_index;
                let refused = if !topics.has_partition(&topic.name, partition) {
                    Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                } else if subscribed {
                    Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC)
                } else {
                    None
                };
                if refused.is_none() && self.has_offset(&request.group_id, &topic.name, partition) {
                    out.records.push(GroupRecord::forget_offset(
                        &request.group_id,
                        &topic.name,
                        partition,
                    ));
                }
                OffsetDeleteResponsePartition {
                    partition_index: partition,
                    error_code: refused.unwrap_or(ErrorCode::NONE),
                }
            });
            response.topics.push(OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            });
        }
        response
    }

    fn has_offset(&self, group: &str, topic: &str, partition: PartitionIndex) -> bool {
        self.committed(group, topic, partition).is_some()
            || self.pending.contains(&OffsetKey::copied(group, topic, partition))
    }
}

fn resolve(
    ask: &Ask<'_>,
    topics: &dyn Topics,
    name: &StrBytes,
    id: TopicId,
) -> Result<(StrBytes, TopicId), ErrorCode> {
    if ask.version >= 10 {
        let name = topics.name(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        return Ok((name, id));
    }
    let id = topics.id(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    Ok((name.clone(), id))
}

fn commit_one(
    ask: &Ask<'_>,
    topics: &dyn Topics,
    request: &OffsetCommitRequest,
    (topic, topic_id): (&StrBytes, TopicId),
    asked: &OffsetCommitRequestPartition,
) -> Result<GroupRecord, ErrorCode> {
    if !topics.has_partition(topic, asked.partition_index) {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let metadata = asked.committed_metadata.clone().unwrap_or_default();
    if is_too_large(&metadata, ask.settings) {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let expire_timestamp = match request.retention_time_ms {
        -1 => Timestamp(-1),
        retention => ask.now.wall + retention,
    };
    Ok(GroupRecord::OffsetCommit(OffsetCommit {
        group: request.group_id.clone(),
        topic: topic.clone(),
        partition: asked.partition_index,
        producer: None,
        value: Some(OffsetCommitValue {
            offset: asked.committed_offset,
            leader_epoch: asked.committed_leader_epoch,
            metadata,
            commit_timestamp: ask.now.wall,
            expire_timestamp,
            topic_id,
            ..OffsetCommitValue::default()
        }),
    }))
}

/// Kafka counts Java's characters, whatever the config's name says.
pub(crate) fn is_too_large(metadata: &str, settings: &Settings) -> bool {
    let units: usize = metadata.chars().map(char::len_utf16).sum();
    units > settings.offset_metadata_bytes_max
}

fn nothing(partition: PartitionIndex, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: partition,
        committed_offset: Offset(-1),
        committed_leader_epoch: LeaderEpoch(-1),
        metadata: Some(StrBytes::default()),
        error_code,
        ..OffsetFetchResponsePartitions::default()
    }
}
