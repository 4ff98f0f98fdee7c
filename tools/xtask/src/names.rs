//! A name means one thing in the repository: no two public types have the same one, but for those that are listed here.
//!
//! "Public" is what says `pub`, however far it is seen: a reader who finds the name has to find its meaning. Types of
//! tests do not count.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context, Result, bail};
use irqlog_build::shell::{output, root};

/// Names that are declared more than once, and why they may be.
const TWINS: [(&str, &str); 2] = [
    ("Command", "the subcommands of two programs, irqlog and the rig, under the name that clap's documentation uses"),
    ("Rig", "one declaration for each system that irqlog runs on"),
];

/// Fewer types than there are: a check that finds fewer has gone blind.
const FEWEST: usize = 250;

/// Where each name is declared.
type Places = BTreeMap<String, Vec<String>>;

/// Checks them.
///
/// # Errors
/// If a name that is not listed is declared twice, or a listed one is not; the message lists all of those.
pub fn check() -> Result<()> {
    let files = output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]))?;
    let mut places = Places::new();
    for file in files.lines().filter(|file| !file.split('/').any(|folder| folder == "tests")) {
        let path = root().join(file);
        // A tracked file that was deleted declares nothing.
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            collect(file, &text, &mut places);
        }
    }
    if places.len() < FEWEST {
        bail!("only {} public types were found: this check has gone blind", places.len());
    }
    let broken = judge(&places, &TWINS);
    if broken.is_empty() { Ok(()) } else { bail!("a name means one thing:\n  {}", broken.join("\n  ")) }
}

/// What is wrong with these names, a line each.
fn judge(places: &Places, twins: &[(&str, &str)]) -> Vec<String> {
    let is_listed = |name: &str| twins.iter().any(|(twin, _)| *twin == name);
    let new = places.iter().filter(|(name, places)| places.len() > 1 && !is_listed(name));
    let new = new.map(|(name, places)| {
        format!(
            "{name} is declared in {}: rename all but one, or list it in {} with the reason",
            places.join(", "),
            file!()
        )
    });
    let names = twins.iter().map(|(name, _)| *name);
    let stale = names.filter(|name| places.get(*name).is_none_or(|places| places.len() < 2));
    new.chain(stale.map(|name| format!("{name} is not declared twice any more: take it off the list"))).collect()
}

/// Adds the types that a file declares.
fn collect(file: &str, text: &str, places: &mut Places) {
    let mut is_open_enum = false;
    for (index, line) in text.lines().enumerate() {
        // The macro's declarations have no keyword: `Level: u8 {`.
        is_open_enum = if line.starts_with("open_enum! {") { true } else { is_open_enum && line != "}" };
        let name = if is_open_enum { open_enum(line) } else { declared(line) };
        // In a macro a name may be a parameter: `pub struct $name`.
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            places.entry(name.to_owned()).or_default().push(format!("{file}:{}", index + 1));
        }
    }
}

/// The name of the public type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    let rest = rest.strip_prefix(' ')?;
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let (keyword, rest) = rest.split_once(' ')?;
    ["struct", "enum", "union", "trait", "type"].contains(&keyword).then(|| identifier(rest))
}

/// The name of the type that a line in `open_enum!` declares.
fn open_enum(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase))?;
    let name = identifier(rest);
    (rest[name.len()..].starts_with(": u") && rest.ends_with('{')).then_some(name)
}

fn identifier(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: &str =
        "pub struct Record<'r> {\n}\n\npub(crate) enum Engine {\n}\nstruct Private;\npub fn record() {}\n";
    const WIRE: &str =
        "open_enum! {\n    /// Severity.\n    Level: u8 {\n        /// Bad.\n        Error = 1,\n    }\n}\n";
    const READER: &str = "    pub unsafe trait Record {}\npub type Level = u8;\n";

    fn places(files: &[(&str, &str)]) -> Places {
        let mut places = Places::new();
        for (file, text) in files {
            collect(file, text, &mut places);
        }
        places
    }

    #[test]
    fn declarations_are_found_in_each_form() {
        let places = places(&[("ring.rs", RING), ("wire.rs", WIRE)]);
        let names: Vec<_> = places.keys().map(String::as_str).collect();
        assert_eq!(names, ["Engine", "Level", "Record"]);
        assert_eq!(places["Level"], ["wire.rs:3"]);
    }

    #[test]
    fn a_twin_is_told_with_its_places_unless_it_is_listed() {
        let places = places(&[("ring.rs", RING), ("wire.rs", WIRE), ("reader.rs", READER)]);
        let broken = judge(&places, &[("Level", "a test")]);
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].starts_with("Record is declared in ring.rs:1, reader.rs:1: "), "{}", broken[0]);
    }

    #[test]
    fn a_listed_name_that_is_no_twin_is_told() {
        let broken = judge(&places(&[("ring.rs", RING)]), &[("Engine", "a test")]);
        assert_eq!(broken, ["Engine is not declared twice any more: take it off the list"]);
    }
}
