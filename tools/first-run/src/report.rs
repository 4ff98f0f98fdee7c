//! The report of a first run.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::run::RunStage;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepVerdict {
    /// What it is about was seen.
    AsExpected,
    /// It was not.
    NotAsExpected,
    /// A person has to look.
    ForAPerson,
    /// The machine crashed, or was switched off, in it.
    Crashed,
    /// It cannot be tried here.
    NotHere,
}

impl StepVerdict {
    const fn words(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::NotAsExpected => "**NOT AS EXPECTED**",
            Self::ForAPerson => "for a person to read",
            Self::Crashed => "**THE MACHINE STOPPED IN THIS STEP**",
            Self::NotHere => "not tried here",
        }
    }

    /// Whether somebody should know.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::NotAsExpected | Self::Crashed)
    }
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// What it is about.
    pub name: String,
    /// The stage that it belongs to.
    pub stage: RunStage,
    /// How it ended.
    pub verdict: StepVerdict,
    /// What was seen.
    pub seen: String,
}

/// A step that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepBegun {
    /// What it is about.
    pub name: String,
    /// The start of the machine at which it began.
    pub boot: u64,
}

/// What the machine had before, to be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Whether the service was there.
    pub was_installed: bool,
    /// The service parameters `Engine` and `Lock`; `None` if they were not set.
    pub engine: Option<String>,
    /// As above.
    pub lock: Option<String>,
    /// The service's start type, as `sc config` takes it.
    pub start: Option<String>,
    /// Whether memory integrity was configured.
    pub memory_integrity: Option<bool>,
}

/// The report: all that a later run has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstRunReport {
    /// Version of irqlog.exe.
    pub irqlog: String,
    /// The stages, and how far the run has come.
    pub stages: Vec<RunStage>,
    /// The stage that is next.
    pub next: usize,
    /// The start of the machine that the next stage must not see any more: it waits for a restart.
    pub waits_for_restart_after: Option<u64>,
    /// What was there before.
    pub before: Option<Before>,
    /// The step that has begun and not ended.
    pub begun: Option<StepBegun>,
    /// The steps that have ended.
    pub steps: Vec<StepReport>,
}

impl FirstRunReport {
    /// A run that has not begun.
    pub fn new(irqlog: String, stages: Vec<RunStage>) -> Self {
        Self { irqlog, stages, next: 0, waits_for_restart_after: None, before: None, begun: None, steps: Vec::new() }
    }

    /// Whether every stage is done.
    pub const fn is_done(&self) -> bool {
        self.next >= self.stages.len()
    }

    /// The steps that somebody should know of.
    pub fn bad(&self) -> impl Iterator<Item = &StepReport> {
        self.steps.iter().filter(|step| step.verdict.is_bad())
    }

    /// As JSON, which [`serde_json::from_str`] reads again.
    ///
    /// # Errors
    /// None that can happen.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// As Markdown, for an issue.
    pub fn markdown(&self) -> String {
        let mut text = format!("# irqlog: first run\n\nirqlog {}\n", self.irqlog);
        let mut stage = None;
        for step in &self.steps {
            if stage != Some(step.stage) {
                stage = Some(step.stage);
                let _ = write!(text, "\n## {}\n", step.stage.title());
            }
            let _ = write!(text, "\n### {}\n\n{}\n", step.name, step.verdict.words());
            if !step.seen.trim().is_empty() {
                let fence = fence(&step.seen);
                let _ = write!(text, "\n{fence}text\n{}\n{fence}\n", step.seen.trim_end());
            }
        }
        text.push_str("\n## Summary\n\n");
        let bad: Vec<_> = self.bad().collect();
        if bad.is_empty() {
            text.push_str("Every step that ended was as expected.\n");
        } else {
            let _ = write!(text, "{} steps were not as expected:\n\n", bad.len());
            for step in bad {
                let _ = writeln!(text, "- {} ({})", step.name, step.stage.title());
            }
        }
        if !self.is_done() {
            let _ = write!(text, "\nIt has not ended: next is {:?}.\n", self.stages[self.next].title());
        }
        text
    }
}

/// A fence that is longer than any in a text.
fn fence(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}
