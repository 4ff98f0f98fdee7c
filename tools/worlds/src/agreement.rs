//! Three accounts of a crash agree, record by record: the rig's own, irqlog's, and that of the debugger's script.
//!
//! The rig leaves dumps in a folder (`irqlog-rig --crash-dumps`), and beside each what has to be in it. `irqlog read` and the
//! script read each dump; the script does so in one process of Node for all of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use irqlog_build::shell::root;
use irqlog_debugger::host;
use irqlog_kit::Arch;
use serde_json::{Value, json};

use crate::rig;

/// The scenarios in which every kind of dump is tried: each engine, each lock, and each way to a crash.
const SCENARIOS: [&str; 8] = [
    "crash-kernel",
    "crash-os-queued",
    "crash-swap",
    "crash-queued",
    "crash-percpu",
    "crash-one-part",
    "crash-hot-add",
    "crash-fault",
];

/// What irqlog says of a file: lines of text, objects, sentences about what is missing, and whether there is a log.
struct Told {
    lines: Vec<String>,
    records: Vec<Value>,
    notes: Vec<String>,
    is_there: bool,
}

/// The folder, which is empty, for the dumps of a scenario in which every kind of dump is tried; `None` for another one.
///
/// # Errors
/// If the folder cannot be made.
pub fn folder(arch: Arch, scenario: &str) -> Result<Option<PathBuf>> {
    if !SCENARIOS.contains(&scenario) {
        return Ok(None);
    }
    let folder = root().join("target/xtask/crash-dumps").join(format!("{}-{scenario}", arch.name()));
    // The dumps of a run that failed stay until the next one.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(Some(folder))
}

/// Compares the three accounts of each dump in a folder, and removes it.
///
/// # Errors
/// The first difference; the dumps stay then.
pub fn check(folder: &Path) -> Result<()> {
    let accounts = accounts(folder)?;
    ensure!(!accounts.is_empty(), "no dump in {}", folder.display());
    let targets: Vec<_> = accounts.iter().map(target).collect();
    let mut with_notes = 0;
    for (account, answer) in accounts.iter().zip(host::ask(&targets)?) {
        let dump = account["dump"].as_str().context("a dump")?;
        let told = ask_irqlog(dump)?;
        compare(account, &told, &answer).with_context(|| dump.to_owned())?;
        with_notes += usize::from(!told.notes.is_empty());
    }
    // Some rooms are too small for the log, so some dumps have to say that something is missing.
    ensure!(with_notes > 0, "no dump says that something is missing");
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}

/// The accounts in a folder, in the order of their names.
fn accounts(folder: &Path) -> Result<Vec<Value>> {
    let mut accounts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            accounts.push((path.clone(), serde_json::from_slice(&fs::read(&path)?)?));
        }
    }
    accounts.sort_by(|one: &(_, Value), other| one.0.cmp(&other.0));
    Ok(accounts.into_iter().map(|(_, account)| account).collect())
}

/// The dump as a target of the script: the driver's place in memory, or the image's where no driver is there.
fn target(account: &Value) -> Value {
    let mut target = json!({ "path": account["dump"] });
    if let Some(driver) = account["driver"].as_str() {
        target["modules"] = json!([{ "name": "\\SystemRoot\\System32\\drivers\\irqlog.sys", "base": driver }]);
    }
    if let Some(image) = account["image"].as_str() {
        target["call"] = json!(image);
    }
    target
}

/// Compares what was told of a dump.
fn compare(account: &Value, told: &Told, answer: &Value) -> Result<()> {
    let required = account["records"].as_u64().context("a number of records")? as usize;
    if !told.is_there {
        let error = answer["error"].as_str().unwrap_or_default();
        ensure!(required == 0, "irqlog finds no log, and the rig {required} records");
        ensure!(error.contains("no log of irqlog"), "irqlog finds no log, and the script says: {error}");
        return Ok(());
    }
    ensure!(answer["error"].is_null(), "the script says: {}", answer["error"]);
    ensure!(told.records.len() == required, "irqlog has {} records, and the rig {required}", told.records.len());
    let of_script = |list: &str| answer[list].as_array().cloned().unwrap_or_default();
    same("record", &of_script("records"), &told.records)?;
    same("line", &of_script("lines"), &told.lines.iter().map(|line| json!(line)).collect::<Vec<_>>())?;
    same("note", &of_script("notes"), &told.notes.iter().map(|note| json!(note)).collect::<Vec<_>>())?;
    let texts: Vec<_> = told.records.iter().filter_map(|record| record["text"].as_str()).collect();
    for text in account["texts"].as_array().context("texts")? {
        let count = texts.iter().filter(|found| Some(**found) == text.as_str()).count();
        ensure!(count == 1, "{text} is there {count} times");
    }
    Ok(())
}

fn same(what: &str, script: &[Value], irqlog: &[Value]) -> Result<()> {
    for (index, (script, irqlog)) in script.iter().zip(irqlog).enumerate() {
        ensure!(script == irqlog, "{what} {index}: the script has {script}, and irqlog {irqlog}");
    }
    ensure!(script.len() == irqlog.len(), "{what}: the script has {}, and irqlog {}", script.len(), irqlog.len());
    Ok(())
}

/// Asks irqlog for the log in a dump.
fn ask_irqlog(dump: &str) -> Result<Told> {
    let [text, json] =
        [&[][..], &["--json"]].map(|form| rig::irqlog().args(["read", "--file", dump]).args(form).output());
    let (text, json) = (text.context("starting irqlog")?, json.context("starting irqlog")?);
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let objects: Vec<Value> =
        lines(&json.stdout).iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let prefix = format!("irqlog: {dump}: ");
    let said = lines(&text.stderr);
    let notes =
        said.iter().filter_map(|line| line.strip_prefix(&prefix)).filter(|note| !note.starts_with("the log is from "));
    Ok(Told {
        lines: lines(&text.stdout),
        records: objects.into_iter().filter(|object| object["loss"].is_null()).map(as_in_the_debugger).collect(),
        notes: notes.map(str::to_owned).collect(),
        is_there: text.status.code() != Some(1),
    })
}

/// A record without what irqlog adds for other programs: the digits for readers of doubles (those of an argument's value
/// are its own), the time of day, and the start. A debugger has one log, and its reader a clock.
pub fn as_in_the_debugger(mut record: Value) -> Value {
    if let Some(fields) = record.as_object_mut() {
        fields.retain(|name, _| !name.ends_with("_exact") && name != "utc" && name != "start");
    }
    record
}
