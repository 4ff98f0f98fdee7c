//! What makes a build independent of where it is built.
//!
//! The compiler names source files by the folders they lie in, and the linker copies its own command line, with all the
//! names in it, into the PDB, from which it derives the identifier in the image. So both run behind a wrapper: the
//! compiler with its folders renamed, the linker in the root folder with names relative to it, and without the time of
//! day. Neither is done through `RUSTFLAGS`: those go into the hashes that cargo puts into file names and symbols.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    host,
    shell::{output, root},
};

/// The name under which this program is the linker. rustc tells from it what options it takes.
const LINKER: &str = "lld-link";

/// What the sources' folder is called in debug information and messages.
pub const SOURCES: &str = "/irqlog";

/// The time that everything is said to be made at: what `SOURCE_DATE_EPOCH` says
/// (https://reproducible-builds.org/specs/source-date-epoch/), else that of the last commit. In seconds since 1970.
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

/// What stands between cargo and its tools.
#[derive(Debug)]
pub struct Wrappers {
    /// For `RUSTC_WRAPPER`.
    pub rustc: PathBuf,
    /// The linker for Windows drivers.
    pub linker: PathBuf,
}

/// Makes the wrappers, for the compiler at `rustc`.
///
/// # Errors
/// If they cannot be written.
pub fn wrappers(rustc: &Path) -> Result<Wrappers> {
    let folder = root().join("target/tools/wrappers");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let linker = folder.join(LINKER);
    let this = env::current_exe().context("where this program is")?;
    if fs::read_link(&linker).ok().as_ref() != Some(&this) {
        let _ = fs::remove_file(&linker);
        std::os::unix::fs::symlink(&this, &linker).with_context(|| format!("linking {}", linker.display()))?;
    }
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

/// The folders of this machine that nothing of what is built may tell, besides those of the sources.
///
/// # Errors
/// If the compiler does not say where its library is.
pub fn private_folders() -> Result<Vec<PathBuf>> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(vec![root(), cargo_home(), sysroot.trim().into(), env::temp_dir().join("")])
}

/// Writes it if it is not there like that: a new time would have cargo ask the compiler for everything again.
fn write_script(path: &Path, script: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == script) {
        return Ok(());
    }
    fs::write(path, script).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(|| path.display().to_string())
}

/// Whether this program was called as the linker.
pub fn is_linker() -> bool {
    env::args_os().next().is_some_and(|program| Path::new(&program).file_name() == Some(OsStr::new(LINKER)))
}

/// Links, as rustc asks for it, with fixed names. Does not return if the linker could be started.
///
/// # Errors
/// If it could not.
pub fn link() -> Result<()> {
    let names = Names::of(env::args_os().skip(1))?;
    let mut linker = Command::new(host::lld_link());
    // What it calls itself in the PDB.
    linker.arg0(LINKER).current_dir(root()).args(&names.arguments);
    linker.args(["/Brepro".to_owned(), format!("/PDBSOURCEPATH:{SOURCES}")]);
    Err(linker.exec()).with_context(|| format!("starting {}", host::lld_link().display()))
}

/// The linker's arguments with the names that they are given.
struct Names {
    arguments: Vec<String>,
}

impl Names {
    fn of(arguments: impl Iterator<Item = OsString>) -> Result<Self> {
        let arguments: Vec<String> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
        let output = arguments.iter().find_map(|argument| argument.strip_prefix("/OUT:")).context("no /OUT")?;
        let fixed = Path::new(output).with_extension("link");
        let arguments = arguments
            .iter()
            .map(|argument| {
                // An absolute path starts with the character with which an option does.
                let (option, path) = match argument.split_once(':') {
                    Some((option, path)) if option[1..].bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                        (format!("{option}:"), path)
                    }
                    _ => (String::new(), argument.as_str()),
                };
                Ok(format!("{option}{}", fixed_name(Path::new(path), &fixed)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { arguments })
    }
}

/// The name of a file relative to the root folder. What lies outside of it, or in a folder that rustc made for this run,
/// is copied to `fixed` first.
fn fixed_name(path: &Path, fixed: &Path) -> Result<String> {
    let of_this_run =
        |folder: &Path| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rustc"));
    let is_file = path.is_absolute() && path.is_file();
    let path = if is_file && (!path.starts_with(root()) || path.parent().is_some_and(of_this_run)) {
        fs::create_dir_all(fixed).with_context(|| format!("creating {}", fixed.display()))?;
        let copy = fixed.join(path.file_name().context("a file has a name")?);
        fs::copy(path, &copy).with_context(|| format!("copying {} to {}", path.display(), copy.display()))?;
        copy
    } else {
        path.to_path_buf()
    };
    Ok(path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned())
}
