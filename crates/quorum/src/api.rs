//! Table: the APIs of the controller listener, one row each, one file each in `handlers/`.
//!
//! ApiVersions derives from it. What has no row is not served and not announced; an API or a
//! version gets its row only when it works. A forwarded API may come inside an Envelope.
//! Must hold: rows are sorted by key, and their versions lie within what `wire` can read.

use std::ops::RangeInclusive;

use ottla_net::Outcome;
use ottla_wire::{ApiKey, Reader};

use crate::answer::answered;
use crate::context::Ctx;
use crate::handlers::*;

/// One API of the controller listener.
pub struct Api {
    /// Which one.
    pub key: ApiKey,
    /// The versions that are served, all of them announced.
    pub versions: RangeInclusive<i16>,
    /// Whether brokers pass it on for their clients, inside an Envelope.
    pub forwarded: bool,
    /// Decodes, handles, encodes.
    pub(crate) start: fn(&Ctx, Reader) -> Outcome,
}

/// Comes from nodes of the cluster, or from clients of the controller listener.
const DIRECT: bool = false;
/// May come inside an Envelope as well.
const FORWARDED: bool = true;

macro_rules! apis {
    ($($key:ident $versions:expr, $forwarded:ident => $handle:path;)*) => {
        /// Every API that the controller serves, by key.
        pub static APIS: &[Api] = &[$(Api {
            key: ApiKey::$key,
            versions: $versions,
            forwarded: $forwarded,
            start: |ctx, body| answered(ctx, body, $handle),
        },)*];
    };
}

apis! {
    ApiVersions 0..=5, DIRECT => api_versions::handle;
    CreateTopics 2..=7, FORWARDED => create_topics::handle;
    DeleteTopics 1..=6, FORWARDED => delete_topics::handle;
    DescribeAcls 1..=3, FORWARDED => acls::describe;
    CreateAcls 1..=3, FORWARDED => acls::create;
    DeleteAcls 1..=3, FORWARDED => acls::delete;
    DescribeConfigs 1..=4, DIRECT => describe_configs::handle;
    AlterConfigs 0..=2, FORWARDED => alter_configs::handle;
    CreatePartitions 0..=3, FORWARDED => create_partitions::handle;
    CreateDelegationToken 1..=3, FORWARDED => delegation_tokens::create;
    RenewDelegationToken 1..=2, FORWARDED => delegation_tokens::renew;
    ExpireDelegationToken 1..=2, FORWARDED => delegation_tokens::expire;
    DescribeDelegationToken 1..=3, FORWARDED => delegation_tokens::describe;
    ElectLeaders 0..=2, FORWARDED => elect_leaders::handle;
    IncrementalAlterConfigs 0..=1, FORWARDED => incremental_alter_configs::handle;
    AlterPartitionReassignments 0..=1, FORWARDED => alter_partition_reassignments::handle;
    ListPartitionReassignments 0..=0, FORWARDED => list_partition_reassignments::handle;
    AlterClientQuotas 0..=1, FORWARDED => alter_client_quotas::handle;
    DescribeUserScramCredentials 0..=0, DIRECT => describe_user_scram_credentials::handle;
    AlterUserScramCredentials 0..=0, FORWARDED => alter_user_scram_credentials::handle;
    DescribeQuorum 0..=2, FORWARDED => describe_quorum::handle;
    AlterPartition 2..=3, DIRECT => alter_partition::handle;
    UpdateFeatures 0..=2, FORWARDED => update_features::handle;
    Envelope 0..=0, DIRECT => envelope::handle;
    DescribeCluster 0..=2, DIRECT => describe_cluster::handle;
    BrokerRegistration 0..=4, DIRECT => broker_registration::handle;
    BrokerHeartbeat 0..=2, DIRECT => broker_heartbeat::handle;
    UnregisterBroker 0..=0, FORWARDED => unregister_broker::handle;
    AllocateProducerIds 0..=0, DIRECT => allocate_producer_ids::handle;
    ControllerRegistration 0..=0, DIRECT => controller_registration::handle;
    AssignReplicasToDirs 0..=0, DIRECT => assign_replicas_to_dirs::handle;
    UnregisterController 0..=0, FORWARDED => unregister_controller::handle;
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
        }
    }
}
