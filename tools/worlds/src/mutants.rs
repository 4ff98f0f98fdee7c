//! Mutants of the driver: each is built into a driver of its own, and a scenario has to notice it.
//!
//! No test of the host builds `driver/`, so cargo-mutants cannot test its mutants. It only lists them; a mutant is then a
//! patch like a planted fault.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{output, root},
};
use serde_json::Value;

use crate::{scenarios, verdict::Verdict, world::World};

/// How many mutants were noticed, and how many were not.
#[derive(Clone, Copy, Debug, Default)]
pub struct MutantCounts {
    /// A scenario failed.
    pub caught: usize,
    /// Every scenario passed.
    pub missed: usize,
    /// The driver did not build.
    pub unviable: usize,
}

/// Builds each mutant of the driver, and runs the scenarios in this machine's rig until one fails. A part of the
/// mutants is chosen as `0/4`. Prints who notices what.
///
/// # Errors
/// If the mutants cannot be listed, or a scenario cannot be started.
pub fn run(shard: Option<&str>) -> Result<MutantCounts> {
    let world = if NATIVE == World::RigX64.arch() { World::RigX64 } else { World::RigArm64 };
    world.prepare()?;
    let scenarios = scenarios::list()?;
    let folder = root().join("target/mutants/driver");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut counts = MutantCounts::default();
    for (index, mutant) in listed(shard)?.iter().enumerate() {
        let text = |field: &str| mutant[field].as_str().with_context(|| format!("a mutant without {field}"));
        let (name, patch) = (text("name")?, folder.join(format!("mutant-{index}.patch")));
        fs::write(&patch, as_patch(text("file")?, text("diff")?))
            .with_context(|| format!("writing {}", patch.display()))?;
        match drivers::patched(&patch, world.arch()) {
            Err(_) => {
                counts.unviable += 1;
                println!("does not build: {name}");
            }
            Ok(image) => {
                let mut noticed = None;
                for scenario in &scenarios {
                    if let Verdict::Failed(_) = world.run_with(&image, scenario)? {
                        noticed = Some(scenario);
                        break;
                    }
                }
                if let Some(scenario) = noticed {
                    counts.caught += 1;
                    println!("caught by {scenario}: {name}");
                } else {
                    counts.missed += 1;
                    println!("MISSED {name}");
                }
            }
        }
        drivers::forget_patched(&patch, world.arch())?;
    }
    Ok(counts)
}

/// What cargo-mutants would change in the driver, each with its difference.
fn listed(shard: Option<&str>) -> Result<Vec<Value>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["mutants", "--list", "--json", "--diff", "--package", "irqlog"]);
    cargo.args(["--file", "driver/*.rs"]);
    if let Some(shard) = shard {
        cargo.args(["--shard", shard]);
    }
    serde_json::from_str(&output(&mut cargo)?).context("the list of cargo-mutants")
}

/// The difference with names of files that `git apply` takes: cargo-mutants has what it changed in the second line.
fn as_patch(file: &str, difference: &str) -> String {
    let changes = difference.splitn(3, '\n').nth(2).unwrap_or_default();
    format!("--- a/{file}\n+++ b/{file}\n{changes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_its_file_twice() {
        let difference = "--- driver/text.rs\n+++ replace Text::new\n@@ -1,2 +1,2 @@\n-a\n+b\n c\n";
        let patch = "--- a/driver/text.rs\n+++ b/driver/text.rs\n@@ -1,2 +1,2 @@\n-a\n+b\n c\n";
        assert_eq!(as_patch("driver/text.rs", difference), patch);
    }
}
