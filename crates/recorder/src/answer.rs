//! Answers the requests that need only the image: INFO, READ, CONFIGURE, CLEAR, MARK.
//!
//! READ writes into memory that the user can change meanwhile (METHOD_OUT_DIRECT maps the caller's own pages). So it
//! never reads that memory: every record is copied to the kernel stack, checked there, and stored from there.

use core::sync::atomic::Ordering;

use irqlog_ring::{
    lane::{Copied, Cursor, Lane, later},
    lock::RawLock,
    word::Word,
};
use irqlog_wire::{
    VERSION,
    image::{DropReason, build_flags, header_word},
    ioctl::{BatchHeader, RawCursor, batch_flags},
    record::{RecordHeader, WORD, flags},
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    Platform, Recorder,
    draft::Draft,
    log::{Entry, Outcome},
    memory::Memory,
    request::{Configure, Read, Refusal},
};

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Copies the start of the image, header and control tables, as far as they fit. Answers the number of bytes
    /// written. IRQL: any that `output` allows.
    pub fn info(&self, output: &mut [u8]) -> usize {
        let mut written = 0;
        for (chunk, word) in output.as_chunks_mut::<WORD>().0.iter_mut().zip(self.image.tables()) {
            *chunk = word.load().to_le_bytes();
            written += WORD;
        }
        written
    }

    /// Fills `output` with a [`BatchHeader`] and records. Answers the number of bytes written. IRQL: any that `output`
    /// allows.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] for a lane that is not there, a cursor of another start of the driver, or a cursor
    /// ahead of the lane; [`Refusal::BufferTooSmall`] below [`MIN_READ_OUTPUT`](crate::request::MIN_READ_OUTPUT).
    pub fn read(&self, request: &Read, output: &mut [u8]) -> Result<usize, Refusal> {
        let lane = self.image.lane(request.lane as usize).ok_or(Refusal::InvalidParameter)?;
        let barrier = self.platform.now();
        let cursor = match request.from {
            None => lane.start(),
            Some(cursor) if request.start_id == self.start_id => cursor,
            Some(_) => return Err(Refusal::InvalidParameter),
        };
        if output.len() < crate::request::MIN_READ_OUTPUT {
            return Err(Refusal::BufferTooSmall);
        }
        let (header_room, room) = output.split_at_mut(size_of::<BatchHeader>());
        let (mut used, mut count) = (0, 0_u32);
        let batch = lane.read(cursor, &mut Copied::default(), |record| {
            let bytes = record.as_bytes();
            let Some(target) = room.get_mut(used..used + bytes.len()) else { return false };
            target.copy_from_slice(bytes);
            used += bytes.len();
            count += 1;
            true
        });
        if !is_within(&lane, cursor.seq, batch.next_seq) {
            return Err(Refusal::InvalidParameter);
        }
        let header = BatchHeader {
            major: VERSION.major.into(),
            minor: VERSION.minor.into(),
            lane: request.lane.into(),
            records: (used as u32).into(),
            count: count.into(),
            flags: if batch.more { batch_flags::MORE } else { 0 }.into(),
            damaged: u32::try_from(batch.damaged).unwrap_or(u32::MAX).into(),
            start_id: self.start_id.into(),
            barrier: barrier.into(),
            next: RawCursor { seq: batch.next.seq.into(), position: batch.next.position.into() },
            lost: batch.lost.into(),
            cleared: batch.cleared.into(),
            // CLEAR may have raised the floor beyond it since the read looked.
            next_seq: later(batch.next_seq, batch.next.seq).into(),
            first_seq: lane.first_seq().into(),
        };
        header_room.copy_from_slice(header.as_bytes());
        Ok(header_room.len() + used)
    }

    /// Number of records written so far, over all lanes. IRQL: any.
    pub fn written(&self) -> u64 {
        self.image.lanes().map(|lane| lane.written()).fold(0, u64::wrapping_add)
    }

    /// Applies new settings. IRQL: any.
    pub fn configure(&self, configure: &Configure) {
        if let Some(level) = configure.level {
            self.gate.set_level(level);
            self.image.header[header_word::LEVEL].store(u64::from(level.0));
        }
        if let Some(policy) = configure.policy {
            self.image.header[header_word::POLICY].store(u64::from(policy.0));
        }
        if let Some(paused) = configure.paused {
            self.gate.set_paused(paused);
            self.image.header[header_word::PAUSED].store(u64::from(paused));
        }
        if configure.raw_pointers {
            self.raw_pointers.store(true, Ordering::Relaxed);
            // For INFO. No other bit of the word ever changes, so a load and a store are enough.
            let word = &self.image.header[header_word::BUILD_FLAGS];
            word.store(word.load() | u64::from(build_flags::RAW_POINTERS));
        }
    }

    /// Makes readers ignore all records written so far, in every lane. IRQL: any.
    pub fn clear(&self) {
        self.image.lanes().for_each(|lane| lane.clear());
    }

    /// Writes a text record for a user-mode program. IRQL: any.
    ///
    /// # Errors
    /// If it was not written: [`Refusal::MarkFiltered`], [`Refusal::MarkPaused`], [`Refusal::MarkFull`] or
    /// [`Refusal::MarkDropped`].
    pub fn mark(&self, level: irqlog_wire::record::Level, text: &str) -> Result<(), Refusal> {
        match self.log(&Draft::text(level, text.as_bytes()).with_flags(flags::USER), Entry::MayWait) {
            Outcome::Written { .. } => Ok(()),
            Outcome::Filtered => Err(Refusal::MarkFiltered),
            Outcome::Dropped(DropReason::Paused) => Err(Refusal::MarkPaused),
            Outcome::Dropped(DropReason::Refused) => Err(Refusal::MarkFull),
            Outcome::Dropped(_) => Err(Refusal::MarkDropped),
        }
    }

    /// The header of a record, if it is still in its lane. IRQL: any.
    pub fn find(&self, lane: u32, seq: u64) -> Option<RecordHeader> {
        let lane = self.image.lane(lane as usize)?;
        let mut found = None;
        lane.read(Cursor { seq, position: 0 }, &mut Copied::default(), |record| {
            found = RecordHeader::read_from_prefix(record.as_bytes()).ok().map(|(header, _)| header);
            false
        });
        found.filter(|header| header.seq.get() == seq)
    }
}

/// Whether `seq` is one that a cursor of this lane can have: between the lane's first record and the one with `next_seq`.
fn is_within<W: Word>(lane: &Lane<'_, W>, seq: u64, next_seq: u64) -> bool {
    seq.wrapping_sub(lane.first_seq()) <= next_seq.wrapping_sub(lane.first_seq())
}
