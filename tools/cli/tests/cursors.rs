//! `--cursor-file`, `-f`, `--fold`, forks, `completions` and `man`.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

#[cfg(unix)]
use common::server::serve_in_turn;
use common::{file, irqlog, record, stored, tables, with_records};
use irqlog_reader::record::Record;
use irqlog_wire::record::Kind;
use serde_json::Value;

/// A name in the folder for tests that nothing has.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    path
}

/// Exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = irqlog(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A text of lane 0.
fn text(seq: u64, tick: u64, text: &str) -> Record {
    let mut record = record(Kind::Text, seq, 0, text.as_bytes());
    record.header.tick.set(tick);
    record
}

/// A log with texts of these numbers and ticks.
fn log(name: &str, records: &[(u64, u64)]) -> PathBuf {
    let mut tables = tables();
    tables.lanes[0].next_seq.set(records.last().map_or(0, |(seq, _)| seq + 1));
    let records = records.iter().map(|&(seq, tick)| text(seq, tick, &format!("number {seq}"))).collect();
    file(name, &with_records(&tables, records))
}

#[test]
fn each_record_is_shown_once() {
    let cursor = fresh("cursor");
    let cursor = cursor.to_str().unwrap();
    let read = |log: &Path, rest: &[&str]| {
        run(&[&["read", "--file", log.to_str().unwrap(), "--cursor-file", cursor], rest].concat())
    };
    let lines = |said: &str| said.lines().filter(|line| line.contains("number ")).count();
    let first = log("cursor-first", &[(0, 10), (1, 20), (2, 30)]);
    assert_eq!(lines(&read(&first, &[]).1), 3);
    assert_eq!(read(&first, &[]), (Some(0), String::new(), String::new()));
    // A filter hides records, and they are given all the same.
    let second = log("cursor-second", &[(1, 20), (2, 30), (3, 40), (4, 50)]);
    assert_eq!(lines(&read(&second, &["--grep", "number 4"]).1), 1);
    assert_eq!(read(&second, &[]).1, "");
    // What was overwritten since is told, from where the cursor was.
    let (code, said, _) = read(&log("cursor-third", &[(7, 80), (8, 90)]), &["--json"]);
    let items: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let loss = &items[0]["loss"];
    assert_eq!((code, items.len()), (Some(0), 3), "{said}");
    assert_eq!((&loss["first_seq"], &loss["count"], &loss["from_tick"]), (&5.into(), &2.into(), &50.into()));
}

#[test]
fn a_cursor_file_that_does_not_fit_is_told() {
    let cursor = fresh("cursor-fork");
    let name = cursor.to_str().unwrap();
    let read = |log: &Path| run(&["read", "--file", log.to_str().unwrap(), "--cursor-file", name]);
    read(&log("fork-before", &[(0, 10), (1, 20), (2, 30)]));
    // The machine went back to a snapshot, and has written other records since.
    let (code, said, errors) = read(&log("fork-behind", &[(0, 10), (1, 20), (2, 31), (3, 41)]));
    assert!(code == Some(0) && said.contains("number 3") && errors.contains("has two ticks, 30 and 31"), "{errors}");
    let (_, said, errors) = read(&log("fork-shorter", &[(0, 10), (1, 21)]));
    assert!(said.lines().count() == 2 && errors.contains("went back to a snapshot"), "{said}{errors}");
    fs::write(&cursor, "something else").unwrap();
    let (code, said, errors) = read(&log("fork-other", &[(0, 10)]));
    assert!(code == Some(1) && said.is_empty() && errors.contains("no cursor file"), "{errors}");
    assert_eq!(fs::read_to_string(&cursor).unwrap(), "something else");
    let (code, _, errors) = run(&["follow", "--cursor-file", name, "--grep", "x", "-C", "1"]);
    assert!(code == Some(2) && errors.contains("--context"), "{errors}");
}

/// The same log at two moments: what the second run shows begins where the first one ended.
#[cfg(unix)]
#[test]
fn follow_goes_on_where_it_ended() {
    let log =
        |count: u64| fs::read(log(&format!("follow-{count}"), &(0..count).map(|n| (n, 10 * n)).collect::<Vec<_>>()));
    let socket = serve_in_turn("cursor", vec![log(6).unwrap(), log(9).unwrap()]);
    let (socket, cursor) = (socket.to_str().unwrap(), fresh("cursor-follow"));
    let follow = |command: &[&str], count: &str| {
        run(&[&["--rig", socket][..], command, &["--cursor-file", cursor.to_str().unwrap(), "--count", count]].concat())
    };
    let shown = |said: &str| -> Vec<String> {
        said.lines().filter_map(|line| line.split_once("number ")).map(|(_, number)| number.to_owned()).collect()
    };
    let (code, said, errors) = follow(&["follow"], "4");
    assert_eq!((code, shown(&said)), (Some(0), ["0", "1", "2", "3"].map(str::to_owned).to_vec()), "{errors}");
    let (_, said, _) = follow(&["follow"], "5");
    assert_eq!(shown(&said), ["4", "5", "6", "7", "8"]);
}

#[cfg(unix)]
#[test]
fn read_follows_with_f() {
    let image = fs::read(log("read-f", &[(0, 10), (1, 20)])).unwrap();
    let socket = serve_in_turn("read-f", vec![image]);
    let mut irqlog = std::process::Command::new(env!("CARGO_BIN_EXE_irqlog"));
    irqlog.args(["--rig", socket.to_str().unwrap(), "read", "-f", "-n", "1"]).stdout(std::process::Stdio::piped());
    let mut child = irqlog.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.next().unwrap().unwrap().contains("number 1"));
    assert!(child.try_wait().unwrap().is_none(), "it waits for more");
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, _, errors) = run(&["read", "-f", "--file", "x"]);
    assert!(code == Some(2) && errors.contains("--file"), "{errors}");
}

#[test]
fn repeated_records_are_folded() {
    let mut tables = tables();
    tables.lanes[0].next_seq.set(9);
    let words = ["a", "b", "b", "b", "c", "c", "d", "b", "b"];
    let records = (0_u64..).zip(words).map(|(seq, word)| text(seq, 1000 * seq, word)).collect();
    let image = file("fold.irqlog", &with_records(&tables, records));
    let (_, said, _) = run(&["decode", image.to_str().unwrap(), "--fold"]);
    let more = said.lines().filter(|line| line.contains(" more of this text")).count();
    assert_eq!((said.lines().count(), more), (8, 3), "{said}");
    assert!(said.contains("... 2 more of this text, until") && said.contains("... 1 more of this text"), "{said}");
    let whole = run(&["decode", image.to_str().unwrap(), "--json"]).1;
    assert_eq!(run(&["decode", image.to_str().unwrap(), "--json", "--fold"]).1, whole, "JSON always has everything");
    let image = stored().join("format-1.1.irqlog");
    let (_, said, _) = run(&["decode", image.to_str().unwrap(), "--fold", "--provider", "sample_c"]);
    assert!(said.contains(" more of this site, until"), "{said}");
}

/// Two saved logs of one start, of which one is from before the machine went back to a snapshot.
#[test]
fn a_number_with_two_ticks_is_reported() {
    let (one, other) =
        (log("forked-one", &[(0, 10), (1, 20), (2, 30)]), log("forked-other", &[(0, 10), (1, 20), (2, 35)]));
    let (one, other) = (one.to_str().unwrap(), other.to_str().unwrap());
    let (code, said, errors) = run(&["export", "--to", "jsonl", "-", one, other]);
    assert!(code == Some(4) && errors.contains("lane 0, number 2 has two ticks, 30 and 35"), "{errors}");
    let end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(end["end"]["forks"][0]["seq"], 2);
    let (code, said, errors) = run(&["export", "--to", "jsonl", "-", one, one]);
    assert!(code == Some(0) && said.contains("\"forks\":[]"), "the same log twice is no fork: {errors}");
}

#[test]
fn shells_and_manuals_know_every_command_and_nothing_of_the_rig() {
    let help = run(&["--help"]).1;
    let commands: Vec<_> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    for shell in ["bash", "powershell", "zsh", "fish", "elvish"] {
        let (code, script, errors) = run(&["completions", shell]);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        assert!(commands.iter().all(|command| script.contains(*command)), "{shell}");
        assert!(!script.contains("rig's socket"), "{shell}");
    }
    let folder = fresh("man");
    assert_eq!(run(&["man", folder.to_str().unwrap()]).0, Some(0));
    for command in commands {
        let page = fs::read_to_string(folder.join(format!("irqlog-{command}.1"))).unwrap();
        assert!(page.starts_with(".ie ") || page.contains(".TH"), "{command}");
        assert!(!page.contains("rig's socket"), "{command}");
    }
    assert!(fs::read_to_string(folder.join("irqlog.1")).unwrap().contains("Exit codes"));
}
