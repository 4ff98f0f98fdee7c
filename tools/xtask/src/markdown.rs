//! Prose in Markdown is at most 100 columns wide, and avoids phrases that do not name the actor.
//!
//! Tables and code blocks are left out, and so is a line that is one word, such as a long link.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use irqlog_build::shell::{output, root};

/// Columns of a line of prose.
const WIDTH: usize = 100;

/// Phrases that stand for an actor without naming it, in lower case.
pub const VAGUE: [&str; 4] = ["who comes", "who has come", "so many", "how-manieth"];

/// Checks every Markdown file that git tracks.
///
/// # Errors
/// If a line is too wide or has one of those phrases; the message lists all of them.
pub fn check() -> Result<()> {
    let files = output(Command::new("git").current_dir(root()).args(["ls-files", "*.md"]))?;
    let mut wrong = Vec::new();
    let mut lines = 0;
    for file in files.lines() {
        let text = match fs::read_to_string(root().join(file)) {
            Ok(text) => text,
            // Deleted, and git does not know yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("reading {file}")),
        };
        let prose = prose(&text);
        lines += prose.len();
        wrong.extend(
            prose.into_iter().filter_map(|(number, line)| fault(line).map(|fault| format!("{file}:{number}: {fault}"))),
        );
    }
    if lines < 500 {
        bail!("only {lines} lines of prose were found: this check has gone blind");
    }
    if wrong.is_empty() { Ok(()) } else { bail!("Markdown:\n  {}", wrong.join("\n  ")) }
}

/// The lines outside of tables and code blocks, with their numbers from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fence = None;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) if !start.starts_with('|') => found.push((number, line)),
            _ => {}
        }
    }
    found
}

/// What is wrong with a line of prose.
fn fault(line: &str) -> Option<String> {
    let width = line.chars().count();
    if width > WIDTH && line.split_whitespace().nth(1).is_some() {
        return Some(format!("{width} columns, at most {WIDTH}"));
    }
    let lower = line.to_lowercase();
    VAGUE
        .into_iter()
        .find(|phrase| lower.contains(phrase))
        .map(|phrase| format!("`{phrase}`: name the actor or the thing"))
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, fault, prose};

    #[test]
    fn tables_and_code_are_no_prose() {
        let text = "one\n| a | b |\n```sh\nlong\n~~~\n| no table |\n```\n  | indented |\ntwo";
        assert_eq!(prose(text), [(1, "one"), (9, "two")]);
    }

    #[test]
    fn a_line_may_be_just_as_wide_as_allowed() {
        // Columns are characters, not bytes.
        let full = format!("a {}", "ü".repeat(WIDTH - 2));
        assert_eq!(fault(&full), None);
        assert!(fault(&format!("{full}x")).is_some_and(|fault| fault.contains("101 columns")));
    }

    #[test]
    fn a_single_word_cannot_be_wrapped() {
        assert_eq!(fault(&"x".repeat(WIDTH + 50)), None);
    }

    #[test]
    fn phrases_without_an_actor_are_found() {
        assert!(fault("Who comes exchanges it.").is_some());
        assert!(fault("stops after So Many records").is_some());
        assert_eq!(fault("The acquirer swaps in the address of its node."), None);
    }
}
