//! DescribeLogDirs (35), v1-5: this broker's directories and what lies in them.
//! v2 flexible; v3 an error for the whole; v4 total and usable bytes; v5 cordoned directories.
//! No topics stands for all. Not served: nothing.

use std::collections::{BTreeMap, BTreeSet};

use ottla_security::{Operation, Resource};
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
        let log = partition.log();
        if log.directory().id() != state.id {
            continue;
        }
        let key = (StrBytes::copied(&partition.topic), partition.index);
        if wanted.is_some_and(|wanted| !wanted.contains(&key)) {
            continue;
        }
        let lag = (partition.high_watermark() - log.end()).max(0);
        topics.entry(key.0).or_default().push(DescribeLogDirsPartition {
            partition_index: partition.index,
            partition_size: i64::try_from(log.size()).unwrap_or(i64::MAX),
            offset_lag: lag,
            ..Default::default()
        });
    }
    let topics = topics.into_iter();
    let image = ctx.image();
    let cordoned = image.broker(ctx.rooms.broker_id).and_then(|me| me.cordoned.as_ref());
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
        is_cordoned: cordoned.is_some_and(|cordoned| cordoned.contains(&state.id)),
        total_bytes: space.map_or(-1, |space| bytes(space.total_bytes)),
        usable_bytes: space.map_or(-1, |space| bytes(space.usable_bytes)),
        ..Default::default()
    }
}
