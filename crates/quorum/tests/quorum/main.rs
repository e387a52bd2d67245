//! A quorum of one on a simulated disk.

mod lives;
mod service;
mod support;
