//! The differential mode: the same questions to Apache Kafka and to the node, field by field.
//!
//! `conform/diff` holds the questions, `conform/java` asks them with Kafka's own classes
//! and prints answers as JSON, `conform/differences.toml` says what may differ and why. Not here:
//! what the questions mean. Must hold: a difference that nobody allowed is a failure, and so is an
//! allowance that nothing needs any more.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Places;
use super::broker::{Broker, Kind};

const ASK: &str = "java -Xmx256M -XX:TieredStopAtLevel=1 \
    -cp {cache}/java/classes:{cache}/java/libs/* Diff \
    {root}/conform/diff/early.txt {root}/conform/diff/script.txt {root}/conform/diff/edges.txt \
    {root}/conform/diff/transactions.txt {root}/conform/diff/consumers.txt \
    {root}/conform/diff/administration.txt {root}/conform/diff/shares.txt \
    {root}/conform/diff/streams.txt {root}/conform/diff/telemetry.txt \
    {root}/conform/diff/strangers.txt";

/// What is asked of the controller's listener after that.
const ASK_CONTROLLER: &str = "{root}/conform/diff/controller.txt";

/// What names an element of an array, so that order does not matter; the first that it has.
const NAMES: &[&str] = &[
    "apiKey",
    "name",
    "topic",
    "topicName",
    "topicId",
    "partitionIndex",
    "partition",
    "index",
    "groupId",
    "group",
    "key",
    "transactionalId",
    "producerId",
    "resourceName",
    "memberId",
    "nodeId",
    "brokerId",
    "logDir",
    "batchIndex",
    "user",
    "feature",
    "entityType",
];

/// Arrays whose order counts as well.
const IN_ORDER: &[&str] = &["].configs"];

/// Another value on every run: only whether it is set counts.
const CHANCE: &[&str] = &[
    "clusterId",
    "host",
    "port",
    "sessionId",
    "subscriptionId",
    "clientInstanceId",
    "producerId",
    "throttleTimeMs",
    "logDir",
    "totalBytes",
    "usableBytes",
    "topicId",
    "clientHost",
    "finalizedFeaturesEpoch",
    "lastCaughtUpTimestamp",
    "lastFetchTimestamp",
    "lastTimestamp",
    "logAppendTimeMs",
    "transactionStartTimeMs",
    "logEndOffset",
    "replicaDirectoryId",
    "controllerId",
];

/// A question and a version, and the answer's fields by their path.
type Answers = BTreeMap<(String, i64), BTreeMap<String, String>>;

/// What may differ: patterns in which `*` stands for anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) question: String,
    pub(super) field: String,
    /// What the node may say: `absent` is nothing at all, `text` some words; empty is anything.
    pub(super) ours: String,
    pub(super) reason: String,
}

impl Allowed {
    fn covers(&self, difference: &Difference) -> bool {
        let ours = match (self.ours.as_str(), difference.ours.as_str()) {
            ("", _) => true,
            ("text", said) => !["", "null", "absent"].contains(&said),
            (wanted, said) => matches(wanted, said),
        };
        ours && matches(&self.question, &difference.question)
            && matches(&self.field, &difference.field)
    }
}

/// A field that differs, and in which versions of its question.
struct Difference {
    question: String,
    field: String,
    kafka: String,
    ours: String,
    versions: Vec<i64>,
}

pub(crate) fn run(places: &Places, kind: &Kind) -> Result<(), String> {
    let file = places.root.join("conform/differences.toml");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let allowed = parse(&text)?;
    let (kafka, ours) = std::thread::scope(|scope| {
        let kafka = scope.spawn(|| answers(places, &Kind::Kafka, "kafka"));
        let ours = answers(places, kind, "node");
        (kafka.join().unwrap_or_else(|_| Err("asking Apache Kafka panicked".into())), ours)
    });
    let (kafka, ours) = (kafka?, ours?);
    let found = compare(&kafka, &ours);
    let mut used = vec![false; allowed.len()];
    let mut failures = Vec::new();
    for difference in &found {
        let mut excuses = allowed.iter().zip(&mut used).filter(|(one, _)| one.covers(difference));
        match excuses.next() {
            Some((_, used)) => *used = true,
            None => failures.push(difference),
        }
    }
    report(&failures);
    let stale: Vec<_> =
        allowed.iter().zip(used).filter(|(_, used)| !used).map(|(a, _)| a).collect();
    if *kind != Kind::Kafka {
        for Allowed { question, field, .. } in &stale {
            println!("nothing differs any more: question {question}, field {field}");
        }
    }
    let excused = found.len() - failures.len();
    println!("{} answers, {excused} differences allowed, {} not", kafka.len(), failures.len());
    if failures.is_empty() && (stale.is_empty() || *kind == Kind::Kafka) {
        Ok(())
    } else {
        Err("the answers differ; conform/differences.toml is the list of what may".into())
    }
}

/// Starts the broker, asks everything, and ends it.
fn answers(places: &Places, kind: &Kind, name: &str) -> Result<Answers, String> {
    let broker = Broker::start(places, kind, name)?;
    let mut words = places.words(ASK, Path::new(""));
    words.push(broker.bootstrap());
    words.extend(places.words(ASK_CONTROLLER, Path::new("")));
    words.push(broker.controller());
    let [program, arguments @ ..] = &words[..] else { return Err("no program".into()) };
    let done = Command::new(program).args(arguments).output();
    let done = done.map_err(|e| format!("{program}: {e}"))?;
    let log = places.scratch.join(name).join("answers.json");
    fs::write(&log, &done.stdout).map_err(|e| format!("{}: {e}", log.display()))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    let mut answers = Answers::new();
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let mut line: Value = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
        let answer = line["answer"].take();
        let question = line["question"].as_str().unwrap_or_default();
        if !question.starts_with('_') {
            let mut fields = BTreeMap::new();
            flatten(&answer, "", &mut fields);
            fields.values_mut().for_each(|text| *text = broker.anonymous(text));
            let version = line["version"].as_i64().unwrap_or(-1);
            answers.insert((question.to_owned(), version), fields);
        }
    }
    Ok(answers)
}

/// Every scalar of an answer by its path, elements of arrays by what names them.
fn flatten(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&masked(name, field), &format!("{path}{dot}{name}"), into);
            }
        }
        Value::Array(elements) => {
            into.insert(format!("{path}.length"), elements.len().to_string());
            let keys: Vec<_> = elements.iter().map(key).collect();
            if IN_ORDER.iter().any(|name| path.ends_with(name)) {
                let names: Vec<_> = keys.iter().flatten().map(String::as_str).collect();
                into.insert(format!("{path}.order"), names.join(" "));
            }
            let is_ordered = path.ends_with("synonyms") || keys.iter().any(Option::is_none);
            for (at, element) in elements.iter().enumerate() {
                let twin = keys[..at].iter().filter(|key| **key == keys[at]).count();
                let label = match &keys[at] {
                    Some(key) if !is_ordered && twin == 0 => key.clone(),
                    Some(key) if !is_ordered => format!("{key}#{twin}"),
                    _ => at.to_string(),
                };
                flatten(element, &format!("{path}[{label}]"), into);
            }
        }
        Value::String(text) => {
            into.insert(path.to_owned(), without_times(text));
        }
        scalar => {
            into.insert(path.to_owned(), scalar.to_string());
        }
    }
}

fn key(element: &Value) -> Option<String> {
    let name = NAMES.iter().find(|name| element.get(name).is_some_and(|v| !v.is_null()))?;
    if let (Value::String(resource), Some(kind)) = (&element[name], element.get("resourceType")) {
        return Some(format!("{kind}:{resource}"));
    }
    Some(match &element[name] {
        _ if CHANCE.contains(name) && *name != "topicId" && *name != "producerId" => "any".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// A value of chance becomes the word for whether it is set.
fn masked(name: &str, value: &Value) -> Value {
    let is_zero = *value == 0 && name != "producerId";
    let is_unset = value.is_null() || is_zero || *value == -1 || *value == "";
    let is_id = value.as_str().is_some_and(|text| text.starts_with('$'));
    match CHANCE.contains(&name) && !is_unset && !is_id && !value.is_array() {
        true => Value::String("<set>".into()),
        false => value.clone(),
    }
}

/// Long numbers in a text are times of day or ports of this run.
fn without_times(text: &str) -> String {
    let is_long = |digits: &str| digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 400 || text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return text.to_owned();
    }
    text.split_inclusive(|c: char| !c.is_ascii_digit())
        .map(|part| match part.trim_end_matches(|c: char| !c.is_ascii_digit()) {
            digits if is_long(digits) => part.replace(digits, "<time>"),
            _ => part.to_owned(),
        })
        .collect()
}

fn compare(kafka: &Answers, ours: &Answers) -> Vec<Difference> {
    let none = BTreeMap::new();
    let mut found: BTreeMap<(String, String, String, String), Vec<i64>> = BTreeMap::new();
    let questions: std::collections::BTreeSet<_> = kafka.keys().chain(ours.keys()).collect();
    for asked in questions {
        let (left, right) = (kafka.get(asked).unwrap_or(&none), ours.get(asked).unwrap_or(&none));
        if left.is_empty() || right.is_empty() {
            let said = |fields: &BTreeMap<_, _>| {
                if fields.is_empty() { "not asked" } else { "answered" }.to_owned()
            };
            let key = (asked.0.clone(), "version".into(), said(left), said(right));
            found.entry(key).or_default().push(asked.1);
            continue;
        }
        let fields: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
        for field in fields {
            let value = |of: &BTreeMap<String, String>| {
                of.get(field).cloned().unwrap_or_else(|| "absent".into())
            };
            let (a, b) = (value(left), value(right));
            if a != b {
                let key = (asked.0.clone(), field.clone(), a, b);
                found.entry(key).or_default().push(asked.1);
            }
        }
    }
    let difference = |((question, field, kafka, ours), versions)| Difference {
        question,
        field,
        kafka,
        ours,
        versions,
    };
    found.into_iter().map(difference).collect()
}

fn report(failures: &[&Difference]) {
    let short = |text: &str| match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    };
    for Difference { question, field, kafka, ours, versions } in failures {
        let versions: Vec<_> = versions.iter().map(i64::to_string).collect();
        println!("{question} v{} {field}", versions.join(","));
        println!("    Kafka {}\n    ours  {}", short(kafka), short(ours));
    }
}

/// Whether the text is the pattern, `*` standing for any text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(tail) = text.strip_prefix(head) else { return false };
    let mut ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    ends.any(|at| matches(rest, &tail[at..]))
}

/// Tables `[[allowed]]` of `question`, `field`, `ours` and `reason`, each a string on one line.
pub(super) fn parse(text: &str) -> Result<Vec<Allowed>, String> {
    let mut found: Vec<Allowed> = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[allowed]]" {
            found.push(Allowed::default());
            continue;
        }
        let wrong = || format!("conform/differences.toml:{}: cannot understand {line}", number + 1);
        let (key, value) = line.split_once('=').ok_or_else(wrong)?;
        let value = value.trim().strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let (last, value) = found.last_mut().zip(value).ok_or_else(wrong)?;
        match key.trim() {
            "question" => last.question = value.to_owned(),
            "ours" => last.ours = value.to_owned(),
            "field" => last.field = value.to_owned(),
            "reason" => last.reason = value.to_owned(),
            _ => return Err(wrong()),
        }
    }
    match found.iter().find(|one| one.question.is_empty() || one.field.is_empty()) {
        Some(one) => Err(format!("conform/differences.toml: {one:?} names no question or field")),
        None => match found.iter().find(|one| one.reason.is_empty()) {
            Some(one) => Err(format!("conform/differences.toml: {one:?} has no reason")),
            None => Ok(found),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answers_of(answer: Value) -> Answers {
        let mut fields = BTreeMap::new();
        flatten(&answer, "", &mut fields);
        Answers::from([(("q".to_owned(), 1), fields)])
    }

    fn check(kafka: Value, ours: Value, expect: &[&str]) {
        let found = compare(&answers_of(kafka), &answers_of(ours));
        let found: Vec<_> =
            found.iter().map(|d| format!("{} {} {}", d.field, d.kafka, d.ours)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn order_of_named_elements_does_not_matter() {
        let kafka =
            json!({"topics": [{"name": "a", "errorCode": 0}, {"name": "b", "errorCode": 3}]});
        let ours =
            json!({"topics": [{"name": "b", "errorCode": 0}, {"name": "a", "errorCode": 0}]});
        check(kafka, ours, &["topics[b].errorCode 3 0"]);
    }

    #[test]
    fn values_of_chance_are_compared_by_being_set() {
        check(json!({"sessionId": 5}), json!({"sessionId": 9}), &[]);
        check(json!({"sessionId": 5}), json!({"sessionId": 0}), &["sessionId <set> 0"]);
        check(json!({"m": "until 1700000000000."}), json!({"m": "until 1800000000000."}), &[]);
    }

    #[test]
    fn a_missing_field_is_a_difference() {
        check(json!({"a": 1, "b": null}), json!({"a": 1}), &["b null absent"]);
    }

    #[test]
    fn patterns_match_with_stars() {
        let cases =
            [("a*c", "abc", true), ("*", "", true), ("a*", "b", false), ("*b*", "abc", true)];
        for (pattern, text, expect) in cases {
            assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn an_allowance_without_a_reason_is_refused() {
        let entry = "[[allowed]]\nquestion = \"*\"\nfield = \"port\"\n";
        assert!(parse(entry).is_err());
        assert_eq!(parse(&format!("{entry}reason = \"why\"\n")).map(|found| found.len()), Ok(1));
    }
}
