//! `cargo xtask soak`: what takes minutes or hours, in tiers that can be chosen.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{self, root, step, timed},
};
use irqlog_imagecheck as imagecheck;
use irqlog_kit::Arch;
use irqlog_package as package;
use irqlog_worlds::{faults, rig, world::WorldArgument};

use crate::{makefile, mutants, nightly};

/// A tier of soak, in the order in which the tiers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Models of the ring with more preemptions than `cargo test` tries
    Models,
    /// A slice index planted in the record path, which verify-sys has to refuse
    SliceIndex,
    /// Every planted fault, in each world
    Faults,
    /// An NMI and an interrupt at every instruction of the record path for ARM64
    CoverageArm64,
    /// A crash at every instruction of the record path, whose dump is read back
    CrashPath,
    /// The same for ARM64, at every 23rd instruction
    CrashPathArm64,
    /// The log found in a dump of 16 GiB: speed and memory
    BigDump,
    /// The storm for ARM64; the emulator makes it shorter
    StormArm64,
    /// Packages from two clones, which have to be the same
    Packages,
    /// irqlog.sys started and stopped 1,000 times under load, with nothing left behind
    Restarts,
    /// Makefile.toml under cargo-make, with stand-ins for the tools of the WDK
    Makefile,
    /// Mutants of the ring and the recorder, or of other packages, which tests have to catch
    Mutants,
    /// Every fuzz target for a minute each, by nightly
    Fuzz,
    /// AddressSanitizer, by nightly: the stress, and the tests of crates with unsafe code
    Asan,
    /// ThreadSanitizer, by nightly: the stress
    Tsan,
    /// Miri, by nightly: the tests of wire, ring, recorder and reader
    Miri,
    /// Ring and recorder as libraries, under signals as NMIs, with a checker of its own
    Stress,
    /// The storm on this machine's architecture
    Storm,
}

/// Calls that the threads of the storm make, unless it is said.
const STORM: u64 = 10_000_000;
/// Records that the stress writes, unless it is said.
const STRESS: u64 = 100_000_000;

/// Options of the storms, the stress, and the mutations.
#[derive(Clone, Debug)]
pub struct SoakOptions {
    /// Calls that the threads of the storm make, and records that the stress writes; `None` for as many as each has by
    /// itself.
    pub records: Option<u64>,
    /// The engine of the driver.
    pub engine: String,
    /// The lock of engine shared.
    pub lock: String,
    /// Which mutants are tried.
    pub mutants: mutants::Choice,
}

/// Runs the tiers in `only`, or all of them if it is empty. The JSON of the storm, or of the stress, is the last line.
///
/// # Errors
/// The first tier that fails.
pub fn run(only: &[Tier], parameters: &SoakOptions) -> Result<()> {
    let chosen = chosen(only);
    for &tier in &chosen {
        run_tier(tier, parameters)?;
    }
    Ok(())
}

/// The tiers to run, in their own order: the storm comes last.
fn chosen(only: &[Tier]) -> Vec<Tier> {
    Tier::value_variants().iter().copied().filter(|tier| only.is_empty() || only.contains(tier)).collect()
}

fn run_tier(tier: Tier, parameters: &SoakOptions) -> Result<()> {
    match tier {
        Tier::Models => timed("deep models", || {
            let mut cargo = Command::new("cargo");
            cargo.current_dir(root()).args(["test", "--locked", "--release"]);
            cargo.args(["-p", "irqlog-ring", "--test", "loom_lane"]);
            shell::run(cargo.env("IRQLOG_DEEP_MODELS", "1"))
        }),
        Tier::SliceIndex => timed("a planted slice index", imagecheck::planted),
        Tier::Faults => timed("planted faults", || faults::run(WorldArgument::All.worlds(), &[])),
        Tier::CoverageArm64 => timed("the record path for ARM64, interrupted at every instruction", || {
            rig::prepare(Arch::Arm64)?;
            imagecheck::run(&[Arch::Arm64])?;
            shell::run(&mut rig::coverage(Arch::Arm64, &drivers::image(Arch::Arm64, "irqlog"))?)
        }),
        Tier::CrashPath => timed("a crash at every instruction of the record path", || {
            rig::prepare(NATIVE)?;
            imagecheck::run(&[NATIVE])?;
            rig::crash_path(NATIVE, 1)
        }),
        Tier::CrashPathArm64 => timed("a crash at every 23rd instruction of the record path for ARM64", || {
            rig::prepare(Arch::Arm64)?;
            imagecheck::run(&[Arch::Arm64])?;
            rig::crash_path(Arch::Arm64, 23)
        }),
        Tier::BigDump => timed("the log in a dump of 16 GiB", || {
            let mut cargo = Command::new("cargo");
            cargo.current_dir(root()).args(["test", "--locked", "--release", "-p", "irqlog-cli", "--test", "big_dump"]);
            shell::run(cargo.args(["--", "--ignored", "--nocapture"]))
        }),
        Tier::StormArm64 => timed("a storm for ARM64, divided by the emulator's scale", || {
            rig::prepare(Arch::Arm64)?;
            storm(Arch::Arm64, parameters)
        }),
        Tier::Packages => timed("packages from two clones", || package::twice(&Arch::ALL)),
        Tier::Restarts => timed("1,000 starts and stops under load", || {
            rig::prepare(NATIVE)?;
            shell::run(rig::command(NATIVE, &drivers::images(NATIVE))?.args(["--processors", "2", "restarts"]))
        }),
        Tier::Makefile => timed("Makefile.toml under cargo-make", makefile::check),
        Tier::Mutants => timed("mutations", || mutants::run_all(&parameters.mutants)),
        Tier::Fuzz => timed("fuzzing", nightly::fuzz),
        Tier::Asan => timed("AddressSanitizer", nightly::address),
        Tier::Tsan => timed("ThreadSanitizer", nightly::thread),
        Tier::Miri => timed("Miri", nightly::miri),
        Tier::Stress => timed("the stress of ring and recorder", || {
            let mut cargo = Command::new("cargo");
            cargo.current_dir(root()).args(["run", "--locked", "--quiet", "--package", "irqlog-stress"]);
            let records = parameters.records.unwrap_or(STRESS);
            shell::run(cargo.args(["--", "--records", &records.to_string()]))
        }),
        Tier::Storm => {
            rig::prepare(NATIVE)?;
            let SoakOptions { engine, lock, .. } = parameters;
            // Not timed: its last line is the command's.
            step(&format!("a storm of {} calls, engine {engine}, lock {lock}", parameters.records.unwrap_or(STORM)));
            storm(NATIVE, parameters)
        }
    }
}

fn storm(arch: Arch, parameters: &SoakOptions) -> Result<()> {
    let mut rig = rig::command(arch, &drivers::images(arch))?;
    rig.args(["soak", "--records", &parameters.records.unwrap_or(STORM).to_string()]);
    shell::run(rig.args(["--engine", &parameters.engine, "--lock", &parameters.lock]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storm_is_last_whatever_is_chosen() {
        assert_eq!(chosen(&[]).last(), Some(&Tier::Storm));
        assert_eq!(chosen(&[]).len(), Tier::value_variants().len());
        assert_eq!(chosen(&[Tier::Storm, Tier::Models]), [Tier::Models, Tier::Storm]);
    }
}
