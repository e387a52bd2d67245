//! One function per request of a client: from the generated request to the generated response.
//!
//! A request comes by value, since it may have to stand in line. Not here: authorization, and what
//! only the caller's world knows of topics. Must hold: whatever goes wrong, a response of the right
//! shape comes.

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
use crate::turns::{Asked, Brought, By, Turn};
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

/// The shard that answers, or why there is none.
type Found<M> = Result<Arc<Shard<M>>, ErrorCode>;

/// What a request costs when the machine need not be asked: next to nothing.
fn little<M, R>(_: &M, _: &R) -> usize {
    0
}

/// Each of the names once, so that an answer is no longer than what there is to tell.
fn once(ids: Vec<StrBytes>) -> impl Iterator<Item = StrBytes> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(move |id| seen.insert(id.clone()))
}

impl Coordinator<Groups> {
    /// Asks for each of some groups, and all that is in it, at its own coordinator. A name that
    /// comes twice is answered once.
    fn ask_each<T: Send + 'static>(
        &self,
        ids: Vec<StrBytes>,
        by: (Caller, i16),
        shape: &Shape<StrBytes, T>,
        decide: impl Fn(&Groups, &Soft, &Ask<'_>, &StrBytes) -> Decided + Clone + Send + 'static,
    ) -> Answer<Vec<T>> {
        let told = once(ids).map(|id| {
            if id.is_empty() {
                return Answer::Now((shape.refused)(&id, ErrorCode::INVALID_GROUP_ID));
            }
            let (shard, by, decide) = (self.shared.shard_of(&id), by.clone(), decide.clone());
            let cost = Groups::cost_of_members;
            self.ask_at(shard, by, id, shape, cost, move |groups, soft, ask, id| {
                decide(groups, soft, ask, id)
            })
        });
        Answer::all(told.collect())
    }

    /// Asks the coordinator of one group.
    fn ask<R: Send + 'static, T: Send + 'static>(
        &self,
        shard: Found<Groups>,
        by: (Caller, i16),
        request: R,
        shape: &Shape<R, T>,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>, &R) -> Decided + Send + 'static,
    ) -> Answer<T> {
        self.ask_at(shard, by, request, shape, little, decide)
    }

    /// The same of what may take long: `cost` tells how much there is to be looked at.
    fn ask_at<R: Send + 'static, T: Send + 'static>(
        &self,
        shard: Found<Groups>,
        (caller, version): (Caller, i16),
        request: R,
        shape: &Shape<R, T>,
        cost: impl Fn(&Groups, &R) -> usize + Send + 'static,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>, &R) -> Decided + Send + 'static,
    ) -> Answer<T> {
        let decide = move |groups: &Groups, soft: &mut Soft, seat: &Seat<'_, _>, request: &R| {
            decide(groups, soft, &ask_of(&caller, version, seat), request)
        };
        ask_shard(&self.shared, shard, None, request, shape, (cost, decide))
    }
}

fn ask_of<'a>(
    caller: &'a Caller,
    version: i16,
    seat: &Seat<'a, ottla_groups::Settings>,
) -> Ask<'a> {
    Ask {
        now: seat.now,
        settings: seat.limits,
        version,
        client_id: &caller.client_id,
        client_host: &caller.client_host,
        random: seat.random,
        ticket: seat.ticket,
    }
}

fn ask_shard<M, R, T, C, D>(
    shared: &Arc<Shared<M>>,
    shard: Found<M>,
    producer: Option<Producer>,
    request: R,
    shape: &Shape<R, T, M::Reply>,
    (cost, decide): (C, D),
) -> Answer<T>
where
    M: Hosted,
    R: Send + 'static,
    T: Send + 'static,
    C: Fn(&M, &R) -> usize + Send + 'static,
    D: FnOnce(&M, &mut M::Soft, &Seat<'_, M::Limits>, &R) -> DecidedOf<M> + Send + 'static,
{
    let (take, refused) = (shape.take, shape.refused);
    let shard = match shard {
        Ok(shard) => shard,
        Err(error) => return Answer::Now(refused(&request, error)),
    };
    let done = move |request: R, turn: Result<Turn<'_, M>, ErrorCode>| {
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return Answer::Now(refused(&request, error)),
        };
        match turn.ask(producer, |machine, soft, seat| decide(machine, soft, seat, &request)) {
            Reply::Now(reply) => Answer::Now(
                take(reply).unwrap_or_else(|| refused(&request, ErrorCode::UNKNOWN_SERVER_ERROR)),
            ),
            Reply::Later(reply) => {
                let moved = refused(&request, ErrorCode::NOT_COORDINATOR);
                let future: BoxFuture<'static, T> = Box::pin(async move {
                    // The sender is dropped when the shard closes.
                    reply.await.ok().and_then(take).unwrap_or(moved)
                });
                Answer::Later(future)
            }
        }
    };
    answer_of(shard.bring(shared, By::Request, Asked::new(request, cost, done)))
}

/// The answer of work that was brought, in whatever turn it is.
fn answer_of<T: Send + 'static>(brought: Brought<Answer<T>>) -> Answer<T> {
    match brought {
        Brought::Done(answer) => answer,
        Brought::InLine(answer) => Answer::later(async move {
            match answer.await {
                Ok(answer) => answer.await,
                // The decision has panicked: that ends the node, and with it who waits.
                Err(_) => std::future::pending().await,
            }
        }),
    }
}
