//! Classic consumers in scripts: `poll a` is what a consumer does next that assigns
//! cooperatively.
//!
//! It joins, assigns if it is told to lead, syncs, gives up what it was not given again, and
//! sends heartbeats until it is told to join again. A leader moves a partition only when nobody
//! has it any more. Not here: what such a request may say wrongly, for which scripts have `join`
//! and `sync`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_wire::messages::consumer_protocol_assignment::TopicPartition;
use ottla_wire::messages::consumer_protocol_subscription::TopicPartition as Owned;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, SyncGroupRequest,
};
use ottla_wire::{ErrorCode, Generation, Message, PartitionIndex, StrBytes, Writer};

use super::words::Words;
use super::{Client, World};
use crate::GroupReply;
use crate::Topics;
use crate::consumer::{assignment, assignment_bytes, subscription_of};

type Place = (StrBytes, PartitionIndex);

/// What such a consumer remembers, beside its id and generation.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    step: Step,
    pub(super) has: BTreeSet<Place>,
    topics: String,
    instance: Option<StrBytes>,
    /// As a leader: who is in the group, and what each says.
    roster: Vec<(StrBytes, Bytes)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Step {
    #[default]
    Join,
    Waiting,
    Sync,
    Settled,
}

impl World {
    /// The next thing that a consumer does; nothing while it waits for an answer.
    pub(super) fn poll(&mut self, words: &Words<'_>) {
        let name = words.client();
        let mut reader = self.readers.remove(&name).unwrap_or_default();
        let former = if reader.topics.is_empty() { "t".to_owned() } else { reader.topics };
        reader.topics = words.keys.get("topics").map_or(former.clone(), |it| (*it).to_owned());
        if reader.topics != former && reader.step == Step::Settled {
            reader.step = Step::Join;
        }
        reader.instance = words.optional("static").or(reader.instance);
        let client = self.clients.entry(name.clone()).or_default().clone();
        if !self.is_member(&client.member_id) {
            // It has been silent for longer than its session: what it had is not its own any more.
            reader.has = BTreeSet::new();
        }
        let step = std::mem::replace(&mut reader.step, Step::Waiting);
        self.readers.insert(name.clone(), reader.clone());
        match step {
            Step::Join => self.join_as(&name, &client, &reader, words),
            Step::Waiting => {}
            Step::Sync => self.sync_as(&name, &client, &reader),
            Step::Settled => {
                let request = HeartbeatRequest {
                    group_id: words.group(),
                    generation_id: Generation(client.generation),
                    member_id: StrBytes::copied(&client.member_id),
                    group_instance_id: reader.instance.clone(),
                    ..HeartbeatRequest::default()
                };
                let ask = self.ask(&name, 4);
                let asked = ask.of(&self.settings);
                let decided = self.kit.live().heartbeat(&mut self.soft, &asked, &request);
                self.obey(decided);
            }
        }
    }

    fn join_as(&mut self, name: &str, client: &Client, reader: &Reader, words: &Words<'_>) {
        let subscription = ConsumerProtocolSubscription {
            topics: reader.topics.split('+').map(StrBytes::copied).collect(),
            owned_partitions: by_topic(&reader.has)
                .into_iter()
                .map(|(topic, partitions)| Owned { topic, partitions })
                .collect(),
            generation_id: Generation(client.generation),
            ..ConsumerProtocolSubscription::default()
        };
        let mut writer = Writer::new();
        writer.raw(&3_i16.to_be_bytes());
        subscription.encode(&mut writer, 3).expect("every field is in version 3");
        let request = JoinGroupRequest {
            group_id: words.group(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            member_id: StrBytes::copied(&client.member_id),
            group_instance_id: reader.instance.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: writer.into_bytes().expect("nothing is in a file"),
                ..JoinGroupRequestProtocol::default()
            }],
            ..JoinGroupRequest::default()
        };
        let ask = self.ask(name, 9);
        let (live, asked) = (self.kit.live(), ask.of(&self.settings));
        let decided = live.join(&mut self.soft, &asked, &self.topics, &request);
        self.obey(decided);
    }

    fn sync_as(&mut self, name: &str, client: &Client, reader: &Reader) {
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: Generation(client.generation),
            member_id: StrBytes::copied(&client.member_id),
            group_instance_id: reader.instance.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: self.assign(&reader.roster),
            ..SyncGroupRequest::default()
        };
        let ask = self.ask(name, 5);
        let (live, asked) = (self.kit.live(), ask.of(&self.settings));
        let decided = live.sync(&mut self.soft, &asked, &self.topics, &request);
        self.obey(decided);
    }

    /// Deals the partitions of each topic out in turn; what somebody else has waits.
    fn assign(&self, roster: &[(StrBytes, Bytes)]) -> Vec<SyncGroupRequestAssignment> {
        let said: Vec<_> = roster
            .iter()
            .map(|(id, metadata)| (id, metadata, subscription_of(metadata).expect("a consumer's")))
            .collect();
        let mut given: BTreeMap<&StrBytes, BTreeSet<Place>> = BTreeMap::new();
        let topics: BTreeSet<&StrBytes> = said.iter().flat_map(|(_, _, it)| &it.topics).collect();
        for topic in topics {
            let wanting: Vec<_> = said.iter().filter(|it| it.2.topics.contains(topic)).collect();
            let id = self.topics.id(topic).unwrap_or_default();
            for partition in (0..self.topics.partition_count(id)).map(PartitionIndex) {
                let place = (topic.clone(), partition);
                let turn = usize::try_from(partition.0).expect("small") % wanting.len();
                let (to, _, _) = wanting[turn];
                let is_others = said.iter().any(|(other, _, it)| other != to && owns(it, &place));
                if !is_others {
                    given.entry(to).or_default().insert(place);
                }
            }
        }
        let assignments = said.iter().map(|(id, metadata, _)| SyncGroupRequestAssignment {
            member_id: (*id).clone(),
            assignment: given_bytes(given.get(id), metadata),
            ..SyncGroupRequestAssignment::default()
        });
        assignments.collect()
    }

    /// What such a consumer makes of an answer. Says what it was given, if this was that.
    pub(super) fn read(&mut self, name: &str, reply: &GroupReply) -> Option<String> {
        let client = self.clients.entry(name.to_owned()).or_default();
        let reader = self.readers.get_mut(name)?;
        let error = match reply {
            GroupReply::Join(response) => {
                if response.error_code == ErrorCode::NONE {
                    reader.step = Step::Sync;
                    reader.roster = roster(response);
                    return None;
                }
                response.error_code
            }
            GroupReply::Sync(response) if response.error_code == ErrorCode::NONE => {
                let given = assignment(&response.assignment).unwrap_or_default();
                let given = given.assigned_partitions.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|index| (topic.topic.clone(), *index))
                });
                let given: BTreeSet<Place> = given.collect();
                let gives_up = reader.has.difference(&given).next().is_some();
                reader.step = if gives_up { Step::Join } else { Step::Settled };
                reader.has = given;
                return Some(format!("SyncGroup [{}]", places(&reader.has)));
            }
            GroupReply::Sync(response) => response.error_code,
            GroupReply::Heartbeat(response) => response.error_code,
            _ => return None,
        };
        reader.step = if error == ErrorCode::NONE { Step::Settled } else { Step::Join };
        let is_none = [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::FENCED_INSTANCE_ID];
        if is_none.contains(&error) {
            *client = Client::default();
        }
        if is_none.contains(&error) || error == ErrorCode::ILLEGAL_GENERATION {
            // Somebody else may have it by now.
            (reader.has, client.generation) = (BTreeSet::new(), -1);
        }
        None
    }

    /// What each member of the group `g` believes to have, whichever protocol it speaks.
    pub(crate) fn owned(&self) -> Vec<(String, String)> {
        let names = self.topics.names();
        let new = self.beliefs().flat_map(|(name, has)| {
            let places =
                has.iter().map(|(id, index)| (names.get(id).copied().unwrap_or("?"), index));
            places.map(|(topic, index)| (name.clone(), format!("{topic}:{index}")))
        });
        let old = self.readers.iter().flat_map(|(name, reader)| {
            let id = self.clients.get(name).map(|client| client.member_id.clone());
            let places = reader.has.iter().map(|(topic, index)| format!("{topic}:{index}"));
            places.map(move |place| (id.clone().unwrap_or_default(), place))
        });
        new.chain(old).filter(|(member, _)| self.is_member(member)).collect()
    }

    fn is_member(&self, id: &str) -> bool {
        let session = self.soft.sessions.get("g");
        let classic = session.map(|session| session.members_in_order()).unwrap_or_default();
        self.kit.live().consumers("g").is_some_and(|group| group.member(id).is_some())
            || classic.iter().any(|member| *member.id == *id)
    }

    /// How many more partitions the member with most has than the one with least.
    pub(crate) fn imbalance(&self) -> usize {
        let live = self.kit.live();
        let new = live.consumers("g").map(|group| group.members().keys().cloned().collect());
        let session = self.soft.sessions.get("g");
        let classic = session.map(|session| session.members_in_order()).unwrap_or_default();
        let members: Vec<StrBytes> =
            new.unwrap_or_else(|| classic.iter().map(|member| member.id.clone()).collect());
        let owned = self.owned();
        let counts = members.iter().map(|id| owned.iter().filter(|(it, _)| **it == **id).count());
        let counts: Vec<usize> = counts.collect();
        counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
    }
}

fn roster(response: &JoinGroupResponse) -> Vec<(StrBytes, Bytes)> {
    let members = response.members.iter();
    members.map(|member| (member.member_id.clone(), member.metadata.clone())).collect()
}

fn owns(said: &ConsumerProtocolSubscription, (topic, partition): &Place) -> bool {
    let mut owned = said.owned_partitions.iter();
    owned.any(|it| it.topic == *topic && it.partitions.contains(partition))
}

fn given_bytes(given: Option<&BTreeSet<Place>>, metadata: &Bytes) -> Bytes {
    let topics = by_topic(given.unwrap_or(&BTreeSet::new())).into_iter();
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics
            .map(|(topic, partitions)| TopicPartition { topic, partitions })
            .collect(),
        user_data: None,
    };
    assignment_bytes(&assignment, metadata).expect("a consumer's version")
}

fn by_topic(places: &BTreeSet<Place>) -> BTreeMap<StrBytes, Vec<PartitionIndex>> {
    let mut topics: BTreeMap<StrBytes, Vec<PartitionIndex>> = BTreeMap::new();
    for (topic, partition) in places {
        topics.entry(topic.clone()).or_default().push(*partition);
    }
    topics
}

fn places(places: &BTreeSet<Place>) -> String {
    let places = places.iter().map(|(topic, partition)| format!("{topic}:{partition}"));
    places.collect::<Vec<_>>().join(" ")
}
