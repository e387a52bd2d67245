//! What need not survive of streams groups: sessions, what is known of their topics, whether a new
//! group still waits for members, who asked all to stop.
//!
//! Must hold: a group whose wait is over is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::messages::StreamsGroupTopologyValue;
use ottla_wire::{Offset, StrBytes, Timestamp};

use super::topology::Configured;
use crate::consumer::MemberTimes;

/// What is known of the streams groups of one coordinator partition.
#[derive(Debug, Default)]
pub(crate) struct SoftStreams {
    pub(crate) times: MemberTimes,
    groups: BTreeMap<StrBytes, Known>,
    delays: BTreeSet<(Timestamp, StrBytes)>,
}

/// What is known of one group.
#[derive(Debug, Default)]
pub(crate) struct Known {
    configured: Option<Arc<Configured>>,
    /// The metadata that its topics were last looked up in.
    pub(crate) topics_seen: Option<Offset>,
    /// Counts who serves what: clients that have seen this are not told again.
    pub(crate) endpoint_epoch: i32,
    /// The member that asked the whole application to stop.
    pub(crate) stopped_by: Option<StrBytes>,
    delayed_until: Option<Timestamp>,
}

impl SoftStreams {
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        let delay = self.delays.first().map(|(at, _)| *at);
        self.times.wake().into_iter().chain(delay).min()
    }

    pub(crate) fn known(&self, group: &str) -> Option<&Known> {
        self.groups.get(group)
    }

    pub(crate) fn known_mut(&mut self, group: &StrBytes) -> &mut Known {
        self.groups.entry(group.clone()).or_default()
    }

    /// What was found of this topology.
    pub(crate) fn configured(
        &self,
        group: &str,
        topology: &Arc<StreamsGroupTopologyValue>,
    ) -> Option<&Arc<Configured>> {
        let configured = self.groups.get(group)?.configured.as_ref();
        configured.filter(|configured| Arc::ptr_eq(&configured.topology, topology))
    }

    pub(crate) fn configure(&mut self, group: &StrBytes, configured: Arc<Configured>) {
        self.known_mut(group).configured = Some(configured);
    }

    pub(crate) fn is_delayed(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|known| known.delayed_until.is_some())
    }

    /// The first assignment of a group waits for more members, if it does not do so already.
    pub(crate) fn delay(&mut self, group: &StrBytes, until: Timestamp) {
        let known = self.groups.entry(group.clone()).or_default();
        if known.delayed_until.is_none() {
            known.delayed_until = Some(until);
            self.delays.insert((until, group.clone()));
        }
    }

    /// A group whose wait is over at `now`.
    pub(crate) fn waited(&mut self, now: Timestamp) -> Option<StrBytes> {
        let (_, group) = self.delays.first().filter(|(at, _)| *at <= now).cloned()?;
        self.end_delay(&group);
        Some(group)
    }

    fn end_delay(&mut self, group: &StrBytes) {
        let until = self.groups.get_mut(group).and_then(|known| known.delayed_until.take());
        if let Some(until) = until {
            self.delays.remove(&(until, group.clone()));
        }
    }

    /// Nobody is in the group any more. Its wait for members goes on, as in Kafka.
    pub(crate) fn emptied(&mut self, group: &StrBytes) {
        if let Some(known) = self.groups.get_mut(group) {
            known.stopped_by = None;
        }
    }

    /// Forgets all of a group.
    pub(crate) fn remove(&mut self, group: &StrBytes) {
        self.end_delay(group);
        self.groups.remove(group);
        self.times.remove_group(group);
    }
}
