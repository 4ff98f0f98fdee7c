//! Saved logs: any bytes, and images whose tables are sane.

use std::{io::Cursor, sync::Arc};

use arbitrary::{Result, Unstructured};
use irqlog_reader::{
    image::Tables,
    log::{Item, Log},
    record::Record,
    save::{build, save},
    saved::SavedLog,
    sites::SiteTable,
};
use irqlog_shown::{
    Show,
    providers::{ShownProvider, ShownSite},
    record::{ShownLoss, ShownRecord},
    recorder::{Info, Stats},
    text,
};
use irqlog_wire::{
    VERSION,
    image::{ImageHeader, LaneControl, MAGIC, ProcessorControl},
    record::{HEADER_SIZE, Kind, MAX_PAYLOAD, RecordHeader, WORD},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromZeros, IntoBytes};

use crate::{json, text::shown};

/// Reads a file and shows all that is in it.
///
/// # Panics
/// If what is shown holds what a terminal obeys, or records come up that were not there.
pub fn bytes(file: &[u8]) {
    let Ok(mut log) = SavedLog::open(Cursor::new(file)) else { return };
    let mut visited = 0_u64;
    if log.visit(|_, _| visited += 1).is_err() {
        return;
    }
    let Ok(mut log) = SavedLog::open(Cursor::new(file)) else { return };
    let mut records = 0_u64;
    while let Ok(Some(item)) = log.next() {
        show(log.tables(), &item);
        records += u64::from(matches!(item, Item::Record(_)));
    }
    assert_eq!(records, visited, "records by time, and lane by lane");
    assert!(records as usize * HEADER_SIZE <= file.len(), "{records} records in {} bytes", file.len());
    for fault in log.faults() {
        shown(&fault.to_string());
    }
    let tables = log.tables();
    let _ = tables.drops();
    lines(&Info::new(tables, None));
    lines(&Stats::new(tables, None, None));
    for provider in tables.sites.providers() {
        lines(&ShownProvider::new(provider, 1));
        for (id, site) in tables.sites.sites_of(provider) {
            lines(&ShownSite::new(provider, id, &site, 1));
        }
    }
}

/// Saves a log, and reads what was saved.
///
/// # Panics
/// If what was saved is no image, or does not hold the records that were saved.
pub fn saved(log: &mut impl Log) {
    let mut image = Cursor::new(Vec::new());
    let Ok(saved) = save(log, &mut image, |_| {}) else { return };
    let mut image = image.into_inner();
    image.truncate(saved.bytes as usize);
    let opened = SavedLog::open(Cursor::new(&image));
    let mut opened = opened.expect("what was saved is an image");
    assert_eq!(opened.tables().header.total_size.get(), image.len() as u64, "the size of what was saved");
    let mut records = 0;
    opened.visit(|_, _| records += 1).expect("memory can be read");
    assert!(records <= saved.records, "{records} records of {} that were saved", saved.records);
    bytes(&image);
}

/// Shows a record or a loss.
///
/// # Panics
/// If its text or its JSON is not as [`lines`] says.
pub fn show(tables: &Tables, item: &Item) {
    match item {
        Item::Record(record) => {
            let record = ShownRecord::new(tables, record);
            shown(&text::message(&record));
            assert_eq!(lines(&record), 1, "a record is a line");
        }
        Item::Loss(loss) => assert_eq!(lines(&ShownLoss::new(tables, *loss)), 1, "a loss is a line"),
    }
}

/// Shows something in both forms; gives the number of its lines of text.
///
/// # Panics
/// If a line holds what a terminal obeys, or if the JSON is not that of what is shown.
pub fn lines(what: &impl Show) -> usize {
    json::object(what);
    let mut text = Vec::new();
    what.text(&mut text).expect("memory takes everything");
    let text = String::from_utf8(text).expect("a line is text");
    let text = text.strip_suffix('\n').expect("a line ends");
    text.split('\n').map(|line| shown(&uncoloured(line))).count()
}

/// The line without the colours that the reader itself sets.
fn uncoloured(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|character: char| !character.is_ascii_digit() && character != ';').unwrap_or(0);
        match part[digits..].strip_prefix('m') {
            Some(rest) => text.push_str(rest),
            // No colour: it stays, to be found.
            None => text.extend(["\x1b[", part]),
        }
    }
    text
}

/// Makes an image with sane tables out of the bytes, changes a few fields, and reads it.
pub fn parts(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    if let Ok(file) = image_of(&mut input) {
        self::bytes(&file);
    }
}

/// An image: lanes with records, sites, and at most eight words or bytes that are something else.
///
/// # Errors
/// If the bytes are used up.
pub fn image_of(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut header = ImageHeader::new_zeroed();
    header.magic = MAGIC;
    header.major.set(VERSION.major);
    header.minor.set(VERSION.minor);
    header.tick_frequency.set(input.arbitrary()?);
    header.tick_base.set(u64::from(input.arbitrary::<u32>()?));
    header.processor_count.set(1);
    let lane_count = input.int_in_range(0..=4_u32)?;
    header.lane_count.set(lane_count);
    let mut lanes = Vec::new();
    let mut records = Vec::new();
    for index in 0..lane_count {
        let mut lane = LaneControl::new_zeroed();
        lane.kind.set(input.int_in_range(0..=3)?);
        lane.data_words.set(1);
        let first: u64 = if input.ratio(1, 4)? { u64::MAX - 3 } else { 0 };
        lane.first_seq.set(first);
        let mut seq = first;
        let mut row = Vec::new();
        for _ in 0..input.int_in_range(0..=6)? {
            seq = seq.wrapping_add(u64::from(input.int_in_range(0..=4_u8)? / 4));
            row.push(record(input, index, seq)?);
            seq = seq.wrapping_add(1);
        }
        lane.next_seq.set(seq.wrapping_add(u64::from(input.int_in_range(0..=3_u8)?)));
        lane.floor.set(first.wrapping_add(u64::from(input.int_in_range(0..=2_u8)?)));
        lanes.push(lane);
        records.push(row);
    }
    let sites = Arc::new(SiteTable::parse(site_table(input)?));
    let tables = Tables { header, processors: vec![ProcessorControl::new_zeroed()], lanes, sites };
    let mut image = build(&tables, &records);
    for _ in 0..input.int_in_range(0..=8)? {
        let at = input.choose_index(image.len())?;
        if input.arbitrary()? {
            image[at] = input.arbitrary()?;
        } else {
            let at = at / WORD * WORD;
            let value: u64 = input.arbitrary()?;
            image.iter_mut().skip(at).zip(value.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        }
    }
    let end = if input.ratio(1, 8)? { input.choose_index(image.len())? } else { image.len() };
    image.truncate(end);
    Ok(image)
}

fn record(input: &mut Unstructured<'_>, lane: u32, seq: u64) -> Result<Record> {
    let kind = *input.choose(&[Kind::Event, Kind::Text, Kind::Blob, Kind(9)])?;
    let length = input.int_in_range(0..=MAX_PAYLOAD.min(200))?;
    let payload = input.bytes(length)?.to_vec();
    let mut header = RecordHeader::new_zeroed();
    header.size.set((HEADER_SIZE + length).next_multiple_of(WORD) as u16);
    header.kind = kind.0;
    header.level = input.arbitrary()?;
    header.flags.set(input.arbitrary()?);
    header.irql = input.arbitrary()?;
    header.processor.set(input.int_in_range(0..=3)?);
    header.payload_size.set(length as u16);
    header.site.set(u32::from(input.int_in_range(0..=40_u8)?));
    header.seq.set(seq);
    header.tick.set(u64::from(input.arbitrary::<u16>()?));
    Ok(Record { lane, header, payload, late: input.arbitrary()? })
}

/// A table of entries with sites; the parts of a site are any text.
fn site_table(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut table = Vec::new();
    for _ in 0..input.int_in_range(0..=2)? {
        let name = text_of(input, 40)?;
        let mut sites = Vec::new();
        for _ in 0..input.int_in_range(0..=3)? {
            sites.extend(site_of(input)?);
        }
        let mut name_bytes = name.into_bytes();
        let name_size = name_bytes.len();
        name_bytes.resize(name_size.next_multiple_of(WORD), 0);
        let offset = size_of::<ProviderHeader>() + name_bytes.len();
        let mut header = ProviderHeader::new_zeroed();
        header.magic.set(PROVIDER_MAGIC);
        header.size.set((offset + sites.len()) as u32);
        header.name_size.set(name_size as u32);
        header.sites_offset.set(offset as u32);
        header.sites_size.set(sites.len() as u32);
        header.level.set(input.arbitrary()?);
        table.extend([header.as_bytes(), &name_bytes, &sites].concat());
    }
    Ok(table)
}

/// A site whose parts are any text.
///
/// # Errors
/// If the bytes are used up.
pub fn site_of(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let parts = [text_of(input, 120)?, text_of(input, 30)?, text_of(input, 20)?, text_of(input, 20)?];
    let mut header = SiteHeader::new_zeroed();
    header.magic.set(SITE_MAGIC);
    let size = size_of::<SiteHeader>() + parts.iter().map(String::len).sum::<usize>();
    header.size.set(size.next_multiple_of(WORD) as u32);
    header.line.set(input.arbitrary()?);
    header.level = input.int_in_range(1..=5)?;
    header.arguments = input.int_in_range(0..=23)?;
    header.format.set(parts[0].len() as u16);
    header.names.set(parts[1].len() as u16);
    header.module.set(parts[2].len() as u16);
    header.file.set(parts[3].len() as u16);
    let mut bytes = [header.as_bytes(), parts.concat().as_bytes()].concat();
    bytes.resize(size.next_multiple_of(WORD), 0);
    Ok(bytes)
}

/// Text of at most `most` bytes; what is no UTF-8 in the input is replaced.
fn text_of(input: &mut Unstructured<'_>, most: usize) -> Result<String> {
    let length = input.int_in_range(0..=most)?;
    Ok(String::from_utf8_lossy(input.bytes(length)?).into_owned())
}
