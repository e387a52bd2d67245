//! `partition.metadata`: which topic id a partition's directory belongs to.
//!
//! Two lines without a newline at the end, as Apache Kafka writes them.

use ottla_wire::{TopicId, Uuid};

/// The file's name inside a partition's directory.
pub(crate) const FILE: &str = "partition.metadata";

/// Reads the topic id.
pub fn parse(text: &[u8]) -> Result<TopicId, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8 text".to_owned())?;
    let mut lines = text.lines();
    let value = |line: Option<&str>, key: &str| {
        let (name, value) = line?.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    let version = value(lines.next(), "version").ok_or("the first line is not 'version: 0'")?;
    if version != "0" {
        return Err(format!("version is '{version}', not 0"));
    }
    let id = value(lines.next(), "topic_id").ok_or("the second line is not 'topic_id: ...'")?;
    let id: Uuid = id.parse().map_err(|_| format!("topic id '{id}' is not a UUID"))?;
    if id == Uuid::ZERO { Err("the topic id is zero".to_owned()) } else { Ok(TopicId(id)) }
}

/// The file's text.
pub fn format(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {}", id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let text = "version: 0\ntopic_id: C26qXzEGR9CzqqxC41Lopw";
        let id = parse(text.as_bytes()).unwrap();
        assert_eq!(format(id), text);
    }

    #[test]
    fn a_zero_id_a_wrong_version_and_an_empty_file_are_errors() {
        for bad in [
            "",
            "version: 0",
            "version: 1\ntopic_id: C26qXzEGR9CzqqxC41Lopw",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
            "version: 0\ntopic_id: x",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
