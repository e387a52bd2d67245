//! A quorum of one on a simulated disk.

mod administered;
mod lives;
mod service;
mod support;
