//! What becomes of partitions when a broker leaves, comes back, or loses a directory.
//!
//! Every partition of the cluster is looked at, which is fast enough for an event that is rare.

use ottla_metadata::{Image, MetadataRecord, MetadataVersion, Partition, ResourceType, Topic};
use ottla_settings::Settings;
use ottla_wire::{BrokerId, DirectoryId, PartitionIndex};

use crate::election::{Change, Election, Rules};

/// Why a broker is no longer in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It stops, was fenced, or restarted after it had stopped cleanly: its log is whole.
    Whole,
    /// It restarted after a crash: what it had not synced may be gone.
    Unclean,
}

/// The cluster as elections see it, with what the same decision changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Electorate<'a> {
    pub(crate) image: &'a Image,
    pub(crate) settings: &'a Settings,
    /// This broker may not lead, whatever the image says.
    pub(crate) without: Option<BrokerId>,
    /// This broker may lead, though the image has it fenced.
    pub(crate) with: Option<BrokerId>,
}

impl<'a> Electorate<'a> {
    pub(crate) fn new(image: &'a Image, settings: &'a Settings) -> Self {
        Electorate { image, settings, without: None, with: None }
    }

    /// Whether a broker may lead a partition, by what is known of it and its directory.
    pub(crate) fn can_lead(&self, id: BrokerId, partition: &Partition) -> bool {
        let Some(broker) = self.image.broker(id).filter(|_| self.without != Some(id)) else {
            return false;
        };
        let directory = partition.directory(id).unwrap_or(DirectoryId::UNASSIGNED);
        (broker.is_active() || self.with == Some(id)) && broker.has_directory(directory)
    }

    /// What holds for a topic's partitions.
    pub(crate) fn rules(&self, topic: &str) -> Rules {
        let features = self.image.features();
        let own = self.image.configs(ResourceType::TOPIC, topic);
        let for_all = self.image.configs(ResourceType::BROKER, "");
        let text = |key: &str| own.get(key).or_else(|| for_all.get(key)).map(|text| text.trim());
        let isr_min = text("min.insync.replicas").and_then(|text| text.parse().ok());
        let unclean = text("unclean.leader.election.enable");
        Rules {
            keeps_elr: features.eligible_leader_replicas(),
            isr_min: isr_min.unwrap_or_else(|| {
                usize::try_from(self.settings.log.min_insync_replicas).unwrap_or(1)
            }),
            bumps_on_shrink: features.metadata_version() < MetadataVersion::NO_EPOCH_BUMP_ON_SHRINK,
            allows_unclean: unclean
                .map_or(self.settings.replication.unclean_leader_election_enable, |text| {
                    text.eq_ignore_ascii_case("true")
                }),
        }
    }

    /// The record of a change, elected by the topic's rules.
    pub(crate) fn decide(&self, topic: &Topic, change: Change<'_>) -> Option<MetadataRecord> {
        let mut change = change;
        let rules = self.rules(&topic.name);
        if rules.allows_unclean && change.election == Election::Clean {
            change.election = Election::Unclean;
        }
        let partition = change.next.clone();
        change.record(rules, |id| self.can_lead(id, &partition)).map(MetadataRecord::from)
    }

    fn each(
        &self,
        mut change: impl FnMut(&Topic, PartitionIndex, &Partition) -> Option<MetadataRecord>,
    ) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for topic in self.image.topics().iter() {
            let partitions = topic.partitions.iter();
            records.extend(
                partitions.filter_map(|(index, partition)| change(topic, *index, partition)),
            );
        }
        records
    }

    /// Takes `broker` out of every ISR and gives its partitions to others.
    pub(crate) fn leave(mut self, broker: BrokerId, how: Leave) -> Vec<MetadataRecord> {
        self.without = Some(broker);
        self.each(|topic, index, partition| {
            let is_in = partition.isr.contains(&broker) || partition.leader == Some(broker);
            let is_eligible = how == Leave::Unclean && partition.elr.contains(&broker);
            if !is_in && !is_eligible {
                return None;
            }
            let mut change = Change::new(topic.id, index, partition);
            change.next.isr.retain(|id| *id != broker);
            if how == Leave::Unclean {
                change.uncleanly_restarted = Some(broker);
                change.next.elr.retain(|id| *id != broker);
            }
            self.decide(topic, change)
        })
    }

    /// Elects for partitions without a leader, now that `broker` is there.
    pub(crate) fn come_back(mut self, broker: BrokerId) -> Vec<MetadataRecord> {
        self.with = Some(broker);
        self.each(|topic, index, partition| {
            if partition.leader.is_some() {
                return None;
            }
            self.decide(topic, Change::new(topic.id, index, partition))
        })
    }

    /// Takes the replicas of `broker` out of sync whose directories went offline.
    pub(crate) fn lose_directories(
        self,
        broker: BrokerId,
        lost: &[DirectoryId],
    ) -> Vec<MetadataRecord> {
        self.each(|topic, index, partition| {
            let is_in = partition.isr.contains(&broker) || partition.leader == Some(broker);
            if !is_in || !partition.directory(broker).is_some_and(|id| lost.contains(&id)) {
                return None;
            }
            let mut change = Change::new(topic.id, index, partition);
            change.next.isr.retain(|id| *id != broker);
            let without = Electorate { without: Some(broker), ..self };
            without.decide(topic, change)
        })
    }

    /// Elects for partitions without a leader whose topic allows to lose records.
    pub(crate) fn elect_uncleanly(self) -> Vec<MetadataRecord> {
        self.each(|topic, index, partition| {
            let wants = partition.leader.is_none() && self.rules(&topic.name).allows_unclean;
            wants.then(|| self.decide(topic, Change::new(topic.id, index, partition))).flatten()
        })
    }

    /// Gives partitions back to their preferred leaders.
    pub(crate) fn balance(self) -> Vec<MetadataRecord> {
        self.each(|topic, index, partition| {
            let preferred = *partition.replicas.first()?;
            let is_due = partition.leader.is_some_and(|leader| leader != preferred)
                && partition.isr.contains(&preferred)
                && self.can_lead(preferred, partition);
            if !is_due {
                return None;
            }
            let mut change = Change::new(topic.id, index, partition);
            change.election = Election::Preferred;
            self.decide(topic, change)
        })
    }

    /// Whether `broker` leads any partition.
    pub(crate) fn leads_any(&self, broker: BrokerId) -> bool {
        let mut partitions = self.image.topics().iter().flat_map(|topic| topic.partitions.values());
        partitions.any(|partition| partition.leader == Some(broker))
    }
}
