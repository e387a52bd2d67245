//! Topologies and the topics that they need.

use std::sync::Arc;

use expect_test::{Expect, expect};
use ottla_wire::messages::streams_group_heartbeat_request::Topology;

use super::world::{Cluster, created, subtopologies, wrapped};
use crate::streams::membership::recorded;
use crate::streams::topology::configure;

/// What becomes of a topology in a cluster whose topics have so many partitions.
fn check(topology: &str, topics: &[(&str, i32)], expect: Expect) {
    let topology = Topology { subtopologies: subtopologies(topology), ..Topology::default() };
    let told = match configure(&Arc::new(recorded(&topology)), &Cluster::of(topics)) {
        Err((code, message)) => format!("{} {message}", code.name()),
        Ok(configured) => {
            let tasks = configured.subtopologies.iter().flatten();
            let tasks = tasks.map(|(id, it)| format!("{id} has {}", it.tasks));
            let tasks = tasks.collect::<Vec<_>>().join(", ");
            let problem = configured.problem.map(|it| format!(" {} {}", it.status, it.detail));
            format!("{tasks}{}{}", problem.unwrap_or_default(), created(&configured.missing))
        }
    };
    expect.assert_eq(&wrapped(told.trim()));
}

#[test]
fn a_sub_topology_has_as_many_tasks_as_its_largest_source_has_partitions() {
    check("0 src=a,b", &[("a", 2), ("b", 5)], expect!["0 has 5"]);
}

#[test]
fn numbers_of_partitions_pass_through_chains_of_repartition_topics() {
    check(
        "0 src=a sink=r; 1 rep=r sink=s log=c; 2 rep=s log=d",
        &[("a", 3)],
        expect![[r#"
            0 has 3, 1 has 3, 2 has 3 3 Internal topics are missing: c, d, r and 1
                additional topics create=[c/3 cleanup.policy=compact, d/3
                cleanup.policy=compact, r/3, s/3]"#]],
    );
    // Whatever order they come in.
    check(
        "0 rep=s; 1 rep=r sink=s; 2 src=a sink=r",
        &[("a", 3), ("r", 3), ("s", 3)],
        expect!["0 has 3, 1 has 3, 2 has 3"],
    );
}

#[test]
fn a_given_number_of_partitions_is_kept() {
    check(
        "0 src=a sink=r; 1 rep=r/7 log=c",
        &[("a", 3)],
        expect![[r#"
            0 has 3, 1 has 7 3 Internal topics are missing: c, r create=[c/7
                cleanup.policy=compact, r/7]"#]],
    );
}

#[test]
fn loops_and_topics_that_nobody_feeds_are_no_topology() {
    check(
        "0 rep=r sink=s; 1 rep=s sink=r",
        &[],
        expect![[r#"
            STREAMS_INVALID_TOPOLOGY Failed to compute number of partitions for all
                repartition topics. There may be loops in the topology that cannot be
                resolved."#]],
    );
    check(
        "0 src=a; 1 rep=r",
        &[("a", 1)],
        expect![[r#"
            STREAMS_INVALID_TOPOLOGY Failed to compute number of partitions for all
                repartition topics, because a repartition source topic is never used as a
                sink topic."#]],
    );
    check(
        "0 log=c",
        &[],
        expect!["STREAMS_INVALID_TOPOLOGY No source topics found for subtopology 0"],
    );
}

#[test]
fn what_makes_no_sense_is_an_error_without_words() {
    check("0 src=a; 0 src=b", &[("a", 1), ("b", 1)], expect!["UNKNOWN_SERVER_ERROR"]);
    check("0 src=a cop=0+1", &[("a", 1)], expect!["UNKNOWN_SERVER_ERROR"]);
    check("0 src=a cop=-1", &[("a", 1)], expect!["UNKNOWN_SERVER_ERROR"]);
    check("0 src=a sink=r; 1 rep=r/-4", &[("a", 1)], expect!["UNKNOWN_SERVER_ERROR"]);
}

#[test]
fn missing_source_topics_are_named_as_far_as_there_is_room() {
    check("0 src=a,b", &[("a", 1)], expect!["1 Source topics b are missing."]);
    check(
        "0 src=a,b,c,d,e",
        &[],
        expect!["1 Source topics a, b, c and 2 additional topics are missing."],
    );
}

#[test]
fn topics_that_are_read_together_must_agree() {
    check(
        "0 src=a,b cop=0+1",
        &[("a", 1), ("b", 2)],
        expect!["2 Following topics do not have the same number of partitions: [{a=1, b=2}]"],
    );
    // A repartition topic follows the topic of somebody else.
    check(
        "0 src=x sink=r; 1 src=a rep=r cop=0/0",
        &[("x", 2), ("a", 5)],
        expect!["0 has 2, 1 has 5 3 Internal topics are missing: r create=[r/5]"],
    );
    check(
        "0 src=x sink=r; 1 src=a rep=r/3 cop=0/0",
        &[("x", 2), ("a", 5)],
        expect![[r#"
            2 Number of partitions [3] of repartition topic [r] doesn't match number of
                partitions [5] of the source topic."#]],
    );
    // Repartition topics among themselves take the largest number, or the given one.
    check(
        "0 src=x sink=r; 1 src=y sink=s; 2 rep=r,s cop=/0+1",
        &[("x", 2), ("y", 4)],
        expect!["0 has 2, 1 has 4, 2 has 4 3 Internal topics are missing: r, s create=[r/4, s/4]"],
    );
    check(
        "0 src=x sink=r; 1 src=y sink=s; 2 rep=r/3,s cop=/0+1",
        &[("x", 2), ("y", 4)],
        expect!["0 has 2, 1 has 4, 2 has 3 3 Internal topics are missing: r, s create=[r/3, s/3]"],
    );
}

#[test]
fn an_internal_topic_of_another_size_is_an_error() {
    check(
        "0 src=a log=c",
        &[("a", 2), ("c", 3)],
        expect!["2 Existing topic c has different number of partitions: expected 2, found 3"],
    );
}
