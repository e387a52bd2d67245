//! Offsets of partitions at their leaders: where they are, and deleting what lies before one.
//!
//! Must hold: a partition whose leader has moved is asked for again at the new one; what a leader
//! refuses for good is that partition's result.

use std::collections::BTreeMap;

use ottla_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::list_offsets_response::ListOffsetsPartitionResponse;
use ottla_wire::messages::{DeleteRecordsRequest, ListOffsetsRequest};
use ottla_wire::{ApiKey, BrokerId, ErrorCode, Offset, StrBytes, Timestamp};

use crate::admin::groups::PerPartition;
use crate::admin::{Admin, judged};
use crate::core::cluster::TopicPartition;
use crate::error::ClientError;

/// Asks for the end of the log.
pub const LATEST: Timestamp = Timestamp(-1);
/// Asks for the start of the log.
pub const EARLIEST: Timestamp = Timestamp(-2);
/// Asks for the record with the highest timestamp (KIP-734).
pub const MAX_TIMESTAMP: Timestamp = Timestamp(-3);
/// Asks for the start of what the broker itself keeps (KIP-405).
pub const EARLIEST_LOCAL: Timestamp = Timestamp(-4);
/// Asks for the end of what is in tiered storage (KIP-1005).
pub const LATEST_TIERED: Timestamp = Timestamp(-5);

/// Partitions with what is asked of each, under the broker that leads them.
type ByLeader<T> = BTreeMap<BrokerId, Vec<(TopicPartition, T)>>;

impl Admin {
    /// The first offset at or after a time (or one of the constants beside) in each partition;
    /// offset -1 where there is none. With `read_committed` the end is the last stable offset.
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, Timestamp)],
        read_committed: bool,
    ) -> Result<PerPartition<ListOffsetsPartitionResponse>, ClientError> {
        let mut results = Vec::new();
        let mut left = asked.to_vec();
        let mut attempts = self.client.attempts("offsets of partitions");
        while !left.is_empty() {
            let mut moved = None;
            let by_leader = self.by_leader(std::mem::take(&mut left), &mut results).await?;
            for (leader, asked) in by_leader {
                let request = list_request(&asked, read_committed);
                let response = self.client.call_broker(leader, &request).await?;
                for topic in response.topics {
                    for found in topic.partitions {
                        let (topic, partition) = (topic.name.clone(), found.partition_index);
                        let of = TopicPartition { topic, partition };
                        let code = found.error_code;
                        let about = of.to_string();
                        let result = judged(ApiKey::ListOffsets, &about, code, None, found);
                        match result {
                            Err(error) if error.is_retriable() => {
                                let again = asked.iter().find(|(asked, _)| *asked == of);
                                left.extend(again.cloned());
                                moved = Some(error);
                            }
                            result => results.push((of, result)),
                        }
                    }
                }
            }
            if let Some(error) = moved {
                attempts.again(error).await?;
                self.relearn(&left).await?;
            }
        }
        results.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(results)
    }

    /// Deletes the records before an offset in each partition (-1: all committed ones); gives
    /// where each log now starts.
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn delete_records(
        &self,
        before: &[(TopicPartition, Offset)],
    ) -> Result<PerPartition<Offset>, ClientError> {
        let mut results = Vec::new();
        for (leader, asked) in self.by_leader(before.to_vec(), &mut results).await? {
            let mut topics: Vec<DeleteRecordsTopic> = Vec::new();
            for (of, offset) in asked {
                let partition = DeleteRecordsPartition {
                    partition_index: of.partition,
                    offset,
                    ..Default::default()
                };
                topics.push(DeleteRecordsTopic {
                    name: of.topic,
                    partitions: vec![partition],
                    ..Default::default()
                });
            }
            let request = DeleteRecordsRequest {
                topics,
                timeout_ms: self.timeout_ms(),
                ..Default::default()
            };
            let response = self.client.call_broker(leader, &request).await?;
            for topic in response.topics {
                results.extend(topic.partitions.into_iter().map(|deleted| {
                    let partition = deleted.partition_index;
                    let of = TopicPartition { topic: topic.name.clone(), partition };
                    let (start, code) = (deleted.low_watermark, deleted.error_code);
                    let about = of.to_string();
                    (of, judged(ApiKey::DeleteRecords, &about, code, None, start))
                }));
            }
        }
        Ok(results)
    }

    /// Sorts partitions under their leaders; those that do not exist are results at once.
    async fn by_leader<T, R>(
        &self,
        asked: Vec<(TopicPartition, T)>,
        results: &mut PerPartition<R>,
    ) -> Result<ByLeader<T>, ClientError> {
        let mut by_leader: ByLeader<T> = BTreeMap::new();
        for (of, what) in asked {
            match self.client.leader(&of.topic, of.partition).await {
                Ok((leader, _)) => by_leader.entry(leader).or_default().push((of, what)),
                Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                    results.push((of, Err(error)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(by_leader)
    }

    /// Learns the leaders of partitions anew.
    async fn relearn<T>(&self, of: &[(TopicPartition, T)]) -> Result<(), ClientError> {
        let mut topics: Vec<StrBytes> = of.iter().map(|(of, _)| of.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        self.client.refresh_topics(&topics, false).await.map(drop)
    }
}

fn list_request(asked: &[(TopicPartition, Timestamp)], read_committed: bool) -> ListOffsetsRequest {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (of, timestamp) in asked {
        let partition = ListOffsetsPartition {
            partition_index: of.partition,
            timestamp: *timestamp,
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| topic.name == of.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(ListOffsetsTopic {
                name: of.topic.clone(),
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    ListOffsetsRequest {
        replica_id: BrokerId(-1),
        isolation_level: i8::from(read_committed),
        topics,
        ..Default::default()
    }
}
