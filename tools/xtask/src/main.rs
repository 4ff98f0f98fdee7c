//! `cargo xtask`: everything that a developer or CI does with irqlog, one subcommand each.
//!
//! The two that a newcomer needs are `demo` and `test`; each installs what it lacks and says so.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use irqlog_build::{drivers, host::NATIVE, new, outside, shell::root};
use irqlog_imagecheck as imagecheck;
use irqlog_inf as inf;
use irqlog_kit::Arch;
use irqlog_package as package;
use irqlog_worlds::world::WorldArgument;
use irqlog_worlds::{demo, faults, run_driver, scenarios};

mod bench;
mod docstrings;
mod irql_comments;
mod makefile;
mod markdown;
mod mutants;
mod names;
mod nightly;
mod soak;
mod test;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and show irqlog", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build irqlog.sys from the unmodified wdk crates and the clean-room kit
    Build {
        /// The architecture to build for
        #[arg(long, default_value = "all")]
        arch: ArchArgument,
    },
    /// Write a small, whole driver that logs, into a new folder whose name it gets
    NewDriver {
        /// The new folder
        folder: std::path::PathBuf,
        /// Its language
        #[arg(long)]
        lang: LanguageArgument,
    },
    /// Build a driver of yours off Windows: a crate on windows-drivers-rs, or a folder of C and C++ files
    BuildDriver {
        /// Folder of the driver, outside of this workspace
        folder: std::path::PathBuf,
        /// The architecture to build for
        #[arg(long, default_value = "all")]
        arch: ArchArgument,
        /// Further arguments for cargo or clang-cl
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// Run built drivers in the rig beside irqlog.sys: start, stop, rules, what they leave behind, and their log
    RunDriver {
        /// The images, all for one architecture
        #[arg(required = true)]
        images: Vec<std::path::PathBuf>,
        /// Meanwhile raise interrupts of each device level, and NMIs
        #[arg(long)]
        storm: bool,
        /// Keep them up and take commands from standard input, until it ends
        #[arg(long)]
        shell: bool,
    },
    /// Build the driver, run it under interrupts, and show the log
    Demo {
        /// The architecture to show; ARM64 runs under an emulator where the machine is another
        #[arg(long)]
        arch: Option<OneArch>,
    },
    /// Run everything that CI runs
    Test {
        /// Only the steps of these names
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Run the long tiers: deep models, planted faults, millions of records
    Soak {
        /// Only these tiers; all of them without it
        #[arg(long, value_delimiter = ',')]
        only: Vec<soak::Tier>,
        /// Calls that the threads of the storm make (10 million without it), records that the stress writes (100 million)
        #[arg(long)]
        records: Option<u64>,
        /// The engine
        #[arg(long, default_value = "shared", value_parser = irqlog_wire::image::Engine::CHOICES)]
        engine: String,
        /// The lock of engine shared
        #[arg(long, default_value = "kernel", value_parser = irqlog_wire::image::Lock::CHOICES)]
        lock: String,
        #[command(flatten)]
        mutants: mutants::Choice,
    },
    /// Measure the record path on this machine: a table of ratios
    Bench {
        /// One JSON object instead of the table
        #[arg(long)]
        json: bool,
        /// Add a row whose changes of the IRQL take this many nanoseconds each: there are two for a record
        #[arg(long, value_name = "NANOSECONDS")]
        irql: Option<f64>,
    },
    /// Run every scenario in every world, and print one table
    Scenarios {
        /// Only these scenarios, or faults; all of them without a name
        names: Vec<String>,
        /// Only in this world
        #[arg(long, default_value = "all")]
        world: WorldArgument,
        /// Plant a fault at a time instead, and say which world saw it
        #[arg(long)]
        faults: bool,
    },
    /// Check an INF against the rules of InfVerif that apply to a primitive driver
    CheckInf {
        /// The file; without it inf/irqlog.inx
        file: Option<std::path::PathBuf>,
    },
    /// Make the folder to install from, signed and verified: target/package/<arch>
    Package {
        /// The architecture to make it for
        #[arg(long, default_value = "all")]
        arch: ArchArgument,
        /// Make it from two clones at different paths instead, and see that they are the same
        #[arg(long)]
        twice: bool,
        #[command(flatten)]
        signing: package::SigningArguments,
    },
    /// Look at the built images: imports, header, sections, and what the record path can reach
    VerifySys {
        /// The architecture to look at
        #[arg(long, default_value = "all")]
        arch: ArchArgument,
        /// Build a driver with a slice index in the record path instead, and see it refused
        #[arg(long)]
        planted: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum ArchArgument {
    X64,
    Arm64,
    All,
}

impl ArchArgument {
    const fn archs(self) -> &'static [Arch] {
        match self {
            Self::X64 => &[Arch::X64],
            Self::Arm64 => &[Arch::Arm64],
            Self::All => &Arch::ALL,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum OneArch {
    X64,
    Arm64,
}

impl OneArch {
    const fn arch(self) -> Arch {
        match self {
            Self::X64 => Arch::X64,
            Self::Arm64 => Arch::Arm64,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageArgument {
    Rust,
    C,
}

impl LanguageArgument {
    const fn language(self) -> new::Language {
        match self {
            Self::Rust => new::Language::Rust,
            Self::C => new::Language::C,
        }
    }
}

/// Writes a new driver, and says on standard output what comes next.
fn new_driver(folder: &std::path::Path, language: new::Language) -> anyhow::Result<()> {
    new::write(folder, language)?;
    let (folder, name) = (folder.display(), folder.file_name().unwrap_or_default().to_string_lossy());
    println!("{folder} is a driver now. Next:\n");
    println!("    cargo xtask build-driver {folder} --arch x64");
    println!("    cargo xtask run-driver {folder}/target/driver/x64/{name}.sys");
    Ok(())
}

/// Builds a driver outside of the workspace, and says on standard output where its images are.
fn build_driver(folder: &std::path::Path, archs: &[Arch], more: &[String]) -> anyhow::Result<()> {
    for image in outside::build(folder, archs, more)? {
        println!("{}", image.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build { arch } => drivers::drivers(arch.archs()),
        Command::NewDriver { folder, lang } => new_driver(&folder, lang.language()),
        Command::BuildDriver { folder, arch, more } => build_driver(&folder, arch.archs(), &more),
        Command::RunDriver { images, storm, shell } => {
            run_driver::run(&images, run_driver::RunOptions { storm, shell })
        }
        Command::VerifySys { planted: true, .. } => imagecheck::planted(),
        Command::VerifySys { arch, planted: false } => imagecheck::run(arch.archs()),
        Command::CheckInf { file } => inf::run(&file.unwrap_or_else(|| root().join("inf/irqlog.inx"))),
        Command::Package { arch, twice: true, .. } => package::twice(arch.archs()),
        Command::Package { arch, twice: false, signing } => package::run(arch.archs(), &signing),
        Command::Demo { arch } => demo::run(arch.map_or(NATIVE, OneArch::arch)),
        Command::Test { only } => test::run_all(&only),
        Command::Soak { only, records, engine, lock, mutants } => {
            soak::run(&only, &soak::SoakOptions { records, engine, lock, mutants })
        }
        Command::Bench { json, irql } => bench::run_all(json, irql),
        Command::Scenarios { names, world, faults: true } => faults::run(world.worlds(), &names),
        Command::Scenarios { names, world, faults: false } => scenarios::run(world.worlds(), &names),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
