//! A file that was damaged or cut off is told from a ring that has overwritten its oldest records.

mod common;

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use common::{file, irqlog, record, stored, tables, with_records};
use irqlog_reader::record::Record;
use irqlog_wire::{image::ImageHeader, record::Kind};

/// Records of one size: 56 bytes each.
fn records(count: u64) -> Vec<Record> {
    (0..count).map(|seq| record(Kind::Text, seq, 0, format!("number {seq:06}").as_bytes())).collect()
}

/// An image whose lane has overwritten its first 100 records, and offset and size of that lane in it.
fn image(count: u64) -> (Vec<u8>, usize) {
    let mut all = tables();
    all.lanes[0].next_seq.set(100 + count);
    let records = records(100 + count).split_off(100);
    (with_records(&all, records), size_of::<ImageHeader>())
}

fn run(command: &[&str], image: &Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = irqlog([command, &["--file", image.to_str().unwrap()]].concat());
    let [out, said] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code(), out, said)
}

fn losses(out: &str) -> Vec<String> {
    out.lines().filter(|line| line.starts_with("---")).map(str::to_owned).collect()
}

fn path(name: &str, bytes: &[u8]) -> PathBuf {
    file(&format!("damage-{name}.irqlog"), bytes)
}

#[test]
fn a_whole_file_says_so_and_a_full_ring_is_no_failure() {
    let image = path("whole", &image(5000).0);
    let (code, out, said) = run(&["read"], &image);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(losses(&out)[0].contains("100 older records are overwritten, number 0 to 99, before"), "{out}");
    for command in ["info", "stats"] {
        let (code, out, _) = run(&[command], &image);
        assert!(code == Some(0) && out.contains("file: saved by irqlog, ") && out.contains("as it was saved"), "{out}");
        let json: serde_json::Value = serde_json::from_str(&run(&[command, "--json"], &image).1).unwrap();
        assert_eq!((&json["file"]["kind"], &json["file"]["checksums"]), (&"saved".into(), &"right".into()));
    }
}

#[test]
fn every_changed_bit_is_found_and_placed() {
    let (whole, _) = image(5000);
    let table = whole.len() - 4;
    for (name, at, words) in [
        ("header", 200, "the header and its tables"),
        ("record", 100_000, "bytes 65536 to 131071 are not those that were saved, as their checksum says: lane 0."),
        ("last-block", 262_144 + 100, "bytes 262144 to "),
        ("table", table, "the checksums at the end of the file are missing or damaged"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let image = path(name, &bytes);
        let (code, _, said) = run(&["info"], &image);
        assert!(code == Some(4) && said.contains(words), "{name}: {code:?} {said}");
        let (code, out, said) = run(&["read"], &image);
        assert!(code == Some(4) && said.contains(words), "{name}: {code:?} {said}");
        assert!(losses(&out).iter().skip(1).all(|loss| !loss.contains("overwritten")), "{name}: {out}");
    }
}

/// The payload of a record was changed: it is shown, and nothing but the checksum says that it is not what was written.
#[test]
fn a_changed_letter_is_no_silent_change() {
    let (mut bytes, _) = image(100);
    let at = bytes.windows(13).position(|window| window == b"number 000150").unwrap();
    bytes[at + 12] = b'9';
    let (code, out, said) = run(&["read"], &path("letter", &bytes));
    assert!(out.contains("number 000159") && code == Some(4) && said.contains("may be wrong"), "{said}");
}

#[test]
fn a_record_that_is_destroyed_is_damaged_and_not_overwritten() {
    let (mut bytes, _) = image(100);
    let at = bytes.windows(13).position(|window| window == b"number 000150").unwrap() - 40;
    bytes[at..at + 8].fill(0xff);
    let image = path("destroyed", &bytes);
    let (code, out, _) = run(&["read"], &image);
    let losses = losses(&out);
    assert!(
        code == Some(4) && losses.len() == 2 && losses[1].contains("50 records are DAMAGED, number 150 to 199"),
        "{losses:?}"
    );
    // And if it is saved again.
    let new = path("destroyed-again", b"");
    std::fs::remove_file(&new).unwrap();
    let (code, _, said) = run(&["save", new.to_str().unwrap()], &image);
    assert!(code == Some(4) && said.contains("50 are missing because what was saved is damaged"), "{said}");
    assert!(said.contains("100 older ones were overwritten in the ring before the save"), "{said}");
    let (code, out, said) = run(&["read"], &new);
    assert!(code == Some(0) && out.contains("50 records were not saved, number 150 to 199"), "{said}{out}");
}

#[test]
fn a_file_that_was_cut_off_says_what_is_behind_its_end() {
    let (whole, _) = image(5000);
    let image = path("cut", &whole[..100_000]);
    let (code, out, said) = run(&["read"], &image);
    let losses = losses(&out);
    assert!(
        code == Some(4) && losses.len() == 2 && losses[1].contains("records are behind the end of the file"),
        "{losses:?}"
    );
    assert!(said.contains("cut off") && !said.contains("checksums"), "{said}");
    let (_, out, _) = run(&["info"], &image);
    assert!(out.contains("CUT OFF: ") && out.contains("cannot be read"), "{out}");
    assert!(run(&["read", "--json"], &image).1.contains(r#""cause":"cut-off""#));
}

#[test]
fn a_file_from_before_the_checksums_is_read_as_ever() {
    let (code, out, said) = run(&["info"], &stored().join("format-1.1.irqlog"));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(out.contains("without checksums: saved before format 1.3"), "{out}");
}
