//! The tables of a ring image.

use std::sync::Arc;

use irqlog_wire::{
    Upgrade, VERSION, Version,
    image::{ImageHeader, LaneControl, LaneControlBefore4, LaneKind, MAGIC, ProcessorControl},
};
use zerocopy::{FromBytes, little_endian::U32};

use crate::sites::SiteTable;

/// Nanoseconds in a second.
const NANOSECONDS: i128 = 1_000_000_000;

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
        length: u64,
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
    /// Parses them out of the start of an image.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let length = bytes.len();
        Self::read(length as u64, |offset, size| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(length);
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(length - start);
            bytes[start..start + size].to_vec()
        })
    }

    /// Parses them out of `length` bytes. `read` gives a part of those by offset and size, as far as it is there.
    pub(crate) fn read(length: u64, mut read: impl FnMut(u64, u64) -> Vec<u8>) -> Result<Self, ImageError> {
        let start = read(0, size_of::<ImageHeader>() as u64);
        if start.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(ImageError::NotAnImage);
        }
        let header = ImageHeader::read_from_bytes(&start).map_err(|_| ImageError::CutOff {
            what: "header",
            offset: 0,
            size: size_of::<ImageHeader>() as u64,
            length,
        })?;
        check_version(header.major.get(), header.minor.get())?;
        let mut processors = table(
            &mut read,
            length,
            ("processors", size_of::<ProcessorControl>()),
            (header.processors_offset.get(), header.processor_size.get(), header.processor_count.get()),
            |entry| ProcessorControl::read_from_prefix(entry).ok().map(|(control, _)| control),
        )?;
        let lanes = table(
            &mut read,
            length,
            ("lanes", size_of::<LaneControlBefore4>()),
            (header.lanes_offset.get(), header.lane_size.get(), header.lane_count.get()),
            LaneControl::of_entry,
        )?;
        // One place for it, wherever the recorder counts.
        for lane in lanes.iter().filter(|lane| LaneKind(lane.kind.get()) == LaneKind::Processor) {
            if let Some(control) = processors.get_mut(lane.processor.get() as usize)
                && lane.nesting.get() != 0
            {
                control.nesting = lane.nesting;
            }
        }
        let sites = match header.sites_offset.get() {
            0 => Vec::new(),
            offset => read(offset, header.sites_size.get()),
        };
        Ok(Self { header, processors, lanes, sites: Arc::new(SiteTable::parse(sites)) })
    }

    /// Bytes that header and control tables take: what INFO has to be asked for.
    pub(crate) fn size(header: &ImageHeader) -> u64 {
        let end = |offset: U32, size: U32, count: U32| {
            u64::from(offset.get()) + u64::from(size.get()) * u64::from(count.get())
        };
        let processors = end(header.processors_offset, header.processor_size, header.processor_count);
        let lanes = end(header.lanes_offset, header.lane_size, header.lane_count);
        processors.max(lanes).max(size_of::<ImageHeader>() as u64)
    }

    /// The lanes that are there, by index.
    pub fn present(&self) -> impl Iterator<Item = (u32, &LaneControl)> {
        (0..).zip(&self.lanes).filter(|(_, lane)| lane.data_words.get() != 0)
    }

    /// Whether a lane is an NMI lane.
    pub fn is_nmi(&self, lane: u32) -> bool {
        self.lanes.get(lane as usize).is_some_and(|lane| lane.kind.get() == LaneKind::Nmi.0)
    }

    /// Version of the driver that made the image.
    pub fn version(&self) -> String {
        let [major, minor, patch, _] = self.header.driver_version.map(u16::from);
        format!("{major}.{minor}.{patch}")
    }

    /// Drops over all processors, by reason.
    pub fn drops(&self) -> [u64; irqlog_wire::image::DROP_REASONS] {
        let mut sums = self.header.drops.map(u64::from);
        for processor in &self.processors {
            for (sum, drops) in sums.iter_mut().zip(&processor.drops) {
                *sum = sum.saturating_add(drops.get());
            }
        }
        sums
    }

    /// UTC at a tick, in nanoseconds since 1970.
    ///
    /// It is the system time that the driver read at its start, right behind the performance counter, plus the ticks since
    /// then. So it is as exact as that clock was at that moment; later corrections of the clock are not in it.
    pub fn utc_of_tick(&self, tick: u64) -> i128 {
        let ticks = tick.wrapping_sub(self.header.tick_base.get()).cast_signed();
        let frequency = i128::from(self.header.tick_frequency.get().max(1));
        self.utc_of_start() + (i128::from(ticks) * NANOSECONDS).div_euclid(frequency)
    }

    /// Seconds from the start of the driver to a point in UTC, in nanoseconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "a double holds 100 ns for 14 years, and more than that is no log")]
    pub fn seconds_of_utc(&self, utc: i128) -> f64 {
        (utc - self.utc_of_start()) as f64 / NANOSECONDS as f64
    }

    /// UTC at that number of seconds after the start of the driver, in nanoseconds since 1970.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as above; more saturates")]
    pub fn utc_of_seconds(&self, seconds: f64) -> i128 {
        self.utc_of_start().saturating_add((seconds * NANOSECONDS as f64) as i128)
    }

    /// System time is in units of 100 ns since 1601 (Microsoft Learn, "KeQuerySystemTimePrecise").
    fn utc_of_start(&self) -> i128 {
        const BETWEEN_1601_AND_1970: i128 = 11_644_473_600 * NANOSECONDS;
        i128::from(self.header.time_base.get()) * 100 - BETWEEN_1601_AND_1970
    }

    /// Seconds from the start of the driver to a tick; negative for a tick before it.
    #[expect(clippy::cast_precision_loss, reason = "for display: 2^52 ticks of 100 ns are 14 years")]
    pub fn seconds(&self, tick: u64) -> f64 {
        let ticks = tick.wrapping_sub(self.header.tick_base.get()).cast_signed();
        ticks as f64 / self.header.tick_frequency.get().max(1) as f64
    }
}

/// A table by its offset, the size of its entries, and their number; `parse` reads an entry of at least `least` bytes.
fn table<T>(
    read: &mut impl FnMut(u64, u64) -> Vec<u8>,
    length: u64,
    (what, least): (&'static str, usize),
    (offset, size, count): (u32, u32, u32),
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, ImageError> {
    let whole = u64::from(size) * u64::from(count);
    let cut_off = || ImageError::CutOff { what, offset: offset.into(), size: whole, length };
    if (size as usize) < least || u64::from(offset) + whole > length {
        return Err(cut_off());
    }
    let entries = read(offset.into(), whole);
    if (entries.len() as u64) < whole {
        return Err(cut_off());
    }
    entries.chunks_exact(size as usize).map(|entry| parse(entry).ok_or_else(cut_off)).collect()
}
