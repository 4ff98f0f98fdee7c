//! The commands that the scripts for Windows call are commands that irqlog has.
//!
//! Nothing runs the scripts here; a command line with `--help` at its end is checked whole before the help is shown.

use std::{fs, path::Path, process::Command};

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
            let end = rest.find([';', '}', '|', '>']).unwrap_or(rest.len());
            // What is computed is some word.
            let words = rest[..end].replace("(Join-Path $folder 'records.irqlog')", "FILE");
            calls.push(split(&words));
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
        ("tools/vm/first-run.ps1", "& $Irqlog ", 20),
        ("inf/install.cmd", "irqlog ", 4),
        ("inf/README.txt", "irqlog ", 3),
    ] {
        let text = fs::read_to_string(root.join(script)).unwrap();
        let calls = calls(&text, call);
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
