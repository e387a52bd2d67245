//! Turns in a shard: a machine that only notes numbers, some of which take long.

use ottla_machine::{Decided, Machine, Now, Prng, Ticket};
use ottla_records::Codec;

use super::*;
use crate::hosted::{DecidedOf, Home, Hosted};
use crate::shard::Reply;
use crate::turns::{Asked, Brought, By, COST_INLINE_MAX, LINE_MAX, TURNS_MAX, Turn};

/// Keeps every number that it was told.
#[derive(Debug, Default)]
struct Notes(Vec<u64>);

impl Machine for Notes {
    type Record = u64;
    type Undo = ();
    fn replay(&mut self, _: Offset, record: &u64) {
        self.0.push(*record);
    }
    fn undo(&mut self, (): ()) {
        self.0.pop();
    }
}

type Noted = Result<u64, ErrorCode>;

impl Hosted for Notes {
    type Soft = ();
    type Reply = Noted;
    type Limits = ();
    type World = ();
    type Event = ();
    const THINGS: &str = "notes";

    fn count(&self) -> usize {
        self.0.len()
    }
    fn unread(&self) -> Vec<(i16, u64)> {
        Vec::new()
    }
    fn decode(key: Bytes, _: Option<Bytes>, _: Option<ProducerId>) -> Result<u64, String> {
        let number = <[u8; 8]>::try_from(&*key).map_err(|error| error.to_string())?;
        Ok(u64::from_be_bytes(number))
    }
    fn marker(_: ProducerId, _: bool) -> Option<u64> {
        None
    }
    fn encode(record: &u64) -> Option<(Bytes, Option<Bytes>)> {
        Some((Bytes::copy_from_slice(&record.to_be_bytes()), None))
    }
    fn batch(_: Codec) -> BatchSettings {
        BatchSettings::default()
    }
    fn loaded(&self, (): &mut (), _: Now, (): &()) -> DecidedOf<Self> {
        Decided::default()
    }
    fn tick(&self, (): &mut (), _: Now, (): &(), (): &()) -> DecidedOf<Self> {
        Decided::default()
    }
    fn wake((): &()) -> Option<Timestamp> {
        None
    }
    fn failed(_: Noted, error: ErrorCode) -> Noted {
        Err(error)
    }
    fn abandon(
        &self,
        (): &mut (),
        _: Now,
        (): &(),
        _: &[u64],
        _: ErrorCode,
    ) -> Vec<(Ticket, Noted)> {
        Vec::new()
    }
    fn effect((): &(), _: &Home<'_>, _: Noted) -> Option<BoxFuture<'static, ()>> {
        None
    }
    fn happened(&self, (): &mut (), _: Now, (): &(), (): ()) -> DecidedOf<Self> {
        Decided::default()
    }
}

type Notebook = crate::Coordinator<Notes>;

const SHORT: usize = 0;
const LONG: usize = COST_INLINE_MAX + 1;

/// A coordinator of two partitions on these logs, loaded.
async fn notebook(env: &Env, logs: [&Arc<Memory>; 2]) -> Notebook {
    let notebook = Notebook::start(env.clone(), CoordinatorSettings::default(), ());
    notebook.partitions(Some(2));
    for (index, log) in (0..).zip(logs) {
        notebook.lead(PartitionIndex(index), LeaderEpoch(0), log.clone());
    }
    let is_open = |(_, state): &(_, ShardState)| matches!(state, ShardState::Active { .. });
    while !notebook.states().iter().all(is_open) {
        env.yield_now().await;
    }
    notebook
}

/// Has a number noted.
fn note(notebook: &Notebook, partition: i32, cost: usize, number: u64) -> Answer<Noted> {
    let Some(shard) = notebook.shared.shard(PartitionIndex(partition)) else {
        return Answer::Now(Err(ErrorCode::NOT_COORDINATOR));
    };
    let work =
        Asked::new(
            number,
            move |_: &Notes, _: &u64| cost,
            |number, turn: Result<Turn<'_, Notes>, ErrorCode>| {
                let noted = |_: &Notes, (): &mut (), seat: &crate::shard::Seat<'_, ()>| Decided {
                    records: vec![number],
                    replies: vec![(seat.ticket, Ok(number))],
                    wake: None,
                };
                match turn.map(|turn| turn.ask(None, noted)) {
                    Err(error) => Answer::Now(Err(error)),
                    Ok(Reply::Now(noted)) => Answer::Now(noted),
                    Ok(Reply::Later(noted)) => Answer::later(async move {
                        noted.await.unwrap_or(Err(ErrorCode::NOT_COORDINATOR))
                    }),
                }
            },
        );
    match shard.bring(&notebook.shared, By::Request, work) {
        Brought::Done(answer) => answer,
        Brought::InLine(answer) => {
            Answer::later(async move { answer.await.expect("work is answered").await })
        }
    }
}

/// The numbers in a log, in order.
fn numbers(log: &Memory) -> Vec<u64> {
    let batches = log.batches.lock().unwrap();
    let records = batches.iter().flat_map(|(_, bytes)| read_batch(bytes));
    let keys = records.map(|record| record.unwrap().key.unwrap());
    keys.map(|key| Notes::decode(key, None, None).unwrap()).collect()
}

fn is_waiting(answer: &Answer<Noted>) -> bool {
    matches!(answer, Answer::Later(_))
}

#[test]
fn a_request_to_a_shard_at_rest_wakes_no_task() {
    World::new(7).run(async |world: World| {
        let (env, log) = (world.node(1), Memory::new());
        let notebook = notebook(&env, [&log, &Memory::new()]).await;
        let before = world.steps();
        for number in 0..100 {
            assert!(matches!(note(&notebook, 0, SHORT, number), Answer::Now(Ok(_))));
        }
        env.sleep(Duration::from_secs(1)).await;
        assert!(world.steps() - before <= 1, "only this test's own");
    });
}

#[test]
fn behind_a_long_decision_requests_stand_in_line_and_nothing_else_does() {
    run(async |env, log| {
        let other = Memory::new();
        let notebook = notebook(&env, [&log, &other]).await;
        assert_eq!(note(&notebook, 0, SHORT, 0).await, Ok(0));
        let long = note(&notebook, 0, LONG, 1);
        let behind: Vec<_> = (2..40).map(|number| note(&notebook, 0, SHORT, number)).collect();
        assert!(is_waiting(&long) && behind.iter().all(is_waiting));
        // Another shard decides at once, and how this one does can be told at once.
        assert!(matches!(note(&notebook, 1, SHORT, 100), Answer::Now(Ok(100))));
        let states = notebook.states();
        assert_eq!(states[0].1, ShardState::Active { things: 1, parked: 0 });
        assert_eq!(numbers(&log), [0]);

        assert_eq!(long.await, Ok(1));
        for (number, answer) in (2..).zip(behind) {
            assert_eq!(answer.await, Ok(number));
        }
        assert_eq!(numbers(&log), (0..40).collect::<Vec<_>>());
        // And at rest again.
        assert!(matches!(note(&notebook, 0, SHORT, 40), Answer::Now(Ok(40))));
    });
}

#[test]
fn who_finds_no_place_in_line_is_told_to_come_again() {
    run(async |env, log| {
        let notebook = notebook(&env, [&log, &Memory::new()]).await;
        let mut answers = vec![note(&notebook, 0, LONG, 0)];
        answers.extend((0..LINE_MAX).map(|_| note(&notebook, 0, SHORT, 1)));
        assert!(answers.iter().all(is_waiting));
        let refused = note(&notebook, 0, SHORT, 2);
        let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        assert!(matches!(refused, Answer::Now(Err(error)) if error == loading));
        assert!(Answer::all(answers).await.iter().all(Result::is_ok));
        assert_eq!(note(&notebook, 0, SHORT, 2).await, Ok(2));
    });
}

#[test]
fn a_task_that_takes_turns_gives_way_to_others() {
    World::new(7).run(async |world: World| {
        let (env, log) = (world.node(1), Memory::new());
        let notebook = notebook(&env, [&log, &Memory::new()]).await;
        let mut answers = vec![note(&notebook, 0, LONG, 0)];
        answers.extend((1..=400).map(|number| note(&notebook, 0, SHORT, number)));
        let before = world.steps();
        assert!(Answer::all(answers).await.iter().all(Result::is_ok));
        let polls = usize::try_from(world.steps() - before).unwrap();
        assert!(polls >= 400 / TURNS_MAX, "{polls} polls");
    });
}

#[test]
fn a_shard_that_is_closed_answers_everyone_in_line() {
    for seed in 0..20 {
        World::new(seed).run(async |world: World| {
            let (env, log) = (world.node(1), Memory::new());
            let notebook = notebook(&env, [&log, &Memory::new()]).await;
            let long = note(&notebook, 0, LONG, 0);
            let behind: Vec<_> = (1..40).map(|number| note(&notebook, 0, SHORT, number)).collect();
            match seed % 4 {
                0 => notebook.resign(PARTITION, LeaderEpoch(0)),
                1 => notebook.lead(PARTITION, LeaderEpoch(1), Memory::new()),
                2 => notebook.stop().await,
                _ => drop(notebook),
            }
            for answer in behind {
                assert_eq!(answer.await, Err(ErrorCode::NOT_COORDINATOR));
            }
            // What has begun may come to its end.
            assert!(matches!(long.await, Ok(0) | Err(ErrorCode::NOT_COORDINATOR)));
        });
    }
}

#[test]
fn a_decision_that_panics_leaves_nobody_behind_it_without_an_answer() {
    World::new(7).run(async |world: World| {
        world.allow_failures();
        let (env, log) = (world.node(1), Memory::new());
        let notebook = notebook(&env, [&log, &Memory::new()]).await;
        let shard = notebook.shared.shard(PARTITION).unwrap();
        shard.tell(&notebook.shared, |_| LONG, |_, (), _, (), ()| panic!("a broken invariant"));
        let behind: Vec<_> = (1..40).map(|number| note(&notebook, 0, SHORT, number)).collect();
        for answer in behind {
            assert_eq!(answer.await, Err(ErrorCode::NOT_COORDINATOR));
        }
    });
}

/// What happens to the shards in one history, by its seed.
async fn history(world: &World, seed: u64) {
    let mut dice = Prng::new(seed);
    let env = world.node(1);
    let mut log = Memory::new();
    let notebook = notebook(&env, [&log, &Memory::new()]).await;
    let mut logs = vec![log.clone()];
    let mut answers = Vec::new();
    let mut epoch = 0;
    for number in 0..200 {
        match dice.below(40) {
            0 => *log.refuses.lock().unwrap() = Some(ErrorCode::NOT_ENOUGH_REPLICAS),
            1..=3 => *log.refuses.lock().unwrap() = None,
            4 => *log.commits.lock().unwrap() = false,
            5..=7 => {
                *log.commits.lock().unwrap() = true;
                log.commit();
            }
            8 => {
                epoch += 1;
                log = Memory::new();
                logs.push(log.clone());
                notebook.lead(PARTITION, LeaderEpoch(epoch), log.clone());
            }
            9 => notebook.resign(PARTITION, LeaderEpoch(epoch)),
            10..=13 => env.sleep(Duration::from_micros(dice.next_u64() % 1_000)).await,
            14 => env.yield_now().await,
            15..=17 => answers.push((number, note(&notebook, 0, LONG, number))),
            _ => answers.push((number, note(&notebook, 0, SHORT, number))),
        }
    }
    logs.iter().for_each(|log| log.commit());
    if dice.below(2) == 0 {
        notebook.stop().await;
    } else {
        env.sleep(Duration::from_secs(1)).await;
        logs.iter().for_each(|log| log.commit());
        notebook.resign(PARTITION, LeaderEpoch(epoch));
    }
    let mut noted = Vec::new();
    for (number, answer) in answers {
        let answer = env.timeout(Duration::from_secs(60), answer.into_future()).await;
        match answer.unwrap_or_else(|_| panic!("seed {seed}: {number} has no answer")) {
            Ok(same) => {
                assert_eq!(same, number, "seed {seed}");
                noted.push(number);
            }
            Err(error) => assert!(
                [
                    ErrorCode::NOT_COORDINATOR,
                    ErrorCode::COORDINATOR_NOT_AVAILABLE,
                    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                ]
                .contains(&error),
                "seed {seed}: {error:?}"
            ),
        }
    }
    for log in &logs {
        assert!(numbers(log).is_sorted(), "seed {seed}: decided out of turn");
    }
    let written: Vec<u64> = logs.iter().flat_map(|log| numbers(log)).collect();
    for number in noted {
        let times = written.iter().filter(|it| **it == number).count();
        assert_eq!(times, 1, "seed {seed}: {number} was promised");
    }
}

#[test]
fn whatever_happens_everyone_is_answered_and_turns_are_kept() {
    for seed in 0..300 {
        let world = World::new(seed);
        world.run(async |world: World| history(&world, seed).await);
    }
}

#[test]
fn by_real_threads_everyone_is_answered_too() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(async {
        let log = Memory::new();
        let notebook = Arc::new(notebook(&env, [&log, &Memory::new()]).await);
        let tasks = env.tasks();
        let answered = Arc::new(Mutex::new(Vec::new()));
        for task in 0..8 {
            let (notebook, answered) = (notebook.clone(), answered.clone());
            tasks.spawn("asks", async move {
                let mut last = None;
                for number in task * 1_000..task * 1_000 + 250 {
                    let cost = if number % 97 == 0 { LONG } else { SHORT };
                    let noted = note(&notebook, 0, cost, number);
                    // One waits for each answer, the next for none.
                    let next = if task % 2 == 0 { Some(noted) } else { last.replace(noted) };
                    if let Some(noted) = next {
                        let noted = noted.await;
                        answered.lock().unwrap().push(noted);
                    }
                }
                if let Some(noted) = last {
                    let noted = noted.await;
                    answered.lock().unwrap().push(noted);
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(tasks.failure(), None);
        let answered = answered.lock().unwrap();
        assert_eq!((answered.len(), log.records()), (2_000, 2_000));
        assert!(answered.iter().all(Result::is_ok));
        // Each task's numbers stand in its own order.
        for task in 0..8 {
            let own = numbers(&log).into_iter().filter(|number| number / 1_000 == task);
            assert!(own.is_sorted());
        }
    });
}

#[test]
fn long_decisions_wait_for_one_another() {
    run(async |env, log| {
        let notebook = notebook(&env, [&log, &Memory::new()]).await;
        // As many as are allowed are under way.
        let others = notebook.shared.long.acquire_many(2).await.unwrap();
        let long = note(&notebook, 0, LONG, 1);
        let behind = note(&notebook, 0, SHORT, 2);
        env.sleep(Duration::from_secs(1)).await;
        assert_eq!(log.records(), 0);
        assert!(matches!(note(&notebook, 1, SHORT, 3), Answer::Now(Ok(3))));
        drop(others);
        assert_eq!((long.await, behind.await), (Ok(1), Ok(2)));
    });
}
