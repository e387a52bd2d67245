//! How soon a group settles, and how soon somebody takes over what a leaving member had, when
//! members do as they are told: they ask when their interval is over, and at once when they have
//! followed a new assignment.
//!
//! Time is that of the script. Apache Kafka 4.3.1, which tells all members five seconds, was
//! measured with 100 of them: 10.4 s until they had settled, 4.2 s until others took over.

use std::collections::BTreeSet;

use crate::script::World;

/// Clients of a script by the time of their next heartbeat.
struct Clients {
    world: World,
    due: BTreeSet<(i64, String)>,
    now_ms: i64,
    partitions: usize,
}

impl Clients {
    /// Clients of one topic with two partitions for each, that start one after the other.
    fn start(clients: usize, apart_ms: i64) -> Self {
        let mut world = World::new();
        let partitions = 2 * clients;
        world.run(&format!("grow t {partitions}"));
        let starts = (0..).step_by(usize::try_from(apart_ms).expect("not negative"));
        let due = starts.take(clients).enumerate();
        let due = due.map(|(client, at)| (at, format!("c{client}"))).collect();
        Clients { world, due, now_ms: 0, partitions }
    }

    /// Lets the next client send its heartbeat.
    fn step(&mut self) {
        let (at, name) = self.due.pop_first().expect("somebody is there");
        self.world.advance(at - self.now_ms);
        self.now_ms = at;
        let had = self.has(&name);
        self.world.run(&format!("hb {name}"));
        let told_ms = i64::from(self.world.told_ms(&name).expect("an interval"));
        let follows = self.has(&name) != had;
        self.due.insert((at + if follows { 1 } else { told_ms }, name));
    }

    fn has(&self, name: &str) -> usize {
        let mut beliefs = self.world.beliefs();
        beliefs.find(|(known, _)| *known == name).map_or(0, |(_, has)| has.len())
    }

    /// Whether each partition has one owner, and nobody more than one more than another.
    fn is_settled(&self) -> bool {
        let here: BTreeSet<&String> = self.due.iter().map(|(_, name)| name).collect();
        let beliefs = self.world.beliefs().filter(|(name, _)| here.contains(name));
        let beliefs: Vec<_> = beliefs.map(|(_, has)| has).collect();
        let counts: Vec<usize> = beliefs.iter().map(|has| has.len()).collect();
        let owned: BTreeSet<_> = beliefs.into_iter().flatten().collect();
        let is_even = counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref();
        counts.len() == here.len()
            && counts.iter().sum::<usize>() == self.partitions
            && owned.len() == self.partitions
            && is_even
    }

    /// The time until they have settled, from now on.
    fn settle_ms(&mut self) -> i64 {
        let from_ms = self.now_ms;
        while !self.is_settled() {
            self.step();
            assert!(self.now_ms - from_ms < 60_000, "the group settles");
        }
        self.now_ms - from_ms
    }

    fn rest(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while self.due.first().is_some_and(|(at, _)| *at <= until_ms) {
            self.step();
        }
        self.world.advance(until_ms - self.now_ms);
        self.now_ms = until_ms;
    }

    /// The mean time until others have taken over from clients that leave one after the other.
    fn take_over_ms(&mut self, leavers: usize) -> i64 {
        let mut took_ms = 0;
        for leaver in 0..leavers {
            self.rest(1_700);
            let name = format!("c{leaver}");
            self.due.retain(|(_, known)| *known != name);
            self.world.run(&format!("quit {name}"));
            took_ms += self.settle_ms();
        }
        took_ms / i64::try_from(leavers).expect("few")
    }
}

#[test]
fn a_hundred_members_settle_in_the_second_after_the_first_assignment() {
    let mut clients = Clients::start(100, 2);
    let settled_ms = clients.settle_ms();
    eprintln!("100 members settle in {settled_ms} ms");
    assert!((1_000..=1_500).contains(&settled_ms), "{settled_ms} ms");
    let took_ms = clients.take_over_ms(8);
    eprintln!("others take over in {took_ms} ms");
    assert!(took_ms <= 500, "{took_ms} ms");
}

#[test]
fn members_that_start_one_by_one_settle_soon_after_the_last_one() {
    let mut clients = Clients::start(20, 100);
    let settled_ms = clients.settle_ms();
    assert!((1_900..=3_500).contains(&settled_ms), "{settled_ms} ms");
    let took_ms = clients.take_over_ms(4);
    assert!(took_ms <= 1_000, "{took_ms} ms");
}
