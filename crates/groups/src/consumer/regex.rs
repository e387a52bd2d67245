//! Regular expressions of subscriptions, in the syntax of RE2 that Kafka takes, in linear time.
//!
//! The crate `regex` reads nearly the same language; where it differs the expression is rewritten:
//! `\Q...\E` quotes, a bracket within a class is one, `&&`, `--` and `~~` within a class mean
//! nothing, `\<` and `\>` are characters. An expression matches whole names. Not here: who asks
//! again when (subscription.rs). Must hold: no expression of a client costs more than a bound in
//! time or memory, and none panics.

use regex::{Regex, RegexBuilder};

/// An expression that matches whole topic names.
pub(crate) struct TopicRegex(Regex);

impl TopicRegex {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(expression: &str) -> Result<TopicRegex, String> {
        if expression.len() > BYTES_MAX {
            return Err("expression too large".to_owned());
        }
        // Alone first, so that no bracket of it can close the group that it is put into.
        let translated = translated(expression);
        compiled(&translated)?;
        compiled(&format!("\\A(?:{translated})\\z")).map(TopicRegex)
    }

    /// Whether the topic is meant.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

fn compiled(expression: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(expression);
    let built = builder.size_limit(SIZE_MAX).dfa_size_limit(SIZE_MAX).nest_limit(NEST_MAX).build();
    built.map_err(|error| {
        // The crate draws its errors over several lines; the last one says what is wrong.
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// The expression as the crate `regex` reads it.
fn translated(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(text));
            rest = after;
            continue;
        }
        let mut taken = first.len_utf8();
        match first {
            '\\' => taken += escape(&rest[1..], &mut out),
            '[' if in_class => match posix_class(rest) {
                Some(class) => {
                    out.push_str(class);
                    taken = class.len();
                }
                None => out.push_str("\\["),
            },
            '[' => {
                in_class = true;
                out.push('[');
                taken += class_opening(&rest[1..], &mut out);
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(first);
            }
            '-' if in_class && rest.starts_with("--") => out.push_str("\\-"),
            other => out.push(other),
        }
        rest = &rest[taken..];
    }
    out
}

/// What follows a backslash; gives how many bytes it took.
fn escape(after: &str, out: &mut String) -> usize {
    let Some(escaped) = after.chars().next() else {
        out.push('\\');
        return 0;
    };
    if !matches!(escaped, '<' | '>') {
        out.push('\\');
    }
    out.push(escaped);
    escaped.len_utf8()
}

/// What may stand at a class's beginning: a negation, and a closing bracket that is a character.
fn class_opening(after: &str, out: &mut String) -> usize {
    let negation = usize::from(after.starts_with('^'));
    if negation == 1 {
        out.push('^');
    }
    if after[negation..].starts_with(']') {
        out.push_str("\\]");
        return negation + 1;
    }
    negation
}

/// A class by name within a class, such as `[:digit:]`.
fn posix_class(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("[:")?;
    let end = name.find(":]")?;
    let is_name = name[..end].chars().all(|letter| letter.is_ascii_lowercase() || letter == '^');
    is_name.then(|| &rest[..end + 4])
}

/// No topic's name is longer than 249 bytes: whoever wants more than this wants harm.
const BYTES_MAX: usize = 16 * 1_024;
/// How much memory one expression may take.
const SIZE_MAX: usize = 2 * 1_024 * 1_024;
/// How deep groups may stand in one another.
const NEST_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, topic: &str) -> bool {
        TopicRegex::new(expression).expect(expression).matches(topic)
    }

    #[test]
    fn an_expression_matches_whole_names() {
        for (expression, yes, no) in [
            ("pay.*", "payments", "repayments"),
            ("a|b", "b", "ab"),
            ("", "", "a"),
            ("orders-[0-9]+", "orders-17", "orders-"),
            ("(?i)Orders", "ORDERS", "orders2"),
        ] {
            assert!(matches(expression, yes), "{expression} {yes}");
            assert!(!matches(expression, no), "{expression} {no}");
        }
    }

    #[test]
    fn what_re2_reads_differently_is_read_as_re2_does() {
        for (expression, yes, no) in [
            (r"\Qa.b\E.", "a.bc", "axbc"),
            (r"\Qa.b", "a.b", "axb"),
            ("[[a]", "[", "b"),
            ("[]a]", "]", "b"),
            ("[^]a]", "b", "]"),
            ("[a&&b]", "&", "-"),
            ("[[:digit:]]+", "12", "d"),
            (r"\<a\>", "<a>", "a"),
            (r"[a\]b]", "]", "c"),
        ] {
            assert!(matches(expression, yes), "{expression} {yes}");
            assert!(!matches(expression, no), "{expression} {no}");
        }
    }

    #[test]
    fn what_is_no_expression_or_too_much_of_one_is_refused() {
        for expression in ["(", "a)", "a)|(b", "*", "[a", "a{2,1}", "\\", r"\1", "(?=a)"] {
            assert!(TopicRegex::new(expression).is_err(), "{expression}");
        }
        assert!(TopicRegex::new(&"a".repeat(BYTES_MAX + 1)).is_err());
        assert!(TopicRegex::new("((a{500}){500}){500}").is_err());
        assert!(TopicRegex::new(&"(".repeat(5_000)).is_err());
    }
}
