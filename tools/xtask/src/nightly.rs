//! The tiers of soak that need nightly: fuzzing, sanitizers, Miri.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use irqlog_build::{
    host, nightly,
    shell::{self, root, step, timed},
};
use irqlog_fuzz_targets::TARGETS;

/// Seconds for each target.
const SECONDS: u32 = 60;
/// The largest input, in bytes, of a target without larger seeds: more only makes it slow.
const LARGEST: usize = 16 * 1024;

/// Fuzzes every target for a minute, from the stored inputs on. What is new stays in `target/fuzz`; an input that breaks something is in `fuzz/artifacts`, and belongs into `testdata/fuzz` once it is mended.
///
/// # Errors
/// If a target fails, or the tools cannot be installed. All targets run, also after one has failed.
pub fn fuzz() -> Result<()> {
    nightly::prepare_fuzz()?;
    // Not below fuzz/: what copies the sources would copy gigabytes.
    let built = root().join(nightly::TARGET).join("fuzz");
    shell::run(nightly::cargo().args(["fuzz", "build", "--target-dir"]).arg(&built))?;
    let mut failed = Vec::new();
    for target in &TARGETS {
        let corpus = root().join("target/fuzz").join(target.name);
        fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
        let mut largest = LARGEST;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            largest = largest.max(seed.len());
            let path = corpus.join(format!("seed-{index}"));
            fs::write(&path, seed).with_context(|| format!("writing {}", path.display()))?;
        }
        step(&format!("fuzzing {} for {SECONDS} s", target.name));
        let mut fuzz = nightly::cargo();
        fuzz.args(["fuzz", "run", "--target-dir"]).arg(&built).arg(target.name).arg(&corpus).args(target.folders);
        // A second without a new line is a dull one: only what is found is printed, and the sum.
        fuzz.args(["--", "-verbosity=0", "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=1024"]);
        fuzz.args([format!("-max_total_time={SECONDS}"), format!("-max_len={largest}")]);
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

/// The target that a sanitizer is built for. It is named, so that build scripts and procedural macros are built without.
const HOST: &str = if host::is_arm64() { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Cargo with a sanitizer in all crates, and with that for threads in the standard library too: it has to see each
/// synchronisation, and code with and without it cannot be linked.
fn sanitized(sanitizer: &str, subcommand: &str) -> Command {
    let mut cargo = nightly::cargo();
    // Tests keep their recorders for ever.
    cargo.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}")).env("ASAN_OPTIONS", "detect_leaks=0");
    cargo.args([subcommand, "--locked", "--quiet", "--target", HOST]);
    if sanitizer == "thread" {
        cargo.arg("-Zbuild-std=std,panic_abort");
    }
    cargo.arg("--target-dir").arg(root().join(nightly::TARGET).join(sanitizer));
    cargo
}

/// Records that the stress writes under a sanitizer, which makes it ten times slower.
const STRESS: &str = "1000000";

/// The stress, and the tests of everything with unsafe code that the host builds, under AddressSanitizer: no access to
/// memory that is not theirs, and none after its end. Models and doc tests are left out: they have no memory of their
/// own.
///
/// # Errors
/// What the sanitizer finds.
pub fn address() -> Result<()> {
    nightly::prepare(&["rust-src"])?;
    shell::run(sanitized("address", "run").args(["--package", "irqlog-stress", "--", "--records", STRESS]))?;
    for (package, tests) in [
        ("irqlog-ring", &["hint", "locks", "property"][..]),
        ("irqlog-recorder", &["*"]),
        ("irqlog-reader", &["*"]),
        ("irqlog-provider", &["provider", "text"]),
    ] {
        let mut cargo = sanitized("address", "test");
        cargo.args(["--package", package, "--lib"]);
        for test in tests {
            cargo.args(["--test", test]);
        }
        shell::run(&mut cargo)?;
    }
    Ok(())
}

/// The stress under ThreadSanitizer: no two threads touch the same bytes without an order but by atomic accesses. It does
/// not know fences, which the ring has; that orders are strong enough is shown by the models. And it delivers signals
/// only where a thread calls the C library: in a write that is where the thread gives up the processor.
///
/// # Errors
/// What the sanitizer finds.
pub fn thread() -> Result<()> {
    nightly::prepare(&["rust-src"])?;
    shell::run(sanitized("thread", "run").args(["--package", "irqlog-stress", "--", "--records", STRESS]))
}

/// What Miri runs of each package. It is a thousand times slower than a processor, so much is left out: models, threads
/// that wait for each other (`locks`), an NMI at every step (`nesting`), a walk for every hint (`hint`), and whole recorders
/// that are filled (`events`, `record_path`, `image`, `stream`). Properties run twice.
const MIRI: [(&str, &[&str]); 4] = [
    ("irqlog-wire", &["format", "golden", "site"]),
    ("irqlog-ring", &["property"]),
    ("irqlog-recorder", &["requests", "sites", "waiting"]),
    ("irqlog-reader", &["event", "parts"]),
];

/// Tests under Miri: no undefined behaviour by the rules of the language, in one order of the threads. Addresses go
/// through numbers in the lock `queued` and in the strings of events, so provenance is the permissive one. Tests read
/// stored images, and keep their recorders for ever.
///
/// # Errors
/// What Miri finds.
pub fn miri() -> Result<()> {
    const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-permissive-provenance -Zmiri-ignore-leaks";
    nightly::prepare(&["miri", "rust-src"])?;
    for (package, tests) in MIRI {
        let mut cargo = nightly::cargo();
        cargo.env("MIRIFLAGS", FLAGS).env("PROPTEST_CASES", "2");
        cargo.args(["miri", "test", "--locked", "--quiet", "--package", package, "--lib"]);
        cargo.arg("--target-dir").arg(root().join(nightly::TARGET));
        for test in tests {
            cargo.args(["--test", test]);
        }
        timed(&format!("{package} in Miri"), || shell::run(&mut cargo))?;
    }
    Ok(())
}
