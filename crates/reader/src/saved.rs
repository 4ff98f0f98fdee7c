//! Reads a saved log: an image in a file, window by window.
//!
//! Only a window of each lane is in memory, so a file may have any size. Of a file that was cut off, the reader delivers
//! what is there: the whole entries of its site table, and each lane up to the first missing byte.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Result as IoResult, Seek, SeekFrom},
};

use irqlog_wire::{
    image::LaneControl,
    record::{MAX_SIZE, WORD, size_of_first_word},
};

use crate::{
    checksum::{self, Integrity},
    image::Tables,
    log::{Fault, Item, Log, LogError, Loss, LossCause},
    merge::{Head, Merge},
    record::{Damage, RecordView, view},
};

/// The most bytes that the windows of all lanes take together. Each lane has at least room for four records, so thousands
/// of lanes take more.
const WINDOWS: usize = 16 << 20;

/// A file that is read by offset.
#[derive(Debug)]
pub(crate) struct Bytes<R> {
    source: R,
    length: u64,
}

impl<R: Read + Seek> Bytes<R> {
    fn new(mut source: R) -> IoResult<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        Ok(Self { source, length })
    }

    /// Appends `size` bytes from an offset on; fewer at the end of the file.
    fn read(&mut self, offset: u64, size: u64, out: &mut Vec<u8>) -> IoResult<()> {
        let there = self.length.saturating_sub(offset).min(size);
        if there == 0 {
            return Ok(());
        }
        self.source.seek(SeekFrom::Start(offset))?;
        let start = out.len();
        out.resize(start + usize::try_from(there).map_err(|_| ErrorKind::OutOfMemory)?, 0);
        match self.source.read_exact(&mut out[start..]) {
            // The file has become shorter since it was opened.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                out.truncate(start);
                Ok(())
            }
            result => result,
        }
    }
}

/// Reads one lane of an image, record after record.
#[derive(Debug)]
struct LaneReader {
    index: u32,
    data_offset: u64,
    words: u64,
    /// Position behind the last word in the window.
    fetched: u64,
    head: u64,
    window: Vec<u8>,
    /// Offset of the next record in the window, in bytes.
    at: usize,
    /// The most bytes that are read into the window at a time.
    room: u64,
    /// The file ends before the lane does.
    is_cut: bool,
    first_seq: u64,
    /// Sequence number behind the newest record that was ever written, counted from `first_seq`.
    end: u64,
    /// Records with lower sequence numbers were cleared; counted from `first_seq`.
    cleared: u64,
    /// The next expected sequence number, counted from `first_seq`: lower ones were delivered, lost, or cleared.
    expected: u64,
    last_tick: Option<u64>,
    /// Why the records behind the last one that the file has are missing.
    ended_by: LossCause,
}

impl LaneReader {
    fn new(index: u32, lane: &LaneControl, room: u64) -> Self {
        let first_seq = lane.first_seq.get();
        let end = lane.next_seq.get().wrapping_sub(first_seq);
        // In a lane that was never cleared, the floor lies below the first record.
        let cleared = lane.floor.get().wrapping_sub(first_seq);
        let cleared = if cleared > end { 0 } else { cleared };
        Self {
            index,
            data_offset: lane.data_offset.get(),
            words: lane.data_words.get(),
            fetched: lane.tail.get(),
            head: lane.head.get(),
            window: Vec::new(),
            at: 0,
            room,
            is_cut: false,
            first_seq,
            end,
            cleared,
            expected: cleared,
            last_tick: None,
            ended_by: LossCause::NotSaved,
        }
    }

    const fn damage(&self, size: usize) -> Damage {
        let from_end = self.fetched.wrapping_mul(WORD as u64).wrapping_sub((self.window.len() - self.at) as u64);
        let offset = from_end & self.words.wrapping_mul(WORD as u64).wrapping_sub(1);
        Damage { lane: self.index, offset: offset as usize, size }
    }

    /// Checks that the lane's size and positions are possible.
    const fn check(&self) -> Result<(), Damage> {
        let used = self.head.wrapping_sub(self.fetched);
        if self.words.is_power_of_two() && self.words <= u64::MAX / WORD as u64 && used <= self.words {
            Ok(())
        } else {
            Err(Damage { lane: self.index, offset: 0, size: self.words.saturating_mul(WORD as u64) as usize })
        }
    }

    /// Reads on until the window holds a whole record, or the lane or the file ends.
    fn fill(&mut self, bytes: &mut Bytes<impl Read + Seek>) -> IoResult<()> {
        if self.window.len() - self.at >= MAX_SIZE || self.fetched == self.head || self.is_cut {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.at = 0;
        while self.fetched != self.head && self.window.len() < MAX_SIZE && !self.is_cut {
            let index = self.fetched & (self.words - 1);
            let words = (self.head.wrapping_sub(self.fetched)).min(self.words - index).min(self.room / WORD as u64);
            let start = self.window.len();
            let offset = self.data_offset.saturating_add(index * WORD as u64);
            bytes.read(offset, words * WORD as u64, &mut self.window)?;
            let whole = (self.window.len() - start) / WORD;
            self.window.truncate(start + whole * WORD);
            self.fetched = self.fetched.wrapping_add(whole as u64);
            self.is_cut = (whole as u64) < words;
        }
        Ok(())
    }

    /// The lane's next record that was not cleared, and the loss before it. The record stays in the window until the next
    /// call.
    fn next(
        &mut self,
        bytes: &mut Bytes<impl Read + Seek>,
    ) -> Result<Option<(Option<Loss>, RecordView<'_>)>, LaneError> {
        loop {
            self.fill(bytes)?;
            let rest = &self.window[self.at..];
            if rest.is_empty() && !self.is_cut {
                return Ok(None);
            }
            let size = rest.first_chunk().map_or(0, |word| size_of_first_word(u64::from_le_bytes(*word)));
            let Ok((record, _)) = view(self.index, rest) else { return Err(self.damage(size).into()) };
            let (seq, tick) = (record.header.seq.get().wrapping_sub(self.first_seq), record.header.tick.get());
            let start = self.at;
            self.at += size;
            let ahead = seq.wrapping_sub(self.expected).cast_signed();
            if seq < self.cleared {
                continue;
            }
            let loss = (ahead > 0).then(|| Loss {
                lane: self.index,
                first_seq: self.first_seq.wrapping_add(self.expected),
                count: ahead.cast_unsigned(),
                from_tick: self.last_tick,
                to_tick: Some(tick),
                // Before the oldest record a ring has overwritten them; a gap between records is of the save.
                cause: if self.last_tick.is_none() { LossCause::Overwritten } else { LossCause::NotSaved },
            });
            if ahead >= 0 {
                self.expected = seq.wrapping_add(1);
            }
            self.last_tick = Some(tick);
            // Parsed again, since a borrow that is returned may not live through the loop.
            let (record, _) = view(self.index, &self.window[start..])?;
            return Ok(Some((loss, record)));
        }
    }

    /// The loss behind the last record that the file has.
    fn tail(&self) -> Option<Loss> {
        let count = self.end.wrapping_sub(self.expected);
        (count.cast_signed() > 0).then(|| Loss {
            lane: self.index,
            first_seq: self.first_seq.wrapping_add(self.expected),
            count,
            from_tick: self.last_tick,
            to_tick: None,
            cause: self.ended_by,
        })
    }
}

/// Why a lane cannot be read on.
enum LaneError {
    Damage(Damage),
    File(std::io::Error),
}

impl From<Damage> for LaneError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<std::io::Error> for LaneError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// A log in an image that no recorder writes: a file of `save`, or memory from a crash dump.
#[derive(Debug)]
pub struct SavedLog<R> {
    bytes: Bytes<R>,
    tables: Tables,
    /// The file is shorter than its header says.
    is_cut_off: bool,
    lanes: Vec<Option<LaneReader>>,
    /// Lanes whose next record the merge needs.
    wanting: Vec<u32>,
    merge: Merge,
    ready: VecDeque<Item>,
    faults: Vec<Fault>,
}

impl<R: Read + Seek> SavedLog<R> {
    /// Reads the tables. A file that is cut off behind them can be opened, and [`Log::faults`] says so.
    ///
    /// # Errors
    /// [`LogError::Image`] if the bytes are not an image of a version that this reader knows, or end within the tables;
    /// [`LogError::File`] if the file cannot be read.
    pub fn open(source: R) -> Result<Self, LogError> {
        let mut bytes = Bytes::new(source)?;
        let mut error = None;
        let length = bytes.length;
        let tables = Tables::read(length, |offset, size| {
            let mut out = Vec::new();
            match bytes.read(offset, size, &mut out) {
                Ok(()) => out,
                Err(failed) => {
                    error = Some(failed);
                    Vec::new()
                }
            }
        });
        if let Some(error) = error {
            return Err(error.into());
        }
        let tables = tables?;
        let total = tables.header.total_size.get();
        let mut faults = Vec::new();
        let is_cut_off = length < total;
        let (known, size) = (tables.sites.known() as u64, tables.header.sites_size.get());
        let has_all_sites = tables.header.sites_offset.get() == 0 || known >= size;
        if is_cut_off {
            faults.push(Fault::CutOff { length, total, has_all_sites });
        } else if !has_all_sites {
            faults.push(Fault::Sites { known, size });
        }
        let room = (WINDOWS / tables.present().count().max(1)).clamp(4 * MAX_SIZE, 64 * MAX_SIZE) as u64;
        let mut lanes: Vec<_> = (0..).zip(&tables.lanes).map(|(index, lane)| reader(index, lane, room)).collect();
        check(&mut lanes, &mut faults);
        let wanting = lanes.iter().flatten().rev().map(|lane| lane.index).collect();
        Ok(Self { bytes, tables, is_cut_off, lanes, wanting, merge: Merge::default(), ready: VecDeque::new(), faults })
    }

    /// Compares the file with its checksums, and notes differences in [`Log::faults`]. It reads the whole file once.
    ///
    /// Each call of `progress` tells the number of bytes that were read since the last one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn verify(&mut self, progress: impl FnMut(u64)) -> Result<Integrity, LogError> {
        let found = checksum::verify(&mut self.bytes.source, self.bytes.length, &self.tables.header, progress)?;
        match &found {
            Integrity::NoChecksums => {}
            // A fault tells already that a part of the file is missing.
            Integrity::NoTable if self.is_cut_off => {}
            Integrity::NoTable => self.faults.push(Fault::NoChecksums),
            Integrity::Checked(changed) => {
                let faults = changed.iter().map(|&(from, to)| Fault::Changed { from, to, parts: self.parts(from, to) });
                let faults: Vec<_> = faults.collect();
                self.faults.extend(faults);
            }
        }
        Ok(found)
    }

    /// Names the parts of the image in a range of bytes, for a message.
    fn parts(&self, from: u64, to: u64) -> String {
        let header = &self.tables.header;
        let overlaps = |start: u64, size: u64| size != 0 && start <= to && start.saturating_add(size) > from;
        let lanes_end = u64::from(header.lanes_offset.get())
            + u64::from(header.lane_size.get()) * u64::from(header.lane_count.get());
        let mut parts = Vec::new();
        if overlaps(0, lanes_end) {
            parts.push("the header and its tables".to_owned());
        }
        for (index, lane) in self.tables.present() {
            if overlaps(lane.data_offset.get(), lane.data_words.get().saturating_mul(WORD as u64)) {
                parts.push(format!("lane {index}"));
            }
        }
        if overlaps(header.sites_offset.get(), header.sites_size.get()) {
            parts.push("the site table".to_owned());
        }
        parts.join(", ")
    }

    /// Calls `sink` with each record, lane by lane, without a copy. It is the fastest way through a log, and not in order of
    /// time.
    ///
    /// # Errors
    /// [`LogError::File`]; damage is in [`Log::faults`].
    pub fn visit(&mut self, mut sink: impl FnMut(u32, RecordView<'_>)) -> Result<(), LogError> {
        for lane in self.lanes.iter_mut().flatten() {
            let index = lane.index;
            loop {
                match lane.next(&mut self.bytes) {
                    Ok(Some((_, record))) => sink(index, record),
                    Ok(None) => break,
                    Err(LaneError::Damage(damage)) => {
                        self.faults.push(damage.into());
                        break;
                    }
                    Err(LaneError::File(error)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives a lane's next record to the merge.
    fn fetch(&mut self, index: u32) -> Result<(), LogError> {
        let Some(Some(lane)) = self.lanes.get_mut(index as usize) else { return Ok(()) };
        let ended = match lane.next(&mut self.bytes) {
            Ok(Some((loss, record))) => {
                let record = record.to_record(index);
                self.merge.offer(index, Head { losses: loss.into_iter().collect(), record });
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Err(ended) => ended,
        };
        match ended {
            // A fault tells already that the file is cut off, and the losses tell which records are missing.
            LaneError::Damage(_) if lane.is_cut && self.is_cut_off => {
                lane.ended_by = LossCause::CutOff;
                Ok(())
            }
            LaneError::Damage(damage) => {
                lane.ended_by = LossCause::Damaged;
                self.faults.push(damage.into());
                Ok(())
            }
            LaneError::File(error) => Err(error.into()),
        }
    }
}

impl<R: Read + Seek> Log for SavedLog<R> {
    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        if let Some(item) = self.ready.pop_front() {
            return Ok(Some(item));
        }
        while let Some(lane) = self.wanting.pop() {
            self.fetch(lane)?;
        }
        if let Some(lane) = self.merge.take(u64::MAX, &mut self.ready) {
            self.wanting.push(lane);
        } else {
            // Every lane has ended: the losses behind the lanes' ends are delivered once.
            let ends = std::mem::take(&mut self.lanes);
            self.ready.extend(ends.iter().flatten().filter_map(LaneReader::tail).map(Item::Loss));
        }
        Ok(self.ready.pop_front())
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The reader of a lane; `None` if the lane has no data.
fn reader(index: u32, lane: &LaneControl, room: u64) -> Option<LaneReader> {
    (lane.data_words.get() != 0).then(|| LaneReader::new(index, lane, room))
}

/// Leaves out lanes whose size or positions are impossible, and lanes that overlap another one: each byte is read once.
fn check(lanes: &mut [Option<LaneReader>], faults: &mut Vec<Fault>) {
    for slot in lanes.iter_mut() {
        if let Some(Err(damage)) = slot.as_ref().map(LaneReader::check) {
            faults.push(damage.into());
            *slot = None;
        }
    }
    let mut by_offset: Vec<_> = lanes.iter().flatten().map(|lane| (lane.data_offset, lane.words, lane.index)).collect();
    by_offset.sort_unstable();
    let (mut end, mut shown) = (0, 0);
    for (offset, words, index) in by_offset {
        if offset < end {
            faults.push(Fault::Overlap { lane: index, shown });
            lanes[index as usize] = None;
        } else {
            (end, shown) = (offset.saturating_add(words.saturating_mul(WORD as u64)), index);
        }
    }
}
