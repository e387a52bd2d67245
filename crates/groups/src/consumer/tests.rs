//! The life of KIP-848 groups, in sentences.

mod random;

use expect_test::expect;

use crate::kinds::AnyKind;
use crate::script::{World, check};
use crate::shared_map::walked;

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
fn a_static_member_comes_back_to_what_it_had() {
    check(
        "settings interval=0ms | hb a static=s | hb b | hb a | hb a | hb b \
         | pause a static=s | hb b \
         | hb a2 static=s | hb b | consumers | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            a: Heartbeat epoch=3
            b: Heartbeat epoch=3 [t:2 t:3]
            a: Heartbeat epoch=-2
            b: Heartbeat epoch=3
            a2: Heartbeat epoch=3 [t:0 t:1]
            b: Heartbeat epoch=3
            consumers: ConsumerGroupDescribe Stable epoch=3/3 uniform
                a2@3 has=2 shall=2
                b@3 has=2 shall=2
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
            log: g current a -2/2 state=0 has=2 revoking=0
            log: g current a gone
            log: g target a gone
            log: g member a gone
            log: g member a2 t
            log: g target a2 2
            log: g current a2 0/0 state=0 has=2 revoking=0
            log: g member a2 t
            log: g current a2 3/0 state=0 has=2 revoking=0"#]],
    );
}

#[test]
fn an_instance_id_belongs_to_one_member() {
    check(
        "hb a static=s | hb b static=s | hb b static=s epoch=2 | hb c static=x epoch=2 \
         | pause b static=s | quit a static=s | hb b static=s",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat UNRELEASED_INSTANCE_ID
            b: Heartbeat FENCED_INSTANCE_ID
            c: Heartbeat UNKNOWN_MEMBER_ID
            b: Heartbeat FENCED_INSTANCE_ID
            a: Heartbeat epoch=-1
            b: Heartbeat epoch=4 [t:0 t:1 t:2 t:3]"#]],
    );
}

#[test]
fn a_static_member_that_stays_away_is_removed_after_its_session() {
    check(
        "hb a static=s | pause a static=s | advance 45s | consumers | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=-2
            consumers: ConsumerGroupDescribe Empty epoch=3/3 uniform
            log: g member a t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g current a -2/0 state=0 has=4 revoking=0
            log: g current a gone
            log: g target a gone
            log: g member a gone
            log: g epoch 3
            log: g target epoch 3"#]],
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
fn a_regular_expression_follows_the_topics() {
    check(
        "settings interval=0ms | hb a regex=[tv].* | grow v 2 | hb a | advance 11s | hb a \
         | hb a regex=u | hb a regex= topics=u | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2
            a: Heartbeat epoch=3 [t:0 t:1 t:2 t:3 v:0 v:1]
            a: Heartbeat epoch=3 []
            a: Heartbeat epoch=5 [u:0 u:1 u:2 u:3]
            log: g member a 
            log: g regex [tv].* t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g regex [tv].* t+v
            log: g epoch 3
            log: g target a 6
            log: g target epoch 3
            log: g current a 3/2 state=0 has=6 revoking=0
            log: g member a 
            log: g regex [tv].* gone
            log: g regex u u
            log: g epoch 4
            log: g target a 4
            log: g target epoch 4
            log: g current a 3/3 state=1 has=0 revoking=6
            log: g member a u
            log: g regex u gone
            log: g epoch 5
            log: g target epoch 5
            log: g current a 5/3 state=0 has=4 revoking=0"#]],
    );
}

#[test]
fn new_partitions_are_assigned() {
    check(
        "settings interval=0ms | hb a | grow t 6 | hb a | drop t | hb a",
        expect![[r#"
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        a: Heartbeat epoch=3 [t:0 t:1 t:2 t:3 t:4 t:5]
        a: Heartbeat epoch=3 []"#]],
    );
}

#[test]
fn what_is_no_longer_subscribed_is_let_go_before_the_next_assignment() {
    check(
        "hb a topics=t+u | hb a topics=u | hb a | consumers",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3 u:0 u:1 u:2 u:3]
            a: Heartbeat epoch=2 [u:0 u:1 u:2 u:3]
            a: Heartbeat epoch=2
            consumers: ConsumerGroupDescribe Assigning epoch=3/2 uniform
                a@2 has=4 shall=8"#]],
    );
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
fn commits_are_checked_against_epochs() {
    check(
        "settings interval=0ms | hb a | commit a t:0@5 id=a gen=2 | commit a t:0@5 id=a gen=3 \
         | commit a t:0@5 id=b gen=2 | commit a t:0@5 id=a gen=2 v=8 | commit x t:0@7 \
         | hb b | hb a | hb a | commit a t:0@6 t:3@6 id=a gen=2",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: OffsetCommit [NONE]
            a: OffsetCommit [STALE_MEMBER_EPOCH]
            a: OffsetCommit [UNKNOWN_MEMBER_ID]
            a: OffsetCommit [UNSUPPORTED_VERSION]
            x: OffsetCommit [UNKNOWN_MEMBER_ID]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            a: Heartbeat epoch=3
            a: OffsetCommit [NONE STALE_MEMBER_EPOCH]"#]],
    );
    check(
        "commit x t:0@5 | hb a | quit a | commit x t:0@6 | fetch t:0",
        expect![[r#"
        x: OffsetCommit [NONE]
        a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
        a: Heartbeat epoch=-1
        x: OffsetCommit [NONE]
        fetch: OffsetFetch [t:0@6]"#]],
    );
}

#[test]
fn subscribed_offsets_cannot_be_deleted() {
    check(
        "hb a | commit a t:0@5 u:0@5 id=a gen=2 | forget t:0 u:0 | delete | quit a \
         | delete | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: OffsetCommit [NONE NONE]
            forget: OffsetDelete [GROUP_SUBSCRIBED_TO_TOPIC NONE]
            delete: DeleteGroups NON_EMPTY_GROUP
            a: Heartbeat epoch=-1
            delete: DeleteGroups ok
            log: g member a t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g t:0 Some(5)
            log: g u:0 Some(5)
            log: g u:0 None
            log: g current a gone
            log: g target a gone
            log: g member a gone
            log: g epoch 3
            log: g target epoch 3
            log: g t:0 None
            log: g target epoch gone
            log: g epoch gone"#]],
    );
}

#[test]
fn an_empty_group_changes_its_kind_with_its_next_member() {
    check(
        "settings delay=0ms | join a | advance 0ms | sync a | hb b | leave a | hb b | list",
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
            b: JoinGroup UNKNOWN_SERVER_ERROR
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
fn what_is_free_goes_to_who_is_heard_of_first() {
    let round = "hb a | hb b | hb c | hb d | hb e";
    check(
        &format!(
            "settings interval=0ms | grow t 6 | {round} | {round} | {round} | {round} | hb e \
             | advance 1s | hb d | advance 1s | hb c | hb b | advance 1s | hb a | consumers \
             | quit c | hb a | consumers"
        ),
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3 t:4 t:5]
            b: Heartbeat epoch=3 []
            c: Heartbeat epoch=4 []
            d: Heartbeat epoch=5 []
            e: Heartbeat epoch=6 []
            a: Heartbeat epoch=2 [t:0 t:1]
            b: Heartbeat epoch=6
            c: Heartbeat epoch=6
            d: Heartbeat epoch=6
            e: Heartbeat epoch=6
            a: Heartbeat epoch=6
            b: Heartbeat epoch=6 [t:3]
            c: Heartbeat epoch=6 [t:2]
            d: Heartbeat epoch=6 [t:5]
            e: Heartbeat epoch=6 [t:4]
            a: Heartbeat epoch=6
            b: Heartbeat epoch=6
            c: Heartbeat epoch=6
            d: Heartbeat epoch=6
            e: Heartbeat epoch=6
            e: Heartbeat epoch=6
            d: Heartbeat epoch=6
            c: Heartbeat epoch=6
            b: Heartbeat epoch=6
            a: Heartbeat epoch=6
            consumers: ConsumerGroupDescribe Stable epoch=6/6 uniform
                a@6 has=2 shall=2
                b@6 has=1 shall=1
                c@6 has=1 shall=1
                d@6 has=1 shall=1
                e@6 has=1 shall=1
            c: Heartbeat epoch=-1
            a: Heartbeat epoch=7
            consumers: ConsumerGroupDescribe Reconciling epoch=7/7 uniform
                a@7 has=2 shall=2
                b@6 has=1 shall=1
                d@6 has=1 shall=1
                e@6 has=1 shall=2"#]],
    );
}

#[test]
fn heartbeats_come_sooner_while_the_group_is_not_settled() {
    check(
        "hb a show | hb b show | advance 1s | hb b show | hb a show | hb a show | hb b show",
        expect![[r#"
            a: Heartbeat epoch=2 next=250ms [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=2 next=1000ms []
            b: Heartbeat epoch=3 next=250ms
            a: Heartbeat epoch=2 next=250ms [t:0 t:1]
            a: Heartbeat epoch=3 next=250ms
            b: Heartbeat epoch=3 next=1500ms [t:2 t:3]"#]],
    );
}

#[test]
fn members_of_a_settled_group_are_heard_of_in_turn() {
    let settle =
        "settings interval=0ms | hb a | hb b | hb c | hb d | hb a | hb a | hb b | hb c | hb d";
    check(
        &format!(
            "{settle} | hb a show | hb b show | hb c show | hb d show | advance 1s \
             | hb a show | hb b show | hb c show | hb d show"
        ),
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            c: Heartbeat epoch=4 []
            d: Heartbeat epoch=5 []
            a: Heartbeat epoch=2 [t:0]
            a: Heartbeat epoch=5
            b: Heartbeat epoch=5 [t:2]
            c: Heartbeat epoch=5 [t:3]
            d: Heartbeat epoch=5 [t:1]
            a: Heartbeat epoch=5 next=250ms
            b: Heartbeat epoch=5 next=1250ms
            c: Heartbeat epoch=5 next=2500ms
            d: Heartbeat epoch=5 next=5000ms
            a: Heartbeat epoch=5 next=5000ms
            b: Heartbeat epoch=5 next=5000ms
            c: Heartbeat epoch=5 next=5000ms
            d: Heartbeat epoch=5 next=5000ms"#]],
    );
}

#[test]
fn commits_within_a_transaction_are_checked_against_epochs() {
    check(
        "settings interval=0ms | hb a | transact p t:0@5 member=a gen=2 | end 7 | fetch t:0 \
         | transact p t:0@6 member=a gen=3 | transact p t:0@6 member=b gen=2 \
         | transact p t:1@6 | hb b | hb a | hb a | transact p t:0@7 t:3@7 member=a gen=2",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            p: TxnOffsetCommit [NONE]
            fetch: OffsetFetch [t:0@5]
            p: TxnOffsetCommit [ILLEGAL_GENERATION]
            p: TxnOffsetCommit [UNKNOWN_MEMBER_ID]
            p: TxnOffsetCommit [NONE]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            a: Heartbeat epoch=3
            p: TxnOffsetCommit [NONE ILLEGAL_GENERATION]"#]],
    );
}

#[test]
fn a_regular_expression_is_resolved_again_when_its_refresh_interval_is_over() {
    check(
        "settings interval=0ms refresh=60s | hb a regex=t | keep a 60s | advance 1s | hb a \
         | advance 30s | hb a | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2
            a: Heartbeat epoch=2
            log: g member a 
            log: g regex t t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g regex t t"#]],
    );
}

#[test]
fn a_regular_expression_is_forgotten_with_its_last_subscriber() {
    check(
        "hb a regex=t | hb b regex=t | quit a | hb b regex= topics=u | hb c regex=u \
         | advance 45s | show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=2 []
            a: Heartbeat epoch=-1
            b: Heartbeat epoch=2
            c: Heartbeat epoch=2 []
            log: g member a 
            log: g regex t t
            log: g epoch 2
            log: g target a 4
            log: g target epoch 2
            log: g current a 2/0 state=0 has=4 revoking=0
            log: g member b 
            log: g epoch 3
            log: g current b 2/0 state=0 has=0 revoking=0
            log: g current a gone
            log: g target a gone
            log: g member a gone
            log: g epoch 4
            log: g member b u
            log: g regex t gone
            log: g epoch 5
            log: g member c 
            log: g regex u u
            log: g epoch 6
            log: g current c 2/0 state=0 has=0 revoking=0
            log: g current b gone
            log: g target b gone
            log: g member b gone
            log: g current c gone
            log: g target c gone
            log: g member c gone
            log: g regex u gone
            log: g epoch 7
            log: g target epoch 7"#]],
    );
}

#[test]
fn offsets_of_what_somebody_subscribes_to_do_not_expire() {
    check(
        "settings retention=1h | hb a | commit a t:0@5 u:0@5 id=a gen=2 | keep a 2h \
         | fetch t:0 u:0 \
         | quit a | advance 20m | fetch t:0 | list",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: OffsetCommit [NONE NONE]
            fetch: OffsetFetch [t:0@5 u:0@-1]
            a: Heartbeat epoch=-1
            fetch: OffsetFetch [t:0@-1]
            list: []"#]],
    );
}

#[test]
fn a_static_member_replaces_itself_in_a_full_group() {
    check(
        "settings size=1 | hb a static=s | pause a static=s | hb b static=s | hb c",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=-2
            b: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            c: Heartbeat GROUP_MAX_SIZE_REACHED"#]],
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

#[test]
fn a_heartbeat_at_rest_looks_at_no_other_member() {
    let mut world = World::new();
    let beat = |member: usize| match member % 3 {
        0 => format!("hb m{member} static=s{member}"),
        1 => format!("hb m{member} full assignor=range"),
        _ => format!("hb m{member} regex=t.* topics="),
    };
    world.run("settings interval=0ms");
    for _round in 0..8 {
        (0..90).for_each(|member| world.run(&format!("{} | advance 10ms", beat(member))));
    }
    let group = world.kit.live().group("g").and_then(|group| group.kinds.consumers.as_deref());
    assert_eq!(group.map(|group| (group.state(), group.members().len())), Some(("Stable", 90)));
    let at_rest = walked::during(|| (0..90).for_each(|member| world.run(&beat(member))));
    // Each looks at the one regular expression that the group has.
    assert_eq!(at_rest, 90);
    world.finish();
}
