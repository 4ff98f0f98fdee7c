//! The commands that the scripts for Windows call are commands that irqlog has.
//!
//! Nothing runs the scripts here; a command line with `--help` at its end is checked whole before the help is shown.

use std::{fs, path::Path, process::Command};

/// What a script's function `Invoke-Irqlog` is given: words in single quotes, and variables, which are some word.
fn invocations(script: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for line in script.lines().filter(|line| !line.trim_start().starts_with(['#', 'f'])) {
        for call in line.split("Invoke-Irqlog ").skip(1) {
            let mut words = Vec::new();
            let mut rest = call;
            while let Some(word) = rest.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
                words.push(word.0.to_owned());
                rest = word.1.strip_prefix(", ").unwrap_or_default();
                while rest.starts_with(['$', '(']) {
                    words.push("1".to_owned());
                    rest = rest[end_of_value(rest)..].strip_prefix(", ").unwrap_or_default();
                }
            }
            calls.push(words);
        }
    }
    calls
}

/// Where a variable or an expression in parentheses ends.
fn end_of_value(text: &str) -> usize {
    let mut depth = 0;
    text.find(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth < 0 || depth == 0 && matches!(character, ' ' | ',')
    })
    .unwrap_or(text.len())
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
            if rest.starts_with('@') {
                // What another function is given: `invocations` finds it.
                continue;
            }
            let end = rest.find([';', '}', '|', '>']).unwrap_or(rest.len());
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
        ("tools/vm/first-run.ps1", "& $Irqlog ", 25),
        ("inf/install.cmd", "irqlog ", 4),
        ("inf/uninstall.cmd", "irqlog ", 1),
        ("inf/README.txt", "irqlog ", 3),
    ] {
        let text = fs::read_to_string(root.join(script)).unwrap();
        let mut calls = calls(&text, call);
        calls.extend(invocations(&text));
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

/// A step of the first run looks at what it is about, and not only at an exit code. (But for those that a person
/// reads.)
#[test]
fn each_step_of_the_first_run_asserts_something() {
    // Programs whose exit code is what the step is about.
    const BY_EXIT_CODE: [&str; 4] = ["infverif ", "cmd /c install.cmd", "cmd /c uninstall.cmd", "& $Irqlog doctor"];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/first-run.ps1");
    let script = fs::read_to_string(script).unwrap();
    let mut steps = 0;
    for step in script.split("\nStep ").flat_map(|part| part.split("\n    Step ")).skip(1) {
        let step = step.split("\n}\n").next().unwrap();
        let step = if step.lines().next().unwrap().ends_with('}') { step.lines().next().unwrap() } else { step };
        if !step.starts_with("-Anyway") {
            steps += 1;
            let looks =
                ["Expect ", "throw ", "Wait-State "].iter().chain(&BY_EXIT_CODE).any(|word| step.contains(word));
            assert!(looks, "this step would pass with an empty log:\nStep {step}");
        }
    }
    assert!(steps >= 15, "{steps} steps were found");
}

#[test]
fn invocations_are_found() {
    let script = "Step 'x' { Expect (Invoke-Irqlog 'read', '--grep', ([regex]::Escape($t)), '--last', '1') $t }\n";
    assert_eq!(invocations(script), [vec!["read", "--grep", "1", "--last", "1"]]);
}
