//! DescribeProducers (61), v0: the idempotent and transactional producers that a partition
//! remembers. Not served: nothing.

use ottla_security::Operation;
use ottla_wire::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use ottla_wire::messages::{DescribeProducersRequest, DescribeProducersResponse};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeProducersRequest,
) -> Answer<DescribeProducersResponse> {
    let topics = request.topics.iter().map(|topic| TopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| describe(&ctx, &topic.name, *index))
            .collect(),
        ..Default::default()
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }.into()
}

fn describe(ctx: &Ctx, topic: &str, partition_index: PartitionIndex) -> PartitionResponse {
    match producers(ctx, topic, partition_index) {
        Ok(active_producers) => {
            PartitionResponse { partition_index, active_producers, ..Default::default() }
        }
        Err(error_code) => PartitionResponse {
            partition_index,
            error_code,
            error_message: Some(StrBytes::copied(error_code.message())),
            ..Default::default()
        },
    }
}

fn producers(
    ctx: &Ctx,
    topic: &str,
    index: PartitionIndex,
) -> Result<Vec<ProducerState>, ErrorCode> {
    let partition = ctx.partition(Operation::Read, topic, index);
    if partition.is_err() && !topics::is_valid_name(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let partition = partition?;
    partition.check_leader(LeaderEpoch(-1))?;
    let producers = partition.log().producers();
    let states = producers.into_iter().map(|(producer_id, producer)| ProducerState {
        producer_id,
        producer_epoch: i32::from(producer.epoch.0),
        last_sequence: producer.last().map_or(-1, |last| last.last_sequence),
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.unwrap_or(Offset(-1)),
        ..Default::default()
    });
    Ok(states.collect())
}
