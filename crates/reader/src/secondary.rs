//! The log out of secondary data: blocks of a crash dump, joined to an image.
//!
//! A block is a whole image, or a row of parts ([`irqlog_wire::crash`]). Parts may come in any order, more than once, and
//! from more than one start of the driver; whoever joined or split the blocks does not matter, since each part says where
//! it belongs. What is missing is told, and what is there is read all the same.

use std::collections::BTreeMap;

use irqlog_wire::{
    crash::{ChunkHeader, ChunkKind, LaneSummary, PART_MAGIC, PartHeader, StreamForm},
    image::{DROP_REASONS, ImageHeader, LaneControl, MAGIC, ProcessorControl},
    record::WORD,
};
use zerocopy::{FromBytes, FromZeros, little_endian::U64};

use crate::{
    image::{ImageError, Tables, check_version},
    record::{Record, view},
    save::build,
    sites::SiteTable,
};

/// The most lanes, and the most processors, that a cut stream may name: Windows has up to 2048 processors.
const MOST: usize = 1 << 16;
/// The largest site table that a cut stream may have, in bytes: `SitesKiB` goes up to 16384.
const MOST_SITES: usize = 16 << 20;

/// A log that was found in secondary data.
#[derive(Clone, Debug)]
pub struct Found {
    /// The start of the driver that it belongs to.
    pub start_id: u64,
    /// The bytes of an image.
    pub image: Vec<u8>,
    /// What was cut by the driver, or is missing in the dump.
    pub cut: Cut,
}

/// What the dump does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cut {
    /// Number of parts that the image came in; 0 if it lay there as a whole.
    pub parts: u32,
    /// Number of records that the driver left out because the dump had no room.
    pub records_left_out: u64,
    /// Number of records that the driver put in.
    pub records: u64,
    /// Number of bytes that Windows allowed.
    pub allowed: u64,
    /// Number of bytes of the stream that are not in the dump although the driver handed them out.
    pub missing: u64,
}

/// One stream: its parts by offset.
#[derive(Default)]
struct Stream<'b> {
    parts: BTreeMap<u64, (PartHeader, &'b [u8])>,
}

/// Every log in these blocks, in the order of first appearance; blocks that are no data of irqlog are skipped.
///
/// # Errors
/// If nothing can be read of any of them: the reason for the first.
pub fn join(blocks: &[&[u8]]) -> Result<Vec<Found>, ImageError> {
    let mut error = None;
    let mut found = Vec::new();
    let mut order = Vec::new();
    let mut streams: BTreeMap<(u64, u32, u64), Stream<'_>> = BTreeMap::new();
    for block in blocks {
        if block.starts_with(&MAGIC) {
            match ImageHeader::read_from_prefix(block) {
                Ok((header, _)) => {
                    found.push(Found { start_id: header.start_id.get(), image: block.to_vec(), cut: Cut::default() });
                }
                Err(_) => error = error.or(Some(ImageError::NotAnImage)),
            }
            continue;
        }
        for part in parts(block) {
            match part {
                Ok((header, bytes)) => {
                    let key = (header.start_id.get(), header.form.get(), header.total.get());
                    let stream = streams.entry(key).or_insert_with(|| {
                        order.push(key);
                        Stream::default()
                    });
                    // The longer one of two that claim the same place.
                    let place = stream.parts.entry(header.offset.get()).or_insert((header, bytes));
                    if place.1.len() < bytes.len() {
                        *place = (header, bytes);
                    }
                }
                Err(refused) => error = error.or(Some(refused)),
            }
        }
    }
    for key in order {
        match streams.remove(&key).map(Stream::into_found) {
            Some(Ok(log)) => found.push(log),
            Some(Err(refused)) => error = error.or(Some(refused)),
            None => {}
        }
    }
    match (found.is_empty(), error) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(ImageError::NotAnImage),
        _ => Ok(found),
    }
}

/// The parts in a block, one behind the other, each with as many of its bytes as are there.
fn parts(mut block: &[u8]) -> Vec<Result<(PartHeader, &[u8]), ImageError>> {
    let mut parts = Vec::new();
    while block.starts_with(&PART_MAGIC) {
        let Ok((header, _)) = PartHeader::read_from_prefix(block) else { break };
        if let Err(refused) = check_version(header.major.get(), header.minor.get()) {
            parts.push(Err(refused));
            break;
        }
        let start = header.header_size.get() as usize;
        let Some(bytes) = block.get(start..).filter(|_| start >= size_of::<PartHeader>()) else { break };
        let bytes = &bytes[..bytes.len().min(header.length.get() as usize)];
        parts.push(Ok((header, bytes)));
        block = &block[start + bytes.len()..];
        // Windows may fill up a block before it puts the next one behind it.
        while block.first() == Some(&0) {
            block = &block[1..];
        }
    }
    parts
}

impl Stream<'_> {
    /// The image: as far as the stream goes without a gap.
    fn into_found(self) -> Result<Found, ImageError> {
        let Some((_, &(first, _))) = self.parts.iter().next() else { return Err(ImageError::NotAnImage) };
        let total = first.total.get();
        let mut bytes = Vec::new();
        for (&offset, (_, part)) in &self.parts {
            let Some(there) = (bytes.len() as u64).checked_sub(offset) else { break };
            let new = part.get(usize::try_from(there).unwrap_or(usize::MAX)..).unwrap_or_default();
            bytes.extend_from_slice(new);
        }
        bytes.truncate(usize::try_from(total).unwrap_or(usize::MAX));
        let cut = Cut {
            parts: self.parts.len() as u32,
            records_left_out: first.records_left_out.get(),
            records: first.records.get(),
            allowed: first.allowed.get(),
            missing: total - bytes.len() as u64,
        };
        let image = if StreamForm(first.form.get()) == StreamForm::Whole { bytes } else { image_of_chunks(&bytes)? };
        Ok(Found { start_id: first.start_id.get(), image, cut })
    }
}

/// What the chunks of a cut stream say.
struct Chunks {
    header: ImageHeader,
    processors: Vec<ProcessorControl>,
    lanes: Vec<LaneControl>,
    records: Vec<Vec<Record>>,
    sites: Vec<u8>,
}

/// Puts an image together from the chunks of a cut stream.
fn image_of_chunks(mut bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut chunks: Option<Chunks> = None;
    while let Ok((chunk, rest)) = ChunkHeader::read_from_prefix(bytes) {
        let length = usize::try_from(chunk.length.get()).unwrap_or(usize::MAX).min(rest.len());
        let (data, behind) = rest.split_at(length);
        bytes = behind;
        match (&mut chunks, ChunkKind(chunk.kind.get())) {
            (None, ChunkKind::Header) => chunks = Some(Chunks::new(data)?),
            (Some(chunks), kind) => chunks.take(kind, chunk.index.get() as usize, data),
            (None, _) => break,
        }
    }
    Ok(chunks.ok_or(ImageError::NotAnImage)?.into_image())
}

impl Chunks {
    fn new(data: &[u8]) -> Result<Self, ImageError> {
        let (header, _) = ImageHeader::read_from_prefix(data).map_err(|_| ImageError::NotAnImage)?;
        if header.magic != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        check_version(header.major.get(), header.minor.get())?;
        Ok(Self { header, processors: Vec::new(), lanes: Vec::new(), records: Vec::new(), sites: Vec::new() })
    }

    fn take(&mut self, kind: ChunkKind, index: usize, data: &[u8]) {
        match kind {
            ChunkKind::Processor if index < MOST => {
                let words = data.as_chunks::<WORD>().0;
                let control = at(&mut self.processors, index, ProcessorControl::new_zeroed);
                let word = |at: usize| words.get(at).map_or(U64::ZERO, |word| U64::from_bytes(*word));
                control.nesting = word(0);
                control.drops = std::array::from_fn::<_, DROP_REASONS, _>(|reason| word(1 + reason));
            }
            ChunkKind::Lane if index < MOST => {
                let Ok((told, _)) = LaneSummary::read_from_prefix(data) else { return };
                let lane = at(&mut self.lanes, index, LaneControl::new_zeroed);
                (lane.kind, lane.processor) = (told.kind, told.processor);
                (lane.first_seq, lane.floor, lane.next_seq) = (told.first_seq, told.floor, told.next_seq);
                (lane.contended, lane.longest_wait) = (told.contended, told.longest_wait);
                (lane.longest_hold, lane.hold_samples) = (told.longest_hold, told.hold_samples);
                // It is there; `build` makes the data.
                lane.data_words = 1.into();
            }
            ChunkKind::Records if index < MOST => {
                let records = at(&mut self.records, index, Vec::new);
                let mut rest = data;
                while let Ok((record, behind)) = view(index as u32, rest) {
                    records.push(record.to_record(index as u32));
                    rest = behind;
                }
            }
            ChunkKind::Sites => {
                let start = index.saturating_mul(WORD);
                let Some(end) = start.checked_add(data.len()).filter(|&end| end <= MOST_SITES) else { return };
                if self.sites.len() < end {
                    self.sites.resize(end, 0);
                }
                self.sites[start..end].copy_from_slice(data);
            }
            _ => {}
        }
    }

    fn into_image(mut self) -> Vec<u8> {
        self.header.processor_count.set(self.processors.len() as u32);
        self.header.lane_count.set(self.lanes.len() as u32);
        // An entry of the site table says its size, and the sites that are not needed lie behind the last one that is.
        if let Some(end) = entries_end(&self.sites) {
            self.sites.resize(self.sites.len().max(end.min(MOST_SITES)), 0);
        }
        let tables = Tables {
            header: self.header,
            processors: self.processors,
            lanes: self.lanes,
            sites: std::sync::Arc::new(SiteTable::parse(self.sites)),
        };
        build(&tables, &self.records)
    }
}

/// Where the last entry of a site table ends by its own word.
fn entries_end(sites: &[u8]) -> Option<usize> {
    let mut end = 0;
    while let Some(word) = sites.get(end..).and_then(|rest| rest.first_chunk::<WORD>()) {
        let size = (u64::from_le_bytes(*word) >> 32) as usize;
        if size < WORD {
            break;
        }
        end = end.checked_add(size)?;
    }
    Some(end)
}

/// The element at an index of a list that grows with what `make` makes.
fn at<T>(list: &mut Vec<T>, index: usize, make: impl Fn() -> T) -> &mut T {
    if list.len() <= index {
        list.resize_with(index + 1, make);
    }
    &mut list[index]
}
