//! `ottla help`: the list of commands, and the options of one.
//!
//! Not here: the sentences, which stand in the rows of applets and options.

use std::io::Write;

use crate::applets::{APPLETS, Applet, Body};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::help::table;

/// Prints what there is on stdout, since it was asked for.
pub(crate) fn print(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let word = match words.first() {
        Some(word) if word != "--help" => word,
        _ => return Ok(write!(context.out, "{}", commands())?),
    };
    let Some(applet) = APPLETS.iter().find(|applet| applet.name == word || applet.answers_to(word))
    else {
        return Err(Failure::said(format!("there is no command '{word}'; ottla help lists them")));
    };
    match applet.body {
        Body::Options { options, about, .. } => writeln!(context.out, "{about}")
            .and_then(|()| write!(context.out, "{}", table(options)))?,
        Body::Words(_) => {
            let Applet { name, summary, .. } = applet;
            writeln!(context.out, "ottla {name}: {summary}\n`ottla {name} --help` says how")?;
        }
    }
    Ok(())
}

fn commands() -> String {
    let width = APPLETS.iter().map(|applet| applet.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "Ottla {}: Apache Kafka's platform as one binary\n\nUsage: ottla <command> [options]\n\n\
         Commands:\n",
        env!("CARGO_PKG_VERSION")
    );
    for applet in APPLETS {
        text.push_str(&format!("  {:width$}  {}\n", applet.name, applet.summary));
    }
    text.push_str(
        "\n`ottla help <command>` lists the options of one. `ottla links <folder>` makes links \
         there,\nnamed like Apache Kafka's scripts, that run these commands.\n",
    );
    text
}
