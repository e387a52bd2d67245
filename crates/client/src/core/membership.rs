//! A member of a classic group: join, sync, heartbeat, leave, and what each answer means.
//!
//! Not here: sending, positions. Must hold: an answer to an earlier generation changes nothing;
//! with an eager assignor all partitions are given up before joining, with a cooperative one only
//! those that the new assignment leaves out.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
    consumer_protocol_assignment, consumer_protocol_subscription,
};
use ottla_wire::{ApiKey, ErrorCode, Generation, Message, Reader, StrBytes};

use crate::core::assignors::{Assignment, Assignor, Member};
use crate::core::cluster::TopicPartition;
use crate::error::ClientError;

/// What a member is from the beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its group.
    pub group_id: StrBytes,
    /// The id that it keeps over restarts, if any (KIP-345).
    pub instance_id: Option<StrBytes>,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// How long others wait for it to join again.
    pub rebalance_timeout_ms: i32,
    /// How it would assign, best first.
    pub assignors: Vec<Assignor>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    identity: Identity,
    member_id: StrBytes,
    generation: Generation,
    /// The generation whose assignment it has, -1 for none.
    assigned_in: Generation,
    protocol: Option<StrBytes>,
    /// Whether it must join before it may go on.
    pub must_join: bool,
    owned: BTreeSet<TopicPartition>,
}

/// What to do after an answer that is no success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Setback {
    /// Join again, at once.
    JoinAgain,
    /// The coordinator is another one, or not ready: find it, after a while.
    Elsewhere(ClientError),
    /// Nothing helps.
    Final(ClientError),
}

/// What a member is in the new generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Joined {
    /// It assigns, to these, in this way.
    Leader(Assignor, Vec<Member>),
    /// Another one assigns.
    Follower,
}

impl Membership {
    /// Before its first join.
    pub fn new(identity: Identity) -> Membership {
        Membership {
            identity,
            member_id: StrBytes::default(),
            generation: Generation(-1),
            assigned_in: Generation(-1),
            protocol: None,
            must_join: true,
            owned: BTreeSet::new(),
        }
    }

    /// Whether partitions are kept while joining.
    pub fn is_cooperative(&self) -> bool {
        self.identity.assignors.iter().all(|one| *one == Assignor::CooperativeSticky)
    }

    /// Its id in the group; empty before the first answer.
    pub fn member_id(&self) -> &StrBytes {
        &self.member_id
    }

    /// The id that it keeps over restarts.
    pub fn instance_id(&self) -> Option<&StrBytes> {
        self.identity.instance_id.as_ref()
    }

    /// The generation that it is in, -1 for none.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The generation whose assignment it has, -1 for none: the last one that it was synced in.
    pub fn assigned_in(&self) -> Generation {
        self.assigned_in
    }

    /// Whether it has a place in a generation, which heartbeats keep.
    pub fn is_in(&self) -> bool {
        self.generation.0 >= 0
    }

    /// Whether it has the assignment of the generation that it is in, and may commit.
    pub fn is_assigned(&self) -> bool {
        self.is_in() && self.assigned_in == self.generation
    }

    /// What it asks to join.
    pub fn join_request(&self, topics: &[StrBytes], reason: &'static str) -> JoinGroupRequest {
        let owned: &BTreeSet<TopicPartition> = match self.is_cooperative() {
            true => &self.owned,
            false => &BTreeSet::new(),
        };
        let metadata = subscription(topics, owned, self.generation);
        let protocols = self.identity.assignors.iter().map(|assignor| JoinGroupRequestProtocol {
            name: assignor.name().into(),
            metadata: metadata.clone(),
            ..JoinGroupRequestProtocol::default()
        });
        JoinGroupRequest {
            group_id: self.identity.group_id.clone(),
            session_timeout_ms: self.identity.session_timeout_ms,
            rebalance_timeout_ms: self.identity.rebalance_timeout_ms,
            member_id: self.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: protocols.collect(),
            reason: Some(reason.into()),
            ..JoinGroupRequest::default()
        }
    }

    /// Reads the answer to it.
    ///
    /// # Errors
    /// What to do instead.
    pub fn joined(&mut self, response: &JoinGroupResponse) -> Result<Joined, Setback> {
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.member_id = StrBytes::copied(&response.member_id);
                return Err(Setback::JoinAgain);
            }
            code => return Err(self.setback(ApiKey::JoinGroup, code)),
        }
        self.member_id = StrBytes::copied(&response.member_id);
        self.generation = response.generation_id;
        self.protocol = response.protocol_name.as_deref().map(StrBytes::copied);
        if response.leader != self.member_id || response.skip_assignment {
            return Ok(Joined::Follower);
        }
        let name = self.protocol.as_deref().unwrap_or_default();
        let assignor = Assignor::from_name(name).ok_or_else(|| {
            let message = format!("the group chose {name}, which this client does not know");
            self.refusal(ApiKey::JoinGroup, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, Some(&message))
        })?;
        let members = response.members.iter().map(|member| {
            read_member(&member.member_id, member.group_instance_id.as_ref(), &member.metadata)
        });
        Ok(Joined::Leader(assignor, members.collect()))
    }

    /// What it tells once it has joined: as leader the assignment, otherwise nothing.
    pub fn sync_request(&self, assignment: &Assignment) -> SyncGroupRequest {
        let assignments =
            assignment.iter().map(|(member, partitions)| SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: write_assignment(partitions),
                ..SyncGroupRequestAssignment::default()
            });
        SyncGroupRequest {
            group_id: self.identity.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: self.protocol.clone(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        }
    }

    /// Reads the answer to it: the partitions that are this member's. When it must let some go
    /// that it kept while joining, it has to join once more, so that others get them.
    ///
    /// # Errors
    /// What to do instead.
    pub fn synced(
        &mut self,
        response: &SyncGroupResponse,
    ) -> Result<BTreeSet<TopicPartition>, Setback> {
        if response.error_code.is_error() {
            return Err(self.setback(ApiKey::SyncGroup, response.error_code));
        }
        let assigned = read_assignment(&response.assignment).ok_or_else(|| {
            let message = "the leader's assignment cannot be read";
            self.refusal(ApiKey::SyncGroup, ErrorCode::INVALID_REQUEST, Some(message))
        })?;
        self.must_join = self.is_cooperative() && !self.owned.is_subset(&assigned);
        self.owned.clone_from(&assigned);
        self.assigned_in = self.generation;
        Ok(assigned)
    }

    /// What keeps its place.
    pub fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: self.identity.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
            ..HeartbeatRequest::default()
        }
    }

    /// What an error code means for its place: of a heartbeat or a commit that was sent in
    /// `generation`.
    ///
    /// # Errors
    /// What to do, if it is the present generation that is concerned.
    pub fn told(
        &mut self,
        api: ApiKey,
        generation: Generation,
        code: ErrorCode,
    ) -> Result<(), Setback> {
        let is_about_members = [
            ErrorCode::REBALANCE_IN_PROGRESS,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::ILLEGAL_GENERATION,
            ErrorCode::FENCED_INSTANCE_ID,
        ]
        .contains(&code);
        let concerns = is_about_members || api == ApiKey::Heartbeat;
        if code.is_none() || generation != self.generation || !concerns {
            return Ok(());
        }
        Err(self.setback(api, code))
    }

    /// What gives its place to others; none when it has none, or keeps it over restarts.
    pub fn leave_request(&self, reason: &'static str) -> Option<LeaveGroupRequest> {
        if self.member_id.is_empty() || self.identity.instance_id.is_some() {
            return None;
        }
        let identity = MemberIdentity {
            member_id: self.member_id.clone(),
            reason: Some(reason.into()),
            ..MemberIdentity::default()
        };
        Some(LeaveGroupRequest {
            group_id: self.identity.group_id.clone(),
            members: vec![identity],
            ..LeaveGroupRequest::default()
        })
    }

    /// Its place is gone, and with it all partitions.
    pub fn lose(&mut self) {
        self.generation = Generation(-1);
        self.assigned_in = Generation(-1);
        self.member_id = StrBytes::default();
        self.owned.clear();
        self.must_join = true;
    }

    fn setback(&mut self, api: ApiKey, code: ErrorCode) -> Setback {
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => {
                self.must_join = true;
                Setback::JoinAgain
            }
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.lose();
                Setback::JoinAgain
            }
            ErrorCode::ILLEGAL_GENERATION => {
                let member_id = self.member_id.clone();
                self.lose();
                self.member_id = member_id;
                Setback::JoinAgain
            }
            ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                Setback::Elsewhere(ClientError::refused(api, &*self.identity.group_id, code, None))
            }
            code => {
                self.lose();
                self.refusal(api, code, None)
            }
        }
    }

    fn refusal(&self, api: ApiKey, code: ErrorCode, message: Option<&str>) -> Setback {
        Setback::Final(ClientError::refused(api, &*self.identity.group_id, code, message))
    }
}

fn grouped(
    partitions: &BTreeSet<TopicPartition>,
) -> BTreeMap<StrBytes, Vec<ottla_wire::PartitionIndex>> {
    let mut topics: BTreeMap<StrBytes, Vec<_>> = BTreeMap::new();
    for of in partitions {
        topics.entry(of.topic.clone()).or_default().push(of.partition);
    }
    topics
}

/// A subscription as members tell it: its version, then the message.
fn subscription(
    topics: &[StrBytes],
    owned: &BTreeSet<TopicPartition>,
    generation: Generation,
) -> Bytes {
    let mut topics = topics.to_vec();
    topics.sort();
    let owned = grouped(owned).into_iter().map(|(topic, partitions)| {
        consumer_protocol_subscription::TopicPartition { topic, partitions }
    });
    let subscription = ConsumerProtocolSubscription {
        topics,
        owned_partitions: owned.collect(),
        generation_id: generation,
        ..ConsumerProtocolSubscription::default()
    };
    versioned(&subscription)
}

fn write_assignment(partitions: &BTreeSet<TopicPartition>) -> Bytes {
    let assigned = grouped(partitions).into_iter().map(|(topic, partitions)| {
        consumer_protocol_assignment::TopicPartition { topic, partitions }
    });
    let assigned_partitions = assigned.collect();
    versioned(&ConsumerProtocolAssignment {
        assigned_partitions,
        ..ConsumerProtocolAssignment::default()
    })
}

fn versioned<M: Message>(message: &M) -> Bytes {
    let version = M::VERSIONS.max;
    let body = message.to_bytes(version).expect("names of topics are short, and nothing is null");
    [&version.to_be_bytes()[..], &body].concat().into()
}

/// Reads what another member wrote: in its version, or in the newest known if that is older.
fn read_versioned<M: Message>(bytes: &Bytes) -> Option<M> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().ok().filter(|version| *version >= 0)?;
    M::decode(&mut reader, version.min(M::VERSIONS.max)).ok()
}

/// A member whose subscription cannot be read gets nothing.
fn read_member(id: &str, instance_id: Option<&StrBytes>, metadata: &Bytes) -> Member {
    let read = read_versioned::<ConsumerProtocolSubscription>(metadata).unwrap_or_default();
    let owned = read.owned_partitions.iter().flat_map(|topic| {
        let name = StrBytes::copied(&topic.topic);
        topic
            .partitions
            .iter()
            .map(move |partition| TopicPartition { topic: name.clone(), partition: *partition })
    });
    Member {
        id: StrBytes::copied(id),
        instance_id: instance_id.map(|id| StrBytes::copied(id)),
        topics: read.topics.iter().map(|topic| StrBytes::copied(topic)).collect(),
        owned: owned.collect(),
        generation: read.generation_id.0,
    }
}

/// The partitions in an assignment; empty bytes assign nothing.
pub fn read_assignment(bytes: &Bytes) -> Option<BTreeSet<TopicPartition>> {
    if bytes.is_empty() {
        return Some(BTreeSet::new());
    }
    let read = read_versioned::<ConsumerProtocolAssignment>(bytes)?;
    let partitions = read.assigned_partitions.iter().flat_map(|topic| {
        let name = StrBytes::copied(&topic.topic);
        topic
            .partitions
            .iter()
            .map(move |partition| TopicPartition { topic: name.clone(), partition: *partition })
    });
    Some(partitions.collect())
}

/// What consumers call their kind of group.
const PROTOCOL_TYPE: &str = "consumer";

#[cfg(test)]
mod tests;
