//! `cargo xtask test`: everything that CI runs, one step after another, cheapest first.
//!
//! On a developer's machine a slow step that has passed with just these sources is skipped; in CI (`CI` is set) never.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_kit::Arch;

use crate::{
    build, host, irql_comments, rig,
    scenarios::{self, World},
    shell::{output, root, run, timed},
    verify,
};

struct Step {
    name: &'static str,
    /// Worth skipping when nothing has changed.
    slow: bool,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "formatting", slow: false, run: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "irql-comments", slow: false, run: irql_comments::check },
    Step {
        name: "clippy",
        slow: false,
        run: || cargo(&["clippy", "--locked", "--quiet", "--all-targets", "--", "-D", "warnings"]),
    },
    Step {
        name: "unit-property-model-doc-tests",
        slow: true,
        run: || host::llvm().and_then(|_| cargo(&["test", "--locked"])),
    },
    Step { name: "driver-builds", slow: false, run: || build::drivers(&Arch::ALL) },
    Step { name: "driver-clippy", slow: true, run: build::clippy_drivers },
    Step { name: "verify-sys", slow: false, run: || verify::run(&Arch::ALL) },
    Step { name: "planted-slice-index", slow: true, run: verify::planted },
    Step { name: "windows-cli-x64", slow: true, run: || build::check_windows_cli(Arch::X64) },
    Step { name: "windows-cli-arm64", slow: true, run: || build::check_windows_cli(Arch::Arm64) },
    Step { name: "rig-images", slow: false, run: || rig::prepare(rig::NATIVE) },
    Step { name: "scenarios-rig-x64", slow: false, run: || scenarios::run(&[World::RigX64], &[]) },
    Step { name: "scenarios-rig-arm64", slow: true, run: || scenarios::run(&[World::RigArm64], &[]) },
    Step { name: "record-path-coverage", slow: false, run: coverage },
    Step { name: "checked-driver", slow: true, run: checked_driver },
    Step { name: "cli-end-to-end", slow: false, run: end_to_end },
    Step { name: "events-end-to-end", slow: false, run: events },
];

/// The checked driver, in the scenarios in which its locks are used as they should be.
fn checked_driver() -> Result<()> {
    let images = build::checked()?;
    for scenario in ["start-stop", "storm", "storm-percpu", "storm-swap", "storm-queued"] {
        run(rig::command(rig::NATIVE, &images)?.args(["run", scenario]))?;
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
        let stamp = root().join("target/xtask").join(format!("{}.passed", step.name));
        let sources = if step.slow && !in_ci { Some(hash_sources()?) } else { None };
        if let Some(sources) = &sources
            && fs::read_to_string(&stamp).is_ok_and(|passed| passed == *sources)
        {
            eprintln!("==> {}: nothing has changed since it passed, skipped", step.name);
            skipped += 1;
            continue;
        }
        match timed(step.name, step.run) {
            Ok(()) => {
                passed += 1;
                if let Some(sources) = sources {
                    fs::create_dir_all(root().join("target/xtask"))?;
                    fs::write(&stamp, sources).with_context(|| format!("writing {}", stamp.display()))?;
                }
            }
            Err(error) => {
                eprintln!("    {error:#}");
                failed.push(step.name);
            }
        }
    }
    println!("\n{passed} passed, {} failed, {skipped} skipped", failed.len());
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").current_dir(root()).args(arguments))
}

fn coverage() -> Result<()> {
    let list = rig::images(rig::NATIVE).join("irqlog.record-path.json");
    run(rig::command(rig::NATIVE, &rig::images(rig::NATIVE))?
        .args(["--processors", "1", "coverage", "--record-path"])
        .arg(list))
}

/// A hash over every file that git tracks or would.
fn hash_sources() -> Result<String> {
    let files = output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut hasher = DefaultHasher::new();
    for file in files.lines() {
        let path: PathBuf = root().join(file);
        file.hash(&mut hasher);
        // A tracked file that was deleted is a change too.
        fs::read(&path).unwrap_or_default().hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The real CLI on the real driver in the rig: every command, and what comes out of it.
fn end_to_end() -> Result<()> {
    let serving = rig::Serving::start(rig::NATIVE, 0)?;
    let expect = |arguments: &[&str], wanted: &[&str]| -> Result<()> {
        let text = serving.irqlog(arguments)?;
        for part in wanted {
            if !text.contains(part) {
                bail!("irqlog {} does not say {part:?}:\n{text}", arguments.join(" "));
            }
        }
        Ok(())
    };
    expect(&["info"], &["engine shared, lock kernel", "level trace, policy overwrite, writing", "nmi"])?;
    expect(&["selftest"], &["selftest: every record arrived"])?;
    expect(&["mark", "caf\u{e9}", "--level", "error"], &[])?;
    expect(&["read", "--last", "1"], &["error", "caf\u{e9}", "[user]", "PASSIVE"])?;
    expect(&["read", "--level", "error", "--json"], &["\"text\":\"caf\u{e9}\"", "\"level\":\"error\""])?;
    expect(&["read", "--irql", "HIGH"], &["selftest: HIGH_LEVEL"])?;
    expect(&["follow", "--count", "3"], &["started"])?;
    follow(&serving)?;
    expect(&["stats"], &["written", "dropped   0", "sampled"])?;
    expect(&["configure", "--level", "warn", "--policy", "keep"], &[])?;
    expect(&["info", "--json"], &["\"level\":\"warn\"", "\"policy\":\"keep\""])?;
    expect(&["configure", "--pause"], &[])?;
    expect(&["mark", "unheard", "--level", "error"], &[])?;
    expect(&["configure", "--resume"], &[])?;
    expect(&["stats"], &["paused", "1"])?;
    let saved = root().join("target/xtask/end-to-end.irqlog");
    fs::create_dir_all(saved.parent().context("a folder")?)?;
    let _ = fs::remove_file(&saved);
    let path = saved.to_string_lossy().into_owned();
    expect(&["save", &path], &[])?;
    let live = serving.irqlog(&["read", "--json"])?;
    let decoded = serving.irqlog(&["decode", &path, "--json"])?;
    if live != decoded {
        bail!("decode shows something else than read did");
    }
    if serving.irqlog(&["save", &path]).is_ok() {
        bail!("save has overwritten a file");
    }
    expect(&["clear"], &[])?;
    let left = serving.irqlog(&["read"])?;
    if left.contains("selftest") {
        bail!("clear left something:\n{left}");
    }
    serving.stop()
}

/// Drivers that log events: their text, their levels, and what is looked for, live and saved.
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "they are formats of events, to be found in what is shown"
)]
fn events() -> Result<()> {
    let mut serving = rig::Serving::start(rig::NATIVE, 0)?;
    serving.samples()?;
    let ask = |serving: &rig::Serving, arguments: &[&str], wanted: &[&str], unwanted: &[&str]| -> Result<String> {
        let text = serving.irqlog(arguments)?;
        for part in wanted {
            ensure!(text.contains(part), "irqlog {} does not say {part:?}:\n{text}", arguments.join(" "));
        }
        for part in unwanted {
            ensure!(!text.contains(part), "irqlog {} says {part:?}:\n{text}", arguments.join(" "));
        }
        Ok(text)
    };
    ask(&serving, &["providers"], &["sample_rust", "sample_c", "trace"], &["refused"])?;
    ask(&serving, &["providers", "--sites"], &["samples/c/sample_c.c:", "\"round {round} of {}: {:.1} %\""], &[])?;
    ask(&serving, &["read", "--provider", "sample_c"], &["sample_c: loading \\Driver\\sample_c"], &["sample_rust: "])?;
    ask(&serving, &["read", "--grep", "round [12] of work"], &["sample_c: round 1", "STATUS_PENDING"], &["DPC on"])?;
    let events =
        ask(&serving, &["read", "--json", "--grep", "DPC on"], &["{:>4} interrupts", "\"type\":\"u32\""], &[])?;
    let event: serde_json::Value = serde_json::from_str(events.lines().next().context("an event")?)?;
    let place = format!("{}:{}", event["file"].as_str().context("file")?, event["line"]);
    let at_place = ask(&serving, &["read", "--json", "--site", &place], &[], &["IPI of", "round "])?;
    ensure!(at_place.lines().all(|line| line.contains("DPC on")), "--site {place}:\n{at_place}");
    ask(
        &serving,
        &["follow", "--provider", "sample_rust", "--count", "3"],
        &["sample_rust: loading"],
        &["sample_c: "],
    )?;
    // Levels: of one that is there, and of one that is not.
    ask(&serving, &["configure", "--provider", "sample_c", "--level", "warn"], &[], &[])?;
    ensure!(serving.irqlog(&["configure", "--provider", "nobody", "--level", "warn"]).is_err(), "nobody is a provider");
    ask(&serving, &["clear"], &[], &[])?;
    serving.samples()?;
    ask(&serving, &["read", "--provider", "sample_c"], &["sample_c: NMI"], &["sample_c: DPC", "sample_c: round"])?;
    ask(&serving, &["read", "--provider", "sample_rust"], &["sample_rust: DPC"], &[])?;
    // A saved log has its sites with it.
    let saved = root().join("target/xtask/providers.irqlog");
    fs::create_dir_all(saved.parent().context("a folder")?)?;
    let _ = fs::remove_file(&saved);
    let path = saved.to_string_lossy().into_owned();
    ask(&serving, &["save", &path], &[], &[])?;
    let live = serving.irqlog(&["read", "--json", "--provider", "sample_rust"])?;
    let decoded = serving.irqlog(&["decode", &path, "--json", "--provider", "sample_rust"])?;
    ensure!(live == decoded && !live.is_empty(), "decode shows something else than read did");
    ask(&serving, &["providers", "--file", &path], &["sample_rust", "sample_c              warn"], &[])?;
    serving.stop()
}

/// `follow` shows each record once and in order, whether it comes at once or after a while.
fn follow(serving: &rig::Serving) -> Result<()> {
    const MARKS: usize = 60;
    let there = serving.irqlog(&["read"])?.lines().count();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| serving.irqlog(&["follow", "--count", &(there + MARKS).to_string()]));
        for number in 0..MARKS {
            serving.irqlog(&["mark", &format!("followed {number}")])?;
            if number % 20 == 0 {
                // Long enough for it to wait in the driver.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        let shown = follower.join().map_err(|_| anyhow::anyhow!("the follower panicked"))??;
        let marks: Vec<_> =
            shown.lines().filter_map(|line| line.split("followed ").nth(1)?.split(' ').next()).collect();
        let expected: Vec<_> = (0..MARKS).map(|number| number.to_string()).collect();
        if marks == expected { Ok(()) } else { bail!("follow showed {marks:?}") }
    })
}
