//! One function per request of a client: from the generated request to the generated response.
//!
//! Not here: authorization, and what only the caller's world knows of topics. Must hold: whatever
//! goes wrong, a response of the right shape comes.

mod admin;
mod consumers;
mod members;
mod offsets;
mod sharers;
mod shares;
mod streamers;
mod transactional;
mod transactions;

pub use shares::share_key;

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_groups::{Ask, Decided, GroupReply, Groups, Soft};
use ottla_records::Producer;
use ottla_wire::{ErrorCode, StrBytes};

use crate::coordinator::{Caller, Coordinator, Shared};
use crate::hosted::{DecidedOf, Hosted};
use crate::shard::{Reply, Seat, Shard};
use crate::{Answer, log::BoxFuture};

/// How a request becomes its response.
struct Shape<R, T, Of = GroupReply> {
    /// The response out of the reply that belongs to it.
    take: fn(Of) -> Option<T>,
    /// The response that says why there is no other.
    refused: fn(&R, ErrorCode) -> T,
}

/// What the reply that was asked for holds, and nothing for any other.
macro_rules! only {
    ($of:ident::$reply:ident) => {
        only!($of::$reply(told) => told)
    };
    ($of:ident::$reply:ident($told:ident) => $held:expr) => {
        |reply| match reply {
            $of::$reply($told) => Some($held),
            _ => None,
        }
    };
}

use only;

impl Coordinator<Groups> {
    /// Asks for each of some groups at its own coordinator. A name that comes twice is answered
    /// once.
    fn ask_each<T: Send + 'static>(
        &self,
        ids: &[StrBytes],
        caller: Caller<'_>,
        version: i16,
        shape: &Shape<StrBytes, T>,
        decide: impl Fn(&Groups, &Soft, &Ask<'_>, &StrBytes) -> Decided,
    ) -> Answer<Vec<T>> {
        let mut seen = BTreeSet::new();
        let told = ids.iter().filter(|id| seen.insert(*id)).map(|id| {
            let decide =
                |groups: &Groups, soft: &mut Soft, ask: &Ask<'_>| decide(groups, soft, ask, id);
            self.ask(id, caller, version, id, shape, decide)
        });
        Answer::all(told.collect())
    }

    /// Asks the coordinator of one group.
    fn ask<R, T: Send + 'static>(
        &self,
        group: &str,
        caller: Caller<'_>,
        version: i16,
        request: &R,
        shape: &Shape<R, T>,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>) -> Decided,
    ) -> Answer<T> {
        match self.shared.shard_of(group) {
            Ok(shard) => self.ask_shard(&shard, caller, version, request, shape, decide),
            Err(error) => Answer::Now((shape.refused)(request, error)),
        }
    }

    fn ask_shard<R, T: Send + 'static>(
        &self,
        shard: &Arc<Shard<Groups>>,
        caller: Caller<'_>,
        version: i16,
        request: &R,
        shape: &Shape<R, T>,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>) -> Decided,
    ) -> Answer<T> {
        ask_shard(&self.shared, shard, None, request, shape, |groups, soft, seat| {
            decide(groups, soft, &ask_of(caller, version, seat))
        })
    }
}

fn ask_of<'a>(
    caller: Caller<'a>,
    version: i16,
    seat: &Seat<'a, ottla_groups::Settings>,
) -> Ask<'a> {
    Ask {
        now: seat.now,
        settings: seat.limits,
        version,
        client_id: caller.client_id,
        client_host: caller.client_host,
        random: seat.random,
        ticket: seat.ticket,
    }
}

fn ask_shard<M: Hosted, R, T: Send + 'static>(
    shared: &Arc<Shared<M>>,
    shard: &Arc<Shard<M>>,
    producer: Option<Producer>,
    request: &R,
    shape: &Shape<R, T, M::Reply>,
    decide: impl FnOnce(&M, &mut M::Soft, &Seat<'_, M::Limits>) -> DecidedOf<M>,
) -> Answer<T> {
    let wrong = |request| (shape.refused)(request, ErrorCode::UNKNOWN_SERVER_ERROR);
    match shard.ask(shared, producer, decide) {
        Err(error) => Answer::Now((shape.refused)(request, error)),
        Ok(Reply::Now(reply)) => Answer::Now((shape.take)(reply).unwrap_or_else(|| wrong(request))),
        Ok(Reply::Later(reply)) => {
            let take = shape.take;
            let moved = (shape.refused)(request, ErrorCode::NOT_COORDINATOR);
            let future: BoxFuture<'static, T> = Box::pin(async move {
                // The sender is dropped when the shard closes.
                reply.await.ok().and_then(take).unwrap_or(moved)
            });
            Answer::Later(future)
        }
    }
}
