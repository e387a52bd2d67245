//! What answers make of a member, and that what members tell each other survives the way.

use ottla_wire::messages::join_group_response::JoinGroupResponseMember;

use super::*;

fn member(assignors: &[Assignor]) -> Membership {
    Membership::new(Identity {
        group_id: "g".into(),
        instance_id: None,
        session_timeout_ms: 1,
        rebalance_timeout_ms: 2,
        assignors: assignors.to_vec(),
    })
}

fn partitions(numbers: &[i32]) -> BTreeSet<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("t", *number)).collect()
}

/// Joins as the only member, and is assigned these partitions by itself.
fn take_part(member: &mut Membership, generation: i32, assigned: &[i32]) -> Joined {
    let request = member.join_request(&["t".into()], "test");
    let protocol = &request.protocols[0];
    let joined = member.joined(&JoinGroupResponse {
        generation_id: Generation(generation),
        protocol_name: Some(protocol.name.clone()),
        leader: "me".into(),
        member_id: "me".into(),
        members: vec![JoinGroupResponseMember {
            member_id: "me".into(),
            metadata: protocol.metadata.clone(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let assignment = Assignment::from([("me".into(), partitions(assigned))]);
    let mut request = member.sync_request(&assignment);
    let assignment = request.assignments.remove(0).assignment;
    let synced = member.synced(&SyncGroupResponse { assignment, ..Default::default() });
    assert_eq!(synced, Ok(partitions(assigned)));
    joined.unwrap()
}

#[test]
fn the_first_join_only_brings_a_member_id() {
    let mut member = member(&[Assignor::Range]);
    let response = JoinGroupResponse {
        error_code: ErrorCode::MEMBER_ID_REQUIRED,
        member_id: "me".into(),
        ..Default::default()
    };
    assert_eq!(member.joined(&response), Err(Setback::JoinAgain));
    assert_eq!(member.join_request(&[], "test").member_id, "me");
    assert!(!member.is_in() && member.must_join);
}

#[test]
fn an_eager_member_joins_without_partitions_a_cooperative_one_with_them() {
    for (assignor, owned) in [(Assignor::Range, 0), (Assignor::CooperativeSticky, 2)] {
        let mut member = member(&[assignor]);
        take_part(&mut member, 1, &[0, 1]);
        let Joined::Leader(chosen, members) = take_part(&mut member, 2, &[0, 1]) else {
            panic!("the only member leads")
        };
        assert_eq!((chosen, members[0].owned.len()), (assignor, owned));
        assert!(members[0].topics.contains("t"));
        assert!(!member.must_join);
    }
}

#[test]
fn a_cooperative_member_that_lets_partitions_go_joins_once_more() {
    let mut member = member(&[Assignor::CooperativeSticky]);
    take_part(&mut member, 1, &[0, 1]);
    take_part(&mut member, 2, &[0]);
    assert!(member.must_join);
    take_part(&mut member, 3, &[0]);
    assert!(!member.must_join);
}

#[test]
fn codes_say_whether_the_place_is_kept() {
    let after = |code| {
        let mut member = member(&[Assignor::Range]);
        take_part(&mut member, 5, &[0]);
        let told = member.told(ApiKey::Heartbeat, Generation(5), code);
        (told.is_ok(), member.must_join, member.is_in(), member.member_id().is_empty())
    };
    assert_eq!(after(ErrorCode::NONE), (true, false, true, false));
    assert_eq!(after(ErrorCode::REBALANCE_IN_PROGRESS), (false, true, true, false));
    assert_eq!(after(ErrorCode::ILLEGAL_GENERATION), (false, true, false, false));
    assert_eq!(after(ErrorCode::UNKNOWN_MEMBER_ID), (false, true, false, true));
    assert_eq!(after(ErrorCode::NOT_COORDINATOR), (false, false, true, false));
}

#[test]
fn a_late_answer_to_an_earlier_generation_changes_nothing() {
    let mut member = member(&[Assignor::Range]);
    take_part(&mut member, 5, &[0]);
    let code = ErrorCode::ILLEGAL_GENERATION;
    assert_eq!(member.told(ApiKey::OffsetCommit, Generation(4), code), Ok(()));
    assert!(member.is_in() && !member.must_join);
}

#[test]
fn bytes_of_strangers_assign_nothing_and_do_no_harm() {
    assert_eq!(read_assignment(&Bytes::new()), Some(BTreeSet::new()));
    assert_eq!(read_assignment(&Bytes::from_static(&[0])), None);
    assert_eq!(read_assignment(&Bytes::from_static(&[0xff; 9])), None);
    assert_eq!(read_member("x", None, &Bytes::from_static(&[0xff; 9])).topics, BTreeSet::new());
}
