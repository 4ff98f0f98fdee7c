//! `doctor`: what a machine lacks for irqlog, before and after it is installed, each with the command that mends it.
//!
//! | Module | What |
//! |---|---|
//! | [`facts`] | what is asked of the machine: data, so that answers can be recorded |
//! | [`findings`] | what follows from them: no system call, tested everywhere |
//! | `ask` | asks Windows |

#[cfg(windows)]
mod ask;
mod facts;
mod findings;

use std::path::Path;

use anyhow::{Context, Result};
use irqlog_reader::untrusted::Untrusted;
use serde_json::json;

use self::{
    facts::Facts,
    findings::{Severity, diagnose},
};
use crate::{
    args::Form,
    exit::Exit,
    output::{self, Printer},
};

/// Asks, and shows what follows. With `recorded`, answers that `--facts` printed elsewhere.
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
        match form {
            Form::Json => {
                let line = json!({ "severity": finding.severity.name(), "what": finding.what, "mend": finding.mend });
                printer.json(line)?;
            }
            Form::Text => {
                printer.line(&format!("{:8} {}", finding.severity.name(), Untrusted::new(&finding.what)))?;
                for command in &finding.mend {
                    printer.line(&format!("           {command}"))?;
                }
            }
        }
    }
    let is_bad = findings.iter().any(|finding| finding.severity == Severity::Problem);
    Ok(if is_bad { Exit::Found } else { Exit::Done })
}

#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "off Windows there is nobody to ask")]
fn ask() -> Result<Facts> {
    Ok(ask::ask())
}

#[cfg(not(windows))]
fn ask() -> Result<Facts> {
    anyhow::bail!("there is no Windows to ask on this system; `--recorded FILE` looks at the answers of another")
}
