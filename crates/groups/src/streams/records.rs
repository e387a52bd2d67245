//! The records of streams groups in `__consumer_offsets`: types 17 and 19 to 23.
//!
//! Type 18, which no release of Kafka has written, is kept as an unknown one.

use std::sync::Arc;

use ottla_wire::messages::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
};

use crate::kinds::entries;

entries! {
    /// What a record of a streams group says; without value it takes that back.
    StreamsEntry of Streams, ended by Epoch {
        /// The group's epoch, and what its last assignment went by.
        17 Epoch(StreamsGroupMetadataKey) => Arc<StreamsGroupMetadataValue>;
        /// A member, as it says of itself.
        19 Member(StreamsGroupMemberMetadataKey.member_id) => Arc<StreamsGroupMemberMetadataValue>;
        /// The group's epoch that targets are for.
        20 TargetEpoch(StreamsGroupTargetAssignmentMetadataKey)
            => Arc<StreamsGroupTargetAssignmentMetadataValue>;
        /// The tasks that a member shall have.
        21 Target(StreamsGroupTargetAssignmentMemberKey.member_id)
            => Arc<StreamsGroupTargetAssignmentMemberValue>;
        /// The tasks that a member has, and where it stands on its way to its target.
        22 Current(StreamsGroupCurrentMemberAssignmentKey.member_id)
            => Arc<StreamsGroupCurrentMemberAssignmentValue>;
        /// What the application does, as its first member said.
        23 Topology(StreamsGroupTopologyKey) => Arc<StreamsGroupTopologyValue>;
    }
}
