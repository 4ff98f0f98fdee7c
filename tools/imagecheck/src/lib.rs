//! Checks linked images without running them: `cargo xtask verify-sys`.
//!
//! | Module | What |
//! |---|---|
//! | [`image`] | the PE file: imports, header, sections, checksum |
//! | [`cli`] | imports of irqlog.exe |
//! | [`code`] | instructions, by function |
//! | [`path`] | the record path and the bug-check callbacks: everything that can be called from their roots |

mod barriers;
mod cli;
mod code;
mod image;
mod path;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
pub use cli::check as windows_cli;
use irqlog_build::{
    drivers,
    shell::{root, timed},
};
use irqlog_kit::Arch;
use irqlog_nt::routines::Export;

/// Verifies the built images of these architectures, and stops at the first image that breaks a rule.
///
/// # Errors
/// If an image breaks a rule; the message lists all rules that it breaks.
pub fn run(archs: &[Arch]) -> Result<()> {
    for &arch in archs {
        let image = drivers::image(arch, "irqlog");
        let report = timed(&format!("verifying {}", image.display()), || verify(arch, &image))?;
        print!("{report}");
        for name in drivers::SAMPLES {
            print!("{}", verify_sample(arch, name)?);
        }
    }
    Ok(())
}

/// Verifies one image, and writes the instructions of its record path beside it, for the rig.
///
/// # Errors
/// As [`run`].
pub fn verify(arch: Arch, path: &Path) -> Result<String> {
    let image = image::LinkedImage::read(path)?;
    let code = code::Code::read(arch, path)?;
    let mut broken = image.check(arch, Export::is_for_driver);
    broken.extend(code.check(arch));
    let record_path = path::CallGraph::find(&code, arch, &path::RECORD);
    broken.extend(record_path.check(&image));
    let crash_path = path::CallGraph::find(&code, arch, &path::CRASH);
    broken.extend(crash_path.check(&image));
    if arch == Arch::Arm64 {
        broken.extend(barriers::check(&code));
    }
    if !broken.is_empty() {
        bail!("{} breaks these rules:\n  {}", path.display(), broken.join("\n  "));
    }
    let list = path.with_extension("record-path.json");
    fs::write(&list, record_path.to_json().to_string()).with_context(|| format!("writing {}", list.display()))?;
    Ok(format!(
        "{} ({})\n{}{}{}",
        path.strip_prefix(root()).unwrap_or(path).display(),
        arch.name(),
        image.report(),
        record_path.report(),
        crash_path.report()
    ))
}

/// Verifies a driver that logs events: nothing in it panics or allocates, so no log call does, and its sites are
/// well-formed.
fn verify_sample(arch: Arch, name: &str) -> Result<String> {
    let path = drivers::image(arch, name);
    let image = image::LinkedImage::read(&path)?;
    let mut broken = image.check(arch, |row| !row.name.starts_with("ExAllocate") && !row.name.starts_with("ExFree"));
    broken.extend(code::Code::read(arch, &path)?.check(arch));
    let sites = image.sites().map_err(|error| broken.push(format!("{error:#}"))).unwrap_or_default();
    if !broken.is_empty() {
        bail!("{} breaks these rules:\n  {}", path.display(), broken.join("\n  "));
    }
    let path = path.strip_prefix(root()).unwrap_or(&path);
    Ok(format!("{} ({})\n  {sites} sites, no panic, no allocation\n", path.display(), arch.name()))
}

/// Builds a driver with a slice index in the record path, and checks that [`verify`] refuses it.
///
/// # Errors
/// If the driver is not refused, or for another reason.
pub fn planted() -> Result<()> {
    // Any index that the compiler cannot prove to be inside.
    let image = drivers::patched(&root().join("testdata/faults/slice-index.patch"), Arch::X64)?;
    match verify(Arch::X64, &image) {
        Ok(_) => bail!("a slice index in the record path was not noticed"),
        Err(error) if format!("{error:#}").contains("panic") => {
            println!("a planted slice index is refused, as it should be:\n{error:#}");
            Ok(())
        }
        Err(error) => Err(error.context("a planted slice index was refused for another reason")),
    }
}
