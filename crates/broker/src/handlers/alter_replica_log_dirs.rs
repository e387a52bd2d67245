//! AlterReplicaLogDirs (34), v1-2: moves replicas between this broker's log directories (KIP-113).
//!
//! Each answer comes when the move has begun, not when it is over: DescribeLogDirs shows how far
//! it is. A replica that is not here yet is answered with REPLICA_NOT_AVAILABLE, and its place is
//! remembered for when it comes. The directory that a replica is in ends a move to another one.
//! v2 flexible. Not served: nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_security::{Operation, Resource};
use ottla_storage::StorageError;
use ottla_storage::names::can_move;
use ottla_wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use ottla_wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, Timestamp};

use crate::answer::Answer;
use crate::context::{Ctx, Rooms};
use crate::moves;

pub(crate) async fn handle(
    ctx: Ctx,
    request: AlterReplicaLogDirsRequest,
) -> Answer<AlterReplicaLogDirsResponse> {
    let is_allowed = ctx.allows(Operation::Alter, Resource::Cluster);
    let mut asked: BTreeMap<(StrBytes, PartitionIndex), StrBytes> = BTreeMap::new();
    for dir in request.dirs {
        for topic in dir.topics {
            for index in topic.partitions {
                asked.insert((topic.name.clone(), index), dir.path.clone());
            }
        }
    }
    let mut topics: BTreeMap<StrBytes, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for ((topic, partition_index), to) in asked {
        let error_code = match is_allowed {
            true => alter(&ctx.rooms, &topic, partition_index, to).await.err(),
            false => Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
        };
        topics.entry(topic).or_default().push(AlterReplicaLogDirPartitionResult {
            partition_index,
            error_code: error_code.unwrap_or(ErrorCode::NONE),
            ..Default::default()
        });
    }
    let results = topics.into_iter().map(|(topic_name, partitions)| {
        AlterReplicaLogDirTopicResult { topic_name, partitions, ..Default::default() }
    });
    AlterReplicaLogDirsResponse { results: results.collect(), ..Default::default() }.into()
}

/// In the order in which Apache Kafka looks at things, since the first error is told.
async fn alter(
    rooms: &Arc<Rooms>,
    topic: &str,
    index: PartitionIndex,
    to: StrBytes,
) -> Result<(), ErrorCode> {
    if !can_move(topic, index) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let target = rooms.dirs.directory_named(&to).ok_or(ErrorCode::LOG_DIR_NOT_FOUND)?;
    if target.failure().is_some() {
        return Err(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    let to = target.path().to_owned();
    let is_cordoned = |state: &ottla_storage::dirs::DirState| state.cordoned && state.path == to;
    if rooms.dirs.states().iter().any(is_cordoned) {
        return Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    }
    let is_known = rooms
        .image
        .borrow()
        .topic_by_name(topic)
        .is_some_and(|topic| topic.partitions.get(&index).is_some());
    let partition = match rooms.partitions.find_named(topic, index) {
        Ok(partition) => partition,
        Err(ErrorCode::KAFKA_STORAGE_ERROR) => return Err(ErrorCode::KAFKA_STORAGE_ERROR),
        Err(_) => {
            rooms.dirs.prefer(topic, index, &to);
            return Err(match is_known {
                true => ErrorCode::REPLICA_NOT_AVAILABLE,
                false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            });
        }
    };
    let (dirs, id) = (Arc::clone(&rooms.dirs), partition.topic_id);
    let now = Timestamp(rooms.env.now_ms());
    let begun = rooms.env.blocking(move || {
        let elsewhere = dirs.future(id, index).filter(|f| f.directory().path() != Path::new(&to));
        if elsewhere.is_some() {
            dirs.cancel_move(id, index, now)?;
        }
        dirs.begin_move(id, index, &to, now)
    });
    match begun.await {
        Ok(true) => {
            moves::go_on(rooms, id, index);
            Ok(())
        }
        Ok(false) => Ok(()),
        Err(error) => Err(refused(topic, index, &error)),
    }
}

fn refused(topic: &str, index: PartitionIndex, error: &StorageError) -> ErrorCode {
    tracing::warn!(topic, partition = index.0, %error, "a move between log directories is refused");
    ErrorCode::KAFKA_STORAGE_ERROR
}
