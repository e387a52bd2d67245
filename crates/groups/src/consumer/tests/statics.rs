//! Static members: who comes back to what it had, and for how long that is kept.

use expect_test::expect;

use crate::script::check;

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
