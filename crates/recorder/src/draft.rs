//! A record as it is encoded on the caller's stack, before the IRQL is raised.
//!
//! Texts, blobs and the strings of events are read only here, so they may be pageable if the caller is at `APC_LEVEL`
//! or below. The words of an event lie on the caller's stack, which is resident. Without strings and pointers they are
//! the payload as they are, and are copied from there into the ring.

use core::mem::MaybeUninit;

use irqlog_ring::lane::NewRecord;
use irqlog_wire::{
    event::MAX_EVENT_WORDS,
    image::DropReason,
    record::{
        BlobHeader, HEADER_SIZE, Kind, Level, MAX_BLOB_PIECE, MAX_PAYLOAD, RecordHeader, WORD, WORD_PROCESSOR, flags,
    },
};
use zerocopy::IntoBytes;

use crate::{
    event,
    pointers::Pointers,
    words::{last_word, put, whole_characters},
};

/// The data that a caller wants to write. The parts of the payload follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    kind: Kind,
    level: Level,
    flags: u16,
    site: u32,
    /// First part of the payload, in whole words, so that the next part starts at a word.
    head: &'a [[u8; WORD]],
    body: &'a [u8],
    /// The words of an event; the other parts are then empty.
    event: &'a [u64],
}

impl<'a> Draft<'a> {
    /// A text record. A text that is longer than one record holds is cut at a character boundary, and flagged.
    #[inline]
    pub fn text(level: Level, text: &'a [u8]) -> Self {
        let (body, flags) = if text.len() > MAX_PAYLOAD { (cut(text), flags::TRUNCATED) } else { (text, 0) };
        Self { kind: Kind::Text, level, flags, body, ..Self::EMPTY }
    }

    /// One piece of a blob.
    ///
    /// # Errors
    /// [`DropReason::TooLarge`] if the piece is larger than [`MAX_BLOB_PIECE`].
    pub fn blob_piece(level: Level, header: &'a BlobHeader, piece: &'a [u8]) -> Result<Self, DropReason> {
        if piece.len() > MAX_BLOB_PIECE {
            return Err(DropReason::TooLarge);
        }
        Ok(Self { kind: Kind::Blob, level, head: header.as_bytes().as_chunks().0, body: piece, ..Self::EMPTY })
    }

    /// An event, in the form in which a [provider passes it](irqlog_wire::event).
    ///
    /// Words without strings and pointers are not copied first: they are read at HIGH_LEVEL, when they go into the
    /// ring.
    ///
    /// # Safety
    /// The words are resident, as memory on a kernel stack is; each string that they name is valid for its length, at
    /// the IRQL of the call. Both hold for as long as the draft is used.
    #[inline]
    pub const unsafe fn event(level: Level, site: u32, words: &'a [u64]) -> Self {
        Self { kind: Kind::Event, level, site, event: words, ..Self::EMPTY }
    }

    const EMPTY: Self = Self { kind: Kind(0), level: Level(0), flags: 0, site: 0, head: &[], body: &[], event: &[] };

    /// The same draft with more [`flags`].
    #[must_use]
    pub const fn with_flags(mut self, more: u16) -> Self {
        self.flags |= more;
        self
    }

    /// The level at which the record is written.
    pub const fn level(&self) -> Level {
        self.level
    }
}

/// The part of a text that one record holds.
#[cold]
#[inline(never)]
fn cut(text: &[u8]) -> &[u8] {
    whole_characters(text.get(..MAX_PAYLOAD).unwrap_or_default())
}

/// The writer's data that are known before the raise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterContext {
    pub irql: u8,
    pub thread: u32,
    pub process: u32,
    pub flags: u16,
}

/// Room for the payload of a record on the caller's stack. Not cleared first, since most records are much smaller.
pub(crate) struct Room([MaybeUninit<u64>; MAX_PAYLOAD / WORD]);

impl Room {
    /// Room without a payload.
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); MAX_PAYLOAD / WORD])
    }

    /// Encodes a record; the caller fills in processor, seq and tick when they are known. `None` if the draft is larger
    /// than a record can be, which its constructors exclude.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as a call it is handed draft and record in memory; measured: docs/performance.md"
    )]
    pub fn encode<'r>(
        &'r mut self,
        draft: &Draft<'r>,
        origin: WriterContext,
        pointers: &Pointers,
    ) -> Option<NewRecord<'r>> {
        if !draft.event.is_empty() {
            if event::needs_driver(draft.event) {
                return self.encode_event(draft, origin, pointers);
            }
            let payload = draft.event;
            let fits = payload.len() <= MAX_EVENT_WORDS;
            return fits.then(|| NewRecord {
                header: header(draft, origin, payload.len(), size_of_val(payload)).to_words(),
                payload,
            });
        }
        let payload_size = draft.head.as_flattened().len() + draft.body.len();
        // `div_ceil` would look at the remainder; no slice is long enough for this to wrap.
        let length = payload_size.wrapping_add(WORD - 1) / WORD;
        let room = self.0.get_mut(..length)?;
        let header = header(draft, origin, length, payload_size);
        let (head, body) = room.split_at_mut_checked(draft.head.len())?;
        put(head, draft.head);
        let (words, rest) = draft.body.as_chunks::<WORD>();
        let (body, last) = body.split_at_mut_checked(words.len())?;
        put(body, words);
        if let [last] = last {
            last.write(last_word(draft.body, rest));
        }
        // SAFETY: all of `head`, `body` and `last`, which are all of the first `length` words, were written: the parts
        // of the draft are as long as they. Same layout, and the borrow of `self` goes over.
        let payload = unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), length) };
        Some(NewRecord { header: header.to_words(), payload })
    }

    /// The same for an event with strings or pointers.
    #[inline(never)]
    fn encode_event<'r>(
        &'r mut self,
        draft: &Draft<'_>,
        origin: WriterContext,
        pointers: &Pointers,
    ) -> Option<NewRecord<'r>> {
        // SAFETY: as the one who made the draft has promised.
        let (length, flagged) = unsafe { event::expand(draft.event, &mut self.0, pointers) }?;
        let header = header(&draft.with_flags(flagged), origin, length, length * WORD);
        // SAFETY: `length` words were written, from the first on. Same layout, and the borrow of `self` goes over.
        let payload = unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), length) };
        Some(NewRecord { header: header.to_words(), payload })
    }
}

/// The header of a record with `length` words of payload.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it becomes the words of the record")]
fn header(draft: &Draft<'_>, origin: WriterContext, length: usize, payload_size: usize) -> RecordHeader {
    RecordHeader {
        size: ((HEADER_SIZE + length * WORD) as u16).into(),
        kind: draft.kind.0,
        level: draft.level.0,
        flags: (draft.flags | origin.flags).into(),
        irql: origin.irql,
        reserved: 0,
        processor: 0.into(),
        payload_size: (payload_size as u16).into(),
        site: draft.site.into(),
        seq: 0.into(),
        tick: 0.into(),
        thread: origin.thread.into(),
        process: origin.process.into(),
    }
}

/// Sets the processor in the header of a record.
#[inline]
pub(crate) const fn set_processor(record: &mut NewRecord<'_>, processor: u32) {
    record.header[WORD_PROCESSOR] |= processor as u64 & 0xffff;
}
