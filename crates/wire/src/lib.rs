//! The wire protocol of Apache Kafka 4.4: every message in every version, as types.
//!
//! ```
//! use ottla_wire::messages::MetadataRequest;
//! use ottla_wire::messages::metadata_request::MetadataRequestTopic;
//! use ottla_wire::{Message, Reader, frame};
//!
//! let orders = MetadataRequestTopic { name: Some("orders".into()), ..Default::default() };
//! let request = MetadataRequest { topics: Some(vec![orders]), ..Default::default() };
//! let sent = frame::encode_request(&request, 12, 7, Some("reader".into()))?;
//!
//! let mut frame = Reader::new(sent.slice(4..)); // behind the size
//! let header = frame::decode_request_header(&mut frame)?;
//! let received = MetadataRequest::decode(&mut frame, header.request_api_version)?;
//! assert_eq!(received, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start reading at [`Message`], then any module of [`messages`]. `messages.txt` is the table from
//! which `cargo xtask codegen` writes them. [`registry`] lists them for what treats all alike.
//!
//! Messages hold reference-counted slices of the frame they were read from: no lifetimes, no
//! copies, and whoever keeps one for longer than its request copies it out. No bytes panic,
//! recurse or allocate more than a small multiple of their own length. What record batches
//! contain is the `records` crate's matter, sockets are `net`'s.

mod debug;
mod errors;
pub mod frame;
pub mod fuzz;
mod ids;
pub mod json;
mod message;
pub mod messages;
mod problem;
mod reader;
mod records;
pub mod registry;
mod schema;
mod size;
mod tags;
mod text;
mod uuid;
mod value;
pub mod varint;
mod walk;
mod writer;

pub use bytes::Bytes;

pub use errors::ErrorCode;
pub use ids::*;
pub use message::{Message, Request};
pub use problem::{DecodeError, EncodeError, Problem};
pub use reader::{ELEMENTS_MAX, Reader, TAGS_MAX};
pub use records::{FileSlice, Records};
pub use registry::ApiKey;
pub use schema::{DefaultValue, FieldInfo, StructInfo, Type, VersionRange};
pub use tags::UnknownTags;
pub use text::StrBytes;
pub use uuid::{InvalidUuid, Uuid};
pub use value::{Nullable, Struct, Value};
pub use walk::{Visitor, Walk};
pub use writer::{Part, Writer};
