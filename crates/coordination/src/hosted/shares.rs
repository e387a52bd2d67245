//! What share groups have in flight as a hosted machine: `__share_group_state`.
//!
//! The one thing that is done outside is that the log forgets what no snapshot needs. Nobody waits
//! for what another has written.

use bytes::Bytes;
use ottla_machine::Now;
use ottla_share::{Settings, ShareRecord, ShareReply, ShareStates, Soft};
use ottla_wire::{ErrorCode, ProducerId, Timestamp};

use crate::hosted::{DecidedOf, Home, Hosted};
use crate::log::BoxFuture;

impl Hosted for ShareStates {
    type Soft = Soft;
    type Reply = ShareReply;
    type Limits = Settings;
    type World = ();
    type Event = ();

    const THINGS: &str = "share partitions";

    fn count(&self) -> usize {
        self.len()
    }

    fn unread(&self) -> Vec<(i16, u64)> {
        let unknown = self.unknown();
        if unknown == 0 { Vec::new() } else { vec![(-1, unknown)] }
    }

    fn decode(
        key: Bytes,
        value: Option<Bytes>,
        _producer: Option<ProducerId>,
    ) -> Result<ShareRecord, String> {
        ShareRecord::decode(key, value).map_err(|error| error.to_string())
    }

    fn encode(record: &ShareRecord) -> Option<(Bytes, Option<Bytes>)> {
        Some(record.encode())
    }

    fn loaded(&self, soft: &mut Soft, now: Now, limits: &Settings) -> DecidedOf<Self> {
        ShareStates::loaded(self, soft, now, limits)
    }

    fn tick(
        &self,
        soft: &mut Soft,
        now: Now,
        limits: &Settings,
        _world: &Self::World,
    ) -> DecidedOf<Self> {
        ShareStates::tick(self, soft, now, limits)
    }

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.wake()
    }

    fn failed(reply: ShareReply, error: ErrorCode) -> ShareReply {
        reply.failed(error)
    }

    fn effect((): &(), home: &Home<'_>, reply: ShareReply) -> Option<BoxFuture<'static, ()>> {
        if let ShareReply::Prune(below) = reply {
            home.log.forget(below);
        }
        None
    }
}
