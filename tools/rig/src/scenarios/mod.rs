//! What the rig runs: each scenario has a name, a clear end, and fails if anything is not as it should be.

mod basic;
mod coverage;
mod guards;
mod order;
mod rules;
mod samples;
mod seen;
mod storm;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::{
    nt::{
        machine::run_thread,
        registry::{self, Value},
    },
    serve::{POLL, Server},
    service::{Driver, check_nothing_is_left, load_library},
};

/// What to run.
#[derive(Subcommand)]
pub enum Command {
    /// Start the driver and answer control requests at a socket, until standard input ends; the line `samples` there lets
    /// the sample drivers log for a while
    Serve {
        /// Path of the Unix socket
        #[arg(long)]
        socket: PathBuf,
        /// First let the test driver log from every context, so many calls of its threads
        #[arg(long, default_value_t = 0)]
        storm: u64,
        /// A parameter of the service, as NAME=VALUE: a number is a REG_DWORD, anything else a REG_SZ
        #[arg(long, value_name = "NAME=VALUE")]
        parameter: Vec<String>,
    },
    /// Let 4 and more threads, DPCs, IPIs, interrupts and NMIs log at once, read meanwhile, and account for every record
    Soak {
        /// Calls that the threads make together; what interrupts them comes on top
        #[arg(long, default_value_t = 10_000_000)]
        records: u64,
        /// The engine
        #[arg(long, default_value = "shared", value_parser = irqlog_wire::image::Engine::CHOICES)]
        engine: String,
        /// The lock of engine shared
        #[arg(long, default_value = "kernel", value_parser = irqlog_wire::image::Lock::CHOICES)]
        lock: String,
    },
    /// Interrupt the record path at every instruction: by an NMI, and by an interrupt held back until the IRQL lowers
    Coverage {
        /// The list that `verify-sys` wrote beside the image
        #[arg(long)]
        record_path: PathBuf,
    },
    /// Count the instructions of irqlog.sys for one record, by stepping through it, and time it; for the benchmark
    Measure {
        /// The engine
        #[arg(long, default_value = "percpu", value_parser = irqlog_wire::image::Engine::CHOICES)]
        engine: String,
    },
    /// Run scenarios by name; all of them without one
    Run {
        /// Names
        names: Vec<String>,
    },
    /// List the scenarios
    List,
}

/// Interrupts of each device and NMIs while the sample drivers log for somebody who looks at it.
const SAMPLE_ROUNDS: usize = 60;

/// Simulated processors where nothing else is said.
pub const DEFAULT_PROCESSORS: usize = 4;

impl Command {
    /// The simulated processors that it wants.
    pub fn processors(&self) -> usize {
        let named = match self {
            Self::Run { names } => names.first().filter(|_| names.len() == 1),
            _ => None,
        };
        let scenario = named.and_then(|name| ALL.iter().copied().flatten().find(|scenario| scenario.name == *name));
        scenario.map_or(DEFAULT_PROCESSORS, |scenario| scenario.processors)
    }
}

/// A named run.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Simulated processors.
    pub processors: usize,
    /// What it shows.
    pub about: &'static str,
    /// Does it.
    pub run: fn(&World) -> Result<()>,
}

/// All of them. Each runs in a process of its own (`irqlog-rig run NAME`): a machine boots once.
pub const ALL: &[&[Scenario]] = &[rules::ALL, guards::ALL, basic::ALL, order::ALL, samples::ALL, storm::ALL];

/// Where the images are.
pub struct World {
    images: PathBuf,
}

impl World {
    /// With the images of a folder.
    pub fn new(images: &Path) -> Self {
        Self { images: images.to_path_buf() }
    }

    /// Path of an image.
    pub fn image(&self, name: &str) -> PathBuf {
        self.images.join(name)
    }

    /// Starts irqlog.sys. On a simulated thread.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_irqlog(&self) -> Result<Driver> {
        if crate::images::find("WDFLDR.sys").is_none() {
            load_library(&self.images.join("WDFLDR.sys"))?;
        }
        Driver::start("irqlog", &self.images.join("irqlog.sys"))
    }
}

impl World {
    /// Starts the test driver, after irqlog.sys. On a simulated thread.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_testdrv(&self) -> Result<Driver> {
        Driver::start("testdrv", &self.images.join("testdrv.sys"))
    }
}

/// Does something as a process of the simulated system.
pub fn as_process<T>(work: impl FnOnce() -> T) -> T {
    run_thread(0x2000, 0, true, |_| work())
}

/// Stops a driver whose files are all closed, and checks that nothing is left.
///
/// # Errors
/// If it does not unload.
pub fn stop_last(driver: &Driver) -> Result<()> {
    if !driver.stop()? {
        bail!("the stop is pending although every file is closed");
    }
    check_nothing_is_left();
    Ok(())
}

/// Runs a command.
///
/// # Errors
/// If a scenario fails.
pub fn run(world: &World, command: &Command) -> Result<()> {
    match command {
        Command::Serve { socket, storm, parameter } => {
            for parameter in parameter {
                let (name, value) = parameter.split_once('=').context("a parameter is NAME=VALUE")?;
                let value = value.parse().map_or_else(|_| Value::Text(value.to_owned()), Value::Number);
                registry::set_parameter("irqlog", name, value);
            }
            serve(world, socket, *storm)
        }
        Command::Coverage { record_path } => coverage::run(world, record_path),
        Command::Measure { engine } => coverage::measure(world, engine),
        Command::Soak { records, engine, lock } => storm::soak(world, *records, engine, lock),
        Command::List => {
            for scenario in ALL.iter().copied().flatten() {
                println!("{:28} {}", scenario.name, scenario.about);
            }
            Ok(())
        }
        Command::Run { names } => run_named(world, names),
    }
}

fn run_named(world: &World, names: &[String]) -> Result<()> {
    let all = || ALL.iter().copied().flatten();
    if let [name] = names {
        let scenario = all()
            .find(|scenario| scenario.name == name)
            .with_context(|| format!("there is no scenario {name}; `list` names them"))?;
        return (scenario.run)(world);
    }
    let mut failed = 0;
    let program = std::env::current_exe()?;
    for scenario in all().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name)) {
        let start = std::time::Instant::now();
        // Longer than the rig's own patience with a deadlock.
        let output = std::process::Command::new("timeout")
            .arg("180")
            .arg(&program)
            .arg("--images")
            .arg(&world.images)
            .args(["run", scenario.name])
            .output()
            .context("starting the rig")?;
        let outcome = if output.status.success() { "ok" } else { "FAILED" };
        println!("scenario {:28} {outcome:6} {:.2?}", scenario.name, start.elapsed());
        if !output.status.success() {
            failed += 1;
            println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
    }
    if failed != 0 {
        bail!("{failed} scenarios failed");
    }
    Ok(())
}

/// Serves until standard input ends, then stops the driver and looks for what it left.
fn serve(world: &World, socket: &Path, storm: u64) -> Result<()> {
    let driver = as_process(|| world.start_irqlog())?;
    if storm != 0 {
        storm::blow(world, storm)?;
    }
    let server = Server::listen(socket)?;
    println!("serving at {}", socket.display());
    for line in std::io::stdin().lines() {
        match line?.trim() {
            "samples" => {
                samples::run_both(world, SAMPLE_ROUNDS)?;
                println!("samples: done");
            }
            other => bail!("there is no command {other:?}; there is `samples`"),
        }
    }
    while server.connections() != 0 {
        std::thread::sleep(POLL);
    }
    drop(server);
    as_process(|| stop_last(&driver))
}
