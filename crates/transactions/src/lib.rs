//! Transactional ids and their transactions of one partition of `__transaction_state`: every
//! decision of the transaction coordinator, as functions of (state, soft state, now, request).
//!
//! Start reading at [`Transactions`], the state that survives (state.rs), then [`Soft`], what does
//! not (soft.rs). The life of a transaction: init.rs gives a producer its id and epoch, add.rs
//! takes partitions in, end.rs decides how it ends, marking.rs has that written into every
//! partition and closes the books. admin.rs describes and lists.
//!
//! Not here: the log, partitions and their leaders, clocks, timers, sockets, where producer ids
//! come from. What the host must do is said to [`Ticket::HOST`](ottla_machine::Ticket::HOST) once
//! the records are committed: write markers, or ask again with a fresh producer id. Must hold: only
//! `replay` changes [`Transactions`]; a transaction that is prepared ends as it was prepared.
//!
//! Not served: prepared transactions that survive their producer (KIP-939), as in Apache Kafka 4.
//!
//! ```
//! use ottla_machine::{Now, Ticket};
//! use ottla_transactions::{Ask, Settings, Soft, TransactionReply, Transactions};
//! use ottla_wire::messages::InitProducerIdRequest;
//! use ottla_wire::{ProducerEpoch, ProducerId, Timestamp};
//!
//! let (transactions, mut soft) = (Transactions::default(), Soft::default());
//! let settings = Settings::default();
//! let ask = Ask {
//!     now: Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) },
//!     settings: &settings,
//!     version: 5,
//!     fresh: Some(ProducerId(7)),
//!     ticket: Ticket(1),
//! };
//! let request = InitProducerIdRequest {
//!     transactional_id: Some("payments".into()),
//!     transaction_timeout_ms: 60_000,
//!     ..Default::default()
//! };
//! let decided = transactions.init_producer_id(&mut soft, &ask, &request);
//! assert_eq!(decided.records.len(), 1);
//! let TransactionReply::Init(response) = &decided.replies[0].1 else { panic!() };
//! assert_eq!((response.producer_id, response.producer_epoch), (ProducerId(7), ProducerEpoch(0)));
//! ```

mod add;
mod admin;
mod ask;
mod end;
pub mod fuzz;
mod init;
mod marking;
mod records;
mod reply;
#[cfg(test)]
mod script;
mod soft;
mod state;
#[cfg(test)]
mod tests;

pub use add::add_partitions_result;
pub use admin::Filter;
pub use ask::{Ask, Settings};
pub use init::check_init_producer_id;
pub use marking::{Marked, Markers};
pub use records::{RecordError, TransactionRecord};
pub use reply::TransactionReply;
pub use soft::Soft;
pub use state::{State, TopicPartition, Transaction, Transactions, Undo};

/// What a decision of this crate is.
pub type Decided = ottla_machine::Decided<TransactionRecord, TransactionReply>;
