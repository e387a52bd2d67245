//! The life of classic groups, in sentences.

use expect_test::expect;

use crate::script::{check, check_after};

/// A consumer that has settled.
const ONE: &str = "join a | advance 3s | sync a";
/// Two consumers that have settled.
const TWO: &str = "join a | join b | advance 6s | sync a | sync b";

#[test]
fn consumers_settle() {
    check(
        ONE,
        expect![[r#"
        a: JoinGroup generation=1 leader=a members=[a]
        a: SyncGroup assignment=a@1"#]],
    );
    check(
        TWO,
        expect![[r#"
        a: JoinGroup generation=1 leader=a members=[a b]
        b: JoinGroup generation=1 leader=a
        a: SyncGroup assignment=a@1
        b: SyncGroup assignment=b@1"#]],
    );
}

#[test]
fn first_member_waits_for_the_rebalance_delay() {
    check("join a | advance 2999ms", expect!["parked: a"]);
    check("join a | advance 3s", expect!["a: JoinGroup generation=1 leader=a members=[a]"]);
}

#[test]
fn the_delay_is_extended_while_members_arrive() {
    check("join a | advance 2s | join b | advance 3999ms", expect!["parked: a b"]);
    check(
        "join a | advance 2s | join b | advance 4s",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a"#]],
    );
    check(
        "join a | advance 2s | join b | advance 2s | join c | advance 4999ms",
        expect!["parked: a b c"],
    );
}

#[test]
fn the_delay_is_extended_up_to_the_rebalance_timeout() {
    check(
        "join a rebalance=7s | advance 2s | join b rebalance=7s | advance 3s | \
         join c rebalance=7s | advance 2s",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b c]
            b: JoinGroup generation=1 leader=a
            c: JoinGroup generation=1 leader=a"#]],
    );
}

#[test]
fn without_a_delay_a_member_that_is_alone_waits_for_a_moment() {
    check("settings delay=0ms | join a | advance 19ms", expect!["parked: a"]);
    check(
        "settings delay=0ms | join a v=4 | advance 1s | join a v=4 | advance 20ms | sync a \
         | join b | join a",
        expect![[r#"
            a: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: JoinGroup generation=2 leader=a members=[a b]
            b: JoinGroup generation=2 leader=a"#]],
    );
}

#[test]
fn without_a_delay_members_that_start_together_are_in_the_first_generation() {
    check(
        "settings delay=0ms | join a | advance 19ms | join b v=4 | advance 49ms | join b v=4 \
         | advance 49ms",
        expect![[r#"
            b: JoinGroup MEMBER_ID_REQUIRED
            parked: a b"#]],
    );
    check(
        "settings delay=0ms | join a v=4 | join b v=4 | join a v=4 | advance 49ms | join c \
         | advance 50ms",
        expect![[r#"
            a: JoinGroup MEMBER_ID_REQUIRED
            b: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=a members=[a c]
            c: JoinGroup generation=1 leader=a"#]],
    );
}

#[test]
fn without_a_delay_nobody_is_waited_for_longer_than_a_quarter_of_a_second() {
    let script = "settings delay=0ms | join a | advance 10ms | join b | advance 40ms | join c \
                  | advance 40ms | join d | advance 40ms | join e | advance 40ms | join f \
                  | advance 40ms | join g v=4";
    check(
        &format!("{script} | advance 39ms"),
        expect![[r#"
        g: JoinGroup MEMBER_ID_REQUIRED
        parked: a b c d e f"#]],
    );
    check(
        &format!("{script} | advance 40ms"),
        expect![[r#"
        g: JoinGroup MEMBER_ID_REQUIRED
        a: JoinGroup generation=1 leader=a members=[a b c d e f]
        b: JoinGroup generation=1 leader=a
        c: JoinGroup generation=1 leader=a
        d: JoinGroup generation=1 leader=a
        e: JoinGroup generation=1 leader=a
        f: JoinGroup generation=1 leader=a"#]],
    );
    check(
        "settings delay=0ms | join a rebalance=30ms | join b rebalance=30ms | advance 30ms",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a"#]],
    );
}

#[test]
fn without_a_delay_an_empty_group_waits_for_a_moment_again() {
    check(
        "settings delay=0ms | join a | advance 20ms | sync a | leave a | join b | advance 19ms \
         | join c | advance 50ms",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: LeaveGroup [NONE]
            b: JoinGroup generation=3 leader=b members=[b c]
            c: JoinGroup generation=3 leader=b"#]],
    );
}

#[test]
fn a_dynamic_member_first_gets_an_id() {
    check(
        "join a v=4 | join a v=4 | advance 3s | show",
        expect![[r#"
            a: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=a members=[a]
            log: g type= generation=0 protocol=- leader=- members=[]"#]],
    );
}

#[test]
fn a_join_that_is_refused_leaves_an_empty_group() {
    check(
        "join a type= | list | join b type= | show",
        expect![[r#"
        a: JoinGroup INCONSISTENT_GROUP_PROTOCOL
        list: [g classic Empty ""]
        b: JoinGroup INCONSISTENT_GROUP_PROTOCOL
        log: g type= generation=0 protocol=- leader=- members=[]"#]],
    );
}

#[test]
fn an_id_that_is_never_used_expires() {
    check_after(
        ONE,
        "join b v=4 session=10s | beat a | advance 9s | beat a | join a | advance 999ms \
         | beat a | advance 1ms",
        expect![[r#"
            b: JoinGroup MEMBER_ID_REQUIRED
            a: Heartbeat ok
            a: Heartbeat ok
            a: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=2 leader=a members=[a]"#]],
    );
}

#[test]
fn an_id_that_nobody_gave_out_is_unknown() {
    check("join a id=who v=4", expect!["a: JoinGroup UNKNOWN_MEMBER_ID"]);
    check(
        "join a | join b id=who v=4",
        expect![[r#"
        b: JoinGroup UNKNOWN_MEMBER_ID
        parked: a"#]],
    );
}

#[test]
fn the_leaders_assignment_reaches_everyone() {
    check(
        "join a | join b | advance 6s | sync b | sync a | show",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            a: SyncGroup assignment=a@1
            b: SyncGroup assignment=b@1
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g type=consumer generation=1 protocol=range leader=a members=[a b]"#]],
    );
}

#[test]
fn a_follower_that_syncs_late_gets_its_assignment() {
    check_after(TWO, "sync b", expect!["b: SyncGroup assignment=b@1"]);
}

#[test]
fn a_member_that_the_leader_left_out_gets_nothing() {
    check(
        "join a | join b | advance 6s | sync b | sync a omit=b",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            a: SyncGroup assignment=a@1
            b: SyncGroup assignment="#]],
    );
}

#[test]
fn a_new_member_makes_the_others_join_again() {
    check_after(
        ONE,
        "join b | beat a | join a | sync a | sync b | beat a",
        expect![[r#"
            a: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=2 leader=a members=[a b]
            b: JoinGroup generation=2 leader=a
            a: SyncGroup assignment=a@2
            b: SyncGroup assignment=b@2
            a: Heartbeat ok"#]],
    );
}

#[test]
fn a_member_that_does_not_join_again_is_left_behind() {
    check(
        "join a session=60s rebalance=20s | advance 3s | sync a | join b rebalance=20s | \
         advance 19999ms | beat a",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            a: Heartbeat REBALANCE_IN_PROGRESS
            parked: b"#]],
    );
    check(
        "join a session=60s rebalance=20s | advance 3s | sync a | join b rebalance=20s | \
         advance 20s | beat a",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            b: JoinGroup generation=2 leader=b members=[b]
            a: Heartbeat UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn a_silent_member_is_removed_when_its_session_ends() {
    check_after(
        TWO,
        "advance 9s | beat a | advance 1s | beat a",
        expect![[r#"
            a: Heartbeat ok
            a: Heartbeat REBALANCE_IN_PROGRESS"#]],
    );
}

#[test]
fn a_member_that_never_syncs_is_removed_after_the_rebalance_timeout() {
    check(
        "join a session=5m rebalance=30s | join b session=5m rebalance=30s | advance 6s | \
         sync a | advance 29999ms | beat a | advance 1ms | beat a | beat b",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            a: SyncGroup assignment=a@1
            a: Heartbeat ok
            a: Heartbeat REBALANCE_IN_PROGRESS
            b: Heartbeat UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn a_leader_that_never_syncs_leaves_its_followers_to_rebalance() {
    check(
        "join a | join b | advance 6s | sync b | advance 10s | join b | sync b",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            b: SyncGroup REBALANCE_IN_PROGRESS
            b: JoinGroup generation=2 leader=b members=[b]
            b: SyncGroup assignment=b@2"#]],
    );
}

#[test]
fn the_last_member_leaves_an_empty_group() {
    check_after(
        ONE,
        "leave a | describe | show | join a id=none",
        expect![[r#"
            a: LeaveGroup [NONE]
            describe: NONE Empty type="consumer" protocol="" []
            log: g type=consumer generation=2 protocol=- leader=- members=[]
            parked: a"#]],
    );
}

#[test]
fn leaving_in_old_versions_names_one_member() {
    check_after(
        ONE,
        "leave a v=2 | leave a v=2",
        expect![[r#"
            a: LeaveGroup []
            a: LeaveGroup UNKNOWN_MEMBER_ID"#]],
    );
    check(
        "leave a | leave a v=2",
        expect![[r#"
            a: LeaveGroup [UNKNOWN_MEMBER_ID]
            a: LeaveGroup UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn the_next_to_join_leads_when_the_leader_leaves() {
    check(
        "join a | join b | join c | advance 6s | sync a | sync b | sync c | leave a | \
         join c | join b",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b c]
            b: JoinGroup generation=1 leader=a
            c: JoinGroup generation=1 leader=a
            a: SyncGroup assignment=a@1
            b: SyncGroup assignment=b@1
            c: SyncGroup assignment=c@1
            a: LeaveGroup [NONE]
            b: JoinGroup generation=2 leader=b members=[b c]
            c: JoinGroup generation=2 leader=b"#]],
    );
}

#[test]
fn a_leader_that_joins_again_rebalances_and_a_follower_does_not() {
    check_after(
        TWO,
        "join b | list | join a | join b",
        expect![[r#"
            b: JoinGroup generation=1 leader=a
            list: [g classic Stable "consumer"]
            a: JoinGroup generation=2 leader=a members=[a b]
            b: JoinGroup generation=2 leader=a"#]],
    );
}

#[test]
fn changed_metadata_rebalances() {
    check_after(
        TWO,
        "join b meta=other | beat a | join a",
        expect![[r#"
            a: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=2 leader=a members=[a b]
            b: JoinGroup generation=2 leader=a"#]],
    );
}

#[test]
fn members_vote_for_the_protocol() {
    check(
        "join a protocols=range,sticky | join b protocols=sticky,range | \
         join c protocols=sticky,range,rr | advance 6s",
        expect![[r#"
            a: JoinGroup generation=1 leader=a protocol=sticky members=[a b c]
            b: JoinGroup generation=1 leader=a protocol=sticky
            c: JoinGroup generation=1 leader=a protocol=sticky"#]],
    );
    check(
        "join a protocols=range,sticky | join b protocols=sticky,range | advance 6s",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a"#]],
    );
}

#[test]
fn a_member_without_a_common_protocol_is_refused() {
    check(
        "join a | join b protocols=sticky",
        expect![[r#"
        b: JoinGroup INCONSISTENT_GROUP_PROTOCOL
        parked: a"#]],
    );
    check(
        "join a | join b type=connect",
        expect![[r#"
        b: JoinGroup INCONSISTENT_GROUP_PROTOCOL
        parked: a"#]],
    );
    check("join a type= protocols=", expect!["a: JoinGroup INCONSISTENT_GROUP_PROTOCOL"]);
}

#[test]
fn sync_names_the_protocol_of_the_group() {
    check(
        "join a | advance 3s | sync a v=5 | sync a protocol=sticky | sync a type=connect | \
         sync a v=5 protocol=range type=consumer",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup INCONSISTENT_GROUP_PROTOCOL
            a: SyncGroup INCONSISTENT_GROUP_PROTOCOL
            a: SyncGroup INCONSISTENT_GROUP_PROTOCOL
            a: SyncGroup assignment=a@1"#]],
    );
}

#[test]
fn the_wrong_generation_or_member_is_refused() {
    check(
        "join a | advance 3s | beat a gen=0 | sync a gen=2 | sync a | beat a gen=2 | beat b | \
         sync b | beat a group=other | sync a group=other | beat a group=",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: Heartbeat ILLEGAL_GENERATION
            a: SyncGroup ILLEGAL_GENERATION
            a: SyncGroup assignment=a@1
            a: Heartbeat ILLEGAL_GENERATION
            b: Heartbeat UNKNOWN_MEMBER_ID
            b: SyncGroup UNKNOWN_MEMBER_ID
            a: Heartbeat UNKNOWN_MEMBER_ID
            a: SyncGroup UNKNOWN_MEMBER_ID
            a: Heartbeat INVALID_GROUP_ID"#]],
    );
}

#[test]
fn the_session_timeout_has_limits() {
    check(
        "join a session=5999ms | join a session=1800001ms | join a session=6s",
        expect![[r#"
        a: JoinGroup INVALID_SESSION_TIMEOUT
        a: JoinGroup INVALID_SESSION_TIMEOUT
        parked: a"#]],
    );
}

#[test]
fn a_full_group_refuses_members() {
    check(
        "settings size=1 | join a | join b | advance 3s | sync a | join b | join a meta=new",
        expect![[r#"
            b: JoinGroup GROUP_MAX_SIZE_REACHED
            a: JoinGroup generation=1 leader=a members=[a]
            a: SyncGroup assignment=a@1
            b: JoinGroup GROUP_MAX_SIZE_REACHED
            a: JoinGroup generation=2 leader=a members=[a]"#]],
    );
}

#[test]
fn a_group_that_is_loaded_too_large_shrinks() {
    check_after(
        TWO,
        "settings size=1 | restart | beat a | join a | join b",
        expect![[r#"
            a: Heartbeat REBALANCE_IN_PROGRESS
            a: JoinGroup generation=2 leader=a members=[a]
            b: JoinGroup GROUP_MAX_SIZE_REACHED"#]],
    );
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    check(
        "join a v=9 static=i | join b v=9 static=j | advance 6s | sync a | sync b | \
         join b v=9 id=none static=j | sync b | join a v=9 id=none static=i | list | show",
        expect![[r#"
            a: JoinGroup generation=1 leader=i members=[i j]
            b: JoinGroup generation=1 leader=i
            a: SyncGroup assignment=i@1
            b: SyncGroup assignment=j@1
            b: JoinGroup generation=1 leader=i
            b: SyncGroup assignment=j@1
            a: JoinGroup generation=1 leader=i#2 members=[i#2 j#2] skip
            list: [g classic Stable "consumer"]
            log: g type= generation=0 protocol=- leader=- members=[]
            log: g type=consumer generation=1 protocol=range leader=i members=[i j]
            log: g type=consumer generation=1 protocol=range leader=i members=[i j#2]
            log: g type=consumer generation=1 protocol=range leader=i#2 members=[i#2 j#2]"#]],
    );
}

#[test]
fn a_static_leader_of_an_older_client_does_not_hear_that_it_leads() {
    check(
        "join a v=5 static=i | advance 3s | sync a | join a v=5 id=none static=i",
        expect![[r#"
        a: JoinGroup generation=1 leader=i members=[i]
        a: SyncGroup assignment=i@1
        a: JoinGroup generation=1 leader=i"#]],
    );
}

#[test]
fn two_clients_with_one_instance_id_fence_each_other() {
    check(
        "join a v=9 static=i | join b v=9 static=i | advance 3s | beat a static=i",
        expect![[r#"
            a: JoinGroup FENCED_INSTANCE_ID
            b: JoinGroup generation=1 leader=i#2 members=[i#2]
            a: Heartbeat FENCED_INSTANCE_ID"#]],
    );
    check(
        "join a v=9 static=i | advance 3s | sync a | join b v=9 static=i | beat a static=i | \
         commit a t:0@5 static=i | beat b static=i | beat b static=k",
        expect![[r#"
            a: JoinGroup generation=1 leader=i members=[i]
            a: SyncGroup assignment=i@1
            b: JoinGroup generation=1 leader=i#2 members=[i#2] skip
            a: Heartbeat FENCED_INSTANCE_ID
            a: OffsetCommit [FENCED_INSTANCE_ID]
            b: Heartbeat ok
            b: Heartbeat UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn a_static_member_that_changes_the_protocol_rebalances() {
    check(
        "join a v=9 static=i protocols=range,rr | advance 3s | sync a | \
         join a v=9 id=none static=i protocols=rr,range",
        expect![[r#"
            a: JoinGroup generation=1 leader=i members=[i]
            a: SyncGroup assignment=i@1
            a: JoinGroup generation=2 leader=i#2 protocol=rr members=[i#2]"#]],
    );
}

#[test]
fn an_absent_static_member_keeps_its_place_until_its_session_ends() {
    check(
        "join a v=9 static=i session=60s rebalance=10s | join b v=9 session=60s rebalance=10s | \
         join b v=9 session=60s rebalance=10s | advance 6s | sync a | sync b | \
         join b v=9 meta=new session=60s rebalance=10s | advance 10s | sync b",
        expect![[r#"
            b: JoinGroup MEMBER_ID_REQUIRED
            a: JoinGroup generation=1 leader=i members=[i b]
            b: JoinGroup generation=1 leader=i
            a: SyncGroup assignment=i@1
            b: SyncGroup assignment=b@1
            b: JoinGroup generation=2 leader=b members=[i b]
            b: SyncGroup assignment=b@2"#]],
    );
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    check(
        "join a v=9 static=i | advance 3s | sync a | leave static=j | leave static=i | describe",
        expect![[r#"
            a: JoinGroup generation=1 leader=i members=[i]
            a: SyncGroup assignment=i@1
            admin: LeaveGroup [UNKNOWN_MEMBER_ID]
            admin: LeaveGroup [NONE]
            describe: NONE Empty type="consumer" protocol="" []"#]],
    );
}

#[test]
fn a_repeated_join_replaces_the_one_that_waits() {
    check_after(
        ONE,
        "join b | join a id=none | join a",
        expect![[r#"
            a: JoinGroup generation=2 leader=a members=[a b a#2]
            b: JoinGroup generation=2 leader=a
            a: JoinGroup generation=2 leader=a"#]],
    );
    check(
        "join a | join b | advance 6s | join b | sync b | sync b | sync a",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            b: JoinGroup generation=1 leader=a
            b: SyncGroup REBALANCE_IN_PROGRESS
            a: SyncGroup assignment=a@1
            b: SyncGroup assignment=b@1"#]],
    );
}

#[test]
fn a_pending_member_may_leave() {
    check(
        "join a v=4 | leave a | join a v=4",
        expect![[r#"
        a: JoinGroup MEMBER_ID_REQUIRED
        a: LeaveGroup [NONE]
        a: JoinGroup UNKNOWN_MEMBER_ID"#]],
    );
}

#[test]
fn a_member_that_waits_to_join_may_leave() {
    check_after(
        ONE,
        "join b | leave a | advance 1s | sync b",
        expect![[r#"
            b: JoinGroup generation=2 leader=b members=[b]
            a: LeaveGroup [NONE]
            b: SyncGroup assignment=b@2"#]],
    );
}

#[test]
fn a_group_is_there_again_after_a_restart() {
    check_after(
        ONE,
        "restart | beat a | describe | advance 10s | describe",
        expect![[r#"
            a: Heartbeat ok
            describe: NONE Stable type="consumer" protocol="range" [a/127.0.0.1 "m" "a@1"]
            describe: NONE Empty type="consumer" protocol="" []"#]],
    );
}

#[test]
fn a_rebalance_is_lost_with_its_coordinator() {
    check(
        "join a | restart | beat a | join a",
        expect![[r#"
        a: JoinGroup NOT_COORDINATOR
        a: Heartbeat UNKNOWN_MEMBER_ID
        parked: a"#]],
    );
    check(
        "join a | advance 3s | restart | sync a | join a id=none",
        expect![[r#"
        a: JoinGroup generation=1 leader=a members=[a]
        a: SyncGroup UNKNOWN_MEMBER_ID
        parked: a"#]],
    );
}

#[test]
fn a_failed_append_of_an_assignment_leaves_the_last_settled_generation() {
    check(
        "join a | join b | advance 6s | sync b | fail | sync a | beat a | describe",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a b]
            b: JoinGroup generation=1 leader=a
            a: SyncGroup COORDINATOR_NOT_AVAILABLE
            b: SyncGroup COORDINATOR_NOT_AVAILABLE
            a: Heartbeat UNKNOWN_MEMBER_ID
            describe: NONE Empty type="" protocol="" []"#]],
    );
    check_after(
        ONE,
        "join b | join a | sync b | fail | sync a | describe | beat a | join a",
        expect![[r#"
            a: JoinGroup generation=2 leader=a members=[a b]
            b: JoinGroup generation=2 leader=a
            a: SyncGroup COORDINATOR_NOT_AVAILABLE
            b: SyncGroup COORDINATOR_NOT_AVAILABLE
            describe: NONE Stable type="consumer" protocol="range" [a/127.0.0.1 "m" "a@1"]
            a: Heartbeat ILLEGAL_GENERATION
            a: JoinGroup generation=2 leader=a members=[a]"#]],
    );
}

#[test]
fn a_jump_of_the_clock_ends_no_session() {
    check_after(ONE, "jump 2h | advance 9s | beat a", expect!["a: Heartbeat ok"]);
}
