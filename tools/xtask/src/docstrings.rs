//! The first sentence of each docstring says what the thing is, in at most twenty words.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use irqlog_build::shell::{output, root};

use crate::markdown::VAGUE;

/// Words of a first sentence.
const WORDS: usize = 20;

/// Checks every Rust file that git tracks.
///
/// # Errors
/// If a first sentence is longer or has a phrase that names no actor; the message lists all of them.
pub fn check() -> Result<()> {
    let files = output(Command::new("git").current_dir(root()).args(["ls-files", "*.rs"]))?;
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files.lines() {
        let text = match fs::read_to_string(root().join(file)) {
            Ok(text) => text,
            // Deleted, and git does not know yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("reading {file}")),
        };
        for (number, sentence) in first_sentences(&text) {
            count += 1;
            wrong.extend(fault(&sentence).map(|fault| format!("{file}:{number}: {fault}: {sentence}")));
        }
    }
    if count < 2000 {
        bail!("only {count} docstrings were found: this check has gone blind");
    }
    if wrong.is_empty() { Ok(()) } else { bail!("docstrings:\n  {}", wrong.join("\n  ")) }
}

/// What is wrong with a first sentence.
fn fault(sentence: &str) -> Option<String> {
    let words = sentence.split_whitespace().count();
    if words > WORDS {
        return Some(format!("{words} words, at most {WORDS}"));
    }
    let lower = sentence.to_lowercase();
    VAGUE.into_iter().find(|phrase| lower.contains(phrase)).map(|phrase| format!("\"{phrase}\" names no actor"))
}

/// The first sentence of each docstring, with the line on which it begins. A sentence ends with its paragraph, or at a
/// mark with a space behind it.
fn first_sentences(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let mark = ["///", "//!"].into_iter().find(|mark| line.starts_with(mark));
        let rest = mark.and_then(|mark| line.strip_prefix(mark)).unwrap_or_default().trim();
        if mark != inside {
            inside = mark;
            if mark.is_some() && is_prose(rest) {
                found.push((number, rest.to_owned()));
                continue;
            }
        }
        let Some((_, sentence)) = found.last_mut().filter(|_| mark.is_some()) else { continue };
        // A space at the end says that the paragraph is over.
        if sentence.ends_with(' ') {
            continue;
        }
        sentence.push(' ');
        if is_prose(rest) {
            sentence.push_str(rest);
        }
    }
    for (_, paragraph) in &mut found {
        let end = ['.', '!', '?', ':', ';']
            .into_iter()
            .filter_map(|mark| paragraph.find(&format!("{mark} ")))
            .min()
            .map_or(paragraph.len(), |end| end + 1);
        paragraph.truncate(end);
    }
    found
}

/// Whether a line of a docstring is of a paragraph: no heading, table, list or code.
fn is_prose(line: &str) -> bool {
    !line.is_empty() && !["#", "|", "- ", "```"].into_iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_of_each_docstring_is_found() {
        let text = "//! A module: of things.\n\n/// Counts. And more.\nfn a() {}\n    /// Two lines\n    /// of one.\n    ///\n    \
                    /// Details.\n    fn b() {}\n/// ```\n/// code\nfn c() {}\n";
        let sentences: Vec<_> =
            first_sentences(text).into_iter().map(|(line, text)| format!("{line} {text}")).collect();
        assert_eq!(sentences, ["1 A module:", "3 Counts.", "5 Two lines of one."]);
    }

    #[test]
    fn long_sentences_and_vague_ones_are_told() {
        assert!(fault(&"word ".repeat(WORDS)).is_none());
        assert!(fault(&"word ".repeat(WORDS + 1)).is_some_and(|fault| fault.starts_with("21 words")));
        assert!(fault("Who comes first, writes").is_some_and(|fault| fault.contains("who comes")));
    }
}
