//! A record as it is encoded on the caller's stack, before the IRQL is raised.
//!
//! Texts, blobs and the strings of events are read only here, so they may be pageable if the caller is at `APC_LEVEL`
//! or below. The words of an event lie on the caller's stack, which is resident. Without strings and pointers they are
//! the payload as they are, and are copied from there into the ring.

use core::mem::MaybeUninit;

use irqlog_wire::{
    event::MAX_EVENT_WORDS,
    image::DropReason,
    record::{
        BlobHeader, HEADER_SIZE, Kind, Level, MAX_BLOB_PIECE, MAX_PAYLOAD, WORD, first_word, flags, origin_bits,
        second_word,
    },
};
use zerocopy::IntoBytes;

use crate::words::{put, put_bytes, whole_characters};

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

    /// Site and words, if it is an event.
    #[inline]
    pub(crate) const fn as_event(&self) -> Option<(u32, &'a [u64])> {
        if self.event.is_empty() { None } else { Some((self.site, self.event)) }
    }
}

/// The part of a text that one record holds.
#[cold]
#[inline(never)]
fn cut(text: &[u8]) -> &[u8] {
    whole_characters(text.get(..MAX_PAYLOAD).unwrap_or_default())
}

/// Room for the payload of a record on the caller's stack. Not cleared first, since most records are much smaller.
pub(crate) struct Room([MaybeUninit<u64>; MAX_PAYLOAD / WORD]);

impl Room {
    /// Room without a payload.
    #[inline]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); MAX_PAYLOAD / WORD])
    }

    /// Encodes a record that is no event. `None` if the draft is larger than a record can be, which its constructors
    /// exclude.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as a call it is handed draft and record in memory; measured: docs/performance.md"
    )]
    pub fn encode<'r>(&'r mut self, draft: &Draft<'_>) -> Option<(FirstWords, &'r [u64])> {
        let payload_size = draft.head.as_flattened().len() + draft.body.len();
        // `div_ceil` would look at the remainder; no slice is long enough for this to wrap.
        let length = payload_size.wrapping_add(WORD - 1) / WORD;
        let room = self.0.get_mut(..length)?;
        let (head, body) = room.split_at_mut_checked(draft.head.len())?;
        put(head, draft.head);
        put_bytes(body, draft.body);
        // SAFETY: all of `head` and `body`, which are the first `length` words, were written: the parts of the draft are
        // as long as they. Same layout, and the borrow of `self` goes over.
        let payload = unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), length) };
        Some((FirstWords::new(draft.kind, draft.level, draft.flags, 0, length, payload_size), payload))
    }

    /// The place of an event's payload, to be filled from its start.
    #[inline]
    pub const fn places(&mut self) -> &mut [MaybeUninit<u64>; MAX_EVENT_WORDS] {
        &mut self.0
    }

    /// The first `length` words.
    ///
    /// # Safety
    /// They were written.
    #[inline]
    pub unsafe fn words(&self, length: usize) -> &[u64] {
        // SAFETY: written, as the caller promises, so there is room for them; same layout.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), length) }
    }
}

/// The first two words of a header, as far as the caller's data decide them. Scalars: a structure would lie in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstWords {
    pub first: u64,
    pub second: u64,
}

impl FirstWords {
    /// Of a record with `length` words and `payload_size` bytes of payload.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it becomes the words of the record")]
    const fn new(kind: Kind, level: Level, flags: u16, site: u32, length: usize, payload_size: usize) -> Self {
        let whole = (HEADER_SIZE as u64).wrapping_add((length as u64).wrapping_mul(WORD as u64));
        Self {
            first: first_word(whole, kind.0, level.0) | origin_bits(flags, 0),
            second: second_word(payload_size as u64, site),
        }
    }

    /// Of an event with `length` words of payload.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it becomes the words of the record")]
    pub const fn event(level: Level, flags: u16, site: u32, length: usize) -> Self {
        Self::new(Kind::Event, level, flags, site, length, length.wrapping_mul(WORD))
    }
}
