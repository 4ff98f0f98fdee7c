//! Drivers of others: those of `testdata/outsider`, built and run with the commands that their authors would use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{outside, shell::root};
use irqlog_kit::Arch;

/// The drivers: names of folder and image.
const DRIVERS: [&str; 2] = ["nvmini", "mycdrv"];

/// Builds the drivers for both architectures, and gives their images. They are built outside of `testdata`, which stays as
/// it is; what was built before is built again only as far as it has changed.
///
/// # Errors
/// If one does not build.
pub fn build() -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for name in DRIVERS {
        // As deep in the tree, so that a path to a crate of ours is the same.
        let copy = root().join("target/outsider").join(name);
        copy_changed(&root().join("testdata/outsider").join(name), &copy)?;
        let built = outside::build(&copy, &Arch::ALL, &[])?;
        let expected = Arch::ALL.map(|arch| copy.join("target/driver").join(arch.name()).join(format!("{name}.sys")));
        ensure!(built == expected, "{name}: the images are {built:?}");
        images.extend(built);
    }
    Ok(images)
}

/// Copies the files of a folder that differ: cargo builds anew what has a new time.
fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_changed(&path, &copy)?;
            continue;
        }
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        if fs::read(&copy).ok().as_ref() != Some(&text) {
            fs::write(&copy, text).with_context(|| format!("writing {}", copy.display()))?;
        }
    }
    Ok(())
}

/// A driver whose folder `kit` adds to the kit: it builds, and without the folder the error names what is not found.
fn additions() -> Result<()> {
    let copy = root().join("target/outsider/clock");
    copy_changed(&root().join("testdata/outsider/clock"), &copy)?;
    outside::build(&copy, &Arch::ALL, &[])?;
    fs::remove_dir_all(copy.join("kit")).context("removing what the driver adds")?;
    let said = match outside::build(&copy, &[Arch::Arm64], &[]) {
        Ok(_) => bail!("the kit has KeQueryInterruptTime now: take another routine into testdata/outsider/clock"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("not found: KeQueryInterruptTime.") && said.contains("declarations.h"), "{said}");
    Ok(())
}

/// Builds the drivers with `build-driver`.
///
/// # Errors
/// If one does not build for both architectures.
pub fn run() -> Result<()> {
    for image in build()? {
        println!("{}", image.display());
    }
    additions()
}
