//! The script in the repository is made from its parts, and its tables from the format.
//!
//! `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger` makes both anew.

use std::{fs, path::Path};

use irqlog_debugger::{script, tables};

/// Whether what is there is to be replaced.
fn accept(path: &Path, made: &str) {
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::write(path, made).unwrap();
    }
}

/// Both in one test: the script contains the tables.
#[test]
fn the_script_is_what_its_parts_and_the_format_make() {
    let made = tables::source();
    accept(&tables::path(), &made);
    compare(&tables::path(), &made, &["unicode"]);
    let made = script::assemble().unwrap();
    accept(&script::path(), &made);
    compare(&script::path(), &made, &[]);
}

/// Compares line by line. The part behind `unicode` depends on the version of Unicode that the compiler's library has:
/// it is compared where that is the one of the file.
fn compare(path: &Path, made: &str, behind: &[&str]) {
    let there = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let version = |text: &str| text.lines().find(|line| line.contains("version: \"")).map(str::to_owned);
    let is_other_unicode = version(&there) != version(made);
    let cut = |text: &str| match behind.first().filter(|_| is_other_unicode) {
        Some(mark) => text.split(&format!("    {mark}: ")).next().unwrap_or_default().to_owned(),
        None => text.to_owned(),
    };
    for (number, (there, made)) in cut(&there).lines().zip(cut(made).lines()).enumerate() {
        assert_eq!(
            there,
            made,
            "line {} of {} is stale: IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger makes it anew",
            number + 1,
            path.display()
        );
    }
    assert_eq!(cut(&there).lines().count(), cut(made).lines().count(), "{} is stale", path.display());
}
