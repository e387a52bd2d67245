//! Every message in every version against the bytes that Kafka's own classes wrote of it.
//! The files and the command that made them are in `golden/`. Must hold: reading consumes every
//! byte, writing gives the same bytes again, and both sides know the same messages and versions.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use ottla_wire::registry::{MESSAGES, MessageInfo};

const FILES: [&str; 5] = ["coordinators", "metadata", "others", "requests", "responses"];

/// One line of a golden file.
struct Case {
    message: &'static MessageInfo,
    version: i16,
    /// Which values its fields have, or the JSON in `json.txt`.
    rest: String,
}

impl Case {
    fn label(&self) -> String {
        let Self { message, version, rest } = self;
        format!("{} v{version} {}", message.name, rest.split(' ').next().expect("has a first part"))
    }

    fn bytes(&self) -> Bytes {
        let hex = self.rest.split(' ').nth(1).expect("a case has its bytes");
        let digits = hex.trim_start_matches('-').as_bytes();
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).expect("golden files are ASCII but for JSON");
            u8::from_str_radix(text, 16).expect("golden bytes are hexadecimal")
        };
        digits.chunks(2).map(byte).collect()
    }

    fn is(&self, case: &str) -> bool {
        self.rest.split(' ').next() == Some(case)
    }
}

fn read(file: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join(format!("{file}.txt"))).expect("is committed");
    text.lines()
        .map(|line| {
            let (name, rest) = line.split_once(' ').expect("a line has a name");
            let (version, rest) = rest.split_once(' ').expect("a line has a version");
            let message = MESSAGES.iter().find(|info| info.name == name);
            let message = message.unwrap_or_else(|| panic!("the registry lacks {name}"));
            let version = version.parse().expect("a version is a number");
            Case { message, version, rest: rest.to_owned() }
        })
        .collect()
}

fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|file| read(file)).collect()
}

/// Judges every case and tells the first failures of all.
fn check(cases: &[Case], judge: impl Fn(&Case) -> Result<(), String>) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| judge(case).err().map(|why| format!("{}: {why}", case.label())))
        .collect();
    let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {} fail:\n{shown}", failures.len(), cases.len());
}

fn equal<T: PartialEq + std::fmt::Debug>(got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("\n   got {got:?}\n  want {want:?}")) }
}

#[test]
fn reads_and_writes_what_kafka_wrote() {
    check(&cases(), |case| {
        let bytes = case.bytes();
        let again = case.message.reencode(bytes.clone(), case.version);
        equal(&again.map_err(|error| error.to_string())?, &bytes)
    });
}

#[test]
fn counts_the_bytes_before_writing_them() {
    check(&cases(), |case| {
        let size = case.message.size(case.bytes(), case.version);
        equal(&size.map_err(|error| error.to_string())?, &case.bytes().len())
    });
}

#[test]
fn has_the_defaults_of_kafka() {
    let defaults: Vec<Case> = cases().into_iter().filter(|case| case.is("default")).collect();
    check(&defaults, |case| {
        let ours = case.message.default_bytes(case.version);
        equal(&ours.map_err(|error| error.to_string())?, &case.bytes())
    });
}

#[test]
fn writes_the_json_of_kafka() {
    let cases = cases();
    check(&read("json"), |json| {
        let of_version = cases
            .iter()
            .filter(|case| case.message.name == json.message.name && case.version == json.version)
            .collect::<Vec<_>>();
        // A version without fields has but its default case.
        let full = of_version.iter().find(|case| case.is("full"));
        let case = full.or(of_version.first()).ok_or("has no bytes")?;
        let ours = case.message.json(case.bytes(), case.version);
        equal(&ours.map_err(|error| error.to_string())?, &json.rest)
    });
}

#[test]
fn knows_the_messages_and_versions_of_kafka() {
    let golden: BTreeSet<(&str, i16)> =
        cases().iter().map(|case| (case.message.name, case.version)).collect();
    let ours: BTreeSet<(&str, i16)> = MESSAGES
        .iter()
        .flat_map(|info| (info.versions.min..=info.versions.max).map(|v| (info.name, v)))
        .collect();
    let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!((only(&golden, &ours), only(&ours, &golden)), (vec![], vec![]));
}
