//! The life of streams groups, in sentences: heartbeats go in, tasks and records come out.
//!
//! A client runs what it was last told to, and says so with each heartbeat; with `keep` it goes on
//! with what it had. Topics are `t` and `u` with two partitions each, and what scripts make.

mod kafka;
mod random;
mod sticky;

mod topology;
mod world;

use expect_test::expect;

use self::world::check;

#[test]
fn a_member_is_given_all_tasks_once_the_group_has_waited_for_others() {
    check(
        "delay 3000 | hb a | describe | hb a | advance 3s | hb a | describe | log",
        expect![[r#"
            a: epoch=1 active=[] standby=[] status=[5 Assignment delayed due to the
                configured initial rebalance delay.]
            Assigning epoch=2/1 a@1 [] shall []
            a: epoch=1 status=[5 Assignment delayed due to the configured initial rebalance
                delay.]
            a: epoch=2 active=[0:0 0:1] standby=[]
            Stable epoch=2/2 a@2 [0:0 0:1] shall [0:0 0:1]
            member a, topology 0, epoch 2 validated 0, current a 1/0 state=1 [] revoking [],
                target a [0:0 0:1], target epoch 2, current a 2/1 state=1 [0:0 0:1] revoking
                []"#]],
    );
}

#[test]
fn without_a_delay_the_first_answer_has_the_tasks() {
    check(
        "hb a | hb a | log",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            a: epoch=2
            member a, topology 0, epoch 2 validated 0, target a [0:0 0:1], target epoch 2,
                current a 2/0 state=1 [0:0 0:1] revoking []"#]],
    );
}

#[test]
fn a_task_moves_when_its_last_owner_has_let_it_go() {
    check(
        "hb a | hb b | describe | hb a keep | hb b | hb a | hb b | describe",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            Reconciling epoch=3/3 a@2 [0:0 0:1] shall [0:0], b@3 [] shall [0:1]
            a: epoch=2 active=[0:0] standby=[]
            b: epoch=3
            a: epoch=3
            b: epoch=3 active=[0:1] standby=[]
            Stable epoch=3/3 a@3 [0:0] shall [0:0], b@3 [0:1] shall [0:1]"#]],
    );
}

#[test]
fn members_that_come_one_by_one_are_assigned_together() {
    check(
        "interval 1000 | hb a | hb b | hb c | advance 1s | hb a | describe",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=2 active=[] standby=[] status=[5 Assignment delayed due to the
                configured assignment interval.]
            c: epoch=2 active=[] standby=[] status=[5 Assignment delayed due to the
                configured assignment interval.]
            a: epoch=2 active=[0:0] standby=[]
            Reconciling epoch=4/4 a@2 [0:0] shall [0:0], b@2 [] shall [0:1], c@2 [] shall []"#]],
    );
}

#[test]
fn who_does_not_let_go_in_time_is_removed() {
    check(
        "hb a rebalance=10s | hb b | hb a keep | advance 5s | hb a keep | hb b | advance 5s | \
         hb b | hb a",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[]
            a: epoch=2
            b: epoch=3
            b: epoch=4 active=[0:0 0:1] standby=[]
            a: UNKNOWN_MEMBER_ID Member a is not a member of group g."#]],
    );
}

#[test]
fn a_silent_member_is_removed_and_its_tasks_go_to_the_others() {
    check(
        "hb a | hb b | hb a | hb a | hb b | advance 44s | hb b | advance 1s | hb b | describe",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[]
            a: epoch=3
            b: epoch=3 active=[0:1] standby=[]
            b: epoch=3
            b: epoch=4 active=[0:0 0:1] standby=[]
            Stable epoch=4/4 b@4 [0:0 0:1] shall [0:0 0:1]"#]],
    );
}

#[test]
fn a_leaving_member_leaves_an_empty_group_that_can_be_deleted() {
    check(
        "hb a | delete | quit a | describe | list | delete | describe | log",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            delete: NON_EMPTY_GROUP
            a: epoch=-1
            Empty epoch=3/2
            g streams Empty streams
            delete: NONE
            GROUP_ID_NOT_FOUND Group g not found.
            member a, topology 0, epoch 2 validated 0, target a [0:0 0:1], target epoch 2,
                current a 2/0 state=1 [0:0 0:1] revoking [], current a gone, target a gone,
                member a gone, epoch 3 validated 0, target epoch gone, epoch gone, topology
                gone"#]],
    );
}

#[test]
fn internal_topics_are_asked_for_until_they_are_there() {
    check(
        "hb a app=count | describe | hb a | create | hb a | describe",
        expect![[r#"
            a: epoch=2 active=[] standby=[] status=[3 Internal topics are missing: count-c,
                count-r] create=[count-c/2 cleanup.policy=compact, count-r/2]
            NotReady epoch=2/2 a@2 [] shall []
            a: epoch=2 status=[3 Internal topics are missing: count-c, count-r]
                create=[count-c/2 cleanup.policy=compact, count-r/2]
            create
            a: epoch=3 active=[0:0 0:1 1:0 1:1] standby=[]
            Stable epoch=3/3 a@3 [0:0 0:1 1:0 1:1] shall [0:0 0:1 1:0 1:1]"#]],
    );
}

#[test]
fn a_missing_source_topic_and_one_of_the_wrong_size_keep_the_group_from_running() {
    check(
        "hb a app=join | make v 3 | hb a | drop v | make v 2 | hb a | drop v | hb a",
        expect![[r#"
            a: epoch=2 active=[] standby=[] status=[1 Source topics v are missing.]
            make
            a: epoch=3 status=[2 Following topics do not have the same number of partitions:
                [{t=2, v=3}]]
            drop
            make
            a: epoch=4 active=[0:0 0:1] standby=[]
            drop
            a: epoch=4 active=[] standby=[] status=[1 Source topics v are missing.]"#]],
    );
}

#[test]
fn copies_are_kept_in_other_processes_and_take_over() {
    check(
        "standbys 1 | make count-r 2 | make count-c 2 | hb a app=count | hb b app=count | \
         hb a | hb a | hb b | hb a | describe | quit a | hb b | hb b | hb b | describe",
        expect![[r#"
            make
            make
            a: epoch=2 active=[0:0 0:1 1:0 1:1] standby=[]
            b: epoch=3 active=[] standby=[1:0]
            a: epoch=2 active=[0:0 1:0] standby=[]
            a: epoch=3
            b: epoch=3 active=[0:1 1:1] standby=[1:0]
            a: epoch=3 active=[0:0 1:0] standby=[1:1]
            Stable epoch=3/3 a@3 [0:0 1:0 +1:1] shall [0:0 1:0 +1:1], b@3 [0:1 1:1 +1:0]
                shall [0:1 1:1 +1:0]
            a: epoch=-1
            b: epoch=3 active=[0:1 1:1] standby=[]
            b: epoch=4 active=[0:0 0:1 1:1] standby=[]
            b: epoch=4 active=[0:0 0:1 1:0 1:1] standby=[]
            Stable epoch=4/4 b@4 [0:0 0:1 1:0 1:1] shall [0:0 0:1 1:0 1:1]"#]],
    );
}

#[test]
fn threads_of_one_process_and_others_share_as_with_kafka() {
    check(
        "hb a process=p | hb b process=p | hb c process=q | hb a | hb b | hb c | hb a | hb b | \
         hb c | describe | hb a epoch=0 process=q | hb a | describe",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            c: epoch=4 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[]
            b: epoch=4
            c: epoch=4
            a: epoch=4
            b: epoch=4 active=[0:1] standby=[]
            c: epoch=4
            Stable epoch=4/4 a@4 [0:0] shall [0:0], b@4 [0:1] shall [0:1], c@4 [] shall []
            a: epoch=5 active=[0:0] standby=[]
            a: epoch=5
            Reconciling epoch=5/5 a@5 [0:0] shall [0:0], b@4 [0:1] shall [0:1], c@4 [] shall
                []"#]],
    );
}

#[test]
fn members_that_come_while_a_new_group_waits_are_assigned_together() {
    check(
        "delay 3000 | hb a | advance 1s | hb b | hb a | advance 2s | describe | hb a | hb b | \
         hb a | hb b | describe",
        expect![[r#"
            a: epoch=1 active=[] standby=[] status=[5 Assignment delayed due to the
                configured initial rebalance delay.]
            b: epoch=1 active=[] standby=[] status=[5 Assignment delayed due to the
                configured initial rebalance delay.]
            a: epoch=1 status=[5 Assignment delayed due to the configured initial rebalance
                delay.]
            Reconciling epoch=3/3 a@1 [] shall [0:0], b@1 [] shall [0:1]
            a: epoch=3 active=[0:0] standby=[]
            b: epoch=3 active=[0:1] standby=[]
            a: epoch=3
            b: epoch=3
            Stable epoch=3/3 a@3 [0:0] shall [0:0], b@3 [0:1] shall [0:1]"#]],
    );
}

#[test]
fn another_topology_is_refused_and_an_older_one_is_told_to_be_stale() {
    check(
        "hb a epoch=0 app=plain+1 | hb b app=plain | hb c app=plain+2 | hb d app=join+1",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[] status=[0 The member's topology epoch 0 is
                behind the group's topology epoch 1.]
            c: INVALID_REQUEST Topology updates are not supported yet.
            d: INVALID_REQUEST Topology updates are not supported yet."#]],
    );
}

#[test]
fn one_member_stops_the_whole_application() {
    check(
        "hb a | hb b | hb a stop | hb b | quit a stop | hb b | quit b | hb c",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[] status=[4 Streams group member a encountered
                a fatal error and requested a shutdown for the entire application.]
            b: epoch=3 status=[4 Streams group member a encountered a fatal error and
                requested a shutdown for the entire application.]
            a: epoch=-1
            b: epoch=4 active=[0:0 0:1] standby=[] status=[4 Streams group member a
                encountered a fatal error and requested a shutdown for the entire
                application.]
            b: epoch=-1
            c: epoch=6 active=[0:0 0:1] standby=[]"#]],
    );
}

#[test]
fn members_learn_where_partitions_are_served() {
    check(
        "hb a at=host:1 | hb a | hb b at=host:2 | hb a | hb a | hb b | hb b",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[] at=0 [host:1 t[0, 1]/]
            a: epoch=2
            b: epoch=3 active=[] standby=[] at=1 [host:1 t[0, 1]/, host:2 /]
            a: epoch=2 active=[0:0] standby=[] at=2 [host:2 /, host:1 t[0]/]
            a: epoch=3
            b: epoch=3 active=[0:1] standby=[] at=3 [host:1 t[0]/, host:2 t[1]/]
            b: epoch=3"#]],
    );
}

#[test]
fn epochs_and_members_that_are_not_known_are_refused() {
    check(
        "hb a epoch=3 | hb a | hb a epoch=3 | hb a epoch=1 | hb x epoch=2 | quit x | \
         quit a group=other | hb a epoch=-3 | hb a | hb a tasks=9:0 | hb a tasks=0:2",
        expect![[r#"
            a: GROUP_ID_NOT_FOUND Streams group g not found.
            a: epoch=2 active=[0:0 0:1] standby=[]
            a: FENCED_MEMBER_EPOCH The streams group member has a greater member epoch (3)
                than the one known by the group coordinator (2). The member must abandon all
                its partitions and rejoin.
            a: FENCED_MEMBER_EPOCH The streams group member has a smaller member epoch (1)
                than the one known by the group coordinator (2). The member must abandon all
                its partitions and rejoin.
            x: UNKNOWN_MEMBER_ID Member x is not a member of group g.
            x: UNKNOWN_MEMBER_ID Member x is not a member of group g.
            a: GROUP_ID_NOT_FOUND Group other not found.
            a: INVALID_REQUEST MemberEpoch is -3, but must be greater than or equal to -2.
            a: epoch=2 active=[0:0 0:1] standby=[]
            a: INVALID_REQUEST Subtopology 9 does not exist in the topology.
            a: INVALID_REQUEST Task 2 for subtopology 0 is invalid. Number of tasks for this
                subtopology: 2"#]],
    );
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    check(
        "hb a | hb b | hb a | hb a | hb a epoch=2 | hb a epoch=2 keep tasks=0:0,0:1",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[]
            a: epoch=3
            a: epoch=3
            a: FENCED_MEMBER_EPOCH The streams group member has a smaller member epoch (2)
                than the one known by the group coordinator (3). The member must abandon all
                its partitions and rejoin."#]],
    );
}

#[test]
fn members_commit_in_their_epoch_and_in_older_ones_for_what_they_have_had_since() {
    check(
        "hb a | hb b | hb a | hb a | hb b | commit a t:0 2 | commit a t:1 2 | commit b t:1 3 | \
         commit b t:1 2 | commit b t:1 4 | commit x t:0 2 | commit a u:0 2 | \
         commit a t:0 3 v=8 | commit - t:0 -1 | fetch a 3 | fetch a 2 | fetch x 3 | \
         fetch - -1",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            a: epoch=2 active=[0:0] standby=[]
            a: epoch=3
            b: epoch=3 active=[0:1] standby=[]
            commit: NONE
            commit: STALE_MEMBER_EPOCH
            commit: NONE
            commit: STALE_MEMBER_EPOCH
            commit: STALE_MEMBER_EPOCH
            commit: UNKNOWN_MEMBER_ID
            commit: STALE_MEMBER_EPOCH
            commit: UNSUPPORTED_VERSION
            commit: UNKNOWN_MEMBER_ID
            fetch: NONE [t]
            fetch: STALE_MEMBER_EPOCH []
            fetch: UNKNOWN_MEMBER_ID []
            fetch: NONE [t]"#]],
    );
}

#[test]
fn the_next_coordinator_knows_who_has_which_tasks() {
    check(
        "hb a | hb b | restart | hb a | hb a | hb b | describe | fail | hb c | hb c | restart | \
         advance 45s | describe",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: epoch=3 active=[] standby=[]
            restart
            a: epoch=2 active=[0:0] standby=[]
            a: epoch=3
            b: epoch=3 active=[0:1] standby=[]
            Stable epoch=3/3 a@3 [0:0] shall [0:0], b@3 [0:1] shall [0:1]
            c: COORDINATOR_NOT_AVAILABLE
            c: epoch=4 active=[] standby=[]
            restart
            Empty epoch=5/4"#]],
    );
}

#[test]
fn a_changed_config_and_a_full_group_are_noticed() {
    check(
        "size 1 | hb a | hb b | hb a epoch=0 | size 3 | standbys 1 | hb a | hb a",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            b: GROUP_MAX_SIZE_REACHED The streams group has reached its maximum capacity of
                1 members.
            a: GROUP_MAX_SIZE_REACHED The streams group has reached its maximum capacity of
                1 members.
            a: epoch=3
            a: epoch=3"#]],
    );
}

#[test]
fn what_kafka_does_not_serve_is_refused_in_its_words() {
    check(
        "hb a static=s | hb a regex=x | hb a changelog=3 | hb a blank | hb a rebalance=-1ms | \
         pause a",
        expect![[r#"
            a: INVALID_REQUEST Static membership is not yet supported.
            a: INVALID_REQUEST Regular expressions for source topics are not supported yet.
            a: STREAMS_INVALID_TOPOLOGY Changelog topic c must have an undefined partition
                count, but it is set to 3.
            a: INVALID_REQUEST GroupId can't be empty.
            a: INVALID_REQUEST RebalanceTimeoutMs must be provided in first request.
            a: INVALID_REQUEST InstanceId can't be null."#]],
    );
}

#[test]
fn ids_of_other_kinds_of_groups_are_refused_and_empty_classic_groups_replaced() {
    check(
        "simple g | hb a | list | consumer g | classic g | quit a | classic g | list",
        expect![[r#"
            commit: NONE
            a: epoch=2 active=[0:0 0:1] standby=[]
            g streams Stable streams
            consumer: GROUP_ID_NOT_FOUND
            join: INCONSISTENT_GROUP_PROTOCOL
            a: epoch=-1
            join: MEMBER_ID_REQUIRED
            g classic Empty "#]],
    );
}

#[test]
fn offsets_of_what_is_read_do_not_expire_while_somebody_is_there() {
    check(
        "hb a | commit a t:0 2 | commit a u:0 2 | forget t:0 | forget u:0 | commit a u:0 2 | \
         keep a 8d | fetch - -1 | quit a | advance 8d | list",
        expect![[r#"
            a: epoch=2 active=[0:0 0:1] standby=[]
            commit: NONE
            commit: NONE
            forget: GROUP_SUBSCRIBED_TO_TOPIC
            forget: NONE
            commit: NONE
            fetch: NONE [t]
            a: epoch=-1"#]],
    );
}
