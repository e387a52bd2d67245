//! OffsetForLeaderEpoch (23), v2-4: where an epoch ended, so that a reader finds out whether its
//! log and this one have parted. v3 replica id; v4 flexible. An unknown epoch answers (-1, -1).
//! Not served: nothing.

use ottla_security::Operation;
use ottla_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use ottla_wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ottla_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: OffsetForLeaderEpochRequest,
) -> Answer<OffsetForLeaderEpochResponse> {
    let topics = request.topics.iter().map(|topic| OffsetForLeaderTopicResult {
        topic: topic.topic.clone(),
        partitions: topic.partitions.iter().map(|asked| end(&ctx, &topic.topic, asked)).collect(),
        ..Default::default()
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }.into()
}

fn end(ctx: &Ctx, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let partition = asked.partition;
    let led = ctx.partition(Operation::Describe, topic, partition).and_then(|partition| {
        partition.check_leader(asked.current_leader_epoch)?;
        Ok(partition)
    });
    match led {
        Ok(led) => {
            let end = led.log().end_offset_for_epoch(asked.leader_epoch);
            let (leader_epoch, end_offset) = (end.epoch, end.end);
            EpochEndOffset { partition, leader_epoch, end_offset, ..Default::default() }
        }
        Err(error_code) => EpochEndOffset { partition, error_code, ..Default::default() },
    }
}
