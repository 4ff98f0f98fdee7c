//! `cargo xtask test`: everything that CI runs, one step after another, cheapest first.
//!
//! On a developer's machine a slow step that has passed with just these sources is skipped; in CI (`CI` is set) never.

use std::process::Command;

use anyhow::{Result, bail};
use irqlog_build::{
    drivers,
    host::{self, NATIVE},
    shell::{root, run, step, timed},
    stamp::Stamp,
};
use irqlog_imagecheck as imagecheck;
use irqlog_inf as inf;
use irqlog_kit::Arch;
use irqlog_package as package;
use irqlog_worlds::{debugger, demo, events, exports, faults, outsiders, readers, rig, scenarios, world::World};

use crate::{docstrings, irql_comments, markdown, names};

struct Step {
    name: &'static str,
    /// Worth skipping when nothing has changed.
    slow: bool,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "formatting", slow: false, run: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "irql-comments", slow: false, run: irql_comments::check },
    Step { name: "docstrings", slow: false, run: docstrings::check },
    Step { name: "markdown", slow: false, run: markdown::check },
    Step { name: "names", slow: false, run: names::check },
    Step { name: "check-inf", slow: false, run: || inf::run(&root().join("inf/irqlog.inx")) },
    Step { name: "fault-patches", slow: false, run: faults::check },
    Step {
        name: "clippy",
        slow: false,
        run: || cargo(&["clippy", "--locked", "--quiet", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "unit-property-model-doc-tests", slow: true, run: unit_tests },
    Step { name: "driver-builds", slow: false, run: || drivers::drivers(&Arch::ALL) },
    Step { name: "driver-clippy", slow: true, run: drivers::clippy_drivers },
    Step { name: "verify-sys", slow: false, run: || imagecheck::run(&Arch::ALL) },
    Step { name: "planted-slice-index", slow: true, run: imagecheck::planted },
    Step { name: "windows-cli", slow: true, run: windows_cli },
    Step { name: "packages", slow: true, run: package::check },
    Step { name: "rig-images", slow: false, run: || rig::prepare(NATIVE) },
    Step { name: "kmdf-rules", slow: false, run: kmdf_rules },
    Step { name: "scenarios-rig-x64", slow: false, run: || scenarios_in(World::RigX64) },
    Step { name: "demo", slow: false, run: || demo::run(NATIVE) },
    Step { name: "scenarios-rig-arm64", slow: true, run: || scenarios_in(World::RigArm64) },
    Step { name: "record-path-coverage", slow: false, run: coverage },
    Step { name: "record-path-crashes", slow: false, run: || rig::crash_path(NATIVE, CRASH_EVERY) },
    Step { name: "checked-driver", slow: true, run: checked_driver },
    Step { name: "debugger-script", slow: false, run: debugger_script },
    Step { name: "dump-readers", slow: true, run: readers::check },
    Step { name: "events-end-to-end", slow: false, run: events::run },
    Step { name: "your-driver", slow: true, run: outsiders::run },
    Step { name: "exports", slow: true, run: exports::run },
    Step { name: "scenarios-wine", slow: true, run: || scenarios_in(World::Wine) },
];

/// Each such instruction of the record path meets a crash here; `soak` takes all of them. A prime, so that the rounds and
/// the kinds of dump do not meet the same ones again.
const CRASH_EVERY: usize = 61;

/// All tests of cargo, with the programs that some of them start.
fn unit_tests() -> Result<()> {
    host::llvm()?;
    host::node()?;
    host::tmux()?;
    cargo(&["test", "--locked", "--no-fail-fast"])
}

/// The scenarios of a world. Where the machine cannot have it that is said, and no failure; in CI it is one.
fn scenarios_in(world: World) -> Result<()> {
    match world.lacks() {
        Some(why) if std::env::var_os("CI").is_none() => {
            step(&format!("SKIPPED: no scenarios in {}: {why}", world.name()));
            Ok(())
        }
        _ => scenarios::run(&[world], &[]),
    }
}

/// irqlog.exe as it is packaged, for both architectures, and what it imports.
fn windows_cli() -> Result<()> {
    Arch::ALL.into_iter().try_for_each(|arch| imagecheck::windows_cli(arch, &drivers::windows_cli(arch)?))
}

/// The rules of KMDF, each with its source and what breaks it: the scenario of that name, with what it prints.
fn kmdf_rules() -> Result<()> {
    run(rig::command(NATIVE, &drivers::images(NATIVE))?.args(["run", "kmdf-rules"]))
}

/// The checked driver, in the scenarios in which its locks are used as they should be.
fn checked_driver() -> Result<()> {
    let images = drivers::checked()?;
    for scenario in ["start-stop", "storm", "storm-percpu", "storm-swap", "storm-queued"] {
        rig::run_with_dump(NATIVE, scenario, rig::command(NATIVE, &images)?.args(["run", scenario]))?;
    }
    Ok(())
}

/// Runs all steps, also after one has failed, and sums up.
///
/// # Errors
/// If a step fails.
pub fn run_all(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step {unknown}; there are {}", names.join(", "));
    }
    let in_ci = std::env::var_os("CI").is_some();
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for step in STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)) {
        let stamp = Stamp::new(root().join("target/xtask").join(format!("{}.passed", step.name)));
        let stamp = if step.slow && !in_ci { Some(stamp.sources()?) } else { None };
        if stamp.as_ref().is_some_and(Stamp::is_current) {
            eprintln!("==> {}: nothing has changed since it passed, skipped", step.name);
            skipped += 1;
            continue;
        }
        let work = || timed(step.name, step.run);
        match stamp.map_or_else(work, |stamp| stamp.unless_current(work)) {
            Ok(()) => passed += 1,
            Err(error) => {
                eprintln!("    {error:#}");
                failed.push(format!("{}: {error:#}", step.name));
            }
        }
    }
    println!("\n{passed} passed, {} failed, {skipped} skipped", failed.len());
    // With the reasons again: CI may keep only the end of the output.
    if failed.is_empty() { Ok(()) } else { bail!("failed:\n    {}", failed.join("\n    ")) }
}

/// The script for WinDbg: that its engines can read it, and what it shows of a running rig. `cargo test -p irqlog-debugger`
/// compares it with the reader, and the scenarios `crash-*` do so with the rig.
fn debugger_script() -> Result<()> {
    irqlog_debugger::script::check_syntax()?;
    debugger::live()
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").current_dir(root()).args(arguments))
}

fn coverage() -> Result<()> {
    let mut coverage = rig::coverage(NATIVE, &drivers::image(NATIVE, "irqlog"))?;
    rig::run_with_dump(NATIVE, "coverage", &mut coverage)
}
