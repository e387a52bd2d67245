//! DescribeTransactions and ListTransactions.
//!
//! An answer is for one id, or for the ids of this coordinator partition; putting the answers of
//! several partitions together is the caller's. ListTransactions v1 knows a duration, v2 a pattern
//! of ids, which is a regular expression that must match the whole id.

use std::collections::BTreeSet;

use ottla_wire::messages::describe_transactions_response::{self, TopicData};
use ottla_wire::messages::{ListTransactionsRequest, list_transactions_response};
use ottla_wire::{ErrorCode, ProducerId, StrBytes};
use regex::{Regex, RegexBuilder};

use crate::state::{State, Transaction};
use crate::{Ask, Decided, TransactionReply, Transactions};

/// What a ListTransactions asks for.
#[derive(Clone, Debug)]
pub struct Filter {
    states: BTreeSet<State>,
    /// State names that no state has.
    pub unknown_states: Vec<StrBytes>,
    any_state: bool,
    producers: BTreeSet<ProducerId>,
    longer_than_ms: i64,
    pattern: Option<Regex>,
}

impl Filter {
    /// The filter of a request.
    ///
    /// # Errors
    /// `INVALID_REGULAR_EXPRESSION` when the pattern of ids is none.
    pub fn of(request: &ListTransactionsRequest) -> Result<Filter, ErrorCode> {
        let (mut states, mut unknown_states) = (BTreeSet::new(), Vec::new());
        for name in &request.state_filters {
            match State::from_name(name) {
                Some(state) => {
                    states.insert(state);
                }
                None => unknown_states.push(name.clone()),
            }
        }
        let pattern = request.transactional_id_pattern.as_deref();
        let pattern = pattern.filter(|pattern| !pattern.is_empty()).map(whole).transpose()?;
        Ok(Filter {
            states,
            unknown_states,
            any_state: request.state_filters.is_empty(),
            producers: request.producer_id_filters.iter().copied().collect(),
            longer_than_ms: request.duration_filter,
            pattern,
        })
    }

    fn passes(&self, ask: &Ask<'_>, id: &str, transaction: &Transaction) -> bool {
        let age_ms = ask.now.wall - transaction.started_at;
        (self.any_state || self.states.contains(&transaction.state))
            && (self.producers.is_empty() || self.producers.contains(&transaction.producer_id))
            && (self.longer_than_ms < 0 || age_ms > self.longer_than_ms)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    }
}

/// The pattern, bound to match from the first to the last character.
fn whole(pattern: &str) -> Result<Regex, ErrorCode> {
    let compiled = |text: &str| {
        let regex = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
        regex.map_err(|_| ErrorCode::INVALID_REGULAR_EXPRESSION)
    };
    // By itself first: brackets that only close in the binding are no pattern.
    compiled(pattern)?;
    compiled(&format!(r"\A(?:{pattern})\z"))
}

impl Transactions {
    /// DescribeTransactions, one id of v0.
    pub fn describe(&self, ask: &Ask<'_>, id: &StrBytes) -> Decided {
        let refused = |error_code| describe_transactions_response::TransactionState {
            error_code,
            transactional_id: id.clone(),
            ..Default::default()
        };
        let described = match self.get(id) {
            _ if id.is_empty() => refused(ErrorCode::INVALID_REQUEST),
            None => refused(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND),
            Some(transaction) => described(id, transaction),
        };
        Decided::reply(ask.ticket, TransactionReply::Describe(described))
    }

    /// ListTransactions, v0 to v2: those of this partition that pass the filter.
    pub fn list(&self, ask: &Ask<'_>, filter: &Filter) -> Decided {
        let passing = self.iter().filter(|(id, transaction)| filter.passes(ask, id, transaction));
        let listed =
            passing.map(|(id, transaction)| list_transactions_response::TransactionState {
                transactional_id: id.clone(),
                producer_id: transaction.producer_id,
                transaction_state: StrBytes::from(transaction.state.name()),
                ..Default::default()
            });
        Decided::reply(ask.ticket, TransactionReply::List(listed.collect()))
    }
}

fn described(
    id: &StrBytes,
    transaction: &Transaction,
) -> describe_transactions_response::TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    for partition in &transaction.partitions {
        match topics.last_mut().filter(|last| last.topic == partition.topic) {
            Some(last) => last.partitions.push(partition.partition),
            None => topics.push(TopicData {
                topic: partition.topic.clone(),
                partitions: vec![partition.partition],
                ..Default::default()
            }),
        }
    }
    describe_transactions_response::TransactionState {
        error_code: ErrorCode::NONE,
        transactional_id: id.clone(),
        transaction_state: StrBytes::from(transaction.state.name()),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.started_at,
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        topics,
        ..Default::default()
    }
}

/// The most memory that a compiled pattern takes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
