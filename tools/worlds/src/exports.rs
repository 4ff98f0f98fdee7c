//! Exports, read back by readers that are not ours: of a storm's log, and of logs that no driver would write.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{self, output, root},
};
use serde_json::Value;

use crate::{
    rig::{self, Serving},
    target::Target,
};

/// Calls of the storm's threads: more than the lanes hold.
const CALLS: u64 = 20_000;

/// The folder of the logs and the exports.
fn folder() -> PathBuf {
    root().join("target/exports")
}

/// Makes the storm's log, and checks its exports and those of the other logs.
///
/// # Errors
/// The first difference.
pub fn run() -> Result<()> {
    rig::prepare(NATIVE)?;
    let program = program(&root(), &root().join("target"))?;
    let storm = storm(&program)?;
    irqlog_exports::check(&program, &folder().join("work"), &[storm])
}

/// Builds irqlog with every format from these sources. What it gives lies in the target's folder, and the next build
/// replaces it by one with fewer.
///
/// # Errors
/// If it does not build.
pub(crate) fn program(sources: &Path, target: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(sources).args(["build", "--quiet", "--locked", "--package", "irqlog-cli"]);
    shell::run(cargo.args(["--features", "parquet", "--target-dir"]).arg(target))?;
    Ok(target.join("debug/irqlog"))
}

/// Checks the exports of a program that has a fault, with the storm's log if there is one.
///
/// # Errors
/// The first difference.
pub(crate) fn check(program: &Path) -> Result<()> {
    let storm = folder().join("storm.irqlog");
    let logs: Vec<_> = Some(storm).filter(|log| log.exists()).into_iter().collect();
    irqlog_exports::check(program, &folder().join("faults"), &logs)
}

/// The log of a storm and of both sample drivers, with losses in several lanes.
fn storm(program: &Path) -> Result<PathBuf> {
    let parameters = ["Engine=percpu", "RingKiB=128"];
    let mut serving = Serving::start_as(NATIVE, &drivers::images(NATIVE), CALLS, &parameters)?;
    serving.samples()?;
    fs::create_dir_all(folder())?;
    let log = folder().join("storm.irqlog");
    let _ = fs::remove_file(&log);
    serving.irqlog(&["save", &serving.path(&log)])?;
    Box::new(serving).stop()?;
    let shown = output(Command::new(program).args(["read", "--json", "--file"]).arg(&log))?;
    let (mut lanes, mut providers) = (BTreeSet::new(), BTreeSet::new());
    for line in shown.lines() {
        let item: Value = serde_json::from_str(line).context("a line of JSON")?;
        lanes.extend(item["loss"]["lane"].as_u64());
        providers.extend(item["provider"].as_str().map(str::to_owned));
    }
    ensure!(lanes.len() >= 2, "the storm lost records in the lanes {lanes:?} only");
    ensure!(providers.contains("sample_c") && providers.contains("sample_rust"), "only {providers:?} logged");
    Ok(log)
}
