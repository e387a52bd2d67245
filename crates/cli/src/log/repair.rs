//! `ottla log repair`: makes anew what is made from logs, cuts a torn log when it is told to, and
//! prints what it did and what is left.
//!
//! A folder that a node has open is refused. Must hold: the exit code is 0 only when nothing is
//! wrong any more; a dry run, which changes nothing, ends with 0 when nothing is wrong.

use std::path::{Component, Path, PathBuf};

use ottla_storage::repair::{Mended, Mending, Repaired, Repairing, repair};
use ottla_storage::verify::{Finding, Gravity};

use super::topic_ids::topic_ids;
use super::{Headway, USAGE, finding_json, is_help, kind, place, summary, verified_json};
use crate::context::Context;
use crate::failure::Failure;

pub(super) const HELP: &str = "\
    repair makes anew what is made from logs: indexes, producer snapshots, the history of leader\n\
    epochs, checkpoints that say more than the logs hold, and partition.metadata where the\n\
    metadata log in one of the folders knows the topic. It drops no record, and refuses a folder\n\
    that a node has open. The exit code is 1 when something is wrong that it could not mend.\n  \
    --dry-run             Change nothing; tell what would be done.\n  \
    --truncate-torn-tail  End a log before a batch that is not whole, and keep what is cut off.\n  \
    --aside <folder>      Where that is kept. [<folder>.cut beside the log directory]\n  \
    --json                One JSON object per folder.";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    dry_run: bool,
    truncate_torn_tail: bool,
    aside: Option<PathBuf>,
    json: bool,
    help: bool,
    folders: Vec<String>,
}

impl Asked {
    fn parse(words: &[String]) -> Result<Asked, Failure> {
        let mut asked = Asked::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--dry-run" => asked.dry_run = true,
                "--truncate-torn-tail" => asked.truncate_torn_tail = true,
                "--json" => asked.json = true,
                word if is_help(word) => asked.help = true,
                "--aside" => match words.next() {
                    Some(folder) => asked.aside = Some(folder.into()),
                    None => return Err(Failure::said(format!("--aside names no folder\n{USAGE}"))),
                },
                unknown if unknown.starts_with('-') => {
                    return Err(Failure::said(format!("{unknown} is no option\n{USAGE}")));
                }
                _ => asked.folders.push(word.clone()),
            }
        }
        if asked.folders.is_empty() && !asked.help {
            return Err(Failure::said(USAGE));
        }
        Ok(asked)
    }

    /// Where that which is cut off a folder is kept.
    fn aside_of(&self, folder: &str) -> Result<PathBuf, Failure> {
        if let Some(aside) = &self.aside {
            let spelled = plain(aside);
            let is_inside =
                self.folders.iter().any(|folder| spelled.starts_with(plain(Path::new(folder))));
            return match is_inside {
                false => Ok(aside.clone()),
                true => Err(Failure::said("--aside lies in a log directory: name another folder")),
            };
        }
        let mut name = match Path::new(folder).file_name() {
            Some(name) => name.to_owned(),
            // `.` and `/` have no name to add to.
            None => return Ok(Path::new(folder).join("../ottla-log.cut")),
        };
        name.push(".cut");
        Ok(Path::new(folder).with_file_name(name))
    }
}

/// The whole path without `.` and `..`, so that two spellings of one place compare. Links are not
/// followed: the place may not exist yet.
fn plain(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
        plain
    })
}

pub(super) fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let asked = Asked::parse(words)?;
    if asked.help {
        return Ok(writeln!(context.out, "{USAGE}\n\n{HELP}")?);
    }
    let topic_ids = topic_ids(context.env.disk(), &asked.folders);
    let mut is_sound = true;
    for folder in &asked.folders {
        let how = Repairing {
            dry_run: asked.dry_run,
            truncate_torn_tail: asked.truncate_torn_tail,
            aside: asked.aside_of(folder)?,
            topic_ids: topic_ids.clone(),
        };
        let repaired = repaired(context, folder, &how)?;
        is_sound &= repaired.is_sound();
        match asked.json {
            true => writeln!(context.out, "{}", json(folder, &how, &repaired))?,
            false => print_table(context, folder, &how, &repaired)?,
        }
    }
    match is_sound {
        true => Ok(()),
        false => Err(Failure::said("something is not as it must be: see above")),
    }
}

fn repaired(context: &mut Context, folder: &str, how: &Repairing) -> Result<Repaired, Failure> {
    let mut headway = Headway::new(context, folder);
    let Context { env, err, .. } = context;
    let mut next = |name: &str| headway.next(env.monotonic(), &mut **err, name);
    repair(env.disk(), Path::new(folder), how, &mut next)
        .map_err(|error| Failure::said(format!("cannot repair {folder}: {error}")))
}

fn print_table(
    context: &mut Context,
    folder: &str,
    how: &Repairing,
    repaired: &Repaired,
) -> Result<(), Failure> {
    for mended in &repaired.mended {
        let (place, what) = (place(&mended.finding), &mended.finding.what);
        let done = in_words(mended, how);
        let word = if how.dry_run { "would" } else { "mended" };
        writeln!(context.out, "{word:<8} {place}: {what}; {done}")?;
    }
    // What a dry run leaves is what it would mend, which is told already.
    let told =
        |finding: &Finding| how.dry_run && repaired.mended.iter().any(|it| it.finding == *finding);
    for finding in repaired.left.findings.iter().filter(|finding| !told(finding)) {
        let remedy = match finding.gravity {
            Gravity::Note | Gravity::Derived => "",
            Gravity::Records => "; it is left as it is",
        };
        let (kind, place) = (kind(finding), place(finding));
        writeln!(context.out, "{kind:<8} {place}: {}{remedy}", finding.what)?;
    }
    let verb = if how.dry_run { "to mend" } else { "mended" };
    let count = repaired.mended.len();
    Ok(writeln!(context.out, "{}, {count} {verb}", summary(folder, &repaired.left))?)
}

fn in_words(mended: &Mended, how: &Repairing) -> String {
    match (&mended.how, how.dry_run) {
        (Mending::Rebuilt, false) => "made anew".to_owned(),
        (Mending::Rebuilt, true) => "be made anew".to_owned(),
        (Mending::Removed, false) => "removed".to_owned(),
        (Mending::Removed, true) => "be removed".to_owned(),
        (Mending::Cut { bytes, files }, is_dry) => {
            let verb = if is_dry { "be cut" } else { "cut" };
            let aside = how.aside.display();
            format!("{verb}: {bytes} bytes and {files} files behind them, kept in {aside}")
        }
    }
}

fn json(folder: &str, how: &Repairing, repaired: &Repaired) -> serde_json::Value {
    let mended: Vec<_> = repaired
        .mended
        .iter()
        .map(|mended| {
            let mut told = finding_json(&mended.finding);
            told["how"] = match &mended.how {
                Mending::Rebuilt => serde_json::json!({"action": "rebuilt"}),
                Mending::Removed => serde_json::json!({"action": "removed"}),
                Mending::Cut { bytes, files } => serde_json::json!({
                    "action": "cut",
                    "bytes": bytes,
                    "files": files,
                    "aside": how.aside.display().to_string(),
                }),
            };
            told
        })
        .collect();
    serde_json::json!({
        "folder": folder,
        "dry_run": how.dry_run,
        "mended": mended,
        "left": verified_json(folder, &repaired.left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let asked = Asked::parse(&words).map_err(|error| error.to_string())?;
        let aside = asked.aside_of(&asked.folders[0]).map_err(|error| error.to_string())?;
        Ok(aside.display().to_string())
    }

    #[test]
    fn what_is_cut_goes_beside_the_folder_unless_another_place_is_named() {
        assert_eq!(aside("/var/data"), Ok("/var/data.cut".to_owned()));
        assert_eq!(aside("data/"), Ok("data.cut".to_owned()));
        assert_eq!(aside("."), Ok("./../ottla-log.cut".to_owned()));
        assert_eq!(aside("--aside /other a b"), Ok("/other".to_owned()));
        assert!(aside("--aside a/inside a").is_err_and(|why| why.contains("another folder")));
        for spelled in ["--aside b/../a/inside a", "--aside a/inside ./a", "--aside . a/.."] {
            assert!(aside(spelled).is_err_and(|why| why.contains("another folder")), "{spelled}");
        }
        assert!(aside("--aside").is_err_and(|why| why.contains("names no folder")));
        assert!(aside("--cut a").is_err_and(|why| why.contains("--cut is no option")));
    }
}
