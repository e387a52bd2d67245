//! Scenarios: what producers ask, what they hear, which markers are written.

mod golden;
mod random;

use expect_test::expect;

use crate::script::check;

#[test]
fn a_transaction_bumps_the_epoch_with_every_end() {
    check(
        "init a | add a t-0 | add a t-1 u-0 | offsets a | commit a | add a t-0 | written | state \
         | add a t-0 | abort a | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            a: Add [NONE NONE]
            a: AddOffsets NONE
            write commit 1/1 v2 [__consumer_offsets-9 t-0 t-1 u-0]
            a: End 1/1
            a: Add [CONCURRENT_TRANSACTIONS]
            state: CompleteCommit 1/1 before=1 next=-1 v2 []
            a: Add [NONE]
            write abort 1/2 v2 [t-0]
            a: End 1/2
            state: CompleteAbort 1/2 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn before_version_two_the_epoch_stays() {
    check(
        "init a | add a t-0 v=3 | commit a v=3 | commit a v=3 | written | commit a v=3 \
         | abort a v=3 | state | abort a v=4",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write commit 1/0 v0 [t-0]
            a: End ok
            a: End CONCURRENT_TRANSACTIONS
            a: End ok
            a: End INVALID_TXN_STATE
            state: CompleteCommit 1/0 before=1 next=-1 v0 []
            a: End INVALID_TXN_STATE"#]],
    );
}

#[test]
fn a_repeated_end_is_told_by_its_epoch() {
    check(
        "init a | add a t-0 | commit a | set a pid=1 epoch=0 | commit a | written | commit a \
         | set a pid=1 epoch=0 | abort a | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write commit 1/1 v2 [t-0]
            a: End 1/1
            a: End CONCURRENT_TRANSACTIONS
            a: End 1/1
            a: End INVALID_TXN_STATE
            state: CompleteCommit 1/1 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn an_abort_of_nothing_bumps_too_but_a_commit_of_nothing_is_refused() {
    check(
        "init a | commit a | abort a | written | state | abort a | written | commit a | state",
        expect![[r#"
            a: Init 1/0
            a: End INVALID_TXN_STATE
            write abort 1/1 v2 []
            a: End 1/1
            state: CompleteAbort 1/1 before=1 next=-1 v2 []
            write abort 1/2 v2 []
            a: End 1/2
            a: End INVALID_TXN_STATE
            state: CompleteAbort 1/2 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn another_producer_fences_the_one_before() {
    check(
        "init a | add a t-0 | init b | state | init b | written | init b | add a t-0 | commit a \
         | add b t-0 | commit b | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write abort 1/1 v2 [t-0]
            b: Init CONCURRENT_TRANSACTIONS
            state: PrepareAbort 1/1 before=1 next=-1 v2 [t-0]
            b: Init CONCURRENT_TRANSACTIONS
            b: Init 1/2
            a: Add [PRODUCER_FENCED]
            a: End PRODUCER_FENCED
            b: Add [NONE]
            write commit 1/3 v2 [t-0]
            b: End 1/3
            state: CompleteCommit 1/3 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn older_requests_hear_older_codes() {
    check(
        "init a | init b | add a t-0 v=1 | add a t-0 v=2 | offsets a v=1 | commit a v=1 \
         | commit a v=4 | init a again v=3 | init a again v=4",
        expect![[r#"
            a: Init 1/0
            b: Init 1/1
            a: Add [INVALID_PRODUCER_EPOCH]
            a: Add [PRODUCER_FENCED]
            a: AddOffsets INVALID_PRODUCER_EPOCH
            a: End INVALID_PRODUCER_EPOCH
            a: End PRODUCER_FENCED
            a: Init INVALID_PRODUCER_EPOCH
            a: Init PRODUCER_FENCED"#]],
    );
}

#[test]
fn a_producer_may_ask_for_the_next_epoch_of_its_own() {
    check(
        "init a | init a again | set a pid=1 epoch=0 | init a again | init b | init a again \
         | set c pid=9 epoch=0 | init c again",
        expect![[r#"
            a: Init 1/0
            a: Init 1/1
            a: Init 1/1
            b: Init 1/2
            a: Init PRODUCER_FENCED
            c: Init PRODUCER_FENCED"#]],
    );
}

#[test]
fn the_last_epoch_leads_to_a_new_producer_id() {
    check(
        "init a | exhaust | add a t-0 | commit a | state | add a t-0 | written | state \
         | set a pid=1 epoch=32766 | commit a | set a pid=1 epoch=32766 | abort a \
         | set a pid=2 epoch=0 | add a t-0 | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write commit 1/32767 v2 [t-0]
            a: End 2/0
            state: PrepareCommit 1/32767 before=1 next=2 v2 [t-0]
            a: Add [CONCURRENT_TRANSACTIONS]
            state: CompleteCommit 2/0 before=1 next=-1 v2 []
            a: End 2/0
            a: End INVALID_TXN_STATE
            a: Add [NONE]
            state: Ongoing 2/0 before=2 next=-1 v2 [t-0]"#]],
    );
}

#[test]
fn an_initialisation_at_the_last_epoch_leads_to_a_new_producer_id() {
    check(
        "init a | exhaust | init a | state | exhaust | init a again | set a pid=2 epoch=32766 \
         | init a again",
        expect![[r#"
            a: Init 1/0
            a: Init 2/0
            state: Empty 2/0 before=1 next=-1 v0 []
            a: Init 3/0
            a: Init 3/0"#]],
    );
}

#[test]
fn what_takes_too_long_is_aborted_and_fenced() {
    check(
        "init a timeout=5000 | add a t-0 | advance 9 | state | advance 2 | written | state \
         | commit a | init a again",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            state: Ongoing 1/0 before=1 next=-1 v2 [t-0]
            write abort 1/1 v2 [t-0]
            state: CompleteAbort 1/1 before=1 next=-1 v2 []
            a: End INVALID_TXN_STATE
            a: Init 1/1"#]],
    );
}

#[test]
fn what_takes_too_long_at_the_last_epoch_gets_a_new_producer_id() {
    check(
        "init a timeout=5000 | exhaust | add a t-0 | advance 11 | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write abort 1/32767 v2 [t-0]
            state: CompleteAbort 2/0 before=1 next=-1 v2 []"#]],
    );
}

/// Measured on Apache Kafka 4.3.1 with 32,766 InitProducerIds; but a wrong epoch at the end of all
/// epochs is UNKNOWN_SERVER_ERROR there.
#[test]
fn at_the_last_epoch_producers_hear_what_they_hear_from_kafka() {
    check(
        "init a | exhaust | add a t-0 | init b | written | state | init b | init a again",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write abort 1/32767 v2 [t-0]
            b: Init CONCURRENT_TRANSACTIONS
            state: CompleteAbort 2/0 before=1 next=-1 v2 []
            b: Init 2/1
            a: Init PRODUCER_FENCED"#]],
    );
    check(
        "init a | exhaust | set a pid=1 epoch=5 | init a again | set a pid=1 epoch=32766 | abort a \
         | written | set a pid=1 epoch=32766 | abort a | state",
        expect![[r#"
            a: Init 1/0
            a: Init PRODUCER_FENCED
            write abort 1/32767 v2 []
            a: End 2/0
            a: End 2/0
            state: CompleteAbort 2/0 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn below_level_two_the_fence_alone_bumps() {
    check(
        "level 0 | init a | add a t-0 v=3 | init b | state | written | init b | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write abort 1/1 v0 [t-0]
            b: Init CONCURRENT_TRANSACTIONS
            state: PrepareAbort 1/1 before=1 next=-1 v0 [t-0]
            b: Init 1/2
            state: Empty 1/2 before=1 next=-1 v0 []"#]],
    );
}

#[test]
fn markers_are_repeated_where_they_were_not_written() {
    check(
        "init a | add a t-0 t-1 t-2 t-3 | commit a | written t-1=6 t-2=3 t-3=gone | state \
         | advance 1 | written t-1=19 | advance 1 | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE NONE NONE NONE]
            write commit 1/1 v2 [t-0 t-1 t-2 t-3]
            a: End 1/1
            state: PrepareCommit 1/1 before=1 next=-1 v2 [t-0 t-1 t-2 t-3]
            write commit 1/1 v2 [t-1 t-2]
            write commit 1/1 v2 [t-1]
            state: CompleteCommit 1/1 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn a_coordinator_that_was_replaced_stops() {
    check(
        "init a | add a t-0 t-1 | commit a | written t-0=52 t-1=6 | advance 10 | state | restart \
         | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE NONE]
            write commit 1/1 v2 [t-0 t-1]
            a: End 1/1
            state: PrepareCommit 1/1 before=1 next=-1 v2 [t-0 t-1]
            write commit 1/1 v2 [t-0 t-1]
            state: CompleteCommit 1/1 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn what_was_prepared_is_carried_out_by_the_next_coordinator() {
    check(
        "init a | add a t-0 | commit a | restart | state | written | restart | state | add a t-0 \
         | restart | state | advance 100 | written | state",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write commit 1/1 v2 [t-0]
            a: End 1/1
            write commit 1/1 v2 [t-0]
            state: PrepareCommit 1/1 before=1 next=-1 v2 [t-0]
            state: CompleteCommit 1/1 before=1 next=-1 v2 []
            a: Add [NONE]
            state: Ongoing 1/1 before=1 next=-1 v2 [t-0]
            write abort 1/2 v2 [t-0]
            state: CompleteAbort 1/2 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn an_append_that_fails_changes_nothing() {
    check(
        "init a | fail | add a t-0 | add a t-0 | fail | commit a | state | commit a | fail \
         | written | state | advance 1 | state",
        expect![[r#"
            a: Init 1/0
            append refused
            a: Add [COORDINATOR_NOT_AVAILABLE]
            a: Add [NONE]
            append refused
            a: End COORDINATOR_NOT_AVAILABLE
            state: Ongoing 1/0 before=1 next=-1 v2 [t-0]
            write commit 1/1 v2 [t-0]
            a: End 1/1
            append refused
            state: PrepareCommit 1/1 before=1 next=-1 v2 [t-0]
            state: CompleteCommit 1/1 before=1 next=-1 v2 []"#]],
    );
}

#[test]
fn partitions_are_verified_for_their_leaders() {
    check(
        "init a | verify a t-0 | add a t-0 | verify a t-0 t-1 | commit a | verify a t-0 \
         | written | set a pid=1 epoch=0 | verify a t-0 | verify a t-0 id=none \
         | verify a t-0 id=",
        expect![[r#"
            a: Init 1/0
            a: Add [TRANSACTION_ABORTABLE]
            a: Add [NONE]
            a: Add [NONE TRANSACTION_ABORTABLE]
            write commit 1/1 v2 [t-0]
            a: End 1/1
            a: Add [CONCURRENT_TRANSACTIONS]
            a: Add [PRODUCER_FENCED]
            a: Add [INVALID_PRODUCER_ID_MAPPING]
            a: Add [INVALID_REQUEST]"#]],
    );
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    check(
        "init a | add a t-0 | commit a | written | advance 604000 | state | advance 7200 | state \
         | commit a | init a",
        expect![[r#"
            a: Init 1/0
            a: Add [NONE]
            write commit 1/1 v2 [t-0]
            a: End 1/1
            state: CompleteCommit 1/1 before=1 next=-1 v2 []
            state: none
            a: End INVALID_PRODUCER_ID_MAPPING
            a: Init 2/0"#]],
    );
}

#[test]
fn wrong_requests_are_refused() {
    check(
        "init a id= | init a timeout=0 | init a timeout=900001 | init a 2pc | init a keep \
         | set a pid=1 | add a t-0 id=none | commit a id=none | commit a id= | offsets a id= \
         | 2pc | init a 2pc | add a t-0 | advance 3000000 | state",
        expect![[r#"
            a: Init INVALID_REQUEST
            a: Init INVALID_TRANSACTION_TIMEOUT
            a: Init INVALID_TRANSACTION_TIMEOUT
            a: Init TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            a: Init UNSUPPORTED_VERSION
            a: Add [INVALID_PRODUCER_ID_MAPPING]
            a: End INVALID_PRODUCER_ID_MAPPING
            a: End INVALID_REQUEST
            a: AddOffsets INVALID_REQUEST
            a: Init 1/0
            a: Add [NONE]
            state: Ongoing 1/0 before=1 next=-1 v2 [t-0]"#]],
    );
}

#[test]
fn administrators_see_transactions() {
    check(
        "init a | init b id=other | add a t-0 t-1 u-0 | advance 1 | describe | describe id=other \
         | describe id=none | describe id= | list | list state=Ongoing | list state=Nonsense \
         | list pid=2 | list longer=999 | list longer=1000 | list pattern=oth \
         | list pattern=oth.* | list pattern=(",
        expect![[r#"
            a: Init 1/0
            b: Init 2/0
            a: Add [NONE NONE NONE]
            describe: NONE Ongoing 1/0 timeout=60000 [t:2 u:1]
            describe: NONE Empty 2/0 timeout=60000 []
            describe: TRANSACTIONAL_ID_NOT_FOUND  0/0 timeout=0 []
            describe: INVALID_REQUEST  0/0 timeout=0 []
            list: [other 2 Empty, tx 1 Ongoing]
            list: [tx 1 Ongoing]
            list: []
            list: [other 2 Empty]
            list: [other 2 Empty, tx 1 Ongoing]
            list: [other 2 Empty]
            list: []
            list: [other 2 Empty]
            list: INVALID_REGULAR_EXPRESSION"#]],
    );
}
