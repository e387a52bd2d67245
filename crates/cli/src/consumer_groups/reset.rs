//! `consumer-groups --reset-offsets`: what offsets become, and setting them.
//!
//! Not here: which options go together (options.rs), where offsets go (groups/plan.rs). Must hold:
//! the group of running consumers is left alone.

use std::io::Write;

use ottla_client::Client;

use crate::context::Context;
use crate::failure::Failure;
use crate::groups::plan::{Plan, Scenario, csv};
use crate::groups::table::{at_least, fixed, open, table};
use crate::options::Parsed;

use super::{TOOL, executing, group};

/// Plans, sets the offsets when told to, and prints them.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let scenario = TOOL.scenario(context, parsed)?;
    let groups = group::wanted(client, parsed).await?;
    let mut plans = Vec::new();
    for id in &groups {
        let state = match group::describe(client, id).await {
            Ok(group) => group.state,
            Err(error) if group::is_unknown(&error) => "Dead".to_string(),
            Err(error) => return Err(executing(error)),
        };
        if !["Empty", "Dead"].contains(&state.as_str()) {
            writeln!(
                context.out,
                "\nError: Assignments can only be reset if the group '{id}' is inactive, but the \
                 current state is {state}."
            )?;
            continue;
        }
        let plan = plan(context, parsed, client, id, &scenario, groups.len() > 1).await?;
        if parsed.has("execute") {
            TOOL.set(context, client, id, &plan).await?;
        }
        plans.push((id.clone(), plan));
    }
    let lines = match parsed.has("export") {
        true => csv(&plans, groups.len() > 1),
        false => lines(&plans),
    };
    Ok(write!(context.out, "{lines}")?)
}

async fn plan(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    id: &str,
    scenario: &Scenario,
    several: bool,
) -> Result<Plan, Failure> {
    let committed = TOOL.committed(client, id).await?;
    if let Scenario::File(text) = scenario {
        return TOOL.clamp(context, client, TOOL.read_csv(text, id, several)?).await;
    }
    let partitions = match parsed.has("all-topics") {
        true => committed.keys().cloned().collect(),
        false => TOOL.existing(client, &parsed.texts("topic")).await?,
    };
    TOOL.plan(context, client, &committed, partitions, scenario).await
}

fn lines(plans: &[(String, Plan)]) -> String {
    let columns =
        [at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10), open("NEW-OFFSET")];
    let rows = plans.iter().flat_map(|(id, plan)| {
        plan.iter().map(|(of, offset)| {
            vec![id.clone(), of.topic.to_string(), of.partition.to_string(), offset.to_string()]
        })
    });
    format!("\n{}", table(&columns, &rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use crate::groups::partition;

    use super::*;

    #[test]
    fn new_offsets_stand_in_a_table() {
        let plan = Plan::from([(partition("orders", 0), 12)]);
        assert_eq!(
            lines(&[("g1".to_string(), plan)]),
            "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
             g1              orders          0          12\n"
        );
    }
}
