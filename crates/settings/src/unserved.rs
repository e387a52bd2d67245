//! Table: values that ask for what no room does yet. A config that would be accepted and then
//! ignored has a row here, unless it has nothing to say where that thing is missing.
//!
//! Asked where a value is given: at a node's start, at the creation and at a change of a topic or
//! a broker. What stands in the metadata log already is kept. Must hold: no default has a row.

use crate::error::ConfigError;
use crate::settings::Settings;
use crate::table::{self, Scope};

/// What is done about a value that asks for what is not served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It is not taken: without what it asks for, data or rights would be at risk.
    Refused,
    /// The log says at the start that it is not obeyed.
    Warned,
}

/// A config some of whose values ask for what is not served.
struct Unserved {
    scope: Scope,
    key: &'static str,
    asks: fn(&str) -> bool,
    reason: &'static str,
    answer: Answer,
}

const fn topic(key: &'static str, asks: fn(&str) -> bool, reason: &'static str) -> Unserved {
    Unserved { scope: Scope::Topic, key, asks, reason, answer: Answer::Refused }
}

const fn broker(key: &'static str, asks: fn(&str) -> bool, reason: &'static str) -> Unserved {
    Unserved { scope: Scope::Broker, key, asks, reason, answer: Answer::Refused }
}

const fn warned(key: &'static str, asks: fn(&str) -> bool, reason: &'static str) -> Unserved {
    Unserved { scope: Scope::Broker, key, asks, reason, answer: Answer::Warned }
}

/// Why a plugin is not taken.
const JAVA: &str = "a class of Java cannot run here";
/// Why no batch is measured once it is decompressed.
const INFLATED: &str = "batches are bounded as they arrive (max.message.bytes), not decompressed";
/// Why connections are not counted by address or by second.
const LIMIT: &str = "connections are limited by max.connections alone";

/// Why nobody may believe that ACLs guard the node.
const NO_ACLS: &str = "there are no ACLs here, everybody may do everything";

#[rustfmt::skip]
/// Every value that is refused or warned of, by scope.
const UNSERVED: &[Unserved] = &[
    topic("max.decompressed.message.bytes", is_bounded, INFLATED),
    broker("alter.config.policy.class.name", is_given, JAVA),
    broker("authorizer.class.name", is_given, NO_ACLS),
    broker("client.quota.callback.class", is_given, JAVA),
    broker("config.providers", is_given, "values are taken as they stand, ${...} too"),
    broker("create.topic.policy.class.name", is_given, JAVA),
    broker("max.decompressed.message.bytes", is_bounded, INFLATED),
    broker("principal.builder.class", is_other_builder, JAVA),
    broker("remote.log.storage.system.enable", is_true, "there is no remote store here"),
    warned("delegation.token.secret.key", is_given, "there are no delegation tokens here"),
    warned("kafka.metrics.reporters", is_given, JAVA),
    warned("max.connection.creation.rate", is_bounded, LIMIT),
    warned("max.connections.per.ip", is_bounded, LIMIT),
    warned("max.connections.per.ip.overrides", is_given, LIMIT),
    warned("metric.reporters", is_other_reporter, JAVA),
    warned("replica.selector.class", is_given, JAVA),
    warned("security.providers", is_given, JAVA),
    warned("unstable.feature.versions.enable", is_true, "only levels that are final are served"),
];

/// Whether every value of a resource's configs is one that is served.
///
/// # Errors
/// `ConfigError::NotServed` for the first that is refused.
pub fn check_served<'a>(
    scope: Scope,
    configs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), ConfigError> {
    let refused = configs.into_iter().find_map(|(key, value)| {
        let row = asked(scope, key, value).filter(|row| row.answer == Answer::Refused)?;
        let (key, value) = (key.to_string(), value.to_string());
        Some(ConfigError::NotServed { key, value, reason: row.reason })
    });
    refused.map_or(Ok(()), Err)
}

impl Settings {
    /// Whether what the node is started with is served.
    ///
    /// # Errors
    /// `ConfigError::NotServed` for the first that is refused.
    pub fn check_served(&self) -> Result<(), ConfigError> {
        let given = self.texts.given.iter();
        let base = |key: &'_ str| table::find_base(key).map(|row| row.name);
        let rows = given.filter_map(|(key, given)| Some((base(key)?, given.text.as_str())));
        check_served(Scope::Broker, rows)
    }
}

/// What to warn of where a node is started with this value.
pub(crate) fn warning(key: &str, value: &str) -> Option<String> {
    let row = table::find_base(key)?;
    let row = asked(Scope::Broker, row.name, value)?;
    (row.answer == Answer::Warned).then(|| format!("{key} is not obeyed: {}", row.reason))
}

fn asked(scope: Scope, key: &str, value: &str) -> Option<&'static Unserved> {
    let mut rows = UNSERVED.iter();
    rows.find(|row| row.scope == scope && row.key == key && (row.asks)(value.trim()))
}

fn is_given(value: &str) -> bool {
    !value.is_empty()
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// Whether a number is a bound at all: each of these is as large as can be by default.
fn is_bounded(value: &str) -> bool {
    !["2147483639", "2147483647"].contains(&value)
}

fn is_other_builder(value: &str) -> bool {
    let default = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder";
    is_given(value) && value != default
}

fn is_other_reporter(value: &str) -> bool {
    // The second is the receiver of clients' metrics that a broker has built in.
    let known = ["org.apache.kafka.common.metrics.JmxReporter", "ottla.ClientTelemetry"];
    crate::value::list(value).iter().any(|class| !known.contains(&class.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Unset};

    #[test]
    fn no_default_is_refused_or_warned_of() {
        for row in UNSERVED {
            let known = table::find(row.scope, row.key).unwrap_or_else(|| panic!("{}", row.key));
            if let Unset::Text(text) = known.unset {
                assert!(!(row.asks)(text), "{}={text}", row.key);
            }
        }
        assert!(UNSERVED.is_sorted_by_key(|row| (
            row.scope != Scope::Topic,
            row.answer as u8,
            row.key
        )));
    }

    #[test]
    fn what_is_not_served_is_refused_with_its_reason() {
        let loaded = |text: &str| {
            let overrides = [text.to_string()];
            Settings::load(Input { overrides: &overrides, ..Input::default() }).unwrap()
        };
        let refused = |text: &str| loaded(text).settings.check_served().unwrap_err().to_string();
        assert_eq!(
            refused(
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            ),
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer is not \
             served: there are no ACLs here, everybody may do everything"
        );
        let told = refused("remote.log.storage.system.enable=true");
        assert!(told.ends_with("is not served: there is no remote store here"), "{told}");
        assert!(refused("listener.name.plaintext.principal.builder.class=a.B").contains(JAVA));
        assert!(loaded("max.connections=7").settings.check_served().is_ok());
    }

    #[test]
    fn what_is_not_obeyed_is_warned_of() {
        let overrides = ["max.connections.per.ip=7".to_string(), "num.io.threads=3".to_string()];
        let input = Input { overrides: &overrides, ..Input::default() };
        let loaded = Settings::load(input).unwrap();
        let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let expected = "max.connections.per.ip is not obeyed: connections are limited by \
                        max.connections alone (--override)";
        assert_eq!(told, [expected]);
        assert!(loaded.settings.check_served().is_ok());
    }
}
