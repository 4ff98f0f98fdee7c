//! The linker of Windows drivers, as rustc calls it: lld-link with names that do not tell where the sources lie.
//!
//! lld-link copies its command line, with all names in it, into the PDB, and derives the identifier in the image from that.
//! So this program runs lld-link in the root folder, with names relative to it, and without the time of day. Its own name
//! is lld-link because rustc tells from the name which options the linker takes.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use irqlog_build::{host, reproducible::SOURCES, shell::root};

fn main() -> ExitCode {
    let Err(error) = link();
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Becomes the linker; returns only if that cannot be started.
fn link() -> Result<std::convert::Infallible> {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut linker = Command::new(host::lld_link());
    // What it calls itself in the PDB.
    linker.arg0("lld-link").current_dir(root()).args(fixed(&arguments)?);
    linker.args(["/Brepro".to_owned(), format!("/PDBSOURCEPATH:{SOURCES}")]);
    Err(linker.exec()).with_context(|| format!("starting {}", host::lld_link().display()))
}

/// The arguments with names relative to the root folder.
fn fixed(arguments: &[String]) -> Result<Vec<String>> {
    let output = arguments.iter().find_map(|argument| argument.strip_prefix("/OUT:")).context("no /OUT")?;
    let copies = Path::new(output).with_extension("link");
    let fixed = arguments.iter().map(|argument| {
        let (option, path) = split(argument);
        Ok(format!("{option}{}", relative(Path::new(path), &copies)?))
    });
    fixed.collect()
}

/// An argument as option and value. An absolute path starts with the character with which an option does.
fn split(argument: &str) -> (&str, &str) {
    match argument.find(':') {
        Some(colon) if colon > 0 && argument[1..colon].bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            argument.split_at(colon + 1)
        }
        _ => ("", argument),
    }
}

/// The name of a file relative to the root folder. A file outside of it, or in a folder that rustc made for this run, is
/// copied to `copies` first.
fn relative(path: &Path, copies: &Path) -> Result<String> {
    let of_this_run =
        |folder: &Path| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rustc"));
    let is_file = path.is_absolute() && path.is_file();
    let path: PathBuf = if is_file && (!path.starts_with(root()) || path.parent().is_some_and(of_this_run)) {
        fs::create_dir_all(copies).with_context(|| format!("creating {}", copies.display()))?;
        let copy = copies.join(path.file_name().context("a file has a name")?);
        fs::copy(path, &copy).with_context(|| format!("copying {} to {}", path.display(), copy.display()))?;
        copy
    } else {
        path.to_path_buf()
    };
    Ok(path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_at_the_option() {
        assert_eq!(split("/OUT:/a/b.dll"), ("/OUT:", "/a/b.dll"));
        assert_eq!(split("/a/b:c.obj"), ("", "/a/b:c.obj"));
        assert_eq!(split("/DEBUG"), ("", "/DEBUG"));
        assert_eq!(split(":x"), ("", ":x"));
    }

    #[test]
    fn names_do_not_tell_where_the_sources_lie() {
        let root = root();
        let folder = env::temp_dir().join(format!("irqlog-link-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let foreign = folder.join("foreign.lib");
        fs::write(&foreign, "library").unwrap();
        let output = folder.join("driver.dll");
        let arguments = [
            format!("/OUT:{}", output.display()),
            root.join("Cargo.toml").display().to_string(),
            foreign.display().to_string(),
            "kernel.lib".to_owned(),
        ];
        let fixed = fixed(&arguments).unwrap();
        assert_eq!(fixed[1], "Cargo.toml");
        assert_eq!(fixed[2], folder.join("driver.link/foreign.lib").display().to_string());
        assert_eq!(fs::read(&fixed[2]).unwrap(), b"library");
        assert_eq!(fixed[3], "kernel.lib");
        fs::remove_dir_all(folder).unwrap();
    }
}
