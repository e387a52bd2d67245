//! `--cancel`: ends the moves of a plan; replicas go back to where they were.
//!
//! Not here: how the brokers are asked (execute.rs). Must hold: what is not going on is left alone.

use std::io::Write;

use ottla_client::Client;

use super::execute::{self, Wanted};
use super::plan::Directories;
use super::verify::{State, states};
use super::{joined, plan_of, plural, replicas, terse, throttles};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

/// Ends what of the plan is still going on.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let plan = plan_of(context, parsed)?;
    let mut moving = replicas::reassignments(client, Some(&plan.partitions)).await?;
    moving.retain(|_, change| !change.adding.is_empty() || !change.removing.is_empty());
    if moving.is_empty() {
        writeln!(context.out, "None of the specified partition reassignments are active.")?;
    } else {
        let (ended, names) = (plural(moving.len()), joined(moving.keys()));
        let none: Wanted = moving.into_keys().map(|partition| (partition, None)).collect();
        let failed = execute::reassign(client, &none, true).await?;
        if !failed.is_empty() {
            let (letter, lines) = (plural(failed.len()), failed.join("\n"));
            return Err(terse(format!(
                "Error cancelling partition reassignment{letter} for:\n{lines}"
            )));
        }
        writeln!(context.out, "Successfully cancelled partition reassignment{ended} for: {names}")?;
    }
    let states = states(client, &plan.directories).await?;
    let back: Directories = states
        .into_iter()
        .filter_map(|(replica, state)| match state {
            State::Active { current, .. } => Some((replica, current)),
            _ => None,
        })
        .collect();
    match back.is_empty() {
        // Apache Kafka's tool ends this line with what comes next.
        true => write!(context.out, "None of the specified partition moves are active.")?,
        false => execute::move_all(context, parsed, client, back).await?,
    }
    match parsed.has("preserve-throttles") {
        true => Ok(()),
        false => throttles::clear(context, client, &plan.partitions).await,
    }
}
