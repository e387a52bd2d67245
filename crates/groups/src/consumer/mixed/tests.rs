//! Scripts of groups whose members speak both protocols. `poll` is a classic consumer, `hb` one of
//! KIP-848.

mod golden;
mod random;

use expect_test::expect;

use crate::script::{check, check_after};

/// Two classic consumers that have settled.
const TWO: &str = "settings interval=0ms delay=0ms | poll a | poll a | advance 20ms | poll a \
                   | poll a | poll b | poll b | poll a | poll a | poll a | poll b | poll a \
                   | poll b | poll a | poll b";

#[test]
fn two_classic_consumers_share_what_there_is() {
    check(
        TWO,
        expect![[r#"
        a: JoinGroup MEMBER_ID_REQUIRED
        a: JoinGroup generation=1 leader=a members=[a]
        a: SyncGroup [t:0 t:1 t:2 t:3]
        a: Heartbeat ok
        b: JoinGroup MEMBER_ID_REQUIRED
        a: Heartbeat REBALANCE_IN_PROGRESS
        a: JoinGroup generation=2 leader=a members=[a b]
        b: JoinGroup generation=2 leader=a
        a: SyncGroup [t:0 t:2]
        b: SyncGroup []
        b: Heartbeat REBALANCE_IN_PROGRESS
        a: JoinGroup generation=3 leader=a members=[a b]
        b: JoinGroup generation=3 leader=a"#]],
    );
}

#[test]
fn a_group_is_upgraded_and_nobody_gives_up_more_than_it_has_to() {
    check_after(
        TWO,
        "hb c | consumers | poll a | poll b | show",
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            consumers: ConsumerGroupDescribe Reconciling epoch=4/4 uniform
                a-00000000-0000-4000-8000-000000000001@3 has=2 shall=2 classic
                b-00000000-0000-4000-8000-000000000005@3 has=0 shall=1 classic
                c@4 has=1 shall=1
            a: SyncGroup REBALANCE_IN_PROGRESS
            b: SyncGroup REBALANCE_IN_PROGRESS
            log: g gone
            log: g member a-00000000-0000-4000-8000-000000000001 t
            log: g member b-00000000-0000-4000-8000-000000000005 t
            log: g epoch 3
            log: g target a-00000000-0000-4000-8000-000000000001 2
            log: g target b-00000000-0000-4000-8000-000000000005 0
            log: g target epoch 3
            log: g current a-00000000-0000-4000-8000-000000000001 3/3 state=0 has=2 revoking=0
            log: g current b-00000000-0000-4000-8000-000000000005 3/3 state=0 has=0 revoking=0
            log: g member c t
            log: g epoch 4
            log: g target b-00000000-0000-4000-8000-000000000005 1
            log: g target c 1
            log: g target epoch 4
            log: g current c 4/0 state=0 has=1 revoking=0"#]],
    );
}

#[test]
fn upgraded_members_move_partitions_step_by_step() {
    let round = "poll a | poll b | hb c";
    check_after(
        TWO,
        &format!("hb c | {round} | {round} | {round} | {round} | {round} | consumers"),
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            a: SyncGroup REBALANCE_IN_PROGRESS
            b: SyncGroup REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=4
            a: JoinGroup generation=4 leader=
            b: JoinGroup generation=4 leader=
            c: Heartbeat epoch=4
            a: SyncGroup [t:0 t:2]
            b: SyncGroup [t:3]
            c: Heartbeat epoch=4
            a: Heartbeat ok
            b: Heartbeat ok
            c: Heartbeat epoch=4
            a: Heartbeat ok
            b: Heartbeat ok
            c: Heartbeat epoch=4
            consumers: ConsumerGroupDescribe Stable epoch=4/4 uniform
                a-00000000-0000-4000-8000-000000000001@4 has=2 shall=2 classic
                b-00000000-0000-4000-8000-000000000005@4 has=1 shall=1 classic
                c@4 has=1 shall=1"#]],
    );
}

#[test]
fn the_last_new_member_leaves_and_the_group_is_classic_again() {
    let round = "poll a | poll b";
    check_after(
        TWO,
        &format!(
            "hb c | {round} | {round} | {round} | hb c | quit c | list | {round} \
             | {round} | {round} | {round} | list | show"
        ),
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            a: SyncGroup REBALANCE_IN_PROGRESS
            b: SyncGroup REBALANCE_IN_PROGRESS
            a: JoinGroup generation=4 leader=
            b: JoinGroup generation=4 leader=
            a: SyncGroup [t:0 t:2]
            b: SyncGroup [t:3]
            c: Heartbeat epoch=4
            c: Heartbeat epoch=-1
            list: [g classic PreparingRebalance "consumer"]
            a: Heartbeat REBALANCE_IN_PROGRESS
            b: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=5 leader=a members=[a b]
            b: JoinGroup generation=5 leader=a
            a: SyncGroup [t:0 t:2]
            b: SyncGroup [t:1 t:3]
            a: Heartbeat ok
            b: Heartbeat ok
            list: [g classic Stable "consumer"]
            log: g gone
            log: g member a-00000000-0000-4000-8000-000000000001 t
            log: g member b-00000000-0000-4000-8000-000000000005 t
            log: g epoch 3
            log: g target a-00000000-0000-4000-8000-000000000001 2
            log: g target b-00000000-0000-4000-8000-000000000005 0
            log: g target epoch 3
            log: g current a-00000000-0000-4000-8000-000000000001 3/3 state=0 has=2 revoking=0
            log: g current b-00000000-0000-4000-8000-000000000005 3/3 state=0 has=0 revoking=0
            log: g member c t
            log: g epoch 4
            log: g target b-00000000-0000-4000-8000-000000000005 1
            log: g target c 1
            log: g target epoch 4
            log: g current c 4/0 state=0 has=1 revoking=0
            log: g member a-00000000-0000-4000-8000-000000000001 t
            log: g current a-00000000-0000-4000-8000-000000000001 4/3 state=0 has=2 revoking=0
            log: g member b-00000000-0000-4000-8000-000000000005 t
            log: g current b-00000000-0000-4000-8000-000000000005 4/3 state=0 has=1 revoking=0
            log: g current a-00000000-0000-4000-8000-000000000001 gone
            log: g current b-00000000-0000-4000-8000-000000000005 gone
            log: g current c gone
            log: g target a-00000000-0000-4000-8000-000000000001 gone
            log: g target b-00000000-0000-4000-8000-000000000005 gone
            log: g target c gone
            log: g target epoch gone
            log: g member a-00000000-0000-4000-8000-000000000001 gone
            log: g member b-00000000-0000-4000-8000-000000000005 gone
            log: g member c gone
            log: g partition metadata gone
            log: g epoch gone
            log: g type=consumer generation=4 protocol=range leader=a members=[a b]
            log: g type=consumer generation=5 protocol=range leader=a members=[a b]"#]],
    );
}

#[test]
fn the_last_new_member_is_not_heard_of_and_the_group_is_classic_again() {
    let beats = "poll a | poll b | advance 5s";
    let beats = format!("{beats} | {beats} | {beats} | {beats} | {beats}");
    check_after(
        TWO,
        &format!("hb c | {beats} | {beats} | list | show"),
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            a: SyncGroup REBALANCE_IN_PROGRESS
            b: SyncGroup REBALANCE_IN_PROGRESS
            a: JoinGroup generation=4 leader=
            b: JoinGroup generation=4 leader=
            a: SyncGroup [t:0 t:2]
            b: SyncGroup [t:3]
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat ok
            b: Heartbeat ok
            a: Heartbeat REBALANCE_IN_PROGRESS
            b: Heartbeat REBALANCE_IN_PROGRESS
            list: [g classic PreparingRebalance "consumer"]
            log: g gone
            log: g member a-00000000-0000-4000-8000-000000000001 t
            log: g member b-00000000-0000-4000-8000-000000000005 t
            log: g epoch 3
            log: g target a-00000000-0000-4000-8000-000000000001 2
            log: g target b-00000000-0000-4000-8000-000000000005 0
            log: g target epoch 3
            log: g current a-00000000-0000-4000-8000-000000000001 3/3 state=0 has=2 revoking=0
            log: g current b-00000000-0000-4000-8000-000000000005 3/3 state=0 has=0 revoking=0
            log: g member c t
            log: g epoch 4
            log: g target b-00000000-0000-4000-8000-000000000005 1
            log: g target c 1
            log: g target epoch 4
            log: g current c 4/0 state=0 has=1 revoking=0
            log: g member a-00000000-0000-4000-8000-000000000001 t
            log: g current a-00000000-0000-4000-8000-000000000001 4/3 state=0 has=2 revoking=0
            log: g member b-00000000-0000-4000-8000-000000000005 t
            log: g current b-00000000-0000-4000-8000-000000000005 4/3 state=0 has=1 revoking=0
            log: g current a-00000000-0000-4000-8000-000000000001 gone
            log: g current b-00000000-0000-4000-8000-000000000005 gone
            log: g current c gone
            log: g target a-00000000-0000-4000-8000-000000000001 gone
            log: g target b-00000000-0000-4000-8000-000000000005 gone
            log: g target c gone
            log: g target epoch gone
            log: g member a-00000000-0000-4000-8000-000000000001 gone
            log: g member b-00000000-0000-4000-8000-000000000005 gone
            log: g member c gone
            log: g partition metadata gone
            log: g epoch gone
            log: g type=consumer generation=4 protocol=range leader=a members=[a b]"#]],
    );
}

#[test]
fn a_policy_keeps_groups_as_they_are() {
    check_after(
        TWO,
        "settings migration=no | hb c | settings migration=down | hb c \
             | settings migration=up | hb c | quit c | list | hb d | settings migration=no \
             | poll e | list",
        expect![[r#"
            c: Heartbeat GROUP_ID_NOT_FOUND
            c: Heartbeat GROUP_ID_NOT_FOUND
            c: Heartbeat epoch=4 [t:1]
            c: Heartbeat epoch=-1
            list: [g consumer Assigning "consumer"]
            d: Heartbeat epoch=6 [t:1]
            e: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            list: [g consumer Reconciling "consumer"]"#]],
    );
}

#[test]
fn what_cannot_be_upgraded_is_refused() {
    check(
        "settings delay=0ms | join a v=3 type=connect protocols=x | advance 20ms | sync a | hb c \
         | join a2 v=3 group=h meta=m | advance 20ms | sync a2 group=h | hb c group=h \
         | join b v=3 group=i topics=t | hb c group=i \
         | consumers group=i",
        expect![[r#"
            a: JoinGroup generation=1 leader=a protocol=x members=[a]
            a: SyncGroup assignment=a@1
            c: Heartbeat GROUP_ID_NOT_FOUND
            a2: JoinGroup generation=1 leader=a2 members=[a2]
            a2: SyncGroup assignment=a2@1
            c: Heartbeat GROUP_ID_NOT_FOUND
            b: JoinGroup REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=2 [t:0 t:1]
            consumers: ConsumerGroupDescribe Reconciling epoch=2/2 uniform
                b-00000000-0000-4000-8000-000000000007@1 has=0 shall=2 classic
                c@2 has=2 shall=2"#]],
    );
}

#[test]
fn a_classic_member_that_does_not_come_back_in_time_is_removed() {
    let beat = "advance 9s | beat a | hb c";
    let beats = [beat; 8].join(" | ");
    check_after(
        TWO,
        &format!("hb c | poll b | {beats} | consumers"),
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            b: SyncGroup REBALANCE_IN_PROGRESS
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=4
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5 [t:1 t:3]
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5
            a: Heartbeat REBALANCE_IN_PROGRESS
            c: Heartbeat epoch=5
            a: Heartbeat UNKNOWN_MEMBER_ID
            c: Heartbeat epoch=6 [t:0 t:1 t:2 t:3]
            consumers: ConsumerGroupDescribe Stable epoch=6/6 uniform
                c@6 has=4 shall=4"#]],
    );
}

#[test]
fn a_silent_classic_member_goes_after_its_own_session_timeout() {
    check_after(
        TWO,
        "hb c | poll a | advance 9s | poll a | advance 2s | consumers",
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            a: SyncGroup REBALANCE_IN_PROGRESS
            a: JoinGroup generation=4 leader=
            consumers: ConsumerGroupDescribe Assigning epoch=5/4 uniform
                a-00000000-0000-4000-8000-000000000001@4 has=2 shall=2 classic
                c@4 has=1 shall=1"#]],
    );
}

#[test]
fn static_members_cross_protocols_without_asking() {
    check(
        "settings interval=0ms delay=0ms | poll a static=s | poll b | poll b | advance 50ms \
         | poll a | poll b | poll a | poll b | hb c static=s | poll a | poll b | poll b | hb c \
         | poll b | consumers | pause c static=s | poll d static=s | poll b | poll d | poll d \
         | list | show",
        expect![[r#"
            b: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=s members=[s b]
            b: JoinGroup generation=1 leader=s
            a: SyncGroup [t:0 t:2]
            b: SyncGroup [t:1 t:3]
            a: Heartbeat ok
            b: Heartbeat ok
            c: Heartbeat epoch=1 [t:0 t:2]
            a: Heartbeat FENCED_INSTANCE_ID
            b: Heartbeat ok
            b: Heartbeat ok
            c: Heartbeat epoch=1
            b: Heartbeat ok
            consumers: ConsumerGroupDescribe Stable epoch=1/1 uniform
                b-00000000-0000-4000-8000-000000000002@1 has=2 shall=2 classic
                c@1 has=2 shall=2
            c: Heartbeat epoch=-2
            d: JoinGroup generation=1 leader=
            b: Heartbeat ok
            d: SyncGroup [t:0 t:2]
            d: Heartbeat ok
            list: [g classic Stable "consumer"]
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g type=consumer generation=1 protocol=range leader=s members=[s b]
            log: g gone
            log: g member s-00000000-0000-4000-8000-000000000001 t
            log: g member b-00000000-0000-4000-8000-000000000002 t
            log: g epoch 1
            log: g target s-00000000-0000-4000-8000-000000000001 2
            log: g target b-00000000-0000-4000-8000-000000000002 2
            log: g target epoch 1
            log: g current s-00000000-0000-4000-8000-000000000001 1/1 state=0 has=2 revoking=0
            log: g current b-00000000-0000-4000-8000-000000000002 1/1 state=0 has=2 revoking=0
            log: g current s-00000000-0000-4000-8000-000000000001 gone
            log: g target s-00000000-0000-4000-8000-000000000001 gone
            log: g member s-00000000-0000-4000-8000-000000000001 gone
            log: g member c t
            log: g target c 2
            log: g current c 0/0 state=0 has=2 revoking=0
            log: g member c t
            log: g current c 1/0 state=0 has=2 revoking=0
            log: g current c -2/0 state=0 has=2 revoking=0
            log: g current c gone
            log: g target c gone
            log: g member c gone
            log: g member AAAAAAAAAAAAAAAAAAAAEA t
            log: g target AAAAAAAAAAAAAAAAAAAAEA 2
            log: g current AAAAAAAAAAAAAAAAAAAAEA 0/0 state=0 has=2 revoking=0
            log: g member AAAAAAAAAAAAAAAAAAAAEA t
            log: g current AAAAAAAAAAAAAAAAAAAAEA 1/0 state=0 has=2 revoking=0
            log: g current AAAAAAAAAAAAAAAAAAAAEA gone
            log: g current b-00000000-0000-4000-8000-000000000002 gone
            log: g target AAAAAAAAAAAAAAAAAAAAEA gone
            log: g target b-00000000-0000-4000-8000-000000000002 gone
            log: g target epoch gone
            log: g member AAAAAAAAAAAAAAAAAAAAEA gone
            log: g member b-00000000-0000-4000-8000-000000000002 gone
            log: g partition metadata gone
            log: g epoch gone
            log: g type=consumer generation=1 protocol=range leader=d members=[d b]"#]],
    );
}

#[test]
fn requests_of_classic_members_are_refused_as_kafka_refuses_them() {
    check_after(
        TWO,
        "hb c | beat a gen=7 | beat x | sync a gen=7 | sync a protocol=other \
             | sync a type=other | leave x | poll a | commit a t:0@5 gen=7 | commit a t:0@5 \
             | commit a t:0@5 gen=3 | commit a t:1@5 gen=3 | commit a t:0@5 gen=1 \
             | join c id=c | join e type=connect protocols=range | join e protocols=other topics=t \
             | join e meta= | join e v=3 topics=t",
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            a: Heartbeat ILLEGAL_GENERATION
            x: Heartbeat UNKNOWN_MEMBER_ID
            a: SyncGroup ILLEGAL_GENERATION
            a: SyncGroup ILLEGAL_GENERATION
            a: SyncGroup ILLEGAL_GENERATION
            x: LeaveGroup [UNKNOWN_MEMBER_ID]
            a: JoinGroup generation=4 leader=
            a: OffsetCommit [ILLEGAL_GENERATION]
            a: OffsetCommit [NONE]
            a: OffsetCommit [NONE]
            a: OffsetCommit [ILLEGAL_GENERATION]
            a: OffsetCommit [ILLEGAL_GENERATION]
            c: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            e: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            e: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            e: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            e: JoinGroup generation=5 leader="#]],
    );
}

#[test]
fn an_administrator_removes_members_of_both_protocols() {
    check_after(
        TWO,
        "hb c static=s | leave static=s | list | hb d static=s | leave a | list",
        expect![[r#"
            c: Heartbeat epoch=4 [t:1]
            admin: LeaveGroup [NONE]
            list: [g classic PreparingRebalance "consumer"]
            d: Heartbeat epoch=5 [t:1]
            a: LeaveGroup [NONE]
            list: [g consumer Assigning "consumer"]"#]],
    );
}

#[test]
fn what_a_leader_gave_of_a_topic_that_is_gone_is_nothing() {
    check(
        "settings interval=0ms delay=0ms | poll a topics=t+x | poll a | advance 20ms | poll a \
         | poll a | drop t | hb c | consumers | poll a | poll a | poll a",
        expect![[r#"
            a: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup [t:0 t:1 t:2 t:3]
            a: Heartbeat ok
            c: Heartbeat epoch=2 []
            consumers: ConsumerGroupDescribe Reconciling epoch=2/2 uniform
                a-00000000-0000-4000-8000-000000000001@1 has=0 shall=0 classic
                c@2 has=0 shall=0
            a: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=2 leader=
            a: SyncGroup []"#]],
    );
}

#[test]
fn a_change_that_cannot_be_written_leaves_the_group_as_it_was() {
    check_after(
        TWO,
        "fail | hb c | list | poll a | poll b | hb c | fail | quit c | list | poll a \
             | hb c | restart | poll a | poll b | hb c | consumers",
        expect![[r#"
            c: Heartbeat COORDINATOR_NOT_AVAILABLE
            list: [g classic Stable "consumer"]
            a: SyncGroup ILLEGAL_GENERATION
            b: SyncGroup ILLEGAL_GENERATION
            c: Heartbeat epoch=3 [t:1]
            c: Heartbeat COORDINATOR_NOT_AVAILABLE
            list: [g consumer Reconciling "consumer"]
            a: JoinGroup generation=3 leader=
            c: Heartbeat epoch=3
            a: SyncGroup [t:0 t:2]
            b: JoinGroup generation=3 leader=
            c: Heartbeat epoch=3
            consumers: ConsumerGroupDescribe Stable epoch=3/3 uniform
                a-00000000-0000-4000-8000-000000000001@3 has=2 shall=2 classic
                b-00000000-0000-4000-8000-000000000005@3 has=1 shall=1 classic
                c@3 has=1 shall=1"#]],
    );
}
