//! The words of a script's commands, and the times in them.
//!
//! Not here: what the commands do (script.rs).

use std::collections::BTreeMap;

use ottla_wire::StrBytes;

/// The words of one command.
pub(crate) struct Words<'a> {
    pub(crate) plain: Vec<&'a str>,
    pub(crate) keys: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(command: &'a str) -> Self {
        let mut words = Words { plain: Vec::new(), keys: BTreeMap::new() };
        for word in command.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    words.keys.insert(key, value);
                }
                None => words.plain.push(word),
            }
        }
        words
    }

    pub(super) fn client(&self) -> String {
        self.plain.get(1).expect("the command names a client").to_string()
    }

    pub(super) fn text(&self, key: &str, default: &str) -> StrBytes {
        StrBytes::copied(self.keys.get(key).unwrap_or(&default))
    }

    pub(super) fn optional(&self, key: &str) -> Option<StrBytes> {
        self.keys.get(key).map(|text| StrBytes::copied(text))
    }

    pub(super) fn number(&self, key: &str, default: i64) -> i64 {
        self.keys.get(key).map_or(default, |text| text.parse().expect("a number"))
    }

    pub(super) fn millis(&self, key: &str, default: &str) -> i64 {
        millis(self.keys.get(key).unwrap_or(&default))
    }

    pub(super) fn version(&self, default: i16) -> i16 {
        self.keys.get("v").map_or(default, |text| text.parse().expect("a version"))
    }

    pub(super) fn group(&self) -> StrBytes {
        self.text("group", "g")
    }
}

pub(crate) fn millis(text: &str) -> i64 {
    const UNITS: [(&str, i64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    for (unit, factor) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<i64>().expect("a number") * factor;
        }
    }
    text.parse().expect("a number with its unit")
}
