//! Words of a command line to options, by the rules of the parser that Apache Kafka's tools use.
//!
//! Not here: what options mean together; each command says that itself.
//! Must hold: an option that wants an argument takes the next word whatever it looks like
//! (`--shift-by -2`); one that may have an argument takes it unless it looks like an option.

use crate::failure::Failure;

use super::{Argument, Opt, Parsed};

/// Reads the words after the command's name.
pub(crate) fn parse(options: &'static [Opt], words: &[String]) -> Result<Parsed, Failure> {
    let mut parsed = Parsed { options, given: Vec::new(), line: words.join(" ") };
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        if word == "--" {
            break;
        }
        let Some(name) = option_of(word) else { continue };
        let (name, inline) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (name, None),
        };
        let option = find(options, name)
            .ok_or_else(|| Failure::plain(format!("{name} is not a recognized option")))?;
        let value = match option.argument {
            Argument::None if inline.is_some() => {
                let name = option.name;
                return Err(Failure::plain(format!("Option {name} does not take an argument")));
            }
            Argument::None => None,
            Argument::Maybe(_) => {
                inline.or_else(|| rest.next_if(|word| option_of(word).is_none()).map(String::from))
            }
            _ => Some(inline.or_else(|| rest.next().map(String::from)).ok_or_else(|| {
                Failure::plain(format!("Option {} requires an argument", option.name))
            })?),
        };
        parsed.given.push((option.name, value));
    }
    Ok(parsed)
}

/// The name in a word that looks like an option.
fn option_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    (!name.is_empty()).then_some(name)
}

/// The option of that name; beginnings of names are not enough, as in Apache Kafka's tools.
fn find(options: &'static [Opt], name: &str) -> Option<&'static Opt> {
    // A name of its own goes before an older name of another: kafka-log-dirs has --broker-list.
    let own = options.iter().find(|option| option.name == name);
    own.or_else(|| options.iter().find(|option| option.aliases.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::super::{flag, integer, maybe, text};
    use super::*;

    const OPTIONS: &[Opt] = &[
        flag("list", ""),
        flag("describe", ""),
        flag("delete", ""),
        text("topic", "", ""),
        text("bootstrap-server", "", "").aliases(&["broker-list"]),
        integer("shift-by", "", ""),
        maybe("state", "", ""),
    ];

    fn check(line: &str, expect: &str) {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let said = match parse(OPTIONS, &words) {
            Ok(parsed) => {
                let given = parsed.given.iter().map(|(name, value)| match value {
                    Some(value) => format!("{name}={value}"),
                    None => (*name).to_string(),
                });
                given.collect::<Vec<_>>().join(" ")
            }
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expect, "{line}");
    }

    #[test]
    fn an_argument_stands_behind_a_space_or_an_equals_sign() {
        check("--topic a --topic=b -topic c", "topic=a topic=b topic=c");
        check("--topic --list", "topic=--list");
        check("--shift-by -2", "shift-by=-2");
        check("--topic=", "topic=");
    }

    #[test]
    fn an_argument_that_may_be_missing_stops_before_an_option() {
        check("--state --list", "state list");
        check("--state Stable,Empty --list", "state=Stable,Empty list");
    }

    #[test]
    fn an_older_name_is_the_same_option_and_a_beginning_is_none() {
        check("--broker-list h:1", "bootstrap-server=h:1");
        check("--desc", "desc is not a recognized option");
    }

    #[test]
    fn what_is_not_an_option_is_passed_over() {
        check("a --list b -- --topic", "list");
    }

    #[test]
    fn wrong_options_are_named() {
        check("--nonsense", "nonsense is not a recognized option");
        check("--topic", "Option topic requires an argument");
        check("--list=x", "Option list does not take an argument");
    }
}
