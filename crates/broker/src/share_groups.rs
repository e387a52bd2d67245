//! Between the coordinator of a share group and the share coordinator: states are begun and deleted
//! as the group's decisions say, and the group hears what came of it.
//!
//! Must hold: a partition counts as initialized only when its state was written.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_groups::Initialize;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::{
    DeleteShareGroupStateRequest, InitializeShareGroupStateRequest,
    delete_share_group_state_request as to_delete,
    initialize_share_group_state_request as to_initialize,
};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::context::{Ctx, Rooms, has_partition};

/// How often the share coordinator is asked while it is being made or loads.
const TRIES_MAX: u32 = 100;
/// How soon it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Which partitions the cluster has, for the share coordinator.
pub(crate) fn existing(
    rooms: &Rooms,
) -> impl Fn(TopicId, PartitionIndex) -> Result<bool, ErrorCode> + use<> {
    let image = rooms.image.borrow().clone();
    move |topic, index| Ok(has_partition(&image, topic, index))
}

/// The same for whoever asks the share coordinator from outside: brokers alone are told.
pub(crate) fn told_to(
    ctx: &Ctx,
) -> impl Fn(TopicId, PartitionIndex) -> Result<bool, ErrorCode> + use<> {
    let may = ctx.allows(Operation::ClusterAction, Resource::Cluster);
    let existing = existing(&ctx.rooms);
    move |topic, index| match may {
        true => existing(topic, index),
        false => Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
    }
}

/// Begins states, and tells the group.
///
/// # Errors
/// What the share coordinator says to one of them.
pub(crate) async fn initialize(ctx: &Ctx, initialize: &Initialize) -> Result<(), ErrorCode> {
    let rooms = &ctx.rooms;
    let request = to_request(initialize);
    let mut result = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    for _ in 0..TRIES_MAX {
        let response = rooms.shares.initialize_state(request.clone(), &existing(rooms)).await;
        let codes = response.results.iter().flat_map(|topic| &topic.partitions);
        let refused = codes.map(|it| it.error_code).find(|code| *code != ErrorCode::NONE);
        result = refused.map_or(Ok(()), Err);
        if !result.is_err_and(is_early) {
            break;
        }
        rooms.prepare_share_home();
        rooms.env.sleep(PAUSE).await;
    }
    let noted =
        rooms.groups.share_initialized(ctx.caller(), initialize.clone(), result.is_ok()).await;
    match noted {
        ErrorCode::NONE => result,
        error => Err(error),
    }
}

/// Deletes the states of a group's partitions; answers with the first refusal for each topic.
pub(crate) async fn delete(
    ctx: &Ctx,
    group: &StrBytes,
    places: &BTreeMap<TopicId, Vec<PartitionIndex>>,
) -> BTreeMap<TopicId, ErrorCode> {
    let topics = places.iter().map(|(topic_id, partitions)| to_delete::DeleteStateData {
        topic_id: *topic_id,
        partitions: partitions
            .iter()
            .map(|partition| to_delete::PartitionData {
                partition: *partition,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    let request = DeleteShareGroupStateRequest {
        group_id: group.clone(),
        topics: topics.collect(),
        ..Default::default()
    };
    let response = ctx.rooms.shares.delete_state(request, &existing(&ctx.rooms)).await;
    let results = response.results.iter().map(|topic| {
        let mut codes = topic.partitions.iter().map(|it| it.error_code);
        let refused = codes.find(|code| *code != ErrorCode::NONE);
        (topic.topic_id, refused.unwrap_or(ErrorCode::NONE))
    });
    results.collect()
}

/// Whether the share coordinator is to be asked again: it is being made, loads or moves.
pub(crate) fn is_early(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    )
}

fn to_request(initialize: &Initialize) -> InitializeShareGroupStateRequest {
    let topics = initialize.places.iter().map(|(topic_id, partitions)| {
        let partitions = partitions.iter().map(|(partition, start)| to_initialize::PartitionData {
            partition: *partition,
            state_epoch: initialize.epoch.0,
            start_offset: *start,
            ..Default::default()
        });
        let partitions = partitions.collect();
        to_initialize::InitializeStateData { topic_id: *topic_id, partitions, ..Default::default() }
    });
    InitializeShareGroupStateRequest {
        group_id: initialize.group.clone(),
        topics: topics.collect(),
        ..Default::default()
    }
}
