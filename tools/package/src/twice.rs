//! Shows that a package does not depend on where it was made: two clones at different paths give the same files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    reproducible,
    shell::{self, root, step, timed},
};
use irqlog_kit::Arch;

use crate::{
    catalog,
    layout::{files, folder},
};

/// Builds the packages from two clones of what is committed, and compares them.
///
/// # Errors
/// If they differ in more than signatures and what signing makes of them, or tell a path of this machine.
pub fn run(archs: &[Arch]) -> Result<()> {
    let base = root().join("target/twice");
    // Of different lengths, or padding might hide what is left of them.
    let clones = [base.join("one"), base.join("another/in/a-longer/path")];
    let changed = shell::output(Command::new("git").current_dir(root()).args(["status", "--porcelain"]))?;
    if !changed.is_empty() {
        step("what is not committed is not in the clones:");
        eprint!("{changed}");
    }
    // Both of what is committed now, whatever is in an hour.
    let date = reproducible::date()?;
    for clone in &clones {
        clone_to(clone)?;
    }
    for clone in &clones {
        make(clone, archs, date)?;
    }
    for &arch in archs {
        let [one, other] = clones.each_ref().map(|clone| {
            let own = folder(arch);
            clone.join(own.strip_prefix(root()).unwrap_or(&own))
        });
        compare(&one, &other, &clones)?;
    }
    fs::remove_dir_all(&base).with_context(|| format!("removing {}", base.display()))
}

fn clone_to(clone: &Path) -> Result<()> {
    if clone.exists() {
        fs::remove_dir_all(clone).with_context(|| format!("removing {}", clone.display()))?;
    }
    shell::run(Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(clone))
}

fn make(clone: &Path, archs: &[Arch], date: u64) -> Result<()> {
    timed(&format!("packages from a clone at {}", clone.display()), || {
        for arch in archs {
            let mut cargo = Command::new("cargo");
            for variable in ["CARGO", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"] {
                cargo.env_remove(variable);
            }
            cargo.env("SOURCE_DATE_EPOCH", date.to_string());
            shell::run(cargo.current_dir(clone).args(["xtask", "package", "--arch", arch.name()]))?;
        }
        Ok(())
    })
}

/// Compares two packages file by file, without what signing has put in.
fn compare(one: &Path, other: &Path, clones: &[PathBuf]) -> Result<()> {
    let private = reproducible::private_folders()?;
    let names = files(one)?;
    ensure!(names == files(other)?, "{} and {} have different files", one.display(), other.display());
    for name in &names {
        let [first, second] = [one, other].map(|folder| fs::read(folder.join(name)));
        if name.file_name().is_some_and(|name| name == "irqlog-test.cer") {
            continue;
        }
        let (first, second) = (unsigned(name, first?)?, unsigned(name, second?)?);
        let name = name.display();
        if let Some(at) = first.iter().zip(&second).position(|(first, second)| first != second) {
            bail!("{name} differs between {} and {}, first at byte {at}", one.display(), other.display());
        }
        ensure!(first.len() == second.len(), "{name} is longer in one of {}, {}", one.display(), other.display());
        for path in clones.iter().chain(&private) {
            let told = path.display().to_string();
            let is_told = first.windows(told.len()).any(|window| window == told.as_bytes());
            ensure!(!is_told, "{} tells where it was made: {told}", one.join(name.to_string()).display());
        }
    }
    println!("{} and {} are the same", one.display(), other.display());
    Ok(())
}

/// A file as it was before it was signed: signatures tell the time.
fn unsigned(name: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("sys" | "exe") => catalog::without_signature(bytes).with_context(|| name.display().to_string()),
        Some("cat") => catalog::list(&bytes).with_context(|| name.display().to_string()),
        _ => Ok(bytes),
    }
}
