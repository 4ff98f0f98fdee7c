//! `first-run`: tries irqlog on this machine; `irqlog_first_run` has what it does.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use irqlog_first_run::{
    host::ThisMachine,
    run::{FirstRun, FirstRunOptions, RunProgress},
};

use crate::{args::FirstRunArguments, exit::Exit, output};

/// Begins a first run, or goes on with one.
pub fn run(arguments: &FirstRunArguments) -> Result<Exit> {
    ensure!(cfg!(windows), "`irqlog first-run` tries irqlog on Windows; run it on the machine that is to be tried");
    let program = std::env::current_exe().context("the path of this program")?;
    let package = match &arguments.package {
        Some(package) => absolute(package)?,
        None => program.parent().context("the folder of this program")?.to_owned(),
    };
    let options = FirstRunOptions {
        package: package.clone(),
        report: absolute(&arguments.report)?,
        verifier: arguments.verifier,
        memory_integrity: arguments.memory_integrity,
        installed: arguments.installed,
        uninstall: arguments.uninstall,
        after_crash: arguments.after_crash,
    };
    let mut machine = ThisMachine::new(program, package);
    let mut tell = |text: &str| output::say(text);
    let mut run = FirstRun::open(&mut machine, options, env!("CARGO_PKG_VERSION"), &mut tell)?;
    let progress = run.go_on()?;
    let (bad, report) = (run.report.bad().count(), run.options.report.with_extension("md"));
    output::say(&format!("{bad} steps not as expected; the report: {}", report.display()));
    if progress == RunProgress::Restart {
        output::say("Now restart the machine (shutdown /r /t 0), and run the same command again: it goes on.");
    }
    Ok(if bad == 0 { Exit::Done } else { Exit::Found })
}

fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("the path {}", path.display()))
}
