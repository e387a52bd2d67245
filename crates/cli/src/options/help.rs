//! The table of options that `--help` and a wrong command line print: two columns, 80 wide.
//!
//! Not here: the words, which stand in each command's rows.

use super::{Argument, Opt};

/// The most characters of either column.
const COLUMN_WIDTH_MAX: usize = 39;
/// Between the columns.
const GAP: &str = "  ";

/// The lines of either column.
type Row = (Vec<String>, Vec<String>);

/// The whole table, each line with its line feed. Options stand in the order of their names.
pub(crate) fn table(options: &[Opt]) -> String {
    let mut options: Vec<&Opt> = options.iter().collect();
    options.sort_by_key(|option| option.name);
    let rows: Vec<Row> = std::iter::once(heading())
        .chain(options.into_iter().map(|option| (wrap(&left(option)), right(option))))
        .collect();
    let width = |column: fn(&Row) -> &Vec<String>| {
        rows.iter().flat_map(column).map(|line| line.chars().count()).max().unwrap_or(0)
    };
    let (left_width, right_width) = (width(|row| &row.0), width(|row| &row.1));
    let mut table = String::new();
    for (left, right) in &rows {
        for line in 0..left.len().max(right.len()) {
            let left = left.get(line).map_or("", String::as_str);
            let right = right.get(line).map_or("", String::as_str);
            table.push_str(&format!("{left:left_width$}{GAP}{right:right_width$}\n"));
        }
    }
    table
}

fn heading() -> Row {
    (vec!["Option".into(), "------".into()], vec!["Description".into(), "-----------".into()])
}

/// An option with what follows it: `--topic <String: topic>`.
fn left(option: &Opt) -> String {
    let of = |kind: &str, what: &str| match what {
        "" => kind.to_string(),
        what => format!("{kind}: {what}"),
    };
    let name = option.name;
    match option.argument {
        Argument::None => format!("--{name}"),
        Argument::Text(what) => format!("--{name} <{}>", of("String", what)),
        Argument::Maybe(what) => format!("--{name} [{}]", of("String", what)),
        Argument::Integer(what) => format!("--{name} <{}>", of("Integer", what)),
        Argument::Long(what) => format!("--{name} <{}>", of("Long", what)),
    }
}

fn right(option: &Opt) -> Vec<String> {
    let deprecated = if option.deprecated { "(DEPRECATED) " } else { "" };
    let required = if option.required { "REQUIRED: " } else { "" };
    let default = option.default.map(|value| format!(" (default: {value})")).unwrap_or_default();
    let mut lines = wrap(&format!("{deprecated}{required}{}{default}", option.help));
    lines.extend(option.more.map(|more| more()).unwrap_or_default());
    lines
}

/// Breaks at spaces; a line that goes on is indented by two.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let first = lines.len() == 1;
            let line = lines.last_mut().expect("there is always a line");
            let used = line.chars().count();
            let gap = usize::from(!line.trim_start().is_empty());
            if used + gap + word.chars().count() <= COLUMN_WIDTH_MAX {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(word);
                break;
            }
            if gap == 0 {
                // A word that is longer than a line is cut where the line ends.
                let room = COLUMN_WIDTH_MAX - if first { 0 } else { 2 };
                let at = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                line.push_str(&word[..at]);
                word = &word[at..];
            }
            lines.push("  ".to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::{flag, maybe, text};
    use super::*;

    #[test]
    fn columns_wrap_and_are_as_wide_as_their_widest_line() {
        let options = [
            text("topic", "a topic with a long name for it", "The topic.").required(),
            flag("list", "Lists what there is, and goes on to say so for more than one line."),
            maybe("state", "", "The state.").default("all"),
        ];
        expect![[r#"
            Option                                Description                            
            ------                                -----------                            
            --list                                Lists what there is, and goes on to say
                                                    so for more than one line.           
            --state [String]                      The state. (default: all)              
            --topic <String: a topic with a long  REQUIRED: The topic.                   
              name for it>                                                               
        "#]]
        .assert_eq(&table(&options));
    }

    #[test]
    fn a_word_that_fits_no_line_is_cut() {
        let word = "x".repeat(80);
        assert_eq!(wrap(&word), ["x".repeat(39), format!("  {}", "x".repeat(37)), "  xxxx".into()]);
    }
}
