//! Checks that the docstring of each driver function says at which IRQL the function may be called.

use std::fs;

use anyhow::{Context, Result, bail};
use irqlog_build::shell::root;

/// Where those are.
const FOLDERS: [&str; 4] = ["driver", "crates/provider-wdk/src", "crates/provider-wdk/examples", "samples/rust/src"];

/// Checks them.
///
/// # Errors
/// If a function has no `IRQL:` in its documentation; the message lists all of those.
pub fn check() -> Result<()> {
    let mut missing = Vec::new();
    let mut count = 0;
    let mut files = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).with_context(|| format!("reading {folder}"))? {
            files.push(entry?.path());
        }
    }
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            count += 1;
            let above = lines[..index].iter().rev().take_while(|line| is_attached(line));
            // A function of a trait has its IRQL where the trait is.
            if !above.into_iter().any(|line| line.contains("IRQL:")) && !is_in_trait_impl(&lines[..index]) {
                missing.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
            }
        }
    }
    if count < 60 {
        bail!("only {count} functions were found in {FOLDERS:?}: this check has gone blind");
    }
    if missing.is_empty() { Ok(()) } else { bail!("no `IRQL:` in the documentation of\n  {}", missing.join("\n  ")) }
}

fn is_function(line: &str) -> bool {
    let words = line.trim_start();
    let words = ["pub ", "const ", "unsafe ", "extern \"C\" ", "extern \"system\" "]
        .iter()
        .fold(words, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    words.starts_with("fn ")
}

fn is_attached(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//") || line.starts_with("#[") || line.ends_with(")]")
}

fn is_in_trait_impl(above: &[&str]) -> bool {
    let opener = above.iter().rev().find(|line| !line.starts_with(' ') && line.ends_with('{'));
    opener.is_some_and(|line| line.contains("impl") && line.contains(" for ") && !line.contains("Drop for"))
}
