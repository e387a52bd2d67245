//! `cargo xtask dist`: one static binary for Linux, stripped, in an archive with its checksum,
//! under `dist/` of the target folder.
//!
//! Built against musl, so that it runs on any Linux and in an empty image; a C compiler is enough
//! (docs/decisions tells why). CI tries the same without the optimizer, and has the compiler look
//! at the other processor. Must hold: nothing is packed that is not static, or that does not start
//! and serve with an empty environment.

mod elf;
mod licences;
mod trial;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root;

/// What stands beside the binary in the archive.
const BESIDE: &[&str] = &["CHANGELOG.md", "LICENSE", "README.md"];

/// A thing to release: how it is called, where it is built.
struct Release {
    /// The target's triple.
    target: String,
    /// Without folder and ending.
    name: String,
    version: String,
    /// cargo's target folder.
    built: PathBuf,
}

/// The processors that a release is made for.
const PROCESSORS: &[&str] = &["x86_64", "aarch64"];

/// Runs the task; `--no-build` packs what an earlier run has built, `--try` packs nothing.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let builds = match args {
        [] => true,
        [flag] if flag == "--no-build" => false,
        [flag] if flag == "--try" => return missing().map_or_else(attempt, Err),
        _ => return Err("usage: cargo xtask dist [--no-build | --try]".into()),
    };
    let release = Release::of_this_tree()?;
    if builds {
        build(&release)?;
    }
    let binary = release.built.join(&release.target).join("release/ottla");
    let told = tried(&release, &binary)?;
    let archive = pack(&release, &binary)?;
    let len = |path: &Path| fs::metadata(path).map_or(0, |it| it.len()) / 1_000_000;
    println!("{} MB static; {told}", len(&binary));
    println!("{} ({} MB)", archive.display(), len(&archive));
    Ok(())
}

/// What this machine lacks for a release, with what to do; none when it lacks nothing.
pub(crate) fn missing() -> Option<String> {
    if env::consts::OS != "linux" {
        return Some("a static binary is made on Linux".into());
    }
    PROCESSORS.iter().map(|processor| target(processor)).find_map(|target| lacks(&target))
}

/// Builds without the optimizer, which takes most of the time, tries what came of it, and lets the
/// compiler look at the code for the other processors: whether that links and runs stays untried.
pub(crate) fn attempt() -> Result<(), String> {
    let release = Release::of_this_tree()?;
    let words = ["build", "--locked", "--package", "ottla", "--target", &release.target];
    cargo(&release.target, &words, &[])?;
    let told = tried(&release, &release.built.join(&release.target).join("debug/ottla"))?;
    println!("static; {told}");
    for processor in PROCESSORS.iter().filter(|it| **it != env::consts::ARCH) {
        let target = target(processor);
        cargo(&target, &["check", "--locked", "--package", "ottla", "--target", &target], &[])?;
        println!("{target} compiles; it is not linked and not run");
    }
    Ok(())
}

/// Checks that a binary is static and that it serves; answers what it said.
fn tried(release: &Release, binary: &Path) -> Result<String, String> {
    elf::is_static(&fs::read(binary).map_err(|e| format!("{}: {e}", binary.display()))?)?;
    trial::runs(binary, &release.version)
}

fn target(processor: &str) -> String {
    format!("{processor}-unknown-linux-musl")
}

/// What to do about a target that is not installed.
fn lacks(target: &str) -> Option<String> {
    let words = ["--print", "target-libdir", "--target", target];
    match output(Command::new("rustc").args(words)) {
        Ok(there) if Path::new(there.trim()).is_dir() => None,
        _ => Some(format!("the target is missing: rustup target add {target}")),
    }
}

impl Release {
    fn of_this_tree() -> Result<Release, String> {
        let arch = env::consts::ARCH;
        if env::consts::OS != "linux" {
            return Err("a static binary is made on Linux".into());
        }
        let version = licences::version_of("ottla")?;
        let target = target(arch);
        let built =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
        Ok(Release { name: format!("ottla-{version}-{target}"), target, version, built })
    }
}

/// Builds it; paths of this machine are left out.
fn build(release: &Release) -> Result<(), String> {
    let target = &release.target;
    if let Some(what) = lacks(target) {
        return Err(what);
    }
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let mut flags = vec![remapped(&root(), "ottla"), OsString::from("-Cstrip=symbols")];
    flags.extend(cargo_home.map(|home| remapped(&home, "cargo")));
    let flags = flags.join(&OsString::from("\u{1f}"));
    let words = ["build", "--release", "--locked", "--package", "ottla", "--target", target];
    let debug = OsString::from("0");
    let variables = [("CARGO_ENCODED_RUSTFLAGS", flags), ("CARGO_PROFILE_RELEASE_DEBUG", debug)];
    cargo(target, &words, &variables)
}

/// Runs cargo for a target. The system's C compiler makes C code for musl too, as long as it does
/// not use what only its own library has. What is made for another processor is never linked, so
/// that it need not be for that one.
fn cargo(target: &str, words: &[&str], variables: &[(&str, OsString)]) -> Result<(), String> {
    let name = target.replace('-', "_");
    let done = Command::new(env!("CARGO"))
        .args(words)
        .current_dir(root())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env(format!("CC_{name}"), env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .env(format!("CFLAGS_{name}"), "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0")
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    let word = words.first().unwrap_or(&"");
    if done.success() { Ok(()) } else { Err(format!("cargo {word} for {target} failed")) }
}

fn remapped(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push(format!("={to}"));
    flag
}

/// Makes the archive and its checksum.
fn pack(release: &Release, binary: &Path) -> Result<PathBuf, String> {
    let dist = release.built.join("dist");
    let folder = dist.join(&release.name);
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => fs::create_dir_all(&folder).map_err(failed)?,
    }
    fs::copy(binary, folder.join("ottla")).map_err(failed)?;
    for name in BESIDE {
        fs::copy(root().join(name), folder.join(name)).map_err(failed)?;
    }
    fs::write(folder.join("LICENSES-OF-OTHERS"), licences::texts(&release.target)?)
        .map_err(failed)?;
    // What deploy/Containerfile makes an image of.
    fs::create_dir_all(dist.join("image/data")).map_err(failed)?;
    fs::copy(binary, dist.join("image/ottla")).map_err(failed)?;
    let file = format!("{}.tar.gz", release.name);
    let words = ["--owner=0", "--group=0", "--sort=name", "--mtime=@0", "-czf", &file];
    let mut tar = Command::new("tar");
    output(tar.args(words).arg(&release.name).current_dir(&dist))?;
    let sum = output(Command::new("sha256sum").arg(&file).current_dir(&dist))?;
    fs::write(dist.join(format!("{file}.sha256")), sum).map_err(failed)?;
    Ok(dist.join(file))
}

/// What a command prints, where it succeeds.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|e| format!("{name}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
