//! What the broker must know of topic names: which are legal, and which the cluster keeps for
//! itself.

/// Where groups are kept.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Where transactions are kept.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// Where share groups are kept.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";

/// Whether clients may not write to it, and Metadata marks it.
pub(crate) fn is_internal(topic: &str) -> bool {
    matches!(topic, CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

/// Whether a coordinator of this broker keeps its state in it.
pub(crate) fn is_coordinated(topic: &str) -> bool {
    is_internal(topic)
}

/// The longest legal name.
const NAME_MAX: usize = 249;

/// Whether a topic may have this name.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !matches!(name, "" | "." | "..") && name.len() <= NAME_MAX && name.chars().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_as_in_kafka() {
        for legal in ["a", "a.b_c-D9", "...", &"x".repeat(NAME_MAX)] {
            assert!(is_valid_name(legal), "{legal}");
        }
        for illegal in ["", ".", "..", "a b", "a/b", "\u{e4}", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_valid_name(illegal), "{illegal}");
        }
    }
}
