//! The table of APIs that this broker serves: one row each, one file each in `handlers/`.
//!
//! ApiVersions, the request log and the docs derive from the row. What has no row is not served
//! and not announced; an API or a version gets its row only when it works.
//! Must hold: rows are sorted by key, and their versions lie within what `wire` can read.

use std::ops::RangeInclusive;

use ottla_net::{BoxFuture, Outcome};
use ottla_security::Operation;
use ottla_wire::{ApiKey, messages};

use crate::answer::{Frame, answered};
use crate::context::Ctx;
use crate::forward;
use crate::handlers::*;

/// The kind of thing that an API asks permission for, item by item in its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Topics, by name.
    Topic,
    /// Groups.
    Group,
    /// Transactional ids.
    TransactionalId,
    /// The cluster.
    Cluster,
    /// No permission is needed.
    Nothing,
}

/// One API of the broker listener.
pub struct Api {
    /// Which one.
    pub key: ApiKey,
    /// The versions that are served, whatever the configs say.
    pub versions: RangeInclusive<i16>,
    /// The first version that ApiVersions announces.
    pub announced: i16,
    /// A last version that is not final in Kafka: served with `unstable.api.versions.enable`.
    pub draft: Option<i16>,
    /// What the handler asks for, per item.
    pub needs: (Operation, ResourceKind),
    /// Decodes, handles, encodes.
    pub(crate) start: fn(Ctx, Frame) -> BoxFuture<'static, Outcome>,
}

impl Api {
    /// The last version that is served and announced.
    pub fn last(&self, with_drafts: bool) -> i16 {
        self.draft.filter(|_| with_drafts).unwrap_or(*self.versions.end())
    }
}

macro_rules! apis {
    ($(
        $key:ident $first:literal..$last:literal $(announced $announced:literal)?
        $(draft $draft:literal)?,
        $operation:ident $kind:ident => $($handle:ident)::+ $(<$request:ident>)?;
    )*) => {
        /// Every API that is served, by key.
        pub static APIS: &[Api] = &[$(Api {
            key: ApiKey::$key,
            versions: $first..=$last,
            announced: announced!($first $($announced)?),
            draft: draft!($($draft)?),
            needs: (Operation::$operation, ResourceKind::$kind),
            start: start!($($handle)::+ $(<$request>)?),
        },)*];
    };
}

macro_rules! announced {
    ($first:literal) => {
        $first
    };
    ($first:literal $announced:literal) => {
        $announced
    };
}

macro_rules! draft {
    () => {
        None
    };
    ($draft:literal) => {
        Some($draft)
    };
}

macro_rules! start {
    (forward <$request:ident>) => {
        forward::change::<messages::$request>
    };
    (forward_question <$request:ident>) => {
        forward::question::<messages::$request>
    };
    ($file:ident::handle) => {
        |ctx, frame| answered(ctx, frame, $file::handle)
    };
}

// A row says the first and the last version that are served. Produce is announced from 0, as
// Kafka does: librdkafka otherwise stops compressing (KAFKA-18659).
apis! {
    Produce 3..13 announced 0, Write Topic => produce::handle;
    Fetch 4..18, Read Topic => fetch::handle;
    ListOffsets 1..11, Describe Topic => list_offsets::handle;
    Metadata 0..13, Describe Topic => metadata::handle;
    OffsetCommit 2..10, Read Group => offset_commit::handle;
    OffsetFetch 1..10, Describe Group => offset_fetch::handle;
    FindCoordinator 0..6, Describe Group => find_coordinator::handle;
    JoinGroup 0..9, Read Group => join_group::handle;
    Heartbeat 0..4, Read Group => heartbeat::handle;
    LeaveGroup 0..5, Read Group => leave_group::handle;
    SyncGroup 0..5, Read Group => sync_group::handle;
    DescribeGroups 0..6, Describe Group => describe_groups::handle;
    ListGroups 0..5, Describe Group => list_groups::handle;
    ApiVersions 0..5, Describe Nothing => api_versions::handle;
    CreateTopics 2..7, Create Topic => forward<CreateTopicsRequest>;
    DeleteTopics 1..6, Delete Topic => forward<DeleteTopicsRequest>;
    DeleteRecords 0..2, Delete Topic => delete_records::handle;
    InitProducerId 0..5 draft 6, IdempotentWrite Cluster => init_producer_id::handle;
    OffsetForLeaderEpoch 2..4, Describe Topic => offset_for_leader_epoch::handle;
    AddPartitionsToTxn 0..5, Write TransactionalId => add_partitions_to_txn::handle;
    AddOffsetsToTxn 0..4, Write TransactionalId => add_offsets_to_txn::handle;
    EndTxn 0..5, Write TransactionalId => end_txn::handle;
    WriteTxnMarkers 1..2, ClusterAction Cluster => write_txn_markers::handle;
    TxnOffsetCommit 0..6, Write TransactionalId => txn_offset_commit::handle;
    DescribeAcls 1..3, Describe Cluster => forward_question<DescribeAclsRequest>;
    CreateAcls 1..3, Alter Cluster => forward<CreateAclsRequest>;
    DeleteAcls 1..3, Alter Cluster => forward<DeleteAclsRequest>;
    DescribeConfigs 1..4, DescribeConfigs Cluster => describe_configs::handle;
    AlterConfigs 0..2, AlterConfigs Cluster => forward<AlterConfigsRequest>;
    AlterReplicaLogDirs 1..2, Alter Cluster => alter_replica_log_dirs::handle;
    DescribeLogDirs 1..5, Describe Cluster => describe_log_dirs::handle;
    CreatePartitions 0..3, Alter Topic => forward<CreatePartitionsRequest>;
    CreateDelegationToken 1..3, Describe Nothing => forward<CreateDelegationTokenRequest>;
    RenewDelegationToken 1..2, Describe Nothing => forward<RenewDelegationTokenRequest>;
    ExpireDelegationToken 1..2, Describe Nothing => forward<ExpireDelegationTokenRequest>;
    DescribeDelegationToken 1..3, Describe Nothing =>
        forward_question<DescribeDelegationTokenRequest>;
    DeleteGroups 0..3, Delete Group => delete_groups::handle;
    ElectLeaders 0..2, Alter Cluster => forward<ElectLeadersRequest>;
    IncrementalAlterConfigs 0..1, AlterConfigs Cluster => forward<IncrementalAlterConfigsRequest>;
    AlterPartitionReassignments 0..1, Alter Cluster =>
        forward<AlterPartitionReassignmentsRequest>;
    ListPartitionReassignments 0..0, Describe Cluster =>
        forward_question<ListPartitionReassignmentsRequest>;
    OffsetDelete 0..0, Delete Group => offset_delete::handle;
    DescribeClientQuotas 0..1, DescribeConfigs Cluster => describe_client_quotas::handle;
    AlterClientQuotas 0..1, AlterConfigs Cluster => forward<AlterClientQuotasRequest>;
    DescribeUserScramCredentials 0..0, Describe Cluster =>
        describe_user_scram_credentials::handle;
    AlterUserScramCredentials 0..0, Alter Cluster => forward<AlterUserScramCredentialsRequest>;
    DescribeQuorum 0..2, Describe Cluster => forward_question<DescribeQuorumRequest>;
    UpdateFeatures 0..2, Alter Cluster => forward<UpdateFeaturesRequest>;
    DescribeCluster 0..2, Describe Cluster => describe_cluster::handle;
    DescribeProducers 0..0, Read Topic => describe_producers::handle;
    UnregisterBroker 0..0, Alter Cluster => forward<UnregisterBrokerRequest>;
    DescribeTransactions 0..0, Describe TransactionalId => describe_transactions::handle;
    ListTransactions 0..2, Describe TransactionalId => list_transactions::handle;
    ConsumerGroupHeartbeat 0..1, Read Group => consumer_group_heartbeat::handle;
    ConsumerGroupDescribe 0..1, Describe Group => consumer_group_describe::handle;
    GetTelemetrySubscriptions 0..0, Describe Nothing => get_telemetry_subscriptions::handle;
    PushTelemetry 0..0, Describe Nothing => push_telemetry::handle;
    ListConfigResources 0..1, DescribeConfigs Cluster => list_config_resources::handle;
    DescribeTopicPartitions 0..0, Describe Topic => describe_topic_partitions::handle;
    ShareGroupHeartbeat 1..1, Read Group => share_group_heartbeat::handle;
    ShareGroupDescribe 1..1, Describe Group => share_group_describe::handle;
    ShareFetch 1..2, Read Group => share_fetch::handle;
    ShareAcknowledge 1..2, Read Group => share_acknowledge::handle;
    InitializeShareGroupState 0..0, ClusterAction Cluster => initialize_share_group_state::handle;
    ReadShareGroupState 0..0, ClusterAction Cluster => read_share_group_state::handle;
    WriteShareGroupState 0..1, ClusterAction Cluster => write_share_group_state::handle;
    DeleteShareGroupState 0..0, ClusterAction Cluster => delete_share_group_state::handle;
    ReadShareGroupStateSummary 0..1, ClusterAction Cluster => summarize_share_group_state::handle;
    StreamsGroupHeartbeat 0..1, Read Group => streams_group_heartbeat::handle;
    StreamsGroupDescribe 0..1, Describe Group => streams_group_describe::handle;
    DescribeShareGroupOffsets 0..1, Describe Group => describe_share_group_offsets::handle;
    AlterShareGroupOffsets 0..0, Read Group => alter_share_group_offsets::handle;
    DeleteShareGroupOffsets 0..0, Delete Group => delete_share_group_offsets::handle;
}

/// The row of an API, if it is served.
pub fn api(key: ApiKey) -> Option<&'static Api> {
    APIS.binary_search_by_key(&(key as i16), |api| api.key as i16).ok().map(|row| &APIS[row])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_within_what_wire_reads() {
        assert!(APIS.is_sorted_by_key(|api| api.key as i16));
        for api in APIS {
            let readable = ottla_wire::registry::api_info(api.key).versions;
            let name = api.key.name();
            assert!(readable.contains(*api.versions.start()), "{name}");
            assert!(readable.contains(*api.versions.end()), "{name}");
            assert!(api.announced <= *api.versions.start(), "{name}");
            assert!(readable.contains(api.last(true)), "{name}");
            assert!(api.draft.is_none_or(|draft| draft == api.versions.end() + 1), "{name}");
        }
    }
}
