//! Wrong output that other tools' bug reports describe, as tests; each is named by the report it comes from.
//!
//! The images in `testdata/regressions` are small and made by hand: one fault each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/regressions").join(name)
}

fn irqlog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).output().unwrap()
}

/// What `decode FILE` shows with these arguments behind it.
fn shown(file: &Path, arguments: &[&str]) -> String {
    let output = irqlog(&[&["decode", file.to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// sysdig #2182: a time before the first event underflows. A tick before the driver's start is a negative time.
#[test]
fn sysdig_2182_a_tick_before_the_start_is_a_negative_time() {
    let file = image("before-start.irqlog");
    let text = shown(&file, &[]);
    assert!(!text.contains("1844674407370"), "{text}");
    let before = text.lines().filter(|line| line.trim_start().starts_with('-') && line.contains("cpu")).count();
    let all = text.lines().filter(|line| line.contains("cpu")).count();
    assert!(before > 0 && before < all, "{before} of {all} records lie before the start:\n{text}");
    let lines = |since: &str| shown(&file, &["--since", since]).lines().filter(|line| line.contains("cpu")).count();
    assert_eq!(lines("0"), all - before, "--since 0 leaves out what lies before the start");
    assert_eq!(lines("-1000000"), all, "--since takes negative times");
}

/// Writes a file for one test.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, bytes).unwrap();
    file
}

/// The JSON objects that `decode --json` shows, whatever it says about the file; and its exit code.
fn objects(file: &Path) -> (Vec<Value>, Option<i32>, String) {
    let output = irqlog(&["decode", file.to_str().unwrap(), "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (objects, output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// sawbuck #23, perfetto #878: equal times, wrong order. Within a lane the sequence numbers decide.
#[test]
fn sawbuck_23_records_of_one_lane_with_equal_ticks_keep_their_order() {
    let (records, code, _) = objects(&image("ties.irqlog"));
    let seqs: Vec<_> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!((seqs, code), ((0..12).collect(), Some(0)));
}

/// bcc #3476, reference-system #33: losses that nobody tells. A gap in a lane is counted, and told where it is.
#[test]
fn bcc_3476_a_gap_in_a_lane_is_told_where_it_is() {
    let (objects, _, _) = objects(&image("gap.irqlog"));
    let seqs: Vec<_> = objects.iter().map(|object| object["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(0), Some(1), Some(2), None, Some(8), Some(9)]);
    let loss = serde_json::json!({ "lane": 0, "first_seq": 3, "count": 5, "from_tick": 2, "to_tick": 8, "cause": "not-saved" });
    assert_eq!(objects[3]["loss"], loss);
    let text = shown(&image("gap.irqlog"), &[]);
    let line = text.lines().nth(3).unwrap();
    assert_eq!(line, "--- lane 0: 5 records were not saved, number 3 to 7, between 2.0000000 and 8.0000000 ---");
    for (last, lines) in [("1", 1), ("2", 3), ("3", 4)] {
        assert_eq!(shown(&image("gap.irqlog"), &["--last", last]).lines().count(), lines, "--last {last}");
    }
}

/// sysdig #394: a truncated file. One byte less costs one site; the rest is shown as ever, and the exit code tells.
#[test]
fn sysdig_394_one_missing_byte_costs_one_site() {
    let whole = fs::read(image("../images/format-1.1.irqlog")).unwrap();
    let (expected, code, _) = objects(&file("whole", &whole));
    assert_eq!(code, Some(0));
    let (seen, code, said) = objects(&file("one-byte", &whole[..whole.len() - 1]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("cut off") && said.contains(&format!("of {} bytes", whole.len())), "{said}");
    assert_eq!(seen.len(), expected.len(), "records are missing");
    let known = |objects: &[Value]| objects.iter().filter(|object| object["provider"].is_string()).count();
    assert!(known(&seen) > 0 && known(&seen) >= known(&expected) - 1, "{} of {}", known(&seen), known(&expected));
    let providers = irqlog(&["providers", "--file", file("one-byte-p", &whole[..whole.len() - 1]).to_str().unwrap()]);
    assert_eq!(providers.status.code(), Some(4));
    assert!(String::from_utf8(providers.stdout).unwrap().lines().count() > 1, "no provider is shown");
}

/// sysdig #394: lanes are shown as far as their bytes go, and what lies behind is counted, wherever the file was cut.
#[test]
fn sysdig_394_lanes_are_shown_as_far_as_their_bytes_go() {
    let whole = fs::read(image("../images/format-1.1.irqlog")).unwrap();
    let (expected, _, _) = objects(&file("whole-2", &whole));
    let sum =
        |objects: &[Value]| objects.iter().map(|object| object["loss"]["count"].as_u64().unwrap_or(1)).sum::<u64>();
    let mut most = expected.len();
    for cut in [2000, 5000, 9000, 13000, 16000] {
        let (seen, code, said) = objects(&file(&format!("cut-{cut}"), &whole[..whole.len() - cut]));
        assert_eq!(code, Some(4), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence for one cause:\n{said}");
        assert_eq!(sum(&seen), sum(&expected), "{cut} bytes less: what is shown and what is missing are all there was");
        let records = seen.iter().filter(|object| object["seq"].is_u64()).count();
        assert!(records > 0 && records <= most, "{cut} bytes less show {records} records");
        most = records;
    }
}
