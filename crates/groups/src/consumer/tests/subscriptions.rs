//! What members subscribe to: names, regular expressions, and topics that change.

use expect_test::expect;

use crate::script::check;

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
