//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup.
//!
//! JoinGroup and SyncGroup may wait for other members; everything else is answered at once, but
//! for a log whose commits take time. Not here: the rules, which are those of groups::classic, and
//! of groups::consumer where the group is one of KIP-848.

use ottla_groups::{GroupReply, Groups, Topics};
use ottla_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, only};

const JOIN: Shape<JoinGroupRequest, JoinGroupResponse> = Shape {
    take: only!(GroupReply::Join(response) => *response),
    refused: |request, error_code| JoinGroupResponse {
        error_code,
        // May wait for long: holds no slice of the frame.
        member_id: StrBytes::copied(&request.member_id),
        protocol_name: None,
        ..JoinGroupResponse::default()
    },
};

const SYNC: Shape<SyncGroupRequest, SyncGroupResponse> = Shape {
    take: only!(GroupReply::Sync),
    refused: |_, error_code| SyncGroupResponse { error_code, ..SyncGroupResponse::default() },
};

const HEARTBEAT: Shape<HeartbeatRequest, HeartbeatResponse> = Shape {
    take: only!(GroupReply::Heartbeat),
    refused: |_, error| {
        // A member need not worry while its coordinator loads: its session begins anew.
        let loading = error == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        let error_code = if loading { ErrorCode::NONE } else { error };
        HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
    },
};

const LEAVE: Shape<LeaveGroupRequest, LeaveGroupResponse> = Shape {
    take: only!(GroupReply::Leave),
    refused: |_, error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() },
};

impl Coordinator<Groups> {
    /// JoinGroup, v0 to v9.
    pub fn join_group(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: JoinGroupRequest,
    ) -> Answer<JoinGroupResponse> {
        if request.group_id.is_empty() {
            let refused = (JOIN.refused)(&request, ErrorCode::INVALID_GROUP_ID);
            return Answer::Now(in_version(version, refused));
        }
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost =
            |groups: &Groups, request: &JoinGroupRequest| groups.cost_of_members(&request.group_id);
        let answer =
            self.ask_at(shard, by, request, &JOIN, cost, move |groups, soft, ask, request| {
                groups.join(soft, ask, &topics, request)
            });
        answer.map(move |response| in_version(version, response))
    }

    /// SyncGroup, v0 to v5.
    pub fn sync_group(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: SyncGroupRequest,
    ) -> Answer<SyncGroupResponse> {
        if request.group_id.is_empty() {
            return Answer::Now((SYNC.refused)(&request, ErrorCode::INVALID_GROUP_ID));
        }
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost =
            |groups: &Groups, request: &SyncGroupRequest| groups.cost_of_members(&request.group_id);
        let answer =
            self.ask_at(shard, by, request, &SYNC, cost, move |groups, soft, ask, request| {
                groups.sync(soft, ask, &topics, request)
            });
        answer.map(|mut response| {
            // A coordinator that loads has forgotten the rebalance: the member joins again.
            if response.error_code == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
                response.error_code = ErrorCode::REBALANCE_IN_PROGRESS;
            }
            response
        })
    }

    /// Heartbeat, v0 to v4.
    pub fn heartbeat(
        &self,
        caller: Caller,
        version: i16,
        request: HeartbeatRequest,
    ) -> Answer<HeartbeatResponse> {
        if request.group_id.is_empty() {
            return Answer::Now((HEARTBEAT.refused)(&request, ErrorCode::INVALID_GROUP_ID));
        }
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        self.ask(shard, by, request, &HEARTBEAT, |groups, soft, ask, request| {
            groups.heartbeat(soft, ask, request)
        })
    }

    /// LeaveGroup, v0 to v5.
    pub fn leave_group(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: LeaveGroupRequest,
    ) -> Answer<LeaveGroupResponse> {
        if request.group_id.is_empty() {
            return Answer::Now((LEAVE.refused)(&request, ErrorCode::INVALID_GROUP_ID));
        }
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = |groups: &Groups, request: &LeaveGroupRequest| {
            groups.cost_of_members(&request.group_id)
        };
        self.ask_at(shard, by, request, &LEAVE, cost, move |groups, soft, ask, request| {
            groups.leave(soft, ask, &topics, request)
        })
    }
}

/// Before v7 no protocol is an empty name.
fn in_version(version: i16, mut response: JoinGroupResponse) -> JoinGroupResponse {
    if version < 7 {
        response.protocol_name.get_or_insert_default();
    }
    response
}
