//! What groups at rest cost: bytes of the heap, and timers.
//!
//! Counted is all that is allocated and not freed between the first heartbeat and the end, when
//! every member has what it shall have: the state that survives, the soft state, and the lists that
//! they are filed in. Not counted: connections, the log, what the allocator adds. The allocator
//! below counts, which is the one need for `unsafe` here.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use ottla_groups::{Ask, Decided, GroupRecord, GroupReply, Groups, Now, Settings, Soft, Topics};
use ottla_machine::{Machine, Ticket};
use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{
    ConsumerGroupHeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use ottla_wire::{
    ErrorCode, Generation, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId, Uuid,
};

/// A group at rest may cost this much for each of its members.
const MEMBER_BYTES_MAX: usize = 1_350;
/// A group that nobody is in may cost this much, with ten committed offsets.
const EMPTY_GROUP_BYTES_MAX: usize = 3_000;
const OFFSETS: usize = 10;
const GROUPS: usize = 1_000;
const MEMBERS: usize = 10;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count(more: usize, less: usize) {
    ALLOCATED.with(|bytes| bytes.set(bytes.get().wrapping_add(more).wrapping_sub(less)));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is allocated and not freed.
fn allocated() -> usize {
    ALLOCATED.with(Cell::get)
}

/// One topic with two partitions for each member of a group.
struct OneTopic;

const TOPIC: TopicId = TopicId(Uuid([7; 16]));
const NAME: &str = "payments-of-all-regions";

impl Topics for OneTopic {
    fn id(&self, name: &str) -> Option<TopicId> {
        (name == NAME).then_some(TOPIC)
    }
    fn name(&self, id: TopicId) -> Option<StrBytes> {
        (id == TOPIC).then(|| StrBytes::from(NAME))
    }
    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool {
        name == NAME && partition.0 < self.partition_count(TOPIC)
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        2 * i32::try_from(MEMBERS).expect("a small number")
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        show(NAME);
    }
    fn version(&self) -> Offset {
        Offset(1)
    }
}

/// A coordinator's state, as the shell keeps it.
struct Coordinator {
    groups: Groups,
    soft: Soft,
    settings: Settings,
    now: Now,
    log: i64,
    /// Of the next request.
    version: i16,
}

impl Coordinator {
    fn new() -> Self {
        let now = Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) };
        let (groups, soft, settings) = (Groups::default(), Soft::default(), Settings::default());
        Coordinator { groups, soft, settings, now, log: 0, version: 1 }
    }

    fn decide(
        &mut self,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>) -> Decided,
    ) -> Vec<(Ticket, GroupReply)> {
        let ask = Ask {
            now: self.now,
            settings: &self.settings,
            version: self.version,
            client_id: "consumer-payments-1",
            client_host: "/10.1.2.3",
            random: u128::from(self.log.unsigned_abs()).to_be_bytes(),
            ticket: Ticket(self.log.unsigned_abs()),
        };
        let decided = decide(&self.groups, &mut self.soft, &ask);
        self.replay(&decided.records);
        self.log += 1;
        decided.replies
    }

    fn replay(&mut self, records: &[GroupRecord]) {
        for record in records {
            self.groups.replay(Offset(self.log), record);
            self.log += 1;
        }
    }

    fn pass(&mut self, ms: i64) -> Vec<(Ticket, GroupReply)> {
        self.now = Now { steady: self.now.steady + ms, wall: Timestamp(self.now.wall.0 + ms) };
        let decided = self.groups.tick(&mut self.soft, self.now, &self.settings, &OneTopic);
        self.replay(&decided.records);
        decided.replies
    }
}

fn group_id(group: usize) -> StrBytes {
    StrBytes::from(format!("readers-of-payments-{group:04}"))
}

fn member_id(group: usize, number: usize) -> StrBytes {
    StrBytes::from(format!("{group:08}-0123-4567-89ab-{number:012}"))
}

/// A member of a KIP-848 group.
#[derive(Clone, Default)]
struct Member {
    epoch: MemberEpoch,
    owned: Option<Vec<TopicPartitions>>,
}

fn beat(all: &mut Coordinator, group: usize, number: usize, member: &mut Member) -> bool {
    let joins = member.epoch.0 == 0;
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group_id(group),
        member_id: member_id(group, number),
        member_epoch: member.epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: if joins { 300_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec![StrBytes::from(NAME)]),
        subscribed_topic_regex: None,
        server_assignor: None,
        topic_partitions: if joins { Some(Vec::new()) } else { member.owned.take() },
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let replies =
        all.decide(|groups, soft, ask| groups.consumer_heartbeat(soft, ask, &OneTopic, &request));
    let [(_, GroupReply::ConsumerHeartbeat(told))] = replies.as_slice() else {
        panic!("one answer to one heartbeat");
    };
    assert_eq!(told.error_code, ErrorCode::NONE);
    let changed = told.assignment.is_some() || told.member_epoch != member.epoch;
    member.epoch = told.member_epoch;
    if let Some(assignment) = &told.assignment {
        let topics = assignment.topic_partitions.iter().map(|topic| TopicPartitions {
            topic_id: topic.topic_id,
            partitions: topic.partitions.clone(),
            ..TopicPartitions::default()
        });
        member.owned = Some(topics.collect());
    }
    changed
}

/// Groups whose members have all that they shall have, and the bytes of each member.
fn settled_consumers() -> (Coordinator, usize) {
    let mut all = Coordinator::new();
    let mut members = vec![vec![Member::default(); MEMBERS]; GROUPS];
    let before = allocated();
    let mut changed = true;
    while changed {
        changed = false;
        for (group, members) in members.iter_mut().enumerate() {
            for (number, member) in members.iter_mut().enumerate() {
                changed |= beat(&mut all, group, number, member);
            }
        }
        all.pass(1_000);
    }
    members.iter_mut().flatten().for_each(|member| member.owned = None);
    let bytes = allocated() - before;
    (all, bytes / GROUPS / MEMBERS)
}

/// Groups of the classic protocol whose leaders have assigned, and the bytes of each member.
fn settled_classics() -> (Coordinator, usize) {
    let mut all = Coordinator::new();
    let before = allocated();
    for group in 0..GROUPS {
        for _ in 0..MEMBERS {
            let protocols = ["range", "cooperative-sticky"].map(|name| JoinGroupRequestProtocol {
                name: StrBytes::from(name),
                metadata: Bytes::from(vec![1; 60]),
                ..JoinGroupRequestProtocol::default()
            });
            let request = JoinGroupRequest {
                group_id: group_id(group),
                session_timeout_ms: 45_000,
                rebalance_timeout_ms: 300_000,
                protocol_type: StrBytes::from("consumer"),
                protocols: protocols.into(),
                ..JoinGroupRequest::default()
            };
            all.decide(|groups, soft, ask| groups.join(soft, ask, &OneTopic, &request));
        }
    }
    let mut joined = all.pass(3_000);
    joined.extend(all.pass(3_000));
    for (at, (_, reply)) in joined.iter().enumerate() {
        let GroupReply::Join(told) = reply else { panic!("an answer to a join") };
        assert_eq!((told.error_code, told.generation_id), (ErrorCode::NONE, Generation(1)));
        let assignments = told.members.iter().map(|member| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::from(vec![2; 50]),
            ..SyncGroupRequestAssignment::default()
        });
        let request = SyncGroupRequest {
            group_id: group_id(at / MEMBERS),
            generation_id: told.generation_id,
            member_id: told.member_id.clone(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        };
        all.decide(|groups, soft, ask| groups.sync(soft, ask, &OneTopic, &request));
    }
    drop(joined);
    let bytes = allocated() - before;
    assert_eq!(all.soft.parked(), 0);
    (all, bytes / GROUPS / MEMBERS)
}

#[test]
fn a_member_of_a_settled_group_costs_little() {
    let (_, bytes) = settled_consumers();
    eprintln!("a member of a KIP-848 group: {bytes} bytes");
    assert!(bytes <= MEMBER_BYTES_MAX, "a member costs {bytes} bytes");
}

#[test]
fn a_member_of_a_settled_classic_group_costs_little() {
    let (_, bytes) = settled_classics();
    eprintln!("a member of a classic group: {bytes} bytes");
    assert!(bytes <= MEMBER_BYTES_MAX, "a member costs {bytes} bytes");
}

#[test]
fn a_group_at_rest_costs_little_and_no_timer() {
    let mut all = Coordinator::new();
    all.groups.loaded(&mut all.soft, all.now, &all.settings);
    // The look through offsets is one timer for all groups.
    let timer = all.soft.wake();
    let before = allocated();
    for group in 0..GROUPS {
        let mut member = Member::default();
        beat(&mut all, group, 0, &mut member);
        commit(&mut all, group, &member);
        assert_ne!(all.soft.wake(), timer, "a member has a session");
        member.epoch = MemberEpoch(-1);
        beat(&mut all, group, 0, &mut member);
        assert_eq!(all.soft.wake(), timer);
    }
    let bytes = (allocated() - before) / GROUPS;
    eprintln!("a group at rest: {bytes} bytes");
    assert_eq!(all.groups.len(), GROUPS);
    assert!(bytes <= EMPTY_GROUP_BYTES_MAX, "a group costs {bytes} bytes");
}

/// Commits as many offsets as a group at rest has.
fn commit(all: &mut Coordinator, group: usize, member: &Member) {
    let partitions = (0..i32::try_from(OFFSETS).expect("a small number")).map(|partition| {
        OffsetCommitRequestPartition {
            partition_index: PartitionIndex(partition),
            committed_offset: Offset(1_000),
            ..OffsetCommitRequestPartition::default()
        }
    });
    let topic = OffsetCommitRequestTopic {
        name: StrBytes::from(NAME),
        topic_id: TOPIC,
        partitions: partitions.collect(),
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group_id(group),
        member_id: member_id(group, 0),
        generation_id_or_member_epoch: member.epoch.0,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    all.version = 9;
    let replies =
        all.decide(|groups, soft, ask| groups.offset_commit(soft, ask, &OneTopic, &request));
    all.version = 1;
    let [(_, GroupReply::OffsetCommit(told))] = replies.as_slice() else { panic!("an answer") };
    let mut partitions = told.topics.iter().flat_map(|topic| &topic.partitions);
    assert!(partitions.all(|partition| partition.error_code == ErrorCode::NONE));
}
