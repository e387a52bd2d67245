//! Groups as a hosted machine: `__consumer_offsets`.
//!
//! Not here: a thing that is done outside; groups only decide.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_groups::{GroupRecord, GroupReply, Groups, NoTopics, Settings, Soft, Topics};
use ottla_machine::{Now, Ticket};
use ottla_wire::{ErrorCode, ProducerId, Timestamp};

use crate::hosted::{DecidedOf, Hosted};

/// The topics of the cluster, for what is decided without anybody having asked for it.
pub trait ClusterTopics: Send + Sync {
    /// The topics as they are.
    fn topics(&self) -> Box<dyn Topics + '_>;
}

impl ClusterTopics for NoTopics {
    fn topics(&self) -> Box<dyn Topics + '_> {
        Box::new(NoTopics)
    }
}

impl Hosted for Groups {
    type Soft = Soft;
    type Reply = GroupReply;
    type Limits = Settings;
    type World = Arc<dyn ClusterTopics>;
    type Event = ();

    const THINGS: &str = "groups";

    fn count(&self) -> usize {
        self.len()
    }

    fn unread(&self) -> Vec<(i16, u64)> {
        self.unserved().iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    fn decode(
        key: Bytes,
        value: Option<Bytes>,
        producer: Option<ProducerId>,
    ) -> Result<GroupRecord, String> {
        GroupRecord::decode(key, value, producer).map_err(|error| error.to_string())
    }

    fn marker(producer: ProducerId, committed: bool) -> Option<GroupRecord> {
        Some(GroupRecord::EndTransaction { producer, committed })
    }

    fn encode(record: &GroupRecord) -> Option<(Bytes, Option<Bytes>)> {
        record.encode()
    }

    fn loaded(&self, soft: &mut Soft, now: Now, limits: &Settings) -> DecidedOf<Self> {
        Groups::loaded(self, soft, now, limits)
    }

    fn tick(
        &self,
        soft: &mut Soft,
        now: Now,
        limits: &Settings,
        world: &Self::World,
    ) -> DecidedOf<Self> {
        Groups::tick(self, soft, now, limits, world.topics().as_ref())
    }

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.wake()
    }

    fn failed(reply: GroupReply, error: ErrorCode) -> GroupReply {
        reply.failed(error)
    }

    fn abandon(
        &self,
        soft: &mut Soft,
        now: Now,
        limits: &Settings,
        records: &[GroupRecord],
        error: ErrorCode,
    ) -> Vec<(Ticket, GroupReply)> {
        let of_groups: BTreeSet<_> = records.iter().filter_map(GroupRecord::of_members).collect();
        let abandoned = of_groups.into_iter();
        abandoned
            .flat_map(|group| Groups::abandon(self, soft, now, limits, group, error).replies)
            .collect()
    }
}
