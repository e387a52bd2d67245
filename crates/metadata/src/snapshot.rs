//! The records that tell a whole image: what a snapshot holds between its header and footer.
//!
//! Must hold: replaying them into an empty image gives an equal one.

use ottla_wire::messages::{ProducerIdsRecord, TopicRecord, ZkMigrationStateRecord};
use ottla_wire::{BrokerId, ProducerId};

use crate::bootstrap::feature_records;
use crate::features::MetadataVersion;
use crate::image::Image;
use crate::record::MetadataRecord;

impl Image {
    /// The records that replay into an image equal to this one, in Kafka's order: features
    /// (`metadata.version` first), nodes, topics, configs, quotas, producer ids, ACLs, SCRAM
    /// credentials, delegation tokens.
    ///
    /// An open metadata transaction is not in them: a snapshot is taken of the state before one.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let mut records = feature_records(self.features());
        let level = self.features().metadata_version();
        records.extend(self.brokers().map(|broker| broker.record().into()));
        if level >= MetadataVersion::CONTROLLER_REGISTRATION {
            records.extend(self.controllers().map(|controller| controller.record().into()));
        }
        self.topic_records(&mut records);
        records.extend(self.all_configs().records().map(MetadataRecord::from));
        records.extend(self.security().quota_records());
        if self.next_producer_id() > ProducerId(0) {
            records.push(
                ProducerIdsRecord {
                    broker_id: BrokerId(-1),
                    next_producer_id: self.next_producer_id(),
                    ..Default::default()
                }
                .into(),
            );
        }
        let security = self.security();
        records.extend(security.acls.values().cloned().map(MetadataRecord::from));
        records.extend(security.credentials.values().cloned().map(MetadataRecord::from));
        records.extend(security.tokens.values().cloned().map(MetadataRecord::from));
        if self.zk_migration_state() != 0 {
            let zk_migration_state = self.zk_migration_state();
            records
                .push(ZkMigrationStateRecord { zk_migration_state, ..Default::default() }.into());
        }
        records
    }

    fn topic_records(&self, records: &mut Vec<MetadataRecord>) {
        for topic in self.topics().iter() {
            let (name, topic_id) = (topic.name.clone(), topic.id);
            records.push(TopicRecord { name, topic_id, ..Default::default() }.into());
            let partitions = topic.partitions.iter();
            records.extend(
                partitions.map(|(index, partition)| partition.record(topic.id, *index).into()),
            );
        }
    }
}
