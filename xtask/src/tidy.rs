//! `cargo xtask tidy`: the house rules that a machine can check, over every file of the tree.

pub(crate) fn run(_args: &[String]) -> Result<(), String> {
    let root = crate::root();
    if root.join("Cargo.toml").is_file() { Ok(()) } else { Err("no workspace here".into()) }
}
