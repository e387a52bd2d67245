//! The syntax of Java properties files, as far as reading and writing small ones needs it.
//!
//! Bytes are ISO-8859-1, as Java has it. Comments, all three separators, continuation lines and
//! escapes are understood; a malformed escape is an error.

/// Reads all pairs in the order of the file; a later one wins over an earlier one of its name.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for line in logical_lines(bytes) {
        let (key, value) = split(&line)?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// The lines of a properties file after comments went and continuations were joined.
fn logical_lines(bytes: &[u8]) -> Vec<Vec<char>> {
    let text: Vec<char> = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = Vec::new();
    let mut line: Vec<char> = Vec::new();
    for natural in text.split(|c| *c == '\n' || *c == '\r') {
        let from = natural.iter().position(|c| !is_blank(*c)).unwrap_or(natural.len());
        let natural = &natural[from..];
        if line.is_empty() && matches!(natural.first(), None | Some('#' | '!')) {
            continue;
        }
        line.extend_from_slice(natural);
        let slashes = natural.iter().rev().take_while(|c| **c == '\\').count();
        if slashes % 2 == 1 {
            line.pop();
        } else {
            lines.push(std::mem::take(&mut line));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn split(line: &[char]) -> Result<(String, String), String> {
    let mut end = 0;
    while let Some(c) = line.get(end) {
        match c {
            '\\' => end += 2,
            '=' | ':' => break,
            c if is_blank(*c) => break,
            _ => end += 1,
        }
    }
    let end = end.min(line.len());
    let mut rest = &line[end..];
    rest = skip_blanks(rest);
    if let Some('=' | ':') = rest.first() {
        rest = skip_blanks(&rest[1..]);
    }
    Ok((unescape(&line[..end])?, unescape(rest)?))
}

fn skip_blanks(text: &[char]) -> &[char] {
    let from = text.iter().position(|c| !is_blank(*c)).unwrap_or(text.len());
    &text[from..]
}

fn unescape(text: &[char]) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.iter();
    while let Some(c) = chars.next() {
        let unit = match c {
            '\\' => match chars.next() {
                Some('t') => 9,
                Some('n') => 10,
                Some('r') => 13,
                Some('f') => 12,
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let wrong = || format!("malformed escape \\u{digits}");
                    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                        return Err(wrong());
                    }
                    u16::from_str_radix(&digits, 16).map_err(|_| wrong())?
                }
                Some(other) => latin(*other),
                None => continue,
            },
            other => latin(*other),
        };
        units.push(unit);
    }
    String::from_utf16(&units).map_err(|_| "an escape is half a surrogate pair".to_owned())
}

/// Every character here was one ISO-8859-1 byte.
fn latin(c: char) -> u16 {
    u16::try_from(u32::from(c)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let expect: Vec<(String, String)> =
            expect.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(parse(text.as_bytes()), Ok(expect), "{text:?}");
    }

    #[test]
    fn all_separators_comments_and_blank_lines_are_understood() {
        check(
            "#c\n!d\n\n a=1\r\nb : 2\nc 3\nd\n",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "")],
        );
        check("a = b = c\n", &[("a", "b = c")]);
    }

    #[test]
    fn escapes_and_continuation_lines_are_understood() {
        check("a\\ b=c\\\n   d\\\\\ne=\\u0041\\t", &[("a b", "cd\\"), ("e", "A\t")]);
        check("a=b\\", &[("a", "b")]);
    }

    #[test]
    fn a_malformed_escape_is_an_error() {
        assert!(parse(b"a=\\u12").is_err());
        assert!(parse(b"a=\\uzzzz").is_err());
        assert!(parse(b"a=\\ud800").is_err());
    }
}
