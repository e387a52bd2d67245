//! One producer's transactions: what may be done when, and what a failure means.
//!
//! Not here: records (in_flight.rs) and requests (producer/transactions.rs). From version 2 on
//! (`transaction.version`, KIP-890) brokers take in what is written to, and every end gives the
//! producer a new epoch; before, partitions are added first and the epoch stays. Must hold: nothing
//! of a transaction that has failed is committed; who was fenced stays it.

use std::collections::BTreeSet;

use ottla_wire::{ApiKey, ErrorCode, StrBytes};

use crate::core::cluster::TopicPartition;
use crate::error::ClientError;

/// The transactions of one transactional id, one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    id: StrBytes,
    state: State,
    bumps: bool,
    /// What is written to: known to the coordinator, or taken in by the brokers.
    within: BTreeSet<TopicPartition>,
    /// What is to be written to and has to be added first.
    outside: BTreeSet<TopicPartition>,
    is_adding: bool,
    /// The coordinator may know of something that no partition tells of.
    has_more: bool,
    /// Sequences have a gap: the next transaction needs another epoch.
    must_bump: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// There is no producer id yet.
    New,
    /// Between two transactions.
    Idle,
    /// Records may be sent.
    Open,
    /// It can only be aborted.
    Failed(ClientError),
    /// It was decided how it ends; the coordinator has not said yes to it.
    Ending { commits: bool },
    /// Another producer has the id.
    Fenced(ClientError),
}

/// What it takes to end a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The coordinator never heard of it.
    Nothing,
    /// It is to be asked.
    Ask,
}

impl Transaction {
    /// The transactions of this id, before there is a producer id.
    pub fn new(id: &str) -> Transaction {
        Transaction {
            id: StrBytes::copied(id),
            state: State::New,
            bumps: false,
            within: BTreeSet::new(),
            outside: BTreeSet::new(),
            is_adding: false,
            has_more: false,
            must_bump: false,
        }
    }

    /// The transactional id.
    pub fn id(&self) -> &StrBytes {
        &self.id
    }

    /// Whether every end gives a new epoch, and brokers take partitions in by themselves.
    pub fn bumps(&self) -> bool {
        self.bumps
    }

    /// There is a producer id; whatever its last owner had open is aborted.
    pub fn initialized(&mut self, bumps: bool) {
        *self = Transaction { state: State::Idle, bumps, ..Transaction::new(&self.id) };
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// Before `initialized`, within another one, or when fenced.
    pub fn begin(&mut self) -> Result<(), ClientError> {
        match &self.state {
            State::Idle => self.state = State::Open,
            State::New => return Err(misuse("init_transactions comes first")),
            State::Fenced(why) => return Err(why.clone()),
            _ => return Err(misuse("the last transaction has not ended")),
        }
        Ok(())
    }

    /// Whether something may be added to the transaction.
    ///
    /// # Errors
    /// Why not.
    pub fn check_open(&self) -> Result<(), ClientError> {
        match &self.state {
            State::Open => Ok(()),
            State::Failed(why) | State::Fenced(why) => Err(why.clone()),
            _ => Err(misuse("begin_transaction comes first")),
        }
    }

    /// Whether it has an end before it: records or offsets may be under way.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, State::Open | State::Failed(_) | State::Ending { .. })
    }

    /// Whether its records are to be given up.
    pub fn is_given_up(&self) -> bool {
        matches!(self.state, State::Failed(_) | State::Fenced(_) | State::Ending { commits: false })
    }

    /// Whether a batch may leave for this partition now; else it is noted as one to be added.
    pub fn admits(&mut self, of: &TopicPartition) -> bool {
        if self.state != State::Open {
            return false;
        }
        if self.within.contains(of) {
            return true;
        }
        let wanted = if self.bumps { &mut self.within } else { &mut self.outside };
        wanted.insert(of.clone());
        self.bumps
    }

    /// The partitions to add now; none while an answer is awaited.
    pub fn to_add(&mut self) -> Vec<TopicPartition> {
        if self.is_adding || self.outside.is_empty() || self.state != State::Open {
            return Vec::new();
        }
        self.is_adding = true;
        self.has_more = true;
        self.outside.iter().cloned().collect()
    }

    /// The coordinator has added these, or has refused to.
    pub fn added(&mut self, partitions: &[TopicPartition], result: Result<(), &ClientError>) {
        self.is_adding = false;
        match result {
            Ok(()) => {
                for of in partitions {
                    self.outside.remove(of);
                    self.within.insert(of.clone());
                }
            }
            Err(why) => self.fail(why),
        }
    }

    /// Offsets are about to be sent.
    pub fn sends_offsets(&mut self) {
        self.has_more = true;
    }

    /// Something of the transaction failed for good.
    pub fn fail(&mut self, why: &ClientError) {
        self.must_bump = true;
        match &self.state {
            State::Fenced(_) => {}
            _ if is_fencing(why) => self.state = State::Fenced(why.clone()),
            State::Open | State::Ending { commits: true } => {
                self.state = State::Failed(why.clone());
            }
            _ => {}
        }
    }

    /// Records that had a sequence will never be written.
    pub fn left_a_gap(&mut self) {
        self.must_bump = true;
    }

    /// Begins to end the transaction; again, when the coordinator could not be asked in time.
    ///
    /// # Errors
    /// Why it cannot be committed, or that nothing is open.
    pub fn end(&mut self, commits: bool) -> Result<End, ClientError> {
        match &self.state {
            State::Open => {}
            State::Ending { commits: before } if *before == commits => {}
            State::Failed(_) if !commits => {}
            State::Failed(why) | State::Fenced(why) => return Err(why.clone()),
            State::Ending { .. } => return Err(misuse("its other end has been asked for")),
            State::New | State::Idle => return Err(misuse("begin_transaction comes first")),
        }
        self.state = State::Ending { commits };
        let is_known = self.has_more || !self.within.is_empty();
        Ok(if is_known { End::Ask } else { End::Nothing })
    }

    /// Whether the producer needs another epoch before its next transaction, which the end of this
    /// one does not give it.
    pub fn needs_epoch(&self) -> bool {
        self.must_bump && !self.bumps
    }

    /// The coordinator has decided.
    pub fn ended(&mut self) {
        self.initialized(self.bumps);
    }

    /// Why this producer can do nothing any more.
    pub fn fenced(&self) -> Option<&ClientError> {
        match &self.state {
            State::Fenced(why) => Some(why),
            _ => None,
        }
    }
}

/// Whether the producer can never go on after this refusal. The leader of a partition may be behind
/// its coordinator, so what it says of epochs leaves room for an abort (KIP-588).
pub(crate) fn is_fencing(error: &ClientError) -> bool {
    let ClientError::Refused { api, code, .. } = error else { return false };
    match *code {
        ErrorCode::PRODUCER_FENCED
        | ErrorCode::INVALID_TXN_STATE
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => true,
        ErrorCode::INVALID_PRODUCER_EPOCH => *api != ApiKey::Produce,
        _ => false,
    }
}

fn misuse(what: &str) -> ClientError {
    ClientError::Misuse(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(api: ApiKey, code: ErrorCode) -> ClientError {
        ClientError::refused(api, "t-0", code, None)
    }

    /// Obeys words one after the other; what each had to say is joined.
    fn check(bumps: bool, script: &str, expected: &str) {
        let mut it = Transaction::new("tx");
        let of = TopicPartition::new("t", 0);
        let told = script.split_whitespace().map(|word| {
            let said = |result: Result<(), ClientError>| match result {
                Ok(()) => "ok".to_owned(),
                Err(ClientError::Refused { code, .. }) => code.name().to_owned(),
                Err(ClientError::Misuse(_)) => "misuse".to_owned(),
                Err(error) => error.to_string(),
            };
            match word {
                "init" => it.initialized(bumps),
                "added" => it.added(std::slice::from_ref(&of), Ok(())),
                "offsets" => it.sends_offsets(),
                "late" => it.fail(&refused(ApiKey::Produce, ErrorCode::REQUEST_TIMED_OUT)),
                "old" => it.fail(&refused(ApiKey::Produce, ErrorCode::INVALID_PRODUCER_EPOCH)),
                "fenced" => it.fail(&refused(ApiKey::EndTxn, ErrorCode::PRODUCER_FENCED)),
                "begin" => return said(it.begin()),
                "send" => return said(it.check_open()),
                "admits" => return it.admits(&of).to_string(),
                "add" => return it.to_add().len().to_string(),
                "commit" | "abort" => {
                    let end = it.end(word == "commit");
                    return end.map_or_else(|e| said(Err(e)), |end| format!("{end:?}"));
                }
                "ended" => {
                    let needs_epoch = it.needs_epoch();
                    it.ended();
                    return format!("bump={needs_epoch}");
                }
                other => panic!("{other}"),
            }
            "-".to_owned()
        });
        assert_eq!(told.collect::<Vec<_>>().join(" "), expected, "{script}");
    }

    #[test]
    fn what_comes_in_the_wrong_order_is_refused() {
        check(true, "begin send commit", "misuse misuse misuse");
        check(true, "init send commit abort begin begin", "- misuse misuse misuse ok misuse");
        check(true, "init begin offsets commit abort", "- ok - Ask misuse");
    }

    #[test]
    fn older_transactions_take_partitions_in_before_they_are_written_to() {
        check(
            false,
            "init begin admits add add added admits add commit ended begin admits",
            "- ok false 1 0 - true 0 Ask bump=false ok false",
        );
    }

    #[test]
    fn newer_ones_write_at_once() {
        check(true, "init begin admits add commit ended", "- ok true 0 Ask bump=false");
    }

    #[test]
    fn one_without_anything_in_it_ends_without_a_word() {
        check(
            true,
            "init begin commit ended begin abort ended",
            "- ok Nothing bump=false ok Nothing bump=false",
        );
        // What could not be added may have been.
        check(false, "init begin admits add abort", "- ok false 1 Ask");
    }

    #[test]
    fn what_failed_can_only_be_aborted() {
        check(
            true,
            "init begin admits late send admits commit abort ended begin send",
            "- ok true - REQUEST_TIMED_OUT false REQUEST_TIMED_OUT Ask bump=false ok ok",
        );
        // Where ends do not bump the epoch, a gap in the sequences asks for it.
        check(false, "init begin late abort ended", "- ok - Nothing bump=true");
    }

    #[test]
    fn an_end_that_nobody_answered_is_asked_for_again() {
        check(true, "init begin offsets commit commit ended", "- ok - Ask Ask bump=false");
    }

    #[test]
    fn a_leader_that_knows_of_another_epoch_leaves_room_for_an_abort_a_coordinator_does_not() {
        check(true, "init begin admits old abort", "- ok true - Ask");
        check(
            true,
            "init begin admits fenced send commit abort begin late abort",
            "- ok true - PRODUCER_FENCED PRODUCER_FENCED PRODUCER_FENCED PRODUCER_FENCED - \
             PRODUCER_FENCED",
        );
    }
}
