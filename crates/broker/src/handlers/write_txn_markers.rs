//! WriteTxnMarkers (27), v1-2: ends transactions in the partitions that this broker leads.
//! Asked by coordinators, and by administrators who abort a hanging transaction. v2 the level of
//! transaction.version (KIP-1228): from 2 on a marker's epoch is above the producer's, else it is
//! refused with INVALID_PRODUCER_EPOCH. An older coordinator's marker is refused
//! with TRANSACTION_COORDINATOR_FENCED. On `__consumer_offsets` the coordinator of groups writes
//! them, since offsets count from them on. Answers when all are committed, for each producer once:
//! who asked finds results by producer. Not served: nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_coordination::{Answer as Coordinated, BoxFuture};
use ottla_env::Env;
use ottla_records::control::end_transaction;
use ottla_records::{ControlRecord, MarkerEpoch, Producer};
use ottla_security::{Operation, Resource};
use ottla_wire::messages::write_txn_markers_request::WritableTxnMarker;
use ottla_wire::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use ottla_wire::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, ProducerId};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::partition::Partition;
use crate::topics;

/// How long replicas may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a producer's coordinator counts as before its first marker.
const NO_COORDINATOR_EPOCH: i32 = -1;

/// Marker, topic, partition.
type At = (usize, usize, usize);

/// A marker that is in the log but not yet committed.
enum Pending {
    Partition {
        partition: Arc<Partition>,
        end: Offset,
        sync_due: bool,
    },
    /// The coordinator of groups waits for it.
    Groups(BoxFuture<'static, ErrorCode>),
}

pub(crate) async fn handle(
    ctx: Ctx,
    request: WriteTxnMarkersRequest,
) -> Answer<WriteTxnMarkersResponse> {
    let may = ctx.allows(Operation::Alter, Resource::Cluster)
        || ctx.allows(Operation::ClusterAction, Resource::Cluster);
    let mut pending = Vec::new();
    // What names no topic is not answered, as in Kafka.
    let named = request.markers.iter().filter(|marker| !marker.topics.is_empty());
    let markers = (0..).zip(named).map(|(at, marker)| {
        let topics = (0..).zip(&marker.topics).map(|(topic_at, topic)| {
            let partitions = (0..).zip(&topic.partition_indexes).map(|(partition_at, index)| {
                let at = (at, topic_at, partition_at);
                let written = match may {
                    true => write(&ctx, marker, &topic.name, *index),
                    false => Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
                };
                let error_code = written.map_or_else(
                    |error| error,
                    |waiting| {
                        pending.extend(waiting.map(|waiting| (at, waiting)));
                        ErrorCode::NONE
                    },
                );
                let partition_index = *index;
                WritableTxnMarkerPartitionResult {
                    partition_index,
                    error_code,
                    ..Default::default()
                }
            });
            let (name, partitions) = (topic.name.clone(), partitions.collect());
            WritableTxnMarkerTopicResult { name, partitions, ..Default::default() }
        });
        let (producer_id, topics) = (marker.producer_id, topics.collect());
        WritableTxnMarkerResult { producer_id, topics, ..Default::default() }
    });
    let response = WriteTxnMarkersResponse { markers: markers.collect(), ..Default::default() };
    if pending.is_empty() {
        return by_producer(response).into();
    }
    Answer::Later(Box::pin(async move { by_producer(commit(ctx, response, pending).await) }))
}

/// One entry for each producer, as WriteTxnMarkersResponse in Kafka makes them: its reader keeps
/// one for each. Producers of whom nothing was asked have none.
fn by_producer(response: WriteTxnMarkersResponse) -> WriteTxnMarkersResponse {
    let mut merged: Vec<WritableTxnMarkerResult> = Vec::with_capacity(response.markers.len());
    let mut known: BTreeMap<ProducerId, usize> = BTreeMap::new();
    for marker in response.markers {
        if marker.topics.is_empty() {
            continue;
        }
        match known.get(&marker.producer_id) {
            Some(at) => merged[*at].topics.extend(marker.topics),
            None => {
                known.insert(marker.producer_id, merged.len());
                merged.push(marker);
            }
        }
    }
    for at in known.into_values() {
        let topics = &mut merged[at].topics;
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics.dedup_by(|next, first| {
            let is_same = next.name == first.name;
            if is_same {
                first.partitions.append(&mut next.partitions);
            }
            is_same
        });
    }
    WriteTxnMarkersResponse { markers: merged, ..Default::default() }
}

/// Appends one marker; gives what is still to be waited for.
fn write(
    ctx: &Ctx,
    marker: &WritableTxnMarker,
    topic: &str,
    index: PartitionIndex,
) -> Result<Option<Pending>, ErrorCode> {
    let partition = ctx.rooms.partitions.find_named(topic, index)?;
    let coordinator_epoch = marker.coordinator_epoch;
    let control = match marker.transaction_result {
        true => ControlRecord::Commit { coordinator_epoch },
        false => ControlRecord::Abort { coordinator_epoch },
    };
    let (id, epoch) = (marker.producer_id, marker.producer_epoch);
    if id.0 < 0 || epoch.0 < 0 {
        // A batch of nobody ends nobody's transaction.
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if coordinator_epoch < NO_COORDINATOR_EPOCH {
        return Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
    }
    let producer = Producer { id, epoch, base_sequence: -1 };
    let now = ctx.now();
    let batch = end_transaction(Offset(0), now, producer, &control);
    let batch = batch.map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
    let of = MarkerEpoch::of(marker.transaction_version);
    if topic == topics::CONSUMER_OFFSETS {
        let committed = marker.transaction_result;
        return match ctx.rooms.groups.end_transaction_of(index, (id, of), committed, batch) {
            Coordinated::Now(ErrorCode::NONE) => Ok(None),
            Coordinated::Now(error) => Err(error),
            Coordinated::Later(written) => Ok(Some(Pending::Groups(written))),
        };
    }
    let appended = partition.append_marker(&batch, of, None, now).map_err(|refused| {
        let (partition, code, why) = (&partition.index, refused.code.name(), &refused.message);
        tracing::info!(topic, %partition, code, why, "a transaction marker was refused");
        refused.code
    })?;
    let (end, sync_due) = (appended.last_offset.next(), appended.sync_due);
    let is_committed = !sync_due && partition.high_watermark() >= end;
    Ok((!is_committed).then_some(Pending::Partition { partition, end, sync_due }))
}

/// Waits until every marker is committed.
async fn commit(
    ctx: Ctx,
    mut response: WriteTxnMarkersResponse,
    pending: Vec<(At, Pending)>,
) -> WriteTxnMarkersResponse {
    let env = &ctx.rooms.env;
    let deadline = env.monotonic() + TIMEOUT;
    for (at, pending) in pending {
        let left = deadline - env.monotonic();
        let late = ErrorCode::REQUEST_TIMED_OUT;
        let error = match pending {
            Pending::Groups(written) => env.timeout(left, written).await.unwrap_or(late),
            Pending::Partition { partition, end, sync_due } => {
                committed(env, &partition, end, sync_due, left).await
            }
        };
        response.markers[at.0].topics[at.1].partitions[at.2].error_code = error;
    }
    response
}

async fn committed(
    env: &Env,
    partition: &Partition,
    end: Offset,
    sync_due: bool,
    left: Duration,
) -> ErrorCode {
    if sync_due && partition.synced(env, end).await.is_err() {
        return ErrorCode::KAFKA_STORAGE_ERROR;
    }
    let mut high_watermark = partition.watch_high_watermark();
    let committed = high_watermark.wait_for(|committed| *committed >= end);
    match env.timeout(left, committed).await {
        Ok(Ok(_)) => ErrorCode::NONE,
        Ok(Err(_)) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        Err(_) => ErrorCode::REQUEST_TIMED_OUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = (i64, &'static [(&'static str, &'static [i32])]);

    fn response(entries: &[Entry]) -> WriteTxnMarkersResponse {
        let markers = entries.iter().map(|(producer, topics)| {
            let topics = topics.iter().map(|(name, partitions)| {
                let partitions = partitions.iter().map(|index| WritableTxnMarkerPartitionResult {
                    partition_index: PartitionIndex(*index),
                    ..Default::default()
                });
                let (name, partitions) = ((*name).into(), partitions.collect());
                WritableTxnMarkerTopicResult { name, partitions, ..Default::default() }
            });
            let (producer_id, topics) = (ProducerId(*producer), topics.collect());
            WritableTxnMarkerResult { producer_id, topics, ..Default::default() }
        });
        WriteTxnMarkersResponse { markers: markers.collect(), ..Default::default() }
    }

    #[test]
    fn each_producer_is_answered_once() {
        let told = by_producer(response(&[
            (7, &[("t", &[0, 1]), ("u", &[0])]),
            (8, &[("t", &[0])]),
            (9, &[]),
            (7, &[("t", &[2]), ("s", &[1])]),
        ]));
        let expected =
            response(&[(7, &[("s", &[1]), ("t", &[0, 1, 2]), ("u", &[0])]), (8, &[("t", &[0])])]);
        assert_eq!(told, expected);
    }
}
