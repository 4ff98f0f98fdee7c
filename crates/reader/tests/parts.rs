//! The parts of the reader one by one, each with the value that is one off.

use std::{io::Cursor, sync::Arc};

use irqlog_reader::{
    image::Tables,
    live::is_of_unknown_site,
    log::{Fault, Log},
    record::{Record, parse_all},
    saved::SavedLog,
    session::{Session, SessionError, Source},
    sites::SiteTable,
    untrusted::Untrusted,
};
use irqlog_wire::{
    VERSION,
    image::{DROP_REASONS, ImageHeader, LaneControl, MAGIC, ProcessorControl},
    ioctl::{self, BatchHeader, SitesHeader, batch_flags, mark_status},
    record::{HEADER_SIZE, Kind, Level, RecordHeader, WORD, flags},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromZeros, IntoBytes};

fn record(seq: u64, text: &str) -> Record {
    let mut header = RecordHeader::new_zeroed();
    header.size.set((HEADER_SIZE + text.len()).next_multiple_of(WORD) as u16);
    header.kind = Kind::Text.0;
    header.payload_size.set(text.len() as u16);
    header.seq.set(seq);
    header.tick.set(seq);
    Record { lane: 0, header, payload: text.as_bytes().to_vec(), late: false }
}

fn bytes(record: &Record) -> Vec<u8> {
    let mut bytes = [record.header.as_bytes(), &record.payload].concat();
    bytes.resize(record.header.size.get().into(), 0);
    bytes
}

/// A provider's entry with `sites` sites of 32 bytes.
fn entry(name: [u8; 8], name_size: u32, sites: usize) -> Vec<u8> {
    let mut site = SiteHeader::new_zeroed();
    site.magic.set(SITE_MAGIC);
    site.size.set(32);
    site.level = Level::Info.0;
    site.format.set(3);
    // Each on a line of its own, since equal sites are one.
    let section: Vec<u8> = (1..=sites)
        .flat_map(|line| {
            site.line.set(line as u32);
            [site.as_bytes(), b"abc\0\0\0\0\0"].concat()
        })
        .collect();
    let mut header = ProviderHeader::new_zeroed();
    let first = size_of::<ProviderHeader>() + name.len();
    header.magic.set(PROVIDER_MAGIC);
    header.size.set((first + section.len()) as u32);
    header.name_size.set(name_size);
    header.sites_offset.set(first as u32);
    header.sites_size.set(section.len() as u32);
    header.level.set(Level::Warn.0.into());
    [header.as_bytes(), &name, &section].concat()
}

/// An image of one lane with these records, and a table of two sites.
fn image(records: &[Record]) -> Vec<u8> {
    let mut header = ImageHeader::new_zeroed();
    let (processors, lanes) = (size_of::<ImageHeader>(), size_of::<ImageHeader>() + size_of::<ProcessorControl>());
    let start = lanes + size_of::<LaneControl>();
    let data: Vec<u8> = records.iter().flat_map(bytes).collect();
    let words = (data.len() / WORD).next_power_of_two();
    let sites = entry(*b"provider", 8, 2);
    header.magic = MAGIC;
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    header.processors_offset.set(processors as u32);
    header.processor_size.set(size_of::<ProcessorControl>() as u32);
    header.processor_count.set(1);
    header.lanes_offset.set(lanes as u32);
    header.lane_size.set(size_of::<LaneControl>() as u32);
    header.lane_count.set(1);
    header.sites_offset.set((start + words * WORD) as u64);
    header.sites_size.set(sites.len() as u64);
    header.total_size.set((start + words * WORD + sites.len()) as u64);
    header.drops[2].set(5);
    let mut processor = ProcessorControl::new_zeroed();
    processor.drops[2].set(30);
    processor.drops[DROP_REASONS - 1].set(u64::MAX);
    let mut lane = LaneControl::new_zeroed();
    lane.data_offset.set(start as u64);
    lane.data_words.set(words as u64);
    lane.head.set((data.len() / WORD) as u64);
    lane.next_seq.set(records.len() as u64);
    let mut image = [header.as_bytes(), processor.as_bytes(), lane.as_bytes(), &data].concat();
    image.resize(start + words * WORD, 0);
    image.extend(sites);
    image
}

#[test]
fn tables_are_read_as_far_as_they_are_there() {
    let image = image(&[record(0, "a")]);
    let tables = Tables::parse(&image).unwrap();
    assert_eq!(tables.sites.bytes().len(), 136);
    let mut drops = [0; DROP_REASONS];
    (drops[2], drops[DROP_REASONS - 1]) = (35, u64::MAX);
    assert_eq!(tables.drops(), drops);
    // Without a part of the sites: the entry is there, and what is cut off is not.
    for missing in 1..136 {
        let tables = Tables::parse(&image[..image.len() - missing]).unwrap();
        assert_eq!(tables.sites.bytes().len(), 136 - missing);
    }
    assert_eq!(Tables::parse(&image[..image.len() - 40]).unwrap().sites.providers().len(), 1);
}

#[test]
fn a_file_says_that_it_is_cut_off_only_if_it_is() {
    let whole = image(&[record(0, "a"), record(1, "bcd"), record(2, "")]);
    let mut log = SavedLog::open(Cursor::new(&whole)).unwrap();
    assert_eq!(log.faults(), []);
    let mut seen = Vec::new();
    log.visit(|lane, record| seen.push((lane, record.header.seq.get(), record.payload.to_vec()))).unwrap();
    assert_eq!(seen, [(0, 0, b"a".to_vec()), (0, 1, b"bcd".to_vec()), (0, 2, Vec::new())]);
    let length = whole.len() as u64;
    let log = SavedLog::open(Cursor::new(&whole[..whole.len() - 1])).unwrap();
    assert_eq!(log.faults(), [Fault::CutOff { length: length - 1, total: length, has_all_sites: false }]);
    let longer = [&whole[..], b"more"].concat();
    assert_eq!(SavedLog::open(Cursor::new(&longer)).unwrap().faults(), []);
}

#[test]
fn damage_is_told_by_its_offset() {
    let records = [record(0, "first"), record(1, "second"), record(2, "third")];
    let mut row: Vec<u8> = records.iter().flat_map(bytes).collect();
    assert_eq!(parse_all(7, &row), (records.map(|record| Record { lane: 7, ..record }).to_vec(), None));
    // The size of the third.
    row[96] = 9;
    let (read, damage) = parse_all(7, &row);
    let damage = damage.unwrap();
    assert_eq!((read.len(), damage.lane, damage.offset, damage.size), (2, 7, 96, 9));
}

#[test]
fn a_flag_is_there_or_not() {
    let mut record = record(0, "");
    record.header.thread.set(4);
    record.header.process.set(8);
    for flag in [flags::NO_THREAD, flags::TRUNCATED, flags::USER] {
        assert!(!record.has(flag));
        record.header.flags.set(flag);
        assert!(record.has(flag) && !record.has(1 << 15));
        record.header.flags.set(0);
    }
    assert_eq!(record.thread(), Some((4, 8)));
    record.header.flags.set(flags::NO_THREAD);
    assert_eq!(record.thread(), None);
}

#[test]
fn sites_are_found_where_they_lie() {
    let table = SiteTable::parse([entry(*b"provider", 8, 2), entry(*b"another\0", 7, 1)].concat());
    let names: Vec<_> = table.providers().iter().map(|provider| provider.name.raw()).collect();
    assert_eq!(names, ["provider", "another"]);
    let ids = |index: usize| table.sites_of(&table.providers()[index]).map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!((ids(0), ids(1)), (vec![9, 13], vec![26]));
    for (id, provider) in [(9, Some(0)), (13, Some(0)), (26, Some(1)), (8, None), (10, None), (17, None), (31, None)] {
        assert_eq!(table.find(id).map(|(index, _)| index), provider, "id {id}");
    }
    // Each number of an entry that contradicts another one ends the table.
    for (word, wrong) in [(0, 1), (1, 63), (1, 140), (2, 9), (3, 68), (3, 64 + 72), (4, 65)] {
        let mut bytes = entry(*b"provider", 8, 2);
        bytes[4 * word..4 * word + 4].copy_from_slice(&u32::to_le_bytes(wrong));
        assert_eq!(SiteTable::parse(bytes).providers().len(), 0, "word {word} is {wrong}");
    }
    let mut tables = Tables::parse(&image(&[])).unwrap();
    tables.sites = Arc::new(table);
    let mut event = record(0, "");
    assert!(!is_of_unknown_site(&tables, &event), "a text has no site");
    event.header.kind = Kind::Event.0;
    assert!(is_of_unknown_site(&tables, &event));
    event.header.site.set(13);
    assert!(!is_of_unknown_site(&tables, &event));
}

#[test]
fn untrusted_text_is_compared_as_it_is() {
    assert!(Untrusted::new("a\n") == "a\n" && Untrusted::new("a") != "b");
}

/// A driver that has an answer for each code, and counts how often it is asked for sites.
struct Scripted {
    image: Vec<u8>,
    answer: Vec<u8>,
    status: u32,
    sites_asked: usize,
}

impl Source for Scripted {
    fn control(&mut self, what: &'static str, code: u32, _: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let mut answer = match code {
            ioctl::INFO => self.image.clone(),
            ioctl::SITES => {
                self.sites_asked += 1;
                self.answer.clone()
            }
            ioctl::MARK => return Err(SessionError::Refused { what, status: self.status }),
            _ => self.answer.clone(),
        };
        answer.truncate(output);
        Ok(answer)
    }
}

fn scripted() -> Session<Scripted> {
    Session::new(Scripted { image: image(&[]), answer: Vec::new(), status: 0, sites_asked: 0 })
}

#[test]
fn sites_are_asked_for_when_they_have_grown() {
    let mut session = scripted();
    let table = entry(*b"provider", 8, 2);
    let mut header = SitesHeader::new_zeroed();
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    header.bytes.set(table.len() as u32);
    header.size.set(table.len() as u64);
    let mut source = session.into_source();
    source.answer = [header.as_bytes(), &table].concat();
    session = Session::new(source);
    for _ in 0..3 {
        assert_eq!(session.info().unwrap().sites.providers().len(), 1);
    }
    session.forget_sites();
    assert_eq!(session.info().unwrap().sites.providers().len(), 1);
    let mut source = session.into_source();
    assert_eq!(source.sites_asked, 2);
    // Of another start, and larger.
    source.sites_asked = 0;
    session = Session::new(source);
    session.info().unwrap();
    assert_eq!(session.into_source().sites_asked, 1);
}

#[test]
fn a_batch_says_whether_there_is_more() {
    for (flags, more) in [(0, false), (batch_flags::MORE, true), (2, false)] {
        let mut header = BatchHeader::new_zeroed();
        (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
        header.flags.set(flags);
        let mut source = scripted().into_source();
        source.answer = header.as_bytes().to_vec();
        assert_eq!(Session::new(source).read(0, None, 4096).unwrap().has_more(), more);
    }
}

#[test]
fn a_mark_that_was_not_written_says_why() {
    for (status, word) in [
        (mark_status::FILTERED, "level"),
        (mark_status::PAUSED, "paused"),
        (mark_status::FULL, "full"),
        (mark_status::DROPPED, "dropped"),
    ] {
        let mut source = scripted().into_source();
        source.status = status;
        match Session::new(source).mark(Level::Info, "text") {
            Err(SessionError::NotWritten(why)) => assert!(why.contains(word), "{status:#x}: {why}"),
            other => panic!("{status:#x}: {other:?}"),
        }
    }
    let other = scripted().mark(Level::Info, "text");
    assert!(matches!(other, Err(SessionError::Refused { status: 0, .. })), "{other:?}");
}
