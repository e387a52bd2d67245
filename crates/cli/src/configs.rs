//! `ottla configs` (kafka-configs.sh): describes and alters configs and quotas.
//!
//! Not here: whose configs are meant (configs/entity.rs), quotas (configs/quotas.rs), credentials
//! (configs/scram.rs).

mod entity;
mod options;
mod quotas;
mod scram;

use std::collections::BTreeSet;
use std::io::Write;

use ottla_client::{Client, ClientError};
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_wire::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    ListGroupsRequest,
};
use ottla_wire::{BrokerId, Request, StrBytes};

use crate::client_options::{self, BOOTSTRAP_CONTROLLER, refused};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

use entity::{Entity, Kind};
pub(crate) use options::OPTIONS;

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let entities = options::check(parsed)?;
    let changes = match parsed.has("alter") {
        true => Some(Changes::read(context, parsed)?),
        false => None,
    };
    let lead = |failure: Failure| {
        let line = parsed.line();
        Failure::said(format!("Error while executing config command with args '{line}'\n{failure}"))
    };
    act(context, parsed, &entities, changes).await.map_err(lead)
}

async fn act(
    context: &mut Context,
    parsed: &Parsed,
    entities: &[Entity],
    changes: Option<Changes>,
) -> Result<(), Failure> {
    let [first, ..] = entities else { return Err(Failure::said("no entity was named")) };
    let is_of_nodes = matches!(first.kind, Kind::Brokers | Kind::BrokerLoggers);
    if parsed.has(BOOTSTRAP_CONTROLLER.name) && changes.is_none() && !is_of_nodes {
        // Kafka's client says the same in words of its own.
        let kind = first.kind.plural();
        return Err(Failure::said(format!(
            "controllers describe brokers and broker-loggers only: name a broker with \
             --bootstrap-server to describe {kind}"
        )));
    }
    let client = client_options::admin(context, parsed).await?;
    match changes {
        Some(changes) if first.kind.is_quota() => {
            alter_limits(context, &client, entities, &changes).await?
        }
        Some(changes) => alter(&client, first, &changes).await?,
        None if first.kind.is_quota() => {
            let lines = quotas::describe(&client, entities).await?;
            write!(context.out, "{lines}")?;
            if let ([only], Kind::Users) = (entities, first.kind)
                && only.name.as_deref() != Some("")
            {
                write!(context.out, "{}", scram::describe(&client, only.name.as_deref()).await?)?;
            }
        }
        None => describe(context, &client, first, parsed.has("all")).await?,
    }
    if parsed.has("alter") {
        let kind = first.kind.plural();
        match first.name.as_deref() {
            Some("") | None => {
                writeln!(
                    context.out,
                    "Completed updating default config for {kind} in the cluster."
                )?;
            }
            Some(name) => {
                let kind = first.kind.singular();
                writeln!(context.out, "Completed updating config for {kind} {name}.")?;
            }
        }
    }
    client.close().await;
    Ok(())
}

/// Alters what clients may use, or what a user logs in with.
async fn alter_limits(
    context: &Context,
    client: &Client,
    entities: &[Entity],
    changes: &Changes,
) -> Result<(), Failure> {
    quotas::check(entities, changes)?;
    let set = changes.set.iter().map(|(name, _)| name.as_str());
    let names: Vec<&str> = set.chain(changes.unset.iter().map(String::as_str)).collect();
    if !names.iter().any(|name| scram::is_credential(name)) {
        return quotas::alter(client, entities, changes).await;
    }
    if !names.iter().all(|name| scram::is_credential(name)) {
        return Err(Failure::said(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
             --bootstrap-server.",
        ));
    }
    match entities.first().and_then(|user| user.name.as_deref()) {
        Some("") | None => Err(Failure::said(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM \
             Credentials using --bootstrap-server.",
        )),
        Some(user) => scram::alter(client, &context.env, user, changes).await,
    }
}

/// What is to become of configs.
struct Changes {
    set: Vec<(String, String)>,
    unset: Vec<String>,
}

impl Changes {
    fn read(context: &Context, parsed: &Parsed) -> Result<Changes, Failure> {
        let mut set = match parsed.text("add-config-file")? {
            Some(path) => client_options::file(context, path)?,
            None => Vec::new(),
        };
        if let Some(text) = parsed.text("add-config")? {
            set.extend(assignments(text)?);
        }
        let unset = parsed.text("delete-config")?.unwrap_or_default().split(',');
        let unset = unset.map(str::trim).filter(|name| !name.is_empty()).map(String::from);
        let unset: Vec<String> = unset.collect();
        match unset.iter().find(|name| set.iter().any(|(key, _)| key == *name)) {
            Some(name) => Err(Failure::said(format!(
                "requirement failed: Config {name} is to be set and to be deleted: say one"
            ))),
            None => Ok(Changes { set, unset }),
        }
    }
}

/// Reads `k1=v1,k2=[v1,v2]`.
fn assignments(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for character in text.chars() {
        match character {
            ',' if !inside => parts.push(String::new()),
            character => {
                inside = character == '[' || inside && character != ']';
                let last = parts.last_mut().expect("there is always a part");
                last.push(character);
            }
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((name, value)) => {
                let value = value.trim();
                let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
                Ok((name.trim().to_string(), inner.unwrap_or(value).to_string()))
            }
            None => Err(Failure::said(
                "requirement failed: Invalid entity config: all configs to be added must be in the \
                 format \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.",
            )),
        })
        .collect()
}

async fn alter(client: &Client, entity: &Entity, changes: &Changes) -> Result<(), Failure> {
    let set = changes.set.iter().map(|(name, value)| AlterableConfig {
        name: StrBytes::copied(name),
        config_operation: SET,
        value: Some(StrBytes::copied(value)),
        ..Default::default()
    });
    let unset = changes.unset.iter().map(|name| AlterableConfig {
        name: StrBytes::copied(name),
        config_operation: DELETE,
        ..Default::default()
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: entity.kind.resource_type(),
            resource_name: StrBytes::copied(entity.name.as_deref().unwrap_or_default()),
            configs: set.chain(unset).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let responses = ask(client, entity, &request).await?.responses;
    responses
        .iter()
        .try_for_each(|answer| refused(answer.error_code, answer.error_message.as_ref()))
}

/// Asks the broker itself where the configs are a broker's own.
async fn ask<R: Request>(
    client: &Client,
    entity: &Entity,
    request: &R,
) -> Result<R::Response, ClientError> {
    let id = entity.name.as_deref().and_then(|name| name.parse().ok()).map(BrokerId);
    match (entity.kind, id) {
        (Kind::Brokers | Kind::BrokerLoggers, Some(id)) => client.call_broker(id, request).await,
        _ => client.call(request).await,
    }
}

async fn describe(
    context: &mut Context,
    client: &Client,
    asked: &Entity,
    all: bool,
) -> Result<(), Failure> {
    let there = names(client, asked.kind).await?;
    let mut entities: Vec<Entity> = match &asked.name {
        Some(_) => vec![asked.clone()],
        None => there.iter().map(|name| Entity { name: Some(name.clone()), ..*asked }).collect(),
    };
    if asked.kind == Kind::Brokers && asked.name.is_none() {
        entities.push(Entity { name: Some(String::new()), ..*asked });
    }
    for entity in entities {
        let (kind, name) = (entity.kind, entity.name.as_deref().unwrap_or_default());
        if !name.is_empty() && !there.contains(name) {
            let kind = kind.singular();
            writeln!(
                context.out,
                "The {kind} '{name}' doesn't exist and doesn't have dynamic config."
            )?;
            continue;
        }
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: kind.resource_type(),
                resource_name: StrBytes::copied(name),
                ..Default::default()
            }],
            include_synonyms: true,
            ..Default::default()
        };
        for result in ask(client, &entity, &request).await?.results {
            refused(result.error_code, result.error_message.as_ref())?;
            write!(context.out, "{}", lines(kind, name, all, result.configs))?;
        }
    }
    Ok(())
}

/// The entities that there are, or that have configs.
async fn names(client: &Client, kind: Kind) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    match kind {
        Kind::Topics => {
            let cluster = client.refresh_all().await?;
            names.extend(cluster.topics.keys().map(|name| name.to_string()));
        }
        Kind::Brokers | Kind::BrokerLoggers => {
            names.extend(client.cluster().brokers.keys().map(|id| id.to_string()));
        }
        Kind::Groups => {
            for id in client.cluster().brokers.keys() {
                let response = client.call_broker(*id, &ListGroupsRequest::default()).await?;
                refused(response.error_code, None)?;
                names.extend(response.groups.iter().map(|group| group.group_id.to_string()));
            }
        }
        _ => (),
    }
    let request = ListConfigResourcesRequest {
        resource_types: vec![kind.resource_type()],
        ..Default::default()
    };
    match client.call(&request).await {
        // An older broker tells of no more.
        Err(ClientError::NoCommonVersion { .. } | ClientError::Unsayable { .. }) => (),
        response => {
            let response = response?;
            refused(response.error_code, None)?;
            let named = response.config_resources.into_iter().map(|found| found.resource_name);
            names.extend(named.filter(|name| !name.is_empty()).map(|name| name.to_string()));
        }
    }
    Ok(names)
}

/// The lines of one entity.
fn lines(
    kind: Kind,
    name: &str,
    all: bool,
    mut configs: Vec<DescribeConfigsResourceResult>,
) -> String {
    let of = match name {
        "" => format!("for {} in the cluster", kind.plural()),
        name => format!("for {} {name}", kind.singular()),
    };
    let which = match (name, all) {
        ("", _) => "Default",
        (_, true) => "All",
        (_, false) => "Dynamic",
    };
    let mut text = format!("{which} configs {of} are:\n");
    configs.sort_by(|one, other| one.name.cmp(&other.name));
    for config in configs {
        let own = kind.own_source(name).is_none_or(|source| config.config_source == source);
        if !own && !all {
            continue;
        }
        let value = |value: &Option<StrBytes>| {
            value.as_ref().map_or("null".to_string(), |value| value.to_string())
        };
        let synonyms: Vec<String> = config
            .synonyms
            .iter()
            .map(|same| format!("{}:{}={}", source(same.source), same.name, value(&same.value)))
            .collect();
        text.push_str(&format!(
            "  {}={} sensitive={} synonyms={{{}}}\n",
            config.name,
            value(&config.value),
            config.is_sensitive,
            synonyms.join(", ")
        ));
    }
    text
}

/// What Apache Kafka calls the source of a value.
fn source(number: i8) -> &'static str {
    let place = usize::try_from(number).unwrap_or_default();
    SOURCES.get(place).unwrap_or(&SOURCES[0])
}

/// The names of sources, by their numbers.
const SOURCES: &[&str] = &[
    "UNKNOWN",
    "DYNAMIC_TOPIC_CONFIG",
    "DYNAMIC_BROKER_CONFIG",
    "DYNAMIC_DEFAULT_BROKER_CONFIG",
    "STATIC_BROKER_CONFIG",
    "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG",
    "DYNAMIC_CLIENT_METRICS_CONFIG",
    "DYNAMIC_GROUP_CONFIG",
];
/// IncrementalAlterConfigs: the value becomes this.
const SET: i8 = 0;
/// IncrementalAlterConfigs: the value becomes the default again.
const DELETE: i8 = 1;

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use ottla_wire::messages::describe_configs_response::DescribeConfigsSynonym;

    use super::*;

    #[test]
    fn brackets_keep_commas() {
        let read = assignments("a=1,b=[x,y], c = d=e ,").unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(read, [("a", "1"), ("b", "x,y"), ("c", "d=e")]);
        assert!(assignments("retention.ms").is_err());
    }

    #[test]
    fn configs_are_sorted_and_those_of_others_left_out() {
        let config =
            |name: &'static str, source, value: Option<StrBytes>| DescribeConfigsResourceResult {
                name: name.into(),
                is_sensitive: value.is_none(),
                synonyms: vec![DescribeConfigsSynonym {
                    name: name.into(),
                    value: value.clone(),
                    source,
                    ..Default::default()
                }],
                value,
                config_source: source,
                ..Default::default()
            };
        let configs = vec![
            config("retention.ms", 1, Some("5".into())),
            config("cleanup.policy", 5, Some("delete".into())),
            config("a.password", 1, None),
        ];
        expect![[r#"
            Dynamic configs for topic orders are:
              a.password=null sensitive=true synonyms={DYNAMIC_TOPIC_CONFIG:a.password=null}
              retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5}
        "#]]
        .assert_eq(&lines(Kind::Topics, "orders", false, configs.clone()));
        let all = lines(Kind::Topics, "orders", true, configs);
        assert!(all.starts_with("All configs for topic orders are:\n  a.password=null"));
        assert_eq!(all.lines().count(), 4);
        assert_eq!(
            lines(Kind::Brokers, "", false, vec![]),
            "Default configs for brokers in the cluster are:\n"
        );
    }
}
