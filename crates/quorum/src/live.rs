//! The active controller beside its log: what a decision goes through from the request to the
//! reply.
//!
//! One short lock holds all of it. A decision is taken, its records are appended and replayed
//! under that lock; the flusher tells of every sync, and what was below it is committed, replied
//! and published. Not here: what is decided (controller), when something is synced (quorum.rs).
//! Must hold: a published image contains committed records only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ottla_controller::{Controller, ControllerReply, Decision, Soft};
use ottla_machine::{Decided, Host, Prng, Ticket};
use ottla_metadata::{Image, MetadataRecord};
use ottla_raft::{Input, Output, Raft};
use ottla_storage::{Log, Origin};
use ottla_wire::{LeaderEpoch, Offset, Timestamp};
use tokio::sync::oneshot;

use crate::batches::{Place, data_batches};
use crate::error::QuorumError;

/// The time of a decision on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Goes on evenly, whatever happens to the wall's clock: for sessions and timers.
    pub(crate) steady: Timestamp,
    /// Milliseconds since 1970: for what is written down.
    pub(crate) wall: Timestamp,
}

/// An image that is committed, and the end of the log that it tells.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) end: Offset,
    pub(crate) image: Arc<Image>,
}

/// The state of the active controller.
pub(crate) struct Live {
    raft: Raft,
    log: Arc<Log>,
    host: Host<Image, ControllerReply>,
    controller: Controller,
    soft: Soft,
    random: Prng,
    /// The image after each append that is not committed, oldest first.
    uncommitted: VecDeque<(Offset, Image)>,
    committed: View,
    waiting: BTreeMap<Ticket, oneshot::Sender<ControllerReply>>,
    next_ticket: u64,
    /// When the controller wants to look at the clock, on the steady one.
    wake: Option<Timestamp>,
    bytes_appended: u64,
    last_timestamp: Timestamp,
}

/// What a live controller begins with.
pub(crate) struct Beginning {
    pub(crate) raft: Raft,
    pub(crate) log: Arc<Log>,
    pub(crate) image: Image,
    pub(crate) controller: Controller,
    pub(crate) kraft_version: i16,
    pub(crate) seed: u64,
}

impl Live {
    /// A controller whose log ends with the control batch of its own epoch.
    pub(crate) fn new(beginning: Beginning) -> Live {
        let Beginning { raft, log, mut image, controller, kraft_version, seed } = beginning;
        image.set_epoch(raft.epoch());
        let end = log.end();
        let mut soft = Soft::default();
        soft.kraft_version = kraft_version;
        Live {
            raft,
            uncommitted: VecDeque::from([(end, image.clone())]),
            host: Host::new(image, end),
            controller,
            soft,
            random: Prng::new(seed),
            committed: View { end: Offset(0), image: Arc::default() },
            waiting: BTreeMap::new(),
            next_ticket: 0,
            wake: None,
            bytes_appended: 0,
            last_timestamp: Timestamp(0),
            log,
        }
    }

    /// The newest committed image.
    pub(crate) fn committed(&self) -> &View {
        &self.committed
    }

    /// The level of `kraft.version`.
    pub(crate) fn kraft_version(&self) -> i16 {
        self.soft.kraft_version
    }

    /// The epoch that this controller leads.
    pub(crate) fn epoch(&self) -> LeaderEpoch {
        self.raft.epoch()
    }

    /// The voter and its log, for DescribeQuorum.
    pub(crate) fn raft(&self) -> &Raft {
        &self.raft
    }

    /// When [`Live::tick`] is due, on the steady clock.
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        self.wake
    }

    /// How many bytes were appended since the start, and when the last ones were.
    pub(crate) fn appended_so_far(&self) -> (u64, Timestamp) {
        (self.bytes_appended, self.last_timestamp)
    }

    /// Writes what a controller writes when it becomes the active one.
    pub(crate) fn activate(
        &mut self,
        now: Now,
        bootstrap: &[MetadataRecord],
    ) -> Result<(), QuorumError> {
        let decided = self.look(now, |controller, live| controller.activate(live, bootstrap));
        self.append(now, decided)
    }

    /// Does what the controller does by itself when its time has come.
    pub(crate) fn tick(&mut self, now: Now) -> Result<(), QuorumError> {
        self.wake = None;
        let decided = self.look(now, |controller, live| controller.tick(live));
        self.append(now, decided)
    }

    /// Takes a decision; the reply comes once it is committed.
    pub(crate) fn decide<R: Into<ControllerReply>>(
        &mut self,
        now: Now,
        decide: impl FnOnce(&Controller, &mut ottla_controller::Live<'_>) -> Decision<R>,
    ) -> Result<oneshot::Receiver<ControllerReply>, QuorumError> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let decided = self.look(now, decide).decided(ticket);
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        let appended = self.append(now, decided);
        if appended.is_err() {
            self.waiting.remove(&ticket);
        }
        appended.map(|()| receiver)
    }

    /// Tells the controller that a broker's connection is gone.
    pub(crate) fn with_soft(&mut self, change: impl FnOnce(&mut Soft)) {
        change(&mut self.soft);
    }

    /// Everything below `end` is on the disk. Answers the new committed image if there is one.
    pub(crate) fn flushed(&mut self, end: Offset) -> Option<Arc<Image>> {
        let mut outputs = Vec::new();
        self.raft.step(Input::Flushed { end }, &mut outputs);
        let mut news = None;
        for output in outputs {
            if let Output::Committed { to } = output {
                news = self.commit(to).or(news);
            }
        }
        news
    }

    fn commit(&mut self, to: Offset) -> Option<Arc<Image>> {
        self.log.set_high_watermark(to);
        let mut newest = None;
        while let Some((end, image)) = self.uncommitted.pop_front_if(|(end, _)| *end <= to) {
            newest = Some(View { end, image: Arc::new(image) });
        }
        let replies = self.host.commit(to);
        if let Some(view) = newest.clone() {
            self.committed = view;
        }
        self.reply(replies);
        newest.map(|view| view.image)
    }

    /// Runs a decision on the live state.
    fn look<T>(
        &mut self,
        now: Now,
        decide: impl FnOnce(&Controller, &mut ottla_controller::Live<'_>) -> T,
    ) -> T {
        let mut live = ottla_controller::Live {
            image: self.host.live(),
            soft: &mut self.soft,
            end: self.log.end(),
            now: now.steady,
            random: &mut self.random,
        };
        decide(&self.controller, &mut live)
    }

    fn append(
        &mut self,
        now: Now,
        decided: Decided<MetadataRecord, ControllerReply>,
    ) -> Result<(), QuorumError> {
        self.wake = match (self.wake, decided.wake) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let base = self.log.end();
        let is_new = !decided.records.is_empty();
        if is_new {
            self.write(now, &decided.records, base)?;
        }
        let replies = self.host.appended(base, decided);
        if is_new {
            let end = self.log.end();
            self.uncommitted.push_back((end, self.host.live().clone()));
        }
        self.reply(replies);
        Ok(())
    }

    /// Puts the batches into the log. What was decided in one piece is one piece again after a
    /// crash in between, since more than one batch is only needed inside a transaction.
    fn write(
        &mut self,
        now: Now,
        records: &[MetadataRecord],
        base: Offset,
    ) -> Result<(), QuorumError> {
        let place = Place { base, epoch: self.raft.epoch(), now: now.wall };
        let level = self.host.live().features().metadata_version();
        let batches = data_batches(records, level, place)?;
        for batch in &batches {
            let appended = self.log.append(batch, Origin::Replica { now: now.wall });
            if let Err(error) = appended {
                let left = self.log.truncate(base, now.wall);
                left?;
                return Err(QuorumError::Records(error.to_string()));
            }
            self.bytes_appended += batch.len() as u64;
        }
        self.last_timestamp = now.wall;
        let mut outputs = Vec::new();
        self.raft.step(Input::Appended { end: self.log.end() }, &mut outputs);
        Ok(())
    }

    fn reply(&mut self, replies: Vec<(Ticket, ControllerReply)>) {
        for (ticket, reply) in replies {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Nobody waits any more when the connection is gone.
                let _ = waiting.send(reply);
            }
        }
    }
}
