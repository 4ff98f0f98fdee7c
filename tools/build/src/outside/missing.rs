//! What a driver uses and a compiler or linker does not find, out of their messages.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

/// How a step of a build ended.
pub enum StepEnd {
    /// Well.
    Done,
    /// Badly, with what it said.
    Failed(String),
}

/// Runs a step, and passes its messages on as they come.
///
/// # Errors
/// If it cannot be started.
pub fn run(command: &mut Command) -> Result<StepEnd> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| format!("starting {program}"))?;
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().context("its messages")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading messages")?).into_owned();
        eprintln!("{line}");
        said.push_str(&line);
        said.push('\n');
    }
    let status = child.wait().with_context(|| format!("waiting for {program}"))?;
    Ok(if status.success() { StepEnd::Done } else { StepEnd::Failed(said) })
}

/// What stands before a name that was not found, and what ends the name.
const MESSAGES: &[(&str, char)] = &[
    // clang
    ("use of undeclared identifier '", '\''),
    ("call to undeclared function '", '\''),
    ("unknown type name '", '\''),
    ("no member named '", '\''),
    ("fatal error: '", '\''),
    // rustc
    ("cannot find function `", '`'),
    ("cannot find type `", '`'),
    ("cannot find value `", '`'),
    ("cannot find struct, variant or union type `", '`'),
    ("unresolved import `", '`'),
    ("unresolved imports `", '`'),
    // The last one of several in one `use`.
    ("no `", '`'),
    // lld-link
    ("undefined symbol: ", '\n'),
];

/// The names that were not found.
pub fn names(said: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (before, end) in MESSAGES {
        for rest in said.split(before).skip(1) {
            let name = rest.split(*end).next().unwrap_or_default();
            // `__declspec(dllimport)` routines are called through a pointer of this name.
            let name = name.trim().trim_start_matches("__declspec(dllimport) ").trim_start_matches("__imp_");
            let name = name.rsplit("::").next().unwrap_or(name);
            if !name.is_empty() && !name.contains(char::is_whitespace) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_each_tool_are_found() {
        let said = "a.c(3,5): error: use of undeclared identifier 'FILE_OPEN_IF'\n\
            a.c(4,5): error: call to undeclared function 'ZwCreateFile'; ISO C99 and later do not support it\n\
            a.c(1,10): fatal error: 'storport.h' file not found\n\
            error[E0432]: unresolved imports `wdk_sys::ntddk::ZwReadFile`, `wdk_sys::ntddk::ZwWriteFile`\n\
            16 |     ntddk::{ZwReadFile, ZwWriteFile},\n   |  no `ZwWriteFile` in `ntddk`\n\
            error[E0425]: cannot find function `KeStall` in module `wdk_sys::ntddk`\n\
            lld-link: error: undefined symbol: __declspec(dllimport) IoCreateDevice\n\
            lld-link: error: undefined symbol: __imp_IoDeleteDevice\n";
        let expected = [
            "FILE_OPEN_IF",
            "IoCreateDevice",
            "IoDeleteDevice",
            "KeStall",
            "ZwCreateFile",
            "ZwReadFile",
            "ZwWriteFile",
            "storport.h",
        ];
        let found = names(said);
        assert!(expected.iter().all(|name| found.contains(*name)), "{found:?}");
        assert!(names("error: expected `;`, found `}`\nlld-link: warning: ignored\n").is_empty());
    }

    #[test]
    fn messages_of_a_step_that_fails_are_kept() {
        let mut fails = Command::new("sh");
        fails.args(["-c", "echo 'undefined symbol: X' >&2; exit 3"]);
        let StepEnd::Failed(said) = run(&mut fails).unwrap() else { panic!("it failed") };
        assert_eq!(said, "undefined symbol: X\n");
        assert!(matches!(run(Command::new("sh").args(["-c", "echo x >&2"])).unwrap(), StepEnd::Done));
    }
}
