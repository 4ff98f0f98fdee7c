//! A ring image at rest: parsed from a file or a dump, or put together from a running recorder.

use std::sync::Arc;

use irqlog_wire::{
    Upgrade, VERSION, Version,
    image::{ImageHeader, LaneControl, MAGIC, ProcessorControl, build_flags},
    record::{HEADER_SIZE, MAX_SIZE, WORD, size_of_first_word},
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    record::{Damage, Record, RecordView, view},
    sites::SiteTable,
};

/// Why bytes are no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is too short, or starts with something else.
    #[error("this is no irqlog image: it does not start with its mark")]
    NotAnImage,
    /// It is newer than this reader.
    #[error("the image has format {0}.{1} and this reader knows up to {major}.{minor}: upgrade irqlog.exe", major = VERSION.major, minor = VERSION.minor)]
    TooNew(u16, u16),
    /// It is older than what this reader still reads.
    #[error("the image has format {0}.{1} and this reader reads {major}.x: upgrade the driver that writes it", major = VERSION.major)]
    TooOld(u16, u16),
    /// Its tables do not fit into it.
    #[error("the image is cut off or damaged: its {what} at {offset} need {size} bytes of {length}")]
    CutOff {
        /// Which table.
        what: &'static str,
        /// Where it is said to lie.
        offset: u64,
        /// How large it is said to be.
        size: u64,
        /// How much there is.
        length: usize,
    },
}

/// Checks a version; for batches too.
///
/// # Errors
/// [`ImageError::TooNew`] or [`ImageError::TooOld`].
pub fn check_version(major: u16, minor: u16) -> Result<(), ImageError> {
    match VERSION.accepts(Version { major, minor }) {
        Ok(()) => Ok(()),
        Err(Upgrade::Reader) => Err(ImageError::TooNew(major, minor)),
        Err(Upgrade::Writer) => Err(ImageError::TooOld(major, minor)),
    }
}

/// Header and control tables: what INFO answers, and what an image starts with.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The header.
    pub header: ImageHeader,
    /// One for each processor there can be.
    pub processors: Vec<ProcessorControl>,
    /// One for each lane there can be; those without data have no `data_words`.
    pub lanes: Vec<LaneControl>,
    /// The site table; empty in what INFO answers, which does not have it.
    pub sites: Arc<SiteTable>,
}

impl Tables {
    /// Parses them.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let (header, _) = ImageHeader::read_from_prefix(bytes).map_err(|_| ImageError::NotAnImage)?;
        if header.magic != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        check_version(header.major.get(), header.minor.get())?;
        let processors = table(
            bytes,
            "processors",
            header.processors_offset.get(),
            header.processor_size.get(),
            header.processor_count.get(),
        )?;
        let lanes = table(bytes, "lanes", header.lanes_offset.get(), header.lane_size.get(), header.lane_count.get())?;
        Ok(Self { header, processors, lanes, sites: Arc::new(sites(bytes, &header)) })
    }

    /// The lanes that are there, by index.
    pub fn present(&self) -> impl Iterator<Item = (u32, &LaneControl)> {
        (0..).zip(&self.lanes).filter(|(_, lane)| lane.data_words.get() != 0)
    }

    /// Drops over all processors, by reason.
    pub fn drops(&self) -> [u64; irqlog_wire::image::DROP_REASONS] {
        let mut sums = self.header.drops.map(u64::from);
        for processor in &self.processors {
            for (sum, drops) in sums.iter_mut().zip(&processor.drops) {
                *sum = sum.wrapping_add(drops.get());
            }
        }
        sums
    }

    /// Seconds from the start of the driver to a tick; negative for a tick before it.
    #[expect(clippy::cast_precision_loss, reason = "for display: 2^52 ticks of 100 ns are 14 years")]
    pub fn seconds(&self, tick: u64) -> f64 {
        let ticks = tick.wrapping_sub(self.header.tick_base.get()).cast_signed();
        ticks as f64 / self.header.tick_frequency.get().max(1) as f64
    }
}

/// The site table of an image, as far as it is there.
fn sites(bytes: &[u8], header: &ImageHeader) -> SiteTable {
    let at = usize::try_from(header.sites_offset.get()).unwrap_or(usize::MAX);
    let size = usize::try_from(header.sites_size.get()).unwrap_or(usize::MAX);
    let table = bytes.get(at..).filter(|_| at != 0).and_then(|rest| rest.get(..size));
    SiteTable::parse(table.unwrap_or_default().to_vec())
}

fn table<T: FromBytes>(
    bytes: &[u8],
    what: &'static str,
    offset: u32,
    size: u32,
    count: u32,
) -> Result<Vec<T>, ImageError> {
    let whole = u64::from(size) * u64::from(count);
    let cut_off = || ImageError::CutOff { what, offset: offset.into(), size: whole, length: bytes.len() };
    let entries =
        bytes.get(offset as usize..).and_then(|rest| rest.get(..usize::try_from(whole).ok()?)).ok_or_else(cut_off)?;
    if (size as usize) < size_of::<T>() {
        return Err(cut_off());
    }
    entries
        .chunks_exact(size as usize)
        .map(|entry| T::read_from_prefix(entry).map(|(value, _)| value).map_err(|_| cut_off()))
        .collect()
}

/// What one lane of an image holds.
#[derive(Clone, Debug, Default)]
pub struct LaneRecords {
    /// Whole records that were not cleared, oldest first.
    pub records: Vec<Record>,
    /// Records that are no longer there.
    pub overwritten: u64,
    /// Where the lane could not be read on.
    pub damage: Option<Damage>,
}

/// Reads every lane of an image. Damage in one lane does not hide the others.
///
/// # Errors
/// See [`ImageError`]: the tables themselves cannot be read.
pub fn read(bytes: &[u8]) -> Result<(Tables, Vec<LaneRecords>), ImageError> {
    let tables = Tables::parse(bytes)?;
    let lanes = (0..).zip(&tables.lanes).map(|(index, lane)| read_lane(bytes, index, lane)).collect();
    Ok((tables, lanes))
}

fn read_lane(bytes: &[u8], index: u32, lane: &LaneControl) -> LaneRecords {
    let mut result = LaneRecords::default();
    if lane.data_words.get() == 0 {
        // A lane that is not there.
        return result;
    }
    result.damage = walk(bytes, index, lane, |record| result.records.push(record.to_record(index))).err();
    let oldest = result.records.first().map_or_else(|| lane.next_seq.get(), |record| record.header.seq.get());
    result.overwritten = oldest.saturating_sub(lane.first_seq.get().max(lane.floor.get()));
    result
}

/// Shows every whole record of a lane that was not cleared to `sink`, oldest first, where it lies in the image.
///
/// # Errors
/// [`Damage`] where the lane cannot be read on; what came before it was shown.
pub fn walk(bytes: &[u8], index: u32, lane: &LaneControl, mut sink: impl FnMut(RecordView<'_>)) -> Result<(), Damage> {
    let words = lane.data_words.get();
    let offset = usize::try_from(lane.data_offset.get()).unwrap_or(usize::MAX);
    let size = usize::try_from(words).ok().and_then(|words| words.checked_mul(WORD));
    let data = size
        .and_then(|size| bytes.get(offset..)?.get(..size))
        .filter(|_| words.is_power_of_two())
        .ok_or_else(|| Damage { lane: index, offset: 0, size: size.unwrap_or(usize::MAX) })?;
    let (head, floor) = (lane.head.get(), lane.floor.get());
    let mut position = lane.tail.get();
    let mut around = Vec::new();
    // A lane that was caught while a record was overwritten has a tail behind it already; `head` bounds what is whole.
    while position != head {
        let left = head.wrapping_sub(position).saturating_mul(WORD as u64);
        let at = (position & words.wrapping_sub(1)) as usize * WORD;
        let rest = &data[at..];
        let first = rest.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let size = size_of_first_word(first);
        let damage = Damage { lane: index, offset: at, size };
        if left > data.len() as u64 || size as u64 > left || !(HEADER_SIZE..=MAX_SIZE).contains(&size) {
            return Err(damage);
        }
        let whole = rest.get(..size).unwrap_or_else(|| {
            // A part lies at the end of the data and the rest at their start.
            around.clear();
            around.extend_from_slice(rest);
            around.extend_from_slice(&data[..size - rest.len()]);
            &around
        });
        let (record, _) = view(index, whole).map_err(|_| damage)?;
        if record.header.seq.get() >= floor {
            sink(record);
        }
        position = position.wrapping_add((size / WORD) as u64);
    }
    Ok(())
}

/// Puts an image together out of a recorder's tables and the records read from its lanes.
///
/// The lanes get just the room that their records need; everything that the tables say beyond geometry stays.
pub fn build(tables: &Tables, records: &[Vec<Record>]) -> Vec<u8> {
    let mut header = tables.header;
    header.build_flags.set(header.build_flags.get() | build_flags::SAVED);
    let processors_at = size_of::<ImageHeader>();
    let lanes_at = processors_at + tables.processors.len() * size_of::<ProcessorControl>();
    let data_at = lanes_at + tables.lanes.len() * size_of::<LaneControl>();
    let mut data = Vec::new();
    let mut lanes = tables.lanes.clone();
    for (lane, records) in lanes.iter_mut().zip(records.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]))) {
        let start = data.len();
        for record in records {
            data.extend_from_slice(record.header.as_bytes());
            data.extend_from_slice(&record.payload);
            data.resize(data.len().next_multiple_of(WORD), 0);
        }
        let used = (data.len() - start) / WORD;
        let capacity = if lane.data_words.get() == 0 { 0 } else { used.max(1).next_power_of_two() };
        data.resize(start + capacity * WORD, 0);
        lane.data_offset.set((data_at + start) as u64);
        lane.data_words.set(capacity as u64);
        lane.first_position.set(0);
        lane.tail.set(0);
        lane.head.set(used as u64);
        let oldest = records.first().map_or_else(|| lane.next_seq.get(), |record| record.header.seq.get());
        lane.next_seq.set(records.last().map_or(oldest, |record| record.header.seq.get() + 1));
    }
    header.header_size.set(processors_at as u32);
    header.processors_offset.set(processors_at as u32);
    header.processor_size.set(size_of::<ProcessorControl>() as u32);
    header.lanes_offset.set(lanes_at as u32);
    header.lane_size.set(size_of::<LaneControl>() as u32);
    let sites = tables.sites.bytes();
    header.sites_offset.set((data_at + data.len()) as u64);
    header.sites_size.set(sites.len() as u64);
    header.total_size.set((data_at + data.len() + sites.len()) as u64);
    let mut image = header.as_bytes().to_vec();
    image.extend(tables.processors.iter().flat_map(|processor| processor.as_bytes().to_vec()));
    image.extend(lanes.iter().flat_map(|lane| lane.as_bytes().to_vec()));
    image.extend(data);
    image.extend(sites);
    image
}
