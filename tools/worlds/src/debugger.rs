//! The debugger's script on a running rig: it reads the log out of the memory of the rig's process, through the anchor
//! that irqlog.sys exports, as it does under a kernel debugger.

use anyhow::{Context, Result, ensure};
use irqlog_build::host::NATIVE;
use irqlog_debugger::host;
use serde_json::{Value, json};

use crate::{agreement::as_in_the_debugger, rig::Serving, target::Target as _};

/// Calls of the storm that fills the log before it is read.
const STORM: u64 = 2000;

/// Lets drivers log in the rig, and compares what the script reads with what irqlog reads.
///
/// # Errors
/// The first difference.
pub fn live() -> Result<()> {
    let mut serving = Serving::start(NATIVE, STORM)?;
    serving.samples()?;
    let lines = serving.irqlog(&["read"])?;
    let records = serving.irqlog(&["read", "--json"])?;
    let providers = serving.irqlog(&["providers", "--sites", "--json"])?;
    // No symbols: the anchor is found by the export table of the driver's image.
    let answers = host::ask(&[json!({ "pid": serving.process_id(), "driver": "irqlog.sys" })])?;
    let answer = answers.first().context("an answer")?;
    ensure!(answer["error"].is_null(), "the script says: {}", answer["error"]);
    let objects = |text: &str| text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let records = objects(&records)?.into_iter().filter(|object| object["loss"].is_null()).map(as_in_the_debugger);
    let lines: Vec<Value> = lines.lines().map(|line| json!(line)).collect();
    for (what, irqlog) in [("lines", lines), ("records", records.collect()), ("providers", objects(&providers)?)] {
        let script = answer[what].as_array().context("a list")?;
        for (number, (script, irqlog)) in script.iter().zip(&irqlog).enumerate() {
            ensure!(script == irqlog, "{what}, number {number}: the script has {script}, and irqlog {irqlog}");
        }
        ensure!(script.len() == irqlog.len(), "{what}: the script has {}, irqlog {}", script.len(), irqlog.len());
        ensure!(irqlog.len() > 2, "{what}: {} are nothing to compare", irqlog.len());
        println!("{what}: {} are the same", irqlog.len());
    }
    ensure!(answer["notes"] == json!([]), "the script says {}", answer["notes"]);
    Box::new(serving).stop()
}
