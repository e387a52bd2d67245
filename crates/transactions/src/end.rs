//! EndTxn, and the aborts that nobody asks for: of a producer that was replaced or took too long.
//!
//! v0 to v4 leave the epoch alone; v5 bumps it with every end (KIP-890), tells id and epoch of the
//! next transaction, and may abort one that never began. Of the epochs the last is 32766: its
//! transaction ends with 32767 in its markers, and the next one has a new producer id and epoch 0.
//! v0 and v1 say INVALID_PRODUCER_EPOCH for PRODUCER_FENCED.

use ottla_machine::Now;
use ottla_wire::messages::{EndTxnRequest, EndTxnResponse};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId, StrBytes};

use crate::add::{check_producer, in_version};
use crate::reply::end_refused;
use crate::state::{BUMPING, EPOCH_LAST, NO_ID, State, Transaction};
use crate::{Ask, Decided, Settings, Soft, TransactionRecord, TransactionReply, Transactions};

/// From this version on the client goes by transaction.version 2.
const BUMPING_SINCE: i16 = 5;

/// What a request leads to.
enum Step {
    /// The transaction is to end so.
    Prepare { to: State, never_began: bool },
    /// It has ended so already.
    Done,
}

/// What an abort that no client asks for leads to.
pub(crate) enum Aborted {
    /// The records, and the markers for the host.
    Decided(Decided),
    /// Nothing yet: it takes a producer id that nobody has had.
    NeedsProducerId,
}

impl Transactions {
    /// EndTxn, v0 to v5.
    pub fn end(&self, soft: &mut Soft, ask: &Ask<'_>, request: &EndTxnRequest) -> Decided {
        let id = &request.transactional_id;
        let bumps = ask.version >= BUMPING_SINCE;
        let step = match bumps {
            true => self.end_bumping(request),
            false => self.end_as_before(request),
        };
        match step {
            Err((_, error)) => {
                let refused = end_refused(in_version(ask.version, error));
                Decided::reply(ask.ticket, TransactionReply::End(refused))
            }
            Ok((known, Step::Done)) => ended(ask, known),
            Ok((known, Step::Prepare { to, never_began })) => {
                let client_version = if bumps { BUMPING } else { 0 };
                let Some(mut prepared) = prepared(known, to, client_version, ask.fresh, ask.now)
                else {
                    return Decided::reply(ask.ticket, TransactionReply::NeedsProducerId);
                };
                if never_began {
                    prepared.started_at = ask.now.wall;
                }
                if bumps {
                    soft.remember_epoch(id, known.producer_epoch);
                }
                let answer = ended(ask, &prepared.completed(ask.now.wall));
                self.prepare(soft, ask.settings, id, prepared).and(answer)
            }
        }
    }

    /// EndTxn before v5.
    fn end_as_before(
        &self,
        request: &EndTxnRequest,
    ) -> Result<(&Transaction, Step), (State, ErrorCode)> {
        let known = self.to_end(request)?;
        let refused = |error| (known.state, error);
        check_producer(known, (request.producer_id, request.producer_epoch)).map_err(refused)?;
        match (known.state, request.committed) {
            (State::PrepareCommit | State::PrepareAbort, _) => {
                Err(refused(ErrorCode::CONCURRENT_TRANSACTIONS))
            }
            (State::Ongoing, committed) => {
                Ok((known, Step::Prepare { to: kind(committed), never_began: false }))
            }
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => {
                Ok((known, Step::Done))
            }
            _ => Err(refused(ErrorCode::INVALID_TXN_STATE)),
        }
    }

    /// EndTxn from v5 on. A repeated request is one whose epoch has been bumped since: the same
    /// epoch means the next transaction.
    fn end_bumping(
        &self,
        request: &EndTxnRequest,
    ) -> Result<(&Transaction, Step), (State, ErrorCode)> {
        let known = self.to_end(request)?;
        let refused = |error| Err((known.state, error));
        if known.state.is_prepared() {
            return refused(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let repeats_overflow = known.previous_producer_id == request.producer_id
            && request.producer_epoch == EPOCH_LAST
            && known.producer_epoch == ProducerEpoch(0);
        let repeats_bump =
            i32::from(known.producer_epoch.0) == i32::from(request.producer_epoch.0) + 1;
        if known.producer_id != request.producer_id && !repeats_overflow {
            return refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        let may_repeat = matches!(known.state, State::CompleteCommit | State::CompleteAbort);
        let repeats = may_repeat && (repeats_bump || repeats_overflow);
        if !repeats && known.producer_epoch != request.producer_epoch {
            return refused(ErrorCode::PRODUCER_FENCED);
        }
        match (known.state, request.committed) {
            (State::Ongoing, committed) => {
                Ok((known, Step::Prepare { to: kind(committed), never_began: false }))
            }
            (State::CompleteCommit, true) | (State::CompleteAbort, false) if repeats => {
                Ok((known, Step::Done))
            }
            (State::Empty | State::CompleteCommit | State::CompleteAbort, false) if !repeats => {
                Ok((known, Step::Prepare { to: State::PrepareAbort, never_began: true }))
            }
            _ => refused(ErrorCode::INVALID_TXN_STATE),
        }
    }

    fn to_end(&self, request: &EndTxnRequest) -> Result<&Transaction, (State, ErrorCode)> {
        if request.transactional_id.is_empty() {
            return Err((State::Dead, ErrorCode::INVALID_REQUEST));
        }
        let known = self.get(&request.transactional_id);
        known.map(|known| &**known).ok_or((State::Dead, ErrorCode::INVALID_PRODUCER_ID_MAPPING))
    }

    /// Aborts an ongoing transaction, so that its producer is fenced.
    pub(crate) fn abort(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        id: &StrBytes,
        fresh: Option<ProducerId>,
    ) -> Aborted {
        let Some(known) = self.get(id).filter(|known| known.state == State::Ongoing) else {
            return Aborted::Decided(Decided::default());
        };
        let bumps = settings.transaction_version >= BUMPING;
        let client_version = if bumps { BUMPING } else { 0 };
        let prepared = prepared(known, State::PrepareAbort, client_version, fresh, now);
        let Some(mut prepared) = prepared else { return Aborted::NeedsProducerId };
        prepared.producer_epoch = known.next_epoch();
        let last_epoch = if bumps { known.producer_epoch } else { ProducerEpoch(-1) };
        soft.remember_epoch(id, last_epoch);
        Aborted::Decided(self.prepare(soft, settings, id, prepared))
    }

    /// Aborts what has taken too long, with a producer id at hand.
    pub fn abort_timed_out(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        id: &StrBytes,
        fresh: Option<ProducerId>,
    ) -> Decided {
        if !self.get(id).is_some_and(|known| is_timed_out(known, now)) {
            return Decided { wake: soft.wake(), ..Decided::default() };
        }
        match self.abort(soft, now, settings, id, fresh) {
            Aborted::Decided(decided) => decided,
            Aborted::NeedsProducerId => Decided::reply(
                ottla_machine::Ticket::HOST,
                TransactionReply::AbortNeedsProducerId { id: id.clone() },
            ),
        }
    }

    /// The record of a decided end, and its markers for the host.
    fn prepare(
        &self,
        soft: &mut Soft,
        settings: &Settings,
        id: &StrBytes,
        prepared: Transaction,
    ) -> Decided {
        let markers = soft.begin_marking(id, &prepared);
        Decided {
            records: vec![TransactionRecord::Transaction {
                id: StrBytes::copied(id),
                value: Some(prepared.into()),
                version: settings.value_version(),
            }],
            replies: vec![markers],
            wake: soft.wake(),
        }
    }
}

/// Whether it has been under way for longer than it may.
pub(crate) fn is_timed_out(known: &Transaction, now: Now) -> bool {
    known.state == State::Ongoing
        && known.timeout_ms != i32::MAX
        && known.started_at + i64::from(known.timeout_ms) < now.wall
}

fn kind(committed: bool) -> State {
    if committed { State::PrepareCommit } else { State::PrepareAbort }
}

/// The transaction with its end decided; none when that takes a fresh id that is not there.
fn prepared(
    known: &Transaction,
    to: State,
    client_version: i16,
    fresh: Option<ProducerId>,
    now: Now,
) -> Option<Transaction> {
    let mut prepared = known.step(to, now.wall);
    prepared.client_version = client_version;
    prepared.next_producer_id = NO_ID;
    if client_version >= BUMPING {
        if known.is_exhausted() {
            prepared.next_producer_id = fresh?;
        }
        prepared.producer_epoch = known.next_epoch();
    }
    Some(prepared)
}

/// What a client hears of an end: the producer of its next transaction, from v5 on.
fn ended(ask: &Ask<'_>, transaction: &Transaction) -> Decided {
    let mut response = end_refused(ErrorCode::NONE);
    if ask.version >= BUMPING_SINCE {
        response = EndTxnResponse {
            producer_id: transaction.producer_id,
            producer_epoch: transaction.producer_epoch,
            ..Default::default()
        };
    }
    Decided::reply(ask.ticket, TransactionReply::End(response))
}
