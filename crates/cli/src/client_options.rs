//! From options to a connected client: bootstrap servers, property files, properties.
//!
//! Not here: what a property means (the client's settings know); commands name their options.

use ottla_client::{Client, ClientError, ClientSettings, Settings, apply};
use ottla_wire::{ErrorCode, StrBytes};

use crate::context::Context;
use crate::failure::Failure;
use crate::options::{Opt, Parsed, text};
use crate::words::Servers;

/// `--bootstrap-server`, under its older name too.
pub(crate) const BOOTSTRAP_SERVER: Opt = text(
    "bootstrap-server",
    "server to connect to",
    "The servers to begin with: HOST1:PORT1,HOST2:PORT2.",
)
.aliases(&["broker-list"]);
/// `--bootstrap-controller`, for commands that work without a broker.
pub(crate) const BOOTSTRAP_CONTROLLER: Opt = text(
    "bootstrap-controller",
    "controller to connect to",
    "The controllers to begin with, instead of brokers.",
);
/// `--command-config`.
pub(crate) const COMMAND_CONFIG: Opt = text(
    "command-config",
    "config property file",
    "A file of properties for the client, such as request.timeout.ms.",
);

/// Connects an administrator: properties of `--command-config`.
pub(crate) async fn admin(context: &Context, parsed: &Parsed) -> Result<Client, Failure> {
    let option = |name: &str| Ok::<_, Failure>(parsed.text(name)?.map(String::from));
    let servers = Servers {
        brokers: option(BOOTSTRAP_SERVER.name)?,
        controllers: option(BOOTSTRAP_CONTROLLER.name)?,
        config: option(COMMAND_CONFIG.name)?,
    };
    admin_of(context, &servers).await
}

/// Connects an administrator to these servers.
pub(crate) async fn admin_of(context: &Context, servers: &Servers) -> Result<Client, Failure> {
    let properties = match &servers.config {
        Some(path) => file(context, path)?,
        None => Vec::new(),
    };
    let settings = settings_of(servers, &properties, "adminclient", &mut [])?;
    Ok(Client::connect(context.env.clone(), settings).await?)
}

/// The client's settings from properties; what the client does not know goes to `others`.
pub(crate) fn settings(
    parsed: &Parsed,
    properties: &[(String, String)],
    client_id: &str,
    others: &mut [&mut dyn Settings],
) -> Result<ClientSettings, Failure> {
    let servers = Servers {
        brokers: parsed.text(BOOTSTRAP_SERVER.name)?.map(String::from),
        ..Servers::default()
    };
    settings_of(&servers, properties, client_id, others)
}

fn settings_of(
    servers: &Servers,
    properties: &[(String, String)],
    client_id: &str,
    others: &mut [&mut dyn Settings],
) -> Result<ClientSettings, Failure> {
    let controllers = servers.controllers.as_deref().unwrap_or_default();
    let servers = servers.brokers.as_deref().unwrap_or_default();
    let mut settings = ClientSettings::new(servers);
    settings.client_id = client_id.to_string();
    let mut blocks: Vec<&mut dyn Settings> = vec![&mut settings];
    for other in others {
        blocks.push(*other);
    }
    // What no client has is left alone, as Apache Kafka's clients do: a file may serve several.
    apply(properties, &mut blocks)?;
    if !servers.is_empty() {
        settings.bootstrap_servers = ClientSettings::new(servers).bootstrap_servers;
    }
    if !controllers.is_empty() {
        settings.bootstrap_servers.clear();
        settings.bootstrap_controllers = ClientSettings::new(controllers).bootstrap_servers;
    }
    Ok(settings)
}

/// The properties of a file.
pub(crate) fn file(context: &Context, path: &str) -> Result<Vec<(String, String)>, Failure> {
    let bytes = crate::file::read(&context.env, "the properties in", path)?;
    let properties = ottla_settings::properties::parse(&ottla_settings::properties::decode(&bytes))
        .map_err(|error| Failure::said(format!("{path}: {error}")))?;
    Ok(properties.into_iter().map(|property| (property.key, property.value)).collect())
}

/// Properties given as `key=value` words; a word without `=` has an empty value.
pub(crate) fn pairs(words: &[&str]) -> Vec<(String, String)> {
    words
        .iter()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// A refusal in the broker's words, else in those of the code.
pub(crate) fn refused(code: ErrorCode, message: Option<&StrBytes>) -> Result<(), Failure> {
    if code.is_none() {
        return Ok(());
    }
    let message = message.map(StrBytes::as_str).filter(|message| !message.is_empty());
    Err(Failure::said(message.map_or_else(|| sentence(code), String::from)))
}

/// What a code means, beginning with its name so that it can be searched for.
pub(crate) fn sentence(code: ErrorCode) -> String {
    format!("{}: {}", code.name(), code.message())
}

/// A refusal under the name that Apache Kafka's exceptions have, which scripts look for.
pub(crate) fn exception(error: &ClientError) -> String {
    let ClientError::Refused { code, message, .. } = error else { return error.to_string() };
    let class = match *code {
        ErrorCode::NON_EMPTY_GROUP => "GroupNotEmptyException".to_string(),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => "GroupAuthorizationException".to_string(),
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => "TopicAuthorizationException".to_string(),
        code => {
            let words = code.name().split('_').map(|word| {
                let (first, rest) = word.split_at(1.min(word.len()));
                format!("{first}{}", rest.to_lowercase())
            });
            format!("{}Exception", words.collect::<String>())
        }
    };
    let message = message.as_deref().unwrap_or(usual(*code));
    format!("org.apache.kafka.common.errors.{class}: {message}")
}

/// What Apache Kafka's clients say of a code that came without words.
pub(crate) fn usual(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NON_EMPTY_GROUP => "The group is not empty.",
        ErrorCode::GROUP_ID_NOT_FOUND => "The group id does not exist.",
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively \
             subscribed to it."
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "This server does not host this topic-partition.",
        code => code.message(),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::said(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::ApiKey;

    use super::*;

    #[test]
    fn refusals_have_the_names_of_exceptions() {
        let refused = |code, message| {
            exception(&ClientError::refused(ApiKey::DeleteGroups, "g", code, message))
        };
        assert_eq!(
            refused(ErrorCode::GROUP_ID_NOT_FOUND, Some("Group g not found.")),
            "org.apache.kafka.common.errors.GroupIdNotFoundException: Group g not found."
        );
        assert_eq!(
            refused(ErrorCode::NON_EMPTY_GROUP, None),
            "org.apache.kafka.common.errors.GroupNotEmptyException: The group is not empty."
        );
    }
}
