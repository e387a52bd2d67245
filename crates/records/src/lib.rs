//! Record batches: the bytes that producers send, logs keep and consumers read.
//!
//! Start at [`batch`] (what a batch is), then [`mod@validate`] (what a log does to a client's
//! batch before it keeps it), [`record`] and [`builder`] (reading and writing records as values),
//! [`codec`] (compression), [`control`] (batches that speak to the log and not to people) and
//! [`filter`] (leaving records out, for the log cleaner).
//!
//! Not here: segments, indexes, producer state (storage), and anything that reads a file.
//! Must hold: bytes from outside never panic, and memory stays within a batch's own length and its
//! codec's window, whatever a header claims.
//!
//! ```
//! use ottla_records::{BatchBuilder, BatchSettings, Codec, read_batch};
//! use ottla_wire::Timestamp;
//!
//! let mut builder = BatchBuilder::new(BatchSettings::compressed(Codec::Lz4));
//! builder.append(Timestamp(1_900_000_000_000), Some(b"key"), Some(b"value"), &[])?;
//! let batch = builder.build()?;
//! let first = read_batch(&batch).next().expect("a batch has records")?;
//! assert_eq!(first.value.as_deref(), Some(&b"value"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod batch;
pub mod builder;
pub mod codec;
pub mod control;
mod crc;
pub mod filter;
pub mod fuzz;
pub mod record;
mod reencode;
pub mod validate;
mod walk;

pub use batch::{BatchError, BatchHeader, BatchView, Producer, TimestampType, batches};
pub use builder::{BatchBuilder, BatchSettings};
pub use codec::{Codec, Scratch};
pub use control::{ControlRecord, MarkerEpoch};
pub use record::{Record, read_batch};
pub use validate::{Invalid, Rules, Valid, validate, validate_with};
