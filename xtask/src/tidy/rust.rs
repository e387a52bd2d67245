//! Rust source, as far as tidy must understand it: which characters are code, which are comment,
//! which lines are tests, where each function begins and ends.
//!
//! Not a parser: strings, comments and braces are enough for rules about sizes and words.
//! Must hold: every line of the file has exactly one entry, so that line numbers are true.

/// One line with its strings emptied: the code on it, and the comment on it.
#[derive(Default)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
    /// Inside a `#[cfg(test)]` item.
    pub(super) test: bool,
}

/// A function: its name and its first and last line, counted from 0.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// A file of Rust, line by line.
pub(super) struct Source {
    pub(super) lines: Vec<Line>,
    pub(super) functions: Vec<Function>,
}

impl Source {
    pub(super) fn parse(text: &str) -> Source {
        let mut lines = split(text);
        mark_tests(&mut lines);
        let functions = functions(&lines);
        Source { lines, functions }
    }
}

/// What the scanner is inside of.
enum Inside {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

fn split(text: &str) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut inside = Inside::Code;
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let here = chars[at];
        if here == '\n' {
            if matches!(inside, Inside::LineComment) {
                inside = Inside::Code;
            }
            lines.push(Line::default());
            at += 1;
            continue;
        }
        let line = lines.last_mut().expect("there is always a line to write on");
        at += step(&chars[at..], &mut inside, line);
    }
    lines
}

/// Takes one token's worth of characters off `rest`; returns how many.
fn step(rest: &[char], inside: &mut Inside, line: &mut Line) -> usize {
    let next = rest.get(1).copied().unwrap_or('\n');
    match (&mut *inside, rest[0], next) {
        (Inside::LineComment, c, _) => line.comment.push(c),
        (Inside::BlockComment { depth }, '*', '/') => {
            *depth -= 1;
            if *depth == 0 {
                *inside = Inside::Code;
            }
            return 2;
        }
        (Inside::BlockComment { depth }, '/', '*') => {
            *depth += 1;
            return 2;
        }
        (Inside::BlockComment { .. }, c, _) => line.comment.push(c),
        (Inside::Text, '\\', after) => return if after == '\n' { 1 } else { 2 },
        (Inside::Text, '"', _) => {
            line.code.push('"');
            *inside = Inside::Code;
        }
        (Inside::Text, ..) => {}
        (Inside::RawText { hashes }, '"', _) => {
            let closing = rest[1..].iter().take_while(|c| **c == '#').count();
            if closing >= *hashes {
                let length = 1 + *hashes;
                line.code.push('"');
                *inside = Inside::Code;
                return length;
            }
        }
        (Inside::RawText { .. }, ..) => {}
        (Inside::Code, ..) => return code(rest, inside, line),
    }
    1
}

fn code(rest: &[char], inside: &mut Inside, line: &mut Line) -> usize {
    let next = rest.get(1).copied().unwrap_or('\n');
    match (rest[0], next) {
        ('/', '/') => {
            *inside = Inside::LineComment;
            return 2;
        }
        ('/', '*') => {
            *inside = Inside::BlockComment { depth: 1 };
            return 2;
        }
        ('r', '"' | '#') if !line.code.ends_with(|c: char| c.is_alphanumeric() && c != 'b') => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if rest.get(1 + hashes) == Some(&'"') {
                line.code.push('"');
                *inside = Inside::RawText { hashes };
                return 2 + hashes;
            }
        }
        ('"', _) => *inside = Inside::Text,
        ('\'', '\\') => {
            let close = rest.iter().skip(3).position(|c| *c == '\'').unwrap_or(0);
            line.code.push_str("''");
            return close + 4;
        }
        ('\'', _) if rest.get(2) == Some(&'\'') => {
            line.code.push_str("''");
            return 3;
        }
        _ => {}
    }
    line.code.push(rest[0]);
    1
}

fn mark_tests(lines: &mut [Line]) {
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].code.trim_start().starts_with("#[cfg(test)]") {
            at += 1;
            continue;
        }
        let last = end_of_item(lines, at);
        for line in &mut lines[at..=last] {
            line.test = true;
        }
        at = last + 1;
    }
}

/// The last line of the item that begins at `first`: where its braces close, or its semicolon.
fn end_of_item(lines: &[Line], first: usize) -> usize {
    let mut depth = 0usize;
    let mut brackets = 0usize;
    for (at, line) in lines.iter().enumerate().skip(first) {
        for c in line.code.chars() {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                '{' => depth += 1,
                '}' if depth <= 1 => return at,
                '}' => depth -= 1,
                ';' if depth == 0 && brackets == 0 => return at,
                _ => {}
            }
        }
    }
    lines.len() - 1
}

fn functions(lines: &[Line]) -> Vec<Function> {
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let Some(name) = function_name(&line.code) else { continue };
        found.push(Function { name, first, last: end_of_item(lines, first) });
    }
    found
}

/// The name of the function that this line declares.
fn function_name(code: &str) -> Option<String> {
    let (before, after) = code.split_once("fn ")?;
    let declares = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || ["const", "async", "unsafe", "extern", "in"].contains(&word)
            || word.ends_with(')')
            || word == "\"\""
    });
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (declares && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let source = Source::parse(text);
        let lines: Vec<_> =
            source.lines.iter().map(|l| (l.code.trim(), l.comment.trim())).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        check("let a = \"x // y\"; // z", &[("let a = \"\";", "z")]);
        check("r#\"a \" b\"# + 1", &[("\"\" + 1", "")]);
        check("f('\"', '\\'', 'x') /* a\nb */ g", &[("f('', '', '')", "a"), ("g", "b")]);
        check("fn f<'a>(x: &'a str) {}", &[("fn f<'a>(x: &'a str) {}", "")]);
    }

    #[test]
    fn a_function_ends_where_its_braces_close() {
        let source = Source::parse("pub fn one(\n) {\n  if x {\n  }\n}\ntrait T {\n fn two();\n}");
        let spans: Vec<_> =
            source.functions.iter().map(|f| (f.name.as_str(), f.first, f.last)).collect();
        assert_eq!(spans, [("one", 0, 4), ("two", 6, 6)]);
    }

    #[test]
    fn a_test_module_is_not_counted_as_code() {
        let source = Source::parse("fn f() {}\n#[cfg(test)]\nmod tests {\n}\nfn g() {}");
        let tests: Vec<_> = source.lines.iter().map(|l| l.test).collect();
        assert_eq!(tests, [false, true, true, true, false]);
    }
}
