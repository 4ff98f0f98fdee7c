//! Node with a host in it that mimics WinDbg's script provider: `debugger/tests/serve.js`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use irqlog_build::{host, shell::root};
use serde_json::Value;

use crate::script;

/// The folder of the host.
#[must_use]
pub fn folder() -> PathBuf {
    root().join("debugger/tests")
}

/// Loads the script for each of these targets, and gives what it shows of the log there, in order.
///
/// `debugger/tests/targets.js` says what a target is; `call` in it is the argument of `@$irqlog`.
///
/// # Errors
/// If Node is missing and cannot be installed, or if it ends early.
pub fn ask(targets: &[Value]) -> Result<Vec<Value>> {
    ask_script(&script::path(), targets)
}

/// The same with another script.
///
/// # Errors
/// As [`ask`].
pub fn ask_script(script: &Path, targets: &[Value]) -> Result<Vec<Value>> {
    let mut node = Command::new(host::node()?);
    node.arg(folder().join("serve.js")).arg(script);
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting Node")?;
    let mut input = child.stdin.take().context("its input")?;
    let lines: String = targets.iter().map(|target| format!("{target}\n")).collect();
    // From a thread: Node answers while there are still requests, and a pipe holds only so much.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().context("waiting for Node")?;
    ensure!(output.status.success(), "Node ended with {}", output.status);
    // It has ended well, so it has read everything.
    let _ = writer.join();
    let answers = String::from_utf8(output.stdout).context("what Node printed")?;
    let answers = answers
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.chars().take(400).collect::<String>()));
    let answers: Vec<Value> = answers.collect::<Result<_>>()?;
    ensure!(answers.len() == targets.len(), "{} answers to {} requests", answers.len(), targets.len());
    Ok(answers)
}
