//! `ottla links <folder>`: links named like Apache Kafka's scripts, with and without `.sh`.
//!
//! Not here: answering to such a name (lib.rs).
//! Must hold: a file that is no link to this binary is never replaced.

use std::io::Write;
use std::path::Path;

use crate::applets::APPLETS;
use crate::context::Context;
use crate::failure::Failure;
use crate::file;

/// Makes the links and prints how many.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    const USAGE: &str = "usage: ottla links <folder>";
    let folder = match words {
        [word] if word == "--help" => return Ok(writeln!(context.out, "{USAGE}")?),
        [folder] if !folder.starts_with('-') => folder,
        _ => return Err(Failure::said(USAGE)),
    };
    let folder = Path::new(folder);
    let binary = std::env::current_exe()
        .map_err(|error| Failure::said(format!("cannot tell where this binary is: {error}")))?;
    let made = make(&context.env, folder, &binary)?;
    writeln!(context.out, "{made} links to {} in {}", binary.display(), folder.display())?;
    Ok(())
}

/// Makes what is missing; the number of links that stand there afterwards.
fn make(env: &ottla_env::Env, folder: &Path, binary: &Path) -> Result<usize, Failure> {
    let made = env.disk().create_dir_all(folder);
    made.map_err(|error| file::refused("make", "the folder", folder.display(), &error))?;
    let names = APPLETS.iter().flat_map(|applet| applet.kafka_names);
    let names: Vec<String> =
        names.flat_map(|name| [name.to_string(), format!("{name}.sh")]).collect();
    for name in &names {
        let link = folder.join(name);
        match link.read_link() {
            Ok(target) if target == binary => continue,
            Ok(target) if is_replaced(env, folder, &target) => {
                env.disk().remove_file(&link).map_err(|error| failed(&link, &error))?;
            }
            Ok(target) => {
                let (link, target) = (link.display(), target.display());
                return Err(Failure::said(format!(
                    "{link} leads to {target}: it stays as it is; remove it, or name another folder"
                )));
            }
            Err(_) if env.disk().exists(&link) => {
                let link = link.display();
                return Err(Failure::said(format!(
                    "{link} is there and no link: it stays as it is; remove it, or name another \
                     folder"
                )));
            }
            Err(_) => (),
        }
        symlink(binary, &link).map_err(|error| failed(&link, &error))?;
    }
    Ok(names.len())
}

/// Whether a link with this target is one of an earlier binary, or leads nowhere.
fn is_replaced(env: &ottla_env::Env, folder: &Path, target: &Path) -> bool {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("ottla") || !env.disk().exists(&folder.join(target))
}

fn failed(link: &Path, error: &std::io::Error) -> Failure {
    file::refused("make", "the link", link.display(), error)
}

#[cfg(unix)]
fn symlink(binary: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(binary, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_once_and_nothing_else_is_replaced() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let env = ottla_env::Env::real(runtime.handle().clone());
        let folder = tempfile::tempdir().unwrap();
        let binary = Path::new("/somewhere/ottla");
        let first = make(&env, folder.path(), binary).unwrap();
        assert_eq!(make(&env, folder.path(), binary).unwrap(), first);
        let link = folder.path().join("kafka-topics.sh");
        assert_eq!(link.read_link().unwrap(), binary);

        env.disk().remove_file(&link).unwrap();
        env.disk().write(&link, b"mine").unwrap();
        assert!(make(&env, folder.path(), binary).is_err());
        assert_eq!(env.disk().read(&link).unwrap(), b"mine");

        env.disk().remove_file(&link).unwrap();
        symlink(folder.path(), &link).unwrap();
        assert!(make(&env, folder.path(), binary).is_err());
        assert_eq!(link.read_link().unwrap(), folder.path());
        env.disk().remove_file(&link).unwrap();
        symlink(Path::new("/before/ottla-0.1"), &link).unwrap();
        assert_eq!(make(&env, folder.path(), binary).unwrap(), first);
        assert_eq!(link.read_link().unwrap(), binary);
    }
}
