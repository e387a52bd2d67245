//! The session that Apache Kafka's tools had with Apache Kafka, had again with ours.
//!
//! `tests/kafka-session.txt` holds each command with what was printed; `tests/README.md` tells how
//! it was captured. Compared are stdout, exit code and the first line on stderr.
//! Must hold: what may differ is a rule in this file, with its reason, and nothing else may.

use std::time::Duration;

use super::session::{Ran, Session, with_dynamic_session, with_session, with_two_directories};

const SESSION: &str = include_str!("../kafka-session.txt");
const ADMIN_SESSION: &str = include_str!("../kafka-admin-session.txt");
const REASSIGN_SESSION: &str = include_str!("../kafka-reassign-session.txt");

/// One command and what Apache Kafka's tool printed; or `@ ` and what else was done.
pub(super) struct Step {
    /// What is done before: files that are written, topics that get records.
    before: Vec<Before>,
    pub(super) command: &'static str,
    stdout: Vec<&'static str>,
    stderr: Option<&'static str>,
    code: u8,
}

/// What a session does beside commands.
enum Before {
    /// Writes a file with this text.
    File(&'static str, &'static str),
    /// Writes some MB to a topic.
    Fill(&'static str),
}

/// A command, with `@ ` in front of what is not one.
fn command(line: &'static str) -> Option<&'static str> {
    line.strip_prefix("$ ").or(Some(line).filter(|line| line.starts_with("@ ")))
}

pub(super) fn steps(session: &'static str) -> Vec<Step> {
    let (mut steps, mut before) = (Vec::new(), Vec::new());
    for line in session.lines() {
        if let Some((name, text)) = line.strip_prefix("+ ").and_then(|line| line.split_once(' ')) {
            before.push(Before::File(name, text));
        } else if let Some(topic) = line.strip_prefix("% fill ") {
            before.push(Before::Fill(topic));
        } else if let Some(command) = command(line) {
            let before = std::mem::take(&mut before);
            steps.push(Step { before, command, stdout: Vec::new(), stderr: None, code: 0 });
        }
        let Some(step) = steps.last_mut() else { continue };
        if let Some(line) = line.strip_prefix("| ") {
            step.stdout.push(line);
        } else if let Some(line) = line.strip_prefix("! ") {
            step.stderr = Some(line);
        } else if let Some(code) = line.strip_prefix("= ") {
            step.code = code.parse().unwrap();
        }
    }
    steps
}

/// What a session calls its own places, and where they are.
fn places(session: &Session) -> [(&'static str, String); 5] {
    let folder = session.folder();
    [
        ("BROKER", session.address().to_string()),
        ("CONTROLLER", session.controller().to_string()),
        ("DATA1", format!("{folder}/data1")),
        ("DATA2", format!("{folder}/data2")),
        ("FILES", folder),
    ]
}

fn at_place(session: &Session, text: &str) -> String {
    places(session).iter().fold(text.to_string(), |text, (name, place)| text.replace(name, place))
}

async fn prepare(session: &Session, before: &[Before]) {
    for one in before {
        match one {
            Before::File(name, text) => {
                session.file(name, &at_place(session, text));
            }
            Before::Fill(topic) => {
                let words = format!("console-producer --topic {topic} --bootstrap-server");
                let mut words: Vec<String> = words.split(' ').map(String::from).collect();
                words.push(session.address().to_string());
                let line = "x".repeat(1_000) + "\n";
                let ran = session.words(&words, line.repeat(3_000)).await;
                assert_eq!(ran.code, 0, "{}", ran.stderr);
            }
        }
    }
}

async fn run(session: &Session, command: &str) -> Ran {
    let (line, input) = command.split_once(" <<< ").unwrap_or((command, ""));
    let line = &at_place(session, line);
    let mut words: Vec<String> = line.split_whitespace().map(String::from).collect();
    // The server goes last, but never behind an option that still wants its argument.
    let server = ["--bootstrap-server".to_string(), session.address().to_string()];
    // Tools that read their words with argparse want it in front of what they are to do.
    let is_first = ["metadata-quorum", "features"].contains(&words[0].as_str());
    let is_open = line.ends_with("--topic") || is_first;
    let alone = ["console-consumer", "console-share-consumer", "reassign-partitions"];
    match words.len() {
        1 if alone.contains(&words[0].as_str()) => (),
        _ if is_open => drop(words.splice(1..1, server)),
        _ => words.extend(server),
    }
    session.words(&words, input.replace("\\n", "\n").replace("\\t", "\t")).await
}

/// Lines that may stand in any order, such as those of hash maps, are sorted; what each run has of
/// its own gets one name.
fn normal(session: &Session, command: &str, lines: &str) -> Vec<String> {
    let own = places(session);
    let text = own.iter().fold(lines.to_string(), |text, (name, place)| text.replace(place, name));
    let text = text.strip_suffix('\n').map_or(format!("{text}<no newline>"), String::from);
    let mut lines: Vec<String> = if text == "<no newline>" {
        Vec::new()
    } else {
        text.split('\n').map(|line| normal_line(command, line)).collect()
    };
    let is_unsorted = [
        "consumer-groups",
        "streams-groups",
        "share-groups",
        "topics --describe",
        "configs --describe --entity-type",
    ];
    if is_unsorted.iter().any(|words| command.starts_with(words)) {
        lines.sort();
    }
    lines
}

fn normal_line(command: &str, line: &str) -> String {
    if line.starts_with("console-consumer-") {
        let rest = line.trim_start_matches(|letter: char| !letter.is_whitespace());
        return format!("console-consumer-N {}", rest.trim_start());
    }
    if command.starts_with("reassign-partitions") && line.starts_with("{\"version\"") {
        // Which of two directories a new partition is in is drawn.
        return line.replace("DATA1", "DATA").replace("DATA2", "DATA");
    }
    let cells = line.split('\t').map(|cell| {
        if let Some(configs) = cell.strip_prefix("Configs: ") {
            let mut configs: Vec<&str> = configs.split(',').collect();
            configs.sort_unstable();
            return format!("Configs: {}", configs.join(","));
        }
        match cell.strip_prefix("TopicId: ") {
            Some(_) => "TopicId: ID".to_string(),
            None => cell.to_string(),
        }
    });
    let line = cells.collect::<Vec<_>>().join("\t");
    if ["metadata-quorum", "cluster"].iter().any(|tool| command.starts_with(tool)) {
        return without_numbers(&line);
    }
    // Names of groups that tools make up change the widths of columns.
    match command.contains("--list") {
        true => line.split_whitespace().collect::<Vec<_>>().join(" "),
        false => line,
    }
}

/// A line about a cluster without its ids, offsets, times and ports, and the widths they give.
fn without_numbers(line: &str) -> String {
    let is_id = |word: &str| {
        let text = word.trim_matches(['"', ',']);
        text.len() == 22 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let words = line.split_whitespace().map(|word| match is_id(word) {
        true => "ID".to_string(),
        false => {
            let digits = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
            let mut text: String = digits.collect();
            while text.contains("00") {
                text = text.replace("00", "0");
            }
            text.replace("0.0.0.0:0", "ADDRESS").replace("CONTROLLER://CONTROLLER", "ADDRESS")
        }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.replace("CONTROLLER://ADDRESS", "ADDRESS")
}

/// The words of a line on stderr, in any order, as sets of options are; of an exception, without
/// its class.
fn words(line: &str) -> Vec<&str> {
    let message = line.rsplit_once("Exception: ").map_or(line, |(_, message)| message);
    let mut words: Vec<&str> =
        message.split([' ', ',', '[', ']']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

/// What is wrong with a run, if anything.
fn difference(session: &Session, step: &Step, ran: &Ran) -> Option<String> {
    let theirs = step.stdout.join("\n") + if step.stdout.is_empty() { "" } else { "\n" };
    let theirs = normal(session, step.command, &theirs.replace("<no newline>\n", ""));
    let ours = normal(session, step.command, &ran.stdout);
    if (&ours, ran.code) != (&theirs, step.code) {
        let (command, code) = (step.command, step.code);
        return Some(format!("$ {command}\n{theirs:#?} {code}\n{ours:#?} {}", ran.code));
    }
    let line = step.stderr?;
    // Where stdout has the error, Apache Kafka's tool adds the exception's trace; what a tool is
    // for, each says in words of its own.
    if line.contains("Exception") && !theirs.is_empty() || line.starts_with("This tool") {
        return None;
    }
    let said = ran.stderr.replace(session.address(), "BROKER");
    let is_there = said.lines().any(|said| words(said) == words(line));
    (!is_there).then(|| format!("$ {}\n! {line}\n! {said}", step.command))
}

/// What is wrong with a command's second life, if anything; what a broker learns from its
/// controller a moment later is asked for again.
pub(super) async fn again(session: &Session, step: &Step) -> Option<String> {
    prepare(session, &step.before).await;
    let reads = ["--describe", "--list", "--verify", "get-offsets"];
    let reads = reads.iter().any(|word| step.command.contains(word));
    let mut tries = if reads { TRIES_MAX } else { 1 };
    loop {
        tries -= 1;
        let ran = run(session, step.command).await;
        match difference(session, step, &ran) {
            Some(_) if tries > 0 => session.env().sleep(AGAIN).await,
            told => return told,
        }
    }
}

/// Has a session again.
async fn have(session: &Session, text: &'static str) {
    let mut wrong = Vec::new();
    for step in steps(text) {
        wrong.extend(again(session, &step).await);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_tools_print_what_apache_kafkas_tools_print() {
    with_session(async |session| have(session, SESSION).await);
}

#[test]
fn the_administrators_tools_print_what_apache_kafkas_print() {
    with_dynamic_session(async |session| have(session, ADMIN_SESSION).await);
}

#[test]
fn partitions_are_reassigned_as_apache_kafkas_tool_does() {
    with_two_directories(async |session| have(session, REASSIGN_SESSION).await);
}

/// How often what a broker tells is asked for again, and how soon.
const TRIES_MAX: u32 = 100;
const AGAIN: Duration = Duration::from_millis(50);
