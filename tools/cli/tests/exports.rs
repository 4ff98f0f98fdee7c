//! `export` as a command: where it writes, what it refuses, and what it says of the balance. What is in the exports is
//! compared by readers that are not ours: `cargo xtask test --only exports`.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{file, irqlog, stored};
use irqlog_wire::image::{ImageHeader, LaneControl};
use serde_json::Value;
use zerocopy::FromBytes;

fn image(name: &str) -> PathBuf {
    stored().join(name)
}

/// A name in the folder for tests that nothing has.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    path
}

/// The exit code, standard output, and standard error of an export.
fn export(format: &str, out: &Path, rest: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["export", "--to", format, out.to_str().unwrap()], rest].concat();
    let output = irqlog(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The last line of JSON lines, which is about the export.
fn end(lines: &str) -> Value {
    serde_json::from_str::<Value>(lines.lines().last().unwrap()).unwrap()["end"].clone()
}

#[test]
fn an_export_goes_to_a_file_or_to_standard_output() {
    let (log, out) = (image("format-1.1.irqlog"), fresh("export.jsonl"));
    let log = log.to_str().unwrap();
    let (code, said, errors) = export("jsonl", &out, &[log]);
    assert_eq!((code, said.as_str(), errors.as_str()), (Some(0), "", "251 records, 230 lost\n"));
    let (code, said, _) = export("jsonl", Path::new("-"), &[log]);
    assert_eq!((code, &said), (Some(0), &fs::read_to_string(&out).unwrap()));
    assert_eq!(said.lines().count(), 251 + 1 + 2);
    let end = end(&said);
    assert_eq!((&end["filtered"], &end["balances"][0]["holds"]), (&Value::from(false), &Value::from(true)));
}

#[test]
fn nothing_is_replaced_and_what_fails_leaves_nothing() {
    let log = image("format-1.1.irqlog");
    let folder = fresh("export-folder");
    fs::create_dir_all(&folder).unwrap();
    let taken = folder.join("taken");
    fs::write(&taken, "old").unwrap();
    for format in ["jsonl", "csv", "chrome", "perfetto", "journal", "ctf"] {
        let (code, _, errors) = export(format, &taken, &[log.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("taken") && errors.contains("exists"), "{errors}");
        let (code, _, errors) = export(format, &folder.join("new"), &["/nowhere/at/all"]);
        assert!(code == Some(1) && errors.contains("/nowhere/at/all"), "{errors}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "old");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let (code, _, errors) = export("ctf", Path::new("-"), &[log.to_str().unwrap()]);
    assert!(code == Some(2) && errors.contains("folder"), "{errors}");
}

#[test]
fn a_filtered_export_says_so() {
    let log = image("format-1.1.irqlog");
    let log = log.to_str().unwrap();
    for (filter, exported) in [(&["--last", "5"][..], 5), (&["--level", "warn", "--last", "3"], 3)] {
        let (code, lines, errors) = export("jsonl", Path::new("-"), &[&[log], filter].concat());
        let end = end(&lines);
        assert_eq!(code, Some(0));
        assert!(errors.contains("filtered"), "{errors}");
        assert_eq!((&end["filtered"], &end["exported"]), (&Value::from(true), &Value::from(exported)));
        assert_eq!(end["left_out"], 251 - exported);
        let balance = &end["balances"][0];
        assert!(balance["holds"] == true && balance["lanes"][0]["delivered"] == 251, "{balance}");
    }
    for (format, word) in [("csv", ",true\r\n"), ("chrome", "\"filtered\":true")] {
        let (_, text, _) = export(format, Path::new("-"), &[log, "--last", "1"]);
        assert!(text.contains(word), "{format} does not say that it is filtered");
    }
    assert_eq!(export("jsonl", Path::new("-"), &[log, "--provider", "nobody"]).0, Some(2));
}

#[test]
fn several_logs_are_one_trace_in_order_of_time() {
    let logs = ["format-1.0.irqlog", "format-1.1.irqlog"].map(image);
    let logs = [logs[0].to_str().unwrap(), logs[1].to_str().unwrap()];
    let (code, merged, _) = export("jsonl", Path::new("-"), &logs);
    assert_eq!(code, Some(0));
    let records = |lines: &str| -> Vec<(String, String)> {
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = lines.filter(|line| line.get("seq").is_some());
        items.map(|line| (text(&line["utc"]), format!("{} {} {}", line["start"], line["lane"], line["seq"]))).collect()
    };
    let merged_records = records(&merged);
    assert!(merged_records.is_sorted_by(|before, behind| before.0 <= behind.0), "not in order of time");
    let mut apart: Vec<_> = logs.iter().flat_map(|log| records(&export("jsonl", Path::new("-"), &[log]).1)).collect();
    let mut merged_records = merged_records;
    apart.sort();
    merged_records.sort();
    assert_eq!(merged_records, apart);
    let end = end(&merged);
    assert!(end["balances"].as_array().unwrap().iter().all(|log| log["holds"] == true), "{end}");
}

/// A lane that cannot be read is no reason to export nothing, and no balance.
#[test]
fn what_does_not_balance_is_said() {
    let mut bytes = fs::read(image("format-1.1.irqlog")).unwrap();
    let header = ImageHeader::read_from_prefix(&bytes).unwrap().0;
    let lane = header.lanes_offset.get() as usize + std::mem::offset_of!(LaneControl, data_words);
    bytes[lane] = 3;
    let log = file("unbalanced", &bytes);
    let (code, lines, errors) = export("jsonl", Path::new("-"), &[log.to_str().unwrap()]);
    assert_eq!(code, Some(4), "{errors}");
    assert!(
        errors.contains("lane 0: 481 written, 0 delivered") && errors.contains("nothing is known of 481"),
        "{errors}"
    );
    assert_eq!(end(&lines)["balances"][0]["holds"], false);
}
