//! Nodes from start to stop, in the simulator and in the world.

mod bad_input;
mod changes;
mod disks;
mod folders;
mod lives;
mod moves;
mod outlook;
mod refusals;
mod support;
mod turns;
mod world;
