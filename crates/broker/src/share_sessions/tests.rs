//! What a session is asked for, request by request.
//! Must hold: nobody's partitions are another's.

use super::*;

const SLOTS: usize = 2;

fn place(index: i32) -> Place {
    (TopicId(ottla_wire::Uuid([1; 16])), PartitionIndex(index))
}

fn fetch(
    sessions: &ShareSessions,
    member: &str,
    epoch: i32,
    added: &[i32],
    forgotten: &[i32],
) -> Result<Vec<i32>, ErrorCode> {
    let places = |indexes: &[i32]| indexes.iter().copied().map(place).collect::<Vec<_>>();
    let (added, forgotten) = (places(added), places(forgotten));
    let plan = sessions.fetch(&Who::copied("g", member), 7, epoch, &added, &forgotten)?;
    let mut indexes: Vec<i32> = plan.iter().map(|(_, index)| index.0).collect();
    indexes.sort_unstable();
    Ok(indexes)
}

#[test]
fn partitions_are_named_once_and_forgotten_by_name() {
    let sessions = ShareSessions::new(SLOTS);
    assert_eq!(fetch(&sessions, "a", 0, &[0, 1], &[]), Ok(vec![0, 1]));
    assert_eq!(fetch(&sessions, "a", 1, &[2, 1], &[0]), Ok(vec![1, 2]));
    assert_eq!(fetch(&sessions, "a", 2, &[], &[]), Ok(vec![1, 2]));
    assert_eq!(sessions.acknowledge(&Who::copied("g", "a"), 3), Ok(()));
    assert_eq!(fetch(&sessions, "a", 4, &[], &[]), Ok(vec![1, 2]));
    assert_eq!(fetch(&sessions, "a", -1, &[], &[]), Ok(vec![]));
}

#[test]
fn each_request_begins_with_another_partition() {
    let sessions = ShareSessions::new(SLOTS);
    let who = Who::copied("g", "a");
    let places: Vec<Place> = (0..3).map(place).collect();
    let first = sessions.fetch(&who, 7, 0, &places, &[]).unwrap()[0];
    let second = sessions.fetch(&who, 7, 1, &[], &[]).unwrap()[0];
    assert_ne!(first, second);
}

#[test]
fn a_session_has_so_many_partitions_and_no_more_however_many_are_named_and_forgotten() {
    let sessions = ShareSessions::new(SLOTS);
    let many: Vec<i32> = (0..100_000).collect();
    assert_eq!(fetch(&sessions, "a", 0, &many, &[]).map(|all| all.len()), Ok(PARTITIONS_MAX));
    assert_eq!(fetch(&sessions, "a", 1, &[], &many[..90_000]), Ok(vec![]));
    assert_eq!(fetch(&sessions, "a", 2, &[7], &many[8..]), Ok(vec![7]));
}

#[test]
fn requests_that_are_not_the_next_one_are_refused() {
    let sessions = ShareSessions::new(SLOTS);
    let who = Who::copied("g", "a");
    assert_eq!(fetch(&sessions, "a", 1, &[], &[]), Err(ErrorCode::SHARE_SESSION_NOT_FOUND));
    assert_eq!(sessions.acknowledge(&who, 1), Err(ErrorCode::SHARE_SESSION_NOT_FOUND));
    assert_eq!(sessions.acknowledge(&who, 0), Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH));
    assert_eq!(fetch(&sessions, "a", 0, &[0], &[]), Ok(vec![0]));
    assert_eq!(fetch(&sessions, "a", 2, &[], &[]), Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH));
    assert_eq!(sessions.acknowledge(&who, 9), Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH));
    assert_eq!(fetch(&sessions, "a", 1, &[], &[]), Ok(vec![0]));
}

#[test]
fn there_is_room_for_so_many_and_a_member_may_begin_anew() {
    let sessions = ShareSessions::new(SLOTS);
    assert_eq!(fetch(&sessions, "a", 0, &[0], &[]), Ok(vec![0]));
    assert_eq!(fetch(&sessions, "b", 0, &[0], &[]), Ok(vec![0]));
    assert_eq!(fetch(&sessions, "c", 0, &[0], &[]), Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED));
    assert_eq!(fetch(&sessions, "a", 0, &[1], &[]), Ok(vec![1]));
    assert_eq!(sessions.count(), 2);
}

#[test]
fn a_connection_takes_its_sessions_along() {
    let sessions = ShareSessions::new(3);
    let who = |member| Who::copied("g", member);
    for (member, connection) in [("a", 1), ("b", 2), ("c", 2)] {
        sessions.fetch(&who(member), connection, 0, &[], &[]).unwrap();
    }
    assert_eq!(sessions.end(&who("a")), [who("a")]);
    assert_eq!(sessions.disconnected(1), []);
    assert_eq!(sessions.disconnected(2), [who("b"), who("c")]);
    assert_eq!(sessions.count(), 0);
}

#[test]
fn a_group_that_has_a_session_again_is_not_without_one() {
    let sessions = ShareSessions::new(3);
    let (of_g, of_h) = (Who::copied("g", "a"), Who::copied("h", "a"));
    sessions.fetch(&of_h, 1, 0, &[], &[]).unwrap();
    sessions.fetch(&of_g, 1, 0, &[], &[]).unwrap();
    assert!(!sessions.is_without(&of_g.group));
    assert_eq!(sessions.end(&of_g), std::slice::from_ref(&of_g));
    assert!(sessions.is_without(&of_g.group) && !sessions.is_without(&of_h.group));
    sessions.fetch(&of_g, 2, 0, &[], &[]).unwrap();
    assert!(!sessions.is_without(&of_g.group));
}
