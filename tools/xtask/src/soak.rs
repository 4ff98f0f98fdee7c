//! `cargo xtask soak`: what takes minutes or hours.

use std::process::Command;

use anyhow::Result;
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{self, root, step, timed},
};
use irqlog_imagecheck as imagecheck;
use irqlog_kit::Arch;
use irqlog_package as package;
use irqlog_worlds::{faults, rig, scenarios::WorldArgument};

use crate::mutants;

/// Runs all of it; the last line is one JSON object. Engine and lock are what the driver has today.
///
/// # Errors
/// The first tier that fails.
pub fn run(records: u64, engine: &str, lock: &str) -> Result<()> {
    rig::prepare(NATIVE)?;
    timed("deep models", || {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root()).args(["test", "--locked", "--release", "-p", "irqlog-ring", "--test", "loom_lane"]);
        shell::run(cargo.env("IRQLOG_DEEP_MODELS", "1"))
    })?;
    timed("a planted slice index", imagecheck::planted)?;
    timed("planted faults", || faults::run(WorldArgument::All.worlds()))?;
    timed("the record path for ARM64, interrupted at every instruction", || {
        rig::prepare(Arch::Arm64)?;
        imagecheck::run(&[Arch::Arm64])?;
        shell::run(&mut rig::coverage(Arch::Arm64, &drivers::image(Arch::Arm64, "irqlog"))?)
    })?;
    timed("a storm for ARM64, divided by the emulator's scale", || storm(Arch::Arm64, records, engine, lock))?;
    timed("packages from two clones", || package::twice(&Arch::ALL))?;
    timed("mutations", mutants::run_all)?;
    // Not timed: its last line is the command's.
    step(&format!("a storm of {records} calls, engine {engine}, lock {lock}"));
    storm(NATIVE, records, engine, lock)
}

fn storm(arch: Arch, records: u64, engine: &str, lock: &str) -> Result<()> {
    let mut rig = rig::command(arch, &drivers::images(arch))?;
    shell::run(rig.args(["soak", "--records", &records.to_string(), "--engine", engine, "--lock", lock]))
}
