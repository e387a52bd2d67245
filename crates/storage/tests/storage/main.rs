//! The tests of storage as one program: a folder of Apache Kafka's, and scenarios.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod dirs;
mod kafka_folder;
mod log;
mod support;
