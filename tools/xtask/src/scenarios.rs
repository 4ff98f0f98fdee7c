//! `cargo xtask scenarios`: every scenario in every world, and one table of what came of it.
//!
//! A **world** is something that irqlog.sys runs in: our rig on x64, our rig on ARM64, and Wine, whose I/O manager and
//! service manager are not ours. The list of scenarios is the rig's own; each runs in a process of its own, with a time
//! limit, because a defect may well be a run that never ends.

use std::{
    fmt,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use irqlog_kit::Arch;

use crate::{
    rig,
    shell::{output, step},
};

/// Something that irqlog.sys runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    RigX64,
    RigArm64,
}

/// A choice of worlds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WorldArgument {
    /// The rig, with the image for x64
    RigX64,
    /// The rig, with the image for ARM64; under an emulator where the machine is another
    RigArm64,
    /// All of them
    All,
}

impl WorldArgument {
    /// What is chosen.
    pub const fn worlds(self) -> &'static [World] {
        match self {
            Self::RigX64 => &[World::RigX64],
            Self::RigArm64 => &[World::RigArm64],
            Self::All => &[World::RigX64, World::RigArm64],
        }
    }
}

impl World {
    /// Its name on the command line and in the table.
    const fn name(self) -> &'static str {
        match self {
            Self::RigX64 => "rig-x64",
            Self::RigArm64 => "rig-arm64",
        }
    }

    const fn arch(self) -> Arch {
        match self {
            Self::RigX64 => Arch::X64,
            Self::RigArm64 => Arch::Arm64,
        }
    }
}

/// What came of a scenario in a world.
#[derive(Debug)]
enum Outcome {
    Passed,
    /// With what it said.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
        })
    }
}

/// Longer than the rig's own patience with a deadlock.
const LIMIT: Duration = Duration::from_mins(3);

/// Runs scenarios, all of them if `names` is empty, in `worlds`, and prints the table.
///
/// # Errors
/// If one fails that should pass, or there is no scenario of a name.
pub fn run(worlds: &[World], names: &[String]) -> Result<()> {
    let mut failed = Vec::new();
    for &world in worlds {
        let arch = world.arch();
        rig::prepare(arch)?;
        if arch != rig::NATIVE {
            step(&format!("{} runs under an emulator: it shows logic, not memory order", world.name()));
        }
        let scenarios = select(&list()?, names)?;
        if world == worlds[0] {
            println!("{:28} {:10} {:7} {:>8}", "scenario", "world", "result", "time");
        }
        for scenario in scenarios {
            let start = Instant::now();
            let outcome = run_in_rig(arch, &scenario)?;
            println!("{scenario:28} {:10} {outcome:7} {:7.2}s", world.name(), start.elapsed().as_secs_f64());
            if let Outcome::Failed(said) = outcome {
                eprintln!("{said}");
                failed.push(format!("{scenario} in {}", world.name()));
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// The names of all scenarios.
fn list() -> Result<Vec<String>> {
    let text = output(rig::command(rig::NATIVE, &rig::images(rig::NATIVE))?.arg("list"))?;
    Ok(text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect())
}

fn select(all: &[String], names: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no scenario {unknown}; there are {}", all.join(", "));
    }
    Ok(all.iter().filter(|name| names.is_empty() || names.contains(name)).cloned().collect())
}

fn run_in_rig(arch: Arch, scenario: &str) -> Result<Outcome> {
    let mut rig = rig::command(arch, &rig::images(arch))?;
    limited(rig.args(["run", scenario]), LIMIT)
}

/// Runs a command that may take so long.
fn limited(command: &Command, limit: Duration) -> Result<Outcome> {
    let mut limited = Command::new("timeout");
    limited.arg(limit.as_secs().to_string()).arg(command.get_program()).args(command.get_args());
    let output = limited.output().context("starting `timeout`")?;
    if output.status.success() {
        return Ok(Outcome::Passed);
    }
    let mut said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What `timeout` ends with when it had to.
    if output.status.code() == Some(124) {
        said.push_str(&format!("it did not end within {} s\n", limit.as_secs()));
    }
    Ok(Outcome::Failed(said))
}
