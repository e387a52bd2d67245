//! Sessions by the table of KIP-227.

use super::*;

fn wanted(index: i32, offset: i64) -> Wanted {
    Wanted {
        topic: TopicKey::Name("t".into()),
        index: PartitionIndex(index),
        leader_epoch: LeaderEpoch(-1),
        offset: Offset(offset),
        last_fetched_epoch: LeaderEpoch(-1),
        log_start: Offset(-1),
        max_bytes: 1 << 20,
    }
}

fn ask(session_id: i32, session_epoch: i32, partitions: &[i32]) -> Asked {
    Asked {
        session_id,
        session_epoch,
        uses_topic_ids: false,
        wanted: partitions.iter().map(|index| wanted(*index, 0)).collect(),
        forgotten: Vec::new(),
    }
}

fn open(sessions: &FetchSessions, asked: Asked) -> Result<(i32, Vec<i32>), ErrorCode> {
    let plan = sessions.open(asked, Timestamp(0), || 77)?;
    Ok((plan.session_id(), plan.wanted.iter().map(|wanted| wanted.index.0).collect()))
}

const NOTHING_NEW: Told = Told { high_watermark: Offset(0), log_start: Offset(0) };

#[test]
fn a_session_remembers_what_was_asked_for() {
    let sessions = FetchSessions::new(10);
    assert_eq!(open(&sessions, ask(0, 0, &[3, 1, 2])), Ok((77, vec![3, 1, 2])));
    assert_eq!(open(&sessions, ask(77, 1, &[])), Ok((77, vec![3, 1, 2])));
    assert_eq!(open(&sessions, ask(77, 2, &[4])), Ok((77, vec![3, 1, 2, 4])));
}

#[test]
fn a_request_out_of_turn_is_refused() {
    let sessions = FetchSessions::new(10);
    assert_eq!(open(&sessions, ask(0, 1, &[])), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    open(&sessions, ask(0, 0, &[1])).expect("a new session");
    assert_eq!(open(&sessions, ask(77, 2, &[])), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert_eq!(open(&sessions, ask(78, 1, &[])), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    let by_id = Asked { uses_topic_ids: true, ..ask(77, 1, &[]) };
    assert_eq!(open(&sessions, by_id), Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
}

#[test]
fn forgetting_everything_closes_the_session() {
    let sessions = FetchSessions::new(10);
    open(&sessions, ask(0, 0, &[1])).expect("a new session");
    let forgotten = vec![(TopicKey::Name("t".into()), PartitionIndex(1))];
    assert_eq!(open(&sessions, Asked { forgotten, ..ask(77, 1, &[]) }), Ok((0, vec![])));
    assert_eq!(open(&sessions, ask(77, 2, &[])), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn the_final_epoch_closes_the_session_and_reads_without_one() {
    let sessions = FetchSessions::new(10);
    open(&sessions, ask(0, 0, &[1])).expect("a new session");
    assert_eq!(open(&sessions, ask(77, -1, &[2])), Ok((0, vec![2])));
    assert_eq!(open(&sessions, ask(77, 1, &[])), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn an_incremental_answer_names_only_what_has_news() {
    let sessions = FetchSessions::new(10);
    let full = sessions.open(ask(0, 0, &[1, 2]), Timestamp(0), || 77).expect("new");
    for of in &full.wanted {
        assert!(sessions.tell(&full, of, NOTHING_NEW, false), "a full answer names everything");
    }
    let next = sessions.open(ask(77, 1, &[]), Timestamp(0), || 0).expect("next");
    let moved = Told { high_watermark: Offset(9), ..NOTHING_NEW };
    assert!(!sessions.tell(&next, &next.wanted[0], NOTHING_NEW, false));
    assert!(sessions.tell(&next, &next.wanted[1], moved, false));
    assert!(!sessions.tell(&next, &next.wanted[1], moved, false));
    assert!(sessions.tell(&next, &next.wanted[0], NOTHING_NEW, true));
}

#[test]
fn a_partition_that_gave_records_goes_to_the_end_of_the_order() {
    let sessions = FetchSessions::new(10);
    open(&sessions, ask(0, 0, &[1, 2, 3])).expect("a new session");
    let plan = sessions.open(ask(77, 1, &[]), Timestamp(0), || 0).expect("next");
    sessions.tell(&plan, &plan.wanted[0], NOTHING_NEW, true);
    assert_eq!(open(&sessions, ask(77, 2, &[])), Ok((77, vec![2, 3, 1])));
}

#[test]
fn epochs_wrap_to_one() {
    let sessions = FetchSessions::new(10);
    open(&sessions, ask(0, 0, &[1])).expect("a new session");
    sessions.sessions().get_mut(&77).expect("there").epoch = i32::MAX;
    open(&sessions, ask(77, i32::MAX, &[])).expect("the last epoch");
    open(&sessions, ask(77, 1, &[])).expect("the epoch after the last");
}

#[test]
fn a_full_cache_gives_no_session_until_one_may_go() {
    let sessions = FetchSessions::new(1);
    let at = |now, id, partitions: &[i32]| {
        let plan = sessions.open(ask(0, 0, partitions), Timestamp(now), || id).expect("full");
        plan.session_id()
    };
    assert_eq!(at(0, 5, &[1]), 5);
    assert_eq!(at(EVICTION_MS, 6, &[1]), 0);
    assert_eq!(at(EVICTION_MS + 1, 6, &[1, 2]), 6);
    assert_eq!(at(EVICTION_MS + 2, 7, &[1, 2, 3]), 0);
}
