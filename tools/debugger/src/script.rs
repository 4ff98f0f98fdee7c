//! The script that WinDbg loads: one file, since a user copies one file.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use irqlog_build::{
    host,
    shell::{root, run},
};

/// The parts, in order: each uses what is before it.
const PARTS: [&str; 16] = [
    "opening.js",
    "tables.js",
    "numbers.js",
    "characters.js",
    "bytes.js",
    "format.js",
    "render.js",
    "event.js",
    "sites.js",
    "image.js",
    "secondary.js",
    "shown.js",
    "dump.js",
    "find.js",
    "model.js",
    "main.js",
];

/// The folder of the parts.
#[must_use]
pub fn folder() -> PathBuf {
    root().join("debugger/src")
}

/// The script as it is in the repository and in a package.
#[must_use]
pub fn path() -> PathBuf {
    root().join("debugger/irqlog.js")
}

/// The script out of its parts.
///
/// # Errors
/// If a part cannot be read.
pub fn assemble() -> Result<String> {
    let mut script = String::new();
    for name in PARTS {
        let part = folder().join(name);
        let text = fs::read_to_string(&part).with_context(|| format!("reading {}", part.display()))?;
        if !script.is_empty() {
            script.push_str(&format!("\n// ---- debugger/src/{name}\n\n"));
        }
        script.push_str(&text);
    }
    Ok(script)
}

/// Looks at the script: every engine that WinDbg has had must be able to read it.
///
/// Node checks it, and a parser that knows ECMAScript 2017 and nothing of later versions.
///
/// # Errors
/// If it is refused, or a tool is missing and cannot be installed.
pub fn check_syntax() -> Result<()> {
    run(Command::new(host::node()?).arg("--check").arg(path()))?;
    let esprima = host::python_packages(&["esprima==4.0.1"])?;
    let program = "import esprima, sys; esprima.parseScript(open(sys.argv[1], encoding='utf-8').read())";
    run(Command::new("python3").env("PYTHONPATH", esprima).args(["-c", program]).arg(path()))
}
