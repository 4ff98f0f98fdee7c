//! `docs/cli.md`: what it shows is what irqlog prints, in one folder with a stored log.
//!
//! A block of text behind `<!-- irqlog ARGUMENTS -->` is the output of that command line. A change that is meant is
//! accepted with `IRQLOG_ACCEPT=1 cargo test -p irqlog-cli --test docs`.

mod common;

use std::{fs, path::Path, process::Command};

use common::stored;

const START: &str = "<!-- irqlog ";
const END: &str = " -->";

/// What a command line prints, in a folder with `log.irqlog`.
fn run(folder: &Path, line: &str) -> String {
    let mut irqlog = Command::new(env!("CARGO_BIN_EXE_irqlog"));
    // Times of the day are those of the log's own zone: UTC.
    let output = irqlog.current_dir(folder).env("TZ", "UTC").args(shlex::split(line).unwrap()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(!text.is_empty(), "{line} prints nothing");
    String::from_utf8(text).unwrap()
}

#[test]
fn the_page_shows_what_is_printed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(stored().join("format-1.1.irqlog"), folder.join("log.irqlog")).unwrap();
    let page = stored().join("../../docs/cli.md");
    let text = fs::read_to_string(&page).unwrap();
    let (mut made, mut blocks) = (String::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        made.push_str(&format!("{line}\n"));
        let Some(command) = line.strip_prefix(START).and_then(|rest| rest.strip_suffix(END)) else { continue };
        blocks += 1;
        made.push_str(&format!("\n```text\n{}```\n", run(&folder, command)));
        assert_eq!((lines.next(), lines.next()), (Some(""), Some("```text")), "behind {command} comes a block");
        lines.by_ref().take_while(|line| *line != "```").for_each(drop);
    }
    assert!(blocks >= 8, "only {blocks} blocks are made by a command");
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::write(&page, &made).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap();
    let mut pairs = there.lines().zip(made.lines()).enumerate();
    if let Some((number, (there, made))) = pairs.find(|(_, (there, made))| there != made) {
        panic!("docs/cli.md is stale in line {}: {there}\nis now: {made}", number + 1);
    }
    assert_eq!(there, made);
}
