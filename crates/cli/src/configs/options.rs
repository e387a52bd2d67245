//! Table: the options of `configs`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-configs.sh.

use ottla_settings::Update;
use ottla_settings::table::{Scope, rows};

use crate::client_options::{BOOTSTRAP_CONTROLLER, BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, text};

use super::entity::{Entity, Kind};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    text(
        "add-config",
        "",
        "Configs to set: k1=v1,k2=[v1,v2],k3=v3, with brackets around values that have commas. The \
         names:",
    )
    .more(configs),
    text("add-config-file", "", "A file of properties to set."),
    flag("all", "Describe all configs, not only those that were set for the entity."),
    flag("alter", "Set or delete configs."),
    BOOTSTRAP_CONTROLLER,
    BOOTSTRAP_SERVER,
    text("broker", "", "The broker with this id."),
    flag("broker-defaults", "The defaults of all brokers."),
    text("broker-logger", "", "The loggers of the broker with this id."),
    text("client", "", "The client id."),
    flag("client-defaults", "The defaults of all client ids."),
    text("client-metrics", "", "The subscription to metrics of clients."),
    COMMAND_CONFIG,
    text("delete-config", "", "Configs to delete: k1,k2."),
    flag("describe", "Print configs."),
    flag("entity-default", "The defaults of the kind."),
    text("entity-name", "", "Which one of the kind: a topic's name, a broker's id and so on."),
    text(
        "entity-type",
        "",
        "The kind: topics, clients, users, brokers, broker-loggers, ips, client-metrics, groups.",
    ),
    text("group", "", "The group."),
    HELP,
    text("ip", "", "The IP address."),
    flag("ip-defaults", "The defaults of all IP addresses."),
    text("topic", "", "The topic."),
    text("user", "", "The user's principal."),
    flag("user-defaults", "The defaults of all users."),
    VERSION,
];

/// The entities that the options name, when all options fit together.
pub(super) fn check(parsed: &Parsed) -> Result<Vec<Entity>, Failure> {
    if parsed.has("describe") == parsed.has("alter") {
        return Err(Failure::usage("Command must include exactly one action: --describe, --alter"));
    }
    parsed.alone("describe", &["add-config", "add-config-file", "delete-config"])?;
    let controller = parsed.has(BOOTSTRAP_CONTROLLER.name);
    match (parsed.has(BOOTSTRAP_SERVER.name), controller) {
        (false, false) => {
            return Err(Failure::said(
                "Either --bootstrap-server or --bootstrap-controller must be specified.",
            ));
        }
        (true, true) => {
            return Err(Failure::said(
                "Only one of --bootstrap-server or --bootstrap-controller can be specified.",
            ));
        }
        (false, true) | (true, false) => (),
    }
    let entities = entities(parsed)?;
    let Some(first) = entities.first() else {
        return Err(Failure::said("At least one entity type must be specified"));
    };
    for entity in &entities {
        check_name(entity)?;
    }
    let kinds: Vec<Kind> = entities.iter().map(|entity| entity.kind).collect();
    if kinds.len() > 1
        && !matches!(kinds[..], [Kind::Users, Kind::Clients] | [Kind::Clients, Kind::Users])
    {
        return Err(Failure::said(
            "Only 'users' and 'clients' entity types may be specified together",
        ));
    }
    if parsed.has("alter") {
        let changes = ["add-config", "add-config-file", "delete-config"];
        if !changes.iter().any(|option| parsed.has(option)) {
            return Err(Failure::said(
                "At least one of --add-config, --add-config-file, or --delete-config must be \
                 specified with --alter",
            ));
        }
        if parsed.has("add-config") && parsed.has("add-config-file") {
            return Err(Failure::said(
                "Only one of --add-config or --add-config-file must be specified",
            ));
        }
        if entities.iter().any(|entity| entity.name.is_none()) {
            return Err(Failure::said(match first.kind.defaults_option() {
                Some(_) => "An entity-name or default entity must be specified with --alter of \
                            users, clients, brokers or ips"
                    .to_string(),
                None => {
                    format!(
                        "An entity name must be specified with --alter of {}",
                        first.kind.plural()
                    )
                }
            }));
        }
    }
    Ok(entities)
}

fn entities(parsed: &Parsed) -> Result<Vec<Entity>, Failure> {
    let mut entities: Vec<Entity> = Vec::new();
    let mut names = parsed.texts("entity-name").into_iter();
    let mut defaults = if parsed.has("entity-default") { Some(()) } else { None };
    for word in parsed.texts("entity-type") {
        let kind =
            Kind::ALL.iter().copied().find(|kind| kind.plural() == word).ok_or_else(|| {
                let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
                Failure::said(format!(
                    "Invalid entity type {word}, the entity type must be one of {} with a \
                 --bootstrap-server or --bootstrap-controller argument",
                    all.join(", ")
                ))
            })?;
        let name =
            names.next().map(String::from).or_else(|| defaults.take().map(|()| String::new()));
        entities.push(Entity { kind, name });
    }
    for kind in Kind::ALL.iter().copied() {
        let defaults = kind.defaults_option().filter(|option| parsed.has(option));
        let name = parsed.text(kind.option())?.map(String::from);
        let Some(name) = name.or(defaults.map(|_| String::new())) else { continue };
        if entities.iter().any(|entity| entity.kind == kind) {
            return Err(Failure::said(format!(
                "Duplicate entity type(s) specified: {}",
                kind.plural()
            )));
        }
        entities.push(Entity { kind, name: Some(name) });
    }
    Ok(entities)
}

fn check_name(entity: &Entity) -> Result<(), Failure> {
    let Some(name) = entity.name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
    match entity.kind {
        Kind::Brokers | Kind::BrokerLoggers if name.parse::<i32>().is_err() => {
            let kind = entity.kind.plural();
            Err(Failure::said(format!(
                "The entity name for {kind} must be a valid integer broker id, but it is: {name}"
            )))
        }
        Kind::Ips if !could_be_host(name) => Err(Failure::said(format!(
            "The entity name for ips must be a valid IP or resolvable host, but it is: {name}"
        ))),
        _ => Ok(()),
    }
}

/// Whether a text is an address or could be a host's name; nobody is asked for it.
fn could_be_host(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.parse::<std::net::IpAddr>().is_ok() || text.chars().all(is_known)
}

fn configs() -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, scope) in [
        (Kind::Topics, Scope::Topic),
        (Kind::Brokers, Scope::Broker),
        (Kind::Users, Scope::ClientQuota),
        (Kind::Clients, Scope::ClientQuota),
        (Kind::Ips, Scope::IpQuota),
        (Kind::ClientMetrics, Scope::ClientMetrics),
        (Kind::Groups, Scope::Group),
    ] {
        lines.push(format!("{}:", kind.plural()));
        let changeable = rows(scope)
            .filter(|row| kind != Kind::Brokers || row.update() != Update::ReadOnly)
            .filter(|row| !row.is_internal());
        let mut names: Vec<&str> = changeable.map(|row| row.name).collect();
        names.sort_unstable();
        lines.extend(names.iter().map(|name| format!("  {name}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str, expect: &str) {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let parsed = crate::options::parse(OPTIONS, &words).unwrap();
        let said = match check(&parsed) {
            Ok(entities) => entities
                .iter()
                .map(|entity| {
                    format!("{}={}", entity.kind.plural(), entity.name.as_deref().unwrap_or("*"))
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expect, "{line}");
    }

    #[test]
    fn entities_are_named_by_type_and_name_or_by_a_short_option() {
        check_line("--describe --bootstrap-server h:1 --topic a", "topics=a");
        check_line("--describe --bootstrap-server h:1 --entity-type topics", "topics=*");
        check_line("--describe --bootstrap-server h:1 --broker-defaults", "brokers=");
        check_line(
            "--describe --bootstrap-server h:1 --entity-type brokers --entity-default",
            "brokers=",
        );
        check_line("--describe --bootstrap-server h:1 --client c --user u", "clients=c users=u");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        check_line(
            "--bootstrap-server h:1",
            "Command must include exactly one action: --describe, --alter",
        );
        check_line(
            "--describe --topic a",
            "Either --bootstrap-server or --bootstrap-controller must be specified.",
        );
        check_line(
            "--describe --bootstrap-server h:1 --topic a --entity-type topics",
            "Duplicate entity type(s) specified: topics",
        );
        check_line(
            "--alter --bootstrap-server h:1 --entity-type topics --add-config a=1",
            "An entity name must be specified with --alter of topics",
        );
        check_line(
            "--describe --bootstrap-server h:1 --broker x",
            "The entity name for brokers must be a valid integer broker id, but it is: x",
        );
    }
}
