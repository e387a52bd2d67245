//! The broker as its clients see it: encoded requests go in, encoded answers come out, in a
//! simulated world with a simulated disk.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod compaction;
mod configs;
mod consumers;
mod dead_letters;
mod denied;
mod durability;
mod fetch;
mod forwarded;
mod groups;
mod limits;
mod metadata;
mod obeyed;
mod offsets;
mod produce;
mod share_states;
mod shares;
mod streams;
mod support;
mod table;
mod transactional;
mod transactions;
