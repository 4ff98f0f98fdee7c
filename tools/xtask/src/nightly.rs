//! The tiers of soak that need nightly: fuzzing.

use std::fs;

use anyhow::{Context, Result, bail};
use irqlog_build::{
    nightly,
    shell::{self, root, step},
};
use irqlog_fuzz_targets::TARGETS;

/// Seconds for each target.
const SECONDS: u32 = 60;
/// The largest input, in bytes: more only makes it slow.
const LARGEST: u32 = 16 * 1024;

/// Fuzzes every target for a minute, from the stored inputs on. What is new stays in `fuzz/corpus`, which is nobody
/// else's; an input that breaks something is in `fuzz/artifacts`, and belongs into `testdata/fuzz` once it is mended.
///
/// # Errors
/// If a target fails, or the tools cannot be installed. All targets run, also after one has failed.
pub fn fuzz() -> Result<()> {
    nightly::prepare_fuzz()?;
    shell::run(nightly::cargo().args(["fuzz", "build"]))?;
    let mut failed = Vec::new();
    for target in &TARGETS {
        let corpus = root().join("fuzz/corpus").join(target.name);
        fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
        step(&format!("fuzzing {} for {SECONDS} s", target.name));
        let mut fuzz = nightly::cargo();
        fuzz.args(["fuzz", "run", target.name]).arg(&corpus).args(target.folders);
        // A second without a new line is a dull one: only what is found is printed, and the sum.
        fuzz.args(["--", "-verbosity=0", "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=1024"]);
        fuzz.args([format!("-max_total_time={SECONDS}"), format!("-max_len={LARGEST}")]);
        if let Err(error) = shell::run(&mut fuzz) {
            eprintln!("    {error:#}");
            failed.push(target.name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} failed; the inputs are in fuzz/artifacts. Mend it, and keep them in testdata/fuzz", failed.join(", "))
}
