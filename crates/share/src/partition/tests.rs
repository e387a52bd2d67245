//! Scenarios of one share partition as scripts, and random lives beside a model that keeps every
//! record by itself.

mod naive;
mod script;

use script::check;

#[test]
fn records_are_given_once_and_done_with_when_that_is_written() {
    check(
        "log 0-4 5-9 | a takes 5 | b takes 5 | c takes 5 | a says 0-4 accept | show \
         | written 1 | show",
        "a: 0-4/1
b: 5-9/1
c: nothing
write 1: start 0, 5 done, 0-4:2/1
0..10 in flight 5: 0-4 writing, 5-9 b
5..10 settled
5..10 in flight 5: 5-9 b",
    );
}

#[test]
fn what_is_released_goes_to_somebody_else_with_a_greater_count() {
    check(
        "log 0-4 | a takes 5 | a says 1-2 release | b takes 5 | written 1 | b takes 5 | show",
        "a: 0-4/1
write 1: start 0, 0 done, 1-2:0/1
b: nothing
0..5 settled
b: 1-2/2
0..5 in flight 5: 0-0 a, 1-2 b, 3-4 a",
    );
}

#[test]
fn a_verdict_for_each_record_counts_for_each() {
    check(
        "log 0-4 | a takes 5 | a says 0-4 accept,release,reject,gap,accept | written 1 | show",
        "a: 0-4/1
write 1: start 0, 4 done, 0-0:2/1 1-1:0/1 2-3:4/1 4-4:2/1
1..5 settled
1..5 in flight 1: 1-1 available, 2-3 archived, 4-4 acknowledged",
    );
}

#[test]
fn a_lock_runs_out_and_is_renewed() {
    check(
        "log 0-1 | a takes 2 | wait 20000 | a says 0-0 renew | wait 10000 | written 2 | show \
         | wait 20000 | written 4 | show",
        "a: 0-1/1
nothing
nothing
write 3: start 0, 0 done, 1-1:0/1
not settled
0..2 in flight 2: 0-0 a, 1-1 writing
write 4: start 0, 0 done, 0-0:0/1
0..2 settled
0..2 in flight 2: 0-0 available, 1-1 writing",
    );
}

#[test]
fn a_record_that_was_delivered_often_enough_is_given_up() {
    check(
        "limit 2 | log 0-0 1-1 | a takes 1 | a says 0-0 release | written 1 | a takes 1 \
         | a says 0-0 release | written 2 | show | a takes 1",
        "a: 0-0/1
write 1: start 0, 0 done, 0-0:0/1
0..1 settled
a: 0-0/2
write 2: start 0, 1 done, 0-0:4/2
1..1 settled
1..1 in flight 0:
a: 1-1/1",
    );
}

#[test]
fn what_fails_often_is_given_in_smaller_pieces_and_alone_at_last() {
    check(
        "log 0-7 | a takes 8 | a says 0-7 release | written 1 | a takes 8 | a says 0-7 release \
         | written 2 | a takes 8 | a says 0-7 release | written 3 | a takes 8 | b takes 8 \
         | a says 0-3 release | written 4 | a takes 8 | c takes 8",
        "a: 0-7/1
write 1: start 0, 0 done, 0-7:0/1
0..8 settled
a: 0-7/2
write 2: start 0, 0 done, 0-7:0/2
0..8 settled
a: 0-7/3
write 3: start 0, 0 done, 0-7:0/3
0..8 settled
a: 0-3/4
b: 4-5/4
write 4: start 0, 0 done, 0-3:0/4
0..8 settled
a: 0-0/5
c: 1-1/5",
    );
}

#[test]
fn verdicts_of_who_does_not_hold_the_records_change_nothing() {
    check(
        "log 0-9 | a takes 4 limit | b says 0-0 accept | a says 0-4 accept | a says 4-4 accept \
         | a says 0-0 accept;3-3 accept | a says 0-0 accept | lost 1 | a says 0-0 accept | show",
        "a: 0-3/1
INVALID_RECORD_STATE
INVALID_REQUEST
INVALID_REQUEST
write 1: start 0, 2 done, 0-0:2/1 3-3:2/1
INVALID_RECORD_STATE
0..4 settled
write 2: start 0, 1 done, 0-0:2/1
0..4 in flight 3: 0-0 writing, 1-2 a, 3-3 a",
    );
}

#[test]
fn below_the_start_anything_may_be_said() {
    check(
        "log 0-4 5-9 | a takes 5 | starts 3 | a says 0-2 accept | a says 0-4 accept \
         | written 2 | show",
        "a: 0-4/1
3..5 in flight 2: 3-4 a
nothing
write 2: start 3, 2 done, 3-4:2/1
5..5 settled
5..5 in flight 0:",
    );
}

#[test]
fn a_batch_is_given_whole_and_told_in_pieces() {
    check(
        "log 0-2 3-5 6-8 | batch 2 | a takes 4 | show",
        "a: 0-2/1 3-5/1
0..6 in flight 6: 0-2 a, 3-5 a",
    );
    check("log 0-2 3-5 | batch 10 | a takes 5", "a: 0-5/1");
    check("log 0-2 3-5 | a takes 4 limit | a takes 4 limit", "a: 0-3/1\na: 4-5/1");
}

#[test]
fn no_more_is_in_flight_than_allowed() {
    check(
        "room 3 | log 0-1 2-3 4-5 | a takes 9 | a takes 9 | a says 1-1 release | written 1 \
         | b takes 9",
        "a: 0-3/1
a: nothing
write 1: start 0, 0 done, 1-1:0/1
0..4 settled
b: 1-1/2",
    );
}

#[test]
fn gaps_of_the_log_and_what_is_skipped_are_archived() {
    check(
        "log 2-3 6-7 | a takes 9 | show | a says 2-3 accept | written 1 | show",
        "a: 2-3/1 6-7/1
2..8 in flight 4: 2-3 a, 4-5 archived, 6-7 a
write 1: start 2, 4 done, 2-3:2/1
6..8 settled
6..8 in flight 2: 6-7 a",
    );
    check(
        "log 0-1 2-2! 3-4 | a takes 9 | show",
        "a: 0-1/1 3-4/1\n0..5 in flight 4: 0-1 a, 2-2 archived, 3-4 a",
    );
}

#[test]
fn a_new_leader_goes_on_from_what_was_written() {
    check(
        "log 0-3 4-7 8-9 | load 0 2-3:2/1 6-6:0/2 | show | a takes 2 limit | a takes 9 limit",
        "0..7 in flight 5: 0-1 available, 2-3 acknowledged, 4-5 available, 6-6 available
a: 0-1/1
a: 4-5/1 6-6/3 7-9/1",
    );
    check("load 5 5-6:2/1 7-7:4/5 | show", "8..8 in flight 0:");
}

#[test]
fn what_is_given_up_goes_to_the_dead_letters_and_is_archived_after_that() {
    check(
        "dead letters | limit 2 | log 0-3 | a takes 4 \
         | a says 0-3 reject,accept,release,reject | written 1 | show | buried | show | written 2 \
         | a takes 4 | a says 2-2 release | written 3 | buried | buried | written 4 | written 5",
        "a: 0-3/1
write 1: start 0, 1 done, 0-0:3/1 1-1:2/1 2-2:0/1 3-3:3/1
0..4 settled dead: 0-0/1 Rejected, 3-3/1 Rejected
0..4 in flight 3: 0-0 archiving, 1-1 acknowledged, 2-2 available, 3-3 archiving
write 2: start 0, 2 done, 0-0:4/1
2..4 in flight 2: 2-2 available, 3-3 archiving
not settled
a: 2-2/2
write 3: start 2, 0 done, 2-2:3/2
2..4 settled dead: 2-2/2 DeliveredTooOften
write 4: start 2, 1 done, 3-3:4/1
write 5: start 2, 2 done, 2-2:4/2
not settled
not settled",
    );
}

#[test]
fn what_a_former_leader_had_not_brought_to_the_dead_letters_is_brought_by_the_next() {
    check(
        "dead letters | limit 2 | log 0-5 | load 0 0-1:3/1 2-2:3/2 3-3:4/2 5-5:2/1 | show \
         | buried | starts 3 | buried | a takes 9 limit",
        "dead: 0-1/1 Rejected, 2-2/2 DeliveredTooOften
0..6 in flight 4: 0-1 archiving, 2-2 archiving, 3-3 archived, 4-4 available, 5-5 acknowledged
write 1: start 0, 4 done, 0-1:4/1
4..6 in flight 1: 4-4 available, 5-5 acknowledged
nothing
a: 4-4/1",
    );
}

#[test]
fn a_session_that_ends_gives_its_records_back() {
    check(
        "log 0-1 2-3 | a takes 2 | b takes 2 | a ends | written 1 | b takes 2",
        "a: 0-1/1
b: 2-3/1
write 1: start 0, 0 done, 0-1:0/1
0..4 settled
b: 0-1/2",
    );
}

#[test]
fn random_lives_agree_with_a_model_of_single_records() {
    (0..60).for_each(naive::live);
}
