//! `cargo xtask codegen [--check]`: writes crates/wire/src/messages/ from crates/wire/messages.txt.
//!
//! One module per message and an index of all. The result is committed; with `--check` nothing is
//! written and a difference is an error, which the tests run too.

mod names;
mod rust;
mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use crate::root;

/// The files that should be there, by name.
type Files = BTreeMap<String, String>;

/// Runs the task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let check = args.iter().any(|arg| arg == "--check");
    write(check).map_err(|error| error.to_string())
}

fn write(check: bool) -> Result<(), Box<dyn Error>> {
    let wire = root().join("crates/wire");
    let wanted = generate(&wire)?;
    let out = wire.join("src/messages");
    if check {
        let stale = stale(&out, &wanted)?;
        if stale.is_empty() {
            return Ok(());
        }
        let list = stale.join(", ");
        return Err(format!("not as messages.txt says, run `cargo xtask codegen`: {list}").into());
    }
    for name in stale(&out, &wanted)? {
        match wanted.get(&name) {
            Some(text) => std::fs::write(out.join(&name), text)?,
            None => std::fs::remove_file(out.join(&name))?,
        }
        println!("wrote {name}");
    }
    Ok(())
}

fn generate(wire: &Path) -> Result<Files, Box<dyn Error>> {
    let text = std::fs::read_to_string(wire.join("messages.txt"))?;
    let messages = table::parse(&text)?;
    let mut files = Files::new();
    for message in &messages {
        files.insert(format!("{}.rs", names::snake(&message.name)), rust::module(message)?);
    }
    files.insert("index.rs".into(), rust::index(&messages));
    files.insert("mod.rs".into(), rust::root(&messages));
    format(&mut files)?;
    Ok(files)
}

/// The names of files that are missing, differ or should not be there.
fn stale(out: &Path, wanted: &Files) -> Result<Vec<String>, Box<dyn Error>> {
    let mut there = Files::new();
    for entry in std::fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        there.insert(name, std::fs::read_to_string(entry.path())?);
    }
    let differ = wanted.iter().filter(|(name, text)| there.get(*name) != Some(text));
    let extra = there.keys().filter(|name| !wanted.contains_key(*name));
    Ok(differ.map(|(name, _)| name).chain(extra).cloned().collect())
}

/// Formats all files in one run of rustfmt, which finds them from mod.rs.
fn format(files: &mut Files) -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("ottla-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let formatted = format_in(&dir, files);
    std::fs::remove_dir_all(&dir)?;
    formatted
}

fn format_in(dir: &Path, files: &mut Files) -> Result<(), Box<dyn Error>> {
    for (name, text) in files.iter() {
        std::fs::write(dir.join(name), text)?;
    }
    let rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root().join("rustfmt.toml"))
        .arg(dir.join("mod.rs"))
        .status()?;
    if !rustfmt.success() {
        return Err("rustfmt refuses the generated code".into());
    }
    for (name, text) in files.iter_mut() {
        *text = std::fs::read_to_string(dir.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_code_is_what_the_table_says() {
        run(&["--check".into()]).unwrap();
    }
}
