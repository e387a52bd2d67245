//! What a controller does first when it became the active one.
//!
//! On an empty log it writes the records that the cluster was formatted with, in one metadata
//! transaction where the level knows those; on any other it aborts a transaction that its
//! predecessor left open.

use ottla_machine::Decided;
use ottla_metadata::{Features, METADATA_VERSION, MetadataRecord, MetadataVersion, ResourceType};
use ottla_wire::StrBytes;
use ottla_wire::messages::{
    AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord,
};

use crate::config_check::MIN_ISR;
use crate::reply::ControllerReply;
use crate::{Controller, Live};

impl Controller {
    /// Begins to be the active controller: `bootstrap` is what the cluster was formatted with.
    pub fn activate(
        &self,
        live: &mut Live<'_>,
        bootstrap: &[MetadataRecord],
    ) -> Decided<MetadataRecord, ControllerReply> {
        live.soft.begin(live.image, live.now);
        let mut records = Vec::new();
        if live.image.transaction_begun_at().is_some() {
            let reason = Some(StrBytes::from_static("Controller failover"));
            records.push(AbortTransactionRecord { reason, ..Default::default() }.into());
        }
        if live.image.features().level(METADATA_VERSION) == 0 {
            records.extend(self.first_records(bootstrap));
        }
        Decided { records, replies: Vec::new(), wake: Some(self.next_tick(live)) }
    }

    fn first_records(&self, bootstrap: &[MetadataRecord]) -> Vec<MetadataRecord> {
        let mut features = Features::default();
        for record in bootstrap {
            if let MetadataRecord::FeatureLevel(level) = record {
                features.set(&level.name, level.feature_level);
            }
        }
        let in_transaction = features.metadata_version() >= MetadataVersion::TRANSACTIONS;
        let mut records = Vec::with_capacity(bootstrap.len() + 3);
        if in_transaction {
            let name = Some(StrBytes::from_static("Bootstrap records"));
            records.push(BeginTransactionRecord { name, ..Default::default() }.into());
        }
        records.extend_from_slice(bootstrap);
        if features.eligible_leader_replicas() {
            let value = self.settings.log.min_insync_replicas.to_string();
            let record = ConfigRecord {
                resource_type: ResourceType::BROKER.0,
                resource_name: StrBytes::default(),
                name: StrBytes::from_static(MIN_ISR),
                value: Some(StrBytes::from(value)),
                ..Default::default()
            };
            records.push(record.into());
        }
        if in_transaction {
            records.push(EndTransactionRecord::default().into());
        }
        records
    }
}
