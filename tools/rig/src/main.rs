//! The rig: runs the built `.sys` files in a Linux process, with a kernel of its own under them.
//!
//! | Module | What |
//! |---|---|
//! | [`arch`] | what differs between x64 and ARM64 |
//! | [`pe`], [`memory`], [`images`] | loading images, and knowing which code is whose |
//! | [`nt`] | the kernel: processors, interrupts, routines, and the rules that are checked |
//! | [`service`] | starting and stopping drivers |
//! | [`framework_calls`] | failures of the framework |
//! | [`planted`] | failures and interruptions that a scenario plants in the kernel |
//! | [`serve`] | control requests from other processes |
//! | [`scenarios`] | what the rig is for: named runs, each with a clear end |
//!
//! The rig sees a driver only as a file: it links none of its code.

// Most of this crate is the other side of a C interface: raw pointers of drivers come in, and are believed as a kernel
// would believe them; what they should not do is caught by guard pages.
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "kernel side of a C interface, see above")]

use std::{num::NonZeroU64, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;

mod arch;
mod framework_calls;
mod images;
mod memory;
mod mutex;
mod nt;
mod pe;
mod planted;
mod scenarios;
mod serve;
mod service;

#[derive(Parser)]
#[command(about = "Runs irqlog.sys without Windows")]
struct Cli {
    /// Folder with irqlog.sys, WDFLDR.sys and the test driver
    #[arg(long)]
    images: PathBuf,
    /// Simulated processors; without it 4, or what the scenario wants
    #[arg(long)]
    processors: Option<usize>,
    /// Divides the calls of every storm: for an emulator, which is that much slower
    #[arg(long, default_value = "1")]
    scale: NonZeroU64,
    /// Leave a crash dump there if the run ends badly
    #[arg(long, global = true, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Folder into which a scenario that crashes writes its dumps, and beside each what has to be in it
    #[arg(long, value_name = "FOLDER")]
    crash_dumps: Option<PathBuf>,
    /// Check Driver Verifier's rules too: expected breaches are printed, another one ends the run
    #[arg(long)]
    verifier: bool,
    #[command(subcommand)]
    command: scenarios::Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    nt::boot::boot(cli.processors.unwrap_or_else(|| cli.command.processors()));
    nt::report::do_last(nt::dump::leave);
    if let Some(path) = &cli.dump {
        nt::dump::leave_at(path);
    }
    if let Some(folder) = &cli.crash_dumps {
        scenarios::keep_dumps_in(folder);
    }
    if cli.verifier {
        nt::verifier::turn_on();
    }
    let stage = scenarios::Stage::new(&cli.images, cli.scale);
    let result = scenarios::run(&stage, &cli.command);
    if result.is_err() {
        nt::dump::leave_of_failure();
    }
    nt::verifier::summarize();
    nt::machine::shut_down();
    result
}
