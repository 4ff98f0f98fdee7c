//! `cargo xtask scenarios`: every scenario in every world, and one table of what came of it.
//!
//! A **world** is something that irqlog.sys runs in: our rig on x64, our rig on ARM64, and Wine, whose I/O manager and
//! service manager are not ours. The list of scenarios is the rig's own; each runs in a process of its own, with a time
//! limit, because a defect may well be a run that never ends.

use std::{
    fmt,
    path::Path,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{output, run as call, step},
};
use irqlog_kit::Arch;

use crate::{
    cli, in_wine,
    rig::{self, Serving},
    wine::{self, Wine},
};

/// A driver that runs somewhere, and the CLI on it.
pub trait Target: Sync {
    /// What the CLI says on standard output.
    ///
    /// # Errors
    /// If it fails, with what it said on standard error.
    fn irqlog(&self, arguments: &[&str]) -> Result<String>;

    /// Starts the CLI, with its output in a file.
    ///
    /// # Errors
    /// If it cannot be started.
    fn spawn(&self, arguments: &[&str], out: &Path) -> Result<Child>;

    /// How the CLI calls a file.
    fn path(&self, path: &Path) -> String;

    /// Ctrl-C for a CLI that [`spawn`](Self::spawn) started.
    ///
    /// # Errors
    /// If it cannot be sent.
    fn interrupt(&self, child: &Child) -> Result<()> {
        // `timeout`, which runs it, passes the signal on.
        call(Command::new("kill").args(["-INT", &child.id().to_string()]))
    }

    /// Whether a CLI ended as it should after [`interrupt`](Self::interrupt).
    ///
    /// # Errors
    /// If it did not.
    fn check_interrupted(&self, status: ExitStatus) -> Result<()>;

    /// Stops the driver, and looks for what it left where that can be seen.
    ///
    /// # Errors
    /// If it does not stop, or something is left.
    fn stop(self: Box<Self>) -> Result<()>;
}

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
    /// What is chosen.
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
    /// Its name on the command line and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RigX64 => "rig-x64",
            Self::RigArm64 => "rig-arm64",
            Self::Wine => "wine",
        }
    }

    /// The architecture of the image that it runs.
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

    /// Why this machine cannot have it; nothing if it can.
    pub fn lacks(self) -> Option<String> {
        match self {
            Self::RigX64 if NATIVE != Arch::X64 => Some("an x64 rig needs an x64 machine".to_owned()),
            Self::Wine => wine::install().err().map(|error| format!("Wine is not there: {error:#}")),
            Self::RigX64 | Self::RigArm64 => None,
        }
    }

    /// Builds what it needs.
    ///
    /// # Errors
    /// Whatever of the tools fails.
    pub fn prepare(self) -> Result<()> {
        match self {
            Self::RigX64 => rig::prepare(Arch::X64),
            Self::RigArm64 => rig::prepare(Arch::Arm64),
            // The names of the scenarios are the rig's.
            Self::Wine => rig::prepare(NATIVE).and_then(|()| wine::prepare()),
        }
    }

    /// Does a scenario, with the real driver.
    fn run(self, scenario: &str) -> Result<Outcome> {
        self.run_in(&drivers::images(self.arch()), scenario)
    }

    /// Does a scenario with another irqlog.sys.
    ///
    /// # Errors
    /// If it cannot be done; what comes of it is the outcome.
    pub fn run_with(self, image: &Path, scenario: &str) -> Result<Outcome> {
        if self == Self::Wine {
            wine::use_driver(image)?;
        }
        self.run_in(image.parent().context("a folder")?, scenario)
    }

    fn run_in(self, images: &Path, scenario: &str) -> Result<Outcome> {
        if let Some(cli) = cli::ALL.iter().find(|cli| cli.name == scenario) {
            return Ok(self.through_cli(images, cli).into());
        }
        match self {
            Self::RigX64 | Self::RigArm64 => run_in_rig(self.arch(), images, scenario),
            Self::Wine => Ok(in_wine::run(scenario)),
        }
    }

    fn through_cli(self, images: &Path, scenario: &cli::Scenario) -> Result<()> {
        let target: Box<dyn Target> = match self {
            Self::RigX64 | Self::RigArm64 => Box::new(Serving::start_with(self.arch(), images, 0)?),
            Self::Wine => Box::new(Wine::start(&[])?),
        };
        (scenario.run)(&*target)?;
        target.stop()
    }
}

/// What came of a scenario in a world.
#[derive(Debug)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// With what it said.
    Failed(String),
    /// This world cannot show it, and why.
    NotHere(&'static str),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        result.map_or_else(|error| Self::Failed(format!("{error:#}")), |()| Self::Passed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::NotHere(_) => "-",
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
        world.prepare()?;
        if world == World::RigArm64 && NATIVE != Arch::Arm64 {
            step("rig-arm64 runs under an emulator: it shows logic, not memory order");
        }
    }
    let scenarios = select(&list()?, names)?;
    println!("{:28} {:10} {:7} {:>8}", "scenario", "world", "result", "time");
    for scenario in scenarios {
        for &world in worlds {
            let start = Instant::now();
            let outcome = world.run(&scenario)?;
            print!("{scenario:28} {:10} {outcome:7} {:7.2}s", world.name(), start.elapsed().as_secs_f64());
            match outcome {
                Outcome::Passed => println!(),
                Outcome::NotHere(why) => println!("  {why}"),
                Outcome::Failed(said) => {
                    println!("\n{said}");
                    failed.push(format!("{scenario} in {}", world.name()));
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// The names of all scenarios.
fn list() -> Result<Vec<String>> {
    let text = output(rig::command(NATIVE, &drivers::images(NATIVE))?.arg("list"))?;
    let of_the_rig = text.lines().filter_map(|line| line.split_whitespace().next());
    let names = of_the_rig.chain(cli::ALL.iter().map(|cli| cli.name)).chain(in_wine::OWN);
    Ok(names.map(str::to_owned).collect())
}

fn select(all: &[String], names: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no scenario {unknown}; there are {}", all.join(", "));
    }
    Ok(all.iter().filter(|name| names.is_empty() || names.contains(name)).cloned().collect())
}

fn run_in_rig(arch: Arch, images: &Path, scenario: &str) -> Result<Outcome> {
    if in_wine::OWN.contains(&scenario) {
        return Ok(Outcome::NotHere("the rig has no service manager"));
    }
    let mut rig = rig::command(arch, images)?;
    limited(rig.args(["run", scenario]))
}

/// Runs a command that may take as long as [`LIMIT`].
///
/// # Errors
/// If it cannot be started.
pub fn limited(command: &Command) -> Result<Outcome> {
    let mut limited = Command::new("timeout");
    limited.arg(LIMIT.as_secs().to_string()).arg(command.get_program()).args(command.get_args());
    let output = limited.output().context("starting `timeout`")?;
    if output.status.success() {
        return Ok(Outcome::Passed);
    }
    let mut said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What `timeout` ends with when it had to.
    if output.status.code() == Some(124) {
        said.push_str(&format!("it did not end within {} s\n", LIMIT.as_secs()));
    }
    Ok(Outcome::Failed(said))
}
