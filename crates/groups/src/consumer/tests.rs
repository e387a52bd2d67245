//! The life of KIP-848 groups, in sentences.

mod offsets;
mod pace;
mod random;
mod settling;
mod statics;
mod subscriptions;

use expect_test::expect;

use crate::script::check;

#[test]
fn the_first_member_gets_everything_at_once() {
    check(
        "hb a | hb a | consumers | list",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2
            consumers: ConsumerGroupDescribe Stable epoch=2/2 uniform
                a@2 has=4 shall=4
            list: [g consumer Stable "consumer"]"#]],
    );
}

#[test]
fn a_join_is_written_down_in_kafkas_order() {
    check(
        "hb a | show",
        expect![[r#"
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        log: g member a t
        log: g epoch 2
        log: g target a 4
        log: g target epoch 2
        log: g current a 2/0 state=0 has=4 revoking=0"#]],
    );
}

#[test]
fn a_second_member_waits_for_the_assignment_interval_and_for_what_the_first_lets_go() {
    check(
        "hb a | hb b | advance 1s | hb b | hb a | hb b | hb a | hb b | hb a | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=2 []
            b: Heartbeat epoch=3
            a: Heartbeat epoch=2 [t:0 t:1]
            b: Heartbeat epoch=3
            a: Heartbeat epoch=3
            b: Heartbeat epoch=3 [t:2 t:3]
            a: Heartbeat epoch=3
            consumers: ConsumerGroupDescribe Stable epoch=3/3 uniform
                a@3 has=2 shall=2
                b@3 has=2 shall=2"#]],
    );
}

#[test]
fn a_member_that_leaves_frees_what_it_had() {
    check(
        "settings interval=0ms | hb a | hb b | hb a | hb a | hb b | quit a | hb b | show",
        expect![[r#"
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        b: Heartbeat epoch=3 []
        a: Heartbeat epoch=2 [t:0 t:1]
        a: Heartbeat epoch=3
        b: Heartbeat epoch=3 [t:2 t:3]
        a: Heartbeat epoch=-1
        b: Heartbeat epoch=4 [t:0 t:1 t:2 t:3]
        log: g member a t
        log: g epoch 2
        log: g target a 4
        log: g target epoch 2
        log: g current a 2/0 state=0 has=4 revoking=0
        log: g member b t
        log: g epoch 3
        log: g target a 2
        log: g target b 2
        log: g target epoch 3
        log: g current b 3/0 state=2 has=0 revoking=0
        log: g current a 2/2 state=1 has=2 revoking=2
        log: g current a 3/2 state=0 has=2 revoking=0
        log: g current b 3/3 state=0 has=2 revoking=0
        log: g current a gone
        log: g target a gone
        log: g member a gone
        log: g epoch 4
        log: g target b 4
        log: g target epoch 4
        log: g current b 4/3 state=0 has=4 revoking=0"#]],
    );
}

#[test]
fn who_keeps_what_it_shall_let_go_is_removed_after_its_rebalance_timeout() {
    check(
        "settings interval=0ms | hb a rebalance=20s | hb b | hb a keep | advance 10s \
         | hb a keep | hb b \
         | advance 9999ms | hb a keep | advance 1ms | hb a keep | hb b",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            a: Heartbeat epoch=2
            b: Heartbeat epoch=3
            a: Heartbeat epoch=2
            a: Heartbeat UNKNOWN_MEMBER_ID
            b: Heartbeat epoch=4 [t:0 t:1 t:2 t:3]"#]],
    );
}

#[test]
fn who_is_silent_is_removed_after_its_session() {
    check(
        "settings interval=0ms | hb a | advance 44s | hb b | advance 1s | consumers \
         | hb a | hb b",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            consumers: ConsumerGroupDescribe Assigning epoch=4/3 uniform
                b@3 has=0 shall=2
            a: Heartbeat UNKNOWN_MEMBER_ID
            b: Heartbeat epoch=4 [t:0 t:1 t:2 t:3]"#]],
    );
}

#[test]
fn a_member_in_the_wrong_epoch_is_fenced() {
    check(
        "hb a | hb a epoch=3",
        expect![[r#"
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        a: Heartbeat FENCED_MEMBER_EPOCH"#]],
    );
    check(
        "hb a | hb a epoch=1",
        expect![[r#"
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        a: Heartbeat FENCED_MEMBER_EPOCH"#]],
    );
    check(
        "hb a epoch=1 | hb a | hb b epoch=1",
        expect![[r#"
        a: Heartbeat GROUP_ID_NOT_FOUND
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        b: Heartbeat UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn an_answer_that_was_lost_is_made_up_for() {
    check(
        "settings interval=0ms | hb a | hb b | hb a | hb a | hb a epoch=2 full | hb a epoch=2",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            a: Heartbeat epoch=3
            a: Heartbeat epoch=3
            a: Heartbeat FENCED_MEMBER_EPOCH"#]],
    );
}

#[test]
fn requests_without_sense_are_refused() {
    for (script, expect) in [
        ("hb a id=", expect!["a: Heartbeat INVALID_REQUEST"]),
        ("hb a group=", expect!["a: Heartbeat INVALID_REQUEST"]),
        ("hb a static=", expect!["a: Heartbeat INVALID_REQUEST"]),
        ("hb a assignor=none", expect!["a: Heartbeat UNSUPPORTED_ASSIGNOR"]),
        ("pause a", expect!["a: Heartbeat INVALID_REQUEST"]),
        ("hb a epoch=-3", expect!["a: Heartbeat INVALID_REQUEST"]),
        ("quit a", expect!["a: Heartbeat GROUP_ID_NOT_FOUND"]),
        ("hb a regex=(", expect!["a: Heartbeat INVALID_REGULAR_EXPRESSION"]),
        (
            "settings size=1 | hb a | hb b | hb a",
            expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat GROUP_MAX_SIZE_REACHED
            a: Heartbeat epoch=2"#]],
        ),
    ] {
        check(script, expect);
    }
}

#[test]
fn the_assignor_of_most_members_counts() {
    check(
        "settings interval=0ms | hb a assignor=range | hb b | consumers | hb c assignor=uniform \
         | hb d assignor=uniform | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            consumers: ConsumerGroupDescribe Reconciling epoch=3/3 range
                a@2 has=4 shall=2
                b@3 has=0 shall=2
            c: Heartbeat epoch=4 []
            d: Heartbeat epoch=5 []
            consumers: ConsumerGroupDescribe Reconciling epoch=5/5 uniform
                a@2 has=4 shall=1
                b@3 has=0 shall=1
                c@4 has=0 shall=1
                d@5 has=0 shall=1"#]],
    );
}

#[test]
fn a_restart_changes_nothing_but_the_sessions() {
    check(
        "settings interval=0ms | hb a | hb b | hb a | restart | consumers | hb a | hb b \
         | advance 45s | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            consumers: ConsumerGroupDescribe Reconciling epoch=3/3 uniform
                a@2 has=2 shall=2
                b@3 has=0 shall=2
            a: Heartbeat epoch=3
            b: Heartbeat epoch=3 [t:2 t:3]
            consumers: ConsumerGroupDescribe Empty epoch=4/4 uniform"#]],
    );
}

#[test]
fn an_append_that_fails_leaves_the_group_as_it_was() {
    check(
        "settings interval=0ms | hb a | fail | hb b | consumers | hb b | fail | quit b \
         | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat COORDINATOR_NOT_AVAILABLE
            consumers: ConsumerGroupDescribe Stable epoch=2/2 uniform
                a@2 has=4 shall=4
            b: Heartbeat epoch=3 []
            b: Heartbeat COORDINATOR_NOT_AVAILABLE
            consumers: ConsumerGroupDescribe Reconciling epoch=3/3 uniform
                a@2 has=4 shall=2
                b@3 has=0 shall=2"#]],
    );
    check(
        "hb a | advance 44s | fail | advance 1s | consumers | advance 45s | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            consumers: ConsumerGroupDescribe Stable epoch=2/2 uniform
                a@2 has=4 shall=4
            consumers: ConsumerGroupDescribe Empty epoch=3/3 uniform"#]],
    );
}

#[test]
fn an_empty_group_changes_its_kind_with_its_next_member() {
    check(
        "settings delay=0ms | join a | advance 20ms | sync a | hb b | leave a | hb b | list",
        expect![[r#"
        a: JoinGroup generation=1 leader=a members=[a]
        a: SyncGroup assignment=a@1
        b: Heartbeat GROUP_ID_NOT_FOUND
        a: LeaveGroup [NONE]
        b: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        list: [g consumer Stable "consumer"]"#]],
    );
    check(
        "hb a | join b | quit a | join b | advance 3s | list | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: JoinGroup INCONSISTENT_GROUP_PROTOCOL
            a: Heartbeat epoch=-1
            b: JoinGroup generation=1 leader=b members=[b]
            list: [g classic CompletingRebalance "consumer"]
            log: g member a t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g current a gone
            log: g target a gone
            log: g member a gone
            log: g epoch 3
            log: g target epoch 3
            log: g target epoch gone
            log: g epoch gone
            log: g type= generation=0 protocol=- leader=- members=[]"#]],
    );
}

#[test]
fn another_assignor_is_another_assignment() {
    check(
        "settings interval=0ms | hb a | hb a assignor=uniform | hb a assignor=range | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2
            a: Heartbeat epoch=3
            consumers: ConsumerGroupDescribe Stable epoch=3/3 range
                a@3 has=4 shall=4"#]],
    );
}
