//! The records of share groups in `__consumer_offsets`: types 10 to 15.
//!
//! Not here: the states of share partitions, which stand in `__share_group_state` (share).

use std::sync::Arc;

use ottla_wire::messages::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
};

use crate::kinds::entries;

entries! {
    /// What a record of a share group says; without value it takes that back.
    ShareEntry of Share, ended by Epoch {
        /// A member, as it says of itself.
        10 Member(ShareGroupMemberMetadataKey.member_id) => Arc<ShareGroupMemberMetadataValue>;
        /// The group's epoch, and the hash of its topics.
        11 Epoch(ShareGroupMetadataKey) => Arc<ShareGroupMetadataValue>;
        /// The group's epoch that targets are for.
        12 TargetEpoch(ShareGroupTargetAssignmentMetadataKey)
            => Arc<ShareGroupTargetAssignmentMetadataValue>;
        /// What a member shall have.
        13 Target(ShareGroupTargetAssignmentMemberKey.member_id)
            => Arc<ShareGroupTargetAssignmentMemberValue>;
        /// What a member has.
        14 Current(ShareGroupCurrentMemberAssignmentKey.member_id)
            => Arc<ShareGroupCurrentMemberAssignmentValue>;
        /// Which partitions have a state at the share coordinator.
        15 States(ShareGroupStatePartitionMetadataKey)
            => Arc<ShareGroupStatePartitionMetadataValue>;
    }
}
