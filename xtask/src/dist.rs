//! `cargo xtask dist`: one static binary for Linux, stripped, in an archive with its checksum,
//! under `dist/` of the target folder.
//!
//! Built against musl, so that it runs on any Linux and in an empty image; a C compiler is enough
//! (docs/decisions tells why). Must hold: nothing is packed that is not static, or that does not
//! start and serve with an empty environment.

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

/// Runs the task; `--no-build` packs what an earlier run has built.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let builds = match args {
        [] => true,
        [flag] if flag == "--no-build" => false,
        _ => return Err("usage: cargo xtask dist [--no-build]".into()),
    };
    let release = Release::of_this_tree()?;
    if builds {
        build(&release)?;
    }
    let binary = release.built.join(&release.target).join("release/ottla");
    elf::is_static(&fs::read(&binary).map_err(|e| format!("{}: {e}", binary.display()))?)?;
    let told = trial::runs(&binary, &release.version)?;
    let archive = pack(&release, &binary)?;
    let len = |path: &Path| fs::metadata(path).map_or(0, |it| it.len()) / 1_000_000;
    println!("{} MB static; {told}", len(&binary));
    println!("{} ({} MB)", archive.display(), len(&archive));
    Ok(())
}

impl Release {
    fn of_this_tree() -> Result<Release, String> {
        let arch = env::consts::ARCH;
        if env::consts::OS != "linux" {
            return Err("a static binary is made on Linux".into());
        }
        let version = licences::version_of("ottla")?;
        let target = format!("{arch}-unknown-linux-musl");
        let built =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
        Ok(Release { name: format!("ottla-{version}-{target}"), target, version, built })
    }
}

/// Builds it. The system's C compiler makes C code for musl too, as long as it does not use what
/// only its own library has; paths of this machine are left out.
fn build(release: &Release) -> Result<(), String> {
    let target = &release.target;
    let there =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    if !Path::new(there.trim()).is_dir() {
        return Err(format!("the target is missing: rustup target add {target}"));
    }
    let name = target.replace('-', "_");
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let mut flags = vec![remapped(&root(), "ottla"), OsString::from("-Cstrip=symbols")];
    flags.extend(cargo_home.map(|home| remapped(&home, "cargo")));
    let flags = flags.join(&OsString::from("\u{1f}"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", "ottla", "--target", target])
        .current_dir(root())
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env(format!("CC_{name}"), env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .env(format!("CFLAGS_{name}"), "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0")
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if built.success() { Ok(()) } else { Err("the build failed".into()) }
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
