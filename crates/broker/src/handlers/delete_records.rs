//! DeleteRecords (21), v0-2: moves the start of a partition's log up; -1 stands for the high
//! watermark. v2 flexible. A topic that is compacted and not deleted from refuses
//! (POLICY_VIOLATION). Not served: nothing.

use ottla_security::Operation;
use ottla_wire::messages::delete_records_request::DeleteRecordsPartition;
use ottla_wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use ottla_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset};

use crate::answer::Answer;
use crate::context::Ctx;

/// What an error has instead of a new start.
const NO_LOW_WATERMARK: Offset = Offset(-1);

pub(crate) async fn handle(
    ctx: Ctx,
    request: DeleteRecordsRequest,
) -> Answer<DeleteRecordsResponse> {
    let topics = request.topics.iter().map(|topic| DeleteRecordsTopicResult {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(|asked| result(&ctx, &topic.name, asked)).collect(),
        ..Default::default()
    });
    DeleteRecordsResponse { topics: topics.collect(), ..Default::default() }.into()
}

fn result(ctx: &Ctx, topic: &str, asked: &DeleteRecordsPartition) -> DeleteRecordsPartitionResult {
    let partition_index = asked.partition_index;
    match delete(ctx, topic, asked) {
        Ok(low_watermark) => {
            DeleteRecordsPartitionResult { partition_index, low_watermark, ..Default::default() }
        }
        Err(error_code) => DeleteRecordsPartitionResult {
            partition_index,
            low_watermark: NO_LOW_WATERMARK,
            error_code,
            ..Default::default()
        },
    }
}

fn delete(ctx: &Ctx, topic: &str, asked: &DeleteRecordsPartition) -> Result<Offset, ErrorCode> {
    let partition = ctx.partition(Operation::Delete, topic, asked.partition_index)?;
    if crate::topics::is_internal(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    partition.check_leader(LeaderEpoch(-1))?;
    let config = partition.log().config();
    if config.cleanup_compact && !config.cleanup_delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    partition.delete_records(asked.offset).map_err(|refused| refused.error)
}
