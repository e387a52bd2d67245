//! Retention by scripts (their words stand in clean.rs): which segments go, by Kafka's rules.

use ottla_storage::LogConfig;

use crate::clean::{check_with, config};

/// Four segments of one record each, 1.001 s apart; a batch like these takes 70 bytes.
const FOUR: &str = "put a=1 | roll | put b=1 | roll | put c=1 | roll | put d=1";
const BATCH_BYTES: i64 = 70;

fn deleting() -> LogConfig {
    LogConfig {
        cleanup_compact: false,
        cleanup_delete: true,
        retention_ms: -1,
        retention_bytes: -1,
        ..config()
    }
}

fn check(config: &LogConfig, script: &str, expect: &str) {
    check_with(config, &format!("{FOUR} | {script}"), expect);
}

#[test]
fn by_size_the_oldest_go_as_long_as_the_rest_is_not_less_than_the_limit() {
    let limit = |bytes| LogConfig { retention_bytes: bytes, ..deleting() };
    let two = "[2: 2..2{c=1@2}] [3: 3..3{d=1@3}]";
    check(&limit(2 * BATCH_BYTES), "retain", two);
    check(&limit(2 * BATCH_BYTES - 1), "retain", two);
    check(&limit(2 * BATCH_BYTES + 1), "retain", &format!("[1: 1..1{{b=1@1}}] {two}"));
    check(&limit(0), "retain | retain", "[4:]");
}

#[test]
fn by_time_the_oldest_go_and_the_active_one_too_once_but_not_an_empty_one() {
    let limit = LogConfig { retention_ms: 2_500, ..deleting() };
    let three = "[1: 1..1{b=1@1}] [2: 2..2{c=1@2}] [3: 3..3{d=1@3}]";
    check(&limit, "retain", three);
    check(&limit, "wait 2 | retain", "[3: 3..3{d=1@3}]");
    check(&limit, "wait 3 | retain | retain", "[4:]");
    check(&limit, "wait 3 | retain | put e=1", "[4: 4..4{e=1@4}]");
}

#[test]
fn size_and_time_hold_side_by_side() {
    let both = LogConfig { retention_ms: 2_500, retention_bytes: 2 * BATCH_BYTES, ..deleting() };
    check(&both, "retain", "[2: 2..2{c=1@2}] [3: 3..3{d=1@3}]");
    check(&both, "wait 2 | retain", "[3: 3..3{d=1@3}]");
}

#[test]
fn nothing_goes_that_the_high_watermark_has_not_passed() {
    let all = LogConfig { retention_bytes: 0, ..deleting() };
    check(&all, "hw2 | retain", "[2: 2..2{c=1@2}] [3: 3..3{d=1@3}]");
    check(
        &all,
        "hw0 | retain",
        "[0: 0..0{a=1@0}] [1: 1..1{b=1@1}] [2: 2..2{c=1@2}] [3: 3..3{d=1@3}]",
    );
}

#[test]
fn without_a_policy_only_what_was_deleted_goes() {
    let keeping = LogConfig { cleanup_delete: false, retention_bytes: 0, ..deleting() };
    let all = "[0: 0..0{a=1@0}] [1: 1..1{b=1@1}] [2: 2..2{c=1@2}] [3: 3..3{d=1@3}]";
    check(&keeping, "wait 1000 | retain", all);
    check(&keeping, "delete2 | retain | checkpoint", "[2: 2..2{c=1@2}] [3: 3..3{d=1@3}]");
    // The active segment has no end that the start could have passed.
    check(&keeping, "delete4 | retain | checkpoint", "[3: 3..3{d=1@3}]");
}
