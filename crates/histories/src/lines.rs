//! A history as lines of JSON, so that a program in any language may tell one.
//!
//! One object a line. A writer says what it is about to do before it does it, and a reader what it
//! was given: `{"append": "7.0.1", "list": 2}` (writer, transaction, place; transactions and places
//! are counted from 0), `{"ends": "7.0", "how": "asked"}` (or `committed`, `aborted`),
//! `{"read": "7.0.1", "list": 2, "offset": 9}`, `{"hangs": "what"}`. In the end come the lists and
//! what was carried over, as `read` with another word: `holds` and `moved`.
//!
//! Must hold: a line that cannot be understood is an error, but for the last of a text that has no
//! end of line: its writer was killed.

use serde_json::Value;

use crate::history::{Anomaly, Element, History, List, Outcome};
use crate::workload::Contents;

/// What was told in lines.
#[derive(Default)]
pub struct Lines {
    history: History,
    lists: Contents,
    moved: Contents,
    is_queue: bool,
}

impl Lines {
    /// Takes in the text of one file, after those of others.
    ///
    /// # Errors
    /// The number of the line that cannot be understood, and why.
    pub fn tell(&mut self, text: &str) -> Result<(), String> {
        for (at, line) in text.split_inclusive('\n').enumerate() {
            if !line.ends_with('\n') {
                break;
            }
            let told = self.line(line).ok_or("it is no line of a history").flatten();
            told.map_err(|why| format!("line {}: {why}: {}", at + 1, line.trim_end()))?;
        }
        Ok(())
    }

    /// None when it has no form of a line.
    fn line(&mut self, line: &str) -> Option<Result<(), &'static str>> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let element = |name: &str| Element::parse(text(name)?.as_bytes());
        let list = || List::try_from(line.get("list")?.as_i64()?).ok();
        let offset = || line.get("offset")?.as_i64();
        if let Some(what) = text("hangs") {
            self.history.hangs(what.to_owned());
        } else if let Some(of) = text("ends") {
            let (writer, transaction) = of.split_once('.')?;
            let outcome = match text("how")? {
                "asked" => Outcome::Asked,
                "committed" => Outcome::Committed,
                "aborted" => Outcome::Aborted,
                _ => return None,
            };
            let (writer, transaction) = (writer.parse().ok()?, transaction.parse().ok()?);
            if !self.history.has(writer, transaction) {
                return Some(Err("nothing was appended in this transaction"));
            }
            self.history.ends(writer, transaction, outcome);
        } else if let Some(element) = element("append") {
            return Some(self.append(element, list()?));
        } else if let Some(element) = element("read") {
            self.history.read(list()?, offset()?, element);
        } else if let Some(element) = element("holds") {
            self.lists.entry(list()?).or_default().push((offset()?, element));
        } else {
            let element = element("moved")?;
            self.is_queue = true;
            self.moved.entry(list()?).or_default().push((offset()?, element));
        }
        Some(Ok(()))
    }

    fn append(&mut self, element: Element, list: List) -> Result<(), &'static str> {
        let Element { writer, transaction, .. } = element;
        if !self.history.has(writer, transaction) && self.history.begin(writer) != transaction {
            return Err("the transaction is not the writer's next one");
        }
        match self.history.append(writer, transaction, list) == element {
            true => Ok(()),
            false => Err("the place is not the transaction's next one"),
        }
    }

    /// Judges all that was told: what is wrong, how many transactions there were, and how many of
    /// them were committed for certain. Without a line that says `moved` there is no queue.
    pub fn judge(self) -> (Vec<(Anomaly, String)>, (usize, usize)) {
        self.history.judge(&self.lists);
        if self.is_queue {
            self.history.judge_queue(&self.lists, &self.moved);
        }
        (self.history.anomalies(), self.history.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(texts: &[&str]) -> Result<Vec<Anomaly>, String> {
        let mut lines = Lines::default();
        for text in texts {
            lines.tell(&text.replace('\'', "\""))?;
        }
        Ok(lines.judge().0.into_iter().map(|(anomaly, _)| anomaly).collect())
    }

    /// Two appends of one transaction.
    const WRITER: &str = "{'append':'7.0.0','list':0}\n{'append':'7.0.1','list':1}\n";
    const COMMITS: &str = "{'ends':'7.0','how':'asked'}\n{'ends':'7.0','how':'committed'}\n";
    const LISTS: &str =
        "{'holds':'7.0.0','list':0,'offset':3}\n{'holds':'7.0.1','list':1,'offset':0}\n";

    #[test]
    fn a_history_that_was_told_in_lines_is_judged() {
        assert_eq!(judged(&[WRITER, COMMITS, LISTS]), Ok(vec![]));
        assert_eq!(judged(&[WRITER, COMMITS]), Ok(vec![Anomaly::Lost]));
        assert_eq!(judged(&[WRITER, LISTS]), Ok(vec![Anomaly::DirtyRead]));
        let aborts = "{'ends':'7.0','how':'aborted'}\n";
        assert_eq!(judged(&[WRITER, aborts, LISTS]), Ok(vec![Anomaly::DirtyRead]));
        assert_eq!(judged(&[WRITER, "{'hangs':'it'}\n"]), Ok(vec![Anomaly::Hanging]));
        let read = "{'read':'7.0.0','list':0,'offset':4}\n";
        assert_eq!(judged(&[WRITER, COMMITS, LISTS, read]), Ok(vec![Anomaly::Lost]));
        let moved = LISTS.replace("holds", "moved");
        assert_eq!(judged(&[WRITER, COMMITS, LISTS, &moved]), Ok(vec![]));
        let twice = "{'moved':'7.0.0','list':0,'offset':9}\n";
        let found = judged(&[WRITER, COMMITS, LISTS, &moved, twice]).expect("lines");
        assert!(found.contains(&Anomaly::Doubled), "{found:?}");
    }

    #[test]
    fn the_line_in_which_a_writer_was_killed_is_left_out() {
        let torn = &WRITER[..WRITER.len() - 5];
        assert_eq!(judged(&[torn]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_history_is_refused_by_its_line() {
        let refused =
            |text: &str| judged(&[text]).expect_err(text).split(": ").nth(1).map(str::to_owned);
        let unknown = Some("it is no line of a history".to_owned());
        for text in ["\n", "{}\n", "7\n", "{'append':'7.0','list':0}\n", "{'append':'7.0.0'}\n"] {
            assert_eq!(refused(text), unknown, "{text}");
        }
        assert_eq!(refused("{'ends':'7.0','how':'perhaps'}\n"), unknown);
        let gap = "the transaction is not the writer's next one".to_owned();
        assert_eq!(refused("{'append':'7.1.0','list':0}\n"), Some(gap));
        let place = "the place is not the transaction's next one".to_owned();
        assert_eq!(refused("{'append':'7.0.1','list':0}\n"), Some(place));
        let empty = "nothing was appended in this transaction".to_owned();
        assert_eq!(refused("{'ends':'7.0','how':'asked'}\n"), Some(empty));
    }
}
