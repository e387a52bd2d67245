//! Properties files as `java.util.Properties` reads them, on 400 random files captured from it by
//! `java Captured.java > captured.txt` in java-properties/ (UTF-16 units in hexadecimal).

use std::collections::BTreeMap;

use ottla_settings::properties;

const CAPTURED: &str = include_str!("java-properties/captured.txt");

fn text(hex: &str) -> String {
    let unit = |at: usize| u16::from_str_radix(&hex[at..at + 4], 16).expect("four digits");
    let units: Vec<u16> = (0..hex.len()).step_by(4).map(unit).collect();
    String::from_utf16(&units).expect("no half characters")
}

#[test]
fn a_file_is_read_as_java_reads_it() {
    for line in CAPTURED.lines() {
        let (file, expect) = line.split_once(' ').unwrap_or((line, ""));
        let file = text(file);
        let read = properties::parse(&file);
        if expect == "refused" {
            assert!(read.is_err(), "{file:?}");
            continue;
        }
        let pairs = expect.split(' ').filter_map(|pair| pair.split_once('='));
        let expect: BTreeMap<_, _> = pairs.map(|(key, value)| (text(key), text(value))).collect();
        let read = read.unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let read: BTreeMap<_, _> = read.into_iter().map(|p| (p.key, p.value)).collect();
        assert_eq!(read, expect, "{file:?}");
    }
}
