//! Images: what is built can be read, and what is damaged does no harm.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;

use common::{SMALL, bytes, read_all, recorder};
use irqlog_reader::{
    image::{ImageError, Tables, build, read},
    record::parse_all,
};
use irqlog_recorder::{draft::Draft, log::Entry};
use irqlog_wire::record::Level;
use proptest::prelude::*;

/// The memory of a recorder that has wrapped, with something in an NMI lane.
fn memory() -> (Vec<u8>, usize) {
    let (recorder, memory, machine) = recorder(&SMALL, 3, 2);
    for number in 0..500_u32 {
        recorder.log(
            &Draft::text(Level::Info, format!("{number} {}", "x".repeat(number as usize % 90)).as_bytes()),
            Entry::MayWait,
        );
    }
    machine.lock_taken.set(true);
    recorder.log(&Draft::text(Level::Warn, b"beside"), Entry::NeverWaits);
    let start_id = common::header(memory).start_id.get();
    let there = read_all(recorder, 0, start_id).0.len();
    (bytes(memory), there)
}

#[test]
fn memory_itself_is_an_image() {
    let (image, there) = memory();
    let (tables, lanes) = read(&image).unwrap();
    assert_eq!((tables.lanes.len(), tables.present().count()), (4, 3));
    assert_eq!(lanes[0].records.len(), there);
    assert_eq!(lanes[0].overwritten + there as u64, 500);
    assert_eq!(lanes[1].records[0].payload, b"beside");
    assert!(lanes.iter().all(|lane| lane.damage.is_none()));
}

#[test]
fn a_built_image_reads_the_same() {
    let (image, _) = memory();
    let (tables, lanes) = read(&image).unwrap();
    let records: Vec<_> = lanes.into_iter().map(|lane| lane.records).collect();
    let saved = build(&tables, &records);
    let (again, lanes) = read(&saved).unwrap();
    assert_eq!(lanes.into_iter().map(|lane| lane.records).collect::<Vec<_>>(), records);
    assert_eq!(again.header.start_id, tables.header.start_id);
    assert_eq!(again.header.total_size.get() as usize, saved.len());
    assert_eq!(again.drops(), tables.drops());
}

#[test]
fn another_version_says_which_side_to_upgrade() {
    let (mut image, _) = memory();
    image[8] = 2;
    let text = read(&image).unwrap_err().to_string();
    assert!(text.contains("upgrade irqlog.exe"), "{text}");
    image[8] = 0;
    let text = read(&image).unwrap_err().to_string();
    assert!(text.contains("upgrade the driver"), "{text}");
    image[0] ^= 1;
    assert_eq!(read(&image).unwrap_err(), ImageError::NotAnImage);
}

#[test]
fn damage_in_one_lane_does_not_hide_the_others() {
    let (mut image, _) = memory();
    let tables = Tables::parse(&image).unwrap();
    let lane = tables.lanes[0];
    let at = lane.data_offset.get() as usize;
    image[at..at + lane.data_words.get() as usize * 8].fill(0xff);
    let (_, lanes) = read(&image).unwrap();
    assert!(lanes[0].damage.is_some() && lanes[0].records.is_empty());
    assert_eq!(lanes[1].records.len(), 1);
}

proptest! {
    #[test]
    fn no_damage_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), cut in any::<prop::sample::Index>(), cuts in any::<bool>(), head in any::<bool>()) {
        let (mut image, _) = memory();
        let range = if head { 1536 } else { image.len() };
        for (index, value) in changes {
            image[index.index(range)] = value;
        }
        if cuts {
            image.truncate(cut.index(image.len()));
        }
        let _ = read(&image);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (records, damage) = parse_all(0, &bytes);
        prop_assert!(damage.is_some() || bytes.is_empty() || !records.is_empty());
        let _ = read(&bytes);
    }
}
