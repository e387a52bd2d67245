//! How a process logs: what its words say, else the variable `OTTLA_LOG`, else what is usual: a
//! node tells what it does, a command only what goes wrong.
//!
//! Not here: where the log goes, which is the binary's. Must hold: a level that is none is
//! refused, whoever names it; it is never taken for the usual one.

use crate::failure::Failure;

/// The variable that names a level.
pub const LEVEL_VARIABLE: &str = "OTTLA_LOG";
/// What a level may be.
pub(crate) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// How a process is to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// error, warn, info, debug or trace.
    pub level: &'static str,
    /// One JSON object a line.
    pub is_json: bool,
}

/// Lays the level of the words over that of the variable and that over the usual one. An empty
/// variable says nothing, and one that does not count may say anything.
pub(crate) fn options(
    word: Option<&str>,
    variable: Option<&str>,
    usual: &'static str,
    is_json: bool,
) -> Result<LogOptions, Failure> {
    let known = |given: &str| LEVELS.iter().find(|level| level.eq_ignore_ascii_case(given));
    let word = word.and_then(known);
    let level = match (word, variable.map(str::trim).filter(|text| !text.is_empty())) {
        (Some(level), _) => level,
        (None, None) => usual,
        (None, Some(text)) => known(text).ok_or_else(|| {
            let levels = LEVELS.join(", ");
            Failure::said(format!(
                "{LEVEL_VARIABLE}={text}: it must be one of {levels}; or unset the variable"
            ))
        })?,
    };
    Ok(LogOptions { level, is_json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: Option<&str>, variable: Option<&str>, expect: &str) {
        let told = options(word, variable, "info", false);
        let told = told.map_or_else(|failure| failure.to_string(), |it| it.level.to_owned());
        assert_eq!(told, expect, "{word:?} {variable:?}");
    }

    #[test]
    fn a_word_counts_before_the_variable_and_that_before_the_usual() {
        check(None, None, "info");
        check(None, Some(""), "info");
        check(None, Some("debug"), "debug");
        check(None, Some(" WARN "), "warn");
        check(Some("trace"), Some("debug"), "trace");
        check(Some("trace"), Some("loud"), "trace");
    }

    #[test]
    fn a_variable_that_names_no_level_is_refused_with_what_it_may_be() {
        let told = "OTTLA_LOG=loud: it must be one of error, warn, info, debug, trace; or unset \
                    the variable";
        check(None, Some("loud"), told);
        check(None, Some("info,ottla_net=debug"), &told.replace("loud", "info,ottla_net=debug"));
    }
}
