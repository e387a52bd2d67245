//! The tests of storage as one program: a folder of Apache Kafka's, scenarios, crashes.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod beside;
mod clean;
mod clean_crash;
mod crash;
mod dirs;
mod full;
mod group_commit;
mod hang;
mod kafka_cleaner;
mod kafka_folder;
mod lives;
mod log;
mod moves;
mod open_files;
mod repair;
mod retention;
mod start_rules;
mod support;
mod unmade;
mod verify;
