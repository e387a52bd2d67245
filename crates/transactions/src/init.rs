//! InitProducerId with a transactional id: gives its producer an id and an epoch, and fences
//! whoever had it before.
//!
//! v3 brings the id and epoch that the producer has (KIP-360); v4 says PRODUCER_FENCED where older
//! versions say INVALID_PRODUCER_EPOCH; v6 is not final and has 2PC (KIP-939). Must hold: an
//! ongoing transaction is aborted first, and its epoch, bumped by that, is given to nobody.

use std::collections::BTreeSet;

use ottla_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId, StrBytes};

use crate::end::Aborted;
use crate::reply::init_refused;
use crate::state::{EPOCH_LAST, NO_ID, NO_TIME, State, Transaction};
use crate::{Ask, Decided, Settings, Soft, TransactionRecord, TransactionReply, Transactions};

/// No epoch.
const NO_EPOCH: ProducerEpoch = ProducerEpoch(-1);
/// The timeout of transactions that something else decides.
const UNLIMITED_MS: i32 = i32::MAX;

/// What a producer says that it has.
#[derive(Clone, Copy)]
struct Expected {
    id: ProducerId,
    epoch: ProducerEpoch,
}

/// What a request leads to.
enum Step {
    /// The producer is this from now on, and was of this epoch as far as a retry may say.
    Give(Box<Transaction>, ProducerEpoch),
    /// The transaction of the producer before is to be aborted.
    Abort,
    /// It takes a producer id that nobody has had.
    NeedsProducerId,
}

impl Transactions {
    /// InitProducerId, v0 to v6.
    pub fn init_producer_id(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        request: &InitProducerIdRequest,
    ) -> Decided {
        let id = request.transactional_id.clone().unwrap_or_default();
        let refuse = |error| {
            let error = in_version(ask.version, error);
            Decided::reply(ask.ticket, TransactionReply::Init(init_refused(error)))
        };
        match self.init(soft, ask, &id, request) {
            Err(error) => refuse(error),
            Ok(Step::NeedsProducerId) => {
                Decided::reply(ask.ticket, TransactionReply::NeedsProducerId)
            }
            Ok(Step::Abort) => match self.abort(soft, ask.now, ask.settings, &id, ask.fresh) {
                Aborted::NeedsProducerId => {
                    Decided::reply(ask.ticket, TransactionReply::NeedsProducerId)
                }
                Aborted::Decided(decided) => {
                    decided.and(refuse(ErrorCode::CONCURRENT_TRANSACTIONS))
                }
            },
            Ok(Step::Give(transaction, last_epoch)) => {
                soft.remember_epoch(&id, last_epoch);
                soft.watch_expiry(ask.now, ask.settings);
                let response = InitProducerIdResponse {
                    producer_id: transaction.producer_id,
                    producer_epoch: transaction.producer_epoch,
                    ..Default::default()
                };
                Decided {
                    records: vec![TransactionRecord::Transaction {
                        id: StrBytes::copied(&id),
                        value: Some((*transaction).into()),
                        version: ask.settings.value_version(),
                    }],
                    replies: vec![(ask.ticket, TransactionReply::Init(response))],
                    wake: soft.wake(),
                }
            }
        }
    }

    fn init(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        id: &StrBytes,
        request: &InitProducerIdRequest,
    ) -> Result<Step, ErrorCode> {
        check_init_producer_id(ask.settings, request)?;
        let timeout_ms = match request.enable2_pc {
            true => UNLIMITED_MS,
            false => request.transaction_timeout_ms,
        };
        let expected = (request.producer_id != NO_ID)
            .then_some(Expected { id: request.producer_id, epoch: request.producer_epoch });
        let Some(known) = self.get(id) else {
            let Some(fresh) = ask.fresh else { return Ok(Step::NeedsProducerId) };
            return Ok(Step::Give(Box::new(created(fresh, timeout_ms, ask)), NO_EPOCH));
        };
        if known.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if expected.is_some_and(|expected| !is_of(known, expected)) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if known.state == State::Ongoing {
            return Ok(Step::Abort);
        }
        let next = next_producer(known, soft.last_epoch(id), expected, ask.fresh)?;
        let Some((producer_id, producer_epoch, last_epoch)) = next else {
            return Ok(Step::NeedsProducerId);
        };
        let given = Transaction {
            producer_id,
            producer_epoch,
            timeout_ms,
            partitions: BTreeSet::new(),
            started_at: NO_TIME,
            ..known.step(State::Empty, ask.now.wall)
        };
        Ok(Step::Give(Box::new(given), last_epoch))
    }
}

/// Looks for what is wrong with a request whoever is its coordinator.
///
/// # Errors
/// What the client hears.
pub fn check_init_producer_id(
    settings: &Settings,
    request: &InitProducerIdRequest,
) -> Result<(), ErrorCode> {
    if request.transactional_id.as_deref().is_none_or(str::is_empty) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if request.enable2_pc && !settings.two_phase_commit {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if request.keep_prepared_txn {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let is_allowed = (1..=settings.timeout_ms_max).contains(&request.transaction_timeout_ms);
    if !request.enable2_pc && !is_allowed {
        return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    Ok(())
}

/// A transactional id that nobody has used.
fn created(fresh: ProducerId, timeout_ms: i32, ask: &Ask<'_>) -> Transaction {
    Transaction {
        state: State::Empty,
        producer_id: fresh,
        producer_epoch: ProducerEpoch(0),
        previous_producer_id: fresh,
        next_producer_id: NO_ID,
        timeout_ms,
        partitions: BTreeSet::new(),
        started_at: NO_TIME,
        updated_at: ask.now.wall,
        client_version: 0,
    }
}

/// Whether the producer that asks may be the present one: the same id, or the one before whose
/// epochs were used up and who did not hear of its new id.
fn is_of(known: &Transaction, expected: Expected) -> bool {
    expected.id == known.producer_id
        || (expected.id == known.previous_producer_id && expected.epoch >= EPOCH_LAST)
}

/// Id and epoch that the producer gets, and the epoch that a retry may come with; none when it
/// takes a fresh id that is not there.
fn next_producer(
    known: &Transaction,
    last_epoch: ProducerEpoch,
    expected: Option<Expected>,
    fresh: Option<ProducerId>,
) -> Result<Option<(ProducerId, ProducerEpoch, ProducerEpoch)>, ErrorCode> {
    let epoch = known.producer_epoch;
    let is_current = expected.is_none_or(|expected| expected.epoch == epoch);
    if is_current && known.is_exhausted() {
        let last = if expected.is_some() { epoch } else { NO_EPOCH };
        return Ok(fresh.map(|fresh| (fresh, ProducerEpoch(0), last)));
    }
    let id = known.producer_id;
    match expected {
        None => Ok(Some((id, known.next_epoch(), NO_EPOCH))),
        Some(_) if is_current => Ok(Some((id, known.next_epoch(), epoch))),
        // The retry of a call that was answered: nobody else has asked since.
        Some(expected) if expected.epoch == last_epoch => Ok(Some((id, epoch, last_epoch))),
        Some(_) => Err(ErrorCode::PRODUCER_FENCED),
    }
}

fn in_version(version: i16, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::PRODUCER_FENCED if version < 4 => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => error,
    }
}
