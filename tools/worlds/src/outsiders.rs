//! Drivers of others: those of `testdata/outsider`, built and run with the commands that their authors would use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    host::NATIVE,
    new::{self, Language},
    outside,
    shell::root,
};
use irqlog_kit::Arch;
use serde_json::Value;

use crate::{
    rig,
    run_driver::{self, RunOptions},
};

/// The drivers: names of folder and image.
const DRIVERS: [&str; 2] = ["nvmini", "mycdrv"];

/// Builds the drivers for both architectures, and gives their images. They are built outside of `testdata`, which stays as
/// it is; what was built before is built again only as far as it has changed.
///
/// # Errors
/// If one does not build.
pub fn build() -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for name in DRIVERS {
        // As deep in the tree, so that a path to a crate of ours is the same.
        let copy = root().join("target/outsider").join(name);
        copy_changed(&root().join("testdata/outsider").join(name), &copy)?;
        let built = outside::build(&copy, &Arch::ALL, &[])?;
        let expected = Arch::ALL.map(|arch| copy.join("target/driver").join(arch.name()).join(format!("{name}.sys")));
        ensure!(built == expected, "{name}: the images are {built:?}");
        images.extend(built);
    }
    Ok(images)
}

/// Copies the files of a folder that differ: cargo builds anew what has a new time.
fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_changed(&path, &copy)?;
            continue;
        }
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        if fs::read(&copy).ok().as_ref() != Some(&text) {
            fs::write(&copy, text).with_context(|| format!("writing {}", copy.display()))?;
        }
    }
    Ok(())
}

/// A driver whose folder `kit` adds to the kit: it builds, and without the folder the error names what is not found.
fn additions() -> Result<()> {
    let copy = root().join("target/outsider/clock");
    copy_changed(&root().join("testdata/outsider/clock"), &copy)?;
    outside::build(&copy, &Arch::ALL, &[])?;
    fs::remove_dir_all(copy.join("kit")).context("removing what the driver adds")?;
    let said = match outside::build(&copy, &[Arch::Arm64], &[]) {
        Ok(_) => bail!("the kit has KeQueryInterruptTime now: take another routine into testdata/outsider/clock"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("not found: KeQueryInterruptTime.") && said.contains("declarations.h"), "{said}");
    Ok(())
}

/// Runs the drivers for an architecture, and compares each line of their logs with what their authors meant: `log.txt`, in
/// which `<any>` stands for an address, a path or a count that is another one each time.
fn compare_logs(arch: Arch) -> Result<()> {
    rig::prepare(arch)?;
    for name in DRIVERS {
        let image = root().join("target/outsider").join(name).join("target/driver").join(arch.name());
        let image = image.join(format!("{name}.sys"));
        let ran = run_driver::drive(arch, &[image], RunOptions::default(), &["read", "--json", "--provider", name])?;
        ensure!(ran.failures().next().is_none(), "{name} for {}: {:?}", arch.name(), ran.said);
        let mut shown = Vec::new();
        for line in ran.log.lines() {
            let record: Value = serde_json::from_str(line).context("a record as JSON")?;
            if record["text"].is_string() {
                shown.push(format!("{} {}", record["level"].as_str().unwrap_or_default(), record["text"]));
            }
        }
        compare(&root().join("testdata/outsider").join(name).join("log.txt"), &shown)
            .with_context(|| format!("the log of {name} for {}", arch.name()))?;
    }
    Ok(())
}

fn compare(expected: &Path, shown: &[String]) -> Result<()> {
    let text = fs::read_to_string(expected).with_context(|| format!("reading {}", expected.display()))?;
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for (index, shown) in shown.iter().enumerate() {
        let line = lines.get(index).with_context(|| format!("a record more than expected: {shown}"))?;
        ensure!(is_like(line, shown), "expected {line}\n     but got {shown}");
    }
    ensure!(
        lines.len() == shown.len(),
        "{} records are missing: {:?}",
        lines.len() - shown.len(),
        &lines[shown.len()..]
    );
    Ok(())
}

/// Whether a text is like a pattern, in which `<any>` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split("<any>");
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    // What stands behind the last `<any>` ends the text.
    rest.is_empty() || last.is_some_and(|part| part.is_empty() || text.ends_with(part))
}

/// A new driver as `new-driver` writes it: it builds as it is, and its log is the one that
/// `docs/your-driver.md` shows.
fn new_driver(name: &str, language: Language) -> Result<()> {
    let (fresh, folder) = (root().join("target/outsider/new").join(name), root().join("target/outsider").join(name));
    let _ = fs::remove_dir_all(&fresh);
    new::write(&fresh, language)?;
    copy_changed(&fresh, &folder)?;
    let images = outside::build(&folder, &[NATIVE], &[])?;
    let ran = run_driver::drive(NATIVE, &images, RunOptions::default(), &["read", "--provider", name])?;
    ensure!(ran.failures().next().is_none(), "{name}: {:?}", ran.said);
    let page = fs::read_to_string(root().join("docs/your-driver.md")).context("reading docs/your-driver.md")?;
    let (in_page, shown) = (messages(&page, "hello"), messages(&ran.log, name));
    ensure!(in_page == shown, "docs/your-driver.md shows {in_page:#?}\n{name} logs {shown:#?}");
    Ok(())
}

/// What a provider says in the lines of a log, sorted, with `0` for each number.
fn messages(text: &str, provider: &str) -> Vec<String> {
    let start = format!("  {provider}: ");
    let mut messages: Vec<_> = text.lines().filter_map(|line| line.split_once(&start)).map(|(_, said)| said).collect();
    messages.sort_unstable();
    let masked = |said: &str| said.replace(provider, "hello").replace(|digit: char| digit.is_ascii_digit(), "0");
    messages.into_iter().map(masked).collect()
}

/// Builds the drivers with `build-driver`, runs them with `run-driver`, and reads their logs.
///
/// # Errors
/// If one does not build for both architectures, breaks a rule, or its log is not what its author meant.
pub fn run() -> Result<()> {
    build()?;
    additions()?;
    rig::prepare(NATIVE)?;
    new_driver("hello", Language::C)?;
    new_driver("hello_rust", Language::Rust)?;
    Arch::ALL.into_iter().filter(|&arch| arch == NATIVE || NATIVE == Arch::X64).try_for_each(compare_logs)
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn any_stands_for_any_text() {
        assert!(is_like("a", "a") && !is_like("a", "ab") && !is_like("ab", "a"));
        assert!(is_like("a <any> b", "a 1 b") && !is_like("a <any> b", "a 1 c") && !is_like("a <any> b", "a 1 b c"));
        assert!(is_like("a <any>", "a 1 b") && !is_like("a <any>", "b 1") && is_like("<any>b", "bab"));
    }
}
