//! The `KAFKA_*` variables of Apache Kafka's container image, as configs.
//!
//! `KAFKA_LOG_DIRS` is `log.dirs`; two underscores stand for one, three for a dash. A value is
//! read as the right side of a line of `server.properties`, since that is where the image puts it.
//! Not here: what the names mean, and CLUSTER_ID, which is no config.

use crate::error::ConfigError;
use crate::properties;

/// How every variable begins.
const PREFIX: &str = "KAFKA_";

/// Variables that the image and Kafka's scripts keep for the JVM, its logs and themselves.
const NOT_CONFIGS: &[&str] = &[
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_VERSION",
];

/// The config that a variable stands for, `None` where it stands for none.
pub fn config_name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX).filter(|_| !NOT_CONFIGS.contains(&variable))?;
    let name = name.to_lowercase().replace('_', ".").replace("...", "-").replace("..", "_");
    (!name.is_empty()).then_some(name)
}

/// The config that a variable gives, with its name and value.
pub(crate) fn config(variable: &str, value: &str) -> Result<Option<(String, String)>, ConfigError> {
    let Some(name) = config_name(variable) else { return Ok(None) };
    let lines = properties::parse(&format!("{name}={value}")).map_err(|_| ConfigError::Syntax {
        place: variable.to_string(),
        reason: "after \\u stand four hexadecimal digits".to_string(),
    })?;
    Ok(lines.into_iter().next().map(|property| (property.key, property.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_become_dots_underscores_and_dashes() {
        for (variable, expect) in [
            ("KAFKA_LOG_DIRS", Some("log.dirs")),
            ("KAFKA_NODE_ID", Some("node.id")),
            ("KAFKA_A__B", Some("a_b")),
            ("KAFKA_A___B", Some("a-b")),
            ("KAFKA_LISTENER_NAME_IN_SCRAM___SHA___256_SASL_JAAS_CONFIG", {
                Some("listener.name.in.scram-sha-256.sasl.jaas.config")
            }),
            ("KAFKA_HEAP_OPTS", None),
            ("KAFKA_OPTS", None),
            ("KAFKA_", None),
            ("PATH", None),
        ] {
            assert_eq!(config_name(variable).as_deref(), expect, "{variable}");
        }
    }

    #[test]
    fn a_value_is_read_as_in_a_file() {
        let read = |value| config("KAFKA_A", value).expect("well formed").expect("a config").1;
        assert_eq!(read("x=1\\,2"), "x=1,2");
        assert_eq!(read("  1"), "1");
        assert_eq!(read(""), "");
    }
}
