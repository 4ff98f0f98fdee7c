//! `cargo xtask scenarios`: runs every scenario in every world, and prints one table of the results.
//!
//! A **world** is something that irqlog.sys runs in: our rig on x64, our rig on ARM64, and Wine, whose I/O manager and
//! service manager are not ours. The list of scenarios is the rig's own; each runs in a process of its own, with a time
//! limit, because a defect may well be a run that never ends.

use std::time::Instant;

use anyhow::{Result, bail};
use irqlog_build::{
    drivers,
    host::NATIVE,
    shell::{output, step},
};
use irqlog_kit::Arch;

use crate::{cli, in_wine, rig, verdict::Verdict, world::World};

/// Runs scenarios, all of them if `names` is empty, in `worlds`, and prints the table.
///
/// # Errors
/// If one fails that should pass, or there is no scenario of a name.
pub fn run(worlds: &[World], names: &[String]) -> Result<()> {
    let mut failed = Vec::new();
    for &world in worlds {
        world.prepare()?;
        if world == World::RigArm64 && NATIVE != Arch::Arm64 {
            step("rig-arm64 runs under an emulator: it shows logic, not memory order");
        }
    }
    let scenarios = select(&list()?, names)?;
    println!("{:28} {:10} {:7} {:>8}", "scenario", "world", "result", "time");
    for scenario in scenarios {
        for &world in worlds {
            let start = Instant::now();
            let verdict = world.run(&scenario)?;
            print!("{scenario:28} {:10} {verdict:7} {:7.2}s", world.name(), start.elapsed().as_secs_f64());
            match verdict {
                Verdict::Passed => println!(),
                Verdict::NotHere(why) => println!("  {why}"),
                Verdict::Failed(said) => {
                    println!("\n{said}");
                    failed.push(format!("{scenario} in {}: {}", world.name(), reason(&said)));
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join("; ")) }
}

/// The line in which a failed scenario said why: the rule that a driver broke, or else the last one, since programs say
/// last why they end.
///
/// A summary repeats it, because CI may keep only the end of a long output.
fn reason(said: &str) -> &str {
    let mut lines = said.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next().unwrap_or("it said nothing");
    lines.find(|line| line.starts_with("*** rule broken")).unwrap_or(last)
}

/// The names of all scenarios.
///
/// # Errors
/// If the rig does not start.
pub fn list() -> Result<Vec<String>> {
    let text = output(rig::command(NATIVE, &drivers::images(NATIVE))?.arg("list"))?;
    let of_the_rig = text.lines().filter_map(|line| line.split_whitespace().next());
    let names = of_the_rig.chain(cli::ALL.iter().map(|cli| cli.name)).chain(in_wine::OWN);
    Ok(names.map(str::to_owned).collect())
}

fn select(all: &[String], names: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no scenario {unknown}; there are {}", all.join(", "));
    }
    Ok(all.iter().filter(|name| names.is_empty() || names.contains(name)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_reason_is_the_broken_rule_or_the_last_line() {
        assert_eq!(reason("*** rule broken: x\n    backtrace\n    dump: y\n"), "*** rule broken: x");
        assert_eq!(reason("starting\nerror: no record\n\n  \n"), "error: no record");
        assert_eq!(reason("\n"), "it said nothing");
    }
}
