//! The cluster as all records of the metadata log so far tell it.
//!
//! A clone costs a dozen reference counts: readers hold an `Arc<Image>` while the next one is
//! made. Metadata transactions (KIP-868) take effect at their end: their records wait beside the
//! image until then, and an abort forgets them.
//!
//! Not here: whether a record should have been written. Replay never fails and never decides.

use std::sync::Arc;

use ottla_machine::Machine;
use ottla_wire::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerId, TopicId};

use crate::changes::Changes;
use crate::configs::{Configs, ResourceType};
use crate::features::Features;
use crate::nodes::{Broker, ControllerNode};
use crate::record::MetadataRecord;
use crate::security::Security;
use crate::sorted::SortedMap;
use crate::topics::{Partition, Topic, Topics};

/// The last record that an image contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Its offset, -1 when there is none.
    pub offset: Offset,
    /// The epoch of the batch it came in, as far as the shell told.
    pub epoch: LeaderEpoch,
}

/// The state of the cluster. Equal images say the same, whatever records they came from.
#[derive(Clone, Debug)]
pub struct Image {
    provenance: Provenance,
    features: Arc<Features>,
    brokers: SortedMap<BrokerId, Arc<Broker>>,
    controllers: SortedMap<BrokerId, Arc<ControllerNode>>,
    topics: Topics,
    configs: Configs,
    security: Security,
    next_producer_id: ProducerId,
    zk_migration_state: i8,
    transaction: Option<Transaction>,
}

/// A metadata transaction that has not ended.
#[derive(Clone, Debug, PartialEq)]
struct Transaction {
    begun_at: Offset,
    records: SortedMap<Offset, Arc<MetadataRecord>>,
}

impl Default for Image {
    fn default() -> Self {
        Image {
            provenance: Provenance { offset: Offset(-1), epoch: LeaderEpoch(0) },
            features: Arc::default(),
            brokers: SortedMap::default(),
            controllers: SortedMap::default(),
            topics: Topics::default(),
            configs: Configs::default(),
            security: Security::default(),
            next_producer_id: ProducerId(0),
            zk_migration_state: 0,
            transaction: None,
        }
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.features == other.features
            && self.brokers == other.brokers
            && self.controllers == other.controllers
            && self.topics == other.topics
            && self.configs == other.configs
            && self.security == other.security
            && self.next_producer_id == other.next_producer_id
            && self.zk_migration_state == other.zk_migration_state
            && self.transaction == other.transaction
    }
}

impl Image {
    /// The last record it contains.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Says of which epoch the replayed records are; records themselves do not tell.
    pub fn set_epoch(&mut self, epoch: LeaderEpoch) {
        self.provenance.epoch = epoch;
    }

    /// Says up to where the image goes, after a snapshot was replayed whose records count from 0.
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.provenance = provenance;
    }

    /// The finalised feature levels.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// All registered brokers by id.
    pub fn brokers(&self) -> impl DoubleEndedIterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// How many brokers are registered.
    pub fn broker_count(&self) -> usize {
        self.brokers.len()
    }

    /// The broker with that id.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All registered controllers by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerNode>> {
        self.controllers.values()
    }

    /// The controller with that id.
    pub fn controller(&self, id: BrokerId) -> Option<&Arc<ControllerNode>> {
        self.controllers.get(&id)
    }

    /// All topics.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The topic with that id.
    pub fn topic(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.get(id)
    }

    /// The topic with that name.
    pub fn topic_by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.by_name(name)
    }

    /// The dynamic configs of one resource.
    pub fn configs(
        &self,
        kind: ResourceType,
        name: &str,
    ) -> &std::collections::BTreeMap<String, String> {
        self.configs.get(kind, name)
    }

    /// The dynamic configs of all resources.
    pub fn all_configs(&self) -> &Configs {
        &self.configs
    }

    /// Quotas, ACLs, credentials and tokens.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The first producer id that was never given out.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// Where the open metadata transaction began, if there is one.
    pub fn transaction_begun_at(&self) -> Option<Offset> {
        self.transaction.as_ref().map(|transaction| transaction.begun_at)
    }

    /// What differs between `old` and this image.
    pub fn changes_since(&self, old: &Self) -> Changes {
        Changes::between(old, self)
    }

    pub(crate) fn broker_map(&self) -> &SortedMap<BrokerId, Arc<Broker>> {
        &self.brokers
    }

    pub(crate) fn controller_map(&self) -> &SortedMap<BrokerId, Arc<ControllerNode>> {
        &self.controllers
    }

    pub(crate) fn zk_migration_state(&self) -> i8 {
        self.zk_migration_state
    }

    /// Takes in one record without keeping what takes it back: loading a log or a snapshot.
    pub fn apply(&mut self, at: Offset, record: &MetadataRecord) {
        self.provenance.offset = at;
        match record {
            MetadataRecord::BeginTransaction(_) => {
                let records = SortedMap::default();
                self.transaction = Some(Transaction { begun_at: at, records });
            }
            MetadataRecord::AbortTransaction(_) => self.transaction = None,
            MetadataRecord::EndTransaction(_) => {
                let ended = self.transaction.take();
                for record in ended.iter().flat_map(|ended| ended.records.values()) {
                    self.take_in(record);
                }
            }
            record => match &mut self.transaction {
                Some(open) => {
                    open.records.insert(at, Arc::new(record.clone()));
                }
                None => self.take_in(record),
            },
        }
    }

    fn take_in(&mut self, record: &MetadataRecord) {
        use MetadataRecord as R;
        match record {
            R::RegisterBroker(r) => {
                self.brokers.insert(r.broker_id, Arc::new(Broker::registered(r)));
            }
            R::UnregisterBroker(r) => {
                self.brokers.remove(&r.broker_id);
            }
            R::BrokerRegistrationChange(r) => {
                self.change_broker(r.broker_id, r.broker_epoch, |broker| broker.changed(r));
            }
            R::FenceBroker(r) => self.fence(r.id, r.epoch, true),
            R::UnfenceBroker(r) => self.fence(r.id, r.epoch, false),
            R::RegisterController(r) => {
                let controller = Arc::new(ControllerNode::registered(r));
                self.controllers.insert(r.controller_id, controller);
            }
            R::UnregisterController(r) => {
                self.controllers.remove(&r.controller_id);
            }
            R::Topic(r) => self.topics.create(r),
            R::RemoveTopic(r) => {
                if let Some(name) = self.topics.remove(r.topic_id) {
                    self.configs.remove(ResourceType::TOPIC, &name);
                }
            }
            R::Partition(r) => self.topics.create_partition(r),
            R::PartitionChange(r) => self.topics.change_partition(r),
            R::ClearElr(r) => self.topics.clear_elr(&r.topic_name),
            R::Config(r) => self.configs.change(r),
            R::FeatureLevel(r) => {
                Arc::make_mut(&mut self.features).set(&r.name, r.feature_level);
            }
            R::ProducerIds(r) => self.next_producer_id = r.next_producer_id,
            R::ClientQuota(r) => self.security.change_quota(r),
            R::AccessControlEntry(r) => self.security.add_acl(r),
            R::RemoveAccessControlEntry(r) => {
                self.security.acls.remove(&r.id);
            }
            R::UserScramCredential(r) => self.security.set_credential(r),
            R::RemoveUserScramCredential(r) => self.security.remove_credential(r),
            R::DelegationToken(r) => self.security.set_token(r),
            R::RemoveDelegationToken(r) => {
                self.security.tokens.remove(r.token_id.as_str());
            }
            R::ZkMigrationState(r) => self.zk_migration_state = r.zk_migration_state,
            R::NoOp(_) | R::BeginTransaction(_) | R::EndTransaction(_) | R::AbortTransaction(_) => {
            }
        }
    }

    /// Changes a registration, unless a later one has replaced it.
    fn change_broker(
        &mut self,
        id: BrokerId,
        epoch: BrokerEpoch,
        change: impl FnOnce(&Broker) -> Broker,
    ) {
        if let Some(broker) = self.brokers.value_mut(&id).filter(|broker| broker.epoch == epoch) {
            *broker = Arc::new(change(broker));
        }
    }

    fn fence(&mut self, id: BrokerId, epoch: BrokerEpoch, fenced: bool) {
        self.change_broker(id, epoch, |broker| Broker { fenced, ..broker.clone() });
    }
}

/// What takes one record back.
#[derive(Debug)]
pub enum Undo {
    /// The image before the record: a clone shares all that did not change.
    Whole(Box<Image>),
    /// One partition as it was. A decision may hold a hundred thousand such records: an image for
    /// each would keep what the next one changes, some kilobytes every time.
    Partition {
        /// The last record before.
        provenance: Provenance,
        /// Its topic.
        topic: TopicId,
        /// Its number.
        index: PartitionIndex,
        /// What it was, if it was there.
        was: Option<Arc<Partition>>,
    },
}

impl Machine for Image {
    type Record = MetadataRecord;
    type Undo = Undo;

    fn replay(&mut self, at: Offset, record: &MetadataRecord) -> Undo {
        let of = match record {
            MetadataRecord::Partition(of) => Some((of.topic_id, of.partition_id)),
            MetadataRecord::PartitionChange(of) => Some((of.topic_id, of.partition_id)),
            _ => None,
        };
        let before = match of.filter(|_| self.transaction.is_none()) {
            Some((topic, index)) => Undo::Partition {
                provenance: self.provenance,
                topic,
                index,
                was: self.topic(topic).and_then(|of| of.partitions.get(&index)).cloned(),
            },
            None => Undo::Whole(Box::new(self.clone())),
        };
        self.apply(at, record);
        before
    }

    fn undo(&mut self, before: Undo) {
        match before {
            Undo::Whole(before) => *self = *before,
            Undo::Partition { provenance, topic, index, was } => {
                self.topics.put_back(topic, index, was);
                self.provenance = provenance;
            }
        }
    }
}
