//! The scenarios of the rig. Each has a name and a clear end, and fails if a check in it fails.

mod basic;
mod coverage;
mod crash_path;
mod crashes;
mod failures;
mod framework;
mod guards;
mod guests;
mod interrupts;
mod kept_dumps;
mod kmdf_behaviour;
mod kmdf_driver;
mod left_dumps;
mod order;
mod providers;
mod races;
mod rules;
mod samples;
mod saves;
mod seen;
mod serving;
mod storm;
mod topology;
mod validator;
mod verifier;

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::{
    nt::{
        machine::run_thread,
        registry::{self, RegistryValue},
    },
    serve::{POLL, Server},
    service::{Driver, check_nothing_is_left, load_library},
};

use self::guests::Guests;
pub use self::kept_dumps::keep_in as keep_dumps_in;

/// The commands of the rig.
#[derive(Subcommand)]
pub enum Command {
    /// Start the driver and answer control requests at a socket, until standard input ends; the line `samples` there lets
    /// the sample drivers log for a while, `race` one of them with its planted defect; `start`, `storm` and `stop` are for the drivers of `--driver`
    Serve {
        /// Path of the Unix socket
        #[arg(long)]
        socket: PathBuf,
        /// First let the test driver log from every context, with this number of calls of its threads
        #[arg(long, default_value_t = 0)]
        storm: u64,
        /// A parameter of the service, as NAME=VALUE: a number is a REG_DWORD, anything else a REG_SZ
        #[arg(long, value_name = "NAME=VALUE")]
        parameter: Vec<String>,
        /// A driver to run beside it
        #[arg(long, value_name = "FILE")]
        driver: Vec<PathBuf>,
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
    /// Crash at each instruction of the record path, and look for torn records in the dump
    CrashPath {
        /// The list that `verify-sys` wrote beside the image
        #[arg(long)]
        record_path: PathBuf,
        /// Crash at each Nth instruction only
        #[arg(long, value_name = "N", default_value_t = 1)]
        every: usize,
    },
    /// Start and stop the driver again and again, under load, and look for what it leaves
    Restarts {
        /// How often
        #[arg(long, default_value_t = 1000)]
        rounds: u64,
    },
    /// Count the instructions of irqlog.sys for one record, by stepping through it, and time it; for the benchmark
    Measure {
        /// The engine
        #[arg(long, default_value = "percpu", value_parser = irqlog_wire::image::Engine::CHOICES)]
        engine: String,
    },
    /// Run a scenario
    Run {
        /// Name of the scenario
        name: String,
    },
    /// List the scenarios, a line each: name and what it shows
    List,
}

/// Interrupts of each device, and NMIs, while the sample drivers log for a user who reads the log.
const SAMPLE_ROUNDS: usize = 60;

/// Simulated processors where nothing else is said.
pub const DEFAULT_PROCESSORS: usize = 4;

impl Command {
    /// The simulated processors that it wants.
    pub fn processors(&self) -> usize {
        let scenario = if let Self::Run { name } = self { find(name).ok() } else { None };
        scenario.map_or(DEFAULT_PROCESSORS, |scenario| scenario.processors)
    }
}

/// A named run.
pub struct Scenario {
    /// Name on the command line.
    pub name: &'static str,
    /// Simulated processors.
    pub processors: usize,
    /// What the scenario shows, in one line for a list.
    pub about: &'static str,
    /// Runs the scenario.
    pub run: fn(&Stage) -> Result<()>,
}

/// All scenarios. Each runs in a process of its own (`irqlog-rig run NAME`), since a machine boots once.
pub const ALL: &[&[Scenario]] = &[
    rules::ALL,
    guards::ALL,
    framework::ALL,
    failures::ALL,
    races::ALL,
    topology::ALL,
    validator::ALL,
    verifier::ALL,
    interrupts::ALL,
    basic::ALL,
    order::ALL,
    providers::ALL,
    samples::ALL,
    saves::ALL,
    serving::ALL,
    storm::ALL,
    crashes::ALL,
    left_dumps::ALL,
];

fn find(name: &str) -> Result<&'static Scenario> {
    let mut all = ALL.iter().copied().flatten();
    all.find(|scenario| scenario.name == name)
        .with_context(|| format!("there is no scenario {name}; `list` names them"))
}

/// The surroundings of a scenario: the images, and the length of a storm.
pub struct Stage {
    images: PathBuf,
    scale: NonZeroU64,
}

impl Stage {
    /// A stage with the images of a folder. Storms are `scale` times shorter.
    pub fn new(images: &Path, scale: NonZeroU64) -> Self {
        Self { images: images.to_path_buf(), scale }
    }

    /// The rig runs under an emulator, which is slower by the scale of the storms.
    pub const fn is_emulated(&self) -> bool {
        self.scale.get() > 1
    }

    /// How many calls a storm of `calls` makes here.
    pub const fn scaled(&self, calls: u64) -> u64 {
        calls.div_ceil(self.scale.get())
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

impl Stage {
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
pub fn run(stage: &Stage, command: &Command) -> Result<()> {
    match command {
        Command::Serve { socket, storm, parameter, driver } => {
            for parameter in parameter {
                let (name, value) = parameter.split_once('=').context("a parameter is NAME=VALUE")?;
                let value = value.parse().map_or_else(|_| RegistryValue::Text(value.to_owned()), RegistryValue::Number);
                registry::set_parameter("irqlog", name, value);
            }
            serve(stage, socket, *storm, Guests::new(driver.clone()))
        }
        Command::Coverage { record_path } => coverage::run(stage, record_path),
        Command::CrashPath { record_path, every } => crash_path::run(stage, record_path, (*every).max(1)),
        Command::Measure { engine } => coverage::measure(stage, engine),
        Command::Restarts { rounds } => races::restarts(stage, *rounds),
        Command::Soak { records, engine, lock } => storm::soak(stage, *records, engine, lock),
        Command::List => {
            for scenario in ALL.iter().copied().flatten() {
                println!("{:28} {}", scenario.name, scenario.about);
            }
            Ok(())
        }
        Command::Run { name } => (find(name)?.run)(stage),
    }
}

/// Lets any process of the same user read this one's memory, also where the system lets ancestors alone (`ptrace_scope` 1):
/// as a debugger of the simulated machine does.
fn allow_debuggers() {
    // SAFETY: it changes a setting of this process. Where the system has no such setting it fails, and needs none.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
}

/// Serves until standard input ends, then stops the driver and looks for what it left.
fn serve(stage: &Stage, socket: &Path, storm: u64, mut guests: Guests) -> Result<()> {
    let driver = as_process(|| stage.start_irqlog())?;
    if storm != 0 {
        storm::blow(stage, storm)?;
    }
    allow_debuggers();
    let server = Server::listen(socket)?;
    println!("serving at {}", socket.display());
    for line in std::io::stdin().lines() {
        match line?.trim() {
            "samples" => {
                samples::run_both(stage, SAMPLE_ROUNDS)?;
                println!("samples: done");
            }
            "race" => {
                samples::race(stage)?;
                println!("race: done");
            }
            other => guests.obey(stage, other)?,
        }
    }
    while server.connections() != 0 {
        std::thread::sleep(POLL);
    }
    drop(server);
    as_process(|| stop_last(&driver))
}
