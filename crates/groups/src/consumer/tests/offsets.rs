//! Offsets of KIP-848 groups: who may commit them, and which of them stay.

use expect_test::expect;

use crate::script::check;

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
