//! A filter that can match nothing says so, and a filter looks at what is shown.
//!
//! servo #25997: a filter whose name was wrong matched nothing, without a word.

mod common;

use std::path::PathBuf;

use common::{Site, file, irqlog, payload, with_site};

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

#[test]
fn grep_searches_what_is_shown() {
    for (pattern, count) in [("usbhub", 1), ("^usbhub: port", 1), (r"is\\nready$", 1), ("is\nready", 0), ("nothing", 0)]
    {
        let (code, shown) = decode(&["--grep", pattern]);
        assert_eq!((code, shown.lines().count()), (Some(0), count), "{pattern}: {shown}");
    }
}
