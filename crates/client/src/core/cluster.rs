//! The cluster as a client knows it: brokers, topics, leaders; how old that is, and what an
//! answer to Metadata changes in it.
//!
//! Not here: asking. Must hold: an answer with an older leader epoch never replaces a newer one
//! of the same topic (KIP-320); names are copied out of their frames.

use std::collections::BTreeMap;
use std::fmt;

use ottla_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_wire::messages::{DescribeClusterResponse, MetadataResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, StrBytes, Timestamp, TopicId};

/// One partition of one topic, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: StrBytes,
    /// Which of its partitions.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: StrBytes::copied(topic), partition: PartitionIndex(partition) }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What is known of the cluster.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Cluster {
    /// The cluster's id, once known.
    pub id: Option<StrBytes>,
    /// The broker that takes requests for the controller.
    pub controller: Option<BrokerId>,
    /// The brokers that are up.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// The topics that were asked for and exist.
    pub topics: BTreeMap<StrBytes, Topic>,
    /// When the last answer came, by the clock that never goes back.
    pub updated: Option<Timestamp>,
}

/// A broker's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// The host that it advertises.
    pub host: StrBytes,
    /// The port that it advertises.
    pub port: u16,
    /// Its rack.
    pub rack: Option<StrBytes>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its name.
    pub name: StrBytes,
    /// Its identity; zero from brokers that know none.
    pub id: TopicId,
    /// Whether it belongs to the brokers themselves.
    pub is_internal: bool,
    /// Its partitions.
    pub partitions: BTreeMap<PartitionIndex, Partition>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Which one.
    pub index: PartitionIndex,
    /// Its leader, if it has one.
    pub leader: Option<BrokerId>,
    /// How many leaders it has had; -1 from brokers that do not tell.
    pub leader_epoch: LeaderEpoch,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
    /// Those on brokers or disks that are down.
    pub offline: Vec<BrokerId>,
}

/// The topics that a Metadata request asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked<'a> {
    /// All that there are.
    All,
    /// Those with these names.
    Named(&'a [StrBytes]),
}

impl Cluster {
    /// The topic, if it was asked for and exists.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// The topic's name by its identity.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Topic> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// The partition, if it is known.
    pub fn partition(&self, topic: &str, index: PartitionIndex) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(&index)
    }

    /// The partition's leader and its epoch, if it has one that is up.
    pub fn leader(&self, topic: &str, index: PartitionIndex) -> Option<(BrokerId, LeaderEpoch)> {
        let partition = self.partition(topic, index)?;
        let leader = partition.leader.filter(|id| self.brokers.contains_key(id))?;
        Some((leader, partition.leader_epoch))
    }

    /// Whether what is known has become too old.
    pub fn is_stale(&self, now: Timestamp, max_age_ms: i64) -> bool {
        self.updated.is_none_or(|updated| now - updated >= max_age_ms || updated > now)
    }

    /// What is known after this answer. Gives the topics that could not be told, and why.
    pub fn update(
        &mut self,
        now: Timestamp,
        asked: Asked<'_>,
        response: &MetadataResponse,
    ) -> Vec<(StrBytes, ErrorCode)> {
        self.updated = Some(now);
        self.id = response.cluster_id.as_deref().map(StrBytes::copied);
        self.controller = Some(response.controller_id).filter(|id| id.0 >= 0);
        self.brokers =
            response.brokers.iter().filter_map(broker).map(|broker| (broker.id, broker)).collect();
        let mut known = std::mem::take(&mut self.topics);
        if let Asked::Named(names) = asked {
            let kept = known.iter().filter(|(name, _)| !names.contains(name));
            self.topics = kept.map(|(name, topic)| (name.clone(), topic.clone())).collect();
        }
        let mut failed = Vec::new();
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref().map(StrBytes::copied) else { continue };
            if topic.error_code.is_error() {
                failed.push((name, topic.error_code));
                continue;
            }
            let before = known.remove(&name).filter(|before| before.id == topic.topic_id);
            self.topics.insert(name.clone(), read_topic(name, topic, before));
        }
        failed
    }

    /// Takes over who the controllers are: they stand where brokers stand otherwise.
    pub fn update_controllers(&mut self, now: Timestamp, response: &DescribeClusterResponse) {
        self.updated = Some(now);
        self.id = Some(StrBytes::copied(&response.cluster_id));
        self.controller = Some(response.controller_id).filter(|id| id.0 >= 0);
        let nodes = response.brokers.iter().filter_map(|node| {
            let port = u16::try_from(node.port).ok()?;
            let (host, rack) = (StrBytes::copied(&node.host), None);
            Some((node.broker_id, Broker { id: node.broker_id, host, port, rack }))
        });
        self.brokers = nodes.collect();
    }

    /// Follows a hint of a new leader that came with a refusal (KIP-951).
    pub fn follow(
        &mut self,
        topic: &str,
        index: PartitionIndex,
        leader: BrokerId,
        epoch: LeaderEpoch,
    ) -> bool {
        let known = self.brokers.contains_key(&leader);
        let partition =
            self.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(&index));
        match partition {
            Some(partition) if known && epoch > partition.leader_epoch => {
                partition.leader = Some(leader);
                partition.leader_epoch = epoch;
                true
            }
            _ => false,
        }
    }
}

fn broker(told: &MetadataResponseBroker) -> Option<Broker> {
    Some(Broker {
        id: told.node_id,
        host: StrBytes::copied(&told.host),
        port: u16::try_from(told.port).ok()?,
        rack: told.rack.as_deref().map(StrBytes::copied),
    })
}

fn read_topic(name: StrBytes, told: &MetadataResponseTopic, before: Option<Topic>) -> Topic {
    let mut before = before.map(|topic| topic.partitions).unwrap_or_default();
    let partitions = told.partitions.iter().map(|partition| {
        let new = read_partition(partition);
        let old = before.remove(&new.index).filter(|old| old.leader_epoch > new.leader_epoch);
        (new.index, old.unwrap_or(new))
    });
    let partitions = partitions.collect();
    Topic { name, id: told.topic_id, is_internal: told.is_internal, partitions }
}

fn read_partition(told: &MetadataResponsePartition) -> Partition {
    Partition {
        index: told.partition_index,
        leader: Some(told.leader_id).filter(|id| id.0 >= 0),
        leader_epoch: told.leader_epoch,
        replicas: told.replica_nodes.clone(),
        isr: told.isr_nodes.clone(),
        offline: told.offline_replicas.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::Uuid;
    use ottla_wire::messages::describe_cluster_response::DescribeClusterBroker;

    fn answer(topics: &[(&str, u128, i32, i32)]) -> MetadataResponse {
        let brokers = [1, 2].map(|id| MetadataResponseBroker {
            node_id: BrokerId(id),
            host: "localhost".into(),
            port: 9092 + id,
            ..Default::default()
        });
        let topics = topics.iter().map(|&(name, id, leader, epoch)| MetadataResponseTopic {
            name: Some(StrBytes::copied(name)),
            topic_id: TopicId(Uuid::from_u128(id)),
            error_code: ErrorCode(if leader == -9 { 3 } else { 0 }),
            partitions: vec![MetadataResponsePartition {
                leader_id: BrokerId(leader),
                leader_epoch: LeaderEpoch(epoch),
                ..Default::default()
            }],
            ..Default::default()
        });
        MetadataResponse {
            brokers: brokers.into(),
            controller_id: BrokerId(1),
            topics: topics.collect(),
            ..Default::default()
        }
    }

    fn leader(cluster: &Cluster, topic: &str) -> Option<(i32, i32)> {
        cluster.leader(topic, PartitionIndex(0)).map(|(id, epoch)| (id.0, epoch.0))
    }

    #[test]
    fn an_older_leader_epoch_does_not_replace_a_newer_one_of_the_same_topic() {
        let mut cluster = Cluster::default();
        cluster.update(Timestamp(1), Asked::All, &answer(&[("a", 7, 1, 5)]));
        cluster.update(Timestamp(2), Asked::All, &answer(&[("a", 7, 2, 4)]));
        assert_eq!(leader(&cluster, "a"), Some((1, 5)));
        cluster.update(Timestamp(3), Asked::All, &answer(&[("a", 8, 2, 0)]));
        assert_eq!(leader(&cluster, "a"), Some((2, 0)), "another topic of this name");
    }

    #[test]
    fn controllers_stand_where_brokers_stand_otherwise() {
        let mut cluster = Cluster::default();
        let node = |id: i32| DescribeClusterBroker {
            broker_id: BrokerId(id),
            host: "quorum.example".into(),
            port: 9090 + id,
            ..Default::default()
        };
        let response = DescribeClusterResponse {
            controller_id: BrokerId(2),
            brokers: vec![node(1), node(2)],
            ..Default::default()
        };
        cluster.update_controllers(Timestamp(1), &response);
        assert_eq!(cluster.controller, Some(BrokerId(2)));
        let known = cluster.brokers.values().map(|node| (node.id.0, node.port));
        assert_eq!(known.collect::<Vec<_>>(), [(1, 9091), (2, 9092)]);
    }

    #[test]
    fn topics_that_were_not_asked_for_stay_known() {
        let mut cluster = Cluster::default();
        cluster.update(Timestamp(1), Asked::All, &answer(&[("a", 7, 1, 5), ("b", 8, 1, 0)]));
        let names = ["b".into(), "c".into()];
        let answer = answer(&[("b", 8, -9, 0), ("c", 9, -1, 3)]);
        let failed = cluster.update(Timestamp(2), Asked::Named(&names), &answer);
        assert_eq!(failed, [("b".into(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
        assert_eq!(leader(&cluster, "a"), Some((1, 5)));
        assert!(cluster.topic("b").is_none());
        assert_eq!(leader(&cluster, "c"), None, "no leader at the moment");
    }

    #[test]
    fn a_hint_of_a_newer_leader_is_followed() {
        let mut cluster = Cluster::default();
        cluster.update(Timestamp(1), Asked::All, &answer(&[("a", 7, 1, 5)]));
        let mut follow = |leader, epoch| {
            cluster.follow("a", PartitionIndex(0), BrokerId(leader), LeaderEpoch(epoch))
        };
        assert!(!follow(2, 5) && !follow(3, 6) && follow(2, 6));
        assert_eq!(leader(&cluster, "a"), Some((2, 6)));
    }

    #[test]
    fn knowledge_ages() {
        let mut cluster = Cluster::default();
        assert!(cluster.is_stale(Timestamp(0), 100));
        cluster.update(Timestamp(50), Asked::All, &answer(&[]));
        assert!(!cluster.is_stale(Timestamp(149), 100));
        assert!(cluster.is_stale(Timestamp(150), 100));
    }
}
