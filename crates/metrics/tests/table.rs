//! Every row of the table: its name, its kind, its sentence, and Kafka's meter of the same meaning.

use std::collections::BTreeSet;

use ottla_metrics::{Kind, Metric};

/// The object names and attributes that Apache Kafka 4.3 was found to have, and 4.4 of dead-letter
/// queues.
const MBEANS: &str = include_str!("kafka-mbeans.txt");

#[test]
fn names_are_unique_and_such_as_monitoring_systems_take() {
    let mut families = BTreeSet::new();
    for metric in Metric::ALL {
        let row = metric.row();
        let is_word = |word: &str| {
            word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && word.starts_with(|c: char| c.is_ascii_lowercase())
        };
        assert!(is_word(row.name), "{}", row.name);
        assert!(row.labels.iter().all(|label| is_word(label) && *label != "le"), "{}", row.name);
        assert!(families.insert(row.family()), "{} stands twice", row.name);
        assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}", row.name);
        let prefixes = ["kafka_", "ottla_", "process_"];
        assert!(prefixes.iter().any(|prefix| row.name.starts_with(prefix)), "{}", row.name);
    }
}

#[test]
fn every_row_has_a_sentence_and_a_unit() {
    for metric in Metric::ALL {
        let row = metric.row();
        assert!(row.help().starts_with(char::is_uppercase), "{}", row.name);
        assert!(row.help().ends_with('.') && !row.help().contains("  "), "{}", row.name);
        assert!(!row.unit.is_empty(), "{}", row.name);
        if row.unit == "seconds" || row.unit == "bytes" {
            let says_so = row.name.contains(row.unit) || row.name.starts_with("kafka_");
            assert!(says_so, "{} counts {}", row.name, row.unit);
        }
    }
}

#[test]
fn every_meter_of_kafka_that_a_row_names_is_one_of_kafka() {
    for metric in Metric::ALL {
        let row = metric.row();
        let Some(mbean) = row.mbean else {
            assert!(!row.name.starts_with("kafka_"), "{} has no meter of Kafka", row.name);
            continue;
        };
        let (object, attribute) = mbean.split_once(' ').unwrap_or((mbean, ""));
        let (kind, names) = object.split_once(",name=").unwrap_or((object, ""));
        for name in names.split('|') {
            let wanted =
                if name.is_empty() { kind.to_owned() } else { format!("{kind},name={name}") };
            let found = MBEANS.lines().any(|line| {
                let (known, attributes) = line.split_once('\t').unwrap_or((line, ""));
                let is_it = known == wanted || known.starts_with(&format!("{wanted},"));
                is_it && attributes.contains(attribute)
            });
            assert!(found, "{}: Kafka has no {wanted} {attribute}", row.name);
        }
    }
}
