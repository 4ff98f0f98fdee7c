//! `cargo xtask scenarios --faults`: planted defects, each of which a scenario in some world has to notice.
//!
//! A defect is a patch in `testdata/faults`, and is built into a driver of its own.
//!
//! A patch begins with a line that says what it does, and one with the tests to try, cheapest first:
//!
//! - `PACKAGE:TEST`, such as `irqlog-recorder:clear`: an integration test of a package, on this machine and in no world;
//! - `exports`: the exports of `irqlog` built with the defect, read back by readers that are not ours, in no world;
//! - `verify-sys`, which only looks at the image;
//! - a scenario of the list;
//! - `soak`, a long storm, `coverage`, an NMI at every instruction, `crash-path`, a crash at many of them, and `stress`,
//!   ring and recorder as libraries.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    drivers,
    shell::{self, root, timed},
};
use irqlog_imagecheck as imagecheck;

use crate::{
    exports, rig,
    verdict::{Verdict, limited, limited_in},
    world::World,
};

struct Fault {
    name: String,
    about: String,
    /// Package and integration test, of those that need no driver.
    tests: Vec<(String, String)>,
    /// The exports may see it.
    has_exports: bool,
    /// What runs the driver, or looks at it.
    scenarios: Vec<String>,
    patch: PathBuf,
}

impl Fault {
    fn read(patch: PathBuf) -> Result<Self> {
        let patch_text = fs::read_to_string(&patch).with_context(|| format!("reading {}", patch.display()))?;
        let mut lines = patch_text.lines();
        let about = lines.next().unwrap_or_default().to_owned();
        let scenarios = lines
            .next()
            .and_then(|line| line.strip_prefix("Scenarios: "))
            .with_context(|| format!("the second line of {} names no scenarios", patch.display()))?;
        let (mut tests, mut of_worlds, mut has_exports) = (Vec::new(), Vec::new(), false);
        for scenario in scenarios.split_whitespace() {
            match scenario.split_once(':') {
                Some((package, test)) => tests.push((package.to_owned(), test.to_owned())),
                None if scenario == "exports" => has_exports = true,
                None => of_worlds.push(scenario.to_owned()),
            }
        }
        let name = patch.file_stem().context("a patch has a name")?.to_string_lossy().into_owned();
        Ok(Self { name, about, tests, has_exports, scenarios: of_worlds, patch })
    }
}

fn all() -> Result<Vec<Fault>> {
    let folder = root().join("testdata/faults");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut patches: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    patches.sort();
    patches.into_iter().map(Fault::read).collect()
}

/// Plants those of these names, or all of them if `names` is empty, one at a time. Tries its tests, and its scenarios in
/// each world until one fails, and prints which world saw which.
///
/// # Errors
/// If there is no fault of a name, a scenario that a patch names is unknown, a driver with a fault does not build, or more
/// than one in ten goes unseen.
pub fn run(worlds: &[World], names: &[String]) -> Result<()> {
    let mut faults = all()?;
    if let Some(unknown) = names.iter().find(|name| !faults.iter().any(|fault| fault.name == **name)) {
        bail!("there is no fault {unknown}; testdata/faults has each as a patch of its name");
    }
    faults.retain(|fault| names.is_empty() || names.contains(&fault.name));
    if faults.iter().any(|fault| !fault.scenarios.is_empty()) {
        for &world in worlds {
            world.prepare()?;
        }
    }
    let mut unseen = Vec::new();
    println!("{:32} {:10} {:20} what it said", "fault", "world", "seen by");
    for fault in &faults {
        let mut is_seen = false;
        let mut show = |place: &str, seen: Option<Seen>| {
            is_seen |= seen.is_some();
            let (by, said) = seen.unwrap_or_else(|| ("-".to_owned(), String::new()));
            println!("{:32} {place:10} {by:20} {said}", fault.name);
        };
        if !fault.tests.is_empty() {
            show("tests", try_tests(fault)?);
        }
        if fault.has_exports {
            show("exports", try_exports(fault)?);
        }
        for &world in worlds.iter().filter(|_| !fault.scenarios.is_empty()) {
            show(world.name(), try_it(fault, world)?);
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

/// The test or the scenario that noticed a fault, and what it said.
type Seen = (String, String);

/// The test that noticed a fault, and what it said; `None` if no test did.
///
/// # Errors
/// If a test cannot be built.
fn try_tests(fault: &Fault) -> Result<Option<Seen>> {
    let sources = drivers::patched_sources(&fault.patch, "tests")?;
    for (package, test) in &fault.tests {
        let cargo = |arguments: &[&str]| {
            let mut cargo = Command::new("cargo");
            cargo.current_dir(&sources).args(["test", "--quiet", "--locked", "--package", package, "--test", test]);
            // Not the one in which the copy lies: cargo takes sources below its target folder for made ones, knows them
            // by their place there, and would run the tests of the copy that was built first.
            cargo.arg("--target-dir").arg(root().join("target/planted/build")).args(arguments);
            cargo
        };
        let name = format!("{package}:{test}");
        timed(&format!("building {name} with {}", fault.name), || shell::run(&mut cargo(&["--no-run"])))?;
        if let Verdict::Failed(said) = limited_in(&cargo(&[]), &sources)? {
            return Ok(Some((name, essence(&said))));
        }
    }
    Ok(None)
}

/// What a reader of the exports said of a fault; `None` if none noticed it.
///
/// # Errors
/// If the program cannot be built.
fn try_exports(fault: &Fault) -> Result<Option<Seen>> {
    let sources = drivers::patched_sources(&fault.patch, "tests")?;
    let target = root().join("target/planted/build");
    let program = timed(&format!("building irqlog with {}", fault.name), || exports::program(&sources, &target))?;
    Ok(match exports::check(&program).into() {
        Verdict::Failed(said) => Some(("exports".to_owned(), difference(&said))),
        _ => None,
    })
}

/// The line of a reader's output that says what was different.
fn difference(said: &str) -> String {
    let line = said.lines().find(|line| line.contains(", read by ") || line.contains("Error: "));
    line.map_or_else(
        || essence(said),
        |line| line.trim().rsplit('/').next().unwrap_or(line).chars().take(120).collect(),
    )
}

/// The scenario that noticed a fault, and what it said; `None` if no scenario did.
fn try_it(fault: &Fault, world: World) -> Result<Option<Seen>> {
    let image = drivers::patched(&fault.patch, world.arch())?;
    for scenario in &fault.scenarios {
        let verdict = match scenario.as_str() {
            "verify-sys" => imagecheck::verify(world.arch(), &image).map(drop).into(),
            "soak" => in_rig(world, &image, &["soak", "--records", "1000000"])?,
            // Under an emulator that takes an hour.
            "coverage" if world.is_native_rig() => {
                imagecheck::verify(world.arch(), &image)?;
                limited(&rig::coverage(world.arch(), &image)?)?
            }
            "crash-path" if world.is_native_rig() => {
                imagecheck::verify(world.arch(), &image)?;
                limited(&rig::crash_path_of(world.arch(), &image, 11)?)?
            }
            // It has no world, and is run once, where the host's own rig is.
            "stress" if world.is_native_rig() => limited(&stress(&image)?)?,
            "coverage" | "crash-path" | "stress" => continue,
            name => world.run_with(&image, name)?,
        };
        if let Verdict::Failed(said) = verdict {
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

fn in_rig(world: World, image: &Path, arguments: &[&str]) -> Result<Verdict> {
    if world == World::Wine {
        return Ok(Verdict::NotHere("the rig's own"));
    }
    let images = image.parent().context("a folder")?;
    limited(rig::command(world.arch(), images)?.args(arguments))
}

/// The line of an output that says what was wrong.
fn essence(said: &str) -> String {
    let line = said
        .lines()
        .find(|line| {
            line.contains("rule broken") || line.starts_with("error") || line.starts_with("test result: FAILED")
        })
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
        let has_tests = |fault: &Fault| !fault.scenarios.is_empty() || !fault.tests.is_empty() || fault.has_exports;
        assert!(faults.iter().all(|fault| fault.about.ends_with('.') && has_tests(fault)));
        let mut tests = faults.iter().flat_map(|fault| &fault.tests);
        let is_there = |package: &str, test: &str| {
            let folder = package.trim_start_matches("irqlog-");
            ["crates", "tools"].iter().any(|of| root().join(of).join(folder).join("tests").join(test).is_file())
        };
        assert!(tests.all(|(package, test)| is_there(package, &format!("{test}.rs"))), "a test that is not there");
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
