//! A filter that can match nothing says so, and a filter looks at what is shown.
//!
//! servo #25997: a filter whose name was wrong matched nothing, without a word.

mod common;

use std::path::PathBuf;

use common::{Site, file, irqlog, payload, record, tables, with_records, with_site};
use irqlog_wire::record::{Kind, flags};

/// An image with one event of the provider `usbhub`, and what it says.
fn image() -> PathBuf {
    let site = Site { provider: "usbhub", format: "port is\nready", file: "src/port.rs", arguments: 0 };
    file(&format!("filters-{:?}.irqlog", std::thread::current().id()), &with_site(&site, &[payload(&[], b"")]))
}

/// Exit code, and both streams.
fn decode(arguments: &[&str]) -> (Option<i32>, String) {
    let image = image();
    let output = irqlog([&["decode", image.to_str().unwrap()], arguments].concat());
    (output.status.code(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

#[test]
fn an_unknown_provider_or_site_is_refused() {
    for (arguments, words) in [
        (&["--provider", "nosuch"][..], "there are: usbhub"),
        (&["--provider", "usbhub,nosuch"], "there is no provider nosuch"),
        (&["--provider", "usb?"], "there are: usbhub"),
        (&["--site", "port.rs:2"], "there is no site port.rs:2; lines of that file with sites are: 1"),
        (&["--site", "rt.rs"], "there is no site in rt.rs; files with sites are: src/port.rs"),
    ] {
        let (code, said) = decode(arguments);
        assert!(code == Some(2) && said.contains(words), "{arguments:?}: {code:?} {said}");
    }
    for arguments in [
        &["--provider", "usbhub"][..],
        &["--provider", "USBHub"],
        &["--provider", "*hu?"],
        &["--site", "port.rs:1"],
        &["--site", "port.rs"],
        &["--site", "SRC\\Port.rs"],
        &["--site", "p*.rs"],
    ] {
        let (code, shown) = decode(arguments);
        assert!(code == Some(0) && shown.contains("usbhub: port is"), "{arguments:?}: {code:?} {shown}");
    }
}

#[test]
fn a_time_that_is_none_says_what_is_one() {
    for since in ["NaN", "inf", "-inf", "1e999", "soon", "2026-13-01"] {
        let (code, said) = decode(&[&format!("--since={since}")]);
        assert!(code == Some(2) && said.contains("a time of the day (14:05:30)"), "{since}: {code:?} {said}");
    }
    for since in ["-1.5", "-5m", "0", "1970-01-01T00:00:00Z"] {
        assert_eq!(decode(&["--since", since]).0, Some(0), "{since}");
    }
}

/// Records 0 to 99, one each tenth of a second, by processors 0 and 1 and threads 0x100 to 0x103.
fn shown(arguments: &[&str]) -> String {
    let mut all = tables();
    all.header.processor_count.set(4);
    all.header.tick_frequency.set(1000);
    all.header.tick_base.set(500);
    // 2026-11-28 12:00 UTC.
    all.header.time_base.set((1_795_867_200 + 11_644_473_600) * 10_000_000);
    let records = (0..100).map(|seq| {
        let mut record = record(Kind::Text, seq, 0, format!("number {seq:02}").as_bytes());
        record.header.tick.set(500 + 100 * seq);
        record.header.processor.set(seq as u16 % 2);
        record.header.flags.set(0);
        record.header.thread.set(0x100 + seq as u32 % 4);
        record.header.process.set(if seq < 50 { 4 } else { 8 });
        record
    });
    let image = with_records(&all, records.collect());
    let image = file(&format!("filters-shown-{:?}.irqlog", std::thread::current().id()), &image);
    let output = irqlog([&["decode", image.to_str().unwrap()], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The numbers that are shown; `--` for a gap.
fn numbers(arguments: &[&str]) -> String {
    let shown = shown(arguments);
    let number = |line: &str| line.rsplit_once("number ").map_or(line, |(_, number)| number).to_owned();
    shown.lines().map(number).collect::<Vec<_>>().join(" ")
}

#[test]
fn times_bound_what_is_shown() {
    for (arguments, expected) in [
        (&["--since", "9.75"][..], "98 99"),
        (&["--until", "0.1"], "00 01"),
        (&["--since", "0.3", "--until", "500ms"], "03 04 05"),
        // The log ends with its newest record, at 9.9 s.
        (&["--since", "-100ms"], "98 99"),
        (&["--until", "-9.75s"], "00 01"),
        (&["--since", "2026-11-28T12:00:09.8Z"], "98 99"),
        (&["--since", "2026-11-28T14:00:09.8+02:00"], "98 99"),
        (&["--until", "2026-11-28T12:00:00.1Z"], "00 01"),
    ] {
        assert_eq!(numbers(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn processors_threads_and_processes_choose() {
    let first = |arguments: &[&str]| numbers(&[arguments, &["--until", "0.75"]].concat());
    for (arguments, expected) in [
        (&["--cpu", "1"][..], "01 03 05 07"),
        (&["--cpu", "0-3"], "00 01 02 03 04 05 06 07"),
        (&["--cpu", "1-2,3"], "01 03 05 07"),
        (&["--thread", "0x101"], "01 05"),
        (&["--thread", "257,258"], "01 02 05 06"),
        (&["--process", "8"], ""),
        (&["--process", "4", "--level", "INFO", "-n", "2"], "06 07"),
    ] {
        assert_eq!(first(arguments), expected, "{arguments:?}");
    }
    assert!(numbers(&["--process", "8"]).starts_with("50 51"));
    for (arguments, words) in [
        (["--cpu", "3-1"], "3, 0-3"),
        (["--cpu", "0-4"], "there is no processor 4"),
        (["--thread", "0xz"], "an id is a number such as 268, or 0x10c"),
    ] {
        let (code, said) = decode(&arguments);
        assert!(code == Some(2) && said.contains(words) || arguments[1] == "0-4", "{arguments:?}: {code:?} {said}");
    }
}

#[test]
fn grep_can_ignore_case_be_inverted_and_show_context() {
    for (arguments, expected) in [
        (&["--grep", "NUMBER 07"][..], ""),
        (&["-i", "--grep", "NUMBER 07"], "07"),
        (&["--grep", "(?i)NUMBER 07"], "07"),
        (&["-v", "--grep", "number [1-9]"], "00 01 02 03 04 05 06 07 08 09"),
        (&["-C", "1", "--grep", "number (10|11|20)"], "09 10 11 12 -- 19 20 21"),
        (&["-C", "2", "--grep", "number (00|99)"], "00 01 02 -- 97 98 99"),
        // Context that meets is no gap.
        (&["-C", "2", "--grep", "number (10|14)"], "08 09 10 11 12 13 14 15 16"),
        (&["-C", "2", "--grep", "number (10|15)"], "08 09 10 11 12 13 14 15 16 17"),
        (&["-C", "2", "--grep", "number (10|16)"], "08 09 10 11 12 -- 14 15 16 17 18"),
        // The other filters hold for the context too.
        (&["-C", "1", "--cpu", "0", "--grep", "number 10"], "08 10 12"),
        (&["-C", "1", "--grep", "number (10|20)", "-n", "4"], "11 -- 19 20 21"),
        (&["-C", "1", "--grep", "number (10|20)", "-n", "3"], "19 20 21"),
    ] {
        assert_eq!(numbers(arguments), expected, "{arguments:?}");
    }
    assert!(!shown(&["-C", "1", "--grep", "number (10|20)", "--json"]).contains("\n--"), "JSON has objects only");
}

/// A record of an NMI callback has the IRQL of the interrupted code; a flag tells it from a thread.
#[test]
fn a_record_by_the_entry_that_never_waits_is_shown_and_found_as_one_of_an_nmi() {
    let mut nmi = record(Kind::Text, 1, 0, b"machine check");
    nmi.header.flags.set(flags::NO_THREAD | flags::NEVER_WAITS);
    let image = with_records(&tables(), vec![record(Kind::Text, 0, 0, b"a thread"), nmi]);
    let image = file("filters-nmi.irqlog", &image);
    let image = image.to_str().unwrap();
    let shown = |arguments: &[&str]| {
        let output = irqlog([&["decode", image], arguments].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let all = shown(&[]);
    let columns: Vec<_> = all.lines().map(|line| line.split_whitespace().skip(3).take(2).collect::<Vec<_>>()).collect();
    assert_eq!(columns, [["PASSIVE", "info"], ["PASSIVE", "nmi"]], "{all}");
    let found = shown(&["--irql", "NMI"]);
    assert!(found.lines().count() == 1 && found.contains("machine check"), "{found}");
    assert!(shown(&["--irql", "NMI", "--json"]).contains(r#""nmi":false"#), "JSON says in which lane it lies");
    assert!(shown(&["--irql", "NMI", "--json"]).contains(r#""never_waits":true"#));
}

#[test]
fn grep_searches_what_is_shown() {
    for (pattern, count) in [("usbhub", 1), ("^usbhub: port", 1), (r"is\\nready$", 1), ("is\nready", 0), ("nothing", 0)]
    {
        let (code, shown) = decode(&["--grep", pattern]);
        assert_eq!((code, shown.lines().count()), (Some(0), count), "{pattern}: {shown}");
    }
}

#[test]
fn the_first_column_is_the_time_that_is_asked_for() {
    let first = |time: &str| {
        let shown = shown(&["--time", time, "-n", "2"]);
        shown.lines().map(|line| line.split("  cpu").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(first("start"), ["9.8000000", "9.9000000"]);
    assert_eq!(first("utc"), ["2026-11-28 12:00:09.8000000", "2026-11-28 12:00:09.9000000"]);
    assert_eq!(first("delta"), ["+0.0000000", "+0.1000000"]);
    assert_eq!(first("local").len(), 2);
    let json = shown(&["--json", "-n", "1"]);
    assert!(json.contains(r#""utc":"2026-11-28T12:00:09.900000000Z""#), "{json}");
    // The columns are where their names are.
    let shown = shown(&["--header", "-n", "1"]);
    let lines: Vec<_> = shown.lines().collect();
    for (name, value) in [("cpu", "cpu 1"), ("IRQL", "PASSIVE"), ("level", "info"), ("text", "number 99")] {
        assert_eq!(lines[0].find(name), lines[1].find(value), "{shown}");
    }
}

#[test]
fn locations_and_bytes_are_shown_on_request() {
    let (_, text) = decode(&["--location"]);
    assert!(text.trim_end().ends_with("ready  (src/port.rs:1)"), "{text}");
    let mut payload = vec![0; 16];
    payload[4..8].copy_from_slice(&1_u32.to_le_bytes());
    payload[8..12].copy_from_slice(&20_u32.to_le_bytes());
    payload.extend(b"a blob\0\x1b of 20 bytes");
    let image = file("filters-blob.irqlog", &with_records(&tables(), vec![record(Kind::Blob, 0, 0, &payload)]));
    let output = irqlog(["decode", image.to_str().unwrap(), "--hex"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        rows,
        [
            "000000  61 20 62 6c 6f 62 00 1b 20 6f 66 20 32 30 20 62  |a blob.. of 20 b|",
            "000010  79 74 65 73                                      |ytes|"
        ]
    );
}

#[test]
fn colours_are_for_terminals_unless_they_are_asked_for() {
    let is_coloured = |arguments: &[&str]| shown(&[arguments, &["-n", "1"]].concat()).contains('\u{1b}');
    assert!(!is_coloured(&[]) && !is_coloured(&["--color", "never"]));
    assert!(is_coloured(&["--color", "always"]));
    assert!(!is_coloured(&["--color", "always", "--json"]), "JSON has none");
}
