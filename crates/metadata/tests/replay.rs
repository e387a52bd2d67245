//! Random records by seed: the image is what its records say, and knows what changed.

#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_machine::kit::Kit;
use ottla_machine::{Decided, Prng};
use ottla_metadata::{Image, MetadataRecord};
use ottla_wire::messages::{
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord,
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord, FenceBrokerRecord, NoOpRecord,
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord, UnregisterControllerRecord, UserScramCredentialRecord,
    ZkMigrationStateRecord, client_quota_record::EntityData,
};
use ottla_wire::{
    BrokerEpoch, BrokerId, DirectoryId, LeaderEpoch, Offset, PartitionEpoch, PartitionIndex,
    ProducerId, StrBytes, TopicId, Uuid,
};

/// Draws small values, so that records meet each other.
struct Draw(Prng);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }
    fn text(&mut self, kind: &str) -> StrBytes {
        StrBytes::from(format!("{kind}{}", self.below(4)))
    }
    fn broker(&mut self) -> BrokerId {
        BrokerId(i32::try_from(self.below(3)).unwrap())
    }
    fn brokers(&mut self) -> Vec<BrokerId> {
        (0..self.below(3)).map(|_| self.broker()).collect()
    }
    fn some_brokers(&mut self) -> Option<Vec<BrokerId>> {
        (self.below(2) == 0).then(|| self.brokers())
    }
    fn epoch(&mut self) -> BrokerEpoch {
        BrokerEpoch(i64::try_from(self.below(2)).unwrap())
    }
    fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(self.below(4) as u128 + 10)
    }
    fn topic_id(&mut self) -> TopicId {
        TopicId(self.uuid())
    }
    fn index(&mut self) -> PartitionIndex {
        PartitionIndex(i32::try_from(self.below(3)).unwrap())
    }
    fn level(&mut self, end: usize) -> i8 {
        i8::try_from(self.below(end)).unwrap()
    }

    fn node(&mut self) -> MetadataRecord {
        match self.below(7) {
            0 | 1 => RegisterBrokerRecord {
                broker_id: self.broker(),
                broker_epoch: self.epoch(),
                incarnation_id: self.uuid(),
                rack: (self.below(2) == 0).then(|| self.text("rack")),
                log_dirs: vec![DirectoryId(self.uuid())],
                ..Default::default()
            }
            .into(),
            2 => BrokerRegistrationChangeRecord {
                broker_id: self.broker(),
                broker_epoch: self.epoch(),
                fenced: self.level(3) - 1,
                in_controlled_shutdown: self.level(2),
                cordoned_log_dirs: (self.below(2) == 0).then(|| vec![DirectoryId(self.uuid())]),
                ..Default::default()
            }
            .into(),
            3 => UnregisterBrokerRecord {
                broker_id: self.broker(),
                broker_epoch: self.epoch(),
                ..Default::default()
            }
            .into(),
            4 => FenceBrokerRecord { id: self.broker(), epoch: self.epoch(), ..Default::default() }
                .into(),
            5 => {
                UnfenceBrokerRecord { id: self.broker(), epoch: self.epoch(), ..Default::default() }
                    .into()
            }
            _ if self.below(3) == 0 => {
                UnregisterControllerRecord { controller_id: self.broker(), ..Default::default() }
                    .into()
            }
            _ => RegisterControllerRecord { controller_id: self.broker(), ..Default::default() }
                .into(),
        }
    }

    fn topic(&mut self) -> MetadataRecord {
        match self.below(8) {
            0 => {
                let topic_id = self.topic_id();
                let name = StrBytes::from(format!("topic.{topic_id}"));
                TopicRecord { name, topic_id, ..Default::default() }.into()
            }
            1 if self.below(3) == 0 => {
                RemoveTopicRecord { topic_id: self.topic_id(), ..Default::default() }.into()
            }
            2 => ClearElrRecord {
                topic_name: match self.below(2) {
                    0 => StrBytes::default(),
                    _ => StrBytes::from(format!("topic.{}", self.topic_id())),
                },
                ..Default::default()
            }
            .into(),
            3 | 4 => PartitionRecord {
                partition_id: self.index(),
                topic_id: self.topic_id(),
                replicas: vec![BrokerId(0), BrokerId(1)],
                isr: self.brokers(),
                leader: self.broker(),
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                directories: vec![DirectoryId(self.uuid()), DirectoryId::UNASSIGNED],
                ..Default::default()
            }
            .into(),
            _ => PartitionChangeRecord {
                partition_id: self.index(),
                topic_id: self.topic_id(),
                isr: self.some_brokers(),
                leader: BrokerId(i32::try_from(self.below(5)).unwrap() - 2),
                replicas: self.some_brokers(),
                adding_replicas: self.some_brokers(),
                removing_replicas: self.some_brokers(),
                leader_recovery_state: self.level(3) - 1,
                eligible_leader_replicas: self.some_brokers(),
                last_known_elr: self.some_brokers(),
                ..Default::default()
            }
            .into(),
        }
    }

    fn user(&mut self) -> MetadataRecord {
        match self.below(7) {
            0 => ClientQuotaRecord {
                entity: vec![EntityData {
                    entity_type: self.text("type"),
                    entity_name: (self.below(2) == 0).then(|| self.text("name")),
                    ..Default::default()
                }],
                key: self.text("key"),
                value: 1.5,
                remove: self.below(3) == 0,
                ..Default::default()
            }
            .into(),
            1 => AccessControlEntryRecord {
                id: self.uuid(),
                principal: self.text("User:"),
                ..Default::default()
            }
            .into(),
            2 => RemoveAccessControlEntryRecord { id: self.uuid(), ..Default::default() }.into(),
            3 => UserScramCredentialRecord {
                name: self.text("user"),
                mechanism: self.level(2) + 1,
                iterations: 4096,
                ..Default::default()
            }
            .into(),
            4 => RemoveUserScramCredentialRecord {
                name: self.text("user"),
                mechanism: self.level(2) + 1,
                ..Default::default()
            }
            .into(),
            5 => {
                DelegationTokenRecord { token_id: self.text("token"), ..Default::default() }.into()
            }
            _ => RemoveDelegationTokenRecord { token_id: self.text("token"), ..Default::default() }
                .into(),
        }
    }

    fn record(&mut self) -> MetadataRecord {
        match self.below(12) {
            0 | 1 => self.node(),
            2..=5 => self.topic(),
            6 => self.user(),
            7 | 8 => ConfigRecord {
                resource_type: 1 << (1 + self.below(2)),
                resource_name: self.text("resource"),
                name: self.text("config"),
                value: (self.below(3) > 0).then(|| self.text("value")),
                ..Default::default()
            }
            .into(),
            9 => FeatureLevelRecord {
                name: self.text("feature"),
                feature_level: i16::from(self.level(3)),
                ..Default::default()
            }
            .into(),
            10 => match self.below(2) {
                0 => ProducerIdsRecord {
                    next_producer_id: ProducerId(i64::try_from(self.below(5000)).unwrap()),
                    ..Default::default()
                }
                .into(),
                _ => ZkMigrationStateRecord {
                    zk_migration_state: self.level(3),
                    ..Default::default()
                }
                .into(),
            },
            _ => NoOpRecord::default().into(),
        }
    }
}

fn copied(image: &Image) -> Image {
    let mut copy = Image::default();
    for (at, record) in (0..).zip(image.records()) {
        copy.apply(Offset(at), &record);
    }
    copy
}

#[test]
fn random_records_replay_roll_back_and_come_back_from_a_snapshot() {
    for seed in 0..40 {
        let mut draw = Draw(Prng::new(seed));
        let mut kit: Kit<Image, ()> = Kit::default();
        // Levels above 3.7 keep controllers in snapshots.
        let version = FeatureLevelRecord {
            name: "metadata.version".into(),
            feature_level: 33,
            ..Default::default()
        };
        kit.decide(Decided { records: vec![version.into()], ..Decided::default() });
        for _ in 0..120 {
            let before = kit.live().clone();
            let records: Vec<MetadataRecord> = (0..draw.below(4)).map(|_| draw.record()).collect();
            let decided = Decided { records, ..Decided::default() };
            if draw.below(4) == 0 {
                kit.append(decided);
                kit.rollback();
                assert_eq!(kit.live(), &before);
                assert_eq!(kit.live().provenance(), before.provenance());
                continue;
            }
            kit.decide(decided);
            let after = kit.live();
            assert_eq!(&copied(after), after, "seed {seed}");
            let changes = after.changes_since(&before);
            let zk_only = copied(&before).changes_since(after).is_empty();
            assert_eq!(changes.is_empty(), zk_only, "seed {seed}");
            for topic in after.topics().iter() {
                let old = before.topic(topic.id);
                for (index, partition) in topic.partitions.iter() {
                    let same = old.and_then(|old| old.partitions.get(index)) == Some(partition);
                    let told = changes.partitions(after).any(|at| at == (topic.id, *index));
                    assert_eq!(told, !same, "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn a_transaction_takes_effect_at_its_end_and_leaves_nothing_when_aborted() {
    let mut draw = Draw(Prng::new(5));
    let records: Vec<MetadataRecord> = (0..200).map(|_| draw.record()).collect();
    let mut plain: Kit<Image, ()> = Kit::default();
    plain.decide(Decided { records: records.clone(), ..Decided::default() });

    let mut kit: Kit<Image, ()> = Kit::default();
    let mut append = |records: Vec<MetadataRecord>| {
        kit.decide(Decided { records, ..Decided::default() });
        kit.live().clone()
    };
    append(vec![BeginTransactionRecord::default().into()]);
    let open = append(records.clone());
    assert_eq!(open.transaction_begun_at(), Some(Offset(0)));
    assert!(open.records().is_empty());
    let aborted = append(vec![AbortTransactionRecord::default().into()]);
    assert_eq!(aborted, Image::default());

    append(vec![BeginTransactionRecord::default().into()]);
    append(records);
    assert_eq!(&append(vec![EndTransactionRecord::default().into()]), plain.live());
}

#[test]
fn partitions_that_are_alike_are_kept_once_and_change_one_by_one() {
    let mut image = Image::default();
    let id = TopicId(Uuid::from_u128(7));
    let topic = TopicRecord { name: "many".into(), topic_id: id, ..Default::default() };
    image.apply(Offset(0), &topic.into());
    let partition = |index| PartitionRecord {
        topic_id: id,
        partition_id: PartitionIndex(index),
        replicas: vec![BrokerId(1)],
        isr: vec![BrokerId(1)],
        leader: BrokerId(1),
        ..Default::default()
    };
    for index in 0..100 {
        image.apply(Offset(1 + i64::from(index)), &partition(index).into());
    }
    let kept = |image: &Image| {
        let topic = image.topic(id).expect("it was created");
        let each = topic.partitions.values().map(|partition| Arc::as_ptr(partition) as usize);
        each.collect::<BTreeSet<usize>>().len()
    };
    assert_eq!(kept(&image), 1);
    let change = PartitionChangeRecord {
        topic_id: id,
        partition_id: PartitionIndex(40),
        leader: BrokerId(-1),
        ..Default::default()
    };
    image.apply(Offset(101), &change.into());
    assert_eq!(kept(&image), 2);
    let topic = image.topic(id).expect("it was created");
    let led = topic.partitions.values().filter(|partition| partition.leader.is_some());
    assert_eq!(led.count(), 99);
}
