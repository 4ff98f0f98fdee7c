//! The vendored crates of the driver build, with upstream's host gate opened.
//!
//! The wdk crates support Windows hosts only: `wdk-build` stops the compiler elsewhere and reads the registry through
//! the `windows` crate, which does not compile off Windows. Both are build-time code on the host; nothing of it ends up
//! in the driver. So the driver is built from a vendored copy of all crates in which just that is changed, and
//! `Cargo.lock` stays the one that a Windows build uses, checksums included.
//!
//! One more change is made to build-time code, for builds that do not tell where they were made (`reproducible.rs`):
//! `wdk-sys` writes the absolute name of its bindings into a source file, and the checksum of that goes into the PDB.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    shell::{output, root, run, timed},
    stamp::Stamp,
};

/// Raised when a patch below changes, so that the copies are made anew, and what was built from them.
const PATCHES_VERSION: u32 = 2;

/// Stands in for the `windows` crate in `wdk-build`'s registry look-up: a registry without the key.
const WINDOWS_STUB: &str = include_str!("vendor/windows.rs");

/// Makes the folder of vendored crates if `Cargo.lock` has changed, and gives its path.
///
/// `library` is the Rust library's source, whose own vendored crates `-Zbuild-std` needs from the same place.
///
/// # Errors
/// If `cargo vendor` fails or a crate no longer looks as its patch expects.
pub fn crates(library: Option<&Path>) -> Result<PathBuf> {
    let folder = root().join("target/kit/vendor");
    let stamp = Stamp::new(folder.with_extension("stamp")).files(&root().join("Cargo.lock"))?;
    stamp.value((PATCHES_VERSION, library)).unless_current(|| {
        timed("vendoring the driver's crates", || {
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
            }
            let mut vendor = Command::new("cargo");
            vendor.current_dir(root()).args(["vendor", "--quiet", "--locked", "--versioned-dirs"]).arg(&folder);
            run(vendor.stdout(std::process::Stdio::null()))?;
            open_host_gate(&folder)?;
            name_bindings_alike(&folder)?;
            forget_older_patches()?;
            library.map_or(Ok(()), |library| link_library_crates(&library.join("vendor"), &folder))
        })
    })?;
    Ok(folder)
}

/// Makes the folder of vendored crates of a package outside this workspace.
///
/// Gives the cargo configuration that takes crates from there, those of git repositories too. Without a `Cargo.lock` the package gets ours first: cargo keeps of it what the package needs.
///
/// # Errors
/// If `cargo vendor` fails or a crate does not look as its patch expects.
pub fn outside(package: &Path, target: &Path, library: Option<&Path>) -> Result<PathBuf> {
    let folder = target.join("irqlog-vendor");
    let config = folder.with_extension("toml");
    let lock = package.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), &lock).with_context(|| format!("writing {}", lock.display()))?;
    }
    let manifest = package.join("Cargo.toml");
    let stamp = || Stamp::new(folder.with_extension("stamp")).value((PATCHES_VERSION, library)).files(&manifest);
    if config.exists() && stamp()?.files(&lock)?.is_current() {
        return Ok(config);
    }
    timed("vendoring the driver's crates", || {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        let mut vendor = Command::new("cargo");
        vendor.current_dir(package).args(["vendor", "--versioned-dirs"]).arg(&folder);
        // The configuration, which `--quiet` would leave out.
        let sources = output(&mut vendor)?;
        open_host_gate(&folder)?;
        library.map_or(Ok(()), |library| link_library_crates(&library.join("vendor"), &folder))?;
        fs::write(&config, sources).with_context(|| format!("writing {}", config.display()))
    })?;
    // Vendoring completes the lock file.
    stamp()?.files(&lock)?.unless_current(|| Ok(()))?;
    Ok(config)
}

/// The crates of a vendored folder: path and name with version.
fn vendored(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let with_name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.path(), entry.file_name().to_string_lossy().into_owned()))
    };
    entries.map(with_name).collect()
}

fn is_crate(versioned: &str, name: &str) -> bool {
    versioned.strip_prefix(name).is_some_and(|rest| rest.starts_with("-0"))
}

fn open_host_gate(vendor: &Path) -> Result<()> {
    for (path, name) in vendored(vendor)? {
        let is = |krate: &str| is_crate(&name, krate);
        if is("windows") {
            rewrite(&path, "src/lib.rs", |_| Some(WINDOWS_STUB.to_owned()))?;
        } else if is("windows-future") || is("windows-collections") || is("windows-numerics") {
            rewrite(&path, "src/lib.rs", |_| Some("#![no_std]\n".to_owned()))?;
        } else if is("wdk-build") {
            rewrite(&path, "src/utils.rs", remove_compile_errors)?;
            rewrite(&path, "src/cargo_make.rs", |text| {
                let changed = text.replace("std::os::windows::fs::symlink_file", "std::os::unix::fs::symlink");
                (changed != text).then_some(changed)
            })?;
        }
    }
    Ok(())
}

/// Has the bindings of `wdk-sys` named relative to our root folder, and found by that name.
fn name_bindings_alike(vendor: &Path) -> Result<()> {
    for (path, name) in vendored(vendor)? {
        if is_crate(&name, "wdk-sys") {
            rewrite(&path, "build.rs", name_bindings_from_root)?;
        } else if is_crate(&name, "wdk") {
            // It is compiled in its own folder, and the first to look for the bindings by their name.
            let link = path.join("target");
            std::os::unix::fs::symlink(root().join("target"), &link)
                .with_context(|| format!("linking {}", link.display()))?;
        }
    }
    Ok(())
}

/// Cargo takes a crate from a registry for the same as long as its version is: what was built from a copy with other
/// patches has to go.
fn forget_older_patches() -> Result<()> {
    let stamp = Stamp::new(root().join("target/kit/patches.stamp")).value(PATCHES_VERSION);
    // Without a stamp nothing was built from older ones.
    let targets: &[&str] = if stamp.is_there() { &["driver", "checked", "planted/build"] } else { &[] };
    stamp.unless_current(|| {
        for target in targets {
            let folder = root().join("target").join(target);
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
            }
        }
        Ok(())
    })
}

/// Has `wdk-sys` name the bindings relative to our root folder.
fn name_bindings_from_root(text: &str) -> Option<String> {
    const NAME: &str = "out_path.join(\"types.rs\").to_str()";
    let relative =
        format!("{NAME}.map(|path| path.strip_prefix({:?}).unwrap_or(path))", root().join("").display().to_string());
    let changed = text.replace(NAME, &relative);
    (changed != text).then_some(changed)
}

/// Replaces each `compile_error!(...)` by a panic: the functions are called by cargo-make only.
fn remove_compile_errors(text: &str) -> Option<String> {
    const CALL: &str = "compile_error!(";
    let changed = text.replace(CALL, "unreachable!(");
    (changed != text).then_some(changed)
}

fn rewrite(krate: &Path, file: &str, change: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let path = krate.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let changed = change(&text);
    ensure!(
        changed.is_some(),
        "{} does not look as its patch expects: adapt tools/build/src/vendor.rs",
        path.display()
    );
    fs::write(&path, changed.unwrap_or_default()).with_context(|| format!("writing {}", path.display()))?;
    // An empty list of files turns cargo's check of the copy off; the package checksum stays, as Cargo.lock has it.
    let checksums = krate.join(".cargo-checksum.json");
    let text = fs::read_to_string(&checksums).with_context(|| format!("reading {}", checksums.display()))?;
    let mut json: serde_json::Value = serde_json::from_str(&text).with_context(|| checksums.display().to_string())?;
    json["files"] = serde_json::json!({});
    fs::write(&checksums, json.to_string()).with_context(|| format!("writing {}", checksums.display()))
}

fn link_library_crates(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let link = to.join(entry.file_name());
        if !link.exists() {
            std::os::unix::fs::symlink(entry.path(), &link).with_context(|| format!("linking {}", link.display()))?;
        }
    }
    Ok(())
}
