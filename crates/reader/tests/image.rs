//! Images: what is built can be read, and what is damaged does no harm.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;

use common::{SMALL, bytes, read_all, recorder};
use std::{
    cell::Cell,
    io::{Cursor, Read, Result as IoResult, Seek, SeekFrom},
    rc::Rc,
    sync::Arc,
};

use irqlog_reader::{
    image::{ImageError, Tables},
    log::{Fault, Item, Log, LogError, Loss, LossCause},
    record::{Record, parse_all},
    save::build,
    saved::SavedLog,
};
use irqlog_recorder::{config::Config, draft::Draft, log::Entry};
use irqlog_wire::{
    VERSION,
    image::{Engine, ImageHeader, LaneControl, MAGIC},
    record::{Kind, Level, RecordHeader},
};
use proptest::prelude::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

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
fn the_nesting_count_is_found_with_each_engine() {
    for engine in [Engine::Shared, Engine::PerCpu] {
        let (_, memory, _) = recorder(&Config { engine, ..SMALL }, 3, 3);
        let mut image = bytes(memory);
        let (header, _) = ImageHeader::read_from_prefix(&image).unwrap();
        let at = if engine == Engine::PerCpu {
            header.lanes_offset.get() + header.lane_size.get() + std::mem::offset_of!(LaneControl, nesting) as u32
        } else {
            header.processors_offset.get() + header.processor_size.get()
        };
        image[at as usize] = 2;
        let tables = read(&image).unwrap().tables;
        let counts: Vec<_> = tables.processors.iter().map(|control| control.nesting.get()).collect();
        assert_eq!(counts, [0, 2, 0], "{engine:?}");
    }
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

/// A source that counts the bytes that were read of it.
struct Counting<'b> {
    bytes: Cursor<&'b [u8]>,
    read: Rc<Cell<usize>>,
}

impl Read for Counting<'_> {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        let count = self.bytes.read(out)?;
        self.read.set(self.read.get() + count);
        Ok(count)
    }
}

impl Seek for Counting<'_> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.bytes.seek(to)
    }
}

/// The words of a lane that has wrapped; where it starts, in words; and its records, by position and size in words.
const LANE_WORDS: usize = 32 * 1024;
const LANE_TAIL: usize = 3 * LANE_WORDS + 20_011;

/// An image of one lane that is full of records of many sizes, and the position of each.
fn wrapped() -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut places = Vec::new();
    let mut data = vec![0_u8; LANE_WORDS * 8];
    let mut position = LANE_TAIL;
    for seq in 0_u64.. {
        let size = [40, 1024, 48, 512, 1016][seq as usize % 5];
        if position + size / 8 > LANE_TAIL + LANE_WORDS {
            break;
        }
        let mut header = RecordHeader::new_zeroed();
        header.size.set(size as u16);
        header.kind = Kind::Text.0;
        header.payload_size.set((size - 40) as u16);
        header.seq.set(seq);
        header.tick.set(seq);
        let bytes = [header.as_bytes(), &vec![seq as u8; size - 40]].concat();
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            let at = (position + index) % LANE_WORDS * 8;
            data[at..at + 8].copy_from_slice(word);
        }
        places.push((position, size / 8));
        position += size / 8;
    }
    let mut lane = LaneControl::new_zeroed();
    lane.data_words.set(1);
    let mut header = ImageHeader::new_zeroed();
    header.magic = MAGIC;
    header.lane_count.set(1);
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    let tables = Tables { header, processors: Vec::new(), lanes: vec![lane], sites: Arc::default() };
    let mut image = build(&tables, &[Vec::new()]);
    let lanes_offset = Tables::parse(&image).unwrap().header.lanes_offset.get() as usize;
    let data_offset = image.len().next_multiple_of(8);
    image.resize(data_offset, 0);
    image.extend(data);
    lane.data_offset.set(data_offset as u64);
    lane.data_words.set(LANE_WORDS as u64);
    lane.tail.set(LANE_TAIL as u64);
    lane.head.set(position as u64);
    lane.next_seq.set(places.len() as u64);
    image[lanes_offset..lanes_offset + lane.as_bytes().len()].copy_from_slice(lane.as_bytes());
    let mut header = ImageHeader::read_from_prefix(&image).unwrap().0;
    header.total_size.set(image.len() as u64);
    image[..header.as_bytes().len()].copy_from_slice(header.as_bytes());
    (image, places)
}

#[test]
fn each_byte_of_a_lane_is_read_once_wherever_it_wraps() {
    let (image, places) = wrapped();
    let used: usize = places.iter().map(|(_, words)| words * 8).sum();
    assert!(places.len() > 400 && used > 3 * 64 * 1024, "several windows");
    let read = Rc::default();
    let source = Counting { bytes: Cursor::new(&image[..]), read: Rc::clone(&read) };
    let mut log = SavedLog::open(source).unwrap();
    let tables = read.replace(0);
    assert!(tables < 4096, "{tables} bytes of tables");
    let mut seqs = Vec::new();
    log.visit(|_, record| {
        let seq = record.header.seq.get();
        assert!(record.payload.iter().all(|&byte| byte == seq as u8), "record {seq}");
        seqs.push(seq);
    })
    .unwrap();
    assert_eq!(seqs, (0..places.len() as u64).collect::<Vec<_>>());
    assert_eq!((read.get(), log.faults()), (used, &[][..]));
    let contents = self::read(&image).unwrap();
    assert_eq!((contents.lanes[0].len(), contents.losses.len(), contents.faults.len()), (places.len(), 0, 0));
}

#[test]
fn damage_in_a_wrapped_lane_is_told_by_its_place_in_the_lane() {
    let (image, places) = wrapped();
    let lane = Tables::parse(&image).unwrap().lanes[0];
    // Before the lane wraps, behind that, and in the last window.
    for damaged in [3, 100, places.len() / 2, places.len() - 2] {
        let (position, _) = places[damaged];
        let offset = position % LANE_WORDS * 8;
        let mut image = image.clone();
        image[lane.data_offset.get() as usize + offset] = 9;
        let contents = read(&image).unwrap();
        assert_eq!(contents.lanes[0].len(), damaged);
        let size = usize::from(image[lane.data_offset.get() as usize + offset + 1]) * 256 + 9;
        let damage = irqlog_reader::record::Damage { lane: 0, offset, size };
        assert_eq!(contents.faults, [Fault::Lane(damage)]);
        let lost: Vec<_> = contents.losses.iter().map(|loss| (loss.first_seq, loss.count)).collect();
        assert_eq!(lost, [(damaged as u64, (places.len() - damaged) as u64)]);
    }
}

/// What was cut off is missing, and each record before it is there.
#[test]
fn a_lane_that_is_cut_off_ends_at_the_last_whole_record() {
    let (image, places) = wrapped();
    let data = Tables::parse(&image).unwrap().lanes[0].data_offset.get() as usize;
    for end in [8 * 20_011 + 8 * 77, 8 * 25_000 + 5, 8 * LANE_WORDS - 1] {
        let whole =
            places.iter().take_while(|&&(position, words)| (position - 3 * LANE_WORDS + words) * 8 <= end).count();
        let contents = read(&image[..data + end]).unwrap();
        assert_eq!(contents.lanes[0].len(), whole, "{end} bytes of the lane");
        let lost: Vec<_> = contents.losses.iter().map(|loss| (loss.first_seq, loss.count)).collect();
        assert_eq!(lost, [(whole as u64, (places.len() - whole) as u64)]);
        assert!(matches!(contents.faults[..], [Fault::CutOff { .. }]), "{:?}", contents.faults);
    }
}
