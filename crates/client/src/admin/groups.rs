//! Groups, as an administrator sees them, and their committed offsets.
//!
//! Must hold: a request to a coordinator is repeated only where the answer says that the broker
//! is not it, or not yet.

use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use ottla_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest,
};
use ottla_wire::{ApiKey, ErrorCode, MemberEpoch, Offset, StrBytes};

use crate::admin::{Admin, judged};
use crate::core::cluster::TopicPartition;
use crate::error::ClientError;

/// What came of each partition.
pub type PerPartition<T = ()> = Vec<(TopicPartition, Result<T, ClientError>)>;

impl Admin {
    /// The groups of all brokers; with a filter, those in these states and of these types.
    ///
    /// # Errors
    /// Those of the calls, and the first refusal.
    pub async fn list_groups(
        &self,
        states: &[StrBytes],
        types: &[StrBytes],
    ) -> Result<Vec<ListedGroup>, ClientError> {
        let request = ListGroupsRequest {
            states_filter: states.to_vec(),
            types_filter: types.to_vec(),
            ..Default::default()
        };
        let mut groups = Vec::new();
        for id in self.client.cluster().brokers.keys() {
            let mut attempts = self.client.attempts("the list of groups");
            loop {
                let response = self.client.call_broker(*id, &request).await?;
                match judged(ApiKey::ListGroups, "all groups", response.error_code, None, ()) {
                    Ok(()) => break groups.extend(response.groups),
                    Err(error) => attempts.again(error).await?,
                }
            }
        }
        Ok(groups)
    }

    /// Describes classic groups (and consumer groups in the classic form, where brokers do).
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn describe_groups(
        &self,
        ids: &[StrBytes],
    ) -> Result<Vec<(StrBytes, Result<DescribedGroup, ClientError>)>, ClientError> {
        let mut described = Vec::new();
        for id in ids {
            let request = DescribeGroupsRequest { groups: vec![id.clone()], ..Default::default() };
            let response = self
                .client
                .on_coordinator(id, &request, |response| {
                    response.groups.first().map_or(ErrorCode::NONE, |group| group.error_code)
                })
                .await?;
            described.extend(response.groups.into_iter().map(|group| {
                let message = group.error_message.clone();
                let code = group.error_code;
                (id.clone(), judged(ApiKey::DescribeGroups, id, code, message, group))
            }));
        }
        Ok(described)
    }

    /// Deletes groups that have no members.
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn delete_groups(
        &self,
        ids: &[StrBytes],
    ) -> Result<Vec<(StrBytes, Result<(), ClientError>)>, ClientError> {
        let mut deleted = Vec::new();
        for id in ids {
            let request =
                DeleteGroupsRequest { groups_names: vec![id.clone()], ..Default::default() };
            let response = self
                .client
                .on_coordinator(id, &request, |response| {
                    response.results.first().map_or(ErrorCode::NONE, |group| group.error_code)
                })
                .await?;
            deleted.extend(response.results.into_iter().map(|group| {
                let (code, message) = (group.error_code, group.error_message);
                (id.clone(), judged(ApiKey::DeleteGroups, id, code, message, ()))
            }));
        }
        Ok(deleted)
    }

    /// The offsets that a group has committed, of all partitions.
    ///
    /// # Errors
    /// Those of the call, and a refusal of the group.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<PerPartition<OffsetFetchResponsePartitions>, ClientError> {
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: StrBytes::copied(group),
                member_epoch: MemberEpoch(-1),
                topics: None,
                ..Default::default()
            }],
            ..Default::default()
        };
        let code = |response: &ottla_wire::messages::OffsetFetchResponse| {
            response.groups.first().map_or(ErrorCode::NONE, |group| group.error_code)
        };
        let response = self.client.on_coordinator(group, &request, code).await?;
        judged(ApiKey::OffsetFetch, group, code(&response), None, ())?;
        let topics = response.groups.into_iter().flat_map(|group| group.topics);
        let offsets = topics.flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |found| {
                let of = TopicPartition { topic: name.clone(), partition: found.partition_index };
                let about = of.to_string();
                (of, judged(ApiKey::OffsetFetch, &about, found.error_code, None, found))
            })
        });
        Ok(offsets.collect())
    }

    /// Sets a group's committed offsets; the group must have no members.
    ///
    /// # Errors
    /// Those of the call; refusals are in the results.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, Offset)],
    ) -> Result<PerPartition, ClientError> {
        let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
        for (of, offset) in offsets {
            let partition = OffsetCommitRequestPartition {
                partition_index: of.partition,
                committed_offset: *offset,
                committed_metadata: Some(StrBytes::default()),
                ..Default::default()
            };
            match topics.iter_mut().find(|topic| topic.name == of.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(OffsetCommitRequestTopic {
                    name: of.topic.clone(),
                    partitions: vec![partition],
                    ..Default::default()
                }),
            }
        }
        let request =
            OffsetCommitRequest { group_id: StrBytes::copied(group), topics, ..Default::default() };
        let response = self
            .client
            .on_coordinator(group, &request, |response| {
                let first = response.topics.iter().flat_map(|topic| &topic.partitions).next();
                first.map_or(ErrorCode::NONE, |partition| partition.error_code)
            })
            .await?;
        let results = response.topics.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |of| {
                let (partition, code) = (of.partition_index, of.error_code);
                let of = TopicPartition { topic: name.clone(), partition };
                let about = of.to_string();
                (of, judged(ApiKey::OffsetCommit, &about, code, None, ()))
            })
        });
        Ok(results.collect())
    }

    /// Forgets committed offsets of a group.
    ///
    /// # Errors
    /// Those of the call and a refusal of the group; other refusals are in the results.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerPartition, ClientError> {
        let mut topics: Vec<OffsetDeleteRequestTopic> = Vec::new();
        for of in partitions {
            let partition = OffsetDeleteRequestPartition { partition_index: of.partition };
            match topics.iter_mut().find(|topic| topic.name == of.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(OffsetDeleteRequestTopic {
                    name: of.topic.clone(),
                    partitions: vec![partition],
                }),
            }
        }
        let request = OffsetDeleteRequest { group_id: StrBytes::copied(group), topics };
        let response =
            self.client.on_coordinator(group, &request, |response| response.error_code).await?;
        judged(ApiKey::OffsetDelete, group, response.error_code, None, ())?;
        let results = response.topics.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |of| {
                let (partition, code) = (of.partition_index, of.error_code);
                let of = TopicPartition { topic: name.clone(), partition };
                let about = of.to_string();
                (of, judged(ApiKey::OffsetDelete, &about, code, None, ()))
            })
        });
        Ok(results.collect())
    }
}
