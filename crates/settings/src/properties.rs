//! Files of Java's properties: `key=value` lines with escapes, continuations and comments.
//!
//! Not here: what the keys mean. Reads what `java.util.Properties.load` reads, and refuses what
//! it refuses.

use crate::error::ConfigError;

/// One property, with the line it begins on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The name, escapes resolved.
    pub key: String,
    /// The value, escapes resolved.
    pub value: String,
    /// The line of the file.
    pub line: usize,
}

/// A file's bytes as Java reads them: each byte is one character (ISO 8859-1). The mark that some
/// editors put in front of UTF-8 is left out; Java would take it for a part of the first name.
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().copied().map(char::from).collect()
}

/// Reads every property, in the order of the file; a later one of the same name counts.
pub fn parse(text: &str) -> Result<Vec<Property>, ConfigError> {
    logical_lines(text).into_iter().map(|(line, text)| property(line, &text)).collect()
}

/// The lines with continuations joined and comments gone, each with the number of its first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let last = text.strip_suffix('\n').unwrap_or(&text).split('\n').count();
    for (at, line) in text.split('\n').enumerate() {
        let line = line.trim_start_matches(is_blank);
        let (first, mut joined) = match open.take() {
            Some(open) => open,
            None if line.is_empty() || line.starts_with(['#', '!']) => continue,
            None => (at + 1, String::new()),
        };
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(&line[..line.len() - 1]);
            // Nothing so far is no beginning, except where the file ends with it.
            open = Some((first, joined)).filter(|(_, so_far)| !so_far.is_empty() || at + 1 >= last);
        } else {
            joined.push_str(line);
            lines.push((first, joined));
        }
    }
    lines.extend(open);
    lines
}

fn property(line: usize, text: &str) -> Result<Property, ConfigError> {
    let (key, rest) = split_key(text);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    Ok(Property { key: unescape(line, key)?, value: unescape(line, rest)?, line })
}

/// The key ends at the first `=`, `:` or blank that no backslash protects.
fn split_key(text: &str) -> (&str, &str) {
    let mut protected = false;
    for (at, c) in text.char_indices() {
        if !protected && (is_blank(c) || c == '=' || c == ':') {
            return text.split_at(at);
        }
        protected = c == '\\' && !protected;
    }
    (text, "")
}

fn unescape(line: usize, text: &str) -> Result<String, ConfigError> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = if c == '\\' { rest.next() } else { push(&mut units, c) };
        match c {
            None => {}
            Some('u') => units.push(unicode(&mut rest).ok_or_else(|| malformed(line))?),
            Some('t') => units.push(0x09),
            Some('n') => units.push(0x0A),
            Some('f') => units.push(0x0C),
            Some('r') => units.push(0x0D),
            Some(other) => {
                push(&mut units, other);
            }
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

/// Adds a character as it stands; there is nothing to resolve after it.
fn push(units: &mut Vec<u16>, c: char) -> Option<char> {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    None
}

/// The four hexadecimal digits after `\u`.
fn unicode(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = u16::try_from(rest.next()?.to_digit(16)?).ok()?;
        unit = unit << 4 | digit;
    }
    Some(unit)
}

fn malformed(line: usize) -> ConfigError {
    let reason = "after \\u stand four hexadecimal digits".to_string();
    ConfigError::Syntax { place: format!("line {line}"), reason }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str, usize)]) {
        let found = parse(text).expect("the text is well formed");
        let found: Vec<_> =
            found.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.line)).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn keys_end_at_the_first_separator() {
        check("a=1", &[("a", "1", 1)]);
        check("a : 1 ", &[("a", "1 ", 1)]);
        check("a 1=2", &[("a", "1=2", 1)]);
        check("a\t\u{c}= =1", &[("a", "=1", 1)]);
        check("a\\=b=c", &[("a=b", "c", 1)]);
        check("alone", &[("alone", "", 1)]);
        check("=value", &[("", "value", 1)]);
    }

    #[test]
    fn comments_and_empty_lines_are_no_properties() {
        check("# a=1\n\n  ! b=2\n  c=3", &[("c", "3", 4)]);
        check("a=1 # 2", &[("a", "1 # 2", 1)]);
    }

    #[test]
    fn a_line_goes_on_after_a_backslash() {
        check("a=1,\\\n   2,\\\r\n\t3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
        check("a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
        check("a=1\\\n# 2", &[("a", "1# 2", 1)]);
        check("# a\\\nb=1", &[("b", "1", 2)]);
        check("a=1\\", &[("a", "1", 1)]);
    }

    #[test]
    fn escapes_are_resolved() {
        check("a=\\t\\n\\r\\f\\q\\\\", &[("a", "\t\n\r\u{c}q\\", 1)]);
        check("a=\\u00e9\\uD83D\\uDE00", &[("a", "é😀", 1)]);
        check("p=C:\\\\data", &[("p", "C:\\data", 1)]);
        assert!(parse("a=\\u12").is_err());
        assert!(parse("a=\\u12g4").is_err());
    }

    #[test]
    fn bytes_are_characters() {
        assert_eq!(decode(&[0x61, 0xE9]), "aé");
    }
}
