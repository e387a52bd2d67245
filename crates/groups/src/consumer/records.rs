//! The records of KIP-848 groups: types 3 to 8 and 16 of `__consumer_offsets`.
//!
//! A group is written down as its epoch, its members, their targets and what each of them has now;
//! none of these tells the whole. Type 4, which Kafka 4.0 wrote, is kept as its bytes.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};

use crate::kinds::entries;

entries! {
    /// What a record of a KIP-848 group says; without value it takes that back.
    ConsumerEntry of Consumer, ended by Epoch {
        /// The group's epoch and the hash of the topics it was made for.
        3 Epoch(ConsumerGroupMetadataKey) => Arc<ConsumerGroupMetadataValue>;
        /// The topics as Kafka 4.0 wrote them down; of no meaning but to be removed.
        4 PartitionMetadata(ConsumerGroupPartitionMetadataKey) => Bytes;
        /// A member and what it subscribes to.
        5 Member(ConsumerGroupMemberMetadataKey.member_id)
            => Arc<ConsumerGroupMemberMetadataValue>;
        /// For which group epoch the targets are, and when they were computed.
        6 TargetEpoch(ConsumerGroupTargetAssignmentMetadataKey)
            => Arc<ConsumerGroupTargetAssignmentMetadataValue>;
        /// What a member shall have.
        7 Target(ConsumerGroupTargetAssignmentMemberKey.member_id)
            => Arc<ConsumerGroupTargetAssignmentMemberValue>;
        /// What a member has, and where it stands on its way to its target.
        8 Current(ConsumerGroupCurrentMemberAssignmentKey.member_id)
            => Arc<ConsumerGroupCurrentMemberAssignmentValue>;
        /// Which topics a regular expression stands for.
        16 Regex(ConsumerGroupRegularExpressionKey.regular_expression)
            => Arc<ConsumerGroupRegularExpressionValue>;
    }
}
