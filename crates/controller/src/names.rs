//! Names of topics: which are allowed, and Kafka's sentence for each that is not.
//!
//! Not here: names that are taken or collide, which the image knows.

use ottla_wire::ErrorCode;

use crate::Refusal;

/// The longest name: with `-` and a partition it must fit into a file name of 255 bytes.
const LENGTH_MAX: usize = 249;

/// The topic of the metadata log, which nobody creates.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";

/// Finds what is wrong with a topic's name.
pub(crate) fn check_topic_name(name: &str) -> Result<(), Refusal> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let problem = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        name if name.encode_utf16().count() > LENGTH_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {LENGTH_MAX}")
        }
        name if !name.bytes().all(is_allowed) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'"
        ),
        _ => return Ok(()),
    };
    Err(Refusal::new(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {problem}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_refuses_is_refused_with_its_sentence() {
        let problem = |name: &str| check_topic_name(name).err().and_then(|refusal| refusal.message);
        assert_eq!(problem("a.B_c-9"), None);
        assert_eq!(problem(&"x".repeat(249)), None);
        assert_eq!(
            problem("").as_deref(),
            Some("Topic name is invalid: the empty string is not allowed")
        );
        assert_eq!(problem("..").as_deref(), Some("Topic name is invalid: '..' is not allowed"));
        assert!(
            problem(&"x".repeat(250)).is_some_and(|text| text.ends_with("max allowed length 249"))
        );
        assert!(problem("a b").is_some_and(|text| text.contains("'a b' contains one or more")));
    }
}
