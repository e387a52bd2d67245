//! Names of the table in Rust's spelling.
//! Must hold: no two names of one struct become the same.

/// `KRaftVersionRecord` as `kraft_version_record`.
pub(crate) fn snake(name: &str) -> String {
    let name = name.replace("KRaft", "Kraft").replace("kRaft", "kraft");
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let after_lower = index > 0 && !letters[index - 1].is_uppercase();
        let before_lower = index > 0 && letters.get(index + 1).is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// A field's name, raw where it is a word of Rust's own.
pub(crate) fn field(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "type" | "match" | "ref" | "use" | "move" | "mod" | "fn" => format!("r#{name}"),
        _ => name,
    }
}

/// `TopicData` as `topicData`, as Kafka's JSON has it.
pub(crate) fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_where_capitals_begin() {
        assert_eq!(snake("TransactionalId"), "transactional_id");
        assert_eq!(snake("KRaftVersionRecord"), "kraft_version_record");
        assert_eq!(snake("V3AndBelowTopics"), "v3_and_below_topics");
        assert_eq!(field("Type"), "r#type");
        assert_eq!(camel("TopicData"), "topicData");
    }
}
