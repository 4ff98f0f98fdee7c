//! Logs of earlier starts: `keep`, `list` and `--boot`, as the saver uses them.
#![cfg(unix)]

mod common;

use std::{fs, path::PathBuf};

use common::{file, irqlog, record, server, tables, with_records};
use irqlog_wire::record::Kind;

/// The image of a start, by its number, with one record that says it.
fn start(number: u64, is_crash: bool) -> Vec<u8> {
    let mut tables = tables();
    tables.header.start_id.set(number);
    tables.header.time_base.set((1_767_225_600 + number * 60) * 10_000_000 + 116_444_736_000_000_000);
    tables.header.crashed.set(is_crash.into());
    tables.lanes[0].next_seq.set(1);
    with_records(&tables, vec![record(Kind::Text, 0, 0, format!("start {number}").as_bytes())])
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("irqlog-kept-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// Runs irqlog with `--logs FOLDER`; its output, and what it says on standard error.
fn with_logs(folder: &std::path::Path, arguments: &[&str], code: i32) -> (String, String) {
    let logs = folder.to_str().unwrap();
    let output = irqlog([arguments, &["--logs", logs]].concat());
    let [shown, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}{said}");
    (shown, said)
}

#[test]
fn the_last_starts_are_kept_listed_and_read_by_number() {
    let folder = folder("all");
    let (shown, said) = with_logs(&folder, &["list"], 0);
    assert!(shown.is_empty() && said.contains("no logs are kept in"), "{shown}{said}");
    let (_, said) = with_logs(&folder, &["read", "--boot", "-1"], 1);
    assert!(said.contains("no logs are kept in") && said.contains("install-saver"), "{said}");
    for number in 1..=4 {
        let socket = server::serve(&format!("kept-{number}"), start(number, false));
        let arguments = ["--rig", server::argument(&socket), "keep", "--last", "3"];
        let (_, said) = with_logs(&folder, &arguments, 0);
        assert!(said.contains("1 records in") && said.contains("kept as "), "{said}");
        assert_eq!(said.contains("deleted "), number == 4, "{said}");
        // Again, of the same start: it stays one log.
        with_logs(&folder, &arguments, 0);
    }
    // The dump of a crash has the log of the start that crashed; a file serves as well.
    let crash = file("kept-crash.irqlog", &start(5, true));
    with_logs(&folder, &["keep", "--last", "3", "--file", crash.to_str().unwrap()], 0);
    let (list, _) = with_logs(&folder, &["list"], 0);
    let rows: Vec<Vec<&str>> = list.lines().skip(1).map(|line| line.split_whitespace().take(5).collect()).collect();
    let expected = [
        ["-1", "2026-01-01", "00:05:00", "crash", "1"],
        ["-2", "2026-01-01", "00:04:00", "shutdown", "1"],
        ["-3", "2026-01-01", "00:03:00", "shutdown", "1"],
    ];
    assert_eq!(rows, expected, "{list}");
    for (boot, number) in [("-1", 5), ("-2", 4), ("-3", 3)] {
        let (shown, _) = with_logs(&folder, &["read", "--boot", boot], 0);
        assert!(shown.contains(&format!("start {number}")) && shown.lines().count() == 1, "{shown}");
        with_logs(&folder, &["info", "--boot", boot], 0);
        with_logs(&folder, &["stats", "--boot", boot], 0);
    }
    let (_, said) = with_logs(&folder, &["read", "--boot", "-4"], 1);
    assert!(said.contains("3 logs are kept in") && said.contains("-1 to -3"), "{said}");
    let (json, _) = with_logs(&folder, &["list", "--json"], 0);
    let newest: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((newest["boot"].as_i64(), newest["crashed"].as_bool()), (Some(-1), Some(true)));
    // One that is damaged is listed, and found.
    let (_, path) = (0, fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path());
    fs::write(&path, b"damaged").unwrap();
    let (list, _) = with_logs(&folder, &["list"], 4);
    assert!(list.contains("cannot be read"), "{list}");
}

#[test]
fn a_keep_that_fails_leaves_the_kept_logs_as_they_were() {
    let folder = folder("fails");
    let good = file("kept-good.irqlog", &start(7, false));
    with_logs(&folder, &["keep", "--file", good.to_str().unwrap()], 0);
    let before = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let bytes = fs::read(&before[0]).unwrap();
    with_logs(&folder, &["--rig", "/nowhere/at/all", "keep"], 3);
    with_logs(&folder, &["keep", "--file", "/nowhere/at/all"], 1);
    assert_eq!(fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>(), before);
    assert_eq!(fs::read(&before[0]).unwrap(), bytes);
    // No log is deleted to make room for none.
    with_logs(&folder, &["keep", "--last", "0", "--file", good.to_str().unwrap()], 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
