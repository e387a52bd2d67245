//! DescribeGroups, ListGroups and DeleteGroups: questions about several groups.
//!
//! Every group is asked for at its own coordinator, the list at all shards of this broker.
//! Not here: authorized operations, which the caller fills in.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_groups::{GroupReply, Groups};
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, once, only};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: only!(GroupReply::Describe),
    refused: |group, error_code| DescribedGroup {
        error_code,
        group_id: group.clone(),
        ..DescribedGroup::default()
    },
};

/// The groups of one shard, or why it cannot tell.
type Listed = Result<Vec<ListedGroup>, ErrorCode>;

const LIST: Shape<Arc<ListGroupsRequest>, Listed> =
    Shape { take: only!(GroupReply::List(groups) => Ok(groups)), refused: |_, error| Err(error) };

const DELETE: Shape<StrBytes, DeletableGroupResult> = Shape {
    take: only!(GroupReply::Delete),
    refused: |group, error_code| DeletableGroupResult {
        group_id: group.clone(),
        error_code,
        ..DeletableGroupResult::default()
    },
};

impl Coordinator<Groups> {
    /// DescribeGroups, v0 to v6. A group that is named twice is described once.
    pub fn describe_groups(
        &self,
        caller: Caller,
        version: i16,
        request: DescribeGroupsRequest,
    ) -> Answer<DescribeGroupsResponse> {
        let described = once(request.groups).map(|group| {
            let (shard, by) = (self.shared.shard_of(&group), (caller.clone(), version));
            let cost = Groups::cost_of_members;
            self.ask_at(shard, by, group, &DESCRIBE, cost, |groups, soft, ask, group| {
                groups.describe(soft, ask, group)
            })
        });
        Answer::all(described.collect())
            .map(|groups| DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() })
    }

    /// ListGroups, v0 to v5: the groups that this broker coordinates.
    pub fn list_groups(
        &self,
        caller: Caller,
        version: i16,
        request: ListGroupsRequest,
    ) -> Answer<ListGroupsResponse> {
        let request = Arc::new(request);
        let listed = self.shared.shards().into_iter().map(|shard| {
            let (by, request) = ((caller.clone(), version), request.clone());
            let cost = |groups: &Groups, _: &_| groups.len();
            self.ask_at(Ok(shard), by, request, &LIST, cost, |groups, soft, ask, request| {
                groups.list(soft, ask, request)
            })
        });
        Answer::all(listed.collect()).map(|shards| {
            let mut response = ListGroupsResponse::default();
            for listed in shards {
                match listed {
                    Ok(groups) => response.groups.extend(groups),
                    // Its groups are another broker's to list.
                    Err(ErrorCode::NOT_COORDINATOR) => {}
                    Err(error_code) => {
                        return ListGroupsResponse { error_code, ..ListGroupsResponse::default() };
                    }
                }
            }
            response
        })
    }

    /// DeleteGroups, v0 to v3.
    pub fn delete_groups(
        &self,
        caller: Caller,
        version: i16,
        request: DeleteGroupsRequest,
    ) -> Answer<DeleteGroupsResponse> {
        // A name that comes twice is answered once.
        let names: BTreeSet<StrBytes> = request.groups_names.into_iter().collect();
        let deleted = names.into_iter().map(|group| {
            let (shard, by) = (self.shared.shard_of(&group), (caller.clone(), version));
            let cost = |groups: &Groups, group: &StrBytes| groups.cost_of_offsets(group);
            self.ask_at(shard, by, group, &DELETE, cost, |groups, soft, ask, group| {
                groups.delete(soft, ask, group)
            })
        });
        Answer::all(deleted.collect())
            .map(|results| DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() })
    }
}
