//! What groups cost that nobody asks anything of: no timer for each of them.

use ottla_wire::MemberEpoch;
use ottla_wire::messages::ConsumerGroupHeartbeatRequest;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn group(number: usize) -> StrBytes {
    StrBytes::from(format!("g{number}"))
}

/// How often any task went on in nine minutes, in which this test's own did once.
async fn polls_at_rest(world: &World, groups: usize) -> u64 {
    let (env, log) = (world.node(1), Memory::new());
    let coordinator = coordinator(&env, &log).await;
    for number in 0..groups {
        let request = OffsetCommitRequest { group_id: group(number), ..commit_request(5, 1) };
        let response = coordinator.offset_commit(caller(), 9, OneTopic, request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    }
    let before = world.steps();
    env.sleep(9 * MINUTE).await;
    world.steps() - before
}

#[test]
fn ten_thousand_groups_without_members_wake_nobody() {
    World::new(7).run(async |world: World| {
        let none = polls_at_rest(&world, 0).await;
        assert_eq!(polls_at_rest(&world, 10_000).await, none);
        assert!(none <= 2, "{none} polls");
    });
}

/// One heartbeat of the only member of a group; it joins when it has no epoch yet.
async fn consumer_beat(coordinator: &Coordinator, group: StrBytes, epoch: &mut MemberEpoch) {
    let joins = *epoch == MemberEpoch(0);
    let request = ConsumerGroupHeartbeatRequest {
        member_id: group.clone(),
        group_id: group,
        member_epoch: *epoch,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec!["t".into()]),
        topic_partitions: joins.then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let told = coordinator.consumer_heartbeat(caller(), 1, OneTopic, request).await;
    assert_eq!(told.error_code, ErrorCode::NONE);
    *epoch = told.member_epoch;
}

/// How often any task but this test's own went on in two minutes of heartbeats, which are spread
/// evenly over their interval.
async fn polls_while_stable(world: &World, groups: u32) -> u64 {
    let (env, log) = (world.node(1), Memory::new());
    let coordinator = coordinator(&env, &log).await;
    let mut epochs = vec![MemberEpoch(0); groups as usize];
    let mut before = 0;
    let rounds = 40;
    for round in 0..=rounds {
        if round == 1 {
            before = world.steps();
        }
        for (number, epoch) in epochs.iter_mut().enumerate() {
            consumer_beat(&coordinator, group(number), epoch).await;
            env.sleep(Duration::from_secs(3) / groups).await;
        }
    }
    world.steps() - before - rounds * u64::from(groups)
}

#[test]
fn a_thousand_stable_groups_wake_the_coordinator_as_seldom_as_one() {
    World::new(7).run(async |world: World| {
        let one = polls_while_stable(&world, 1).await;
        let many = polls_while_stable(&world, 1_000).await;
        assert!(many <= one + 1, "{many} polls, {one} of one group");
    });
}
