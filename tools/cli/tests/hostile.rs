//! Hostile images: memory and output stay in proportion to the file, and nothing panics.
//!
//! Memory is limited by the system (`ulimit -d`) to 16 times the file and 64 MiB. Output is compared between an image and one
//! of four times its records: it grows as the file does. No time decides.
#![cfg(unix)]
#![expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
#![expect(clippy::naive_bytecount, reason = "no crate is worth counting the lines of a test")]

mod common;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use common::{Site, entry, file, payload, record, tables, with_records, with_site};
use irqlog_reader::{image::Tables, save::build, sites::SiteTable};
use irqlog_wire::{
    event::{ArgumentKind, string_word},
    image::LaneControl,
    record::{Kind, Level},
    site::{PROVIDER_MAGIC, ProviderHeader},
};
use zerocopy::{FromZeros, IntoBytes};

/// An image as large as `scale` says.
type Make = fn(scale: usize) -> Vec<u8>;

/// Every kind of image that once took memory, time or output without bounds.
const IMAGES: [(&str, Make); 10] = [
    ("format-bomb-one-event", format_bomb_one_event),
    ("format-bomb-many", format_bomb_many),
    ("format-bomb-escaped", format_bomb_escaped),
    ("empty-holes", empty_holes),
    ("long-strings-of-a-site", long_strings_of_a_site),
    ("provider-names", provider_names),
    ("long-provider-name", long_provider_name),
    ("many-providers", many_providers),
    ("shared-lanes", shared_lanes),
    ("small-records", small_records),
];

/// A width for each byte of a string, again and again: 17 GB of text out of 67 KB.
fn format_bomb_one_event(scale: usize) -> Vec<u8> {
    let hole = "{0:\u{1f600}>4096?}";
    let format = hole.repeat(usize::from(u16::MAX) / hole.len());
    let mut string = string_word(904, 904).to_le_bytes().to_vec();
    string.resize(8 + 904, 0xff);
    let event = payload(&[ArgumentKind::Bytes], &string);
    with_site(&Site { provider: "p", format: &format, file: "f", arguments: 1 }, &vec![event; scale])
}

/// The same with an ordinary width of a number, by many events.
fn format_bomb_many(scale: usize) -> Vec<u8> {
    let format = "{0:4096}".repeat(usize::from(u16::MAX) / 8);
    let event = payload(&[ArgumentKind::U8], &1_u64.to_le_bytes());
    with_site(&Site { provider: "p", format: &format, file: "f", arguments: 1 }, &vec![event; 25 * scale])
}

/// Holes that leave nothing in the text.
fn empty_holes(scale: usize) -> Vec<u8> {
    let format = "{:.0}{0:.0}".repeat(usize::from(u16::MAX) / 11);
    let event = payload(&[ArgumentKind::Str], &[&string_word(8, 8).to_le_bytes()[..], b"unshown."].concat());
    with_site(&Site { provider: "p", format: &format, file: "f", arguments: 1 }, &vec![event; 25 * scale])
}

/// JSON repeats what a site says with each of its events.
fn long_strings_of_a_site(scale: usize) -> Vec<u8> {
    let long = "\u{1b}".repeat(usize::from(u16::MAX) - 8);
    let event = payload(&[], b"");
    with_site(&Site { provider: "p", format: &long, file: &long, arguments: 0 }, &vec![event; 25 * scale])
}

/// Entries of 64 bytes, each of which claims all that is behind it as its name.
fn provider_names(scale: usize) -> Vec<u8> {
    let count = 4096 * scale;
    let mut tables = tables();
    let mut table = Vec::new();
    for index in 0..count {
        let mut header = ProviderHeader::new_zeroed();
        header.magic.set(PROVIDER_MAGIC);
        header.size.set(64);
        header.name_size.set(((count - 1 - index) * 64) as u32);
        header.sites_offset.set(64);
        header.level.set(Level::Trace.0.into());
        table.extend_from_slice(header.as_bytes());
    }
    tables.sites = Arc::new(SiteTable::parse(table));
    with_records(&tables, vec![])
}

/// A name as long as the file, with each of its events.
fn long_provider_name(scale: usize) -> Vec<u8> {
    let name = "n".repeat(64 * 1024 * scale);
    let event = payload(&[], b"");
    with_site(&Site { provider: &name, format: "f", file: "f", arguments: 0 }, &vec![event; 100 * scale])
}

/// Many entries, and many events of an id that is in none of them.
fn many_providers(scale: usize) -> Vec<u8> {
    let mut tables = tables();
    let table: Vec<u8> = (0..500 * scale).flat_map(|_| entry(b"p", 1, &[])).collect();
    tables.sites = Arc::new(SiteTable::parse(table));
    let records = (0..250 * scale as u64).map(|seq| record(Kind::Event, seq, u32::MAX / 8, &payload(&[], b"")));
    with_records(&tables, records.collect())
}

/// Lanes that all have the data of the first.
fn shared_lanes(scale: usize) -> Vec<u8> {
    let mut tables = tables();
    let lanes = 256 * scale;
    tables.lanes = vec![tables.lanes[0]; lanes];
    tables.header.lane_count.set(lanes as u32);
    let records = (0..500 * scale as u64).map(|seq| record(Kind::Text, seq, 0, b"")).collect();
    let mut bytes = build(&tables, &[records]);
    let start = Tables::parse(&bytes).unwrap().header.lanes_offset.get() as usize;
    let size = size_of::<LaneControl>();
    for lane in 1..lanes {
        bytes.copy_within(start..start + size, start + lane * size);
    }
    bytes
}

/// As many records as there can be.
fn small_records(scale: usize) -> Vec<u8> {
    with_records(&tables(), (0..1000 * scale as u64).map(|seq| record(Kind::Text, seq, 0, b"")).collect())
}

/// What irqlog does with a file; `FILE` stands for it.
const COMMANDS: [&[&str]; 7] = [
    &["decode", "FILE"],
    &["decode", "FILE", "--json"],
    &["decode", "FILE", "--grep", "x"],
    &["decode", "FILE", "--last", "3"],
    &["decode", "FILE", "--provider", "nosuch"],
    &["providers", "--sites", "--file", "FILE"],
    &["providers", "--sites", "--json", "--file", "FILE"],
];

/// Runs irqlog on an image within the budget of memory.
fn within_budget(image: &Path, size: usize, command: &[&str]) -> Output {
    let kibibytes = 16 * size / 1024 + 64 * 1024;
    let arguments = command.iter().map(|&word| if word == "FILE" { image.to_str().unwrap() } else { word });
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -d {kibibytes} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_irqlog")])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 2 | 4)),
        "{} {command:?} in {kibibytes} KiB: {:?} {}",
        image.display(),
        output.status,
        said.chars().take(2000).collect::<String>()
    );
    output
}

#[test]
fn memory_and_output_are_in_proportion_to_the_file() {
    for (name, make) in IMAGES {
        for command in COMMANDS {
            let [one, four] = [1, 4].map(|scale| {
                let bytes = make(scale);
                let path = file(&format!("hostile-{name}-{scale}.irqlog"), &bytes);
                let output = within_budget(&path, bytes.len(), command);
                output.stdout.len() + output.stderr.len()
            });
            assert!(
                four <= 5 * one + 64 * 1024,
                "{name} {command:?}: {one} bytes, and {four} of four times the records"
            );
        }
    }
}

/// The sizes at which these images once took gigabytes or a minute: a mebibyte of provider names, 2,048 lanes and more
/// that claim 13,000 records each, and 1,000 events of a format bomb.
#[test]
fn the_images_that_were_found_stay_within_the_budget() {
    let found: [(&str, Make, usize); 4] = [
        ("provider-names", provider_names, 4),
        ("shared-lanes", shared_lanes, 26),
        ("format-bomb-many", format_bomb_many, 40),
        ("format-bomb-one-event", format_bomb_one_event, 1),
    ];
    for (name, make, scale) in found {
        let bytes = make(scale);
        let path = file(&format!("hostile-found-{name}.irqlog"), &bytes);
        for command in [&["decode", "FILE"][..], &["providers", "--sites", "--file", "FILE"]] {
            let output = within_budget(&path, bytes.len(), command);
            assert!(output.stdout.len() < 100 * bytes.len(), "{name}: {} bytes of output", output.stdout.len());
        }
    }
}

/// A width in characters that are shown as six or more bytes each.
fn format_bomb_escaped(scale: usize) -> Vec<u8> {
    let hole = "{0:\u{202e}>4096}";
    let format = hole.repeat(usize::from(u16::MAX) / hole.len());
    let event = payload(&[ArgumentKind::U8], &1_u64.to_le_bytes());
    with_site(&Site { provider: "p", format: &format, file: "f", arguments: 1 }, &vec![event; 25 * scale])
}

/// No record gives more than a bounded text, whatever its format asks for, and one that was shortened says so.
#[test]
fn the_text_of_one_record_is_bounded() {
    for make in [format_bomb_one_event as Make, format_bomb_many, format_bomb_escaped, empty_holes] {
        let path = file("hostile-line.irqlog", &make(1));
        let output = within_budget(&path, 1 << 20, &["decode", "FILE"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let longest = text.lines().map(str::len).max().unwrap();
        assert!(longest < 8 * 1024 + 256, "{longest} bytes");
        assert!(text.lines().all(|line| line.ends_with("... [shortened]")), "{}", text.lines().next().unwrap());
        let output = within_budget(&path, 1 << 20, &["decode", "FILE", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let longest = text.lines().map(str::len).max().unwrap();
        assert!(longest < 16 * 1024, "{longest} bytes of JSON");
        assert!(text.lines().all(|line| line.contains(r#""text_shortened":true"#)));
    }
}

/// Lanes that overlap are damage: the first is shown, the others are told of.
#[test]
fn overlapping_lanes_are_damage() {
    let path = file("hostile-overlap.irqlog", &shared_lanes(1));
    let output = within_budget(&path, 1 << 20, &["decode", "FILE"]);
    assert_eq!(output.status.code(), Some(4));
    let lines = output.stdout.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, 500, "the records of one lane");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().filter(|line| line.contains("is left out")).count(), 255, "the other lanes");
    assert!(said.lines().count() == 256 && said.contains("their checksum"), "and that the file was changed");
    assert!(said.contains("lane 7 is left out: the file says that it lies where lane 0 lies"), "{said}");
}

/// A damaged or cut-off site table is said to be one, with what that means for the events.
#[test]
fn a_site_table_that_cannot_be_read_is_told() {
    let whole = long_provider_name(1);
    let header = Tables::parse(&whole).unwrap().header;
    let [sites, sites_size] = [header.sites_offset, header.sites_size].map(|number| number.get() as usize);
    let mut damaged = whole.clone();
    damaged[sites] ^= 1;
    let cut = whole[..sites + sites_size - 8].to_vec();
    for (name, bytes, words) in [("damaged", damaged, "the site table is damaged: 0 of"), ("cut", cut, "is cut off")] {
        let output =
            within_budget(&file(&format!("hostile-sites-{name}.irqlog"), &bytes), 1 << 20, &["decode", "FILE"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{name}");
        assert!(said.contains(words) && said.contains("(unknown site), with their arguments"), "{name}: {said}");
        assert_eq!(said.lines().count(), 1 + usize::from(said.contains("their checksum")), "{said}");
    }
}

/// Sequence numbers whose differences do not fit into a sum.
#[test]
fn sums_do_not_overflow() {
    let mut tables = tables();
    tables.lanes = vec![tables.lanes[0]; 2];
    tables.header.lane_count.set(2);
    for drops in &mut tables.header.drops {
        drops.set(u64::MAX);
    }
    let last = |lane| {
        let mut record = record(Kind::Text, u64::MAX, 0, b"last");
        record.lane = lane;
        vec![record]
    };
    let mut bytes = build(&tables, &[last(0), last(1)]);
    let start = Tables::parse(&bytes).unwrap().header.lanes_offset.get() as usize;
    for lane in 0..2 {
        let at = start + lane * size_of::<LaneControl>() + std::mem::offset_of!(LaneControl, next_seq);
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    let path = file("hostile-sums.irqlog", &bytes);
    for command in COMMANDS {
        within_budget(&path, bytes.len(), command);
    }
    let socket = common::server::serve("sums", bytes);
    for command in [&["info"][..], &["stats"], &["info", "--json"], &["read"]] {
        let output = common::irqlog([&["--rig", socket.to_str().unwrap()], command].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code != 101), "{command:?}: {said}");
        assert!(!said.contains("panicked"), "{command:?}: {said}");
    }
}
