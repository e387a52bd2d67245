//! About how many things a decision looks at, for a host that takes long ones elsewhere.
//!
//! A guess from what is at hand: members, and what they have. Must hold: it costs next to nothing
//! itself, and a heartbeat at rest costs nothing.

use ottla_wire::messages::{
    ConsumerGroupHeartbeatRequest, ShareGroupHeartbeatRequest, StreamsGroupHeartbeatRequest,
};
use ottla_wire::{MemberEpoch, StrBytes};

use crate::Groups;
use crate::state::Group;

impl Groups {
    /// Of ConsumerGroupHeartbeat: a member that only says that it is there looks at itself, while
    /// no assignment is due; any other looks at all of its group.
    pub fn cost_of_consumer_heartbeat(&self, request: &ConsumerGroupHeartbeatRequest) -> usize {
        let Some(group) = self.group(&request.group_id) else { return 0 };
        let is_still = is_still(request.member_epoch)
            && request.subscribed_topic_names.is_none()
            && request.subscribed_topic_regex.is_none();
        let consumers = group.kinds.consumers.as_ref();
        match consumers.is_some_and(|it| is_still && !it.epochs().is_ahead()) {
            true => 0,
            false => members(group),
        }
    }

    /// Of ShareGroupHeartbeat, in the same way.
    pub fn cost_of_share_heartbeat(&self, request: &ShareGroupHeartbeatRequest) -> usize {
        let Some(group) = self.group(&request.group_id) else { return 0 };
        let is_still = is_still(request.member_epoch) && request.subscribed_topic_names.is_none();
        let shares = group.kinds.shares.as_ref();
        match shares.is_some_and(|it| is_still && !it.epochs().is_ahead()) {
            true => 0,
            false => members(group),
        }
    }

    /// Of StreamsGroupHeartbeat, in the same way; a topology is looked at part by part.
    pub fn cost_of_streams_heartbeat(&self, request: &StreamsGroupHeartbeatRequest) -> usize {
        let said = request.topology.as_ref().map_or(0, |topology| topology.subtopologies.len());
        let Some(group) = self.group(&request.group_id) else { return said };
        let is_still = is_still(request.member_epoch) && request.topology.is_none();
        let streams = group.kinds.streams.as_ref();
        match streams.is_some_and(|it| is_still && !it.epochs().is_ahead()) {
            true => 0,
            false => said + members(group),
        }
    }

    /// Of what looks at all members of a group, and at what they have.
    pub fn cost_of_members(&self, group: &StrBytes) -> usize {
        self.group(group).map_or(0, members)
    }

    /// Of what looks at all that a group has committed.
    pub fn cost_of_offsets(&self, group: &StrBytes) -> usize {
        let Some(group) = self.group(group) else { return 0 };
        group.offsets.topics().map(|(_, partitions)| partitions.len()).sum()
    }
}

/// Whether a heartbeat neither joins nor leaves.
fn is_still(epoch: MemberEpoch) -> bool {
    epoch.0 > 0
}

fn members(group: &Group) -> usize {
    let classic = group.metadata.as_ref().map_or(0, |metadata| metadata.members.len());
    let consumers = group.kinds.consumers.as_ref().map_or(0, |it| it.members().len() + it.held());
    let shares = group.kinds.shares.as_ref().map_or(0, |it| it.members().len() + it.states().len());
    let streams = group.kinds.streams.as_ref().map_or(0, |it| it.members().len() + it.parts());
    classic + consumers + shares + streams
}
