//! DescribeLogDirs (35), v1-5: this broker's directories and what lies in them.
//! v2 flexible; v3 an error for the whole; v4 total and usable bytes; v5 cordoned directories.
//! No topics stands for all. Not served: nothing.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::MetadataVersion;
use ottla_security::{Operation, Resource};
use ottla_storage::Log;
use ottla_storage::dirs::DirState;
use ottla_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeLogDirsRequest,
) -> Answer<DescribeLogDirsResponse> {
    if !ctx.allows(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return DescribeLogDirsResponse { error_code, ..Default::default() }.into();
    }
    let wanted: Option<BTreeSet<(StrBytes, PartitionIndex)>> = request.topics.map(|topics| {
        let each = topics.into_iter().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |index| (name.clone(), index))
        });
        each.collect()
    });
    let states = ctx.rooms.dirs.states();
    let results = states.iter().map(|state| match &state.failure {
        Some(_) => DescribeLogDirsResult {
            error_code: ErrorCode::KAFKA_STORAGE_ERROR,
            log_dir: StrBytes::copied(&state.path.to_string_lossy()),
            ..Default::default()
        },
        None => described(&ctx, state, wanted.as_ref()),
    });
    DescribeLogDirsResponse { results: results.collect(), ..Default::default() }.into()
}

fn described(
    ctx: &Ctx,
    state: &DirState,
    wanted: Option<&BTreeSet<(StrBytes, PartitionIndex)>>,
) -> DescribeLogDirsResult {
    let mut topics: BTreeMap<StrBytes, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in ctx.rooms.partitions.all() {
        let key = (StrBytes::copied(&partition.topic), partition.index);
        if wanted.is_some_and(|wanted| !wanted.contains(&key)) {
            continue;
        }
        let log = partition.log();
        let future = ctx.rooms.dirs.future(partition.topic_id, partition.index);
        let replicas = [(Some(&log), false), (future.as_ref(), true)];
        let in_here = replicas.into_iter().filter_map(|(replica, is_future_key)| {
            let replica = replica.filter(|replica| replica.directory().path() == state.path)?;
            Some(DescribeLogDirsPartition {
                partition_index: partition.index,
                partition_size: i64::try_from(replica.size()).unwrap_or(i64::MAX),
                offset_lag: offset_lag(&log, replica, is_future_key),
                is_future_key,
                ..Default::default()
            })
        });
        let in_here: Vec<_> = in_here.collect();
        if !in_here.is_empty() {
            topics.entry(key.0).or_default().extend(in_here);
        }
    }
    let topics = topics.into_iter();
    let level = ctx.image().features().metadata_version();
    let space = ctx.rooms.env.disk().space(&state.path).ok();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        log_dir: StrBytes::copied(&state.path.to_string_lossy()),
        topics: topics
            .map(|(name, partitions)| DescribeLogDirsTopic {
                name,
                partitions,
                ..Default::default()
            })
            .collect(),
        is_cordoned: state.cordoned && level >= MetadataVersion::CORDONED_LOG_DIRS,
        total_bytes: space.map_or(-1, |space| bytes(space.total_bytes)),
        usable_bytes: space.map_or(-1, |space| bytes(space.usable_bytes)),
        ..Default::default()
    }
}

/// How far a replica is behind: one on its way to another directory, behind the original.
fn offset_lag(original: &Log, replica: &Log, is_future: bool) -> i64 {
    match is_future {
        true if original.directory().failure().is_some() => UNKNOWN_LAG,
        true => original.end() - replica.end(),
        false => (replica.high_watermark() - replica.end()).max(0),
    }
}

/// What Kafka says where the original cannot be asked.
const UNKNOWN_LAG: i64 = -1;
