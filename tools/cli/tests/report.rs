//! `report` as a command: where it writes, what it refuses, and that it takes every log. What is in a report is tested in
//! `crates/report`.
//!
//! `docs/timeline.svg` is made by `IRQLOG_ACCEPT=1 cargo test -p irqlog-cli --test report`.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

#[cfg(unix)]
use common::server::serve;
use common::{file, irqlog, stored};
use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_wire::crash::GUID_BYTES;

fn image() -> PathBuf {
    stored().join("format-1.1.irqlog")
}

/// A name in the folder for tests that nothing has.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// The exit code of a report, and what it says on standard error.
fn report(arguments: &[&Path], rest: &[&str]) -> (Option<i32>, String) {
    let arguments = arguments.iter().map(|path| path.to_str().unwrap()).chain(rest.iter().copied());
    let output = irqlog(std::iter::once("report").chain(arguments));
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_picture_in_the_docs_is_what_is_made_now() {
    let made = fresh("timeline.svg");
    assert_eq!(report(&[&image(), &made], &["--until", "1"]).0, Some(0));
    let made = fs::read_to_string(made).unwrap();
    let documented = stored().join("../../docs/timeline.svg");
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::write(&documented, &made).unwrap();
    }
    let there = fs::read_to_string(&documented).unwrap_or_default();
    assert!(there == made, "docs/timeline.svg is stale: IRQLOG_ACCEPT=1 cargo test -p irqlog-cli --test report");
}

#[test]
fn a_report_names_what_is_filtered_and_what_is_damaged() {
    let page = fresh("filtered.html");
    let (code, said) = report(&[&image(), &page], &["--level", "warn", "--cpu", "0"]);
    assert!(code == Some(0) && said.contains("filtered"), "{said}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("filtered: 236 records are left out") && text.contains("15 records, 230 lost"), "{said}");
    let whole = fs::read(image()).unwrap();
    let (cut, page) = (file("cut-for-report.irqlog", &whole[..whole.len() * 3 / 4]), fresh("cut.html"));
    let (code, said) = report(&[&cut, &page], &[]);
    assert!(code == Some(4) && said.contains("cut off"), "{said}");
    assert!(fs::read_to_string(page).unwrap().contains("CUT OFF"));
}

#[test]
fn what_is_refused_leaves_nothing() {
    let (taken, other, missing) = (fresh("taken.html"), fresh("report.pdf"), fresh("missing.html"));
    fs::write(&taken, "old").unwrap();
    let (code, said) = report(&[&image(), &taken], &[]);
    assert!(code == Some(1) && said.contains("exists"), "{said}");
    let (code, said) = report(&[&image(), &other], &[]);
    assert!(code == Some(2) && said.contains("NAME.html"), "{said}");
    let (code, said) = report(&[Path::new("/nowhere/at/all"), &missing], &[]);
    assert!(code == Some(1) && said.contains("/nowhere/at/all"), "{said}");
    assert!(fs::read_to_string(taken).unwrap() == "old" && !other.exists() && !missing.exists());
}

/// A dump's report has the bug check.
#[test]
fn a_dump_is_reported_with_its_bug_check() {
    let mut image = fs::read(image()).unwrap();
    let header = std::mem::offset_of!(irqlog_wire::image::ImageHeader, crashed);
    for (word, value) in [(0, 1_u64), (1, 0xd1), (2, 0x10), (3, 2), (4, 1)] {
        image[header + 8 * word..][..8].copy_from_slice(&value.to_le_bytes());
    }
    let crashed = Crashed {
        code: 0xd1,
        parameters: [0x10, 2, 1, 0],
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &[],
        modules: &[],
        added: &[],
        blocks: &[Block { guid: GUID_BYTES, bytes: image }],
    };
    let (dump, page) = (file("report.dmp", &write(DumpVariety::Small, &crashed)), fresh("dump.html"));
    let (code, said) = report(&[&dump, &page], &[]);
    assert_eq!(code, Some(0), "{said}");
    let page = fs::read_to_string(page).unwrap();
    for words in ["DRIVER_IRQL_NOT_LESS_OR_EQUAL", "IRQL at that time", "a crash dump", "251 records, 230 lost"] {
        assert!(page.contains(words), "{words}");
    }
}

#[cfg(unix)]
#[test]
fn the_running_drivers_log_is_reported() {
    let (socket, page) = (serve("report", fs::read(image()).unwrap()), fresh("live.html"));
    let (code, said) = report(&[&page], &["--rig", socket.to_str().unwrap()]);
    // The server in the rig's place has no word for what was overwritten.
    assert!(code == Some(4) && said.contains("251 records, 230 lost"), "{said}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("running driver") && page.contains("251 records, 230 lost"));
}
