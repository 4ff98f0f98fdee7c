//! `cargo xtask check-inf`: what can be said about an INF of a primitive driver without Windows.
//!
//! InfVerif runs on Windows only. The rules here are those of its errors that concern this kind of INF, under InfVerif's
//! numbers, and those that SetupAPI has anyway, under names of ours. It is no InfVerif: what passes here may still fail
//! there (docs/windows.md).
//!
//! | Module | What |
//! |---|---|
//! | [`parse`] | sections, directives, fields |
//! | [`rules`] | the rules |

mod parse;
mod rules;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::root;

/// Checks a file, `inf/irqlog.inx` without one.
///
/// # Errors
/// If it breaks a rule; the message lists all that it breaks, with their lines.
pub fn run(file: Option<&Path>) -> Result<()> {
    let own = root().join("inf/irqlog.inx");
    let file = file.unwrap_or(&own);
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let text = parse::decode(&bytes).with_context(|| format!("{} is no text", file.display()))?;
    let broken = rules::check(&parse::parse(&text));
    if broken.is_empty() {
        println!("{}: no rule is broken", file.display());
        return Ok(());
    }
    let lines: Vec<_> = broken.iter().map(ToString::to_string).collect();
    bail!("{} breaks these rules:\n  {}", file.display(), lines.join("\n  "))
}
