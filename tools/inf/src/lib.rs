//! Checks the INF of a primitive driver without Windows.
//!
//! InfVerif runs on Windows only. Here are those of its rules that concern this kind of INF, under InfVerif's numbers, and
//! rules of SetupAPI, under names of ours. An INF that passes here may still fail in InfVerif (docs/windows-develop.md).
//!
//! | Module | What |
//! |---|---|
//! | [`parse`] | sections, directives, fields |
//! | [`rules`] | the rules |

mod parse;
mod rules;

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Checks the text of an INF.
///
/// # Errors
/// If it breaks a rule; the message lists all that it breaks, with their lines.
pub fn check(text: &str) -> Result<()> {
    let broken = rules::check(&parse::parse(text));
    let lines: Vec<_> = broken.iter().map(ToString::to_string).collect();
    ensure!(lines.is_empty(), "it breaks these rules:\n  {}", lines.join("\n  "));
    Ok(())
}

/// The files that an INF takes from its package.
pub fn files(text: &str) -> Vec<String> {
    let inf = parse::parse(text);
    let entries = inf.section("SourceDisksFiles").map(|section| section.entries.as_slice()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.key.clone()).collect()
}

/// Checks a file.
///
/// # Errors
/// If it breaks a rule; the message lists all that it breaks, with their lines.
pub fn run(file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let text = parse::decode(&bytes).with_context(|| format!("{} is no text", file.display()))?;
    check(&text).with_context(|| file.display().to_string())?;
    println!("{}: no rule is broken", file.display());
    Ok(())
}
