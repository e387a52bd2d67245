//! ShareGroupHeartbeat and ShareGroupDescribe, and what the broker asks the coordinator of a share
//! group about the states of its partitions.
//!
//! Not here: the rules, which are those of groups::share; the states themselves (shares.rs).

use std::collections::BTreeMap;

use ottla_groups::{GroupReply, Groups, Initialize, Places, Topics};
use ottla_wire::messages::share_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    ShareGroupDescribeRequest, ShareGroupDescribeResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, only};

/// An answer, and what is to be initialized before it is given.
type Heard = (ShareGroupHeartbeatResponse, Option<Initialize>);
/// Something of a share group, or a code and its words.
type Told<T> = Result<T, (ErrorCode, String)>;

const HEARTBEAT: Shape<ShareGroupHeartbeatRequest, Heard> = Shape {
    take: only!(GroupReply::ShareHeartbeat(heard) => *heard),
    refused: |_, error_code| {
        (ShareGroupHeartbeatResponse { error_code, ..Default::default() }, None)
    },
};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: only!(GroupReply::ShareDescribe),
    refused: |group, error_code| DescribedGroup {
        group_id: group.clone(),
        error_code,
        error_message: (!group.is_empty()).then(|| error_code.message().into()),
        ..DescribedGroup::default()
    },
};

const NOTED: Shape<Initialize, ErrorCode> =
    Shape { take: only!(GroupReply::ShareNoted), refused: |_, error| error };

const FORGOTTEN: Shape<StrBytes, ErrorCode> =
    Shape { take: only!(GroupReply::ShareNoted), refused: |_, error| error };

const PLACES: Shape<StrBytes, Told<BTreeMap<TopicId, Vec<PartitionIndex>>>> = Shape {
    take: only!(GroupReply::SharePlaces),
    refused: |_, error| Err((error, error.message().to_owned())),
};

const ALTERED: Shape<StrBytes, Told<Initialize>> = Shape {
    take: only!(GroupReply::ShareAltered),
    refused: |_, error| Err((error, error.message().to_owned())),
};

impl Coordinator<Groups> {
    /// ShareGroupHeartbeat, v1.
    pub fn share_heartbeat(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: ShareGroupHeartbeatRequest,
    ) -> Answer<Heard> {
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = Groups::cost_of_share_heartbeat;
        self.ask_at(shard, by, request, &HEARTBEAT, cost, move |groups, soft, ask, request| {
            groups.share_heartbeat(soft, ask, &topics, request)
        })
    }

    /// ShareGroupDescribe, v1.
    pub fn share_describe(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Clone + Send + 'static,
        request: ShareGroupDescribeRequest,
    ) -> Answer<ShareGroupDescribeResponse> {
        let (ids, by) = (request.group_ids, (caller, version));
        let described = self.ask_each(ids, by, &DESCRIBE, move |groups, soft, ask, id| {
            groups.share_describe(soft, ask, &topics, id)
        });
        described.map(|groups| ShareGroupDescribeResponse { groups, ..Default::default() })
    }

    /// The share coordinator has begun the states of these partitions, or has not.
    pub fn share_initialized(
        &self,
        caller: Caller,
        initialize: Initialize,
        is_done: bool,
    ) -> Answer<ErrorCode> {
        let shard = self.shared.shard_of(&initialize.group);
        self.ask(shard, (caller, 0), initialize, &NOTED, move |groups, soft, ask, initialize| {
            groups.share_initialized(soft, ask, initialize, is_done)
        })
    }

    /// The partitions of a share group that have a state; `to_change` asks for those of a group
    /// that nobody is in.
    pub fn share_places(
        &self,
        caller: Caller,
        group: &StrBytes,
        to_change: bool,
    ) -> Answer<Told<BTreeMap<TopicId, Vec<PartitionIndex>>>> {
        let (shard, group) = (self.shared.shard_of(group), group.clone());
        self.ask(shard, (caller, 0), group, &PLACES, move |groups, soft, ask, group| {
            groups.share_places(soft, ask, group, to_change)
        })
    }

    /// Partitions of a share group are to begin elsewhere.
    pub fn share_alter(
        &self,
        caller: Caller,
        group: &StrBytes,
        names: BTreeMap<TopicId, StrBytes>,
        places: Places,
    ) -> Answer<Told<Initialize>> {
        let (shard, group) = (self.shared.shard_of(group), group.clone());
        self.ask(shard, (caller, 0), group, &ALTERED, move |groups, soft, ask, group| {
            groups.share_alter(soft, ask, group, &names, &places)
        })
    }

    /// The states of these topics' partitions are deleted.
    pub fn share_forgotten(
        &self,
        caller: Caller,
        group: &StrBytes,
        topics: Vec<TopicId>,
    ) -> Answer<ErrorCode> {
        let (shard, group) = (self.shared.shard_of(group), group.clone());
        self.ask(shard, (caller, 0), group, &FORGOTTEN, move |groups, soft, ask, group| {
            groups.share_forgotten(soft, ask, group, &topics)
        })
    }
}
