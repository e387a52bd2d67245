//! What the commands on groups have in common: their actions, how they fail, which groups and
//! partitions are meant, options (groups/options.rs), tables (groups/table.rs), what offsets become
//! (groups/plan.rs).
//!
//! Not here: what an action does, and the lines that it prints, which are each command's own.
//! Must hold: a refusal is printed under the name that Apache Kafka's exceptions have, which
//! scripts look for.

pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod table;

use std::io::Write;

use ottla_client::{Client, ClientError, CoordinatorKind, TopicPartition};
use ottla_wire::messages::ListGroupsRequest;
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use crate::applets::Running;
use crate::client_options::{self, exception, refused, usual};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

/// One of the commands.
pub(crate) struct Tool {
    /// The groups it is for: `consumer`.
    pub(crate) kind: &'static str,
    /// What the process ends with when the cluster refuses something.
    pub(crate) code: u8,
    /// The states that its groups may be in, as a refusal lists them.
    pub(crate) states: &'static [&'static str],
    /// What it does beside listing its groups.
    pub(crate) actions: &'static [Action],
}

/// Something that a command does.
pub(crate) struct Action {
    /// The option that asks for it.
    pub(crate) option: &'static str,
    pub(crate) run: for<'a> fn(&'a mut Context, &'a Parsed, &'a Client) -> Running<'a>,
}

/// A table of actions: `"option" => function;`.
macro_rules! actions {
    ($($option:literal => $run:path;)*) => {
        &[$($crate::groups::Action {
            option: $option,
            run: |context, parsed, client| Box::pin($run(context, parsed, client)),
        }),*]
    };
}

pub(crate) use actions;

impl Tool {
    /// Lists the groups, or does the action that was asked for.
    pub(crate) async fn run(
        &self,
        context: &mut Context,
        parsed: &Parsed,
        action: &str,
    ) -> Result<(), Failure> {
        let states = self.states_wanted(parsed)?;
        let client = self.connect(context, parsed).await?;
        if action == options::LIST.name {
            let found = list(&client, self.kind, &states).await;
            let found = found.map_err(|error| self.said(&error))?;
            write!(context.out, "{}", lines(found, parsed.has("state")))?;
        }
        self.act(context, parsed, &client, action).await?;
        client.close().await;
        Ok(())
    }

    /// The states to list groups of.
    pub(crate) fn states_wanted(&self, parsed: &Parsed) -> Result<Vec<&'static str>, Failure> {
        filter(parsed.texts("state").first().copied(), self.states, ("state", "states"))
    }

    /// Connects to the cluster.
    pub(crate) async fn connect(
        &self,
        context: &Context,
        parsed: &Parsed,
    ) -> Result<Client, Failure> {
        client_options::admin(context, parsed).await.map_err(|error| self.said(&error))
    }

    /// Does the action that was asked for, if it is in the table.
    pub(crate) async fn act(
        &self,
        context: &mut Context,
        parsed: &Parsed,
        client: &Client,
        asked: &str,
    ) -> Result<(), Failure> {
        match self.actions.iter().find(|action| action.option == asked) {
            Some(action) => (action.run)(context, parsed, client).await,
            None => Ok(()),
        }
    }

    /// Deletes a group, and tells why not; `unknown` is said of one that is not in the list.
    pub(crate) async fn delete(
        &self,
        client: &Client,
        known: &[Listed],
        id: &str,
        unknown: &str,
    ) -> Result<Result<(), String>, Failure> {
        let Some(group) = known.iter().find(|group| group.id == id) else {
            let why = format!("java.lang.IllegalArgumentException: Group '{id}' {unknown}.");
            return Ok(Err(why));
        };
        if group.state != "Empty" {
            let kind = self.title();
            return Ok(Err(format!(
                "org.apache.kafka.common.errors.GroupNotEmptyException: {kind} group '{id}' is \
                 not EMPTY."
            )));
        }
        let results = client.admin().delete_groups(&[StrBytes::copied(id)]).await;
        let results = results.map_err(|error| self.executing(&error))?;
        let refused = results.into_iter().find_map(|(_, result)| result.err());
        Ok(refused.map_or(Ok(()), |error| Err(exception(&error))))
    }

    /// Tells which groups were deleted, and why others were not. `none` stands for no group, `end`
    /// ends the list of those that were deleted beside others.
    pub(crate) fn tell_deleted(
        &self,
        context: &mut Context,
        results: &[(String, Result<(), String>)],
        (none, end): (&str, &str),
    ) -> Result<(), Failure> {
        let (kind, out) = (self.kind, &mut context.out);
        let deleted = results.iter().filter(|(_, result)| result.is_ok());
        let deleted: Vec<String> = deleted.map(|(id, _)| format!("'{id}'")).collect();
        let failed = results.iter().filter_map(|(id, result)| {
            let why = result.as_ref().err()?;
            Some(format!("* Group '{id}' could not be deleted due to: {why}"))
        });
        let failed: Vec<String> = failed.collect();
        let groups = if deleted.is_empty() { none.to_owned() } else { deleted.join(", ") };
        if failed.is_empty() {
            writeln!(out, "Deletion of requested {kind} groups ({groups}) was successful.")?;
            return Ok(());
        }
        let failed = failed.join("\n");
        writeln!(out, "\nError: Deletion of some {kind} groups failed:\n{failed}")?;
        if !deleted.is_empty() {
            writeln!(out, "\nThese {kind} groups were deleted successfully: {groups}{end}")?;
        }
        Ok(())
    }

    /// The kind as a sentence begins with it.
    fn title(&self) -> String {
        let (first, rest) = self.kind.split_at_checked(1).unwrap_or_default();
        first.to_uppercase() + rest
    }

    /// An error of the cluster, as the tool prints it.
    pub(crate) fn executing(&self, error: &ClientError) -> Failure {
        self.said(&exception(error))
    }

    /// Whatever went wrong, as the tool prints it: on stdout.
    pub(crate) fn said(&self, what: &dyn std::fmt::Display) -> Failure {
        let lead = format!("\nError: Executing {} group command failed due to ", self.kind);
        Failure::said(what.to_string()).after(&lead).with_code(self.code)
    }

    /// The partitions that words such as `orders`, or `orders:0,2` mean; and the topics that are
    /// not there.
    pub(crate) async fn partitions(
        &self,
        client: &Client,
        topics: &[&str],
    ) -> Result<(Vec<TopicPartition>, Vec<String>), Failure> {
        let cluster = client.refresh_all().await.map_err(|error| self.executing(&error))?;
        let (mut partitions, mut unknown) = (Vec::new(), Vec::new());
        for text in topics {
            let (name, list) = text.rsplit_once(':').unwrap_or((text, ""));
            let Some(topic) = cluster.topic(name) else {
                unknown.push(name.to_string());
                continue;
            };
            if list.is_empty() {
                partitions.extend(topic.partitions.keys().map(|index| partition(name, index.0)));
                continue;
            }
            for index in list.split(',') {
                let index = index.trim().parse().map_err(|_| {
                    self.said(&format!("Invalid partition '{index}' of topic '{name}'"))
                })?;
                let of = partition(name, index);
                if !topic.partitions.contains_key(&of.partition) {
                    return Err(self.said(&format!("The partitions \"{of}\" do not exist")));
                }
                partitions.push(of);
            }
        }
        Ok((partitions, unknown))
    }

    /// The partitions that the words mean; all topics must be there.
    pub(crate) async fn existing(
        &self,
        client: &Client,
        topics: &[&str],
    ) -> Result<Vec<TopicPartition>, Failure> {
        match self.partitions(client, topics).await? {
            (partitions, unknown) if unknown.is_empty() => Ok(partitions),
            _ => Err(self.said(&usual(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))),
        }
    }
}

/// The words of a filter, spelled as brokers spell them; `list` and `of` are what it is called.
pub(crate) fn filter(
    text: Option<&str>,
    known: &'static [&'static str],
    (list, of): (&str, &str),
) -> Result<Vec<&'static str>, Failure> {
    let Some(text) = text else { return Ok(Vec::new()) };
    text.split(',')
        .map(|word| {
            let found = known.iter().find(|known| known.eq_ignore_ascii_case(word.trim()));
            found.copied().ok_or_else(|| {
                let known = known.join(", ");
                Failure::usage(format!("Invalid {list} list '{text}'. Valid {of} are: {known}"))
            })
        })
        .collect()
}

/// A group in a list.
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) state: String,
}

/// The groups of this type at all brokers, sorted; with a filter, those in these states.
pub(crate) async fn list(
    client: &Client,
    kind: &str,
    states: &[&str],
) -> Result<Vec<Listed>, Failure> {
    let groups = list_all(client, states, &[kind]).await?.into_iter();
    let groups = groups.map(|group| Listed {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
    });
    Ok(groups.collect())
}

/// What all brokers tell of their groups, sorted; with filters, of those in these states, of these
/// types.
pub(crate) async fn list_all(
    client: &Client,
    states: &[&str],
    types: &[&str],
) -> Result<Vec<ListedGroup>, Failure> {
    let names = |names: &[&str]| names.iter().map(|name| StrBytes::copied(name)).collect();
    let mut listed = Vec::new();
    for id in client.cluster().brokers.keys() {
        let request = ListGroupsRequest {
            states_filter: names(states),
            types_filter: names(types),
            ..Default::default()
        };
        let response = client.call_broker(*id, &request).await?;
        refused(response.error_code, None)?;
        listed.extend(response.groups);
    }
    listed.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    Ok(listed)
}

/// The groups of this type that are meant: those named, or all there are.
pub(crate) async fn wanted(
    client: &Client,
    kind: &str,
    parsed: &Parsed,
) -> Result<Vec<String>, Failure> {
    if parsed.has("all-groups") {
        let groups = list(client, kind, &[]).await?;
        return Ok(groups.into_iter().map(|group| group.id).collect());
    }
    let mut named: Vec<String> = parsed.texts("group").into_iter().map(String::from).collect();
    named.dedup();
    Ok(named)
}

/// A list of groups, with their states where that was asked for.
pub(crate) fn lines(groups: Vec<Listed>, has_state: bool) -> String {
    if !has_state {
        return groups.into_iter().map(|group| group.id + "\n").collect();
    }
    let rows: Vec<Vec<String>> =
        groups.into_iter().map(|group| vec![group.id, group.state]).collect();
    table::table(&[table::at_least("GROUP", 15), table::open("STATE")], &rows)
}

/// The broker that coordinates a group.
pub(crate) async fn coordinator(
    client: &Client,
    id: &str,
) -> Result<Option<(String, u16, BrokerId)>, ClientError> {
    let coordinator = client.coordinator(CoordinatorKind::Group, id).await?;
    let cluster = client.cluster();
    let broker = cluster.brokers.get(&coordinator);
    Ok(broker.map(|broker| (broker.host.to_string(), broker.port, broker.id)))
}

/// A partition by the name of its topic.
pub(crate) fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition { topic: StrBytes::copied(topic), partition: PartitionIndex(index) }
}

/// A value, or the dash that stands for none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_string(), |value| value.to_string())
}
