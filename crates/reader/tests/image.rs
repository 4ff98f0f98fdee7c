//! Images: what is built can be read, and what is damaged does no harm.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;

use common::{SMALL, bytes, read_all, recorder};
use std::io::Cursor;

use irqlog_reader::{
    image::{ImageError, Tables},
    log::{Fault, Item, Log, LogError, Loss, LossCause},
    record::{Record, parse_all},
    save::build,
    saved::SavedLog,
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

/// What a log in memory holds: tables, the records of each lane, losses and faults.
struct Contents {
    tables: Tables,
    lanes: Vec<Vec<Record>>,
    losses: Vec<Loss>,
    faults: Vec<Fault>,
}

fn read(image: &[u8]) -> Result<Contents, LogError> {
    let mut log = SavedLog::open(Cursor::new(image))?;
    let mut lanes = vec![Vec::new(); log.tables().lanes.len()];
    let mut losses = Vec::new();
    while let Some(item) = log.next()? {
        match item {
            Item::Record(record) => lanes[record.lane as usize].push(record),
            Item::Loss(loss) => losses.push(loss),
        }
    }
    Ok(Contents { tables: log.tables().clone(), lanes, losses, faults: log.faults().to_vec() })
}

#[test]
fn memory_itself_is_an_image() {
    let (image, there) = memory();
    let Contents { tables, lanes, losses, faults } = read(&image).unwrap();
    assert_eq!((tables.lanes.len(), tables.present().count()), (4, 3));
    assert_eq!(lanes[0].len(), there);
    assert_eq!(lanes[1][0].payload, b"beside");
    let to_tick = lanes[0].first().map(|record| record.header.tick.get());
    assert_eq!(
        losses,
        [Loss {
            lane: 0,
            first_seq: first_seq(&tables),
            count: 500 - there as u64,
            from_tick: None,
            to_tick,
            cause: LossCause::Overwritten
        }]
    );
    assert_eq!(faults, []);
}

fn first_seq(tables: &Tables) -> u64 {
    tables.lanes[0].first_seq.get()
}

#[test]
fn an_image_shows_what_was_written_behind_its_last_record() {
    let (image, there) = memory();
    let Contents { tables, mut lanes, losses, .. } = read(&image).unwrap();
    let kept = lanes[0].len() - 7;
    lanes[0].truncate(kept);
    let again = read(&build(&tables, &lanes)).unwrap();
    let from_tick = lanes[0].last().map(|record| record.header.tick.get());
    let first_seq = first_seq(&tables).wrapping_add(500 - 7);
    let tail = Loss { lane: 0, first_seq, count: 7, from_tick, to_tick: None, cause: LossCause::NotSaved };
    assert_eq!(again.losses, [losses[0], tail]);
    assert_eq!((again.lanes[0].len(), again.faults), (there - 7, vec![]));
}

#[test]
fn a_built_image_reads_the_same() {
    let (image, _) = memory();
    let Contents { tables, lanes, losses, .. } = read(&image).unwrap();
    let saved = build(&tables, &lanes);
    let again = read(&saved).unwrap();
    assert_eq!((again.lanes, again.losses, again.faults), (lanes, losses, vec![]));
    assert_eq!(again.tables.header.start_id, tables.header.start_id);
    assert_eq!(again.tables.header.total_size.get() as usize, saved.len());
    assert_eq!(again.tables.drops(), tables.drops());
    for (saved, lane) in again.tables.lanes.iter().zip(&tables.lanes) {
        assert_eq!((saved.next_seq, saved.contended), (lane.next_seq, lane.contended));
    }
}

/// Controls that promise too little or too much room: regions move, and close up again.
#[test]
fn an_image_is_whole_whatever_room_its_lanes_were_promised() {
    let (image, _) = memory();
    let Contents { tables, lanes, .. } = read(&image).unwrap();
    // More records than the buffer of a lane holds.
    let repeat = |lane: &Vec<Record>| -> Vec<Record> {
        let records = lane.iter().cycle().cloned().zip(0..4000_u64);
        records
            .map(|(record, seq)| {
                let mut record = record;
                (record.header.seq, record.header.tick) = (seq.into(), seq.into());
                record
            })
            .collect()
    };
    let many: Vec<_> = lanes.iter().map(repeat).collect();
    let images = [0, 1, 1 << 13, 1 << 20, u64::MAX].map(|promised| {
        let mut tables = tables.clone();
        for (lane, records) in tables.lanes.iter_mut().zip(&many).filter(|(lane, _)| lane.data_words.get() != 0) {
            lane.data_words.set(promised.min(1 << 40));
            (lane.head, lane.tail) = (promised.into(), 0.into());
            (lane.first_seq, lane.floor, lane.next_seq) = (0.into(), 0.into(), (records.len() as u64).into());
        }
        build(&tables, &many)
    });
    for image in images {
        let again = read(&image).unwrap();
        assert_eq!((again.faults, again.losses), (vec![], vec![]));
        assert!(again.lanes == many, "other records than were saved");
        assert_eq!(again.tables.header.total_size.get() as usize, image.len());
    }
}

#[test]
fn another_version_says_which_side_to_upgrade() {
    let (mut image, _) = memory();
    image[8] = 2;
    let refusal = |image: &[u8]| SavedLog::open(Cursor::new(image)).unwrap_err().to_string();
    let text = refusal(&image);
    assert!(text.contains("upgrade irqlog.exe"), "{text}");
    image[8] = 0;
    let text = refusal(&image);
    assert!(text.contains("upgrade the driver"), "{text}");
    image[0] ^= 1;
    assert_eq!(refusal(&image), ImageError::NotAnImage.to_string());
}

#[test]
fn damage_in_one_lane_does_not_hide_the_others() {
    let (mut image, _) = memory();
    let tables = Tables::parse(&image).unwrap();
    let lane = tables.lanes[0];
    let at = lane.data_offset.get() as usize;
    image[at..at + lane.data_words.get() as usize * 8].fill(0xff);
    let Contents { lanes, losses, faults, .. } = read(&image).unwrap();
    assert!(matches!(faults[..], [Fault::Lane(damage)] if damage.lane == 0), "{faults:?}");
    assert!(lanes[0].is_empty() && losses[0].count == 500, "{losses:?}");
    assert_eq!(lanes[1].len(), 1);
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
