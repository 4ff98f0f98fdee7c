//! `cargo xtask demo`: a defect of a driver is found by reading its log; then NMIs, losses, and the accounting.
//!
//! The driver, the reader and the interrupts are the real ones of this repository. What the demonstration tells is looked up
//! in the log each time, so it fails when the log does not show it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::shell::{root, step};
use irqlog_kit::Arch;
use serde_json::Value;

use crate::{
    rig::{self, Serving},
    target::Target,
};

/// Calls of the storm's threads in one go: few enough for the ring to hold most of them.
const CALLS: u64 = 6000;

/// How often the race is run until a request hangs: interrupts land where they land.
const ATTEMPTS: usize = 10;

/// Records around the lost request that are shown before and behind it.
const AROUND: &str = "4";

/// Runs the demonstration.
///
/// # Errors
/// If something fails, the log does not show what is told of it, or the accounting does not hold.
pub fn run(arch: Arch) -> Result<()> {
    rig::prepare(arch)?;
    let lines = race(arch)?;
    accounting(arch)?;
    println!("\n== Try it yourself: the log of part 1 is in {}", lines.file);
    for line in &lines.commands {
        println!("{line}");
        run_line(line)?;
    }
    Ok(())
}

/// The log that part 1 leaves, and what to do with it.
struct TryIt {
    file: String,
    commands: Vec<String>,
}

/// Prints a command of the CLI, and its output.
fn show(serving: &Serving, arguments: &[&str]) -> Result<String> {
    let quoted: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
    println!("\n$ irqlog {}", quoted.join(" "));
    let text = serving.irqlog(arguments)?;
    page(&text);
    Ok(text)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    if word.chars().all(|character| character.is_ascii_alphanumeric() || "-_./,:".contains(character)) {
        word.to_owned()
    } else {
        format!("'{word}'")
    }
}

/// Part 1: a request hangs, and ten lines of the log say why.
fn race(arch: Arch) -> Result<TryIt> {
    println!("== 1. A driver hangs now and then, and nothing is to be seen in its code");
    step("booting 4 processors with irqlog.sys, sample_rust.sys and sample_c.sys; their devices interrupt");
    let mut serving = Serving::start(arch, 0)?;
    let mut number = None;
    for _ in 0..ATTEMPTS {
        serving.irqlog(&["clear"])?;
        serving.race()?;
        number = lost_request(&serving)?;
        if number.is_some() {
            break;
        }
    }
    let number = number.context("no request has hung: the race was not met")?;
    println!("\nIts watchdog is all that the driver itself can say:");
    show(&serving, &["read", "--provider", "sample_c", "--level", "warn", "--grep", "watchdog", "--last", "3"])?;
    println!("\nWhat happened to request {number}? Its records, and those around it, from all processors in order:");
    let pattern = format!("request {number} ");
    let story =
        show(&serving, &["read", "--provider", "sample_c", "--grep", &pattern, "-C", AROUND, "--time", "delta"])?;
    check_story(&story, number)?;
    println!(
        "\nThe DPC had taken `done` before the ISR noted request {number} in it, and then set it to zero: the request was \
         forgotten.\nThe ISR and the DPC change one word, and the DPC does not do it in one step. `Taken = \
         InterlockedExchange(&Done, 0)`\nis the cure: see samples/c/race.h."
    );
    println!("\nThe same log has every context, NMIs too; in the NMI lane they wait for nobody:");
    serving.samples()?;
    show(&serving, &["read", "--provider", "sample_*", "--irql", "NMI", "--last", "3"])?;
    show(&serving, &["providers"])?;
    let file = saved(&serving)?;
    Box::new(serving).stop()?;
    let shown = quoted(&file);
    let irqlog = "target/debug/irqlog";
    let commands = vec![
        format!("{irqlog} read --file {shown} --provider sample_c --grep '{pattern}' -C {AROUND} --location"),
        format!("{irqlog} read --file {shown} --irql NMI --hex --last 4"),
        format!("{irqlog} read --file {shown} --cpu 1 --irql DISPATCH --json --last 2"),
        format!("{irqlog} stats --file {shown}"),
    ];
    Ok(TryIt { file, commands })
}

/// The number of a request that hangs and whose records are still in the log; the last such one.
fn lost_request(serving: &Serving) -> Result<Option<u64>> {
    let json = serving.irqlog(&["read", "--provider", "sample_c", "--json"])?;
    let texts: Vec<String> = json
        .lines()
        .map(|line| Ok(serde_json::from_str::<Value>(line)?["text"].as_str().unwrap_or_default().to_owned()))
        .collect::<Result<_>>()?;
    let hangs = texts.iter().filter_map(|text| text.strip_prefix("watchdog: request ")?.strip_suffix(" hangs"));
    let mut numbers = hangs.filter_map(|number| number.parse().ok()).rev();
    Ok(numbers.find(|number| story_of(&texts, *number).is_some()))
}

/// The places of the ISR's record of a request, and of the end of the DPC that forgot it: that DPC did not complete it.
fn story_of(texts: &[String], number: u64) -> Option<(usize, usize)> {
    let isr = texts.iter().position(|text| text.starts_with(&format!("ISR: request {number} is done")))?;
    let end = isr + texts[isr..].iter().position(|text| text.starts_with("DPC: has completed"))?;
    // Near enough to be among the lines that are shown.
    let around: usize = AROUND.parse().ok()?;
    (end - isr <= around).then_some((isr, end))
}

/// The lines that were shown have the interrupt, and behind it the end of a DPC.
fn check_story(story: &str, number: u64) -> Result<()> {
    let lines: Vec<_> = story.lines().collect();
    let isr = lines.iter().position(|line| line.contains(&format!("ISR: request {number} is done")));
    let isr = isr.context("the interrupt of the request is not shown")?;
    let rest: Vec<_> = lines[isr..].iter().take_while(|line| **line != "--").collect();
    ensure!(rest.iter().any(|line| line.contains("DPC: has completed")), "the end of the DPC is not shown:\n{story}");
    ensure!(
        !lines.iter().any(|line| line.contains(&format!("completes request {number} "))),
        "the request was completed:\n{story}"
    );
    Ok(())
}

/// The log as a file, for the person to go on with.
fn saved(serving: &Serving) -> Result<String> {
    let name = PathBuf::from("target/demo.irqlog");
    let path = root().join(&name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", path.display()));
        }
        _ => {}
    }
    serving.irqlog(&["save", &serving.path(&path)])?;
    Ok(name.display().to_string())
}

/// Runs a line that a person is told to type, and looks that it says something.
fn run_line(line: &str) -> Result<()> {
    let mut shell = std::process::Command::new("sh");
    let said = irqlog_build::shell::output(shell.current_dir(root()).args(["-c", line]))?;
    ensure!(!said.trim().is_empty(), "`{line}` says nothing");
    Ok(())
}

/// Part 2: a storm, and where each of its log calls is.
fn accounting(arch: Arch) -> Result<()> {
    println!(
        "\n== 2. Threads, DPCs, IPIs, interrupts and NMIs log while they interrupt each other. Is every call accounted for?"
    );
    step("booting anew, for a storm of log calls");
    let serving = Serving::start(arch, CALLS)?;
    show(&serving, &["selftest"])?;
    show(&serving, &["stats"])?;
    let verdict = account(&serving)?;
    Box::new(serving).stop()?;
    println!("\n{verdict}");
    if verdict.ends_with("accounting holds") { Ok(()) } else { bail!("the accounting does not hold") }
}

/// Shows records as wide as one screen. Losses are in the accounting.
fn page(text: &str) {
    const WIDTH: usize = 160;
    for line in text.lines().filter(|line| !line.starts_with("---")) {
        let cut: String = line.chars().take(WIDTH).collect();
        println!("{cut}{}", if cut.len() < line.len() { "..." } else { "" });
    }
}

/// `called + own = written + dropped` and `written = delivered + lost`, with the numbers.
fn account(serving: &Serving) -> Result<String> {
    let said = serving.said.iter().find_map(|line| line.strip_prefix("storm: ")).context("the storm's count")?;
    let storm: Value = serde_json::from_str(said).context("the storm's count")?;
    let called = storm["called"].as_u64().context("called")?;
    let records = serving.irqlog(&["read", "--json"])?;
    let (mut delivered, mut lost) = (0, 0);
    for line in records.lines() {
        let record: Value = serde_json::from_str(line).context("a record as JSON")?;
        match record["loss"]["count"].as_u64() {
            Some(count) => lost += count,
            None => delivered += 1,
        }
    }
    let stats: Value = serde_json::from_str(&serving.irqlog(&["stats", "--json"])?).context("stats as JSON")?;
    let sum = |values: Vec<&Value>| values.into_iter().filter_map(Value::as_u64).sum::<u64>();
    let written = sum(stats["lanes"].as_array().context("lanes")?.iter().map(|lane| &lane["written"]).collect());
    let dropped = sum(stats["dropped"].as_object().context("dropped")?.values().collect());
    let own = stats["own_calls"].as_u64().context("own_calls")?;
    let mut text = format!(
        "called {called} + own {own} = {}, written {written} + dropped {dropped} = {}\n\
         written {written}, delivered {delivered} + lost {lost} = {}\n",
        called + own,
        written + dropped,
        delivered + lost,
    );
    text.push_str(if called + own != written + dropped {
        "called + own is not written + dropped"
    } else if written != delivered + lost {
        "written is not delivered + lost"
    } else {
        "accounting holds"
    });
    Ok(text)
}
