//! `cargo xtask scenarios --faults`: planted defects, each of which a scenario in some world has to notice.
//!
//! A defect is a patch in `testdata/faults`, and is built into a driver of its own.
//!
//! A patch begins with a line that says what it does, and one with the scenarios to try. Besides the scenarios of the
//! list there are `soak`, a long storm, `coverage`, an NMI at every instruction, `stress`, which needs no driver but ring
//! and recorder as libraries, and `verify-sys`, which only looks at the image.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    drivers,
    shell::{self, root},
};
use irqlog_imagecheck as imagecheck;

use crate::{
    outcome::{Outcome, limited},
    rig,
    world::World,
};

struct Fault {
    name: String,
    about: String,
    scenarios: Vec<String>,
    patch: PathBuf,
}

impl Fault {
    fn read(patch: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&patch).with_context(|| format!("reading {}", patch.display()))?;
        let mut lines = text.lines();
        let about = lines.next().unwrap_or_default().to_owned();
        let scenarios = lines
            .next()
            .and_then(|line| line.strip_prefix("Scenarios: "))
            .with_context(|| format!("the second line of {} names no scenarios", patch.display()))?;
        let scenarios = scenarios.split_whitespace().map(str::to_owned).collect();
        let name = patch.file_stem().context("a patch has a name")?.to_string_lossy().into_owned();
        Ok(Self { name, about, scenarios, patch })
    }
}

fn all() -> Result<Vec<Fault>> {
    let folder = root().join("testdata/faults");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut patches: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    patches.sort();
    patches.into_iter().map(Fault::read).collect()
}

/// Plants each fault, runs its scenarios in each world until one fails, and prints which scenario noticed the fault.
///
/// # Errors
/// If a scenario that a patch names is unknown, a driver with a fault does not build, or more than one in ten goes unseen.
pub fn run(worlds: &[World]) -> Result<()> {
    let faults = all()?;
    for &world in worlds {
        world.prepare()?;
    }
    let mut unseen = Vec::new();
    println!("{:32} {:10} {:20} what it said", "fault", "world", "seen by");
    for fault in &faults {
        let mut is_seen = false;
        for &world in worlds {
            let seen = try_it(fault, world)?;
            is_seen |= seen.is_some();
            let (by, said) = seen.unwrap_or_else(|| ("-".to_owned(), String::new()));
            println!("{:32} {:10} {by:20} {said}", fault.name, world.name());
        }
        if !is_seen {
            unseen.push(format!("{} ({})", fault.name, fault.about));
        }
    }
    let seen = faults.len() - unseen.len();
    println!("{seen} of {} faults are seen", faults.len());
    for fault in &unseen {
        println!("UNSEEN: {fault}");
    }
    // The drivers of Wine are the real ones again.
    if worlds.contains(&World::Wine) {
        World::Wine.prepare()?;
    }
    ensure!(seen * 10 >= faults.len() * 9, "more than one fault in ten goes unseen");
    Ok(())
}

/// The scenario that noticed a fault, and what it said; `None` if no scenario did.
fn try_it(fault: &Fault, world: World) -> Result<Option<(String, String)>> {
    let image = drivers::patched(&fault.patch, world.arch())?;
    for scenario in &fault.scenarios {
        let outcome = match scenario.as_str() {
            "verify-sys" => imagecheck::verify(world.arch(), &image).map(drop).into(),
            "soak" => in_rig(world, &image, &["soak", "--records", "1000000"])?,
            // Under an emulator that takes an hour.
            "coverage" if world.is_native_rig() => {
                imagecheck::verify(world.arch(), &image)?;
                limited(&rig::coverage(world.arch(), &image)?)?
            }
            // It has no world, and is run once, where the host's own rig is.
            "stress" if world.is_native_rig() => limited(&stress(&image)?)?,
            "coverage" | "stress" => continue,
            name => world.run_with(&image, name)?,
        };
        if let Outcome::Failed(said) = outcome {
            return Ok(Some((scenario.clone(), essence(&said))));
        }
    }
    Ok(None)
}

/// The stress of the patched sources that an image was built from. It is built here: sources that do not build are no
/// fault that is seen.
fn stress(image: &Path) -> Result<Command> {
    let sources = image.ancestors().nth(2).context("the image lies in a folder of the sources")?;
    let target = root().join("target/planted/build");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(sources).args(["build", "--locked", "--quiet", "--package", "irqlog-stress"]);
    shell::run(cargo.arg("--target-dir").arg(&target))?;
    let mut stress = Command::new(target.join("debug/irqlog-stress"));
    stress.args(["--records", "1000000"]);
    Ok(stress)
}

fn in_rig(world: World, image: &Path, arguments: &[&str]) -> Result<Outcome> {
    if world == World::Wine {
        return Ok(Outcome::NotHere("the rig's own"));
    }
    let images = image.parent().context("a folder")?;
    limited(rig::command(world.arch(), images)?.args(arguments))
}

/// The line of an output that says what was wrong.
fn essence(said: &str) -> String {
    let line = said
        .lines()
        .find(|line| line.contains("rule broken") || line.starts_with("error"))
        .or_else(|| said.lines().rfind(|line| !line.trim().is_empty()))
        .unwrap_or("it ended without a word");
    line.trim_start_matches("error: ").chars().take(120).collect()
}

/// Whether the patches still apply, without building anything.
///
/// # Errors
/// If one does not; the message names it.
pub fn check() -> Result<()> {
    let mut stale = Vec::new();
    for fault in all()? {
        let applies = Command::new("git").current_dir(root()).args(["apply", "--check"]).arg(&fault.patch).status();
        if !applies.context("starting git")?.success() {
            stale.push(fault.name);
        }
    }
    if stale.is_empty() { Ok(()) } else { bail!("patches that do not apply any more: {}", stale.join(", ")) }
}

#[cfg(test)]
mod tests {
    use irqlog_kit::Arch;

    use super::*;

    #[test]
    fn every_fault_says_what_it_does_and_who_may_see_it() {
        let faults = all().expect("testdata/faults");
        assert!(faults.len() >= 10);
        assert!(faults.iter().all(|fault| fault.about.ends_with('.') && !fault.scenarios.is_empty()));
    }

    #[test]
    fn what_was_said_is_the_broken_rule() {
        assert_eq!(essence("a\n*** rule broken: x\nb"), "*** rule broken: x");
        assert_eq!(essence("a\nb\n\n"), "b");
        assert_eq!(essence(""), "it ended without a word");
    }

    #[test]
    fn the_architecture_of_each_world_is_known() {
        assert_eq!(World::RigArm64.arch(), Arch::Arm64);
        assert_eq!(World::Wine.arch(), Arch::X64);
    }
}
