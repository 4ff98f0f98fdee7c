//! `doctor`: finds what keeps irqlog from working on a machine, and the commands that mend it.

use std::path::Path;

use anyhow::{Context, Result};
use irqlog_doctor::{
    facts::Facts,
    findings::{Severity, diagnose},
};

#[cfg(windows)]
use crate::source;
use crate::{
    args::Form,
    exit::Exit,
    output::{self, Printer},
};

/// Shows the diagnosis of this machine, or of the facts in the file `recorded`, which `--facts` printed elsewhere.
pub fn run(recorded: Option<&Path>, show_facts: bool, form: Form) -> Result<Exit> {
    let facts = match recorded {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("{} holds no facts; `irqlog doctor --facts` prints them", file.display()))?
        }
        None => ask()?,
    };
    let mut printer = Printer::new(form);
    if show_facts {
        printer.line(&output::escaped_json(&serde_json::to_string_pretty(&facts)?))?;
        return Ok(Exit::Done);
    }
    let findings = diagnose(&facts);
    for finding in &findings {
        printer.show(finding)?;
    }
    let is_bad = findings.iter().any(|finding| finding.severity == Severity::Problem);
    Ok(if is_bad { Exit::Found } else { Exit::Done })
}

#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "off Windows there are no facts, and that is an error")]
fn ask() -> Result<Facts> {
    Ok(irqlog_doctor::ask::ask(|| source::open_driver(None)?.info()))
}

#[cfg(not(windows))]
fn ask() -> Result<Facts> {
    anyhow::bail!(
        "doctor can ask only Windows, and this is another system; `--recorded FILE` diagnoses a machine whose facts `irqlog doctor --facts` printed"
    )
}
