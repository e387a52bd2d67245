//! The topics that the topology of a streams group needs: which they are, and deleting them.
//!
//! Must hold: only what is named like a topic of this group is deleted, whatever its topology says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, ClientError};
use ottla_wire::messages::streams_group_describe_response::DescribedGroup;
use ottla_wire::{ErrorCode, StrBytes};

use crate::client_options::exception;
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

use super::subtopologies;

/// How the names of internal topics end.
const ENDS: &[&str] = &[
    "-changelog",
    "-repartition",
    "-subscription-registration-topic",
    "-subscription-response-topic",
];
/// How those of joins by a foreign key go: the middle, a number, and `-topic`.
const JOINS: &[&str] =
    &["-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-", "-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-"];

/// The internal topics that a group's topology names.
pub(super) fn topics(group: &DescribedGroup) -> BTreeSet<StrBytes> {
    let topics = subtopologies(group).flat_map(|part| {
        let internal = part.repartition_source_topics.iter().chain(&part.state_changelog_topics);
        part.repartition_sink_topics.iter().chain(internal.map(|topic| &topic.name))
    });
    topics.filter(|name| is_internal(&group.group_id, name)).cloned().collect()
}

/// Whether a topic is named like an internal topic of this group.
fn is_internal(group: &str, name: &str) -> bool {
    let of_group = name.strip_prefix(group).and_then(|rest| rest.strip_prefix('-'));
    let Some(rest) = of_group else { return false };
    let is_join = |join: &&str| {
        let number = rest.split_once(*join).and_then(|(_, rest)| rest.strip_suffix("-topic"));
        number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    ENDS.iter().any(|end| name.ends_with(end)) || JOINS.iter().any(is_join)
}

/// Deletes the topics of groups that are gone.
pub(super) async fn delete_of_groups(
    context: &mut Context,
    client: &Client,
    topics: &BTreeMap<String, BTreeSet<StrBytes>>,
) -> Result<(), Failure> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, topics) in topics.iter().filter(|(_, topics)| !topics.is_empty()) {
        match delete(client, topics).await {
            Ok(()) => done.push(id.as_str()),
            Err(error) => failed.push(format!(
                "* Internal topics of the streams group '{id}' could not be deleted due to: {}",
                exception(&error)
            )),
        }
    }
    if !failed.is_empty() {
        let failed = failed.join("\n");
        let what = "Deletion of some associated internal topics failed";
        writeln!(context.out, "\nError: {what}:\n{failed}")?;
    }
    if !done.is_empty() {
        writeln!(
            context.out,
            "Deletion of associated internal topics of the streams groups ('{}') was successful.",
            done.join("', '")
        )?;
    }
    Ok(())
}

/// Deletes what the options name of a group whose offsets are reset.
pub(super) async fn delete_for_reset(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    group: &DescribedGroup,
) -> Result<(), Failure> {
    let id = group.group_id.as_str();
    let topics = match parsed.has("delete-all-internal-topics") {
        true => topics(group),
        false => parsed.texts("delete-internal-topic").into_iter().map(StrBytes::copied).collect(),
    };
    if topics.is_empty() {
        return Ok(());
    }
    let Err(error) = delete(client, &topics).await else { return Ok(()) };
    let lead = format!("Deleting internal topics for group '{id}' failed");
    match error.code() {
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            writeln!(context.out, "\nError: {lead} because the topics do not exist.")?;
        }
        _ => writeln!(context.out, "\nError: {lead} due to {}", exception(&error))?,
    }
    Ok(())
}

/// Deletes topics; gives the first refusal.
async fn delete(client: &Client, topics: &BTreeSet<StrBytes>) -> Result<(), ClientError> {
    let names: Vec<StrBytes> = topics.iter().cloned().collect();
    let results = client.admin().delete_topics(&names).await?;
    results.into_iter().find_map(|(_, result)| result.err()).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_topics_begin_with_the_group_and_end_as_they_do() {
        for name in ["app-a-changelog", "app-b-repartition", "app-x-subscription-response-topic"] {
            assert!(is_internal("app", name), "{name}");
        }
        assert!(is_internal("app", "app-x-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000012-topic"));
        for name in ["app-a", "apps-a-changelog", "other-a-changelog", "orders"] {
            assert!(!is_internal("app", name), "{name}");
        }
        assert!(!is_internal("app", "app-x-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic"));
    }
}
