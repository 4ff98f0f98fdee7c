//! Mutations, as part of soak: changes to crates that their tests have to notice. What is mutated stands in
//! `.cargo/mutants.toml`; which mutants survive, and why, in docs/testing.md.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use irqlog_build::shell::{root, run, step};
use irqlog_worlds::mutants;
use serde_json::Value;

/// The packages that are mutated, and those whose tests have to notice. The recorder's mutants need no models; the
/// ring's do.
const PACKAGES: [(&str, &str); 8] = [
    ("irqlog-recorder", "irqlog-recorder"),
    ("irqlog-request", "irqlog-recorder"),
    ("irqlog-ring", "irqlog-ring,irqlog-recorder"),
    ("irqlog-wire", "irqlog-wire"),
    ("irqlog-reader", "irqlog-reader,irqlog-shown,irqlog-cli,irqlog-provider,irqlog-fuzz-targets"),
    ("irqlog-shown", "irqlog-shown,irqlog-reader,irqlog-cli,irqlog-export"),
    ("irqlog-filter", "irqlog-filter,irqlog-cli"),
    ("irqlog-provider", "irqlog-provider"),
];

/// The driver, which is mutated as it is built: scenarios have to notice.
const DRIVER: &str = "irqlog";

/// The part of the mutants that has to be caught, in percent.
const CAUGHT: usize = 95;

/// Which mutants are tried.
#[derive(Clone, Debug, clap::Args)]
pub struct Choice {
    /// Mutants of these packages only; without it of ring and recorder, which takes an hour, and others take more
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',', default_value = "irqlog-recorder,irqlog-ring",
        value_parser = PACKAGES.map(|(package, _)| package).into_iter().chain([DRIVER]).collect::<Vec<_>>())]
    mutate: Vec<String>,
    /// Only a part of each package's mutants, such as 0/4 for the first of four
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

/// Runs the chosen mutations.
///
/// # Errors
/// If cargo-mutants cannot be installed, or too many survive.
pub fn run_all(choice: &Choice) -> Result<()> {
    let is_there =
        Command::new("cargo").args(["mutants", "--version"]).output().is_ok_and(|output| output.status.success());
    if !is_there {
        step("installing cargo-mutants");
        run(Command::new("cargo").args(["install", "--locked", "--quiet", "cargo-mutants"]))?;
    }
    let (mut caught, mut missed) = (0, 0);
    let is_chosen = |package: &str| choice.mutate.iter().any(|name| name == package);
    for (package, tests) in PACKAGES.iter().filter(|(package, _)| is_chosen(package)) {
        let counted = mutate(package, tests, choice.shard.as_deref())?;
        caught += counted.0;
        missed += counted.1;
    }
    if is_chosen(DRIVER) {
        let counted = mutants::run(choice.shard.as_deref())?;
        println!(
            "{DRIVER}: {} mutants caught, {} missed, {} do not build",
            counted.caught, counted.missed, counted.unviable
        );
        caught += counted.caught;
        missed += counted.missed;
    }
    ensure!(caught != 0, "no mutant was caught: did the tests run?");
    ensure!(caught * 100 >= (caught + missed) * CAUGHT, "fewer than {CAUGHT} % of the mutants were caught");
    Ok(())
}

/// Mutates one package and runs the tests of some; gives how many were caught, and how many not.
fn mutate(package: &str, tests: &str, shard: Option<&str>) -> Result<(usize, usize)> {
    let folder = root().join("target/mutants").join(package);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut mutants = Command::new("cargo");
    mutants.current_dir(root()).args(["mutants", "--jobs", "2", "--timeout", "60", "-p", package]);
    if let Some(shard) = shard {
        mutants.args(["--shard", shard]);
    }
    // Its status says whether any survived; how many may is decided by the caller.
    let status =
        mutants.args(["--test-package", tests, "-o"]).arg(&folder).status().context("starting cargo-mutants")?;
    let outcomes = folder.join("mutants.out/outcomes.json");
    let text = fs::read_to_string(&outcomes)
        .with_context(|| format!("reading {}; cargo-mutants ended with {status}", outcomes.display()))?;
    let outcomes: Value = serde_json::from_str(&text).context("its outcomes")?;
    let count = |name: &str| outcomes[name].as_u64().unwrap_or_default() as usize;
    let (caught, missed) = (count("caught") + count("timeout"), count("missed"));
    let survivors = fs::read_to_string(folder.join("mutants.out/missed.txt")).unwrap_or_default();
    survivors.lines().for_each(|mutant| println!("MISSED {mutant}"));
    // Logs and copies of the sources, of which nothing is needed any more.
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    println!("{package}: {caught} mutants caught, {missed} missed, {} do not build", count("unviable"));
    Ok((caught, missed))
}
