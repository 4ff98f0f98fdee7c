//! What other people's bug reports say of loggers and their readers, tried on irqlog: each test names the reports it comes from.
//!
//! Reports whose kind has a file of its own are there: escapes, filters, json, streams.

mod common;

use std::process::Output;

use common::{Site, file, irqlog, payload, record, tables, with_records, with_site};
use irqlog_reader::record::Record;
use irqlog_wire::{
    event::ArgumentKind,
    record::{Kind, flags},
};

/// A text of lane 0.
fn text(seq: u64, text: &str) -> Record {
    record(Kind::Text, seq, 0, text.as_bytes())
}

/// What `decode` says of an image, with arguments behind the file.
fn decode(name: &str, image: &[u8], arguments: &[&str]) -> Output {
    let image = file(&format!("reports-{name}.irqlog"), image);
    irqlog([&["decode", image.to_str().unwrap()], arguments].concat())
}

/// The lines of standard output, of a run that ends well.
fn lines(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

/// SDL #6762, godot #38958, ponyc #4227, aws-c-common #790, zephyr #115115: ticks times 10^9 left 64 bits after seconds or
/// weeks, and time jumped back.
#[test]
fn a_tick_becomes_a_time_without_an_overflow() {
    for (frequency, seconds) in [(10_000_000, 400_000_000_u64), (24_000_000, 100_000_000), (1_000_000_000, 9_000_000)] {
        let mut tables = tables();
        tables.header.tick_frequency.set(frequency);
        // A machine that has run for a year when the driver starts.
        tables.header.tick_base.set(31_536_000 * frequency);
        let records = [0, 1, seconds / 2, seconds].into_iter().zip(0..).map(|(after, seq)| {
            let mut record = text(seq, "tick");
            record.header.tick.set((31_536_000 + after) * frequency);
            record
        });
        let image = with_records(&tables, records.collect());
        let shown = lines(&decode(&format!("ticks-{frequency}"), &image, &[]));
        let expected = [0, 1, seconds / 2, seconds].map(|after| format!("{after}.0000000"));
        let times: Vec<_> = shown.iter().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(times, expected);
    }
}

/// UxPlay #359: the number of lost packets was wrong where the sequence number wrapped around. runtime_events_tools #118:
/// words were counted as events. TizenRT #416: an overflow was told though nothing was dropped.
#[test]
fn losses_are_records_and_none_is_told_where_there_is_none() {
    let lost = |name: &str, first: u64, seqs: &[u64]| {
        let mut tables = tables();
        tables.lanes[0].first_seq.set(first);
        tables.lanes[0].floor.set(first);
        tables.lanes[0].next_seq.set(seqs.last().unwrap() + 1);
        let image = with_records(&tables, seqs.iter().map(|&seq| text(seq, "text")).collect());
        let output = decode(name, &image, &["--json"]);
        let objects = String::from_utf8(output.stdout).unwrap();
        let objects = objects.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.filter_map(|object| object["loss"]["count"].as_u64()).sum::<u64>()
    };
    assert_eq!(lost("none", 0, &[0, 1, 2]), 0);
    assert_eq!(lost("before", 0, &[5, 6]), 5);
    let near = u64::MAX - 9;
    assert_eq!(lost("near-the-end", near, &[near + 3, near + 4]), 3);
}

/// rsyslog #43 and #3662, systemd #17540 and #17926: entries that were alike were taken for one entry, or one was shown twice.
#[test]
fn records_that_are_alike_are_all_shown_once() {
    let image = with_records(&tables(), (0..7).map(|seq| text(seq, "machine check")).collect());
    assert_eq!(lines(&decode("alike", &image, &[])).len(), 7);
}

/// probe-rs #1241: a frame whose index was unknown ended the reader.
#[test]
fn an_event_of_an_unknown_site_shows_its_arguments() {
    let mut image = tables();
    image.lanes[0].floor.set(0);
    let event = |seq| record(Kind::Event, seq, 0xffff_fff0, &payload(&[ArgumentKind::U32], &7_u64.to_le_bytes()));
    let image = with_records(&image, vec![text(0, "before"), event(1), text(2, "behind")]);
    let shown = lines(&decode("unknown-site", &image, &[]));
    assert!(shown[1].ends_with("(unknown site) 7") && shown[2].ends_with("behind"), "{shown:?}");
}

/// rsyslog #1483, rust #2494, pam-u2f #236: a message was cut, and looked whole.
#[test]
fn a_text_that_was_cut_says_so() {
    let mut cut = text(0, "the first part");
    cut.header.flags.set(cut.header.flags.get() | flags::TRUNCATED);
    let image = with_records(&tables(), vec![cut, text(1, "whole")]);
    let shown = lines(&decode("cut", &image, &[]));
    assert!(shown[0].ends_with("the first part [cut]") && shown[1].ends_with("whole"), "{shown:?}");
    let json = lines(&decode("cut", &image, &["--json"]));
    assert!(json[0].contains(r#""truncated":true"#) && !json[1].contains("truncated"), "{json:?}");
}

/// spacebot #176, executorch #14394, envoy #47051: a text cut inside a character panicked, or broke the JSON.
#[test]
fn a_character_cut_in_half_is_replaced() {
    let mut bytes = "caf\u{e9} \u{4e2d}".as_bytes().to_vec();
    bytes.pop();
    let image = with_records(&tables(), vec![record(Kind::Text, 0, 0, &bytes)]);
    let json = lines(&decode("half", &image, &["--json"]));
    let object: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(object["text"], "caf\u{e9} \u{fffd}");
}

/// fmt #2033, rust #17105, SerenityOS #7723: widths counted bytes, or never ended. Here as `format!` counts: characters.
#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "it is the format of a site")]
fn a_width_counts_characters() {
    let site = Site { provider: "p", format: "[{:>4}]", file: "f.rs", arguments: 1 };
    let mut value = 2_u64.to_le_bytes().to_vec();
    value[4] = 2;
    value.extend("\u{a9}\0\0\0\0\0\0".as_bytes());
    let image = with_site(&site, &[payload(&[ArgumentKind::Str], &value)]);
    let shown = lines(&decode("width", &image, &[]));
    assert!(shown[0].ends_with(&format!("[{:>4}]", "\u{a9}")), "{shown:?}");
}

/// xan #759, fd #24, gitbutler #11088: a pipe that is closed early was a panic; ttdl #59: and then a message for each line.
#[cfg(unix)]
#[test]
fn every_command_ends_quietly_when_its_pipe_is_closed() {
    let records = (0..5000).map(|seq| text(seq, "a line that is long enough to fill a pipe before all is written"));
    let image = file("reports-pipe.irqlog", &with_records(&tables(), records.collect()));
    let image = image.to_str().unwrap();
    for command in ["decode \"$1\"", "decode --json \"$1\"", "providers --sites --file \"$1\"", "--help"] {
        let script = format!("{{ \"$0\" {command}; echo \"code $?\" >&2; }} | head -1");
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_irqlog"), image])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "code 0\n", "{command}");
    }
}

/// dool #11, amule #1447: what was written to a pipe stayed in a buffer, and was lost when the program was ended.
#[cfg(unix)]
#[test]
fn follow_shows_what_there_is_before_it_waits() {
    use std::{
        io::Read,
        process::{Command, Stdio},
    };
    let image = with_records(&tables(), (0..3).map(|seq| text(seq, &format!("hello {seq}"))).collect());
    let socket = common::server::serve("reports-follow", image);
    let mut child = Command::new(env!("CARGO_BIN_EXE_irqlog"))
        .args(["--rig", common::server::argument(&socket), "follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    // Reads until all is there: a program that keeps it in a buffer never ends this loop, and the test with it.
    while !String::from_utf8_lossy(&seen).contains("hello 2") {
        let mut part = [0; 256];
        let count = out.read(&mut part).unwrap();
        assert_ne!(count, 0, "follow ended: {}", String::from_utf8_lossy(&seen));
        seen.extend(&part[..count]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// servo #25997, its kind: a filter for a processor that the log does not have matched nothing, without a word.
#[test]
fn a_processor_that_is_not_there_is_refused() {
    let image = with_records(&tables(), vec![text(0, "hello")]);
    let output = decode("cpu", &image, &["--cpu", "0,999"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no processor 999") && said.contains("0 to"), "{said}");
}
