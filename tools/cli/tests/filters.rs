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
        (&["--site", "port.rs:2"], "there is no site port.rs:2"),
    ] {
        let (code, said) = decode(arguments);
        assert!(code == Some(2) && said.contains(words), "{arguments:?}: {code:?} {said}");
    }
    for arguments in [&["--provider", "usbhub"][..], &["--site", "port.rs:1"]] {
        let (code, shown) = decode(arguments);
        assert!(code == Some(0) && shown.contains("usbhub: port is"), "{arguments:?}: {code:?} {shown}");
    }
}

#[test]
fn a_time_is_a_number_of_seconds() {
    for (since, words) in [
        ("NaN", "number of seconds"),
        ("inf", "number of seconds"),
        ("-inf", "number of seconds"),
        ("1e999", "number of seconds"),
        ("5m", "write 300"),
        ("1.5h", "write 5400"),
        ("250ms", "write 0.25"),
        ("soon", "such as 90"),
    ] {
        let (code, said) = decode(&[&format!("--since={since}")]);
        assert!(code == Some(2) && said.contains(words), "{since}: {code:?} {said}");
    }
    assert_eq!(decode(&["--since", "-1.5"]).0, Some(0));
}

/// An NMI callback sees the IRQL of the code that was interrupted, and its records look like a thread's but for one flag.
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
