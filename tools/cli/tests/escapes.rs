//! No text of a driver, file, server or command line is obeyed by a terminal, or forges a line.
//!
//! RUSTSEC-2025-0055 (tracing-subscriber), precizer #123: a name with an escape sequence or a newline. hl #1235: JSON through
//! a filter for terminals.

mod common;

use std::process::Output;

use common::{Site, file, irqlog, payload, record, tables, with_records, with_site};
use irqlog_wire::record::Kind;

/// A title for the window, a cleared screen, and a line that looks like a record.
const EVIL: &str = "drv\u{1b}]0;PWNED\u{7}\u{1b}[2J\r\n    9.0  cpu 0   PASSIVE  info  1  forged";
/// Of every kind that has to be escaped: C0, DEL, C1, bidirectional, zero width, separators, tags, fillers.
const HIDDEN: &str =
    "\u{9b}\u{85}\u{7f}\u{200b}\u{200e}\u{202e}\u{2066}\u{2028}\u{2029}\u{feff}\u{ad}\u{3164}\u{e0041}";

/// What standard output and standard error show has none of that.
fn assert_harmless(what: &str, output: &Output, lines: usize) {
    for stream in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(stream).unwrap();
        let bad = text.chars().find(|&c| (c.is_control() && c != '\n') || HIDDEN.contains(c));
        assert_eq!(bad, None, "{what}: {text:?}");
    }
    let shown = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8_lossy(&shown);
    assert_eq!(text.lines().count(), lines, "{what}: {text:?}");
}

#[test]
fn names_and_files_of_a_provider() {
    let site =
        Site { provider: EVIL, format: "hello \u{1b}[31m", file: "x.c\u{1b}[31m\u{7}\r\nforged site", arguments: 0 };
    let evil = file("escapes-provider.irqlog", &with_site(&site, &[payload(&[], b"")]));
    let evil = evil.to_str().unwrap();
    assert_harmless("decode", &irqlog(["decode", evil]), 1);
    assert_harmless("providers", &irqlog(["providers", "--sites", "--file", evil]), 3);
    let shown = irqlog(["decode", evil]).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("drv\\u{1b}]0;PWNED"), "the escape is shown");
}

#[test]
fn hidden_characters_in_a_text() {
    let image = with_records(&tables(), vec![record(Kind::Text, 0, 0, HIDDEN.as_bytes())]);
    let hidden = file("escapes-hidden.irqlog", &image);
    assert_harmless("decode", &irqlog(["decode", hidden.to_str().unwrap()]), 1);
}

/// Paths, values and unknown arguments come back in errors.
#[test]
fn the_command_line() {
    let evil_file = format!("/nowhere/{EVIL}{HIDDEN}");
    for arguments in
        [&["decode", &evil_file][..], &["--rig", &evil_file, "info"], &["doctor", "--recorded", &evil_file]]
    {
        assert_harmless("a path", &irqlog(arguments), 1);
    }
    for arguments in [
        &["read", "--level", EVIL][..],
        &["read", "--irql", EVIL],
        &["read", "--cpu", EVIL],
        &["read", "--since", EVIL],
        &["read", "--site", &format!("{EVIL}:{EVIL}")],
        &["read", "--thread", EVIL],
        &["read", EVIL],
        &[EVIL],
        &["service", EVIL],
    ] {
        let output = irqlog(arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{arguments:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with("    9.0")), "{arguments:?}: {said:?}");
    }
    let pattern = irqlog(["read", "--grep", &format!("({EVIL}{HIDDEN}")]);
    let said = String::from_utf8_lossy(&pattern.stderr);
    assert!(said.chars().all(|c| c == '\n' || !(c.is_control() || HIDDEN.contains(c))), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("    9.0")), "{said:?}");
}

#[test]
fn facts_of_another_machine() {
    let facts = serde_json::json!({
        "build": null, "is_elevated": null, "code_integrity": null, "secure_boot": null,
        "image": { "path": EVIL, "exists": true, "trust": 0, "publisher_is_trusted": null },
        "service": { "state": format!("{EVIL}{HIDDEN}"), "exit_code": 0 },
        "device": { "answers": EVIL }, "cli_version": "0.1.0",
    });
    let facts = file("escapes-facts.json", facts.to_string().as_bytes());
    let output = irqlog(["doctor", "--recorded", facts.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("PWNED"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || HIDDEN.contains(c))), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("    9.0")), "{text:?}");
}

/// hl #1235: JSON comes out as it is made, and a reader of it gets every character back.
#[test]
fn json_is_escaped_and_not_filtered() {
    let text = format!("{EVIL}{HIDDEN}");
    let image = with_records(&tables(), vec![record(Kind::Text, 0, 0, text.as_bytes())]);
    let hidden = file("escapes-json.irqlog", &image);
    let output = irqlog(["decode", "--json", hidden.to_str().unwrap()]);
    assert_harmless("decode --json", &output, 1);
    let json = String::from_utf8(output.stdout).unwrap();
    for escaped in ["\\u007f", "\\u009b", "\\u202e", "\\u2028", "\\udb40\\udc41"] {
        assert!(json.contains(escaped), "{escaped}: {json}");
    }
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["text"], text);
    let site = Site { provider: &text, format: &text, file: &text, arguments: 0 };
    let names = file("escapes-names.irqlog", &with_site(&site, &[payload(&[], b"")]));
    let output = irqlog(["providers", "--sites", "--json", "--file", names.to_str().unwrap()]);
    assert_harmless("providers --json", &output, 2);
}
