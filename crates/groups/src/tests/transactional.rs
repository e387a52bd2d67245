//! Offsets in transactions, in sentences.

use expect_test::expect;

use crate::script::check;

#[test]
fn offsets_of_a_transaction_count_when_it_is_committed() {
    check(
        "commit x t:0@5 | transact x t:0@9 t:1@4 | fetch t:0 t:1 | fetch stable=1 t:0 t:1 t:2 | \
         end 7 | fetch stable=1 t:0 t:1 | restart | fetch t:0 t:1",
        expect![[r#"
            x: OffsetCommit [NONE]
            x: TxnOffsetCommit [NONE NONE]
            fetch: OffsetFetch [t:0@5 t:1@-1]
            fetch: OffsetFetch [t:0@-1 UNSTABLE_OFFSET_COMMIT t:1@-1 UNSTABLE_OFFSET_COMMIT t:2@-1]
            fetch: OffsetFetch [t:0@9 t:1@4]
            fetch: OffsetFetch [t:0@9 t:1@4]"#]],
    );
}

#[test]
fn offsets_of_an_aborted_transaction_never_count() {
    check(
        "commit x t:0@5 | transact x t:0@9 | end 7 aborted | fetch stable=1 t:0 | \
         transact x t:0@8 by=8 | end 7 | fetch t:0 | end 8 | fetch t:0",
        expect![[r#"
            x: OffsetCommit [NONE]
            x: TxnOffsetCommit [NONE]
            fetch: OffsetFetch [t:0@5]
            x: TxnOffsetCommit [NONE]
            fetch: OffsetFetch [t:0@5]
            fetch: OffsetFetch [t:0@8]"#]],
    );
}

#[test]
fn of_a_plain_and_a_pending_offset_the_later_one_wins() {
    check(
        "transact x t:0@9 | commit x t:0@5 | end 7 | fetch t:0 | transact x t:0@7 | end 7 | \
         fetch t:0",
        expect![[r#"
            x: TxnOffsetCommit [NONE]
            x: OffsetCommit [NONE]
            fetch: OffsetFetch [t:0@5]
            x: TxnOffsetCommit [NONE]
            fetch: OffsetFetch [t:0@7]"#]],
    );
}

#[test]
fn only_members_of_the_generation_commit_in_their_transactions_or_who_says_nothing() {
    check(
        "join a | advance 3s | transact a t:0@1 | sync a | transact a t:0@2 gen=7 | \
         transact x t:0@3 | transact x t:0@3 member=stranger gen=1 | \
         transact x t:0@3 gen=1 group=new | \
         transact x t:0@3 group= | transact x none:0@1 t:9@1 | transact x t:0@1 closed=1 | \
         transact a v=6 t:0@2",
        expect![[r#"
            a: JoinGroup generation=1 leader=a members=[a]
            a: TxnOffsetCommit [NONE]
            a: SyncGroup assignment=a@1
            a: TxnOffsetCommit [ILLEGAL_GENERATION]
            x: TxnOffsetCommit [NONE]
            x: TxnOffsetCommit [UNKNOWN_MEMBER_ID]
            x: TxnOffsetCommit [ILLEGAL_GENERATION]
            x: TxnOffsetCommit [INVALID_GROUP_ID]
            x: TxnOffsetCommit [UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION]
            x: TxnOffsetCommit [INVALID_TXN_STATE]
            a: TxnOffsetCommit [NONE]"#]],
    );
}

#[test]
fn a_group_is_there_from_its_first_pending_offset_on() {
    check(
        "transact x t:0@9 | list | end 7 aborted | list | delete | list",
        expect![[r#"
            x: TxnOffsetCommit [NONE]
            list: [g classic Empty ""]
            list: [g classic Empty ""]
            delete: DeleteGroups ok
            list: []"#]],
    );
}

#[test]
fn what_a_log_refuses_is_not_pending() {
    check(
        "commit x t:0@5 | fail | transact x t:0@9 | fetch stable=1 t:0",
        expect![[r#"
            x: OffsetCommit [NONE]
            x: TxnOffsetCommit [COORDINATOR_NOT_AVAILABLE]
            fetch: OffsetFetch [t:0@5]"#]],
    );
}

#[test]
fn metadata_over_its_limit_is_refused_in_transactions_too() {
    let long = "m".repeat(4_096);
    check(
        &format!("transact x t:0@1 meta={long}x | transact x t:0@1 meta={long}"),
        expect![[r#"
            x: TxnOffsetCommit [OFFSET_METADATA_TOO_LARGE]
            x: TxnOffsetCommit [NONE]"#]],
    );
}
