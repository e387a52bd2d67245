//! What the clients showed: a row per client, a column per feature.
//! Not here: how the lines came to be. Must hold: a feature that no line tells of has failed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::clients::{Client, FEATURES};

/// How a feature ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    Ok,
    Fail,
    /// The client has no such thing, on any broker.
    Lacks,
}

/// Everything about one client.
pub(crate) struct Row {
    name: &'static str,
    features: &'static [&'static str],
    marks: BTreeMap<String, (Mark, String)>,
    took: Duration,
    /// Why it did not run at all.
    pub(crate) skipped: Option<String>,
}

impl Row {
    pub(crate) fn new(client: &Client) -> Self {
        let Client { name, features, .. } = client;
        Self { name, features, marks: BTreeMap::new(), took: Duration::ZERO, skipped: None }
    }

    pub(crate) fn skipped(client: &Client, why: String) -> Self {
        Self { skipped: Some(why), ..Self::new(client) }
    }

    /// One line of the contract: `ok|FAIL|lacks <feature> <detail>`; other lines are let pass.
    pub(crate) fn take(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let mark = match words.next() {
            Some("ok") => Mark::Ok,
            Some("FAIL") => Mark::Fail,
            Some("lacks") => Mark::Lacks,
            _ => return,
        };
        if let Some(feature) = words.next() {
            let detail = words.next().unwrap_or_default().to_owned();
            self.marks.insert(feature.to_owned(), (mark, detail));
        }
    }

    /// The client has ended: whatever it did not tell of has failed.
    pub(crate) fn close(&mut self, why: &str, took: Duration) {
        self.took = took;
        for feature in self.features {
            let silent = || (Mark::Fail, format!("the program {why}"));
            self.marks.entry((*feature).to_owned()).or_insert_with(silent);
        }
    }

    pub(crate) fn count(&self, wanted: Mark) -> usize {
        self.marks.values().filter(|(mark, _)| *mark == wanted).count()
    }

    fn cell(&self, feature: &str) -> &'static str {
        match self.marks.get(feature) {
            Some((Mark::Ok, _)) => "ok",
            Some((Mark::Fail, _)) => "FAIL",
            Some((Mark::Lacks, _)) => "-",
            None => "",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.skipped {
            return write!(f, "{:<16} skipped ({why})", self.name);
        }
        let (ok, lacks, took) = (self.count(Mark::Ok), self.count(Mark::Lacks), self.took);
        write!(f, "{:<16} {ok} ok, {lacks} lacking, {:.0} s", self.name, took.as_secs_f64())?;
        for (feature, (mark, detail)) in &self.marks {
            match mark {
                Mark::Fail => write!(f, "\n  FAIL {feature}: {detail}")?,
                Mark::Lacks => write!(f, "\n  lacks {feature}: {detail}")?,
                Mark::Ok => {}
            }
        }
        Ok(())
    }
}

/// The table of all clients that show the common features.
pub(crate) fn print(rows: &[Row]) {
    let rows: Vec<_> = rows.iter().filter(|row| row.features == FEATURES).collect();
    if rows.is_empty() {
        return;
    }
    print!("\n{:<16}", "");
    for feature in FEATURES {
        print!(" {feature}");
    }
    println!();
    for row in rows {
        print!("{:<16}", row.name);
        match &row.skipped {
            Some(why) => print!(" skipped ({why})"),
            None => {
                FEATURES.iter().for_each(|f| print!(" {:<width$}", row.cell(f), width = f.len()))
            }
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::super::clients::CLIENTS;
    use super::*;

    #[test]
    fn a_feature_without_a_line_has_failed() {
        let mut row = Row::new(&CLIENTS[0]);
        for line in ["ok topics", "lacks gzip no codec", "FAIL seek not found", "noise of a tool"] {
            row.take(line);
        }
        row.close("said nothing of this", Duration::ZERO);
        assert_eq!([row.cell("topics"), row.cell("gzip"), row.cell("seek")], ["ok", "-", "FAIL"]);
        assert_eq!(row.count(Mark::Fail), FEATURES.len() - 2);
    }
}
