//! What the members of a group were given and have committed, and the invariants of groups.
//!
//! A stint is the time in which a member keeps a partition. Must hold: every observation is
//! compared with all earlier ones of all members when it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use ottla_client::TopicPartition;

use crate::ledger::{Invariant, Ledger, Numbered};

/// Who a member is, over its generations: each consumer is another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MemberId(u32);

/// What a group does; clones are the same group.
#[derive(Clone)]
pub(crate) struct Group {
    ledger: Ledger,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    members: u32,
    statics: BTreeSet<MemberId>,
    /// The offsets that were given to any member.
    given: BTreeMap<TopicPartition, BTreeSet<i64>>,
    /// Who has a partition in a generation.
    owners: BTreeMap<(i32, TopicPartition), MemberId>,
    stints: BTreeMap<(MemberId, TopicPartition), Stint>,
    commits: BTreeMap<TopicPartition, Commits>,
    generations: BTreeSet<i32>,
    /// Nobody is to rest any more.
    must_hurry: bool,
}

/// How far a member is in a partition.
#[derive(Clone, Copy)]
struct Stint {
    generation: i32,
    next: i64,
}

/// What the group's offset of a partition may be.
#[derive(Default)]
struct Commits {
    acknowledged: Option<Commit>,
    /// Those that nobody has answered; a node that was stalled may yet carry them out.
    asked: Vec<Commit>,
}

/// An offset that a member of a generation commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Commit {
    pub(crate) generation: i32,
    pub(crate) offset: i64,
}

impl Group {
    pub(crate) fn new(ledger: &Ledger) -> Group {
        Group { ledger: ledger.clone(), inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with the group")
    }

    /// Lets every member read on without a rest from now on.
    pub(crate) fn hurry(&self) {
        self.inner().must_hurry = true;
    }

    pub(crate) fn must_hurry(&self) -> bool {
        self.inner().must_hurry
    }

    /// A consumer comes into being.
    pub(crate) fn member(&self) -> MemberId {
        let mut inner = self.inner();
        inner.members += 1;
        MemberId(inner.members)
    }

    /// A consumer that comes back as the same member, in the same generation if it is soon.
    pub(crate) fn static_member(&self) -> MemberId {
        let me = self.member();
        self.inner().statics.insert(me);
        me
    }

    /// A member has these partitions, and no others, in a generation.
    pub(crate) fn owns(&self, me: MemberId, generation: i32, owned: &BTreeSet<TopicPartition>) {
        let mut inner = self.inner();
        inner.stints.retain(|(member, of), _| *member != me || owned.contains(of));
        if generation < 0 {
            return;
        }
        inner.generations.insert(generation);
        for of in owned {
            let owner = *inner.owners.entry((generation, of.clone())).or_insert(me);
            if owner != me {
                let what = format!("{of} is owned by {owner:?} and {me:?} in {generation}");
                self.ledger.violated(Invariant::OneOwner, what);
            }
        }
    }

    /// A member that is in a generation was given a record.
    pub(crate) fn given(
        &self,
        me: MemberId,
        generation: i32,
        (of, offset): (&TopicPartition, i64),
        record: Numbered,
    ) {
        self.ledger.show(of, offset, offset, record);
        let mut inner = self.inner();
        let key = (me, of.clone());
        if generation < 0 {
            let what = format!("{of}: {me:?} is given {offset}, and has no place in the group");
            self.ledger.violated(Invariant::OneOwner, what);
        }
        match inner.stints.get(&key).copied() {
            Some(stint) if stint.next == offset => {}
            // Another stint of a static member may be in the same generation.
            Some(stint) if stint.generation == generation && !inner.statics.contains(&me) => {
                let what = format!("{of}: {me:?} is given {offset}, {} comes next", stint.next);
                self.ledger.violated(Invariant::OrderPerPartition, what);
            }
            _ => self.begins(&inner, generation, of, offset),
        }
        inner.stints.insert(key, Stint { generation, next: offset + 1 });
        inner.given.entry(of.clone()).or_default().insert(offset);
    }

    /// A member goes on in a partition at an offset that the group must have committed.
    fn begins(&self, inner: &Inner, generation: i32, of: &TopicPartition, offset: i64) {
        let missed = self.not_given(inner, of, offset);
        if !missed.is_empty() {
            let what = format!("{of}: the group goes on at {offset}, nobody was given {missed:?}");
            self.ledger.violated(Invariant::GivenAtLeastOnce, what);
        }
        let Some(commits) = inner.commits.get(of) else { return };
        let asked = commits.asked.iter().any(|commit| commit.offset == offset);
        // One that does not know yet that the group has gone on may be behind.
        let known = commits.acknowledged.filter(|commit| commit.generation <= generation);
        if let Some(known) = known.filter(|known| offset < known.offset && !asked) {
            let what = format!("{of}: {known:?} stands, in {generation} one begins at {offset}");
            self.ledger.violated(Invariant::OffsetsNeverGoBack, what);
        }
    }

    fn not_given(&self, inner: &Inner, of: &TopicPartition, below: i64) -> Vec<i64> {
        let mut missed = self.ledger.acknowledged_below(of, below);
        if let Some(given) = inner.given.get(of) {
            missed.retain(|offset| !given.contains(offset));
        }
        missed
    }

    /// A member is about to commit.
    pub(crate) fn commits(&self, of: &TopicPartition, commit: Commit) {
        self.inner().commits.entry(of.clone()).or_default().asked.push(commit);
    }

    /// A member was told that what it has last asked for stands. `known` was acknowledged when it
    /// asked.
    pub(crate) fn committed(&self, of: &TopicPartition, commit: Commit, known: Option<Commit>) {
        let mut inner = self.inner();
        let commits = inner.commits.entry(of.clone()).or_default();
        if let Some(known) = known.filter(|known| known.generation > commit.generation) {
            let what = format!("{of}: {commit:?} was taken after {known:?}");
            self.ledger.violated(Invariant::OffsetsNeverGoBack, what);
        }
        if commits.acknowledged.is_some_and(|last| last.generation > commit.generation) {
            // This answer comes late.
            return;
        }
        commits.acknowledged = Some(commit);
        // No coordinator takes anything of an earlier generation from here on.
        commits.asked.retain(|asked| asked.generation >= commit.generation && *asked != commit);
    }

    /// The last commit that was acknowledged.
    pub(crate) fn last_committed(&self, of: &TopicPartition) -> Option<Commit> {
        self.inner().commits.get(of).and_then(|commits| commits.acknowledged)
    }

    /// Whether every acknowledged record was given to some member.
    pub(crate) fn has_all(&self, partitions: i32) -> bool {
        let inner = self.inner();
        let mut all = (0..partitions).map(|at| TopicPartition::new(crate::clients::TOPIC, at));
        all.all(|of| self.not_given(&inner, &of, i64::MAX).is_empty())
    }

    /// What nobody was given although members had time for it.
    pub(crate) fn audit(&self, partitions: i32) {
        let inner = self.inner();
        for at in 0..partitions {
            let of = TopicPartition::new(crate::clients::TOPIC, at);
            let missed = self.not_given(&inner, &of, i64::MAX);
            if !missed.is_empty() {
                let what = format!("{of}: nobody was given {missed:?} in the end");
                self.ledger.violated(Invariant::GivenAtLeastOnce, what);
            }
        }
    }

    /// How many records members were given, and how many generations they saw.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.given.values().map(BTreeSet::len).sum(), inner.generations.len())
    }
}
