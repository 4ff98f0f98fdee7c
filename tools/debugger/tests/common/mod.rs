//! What the script shows, compared with what the reader of irqlog.exe shows of the same log.

#![allow(dead_code, reason = "each test uses its own part")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use irqlog_reader::{
    log::{Item, Log},
    saved::SavedLog,
};
use irqlog_shown::{
    Show,
    record::{ShownLoss, ShownRecord},
    recorder::Stats,
};
use serde_json::{Value, json};

/// Where images lie in the memory of a target.
pub const ADDRESS: &str = "0xfffff80212340000";

/// A file of this test, with these bytes.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A target whose memory is a file, and whose log is at its start.
pub fn mapped(path: &Path) -> Value {
    json!({ "file": path, "address": ADDRESS, "call": ADDRESS })
}

/// What the reader shows of a log, in the form in which the script's answer has it.
pub fn expected(log: &mut impl Log) -> Value {
    let items = log.collect().unwrap();
    let (mut lines, mut records, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for item in &items {
        let mut line = Vec::new();
        match item {
            Item::Record(record) => {
                let shown = ShownRecord::new(log.tables(), record);
                // Through text, as the answer of Node: a float is parsed in the same way then.
                let text = serde_json::to_string(&shown).unwrap();
                records.push(serde_json::from_str::<Value>(&text).unwrap());
                shown.text(&mut line).unwrap();
            }
            Item::Loss(loss) => {
                ShownLoss::new(log.tables(), *loss).text(&mut line).unwrap();
                losses.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
            }
        }
        // `anstream` takes the colours away where they are not wanted.
        let line = String::from_utf8(line).unwrap();
        lines.push(plain(line.trim_end_matches('\n')));
    }
    let faults: Vec<_> = log.faults().iter().map(ToString::to_string).collect();
    let mut recorder = serde_json::to_value(Stats::new(log.tables(), None, None)).unwrap();
    let losses: Vec<_> = losses.iter().map(|line| plain(line)).collect();
    json!({
        "lines": lines, "records": records, "losses": losses, "faults": faults, "lanes": recorder["lanes"].take(),
    })
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for (index, part) in line.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').map_or("", |(_, behind)| behind) });
    }
    plain
}

/// What the reader shows of an image.
pub fn expected_of_image(image: &[u8]) -> Value {
    expected(&mut SavedLog::open(std::io::Cursor::new(image)).unwrap())
}

/// Checks an answer against what is expected, item by item, so that a failure shows the first difference alone.
#[track_caller]
pub fn assert_same(answer: &Value, expected: &Value, what: &str) {
    assert!(answer["error"].is_null(), "{what}: {}", answer["error"].as_str().unwrap_or_default());
    for list in ["lines", "records", "losses", "lanes"] {
        let (seen, wanted) = (answer[list].as_array().unwrap(), expected[list].as_array().unwrap());
        for (index, (seen, wanted)) in seen.iter().zip(wanted).enumerate() {
            assert_eq!(seen, wanted, "{what}: {list}, number {index}");
        }
        assert_eq!(seen.len(), wanted.len(), "{what}: {list}");
    }
    let notes: Vec<_> = answer["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    for fault in expected["faults"].as_array().unwrap() {
        assert!(notes.contains(&fault.as_str().unwrap()), "{what}: {fault} is not among {notes:?}");
    }
}
