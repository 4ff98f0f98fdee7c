//! The commands that the scripts for Windows, and the steps of a first run, call are commands that irqlog has.
//!
//! Nothing runs the scripts here; a command line with `--help` at its end is checked whole before the help is shown.

use std::{fs, path::Path, process::Command};

/// What the steps of a first run call irqlog with: words in quotes, and variables, which are some word.
fn steps(source: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for mark in ["irqlog(run, &[", "irqlog_code(run, &[", "irqlog(&[", "look_irqlog(\""] {
        for call in source.split(mark).skip(1) {
            let list = if mark.starts_with("look") { call.split_once("&[").map_or("", |(_, list)| list) } else { call };
            let Some((list, _)) = list.split_once(']') else { continue };
            let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
            let value = |word: &str| word.strip_prefix('"').map(|word| word.trim_end_matches('"').to_owned());
            calls.push(words.map(|word| value(word).unwrap_or_else(|| "1".to_owned())).collect());
        }
    }
    calls
}

/// What a script calls irqlog with, one command line each.
fn calls(script: &str, call: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for line in script.lines().filter(|line| !line.trim_start().starts_with(['#', ':'])) {
        for (at, _) in line.match_indices(call) {
            // A word before it, and it is talked about.
            if !line[..at].trim_end().is_empty() && !line[..at].trim_end().ends_with(['{', ';', '(', '}', '|']) {
                continue;
            }
            let rest = &line[at + call.len()..];
            let end = rest.find([';', '}', '|', '>', '@']).unwrap_or(rest.len());
            calls.push(split(&rest[..end]));
        }
    }
    calls
}

fn split(words: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (index, part) in words.split('"').enumerate() {
        if index % 2 == 1 {
            parts.push(part.to_owned());
        } else {
            parts.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    parts
}

#[test]
fn scripts_call_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (script, call, at_least) in [
        ("tools/vm/first-run.ps1", "& $Irqlog ", 1),
        ("tools/first-run/src/steps.rs", "& $Irqlog ", 30),
        ("inf/install.cmd", "irqlog ", 4),
        ("inf/uninstall.cmd", "irqlog ", 1),
        ("inf/README.txt", "irqlog ", 3),
    ] {
        let text = fs::read_to_string(root.join(script)).unwrap();
        let mut calls = calls(&text, call);
        calls.extend(steps(&text));
        assert!(calls.len() >= at_least, "{script}: {calls:?}");
        for arguments in calls {
            // Each subcommand knows --help, and `--version` ends the parsing itself.
            let output = Command::new(env!("CARGO_BIN_EXE_irqlog")).args(&arguments).arg("--help").output().unwrap();
            assert!(
                output.status.success(),
                "{script} calls irqlog {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn command_lines_are_found() {
    let script = "Step 'x' { & $Irqlog mark \"a b\"; & $Irqlog read --last 1 }\n# & $Irqlog no\n";
    assert_eq!(calls(script, "& $Irqlog "), [vec!["mark", "a b"], vec!["read", "--last", "1"]]);
}

#[test]
fn commands_of_steps_are_found() {
    let source = "irqlog(run, &[\"read\", \"--last\", count])?; look_irqlog(\"a name\", &[\"doctor\"]),";
    assert_eq!(steps(source), [vec!["read", "--last", "1"], vec!["doctor"]]);
}
