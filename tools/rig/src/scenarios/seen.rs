//! Checks what a reader sees of a storm, without irqlog's own reader: a defect in that could hide one in the ring.
//!
//! Batches are taken apart here, every record is made again from the writer and number it names (`tools/storm`), and each
//! (writer, number) may come once.

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::STATUS_SUCCESS;
use irqlog_reader::record::Record;
use irqlog_storm::{Context, WRITERS, blob_writer, check_event, check_piece, check_text, context};
use irqlog_wire::{
    image::{DROP_REASONS, ImageHeader, LaneControl, ProcessorControl},
    ioctl::{self, BatchHeader, RawCursor, ReadRequest, batch_flags, read_flags},
    irql::HIGH_LEVEL,
    record::{BlobHeader, HEADER_SIZE, Kind, RecordHeader, flags},
};
use zerocopy::{FromBytes, IntoBytes};

use super::as_process;
use crate::nt::io::{ControlCall, File, Requestor};

/// The byte of texts that are too long for a record.
pub const CUT: u8 = b'#';

/// The records that a reader has seen.
#[derive(Default)]
pub struct Seen {
    /// A bit for each number of each writer's texts.
    texts: Vec<Vec<u64>>,
    /// Pieces by tag and offset.
    pieces: HashSet<(u32, u32)>,
    lanes: BTreeMap<u32, LaneTally>,
    /// Records that are not what their writer wrote.
    pub torn: u64,
    /// Records that came before.
    pub twice: u64,
    /// Records whose flag says that they were written by another entry than by that which their writer called.
    pub by_wrong_entry: u64,
    own: u64,
    /// Records by the processor that wrote them.
    pub by_processor: BTreeMap<u16, u64>,
}

/// Counts of what became of a lane's records.
#[derive(Clone, Copy, Default)]
pub struct LaneTally {
    from: Option<(u64, RawCursor)>,
    /// Read.
    pub delivered: u64,
    /// Overwritten before they were read.
    pub lost: u64,
    /// Cleared before they were read.
    pub cleared: u64,
    /// All there ever were.
    pub written: u64,
    /// Still to be read.
    pub in_ring: u64,
    next_seq: Option<u64>,
}

impl Seen {
    /// Reads a lane to its end, or until `most` batches were read.
    ///
    /// # Errors
    /// If a batch does not add up.
    pub fn read(&mut self, file: &File, index: u32, most: usize) -> Result<()> {
        for _ in 0..most {
            let lane = self.lanes.entry(index).or_default();
            let (start_id, cursor) = lane.from.unwrap_or_default();
            let flags = if lane.from.is_none() { read_flags::FROM_START } else { 0 };
            let request = ReadRequest { lane: index.into(), flags: flags.into(), cursor, start_id: start_id.into() };
            // Small batches: the reader is lapped all the more.
            let control = ControlCall { code: ioctl::READ, internal: false, input: request.as_bytes(), output: 8192 };
            let answer = file.control(control, &|| false);
            ensure!(answer.status == STATUS_SUCCESS, "READ of lane {index}: {:#010x}", answer.status);
            let (header, mut rest) = BatchHeader::read_from_prefix(&answer.output)
                .map_err(|_| anyhow::anyhow!("a batch without a header"))?;
            ensure!(rest.len() == header.records.get() as usize, "a batch of the wrong size");
            let first = lane.next_seq.unwrap_or_else(|| header.first_seq.get());
            let mut expected = first + header.lost.get() + header.cleared.get();
            for _ in 0..header.count.get() {
                let (record, behind) = split(rest).with_context(|| format!("lane {index}"))?;
                ensure!(record.0.seq.get() == expected, "lane {index}: seq {} where {expected} was due", record.0.seq);
                expected += 1;
                self.check(&record.0, record.1);
                rest = behind;
            }
            ensure!(rest.is_empty() && header.next.seq.get() == expected, "lane {index}: a batch that does not add up");
            let lane = self.lanes.entry(index).or_default();
            lane.from = Some((header.start_id.get(), header.next));
            lane.next_seq = Some(expected);
            lane.delivered += u64::from(header.count.get());
            lane.lost += header.lost.get();
            lane.cleared += header.cleared.get();
            lane.written = header.next_seq.get() - header.first_seq.get();
            lane.in_ring = header.next_seq.get() - expected;
            if header.flags.get() & batch_flags::MORE == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Looks at a record that came from elsewhere than READ.
    pub fn take(&mut self, record: &Record) {
        self.check(&record.header, &record.payload);
    }

    /// Whether a text or an event of this writer and number was seen.
    pub fn has(&self, writer: u16, number: u32) -> bool {
        let word = self.texts.get(usize::from(writer)).and_then(|bits| bits.get(number as usize / 64));
        word.is_some_and(|word| word & 1 << (number % 64) != 0)
    }

    fn check(&mut self, header: &RecordHeader, payload: &[u8]) {
        *self.by_processor.entry(header.processor.get()).or_default() += 1;
        if header.flags.get() & flags::OWN != 0 {
            self.own += 1;
            return;
        }
        let is_new = match Kind(header.kind) {
            // What coverage writes to be cut: one byte, over and over.
            Kind::Text if header.flags.get() & flags::TRUNCATED != 0 => {
                payload.iter().all(|&byte| byte == CUT).then_some(true)
            }
            Kind::Event => check_event(payload).map(|(writer, number)| {
                self.check_entry(header, writer);
                self.is_new_text(writer, number)
            }),
            Kind::Text => check_text(payload).map(|(writer, number)| {
                self.check_entry(header, writer);
                self.is_new_text(writer, number)
            }),
            Kind::Blob => BlobHeader::read_from_prefix(payload).ok().and_then(|(blob, piece)| {
                let (tag, offset) = (blob.tag.get(), blob.offset.get());
                check_piece(tag, blob.total.get() as usize, offset as usize, piece).then(|| {
                    self.check_entry(header, blob_writer(tag));
                    self.pieces.insert((tag, offset))
                })
            }),
            _ => None,
        };
        match is_new {
            None => self.torn += 1,
            Some(false) => self.twice += 1,
            Some(true) => {}
        }
    }

    /// The test driver's NMI callback calls the entry that never waits, unless it sees HIGH_LEVEL; no other context does. A
    /// thread that has raised itself may be coverage, which calls both.
    fn check_entry(&mut self, header: &RecordHeader, writer: u16) {
        let never_waits = header.flags.get() & flags::NEVER_WAITS != 0;
        let is_right = match context(writer) {
            Some(Context::Nmi) => never_waits || header.irql == HIGH_LEVEL,
            Some(Context::Dpc | Context::Isr | Context::Ipi) => !never_waits,
            _ => true,
        };
        self.by_wrong_entry += u64::from(!is_right);
    }

    fn is_new_text(&mut self, writer: u16, number: u32) -> bool {
        self.texts.resize(WRITERS, Vec::new());
        let bits = &mut self.texts[usize::from(writer)];
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let is_new = bits[word] & bit == 0;
        bits[word] |= bit;
        is_new
    }

    /// Records written to all lanes that were read.
    pub fn written(&self) -> u64 {
        self.sum(|lane| lane.written)
    }

    /// Whether every lane adds up, and nothing is left to read.
    pub fn holds(&self) -> bool {
        self.lanes
            .values()
            .all(|lane| lane.written == lane.delivered + lane.lost + lane.cleared + lane.in_ring && lane.in_ring == 0)
    }

    /// A field, over all lanes that were read.
    pub fn sum(&self, field: impl Fn(&LaneTally) -> u64) -> u64 {
        self.lanes.values().map(field).sum()
    }
}

/// A record's header and its payload.
type Parts<'b> = (RecordHeader, &'b [u8]);

/// The first record of a batch, and the rest.
fn split(bytes: &[u8]) -> Result<(Parts<'_>, &[u8])> {
    let (header, _) = RecordHeader::read_from_prefix(bytes).map_err(|_| anyhow::anyhow!("a record is cut off"))?;
    let size = usize::from(header.size.get());
    ensure!((HEADER_SIZE..=bytes.len()).contains(&size), "a record of {size} bytes");
    let (record, rest) = bytes.split_at(size);
    let payload = record[HEADER_SIZE..]
        .get(..usize::from(header.payload_size.get()))
        .context("a payload larger than its record")?;
    Ok(((header, payload), rest))
}

/// The parts of the answer to INFO that scenarios compare.
pub struct InfoAnswer {
    /// Drops over all processors.
    pub dropped: u64,
    /// Drops by reason.
    pub drops: [u64; DROP_REASONS],
    /// Calls that irqlog.sys made itself.
    pub own: u64,
    /// Sum of the nesting counts of all processors: zero while no writer writes.
    pub nesting: u64,
    /// The lanes that are there.
    pub lanes: Vec<u32>,
}

/// Asks for INFO.
///
/// # Errors
/// If INFO cannot be read.
pub fn info(file: &File) -> Result<InfoAnswer> {
    let control = ControlCall { code: ioctl::INFO, internal: false, input: &[], output: 1 << 20 };
    let bytes = file.control(control, &|| false).output;
    let header = ImageHeader::read_from_prefix(&bytes).map_err(|_| anyhow::anyhow!("INFO"))?.0;
    let mut nesting = 0;
    let mut drops = header.drops.map(zerocopy::little_endian::U64::get);
    let at = header.processors_offset.get() as usize;
    for chunk in bytes[at..].chunks_exact(size_of::<ProcessorControl>()).take(header.processor_count.get() as usize) {
        let control = ProcessorControl::read_from_bytes(chunk).map_err(|_| anyhow::anyhow!("INFO"))?;
        nesting += control.nesting.get();
        for (sum, drops) in drops.iter_mut().zip(control.drops) {
            *sum += drops.get();
        }
    }
    let at = header.lanes_offset.get() as usize;
    let entries = bytes[at..].chunks_exact(size_of::<LaneControl>()).take(header.lane_count.get() as usize);
    let lanes: Vec<LaneControl> = entries.filter_map(LaneControl::of_entry).collect();
    // With engine `percpu` the counts are in the lanes.
    nesting += lanes.iter().map(|lane| lane.nesting.get()).sum::<u64>();
    let present = (0..).zip(&lanes).filter(|(_, lane)| lane.data_words.get() != 0).map(|(index, _)| index).collect();
    Ok(InfoAnswer { dropped: drops.iter().sum(), drops, own: header.own_calls.get(), nesting, lanes: present })
}

/// Reads all lanes over and over until `done`, then once more to the end. Lanes may come meanwhile.
///
/// # Errors
/// If a batch does not add up, or the driver refuses something.
pub fn reader(pause: Duration, clears: bool, done: &AtomicBool) -> Result<Seen> {
    as_process(|| {
        let file =
            File::open(ioctl::WIN32_NAME, Requestor::Administrator).map_err(|status| anyhow::anyhow!("{status:#x}"))?;
        let mut seen = Seen::default();
        let mut round = 0_u32;
        while !done.load(Ordering::SeqCst) {
            for lane in info(&file)?.lanes {
                seen.read(&file, lane, 64)?;
            }
            round += 1;
            if clears && round.is_multiple_of(50) {
                let control = ControlCall { code: ioctl::CLEAR, internal: false, input: &[], output: 0 };
                ensure!(file.control(control, &|| false).status == STATUS_SUCCESS, "CLEAR");
            }
            if let Some(thread) = crate::nt::machine::current() {
                thread.wait(|| std::thread::sleep(pause));
            }
        }
        for lane in info(&file)?.lanes {
            seen.read(&file, lane, usize::MAX)?;
        }
        file.cleanup();
        file.close();
        Ok(seen)
    })
}
