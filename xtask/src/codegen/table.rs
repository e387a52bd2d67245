//! Reads crates/wire/messages.txt, whose head explains its form.
//! Versions that a field leaves out are filled in, so that all ranges are closed.

use std::fmt;

/// Versions from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: String,
    pub(crate) key: Option<i16>,
    pub(crate) name: String,
    pub(crate) versions: Range,
    pub(crate) flexible_from: Option<i16>,
    pub(crate) unstable: bool,
    pub(crate) listeners: Vec<String>,
    /// The message itself first, then the structs within it, outer ones first.
    pub(crate) structs: Vec<Struct>,
}

/// The fields of a message or of a struct within it.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    /// The versions that can have it.
    pub(crate) versions: Range,
    pub(crate) fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The type's name in the table, without the brackets of an array.
    pub(crate) element: String,
    pub(crate) array: bool,
    pub(crate) versions: Range,
    pub(crate) number: Option<String>,
    pub(crate) null: Option<Range>,
    pub(crate) default: Option<String>,
    pub(crate) tag: Option<u32>,
    pub(crate) ignorable: bool,
    pub(crate) inflexible: bool,
}

/// A line that cannot be understood.
#[derive(Debug)]
pub(crate) struct Unclear {
    line: usize,
    why: String,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.txt line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Unclear {}

/// Reads the whole table.
pub(crate) fn parse(text: &str) -> Result<Vec<Message>, Unclear> {
    let mut messages = Vec::<Message>::new();
    // The struct that a field of each depth belongs to.
    let mut open = Vec::<usize>::new();
    for (index, line) in text.lines().enumerate() {
        let unclear = |why: String| Unclear { line: index + 1, why };
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || line.starts_with('#') {
            continue;
        }
        let depth = (line.len() - line.trim_start().len()) / 2;
        if depth == 0 {
            messages.push(message(&words).map_err(unclear)?);
            open = vec![0];
            continue;
        }
        let message = messages.last_mut().ok_or_else(|| unclear("a field of nothing".into()))?;
        if words[0] == "struct" {
            let [_, name] = words[..] else { return Err(unclear("struct NAME".into())) };
            open = vec![0, message.structs.len()];
            let versions = message.versions;
            message.structs.push(Struct { name: name.into(), versions, fields: Vec::new() });
            continue;
        }
        if depth > open.len() {
            message.nest(&mut open).map_err(unclear)?;
        }
        open.truncate(depth);
        let owner = open.last().copied().filter(|_| open.len() == depth);
        let owner = owner.ok_or_else(|| unclear("indented too far".into()))?;
        let field = field(&words, message.structs[owner].versions, message.versions);
        message.structs[owner].fields.push(field.map_err(unclear)?);
    }
    Ok(messages)
}

impl Message {
    /// Opens the struct of the field read last.
    fn nest(&mut self, open: &mut Vec<usize>) -> Result<(), String> {
        let outer = &self.structs[open.last().copied().unwrap_or_default()];
        let field = outer.fields.last().ok_or("fields of no field")?;
        let (name, versions) = (field.element.clone(), field.versions);
        if self.structs.iter().any(|other| other.name == name) {
            return Err(format!("{name} has its fields already"));
        }
        open.push(self.structs.len());
        self.structs.push(Struct { name, versions, fields: Vec::new() });
        Ok(())
    }
}

fn message(words: &[&str]) -> Result<Message, String> {
    let mut words = words.iter().copied().peekable();
    let mut next = |what: &str| words.next().ok_or(format!("{what} is missing"));
    let kind = next("the kind")?.to_owned();
    let mut name = next("the name")?;
    let key = name.parse().ok();
    if key.is_some() {
        name = next("the name")?;
    }
    let text = next("the versions")?;
    let versions = range(text, None).ok_or(format!("versions {text}"))?;
    let mut message = Message {
        kind,
        key,
        name: name.into(),
        versions,
        flexible_from: None,
        unstable: false,
        listeners: Vec::new(),
        structs: vec![Struct { name: name.into(), versions, fields: Vec::new() }],
    };
    while let Some(word) = words.next() {
        match word {
            "flexible" => {
                let from = words.next().and_then(|word| range(word, Some(versions.max)));
                message.flexible_from = Some(from.ok_or("flexible from when?")?.min);
            }
            "unstable" => message.unstable = true,
            "on" => {
                let names = words.next().ok_or("on which listeners?")?;
                message.listeners = names.split(',').map(str::to_owned).collect();
            }
            other => return Err(format!("unknown word {other}")),
        }
    }
    Ok(message)
}

fn field(words: &[&str], outer: Range, message: Range) -> Result<Field, String> {
    let mut words = words.iter().copied().peekable();
    let name = words.next().and_then(|word| word.strip_suffix(':')).ok_or("no `NAME:`")?;
    let kind = words.next().ok_or("no type")?;
    let element = kind.strip_prefix("[]").unwrap_or(kind);
    let mut field = Field {
        name: name.into(),
        element: element.into(),
        array: element != kind,
        versions: outer,
        number: None,
        null: None,
        default: None,
        tag: None,
        ignorable: false,
        inflexible: false,
    };
    if let Some(versions) = words.peek().and_then(|word| range(word, Some(message.max))) {
        field.versions = versions;
        words.next();
    }
    while let Some(word) = words.next() {
        match word {
            "as" => field.number = Some(words.next().ok_or("as what?")?.into()),
            "null" => {
                let some = words.peek().and_then(|word| range(word, Some(message.max)));
                field.null = Some(some.unwrap_or(field.versions));
                if some.is_some() {
                    words.next();
                }
            }
            "=" => field.default = Some(words.next().ok_or("= what?")?.into()),
            "tag" => field.tag = words.next().and_then(|word| word.parse().ok()),
            "ignorable" => field.ignorable = true,
            "inflexible" => field.inflexible = true,
            "key" => {}
            other => return Err(format!("unknown word {other}")),
        }
    }
    Ok(field)
}

/// `3`, `3-5`, or `3+` where it is known what comes last.
fn range(word: &str, last: Option<i16>) -> Option<Range> {
    if let Some(min) = word.strip_suffix('+') {
        return Some(Range { min: min.parse().ok()?, max: last? });
    }
    let (min, max) = word.split_once('-').unwrap_or((word, word));
    Some(Range { min: min.parse().ok()?, max: max.parse().ok()? })
}
