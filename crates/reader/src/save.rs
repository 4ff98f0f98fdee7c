//! A log saved as an image, while it is read.
//!
//! Records come merged from all lanes, and an image has the records of a lane in one run. So each lane gets a *region*
//! behind the tables, as large as its control says that its records are. A region that is too small is moved to the end
//! of the file, with twice the room. When all is written, the regions close up, and the tables come last, because only
//! then the log knows them (see [`LiveLog`](crate::live::LiveLog)). Memory holds the tables and one buffer for each
//! lane, never the log. At last the file is read once for its [checksums](crate::checksum).

use std::io::{Cursor, Read, Result as IoResult, Seek, SeekFrom, Write};

use irqlog_wire::{
    VERSION,
    image::{ImageHeader, LaneControl, ProcessorControl, SEGMENTS, build_flags},
    record::{HEADER_SIZE, WORD},
};
use zerocopy::IntoBytes;

use crate::{
    checksum,
    image::Tables,
    log::{Item, Log, LogError, LossCause},
    record::Record,
};

/// The most memory that the buffers of all lanes take together, as long as there are not thousands of lanes.
const BUFFERS: usize = 16 << 20;

/// The largest buffer of a lane, and of a move, in bytes.
const BUFFER: usize = 64 << 10;

/// The most room that lanes get because their controls say so, over all lanes. What a damaged control says may be any
/// number; beyond this, regions begin small and grow.
const MOST_PROMISED: u64 = 4 << 30;

/// What was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Size of the image in bytes. What lies behind it in the file belongs to no lane; the caller cuts it off.
    pub bytes: u64,
    /// Number of records in the image.
    pub records: u64,
    /// Number of records that were overwritten before they could be read.
    pub overwritten: u64,
    /// Number of records that are missing in it for another reason: the log that is saved is damaged, or cut off.
    pub unreadable: u64,
}

/// Why a log was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The image cannot be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Reads a log to its end and writes it to `out` as an image, from offset zero on.
///
/// `progress` is told the number of bytes of records that were saved since its last call. [`promised`] says about how
/// many there will be.
///
/// # Errors
/// See [`SaveError`]. What is in `out` then is no image.
pub fn save(
    log: &mut (impl Log + ?Sized),
    out: impl Read + Write + Seek,
    mut progress: impl FnMut(u64),
) -> Result<Saved, SaveError> {
    let mut writer = ImageWriter::new(log.tables(), out);
    let mut saved = Saved::default();
    while let Some(item) = log.next()? {
        match item {
            Item::Record(record) => {
                progress(writer.push(record.lane as usize, &record)?);
                saved.records += 1;
            }
            Item::Loss(loss) => {
                let sum = match loss.cause {
                    LossCause::Overwritten => &mut saved.overwritten,
                    LossCause::NotSaved | LossCause::Damaged | LossCause::CutOff => &mut saved.unreadable,
                };
                *sum = sum.saturating_add(loss.count);
            }
        }
    }
    saved.bytes = writer.finish(log.tables())?;
    Ok(saved)
}

/// Bytes of records that the lanes of a log hold, as their controls say.
pub fn promised(tables: &Tables) -> u64 {
    tables.present().fold(0, |sum, (_, lane)| sum.saturating_add(used(lane)))
}

/// An image of these tables and records, in memory. `records` has a list for each lane, in the order of the lanes;
/// lanes behind its end are empty.
///
/// # Panics
/// Never: memory can be written.
#[must_use]
pub fn build(tables: &Tables, records: &[Vec<Record>]) -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    let bytes = write_all(tables, records, &mut image).expect("memory can be written");
    let mut image = image.into_inner();
    image.truncate(bytes as usize);
    image
}

fn write_all(tables: &Tables, records: &[Vec<Record>], out: impl Read + Write + Seek) -> IoResult<u64> {
    let mut writer = ImageWriter::new(tables, out);
    for (lane, records) in records.iter().enumerate() {
        for record in records {
            writer.push(lane, record)?;
        }
    }
    writer.finish(tables)
}

/// Bytes of records in a lane, as its control says.
fn used(lane: &LaneControl) -> u64 {
    let words = lane.head.get().wrapping_sub(lane.tail.get()).min(lane.data_words.get());
    words.saturating_mul(WORD as u64)
}

/// Where a lane's records are in the file.
#[derive(Debug, Default)]
struct Region {
    offset: u64,
    /// Bytes that are reserved: a power of two, or zero as long as the region has no place.
    room: u64,
    /// Bytes that are in the file.
    used: u64,
    /// Bytes that the lane is said to have.
    promised: u64,
    /// Records that are not yet in the file.
    buffer: Vec<u8>,
}

/// An image that is being written.
#[derive(Debug)]
struct ImageWriter<W> {
    out: W,
    regions: Vec<Region>,
    /// Bytes of a lane's buffer.
    buffer: usize,
    /// Where the regions begin: behind the tables.
    start: u64,
    /// End of the last region.
    end: u64,
}

impl<W: Read + Write + Seek> ImageWriter<W> {
    /// An image with as many processors and lanes as these tables have.
    fn new(tables: &Tables, out: W) -> Self {
        let is_credible = promised(tables) <= MOST_PROMISED;
        let promised = |lane| if is_credible { used(lane) } else { 0 };
        let region = |lane| Region { promised: promised(lane), ..Region::default() };
        let start = (lanes_offset(tables) + tables.lanes.len() * size_of::<LaneControl>()) as u64;
        Self {
            out,
            regions: tables.lanes.iter().map(region).collect(),
            buffer: (BUFFERS / tables.lanes.len().max(1)).min(BUFFER),
            start,
            end: start,
        }
    }

    /// Appends a record to a lane; gives the number of bytes that it takes.
    fn push(&mut self, lane: usize, record: &Record) -> IoResult<u64> {
        let Some(region) = self.regions.get_mut(lane) else { return Ok(0) };
        let size = (HEADER_SIZE + record.payload.len()).next_multiple_of(WORD);
        let mut header = record.header;
        header.size.set(size as u16);
        let end = region.buffer.len() + size;
        region.buffer.extend_from_slice(header.as_bytes());
        region.buffer.extend_from_slice(&record.payload);
        region.buffer.resize(end, 0);
        if end >= self.buffer {
            self.flush(lane)?;
        }
        Ok(size as u64)
    }

    /// Writes what a lane has in its buffer.
    fn flush(&mut self, lane: usize) -> IoResult<()> {
        let needed = self.regions[lane].used + self.regions[lane].buffer.len() as u64;
        if needed > self.regions[lane].room {
            self.enlarge(lane, needed)?;
        }
        let region = &mut self.regions[lane];
        self.out.seek(SeekFrom::Start(region.offset + region.used))?;
        self.out.write_all(&region.buffer)?;
        region.used = needed;
        region.buffer.clear();
        Ok(())
    }

    /// Gives a region room for that number of bytes.
    fn enlarge(&mut self, lane: usize, needed: u64) -> IoResult<()> {
        let region = &self.regions[lane];
        let Region { offset, room, used, promised, .. } = *region;
        let larger = needed.max(promised).next_power_of_two();
        let is_last = room != 0 && offset + room == self.end;
        let moved = if is_last { offset } else { self.end };
        if moved != offset && used != 0 {
            self.copy(offset, moved, used)?;
        }
        (self.regions[lane].offset, self.regions[lane].room) = (moved, larger);
        self.end = moved + larger;
        Ok(())
    }

    /// Copies bytes of the file to another place: one behind them, or one before them, which they may overlap.
    fn copy(&mut self, from: u64, to: u64, size: u64) -> IoResult<()> {
        let mut part = vec![0; BUFFER];
        let mut done = 0;
        while done < size {
            let part = &mut part[..BUFFER.min((size - done) as usize)];
            self.out.seek(SeekFrom::Start(from + done))?;
            self.out.read_exact(part)?;
            self.out.seek(SeekFrom::Start(to + done))?;
            self.out.write_all(part)?;
            done += part.len() as u64;
        }
        Ok(())
    }

    /// Writes zeros.
    fn clear(&mut self, offset: u64, size: u64) -> IoResult<()> {
        self.out.seek(SeekFrom::Start(offset))?;
        std::io::copy(&mut std::io::repeat(0).take(size), &mut self.out).map(drop)
    }

    /// Closes the regions up, and writes these tables; gives the size of the image.
    fn finish(mut self, tables: &Tables) -> IoResult<u64> {
        for lane in 0..self.regions.len() {
            if !self.regions[lane].buffer.is_empty() {
                self.flush(lane)?;
            }
        }
        let end = self.close_up(tables)?;
        let sites = tables.sites.bytes();
        self.out.seek(SeekFrom::Start(end))?;
        self.out.write_all(sites)?;
        let checksums = end + sites.len() as u64;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(header(tables, end, checksums).as_bytes())?;
        for processor in &tables.processors {
            self.out.write_all(processor.as_bytes())?;
        }
        for (lane, region) in tables.lanes.iter().zip(&self.regions) {
            self.out.write_all(control(lane, region).as_bytes())?;
        }
        // The room behind the last lane's records may not have been written yet.
        let written = self.out.seek(SeekFrom::End(0))?;
        self.clear(written, checksums.saturating_sub(written))?;
        checksum::write(&mut self.out, checksums)?;
        self.out.flush()?;
        Ok(checksums + checksum::table_size(checksums))
    }

    /// Moves each region to the end of the one before it, with the least room that its records need; gives the end of
    /// the last one. A region is never moved up, because no room grows.
    fn close_up(&mut self, tables: &Tables) -> IoResult<u64> {
        let mut order: Vec<usize> = (0..self.regions.len()).collect();
        // Those without a place come last.
        order.sort_by_key(|&lane| (self.regions[lane].room == 0, self.regions[lane].offset, lane));
        let mut end = self.start;
        let mut has_moved = false;
        for lane in order {
            let Region { offset, used, room, .. } = self.regions[lane];
            let is_present = tables.lanes[lane].data_words.get() != 0 || used != 0;
            let least = if is_present { used.max(WORD as u64).next_power_of_two() } else { 0 };
            has_moved |= end != offset || room != least;
            if end != offset {
                self.copy(offset, end, used)?;
            }
            if has_moved {
                self.clear(end + used, least - used)?;
            }
            (self.regions[lane].offset, self.regions[lane].room) = (end, least);
            end += least;
        }
        Ok(end)
    }
}

/// Offset of the lane controls in an image that is written here.
const fn lanes_offset(tables: &Tables) -> usize {
    size_of::<ImageHeader>() + tables.processors.len() * size_of::<ProcessorControl>()
}

/// The header of an image with these tables. Everything that they say beyond geometry stays. The format becomes this
/// version's, whichever the tables are of: the checksums are new.
fn header(tables: &Tables, sites_offset: u64, checksums: u64) -> ImageHeader {
    let mut header = tables.header;
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    header.checksums_offset.set(checksums);
    header.checksum_block.set(checksum::BLOCK);
    header.build_flags.set(header.build_flags.get() | build_flags::SAVED);
    header.header_size.set(size_of::<ImageHeader>() as u32);
    header.processors_offset.set(size_of::<ImageHeader>() as u32);
    header.processor_size.set(size_of::<ProcessorControl>() as u32);
    header.lanes_offset.set(lanes_offset(tables) as u32);
    header.lane_size.set(size_of::<LaneControl>() as u32);
    header.sites_offset.set(sites_offset);
    header.sites_size.set(tables.sites.bytes().len() as u64);
    header.total_size.set(checksums + checksum::table_size(checksums));
    header
}

/// The control of a lane whose records are in that region. The next seq stays: a reader of the image sees what was
/// written behind the last record that is in it.
fn control(lane: &LaneControl, region: &Region) -> LaneControl {
    let mut lane = *lane;
    lane.data_offset.set(region.offset);
    lane.data_words.set(region.room / WORD as u64);
    lane.first_position.set(0);
    lane.marks = [0.into(); SEGMENTS];
    lane.tail.set(0);
    lane.head.set(region.used / WORD as u64);
    lane
}
