//! The table of applets against the options of Apache Kafka's tools, as their `--help` lists them.

use crate::options::{Argument, Opt};

use super::*;

const KAFKA: &str = include_str!("../../tests/kafka-cli-options.tsv");

fn argument(option: &Opt) -> &'static str {
    match option.argument {
        Argument::None => "",
        Argument::Text(_) => "String",
        Argument::Maybe(_) => "[String]",
        Argument::Integer(_) => "Integer",
        Argument::Long(_) => "Long",
    }
}

fn mark(is_so: bool) -> &'static str {
    if is_so { "y" } else { "" }
}

#[test]
fn applets_have_the_options_of_their_tools() {
    for applet in APPLETS {
        let [tool] = applet.kafka_names else { continue };
        let options = applet.options();
        if options.is_empty() {
            continue;
        }
        let mut ours: Vec<String> = options
            .iter()
            .map(|option| {
                let (required, deprecated) = (mark(option.required), mark(option.deprecated));
                let default = option.default.unwrap_or_default();
                let (name, argument) = (option.name, argument(option));
                format!("{tool}\t--{name}\t{argument}\t{required}\t{deprecated}\t{default}")
            })
            .collect();
        ours.sort();
        let mut theirs: Vec<&str> =
            KAFKA.lines().filter(|row| row.split('\t').next() == Some(*tool)).collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{tool}");
    }
}

#[test]
fn rows_are_sorted_unique_and_documented() {
    for pair in APPLETS.windows(2) {
        assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
    }
    for applet in APPLETS {
        let summary = applet.summary;
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{}", applet.name);
        for pair in applet.options().windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
        for option in applet.options() {
            let help = option.help;
            assert!(help.ends_with(['.', ':', ')']), "{} --{}: {help}", applet.name, option.name);
        }
    }
}
