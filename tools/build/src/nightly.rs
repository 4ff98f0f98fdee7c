//! Nightly, for what stable Rust does not have: sanitizers, Miri, libFuzzer. Nothing that is shipped is built with it.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{output, root, run, step};

/// The nightly that is used, by its date. It is pinned here alone: another one may warn of more, or lack a component.
pub const TOOLCHAIN: &str = "nightly-2026-05-20";
/// The version of cargo-fuzz.
const CARGO_FUZZ: &str = "0.13.2";

/// A folder for what the builds of nightly leave, apart from those of stable.
pub const TARGET: &str = "target/nightly";

/// Installs the toolchain and these components through rustup, if they are missing.
///
/// # Errors
/// If they are missing and cannot be installed.
pub fn prepare(components: &[&str]) -> Result<()> {
    let listed = output(Command::new("rustup").args(["component", "list", "--installed", "--toolchain", TOOLCHAIN]));
    let listed = listed.unwrap_or_default();
    let is_there = |name: &&str| listed.lines().any(|line| line.starts_with(*name));
    if listed.is_empty() || !components.iter().all(is_there) {
        step(&format!("installing Rust {TOOLCHAIN} with {}", components.join(", ")));
        let mut rustup = Command::new("rustup");
        rustup.args(["toolchain", "install", TOOLCHAIN, "--profile", "minimal", "--no-self-update"]);
        for component in components {
            rustup.args(["--component", component]);
        }
        run(&mut rustup).with_context(|| format!("{TOOLCHAIN} has to be installed by rustup (https://rustup.rs)"))?;
    }
    Ok(())
}

/// Installs cargo-fuzz, if it is missing, and the toolchain that it needs.
///
/// # Errors
/// If they are missing and cannot be installed.
pub fn prepare_fuzz() -> Result<()> {
    prepare(&["rust-src"])?;
    let has = Command::new("cargo").args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success());
    if !has {
        step(&format!("installing cargo-fuzz {CARGO_FUZZ}"));
        run(Command::new("cargo").args(["install", "--locked", "--quiet", "--version", CARGO_FUZZ, "cargo-fuzz"]))?;
    }
    Ok(())
}

/// `cargo` of that nightly, at the repository's root.
pub fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    // An outer cargo has set its own compiler for its children.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    cargo.arg(format!("+{TOOLCHAIN}"));
    cargo
}
