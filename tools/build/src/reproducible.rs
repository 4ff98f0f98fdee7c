//! Makes a build independent of the folder and the time that it is made in.
//!
//! The compiler names source files by the folders they lie in, and the linker copies its own command line, with all the
//! names in it, into the PDB, from which it derives the identifier in the image. So both run behind a wrapper: the
//! compiler with its folders renamed, the linker in the root folder with names relative to it, and without the time of
//! day. Neither is done through `RUSTFLAGS`: those go into the hashes that cargo puts into file names and symbols.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::shell::{output, root, run};

/// The name of the sources' folder in debug information and messages.
pub const SOURCES: &str = "/irqlog";

/// The date that files get as their date of making, in seconds since 1970: `SOURCE_DATE_EPOCH`
/// (https://reproducible-builds.org/specs/source-date-epoch/), or the date of the last commit.
///
/// # Errors
/// If the variable is no number, or is not set where there is no git.
pub fn date() -> Result<u64> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    if let Ok(date) = env::var(VARIABLE) {
        return date.parse().with_context(|| format!("{VARIABLE}={date:?} is no number of seconds since 1970"));
    }
    let date = output(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"]))
        .with_context(|| format!("when was this made? Outside of a git repository set {VARIABLE}"))?;
    date.trim().parse().with_context(|| format!("git says {date:?}"))
}

/// The programs that cargo runs in place of compiler and linker.
#[derive(Debug)]
pub struct Wrappers {
    /// For `RUSTC_WRAPPER`.
    pub rustc: PathBuf,
    /// The linker for Windows drivers: `src/bin/lld-link.rs`.
    pub linker: PathBuf,
}

/// Makes the wrappers, for the compiler at `rustc`.
///
/// # Errors
/// If they cannot be built or written.
pub fn wrappers(rustc: &Path) -> Result<Wrappers> {
    let folder = root().join("target/tools/wrappers");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["build", "--quiet", "--locked", "--package", "irqlog-build", "--bin", "lld-link"]);
    run(&mut cargo).context("the wrapper of the linker")?;
    let linker = root().join("target/debug/lld-link");
    // One for each compiler: rustup's and Debian's have their library in different places.
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let name = if rustc.is_absolute() { "rustc-debian" } else { "rustc" };
    let wrapper = folder.join(name);
    write_script(&wrapper, &rename_folders(Path::new(sysroot.trim())))?;
    Ok(Wrappers { rustc: wrapper, linker })
}

/// A script for `RUSTC_WRAPPER`, which gets the compiler and its arguments.
fn rename_folders(sysroot: &Path) -> String {
    let cargo = cargo_home();
    let library = sysroot.join("lib/rustlib/src/rust");
    let mut script = "#!/bin/sh\nexec \"$@\"".to_owned();
    // The last one that fits is taken.
    for (from, to) in
        [(cargo, "/cargo"), (library, "/rustc"), ("/usr/lib/rustlib/src/rust".into(), "/rustc"), (root(), SOURCES)]
    {
        script.push_str(&format!(" '--remap-path-prefix={}={to}'", from.display()));
    }
    script + "\n"
}

fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .unwrap_or_default()
}

/// The folders whose paths no built file may contain.
///
/// # Errors
/// If the compiler does not say where its library is.
pub fn private_folders() -> Result<Vec<PathBuf>> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(vec![root(), cargo_home(), sysroot.trim().into(), env::temp_dir().join("")])
}

/// Writes a script unless the file has this text: after a new time of change cargo would build everything again.
fn write_script(path: &Path, script: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == script) {
        return Ok(());
    }
    fs::write(path, script).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(|| path.display().to_string())
}
