//! Offsets, administration and expiry in sentences; records in bytes; random scripts by seed.

use expect_test::expect;
use ottla_wire::messages::OffsetCommitValue;
use ottla_wire::{PartitionIndex, TopicId};

use crate::records::OffsetCommit;
use crate::script::{World, check};
use crate::{Decided, GroupRecord, Now};

mod golden;
mod random;
mod transactional;

#[test]
fn members_commit_and_anyone_fetches() {
    check(
        "join a | advance 3s | commit a t:0@5 | sync a | commit a t:0@5 t:1@7 meta=note | \
         fetch t:0 t:1 t:2 | fetch | fetch v=10 t:1 | fetch group=other t:0 | fetch group=other",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: OffsetCommit [REBALANCE_IN_PROGRESS]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE NONE]
            fetch: OffsetFetch [t:0@5 "note" t:1@7 "note" t:2@-1]
            fetch: OffsetFetch [t:0@5 "note" t:1@7 "note"]
            fetch: OffsetFetch [:1@7 "note"]
            fetch: OffsetFetch [t:0@-1]
            fetch: OffsetFetch []"#]],
    );
}

#[test]
fn a_group_that_nobody_joins_keeps_offsets() {
    check(
        "commit x t:0@5 | fetch t:0 | describe | list | restart | fetch t:0 | show",
        expect![[r#"
        x: OffsetCommit [NONE]
        fetch: OffsetFetch [t:0@5]
        describe: NONE Empty type="" protocol="" []
        list: [g classic Empty ""]
        fetch: OffsetFetch [t:0@5]
        log: g t:0 Some(5)"#]],
    );
}

#[test]
fn strangers_may_not_commit_into_a_group_with_members() {
    check(
        "join a | commit x t:0@1 | advance 3s | sync a | commit x t:0@1 | commit a t:0@1 gen=7 | \
         leave a | commit a t:0@1 | commit x t:0@2",
        expect![[r#"
            x: OffsetCommit [UNKNOWN_MEMBER_ID]
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            x: OffsetCommit [UNKNOWN_MEMBER_ID]
            a: OffsetCommit [ILLEGAL_GENERATION]
            a: LeaveGroup [NONE]
            a: OffsetCommit [UNKNOWN_MEMBER_ID]
            x: OffsetCommit [NONE]"#]],
    );
}

#[test]
fn a_commit_of_a_member_of_no_group_says_so() {
    check(
        "commit x t:0@1 gen=3 | commit x t:0@1 gen=3 v=8",
        expect![[r#"
        x: OffsetCommit [GROUP_ID_NOT_FOUND]
        x: OffsetCommit [ILLEGAL_GENERATION]"#]],
    );
}

#[test]
fn a_commit_is_a_sign_of_life() {
    check(
        "join a | advance 3s | sync a | advance 9s | commit a t:0@1 | advance 9s | beat a",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE]
            a: Heartbeat ok"#]],
    );
}

#[test]
fn unknown_topics_and_partitions_are_refused_one_by_one() {
    check(
        "commit x t:0@1 t:9@1 nope:0@1 | commit x v=10 t:0@1 nope:0@1",
        expect![[r#"
        x: OffsetCommit [NONE UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION]
        x: OffsetCommit [NONE UNKNOWN_TOPIC_ID]"#]],
    );
    check(
        "commit x t:0@1 | fetch v=10 t:0 nope:0",
        expect![[r#"
        x: OffsetCommit [NONE]
        fetch: OffsetFetch [:0@1 :0@-1 UNKNOWN_TOPIC_ID]"#]],
    );
}

#[test]
fn offsets_are_looked_through_as_often_as_is_configured() {
    check(
        "settings check=5s retention=1s | restart | commit a t:0@5 | advance 4s | fetch t:0 \
         | advance 1s | fetch t:0",
        expect![[r#"
            a: OffsetCommit [NONE]
            fetch: OffsetFetch [t:0@5]
            fetch: OffsetFetch [t:0@-1]"#]],
    );
}

#[test]
fn metadata_has_a_limit_in_java_characters() {
    let long = "é".repeat(4_096);
    check(
        &format!("commit x t:0@1 meta={long} | commit x t:0@1 meta={long}x"),
        expect![[r#"
        x: OffsetCommit [NONE]
        x: OffsetCommit [OFFSET_METADATA_TOO_LARGE]"#]],
    );
    let pairs = "😀".repeat(2_049);
    check(
        &format!("commit x t:0@1 meta={pairs}"),
        expect!["x: OffsetCommit [OFFSET_METADATA_TOO_LARGE]"],
    );
}

#[test]
fn offsets_of_an_empty_group_expire_after_its_last_member_left() {
    check(
        "join a session=30m | advance 3s | sync a | commit a t:0@1 | advance 29m | leave a | \
         settings retention=1h | advance 59m | fetch | advance 11m | fetch | describe | show",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE]
            a: LeaveGroup [NONE]
            fetch: OffsetFetch [t:0@1]
            fetch: OffsetFetch []
            describe: GROUP_ID_NOT_FOUND Dead type="" protocol="" []
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g type=consumer generation=1 protocol=range leader=a members=[a]
            log: g t:0 Some(1)
            log: g type=consumer generation=2 protocol=- leader=- members=[]
            log: g t:0 None
            log: g gone"#]],
    );
}

#[test]
fn offsets_of_a_simple_group_expire_after_their_commit() {
    check(
        "settings retention=1h | commit x t:0@1 | advance 50m | commit x t:1@1 | \
         advance 20m | fetch | advance 1h | list",
        expect![[r#"
            x: OffsetCommit [NONE]
            x: OffsetCommit [NONE]
            fetch: OffsetFetch [t:1@1]
            list: []"#]],
    );
}

/// Apache Kafka 4.3.1 left these records, with the expired groups in an order of its own, where the
/// same was done with `offsets.retention.minutes=1`: what a live group subscribes to stays, and the
/// rest of its offsets goes; groups of nothing go with their last offset.
#[test]
fn retention_leaves_what_kafka_leaves() {
    check(
        "settings retention=1m | commit s t:0@1 t:1@2 group=simple | \
         commit s t:0@1 u:0@9 group=live | join k topics=t session=30m group=live | advance 3s | \
         sync k group=live | join d topics=t session=30m group=dyn | advance 3s | \
         sync d group=dyn | commit d t:0@1 group=dyn | leave d group=dyn | advance 12m | show",
        expect![[r#"
            s: OffsetCommit [NONE NONE]
            s: OffsetCommit [NONE NONE]
            k: JoinGroup generation=1 leader=k members=[k]
            k: SyncGroup assignment=k@1
            d: JoinGroup generation=1 leader=d members=[d]
            d: SyncGroup assignment=d@1
            d: OffsetCommit [NONE]
            d: LeaveGroup [NONE]
            log: simple t:0 Some(1)
            log: simple t:1 Some(2)
            log: live t:0 Some(1)
            log: live u:0 Some(9)
            log: live type=consumer generation=1 protocol=range leader=k members=[k]
            log: dyn type= generation=0 protocol=- leader=- members=[]
            log: dyn type=consumer generation=1 protocol=range leader=d members=[d]
            log: dyn t:0 Some(1)
            log: dyn type=consumer generation=2 protocol=- leader=- members=[]
            log: dyn t:0 None
            log: dyn gone
            log: live u:0 None
            log: simple t:0 None
            log: simple t:1 None
            log: simple gone"#]],
    );
}

#[test]
fn an_explicit_retention_wins() {
    check(
        "settings retention=1h | commit x t:0@1 retention=10h v=4 | advance 9h | fetch | \
         advance 70m | fetch | show",
        expect![[r#"
            x: OffsetCommit [NONE]
            fetch: OffsetFetch [t:0@1]
            fetch: OffsetFetch []
            log: g t:0 Some(1)
            log: g t:0 None
            log: g gone"#]],
    );
}

#[test]
fn a_live_group_keeps_the_offsets_of_topics_it_subscribes_to() {
    check(
        "settings retention=20m | join a topics=t session=30m | advance 3s | sync a | \
         commit a t:0@1 u:0@1 | advance 25m | beat a | advance 10m | fetch",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE NONE]
            a: Heartbeat ok
            fetch: OffsetFetch [t:0@1]"#]],
    );
}

#[test]
fn a_live_group_of_unknown_metadata_keeps_everything() {
    check(
        "settings retention=20m | join a session=30m | advance 3s | sync a | \
         commit a t:0@1 u:0@1 | advance 25m | beat a | advance 10m | fetch",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE NONE]
            a: Heartbeat ok
            fetch: OffsetFetch [t:0@1 u:0@1]"#]],
    );
}

#[test]
fn a_group_of_nothing_goes() {
    check(
        "join a v=4 | list | advance 21m | list | show",
        expect![[r#"
            a: JoinGroup MEMBER_ID_REQUIRED
            list: [g classic Empty ""]
            list: []
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g gone"#]],
    );
}

#[test]
fn deleted_topics_take_their_offsets_along() {
    check(
        "commit x t:0@1 u:0@1 | commit x group=h t:0@1 | drop t | fetch | list",
        expect![[r#"
            x: OffsetCommit [NONE NONE]
            x: OffsetCommit [NONE]
            fetch: OffsetFetch [u:0@1]
            list: [g classic Empty "", h classic Empty ""]"#]],
    );
}

#[test]
fn offsets_are_deleted_unless_someone_subscribes() {
    check("forget t:0", expect!["forget: OffsetDelete GROUP_ID_NOT_FOUND"]);
    check("forget group= t:0", expect!["forget: OffsetDelete INVALID_GROUP_ID"]);
    check(
        "commit x t:0@1 t:1@1 | forget t:0 t:3 nope:0 | fetch",
        expect![[r#"
        x: OffsetCommit [NONE NONE]
        forget: OffsetDelete [NONE NONE UNKNOWN_TOPIC_OR_PARTITION]
        fetch: OffsetFetch [t:1@1]"#]],
    );
    check(
        "join a topics=t | advance 3s | sync a | commit a t:0@1 u:0@1 | forget t:0 u:0 | fetch",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE NONE]
            forget: OffsetDelete [GROUP_SUBSCRIBED_TO_TOPIC NONE]
            fetch: OffsetFetch [t:0@1]"#]],
    );
    check(
        "join a type=connect | advance 3s | sync a | forget t:0",
        expect![[r#"
        a: JoinGroup generation=1 leader=a members=[a]
        a: SyncGroup assignment=a@1
        forget: OffsetDelete NON_EMPTY_GROUP"#]],
    );
}

#[test]
fn a_group_outlives_its_last_offset_until_it_is_deleted() {
    check(
        "commit x t:0@1 | forget t:0 | list | restart | list | delete | list | show",
        expect![[r#"
        x: OffsetCommit [NONE]
        forget: OffsetDelete [NONE]
        list: [g classic Empty ""]
        list: [g classic Empty ""]
        delete: DeleteGroups ok
        list: []
        log: g t:0 Some(1)
        log: g t:0 None
        log: g gone"#]],
    );
}

#[test]
fn a_group_of_nothing_goes_when_offsets_are_next_looked_through() {
    check(
        "commit x t:0@1 | forget t:0 | advance 10m | list | show",
        expect![[r#"
        x: OffsetCommit [NONE]
        forget: OffsetDelete [NONE]
        list: []
        log: g t:0 Some(1)
        log: g t:0 None
        log: g gone"#]],
    );
}

#[test]
fn groups_are_deleted_when_nobody_is_in_them() {
    check(
        "delete | join a | delete | advance 3s | sync a | commit a t:0@1 | delete | leave a | \
         delete | list | show | delete",
        expect![[r#"
            delete: DeleteGroups GROUP_ID_NOT_FOUND
            delete: DeleteGroups NON_EMPTY_GROUP
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: OffsetCommit [NONE]
            delete: DeleteGroups NON_EMPTY_GROUP
            a: LeaveGroup [NONE]
            delete: DeleteGroups ok
            list: []
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g type=consumer generation=1 protocol=range leader=a members=[a]
            log: g t:0 Some(1)
            log: g type=consumer generation=2 protocol=- leader=- members=[]
            log: g t:0 None
            log: g gone
            delete: DeleteGroups GROUP_ID_NOT_FOUND"#]],
    );
}

#[test]
fn a_group_is_described_as_it_is() {
    check(
        "describe | describe v=5 | join a | describe | advance 3s | describe | sync a | describe",
        expect![[r#"
            describe: GROUP_ID_NOT_FOUND Dead type="" protocol="" []
            describe: NONE Dead type="" protocol="" []
            describe: NONE PreparingRebalance type="consumer" protocol="" [a/127.0.0.1 "" ""]
            a: JoinGroup generation=1 leader=a members=[a]
            describe: NONE CompletingRebalance type="consumer" protocol="" [a/127.0.0.1 "" ""]
            a: SyncGroup assignment=a@1
            describe: NONE Stable type="consumer" protocol="range" [a/127.0.0.1 "m" "a@1"]"#]],
    );
}

#[test]
fn lists_are_filtered_by_state_and_type() {
    check(
        "commit x t:0@1 | join a group=h | list | list state=empty | list state=PreparingRebalance \
         | list type=Classic | list type=share",
        expect![[r#"
            x: OffsetCommit [NONE]
            list: [g classic Empty "", h classic PreparingRebalance "consumer"]
            list: [g classic Empty ""]
            list: [h classic PreparingRebalance "consumer"]
            list: [g classic Empty "", h classic PreparingRebalance "consumer"]
            list: []
            parked: a"#]],
    );
}

/// A world in which one group has committed offsets of 2,500 partitions of `t`.
fn many_offsets() -> World {
    let mut world = World::new();
    let value = OffsetCommitValue { commit_timestamp: world.now.wall, ..Default::default() };
    let records = (0..2_500).map(|partition| {
        GroupRecord::OffsetCommit(OffsetCommit {
            group: "g".into(),
            topic: "t".into(),
            partition: PartitionIndex(partition),
            producer: None,
            value: Some(value.clone()),
        })
    });
    world.kit.decide(Decided { records: records.collect(), ..Decided::default() });
    world
}

/// How many records each decision has until none has any.
fn sizes(world: &mut World, first: Decided) -> Vec<usize> {
    let (mut sizes, mut decided) = (Vec::new(), first);
    while !decided.records.is_empty() {
        sizes.push(decided.records.len());
        assert!(decided.wake.is_some_and(|at| at <= world.now.steady) || sizes.len() == 3);
        world.kit.decide(decided);
        decided =
            world.kit.live().tick(&mut world.soft, world.now, &world.settings, &crate::NoTopics);
    }
    sizes
}

#[test]
fn the_offsets_of_one_group_expire_in_decisions_of_bounded_size() {
    let mut world = many_offsets();
    let days = 8 * 24 * 3_600_000;
    world.now = Now { steady: world.now.steady + days, wall: world.now.wall + days };
    let first =
        world.kit.live().tick(&mut world.soft, world.now, &world.settings, &crate::NoTopics);
    assert_eq!(sizes(&mut world, first), [1_000, 1_000, 501]);
    assert!(world.kit.live().is_empty());
}

#[test]
fn a_deleted_topic_is_forgotten_in_decisions_of_bounded_size() {
    let mut world = many_offsets();
    let deleted = [("t".into(), TopicId::ZERO)];
    let first = world.kit.live().topics_deleted(&mut world.soft, world.now, &deleted);
    assert_eq!(sizes(&mut world, first), [1_000, 1_000, 500]);
}
