//! irqlog's log in a dump.
//!
//! | Order | Where | What |
//! |---|---|---|
//! | 1 | secondary data under our GUID | the image, or the newest records of it |
//! | 2 | the anchor that irqlog.sys exports, in the image that the list of loaded drivers names | the image and its pieces, by the page tables |
//! | 3 | that anchor, wherever it is in memory | the same |
//! | 4 | pages that begin like an image | the same, by a reverse walk of the page tables |
//!
//! The third and fourth are one pass over the memory of the dump, which is long: it is made if neither of the others has
//! the whole log, and the caller hears of its progress. What is found in both is united, record by record.

use std::collections::BTreeMap;

use irqlog_reader::{
    image::ImageError,
    log::{Item, Log as _, LogError},
    save::build,
    saved::SavedLog,
    secondary::{Cut, join},
};
use irqlog_wire::{
    crash::{ANCHOR_MAGIC, Anchor, GUID_BYTES, PART_MAGIC},
    image::{ImageHeader, MAGIC},
};
use memchr::memmem;
use zerocopy::FromBytes;

use crate::{
    header::{DumpError, DumpKind, Header, MachineType},
    modules,
    pages::{DumpPages, PAGE},
    paging::Space,
    secondary,
    source::DumpBytes,
    triage,
};

/// Bytes that are searched at once.
const WINDOW: u64 = 4 << 20;
/// The largest image that is read out of memory: `RingKiB` goes up to 1 GiB, and as much again for the rest.
const MOST: u64 = 2 << 30;
/// The most anchors, and the most pages that begin like an image, that are looked at.
const MOST_MARKS: usize = 1024;
/// The most pieces of an image.
const MOST_PIECES: u64 = 2048;

/// Where a log was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// In the secondary data.
    Secondary,
    /// In memory, through the anchor.
    Anchor,
    /// In memory, by its first bytes.
    Scan,
    /// In secondary data and in memory, united.
    Both,
}

impl Origin {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Secondary => "secondary data",
            Self::Anchor => "memory, through the anchor of irqlog.sys",
            Self::Scan => "memory, by a scan for the image",
            Self::Both => "secondary data and memory",
        }
    }
}

/// A log that was found.
#[derive(Clone, Debug)]
pub struct FoundLog {
    /// The bytes of an image.
    pub image: Vec<u8>,
    /// Where they were.
    pub origin: Origin,
    /// What was cut from the secondary data; nothing if the log is from memory alone.
    pub cut: Cut,
    /// Bytes of the image whose pages the dump does not have; they are zero.
    pub missing: u64,
}

/// Why a dump gives no log.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It is no dump that can be read.
    #[error(transparent)]
    Refused(#[from] DumpError),
    /// There is none.
    #[error(
        "this dump has no log of irqlog: no secondary data under its GUID, and no image in the {0} pages of memory that it has; was irqlog.sys running?"
    )]
    NoLog(u64),
    /// There is one that this reader cannot read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The same, further in.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Finds irqlog's log in a dump: that of the newest start, if there are several. `progress` hears how many bytes of
/// memory have been searched, of how many.
///
/// # Errors
/// See [`FindError`].
pub fn find(source: &impl DumpBytes, mut progress: impl FnMut(u64, u64)) -> Result<(Header, FoundLog), FindError> {
    let header = Header::read(source)?;
    let pages = DumpPages::read(source, &header)?;
    let blocks = secondary::blocks(source, &header, &pages);
    let mut ours: Vec<&[u8]> = blocks.iter().filter(|block| block.guid == GUID_BYTES).map(|block| block.data).collect();
    let small = if header.kind == DumpKind::Triage { triage::memory(source) } else { Vec::new() };
    // In a small dump the callback may have added a part as memory.
    ours.extend(small.iter().filter(|block| block.bytes.starts_with(&PART_MAGIC)).map(|block| block.bytes));
    let mut refused = None;
    let joined = if ours.is_empty() {
        Vec::new()
    } else {
        join(&ours).unwrap_or_else(|error| {
            refused = Some(error);
            Vec::new()
        })
    };
    // Of one start there may be two: a small dump has a part in its memory, besides the secondary data.
    let newest = joined.into_iter().max_by_key(|found| {
        let is_whole = found.cut.records_left_out == 0 && found.cut.missing == 0;
        (time_of(&found.image), is_whole, found.cut.records)
    });
    let is_whole = newest.as_ref().is_some_and(|found| found.cut.records_left_out == 0 && found.cut.missing == 0);
    let from_memory = match header.kind {
        _ if is_whole => None,
        DumpKind::Triage => in_small(&small),
        _ => in_memory(source, &header, &pages, &mut progress),
    };
    let log = match (newest, from_memory) {
        (Some(found), Some(memory)) if found.start_id == start_of(&memory.image) => {
            let cut = found.cut;
            FoundLog { image: unite(&found.image, &memory.image)?, origin: Origin::Both, cut, missing: memory.missing }
        }
        (Some(found), _) => FoundLog { image: found.image, origin: Origin::Secondary, cut: found.cut, missing: 0 },
        (None, Some(memory)) => memory,
        (None, None) => {
            let count = pages.runs().iter().map(|run| run.count).sum();
            return Err(refused.map_or(FindError::NoLog(count), FindError::Image));
        }
    };
    Ok((header, log))
}

/// The start that an image is of.
fn start_of(image: &[u8]) -> u64 {
    ImageHeader::read_from_prefix(image).map_or(0, |(header, _)| header.start_id.get())
}

/// When an image's driver started.
fn time_of(image: &[u8]) -> u64 {
    ImageHeader::read_from_prefix(image).map_or(0, |(header, _)| header.time_base.get())
}

/// The records of two images of one start, each once, with the tables of the second.
fn unite(first: &[u8], second: &[u8]) -> Result<Vec<u8>, FindError> {
    let mut lanes: Vec<BTreeMap<u64, _>> = Vec::new();
    let mut tables = None;
    for bytes in [first, second] {
        let mut log = SavedLog::open(std::io::Cursor::new(bytes))?;
        while let Some(item) = log.next()? {
            let Item::Record(record) = item else { continue };
            let lane = record.lane as usize;
            if lanes.len() <= lane {
                lanes.resize_with(lane + 1, BTreeMap::new);
            }
            lanes[lane].entry(record.header.seq.get()).or_insert(record);
        }
        tables = Some(log.tables().clone());
    }
    let records: Vec<_> = lanes.into_iter().map(|lane| lane.into_values().collect()).collect();
    Ok(tables.map_or_else(Vec::new, |tables| build(&tables, &records)))
}

/// The image in the blocks of a small dump: where the anchor says, or a block that begins like one.
fn in_small(memory: &[triage::MemoryBlock<'_>]) -> Option<FoundLog> {
    let anchor = memory.iter().find_map(|block| Anchor::read_from_prefix(block.bytes).ok()).map(|(anchor, _)| anchor);
    if let Some(anchor) = anchor.filter(|anchor| anchor.magic == ANCHOR_MAGIC) {
        let read = |address, size, out: &mut Vec<u8>| {
            let bytes = triage::read(memory, address, size);
            out.extend_from_slice(bytes.unwrap_or_default());
            let there = bytes.map_or(0, |bytes| bytes.len() as u64);
            out.resize(out.len() + (size - there) as usize, 0);
            size - there
        };
        if let Some(log) = by_anchor(&anchor, read) {
            return Some(log);
        }
    }
    let block = memory.iter().find(|block| plausible(block.bytes).is_some())?;
    Some(FoundLog { image: block.bytes.to_vec(), origin: Origin::Scan, cut: Cut::default(), missing: 0 })
}

/// The size of the image that begins here, if one does.
fn plausible(bytes: &[u8]) -> Option<u64> {
    let (header, _) = ImageHeader::read_from_prefix(bytes).ok()?;
    let total = header.total_size.get();
    let size = size_of::<ImageHeader>() as u64;
    let is_sane = header.magic == MAGIC
        && u64::from(header.header_size.get()) >= size
        && (size..=MOST).contains(&total)
        && u64::from(header.lanes_offset.get()) < total;
    is_sane.then_some(total)
}

/// The image that an anchor leads to, with its pieces behind it; `read` appends bytes of virtual memory and answers how
/// many were not there.
fn by_anchor(anchor: &Anchor, mut read: impl FnMut(u64, u64, &mut Vec<u8>) -> u64) -> Option<FoundLog> {
    let (address, size) = (anchor.image.get(), anchor.image_size.get());
    if address == 0 || !(size_of::<ImageHeader>() as u64..=MOST).contains(&size) {
        return None;
    }
    let mut start = Vec::new();
    if read(address, size_of::<ImageHeader>() as u64, &mut start) != 0 {
        return None;
    }
    let total = plausible(&start)?;
    let mut image = Vec::new();
    let mut missing = read(address, size, &mut image);
    let piece_size = anchor.piece_size.get();
    let mut index = 0;
    while (image.len() as u64) < total && index < anchor.piece_count.get().min(MOST_PIECES) {
        let mut entry = Vec::new();
        let is_missing = read(anchor.pieces.get().wrapping_add(index * 8), 8, &mut entry) != 0;
        let piece = entry.try_into().map_or(0, u64::from_le_bytes);
        let here = piece_size.min(total - image.len() as u64);
        if is_missing || piece == 0 {
            image.resize(image.len() + here as usize, 0);
            missing += if is_missing { here } else { 0 };
        } else {
            missing += read(piece, here, &mut image);
        }
        index += 1;
    }
    Some(FoundLog { image, origin: Origin::Anchor, cut: Cut::default(), missing })
}

/// The log in the memory of a dump: by the list of loaded drivers, or else by a search of all of it.
fn in_memory<S: DumpBytes>(
    source: &S,
    header: &Header,
    pages: &DumpPages,
    progress: &mut impl FnMut(u64, u64),
) -> Option<FoundLog> {
    let spaces: Vec<_> = match header.machine {
        MachineType::X64 => vec![4, 5],
        MachineType::Arm64 => vec![4],
    }
    .into_iter()
    .map(|levels| Space::new(source, pages, header, levels))
    .collect();
    let listed: Vec<_> = spaces.iter().filter_map(|space| modules::anchor(space, header)).collect();
    by_anchors(&spaces, &listed).or_else(|| {
        let marks = search(source, pages, progress);
        by_anchors(&spaces, &marks.anchors).or_else(|| by_scan(&spaces, &marks.images))
    })
}

/// What a search of memory has found.
#[derive(Debug, Default)]
struct Marks {
    anchors: Vec<Anchor>,
    /// Physical addresses of pages that begin like an image.
    images: Vec<u64>,
}

/// Searches all memory of a dump. Of either mark the first [`MOST_MARKS`] are kept: a dump may be full of them.
fn search(source: &impl DumpBytes, pages: &DumpPages, progress: &mut impl FnMut(u64, u64)) -> Marks {
    let total: u64 = pages.runs().iter().map(|run| run.count * PAGE).sum();
    let (mut done, mut marks) = (0, Marks::default());
    let anchor_mark = memmem::Finder::new(&ANCHOR_MAGIC);
    for run in pages.runs() {
        let mut at = 0;
        while at < run.count * PAGE {
            let window = source.bytes(run.offset + at, WINDOW.min(run.count * PAGE - at));
            if window.is_empty() {
                break;
            }
            for found in anchor_mark.find_iter(window) {
                if let Ok((anchor, _)) = Anchor::read_from_prefix(&window[found..])
                    && anchor.version.get() >> 32 >= size_of::<Anchor>() as u64
                    && marks.anchors.len() < MOST_MARKS
                {
                    marks.anchors.push(anchor);
                }
            }
            for (index, page) in (0..).zip(window.chunks(PAGE as usize)) {
                if page.starts_with(&MAGIC) && plausible(page).is_some() && marks.images.len() < MOST_MARKS {
                    marks.images.push(run.page * PAGE + at + index * PAGE);
                }
            }
            source.release(run.offset + at, window.len() as u64);
            at += window.len() as u64;
            done += window.len() as u64;
            progress(done, total);
        }
    }
    marks
}

/// The newest image that one of these anchors leads to. Only that one is read as a whole.
fn by_anchors<S: DumpBytes>(spaces: &[Space<'_, S>], anchors: &[Anchor]) -> Option<FoundLog> {
    let started = |space: &Space<'_, S>, anchor: &Anchor| {
        let mut start = Vec::new();
        let missing = space.read(anchor.image.get(), size_of::<ImageHeader>() as u64, &mut start);
        (missing == 0 && plausible(&start).is_some()).then(|| time_of(&start))
    };
    let all = anchors.iter().flat_map(|anchor| spaces.iter().map(move |space| (space, anchor)));
    let mut candidates: Vec<_> =
        all.filter_map(|(space, anchor)| Some((started(space, anchor)?, space, anchor))).collect();
    candidates.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    let read = |(_, space, anchor): (u64, &Space<'_, S>, &Anchor)| {
        by_anchor(anchor, |address, size, out| space.read(address, size, out))
    };
    candidates.into_iter().find_map(read)
}

/// The newest image that begins at one of these physical addresses, by the page tables.
fn by_scan<S: DumpBytes>(spaces: &[Space<'_, S>], images: &[u64]) -> Option<FoundLog> {
    if images.is_empty() {
        return None;
    }
    let found = spaces.iter().flat_map(|space| {
        space.addresses_of(images).into_iter().flatten().filter_map(move |address| {
            let mut start = Vec::new();
            space.read(address, size_of::<ImageHeader>() as u64, &mut start);
            Some((time_of(&start), plausible(&start)?, space, address))
        })
    });
    let (_, total, space, address) = found.max_by_key(|(time, ..)| *time)?;
    let mut image = Vec::new();
    let missing = space.read(address, total, &mut image);
    Some(FoundLog { image, origin: Origin::Scan, cut: Cut::default(), missing })
}
