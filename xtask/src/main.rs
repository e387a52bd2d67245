//! The project's own tools: `cargo xtask <task>`.
//!
//! One file per task; a task is a row in the table below. Nothing here is shipped to a user.

fn main() {
    eprintln!("usage: cargo xtask <task>");
}
