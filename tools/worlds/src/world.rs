//! A world: something that irqlog.sys runs in.

use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use irqlog_build::{drivers, host::NATIVE};
use irqlog_kit::Arch;

use crate::{
    agreement, cli, in_wine,
    rig::{self, Serving},
    target::Target,
    verdict::{Verdict, limited},
    wine::{self, Wine},
};

/// Something that irqlog.sys runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The rig, with the image for x64.
    RigX64,
    /// The rig, with the image for ARM64.
    RigArm64,
    /// Wine, with the image for x64.
    Wine,
}

/// A choice of worlds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WorldArgument {
    /// The rig, with the image for x64
    RigX64,
    /// The rig, with the image for ARM64; under an emulator where the machine is another
    RigArm64,
    /// Wine, whose I/O manager and service manager are not ours
    Wine,
    /// All of them
    All,
}

impl WorldArgument {
    /// The worlds of this choice, in the order of the table.
    pub const fn worlds(self) -> &'static [World] {
        match self {
            Self::RigX64 => &[World::RigX64],
            Self::RigArm64 => &[World::RigArm64],
            Self::Wine => &[World::Wine],
            Self::All => &[World::RigX64, World::RigArm64, World::Wine],
        }
    }
}

impl World {
    /// Name on the command line and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RigX64 => "rig-x64",
            Self::RigArm64 => "rig-arm64",
            Self::Wine => "wine",
        }
    }

    /// Architecture of the image that runs there.
    pub const fn arch(self) -> Arch {
        match self {
            Self::RigX64 | Self::Wine => Arch::X64,
            Self::RigArm64 => Arch::Arm64,
        }
    }

    /// Whether it is the rig, without an emulator.
    pub fn is_native_rig(self) -> bool {
        self != Self::Wine && self.arch() == NATIVE
    }

    /// Why this machine cannot have this world; `None` if it can.
    pub fn lacks(self) -> Option<String> {
        match self {
            Self::RigX64 if NATIVE != Arch::X64 => Some("an x64 rig needs an x64 machine".to_owned()),
            Self::Wine => wine::install().err().map(|error| format!("Wine is not there: {error:#}")),
            Self::RigX64 | Self::RigArm64 => None,
        }
    }

    /// Builds what it needs, and in every world the rig of this machine: that names the scenarios, and `cli-same` compares
    /// with it.
    ///
    /// # Errors
    /// Whatever of the tools fails.
    pub fn prepare(self) -> Result<()> {
        rig::prepare(NATIVE)?;
        match self {
            Self::Wine => wine::prepare(),
            _ if self.arch() == NATIVE => Ok(()),
            _ => rig::prepare(self.arch()),
        }
    }

    /// Runs a scenario with the built driver.
    ///
    /// # Errors
    /// If the scenario cannot be started. A scenario that fails is an verdict.
    pub fn run(self, scenario: &str) -> Result<Verdict> {
        self.run_in(&drivers::images(self.arch()), scenario)
    }

    /// Runs a scenario with another irqlog.sys.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with(self, image: &Path, scenario: &str) -> Result<Verdict> {
        if self == Self::Wine {
            wine::use_driver(image)?;
        }
        self.run_in(image.parent().context("a folder")?, scenario)
    }

    fn run_in(self, images: &Path, scenario: &str) -> Result<Verdict> {
        if let Some(cli) = cli::ALL.iter().find(|cli| cli.name == scenario) {
            return Ok(self.through_cli(images, cli).into());
        }
        match self {
            Self::RigX64 | Self::RigArm64 => run_in_rig(self.arch(), images, scenario),
            Self::Wine => Ok(in_wine::run(scenario)),
        }
    }

    fn through_cli(self, images: &Path, scenario: &cli::CliScenario) -> Result<()> {
        let target: Box<dyn Target> = match self {
            Self::RigX64 | Self::RigArm64 => Box::new(Serving::start_with(self.arch(), images, 0)?),
            Self::Wine => Box::new(Wine::start(&[])?),
        };
        (scenario.run)(&*target)?;
        target.stop()
    }
}

fn run_in_rig(arch: Arch, images: &Path, scenario: &str) -> Result<Verdict> {
    if in_wine::OWN.contains(&scenario) {
        return Ok(Verdict::NotHere("the rig has no service manager"));
    }
    let mut rig = rig::command(arch, images)?;
    let dump = rig::dump_of(arch, scenario)?;
    // It only notes what is expected to break Driver Verifier's rules, so it costs no run of its own.
    rig.arg("--verifier").arg("--dump").arg(&dump);
    let dumps = agreement::folder(arch, scenario)?;
    if let Some(dumps) = &dumps {
        rig.arg("--crash-dumps").arg(dumps);
    }
    Ok(match limited(rig.args(["run", scenario]))? {
        // In front: programs say last why they end, and the summary repeats the last line.
        Verdict::Failed(said) => Verdict::Failed(rig::shown_crash(&dump).unwrap_or_default() + &said),
        Verdict::Passed => dumps.map_or(Ok(()), |dumps| agreement::check(&dumps)).into(),
        other @ Verdict::NotHere(_) => other,
    })
}
