//! A record as it is encoded on the caller's stack, before the IRQL is raised.
//!
//! Arguments are read here and nowhere later, so they may be pageable if the caller is at `APC_LEVEL` or below.

use core::mem::MaybeUninit;

use irqlog_wire::{
    image::DropReason,
    record::{
        BlobHeader, HEADER_SIZE, Kind, Level, MAX_BLOB_PIECE, MAX_PAYLOAD, MAX_WORDS, RecordHeader, WORD, flags,
        size_for_payload,
    },
};
use zerocopy::IntoBytes;

/// What a caller wants to write. The parts of the payload follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    kind: Kind,
    level: Level,
    flags: u16,
    head: &'a [u8],
    body: &'a [u8],
}

impl<'a> Draft<'a> {
    /// A text record. More than one record holds is cut at a character boundary and flagged.
    pub fn text(level: Level, text: &'a [u8]) -> Self {
        let mut draft = Self { kind: Kind::Text, level, flags: 0, head: &[], body: text };
        if let Some(cut) = text.get(..MAX_PAYLOAD)
            && text.len() > MAX_PAYLOAD
        {
            draft.body = whole_characters(cut);
            draft.flags |= flags::TRUNCATED;
        }
        draft
    }

    /// One piece of a blob.
    ///
    /// # Errors
    /// [`DropReason::TooLarge`] if the piece is larger than [`MAX_BLOB_PIECE`].
    pub fn blob_piece(level: Level, header: &'a BlobHeader, piece: &'a [u8]) -> Result<Self, DropReason> {
        if piece.len() > MAX_BLOB_PIECE {
            return Err(DropReason::TooLarge);
        }
        Ok(Self { kind: Kind::Blob, level, flags: 0, head: header.as_bytes(), body: piece })
    }

    /// The same with more [`flags`].
    #[must_use]
    pub const fn with_flags(mut self, more: u16) -> Self {
        self.flags |= more;
        self
    }

    /// Its level.
    pub const fn level(&self) -> Level {
        self.level
    }
}

/// Drops the bytes of a character that was cut at the end of UTF-8 text; at most three.
fn whole_characters(text: &[u8]) -> &[u8] {
    let is_start = |byte: &u8| *byte & 0xc0 != 0x80;
    match text.iter().rev().take(4).position(is_start) {
        Some(back) => {
            let start = text.len().saturating_sub(back + 1);
            let length = match text.get(start) {
                Some(0xc0..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xff) => 4,
                _ => 1,
            };
            if length == back + 1 { text } else { text.get(..start).unwrap_or(text) }
        }
        None => text,
    }
}

/// Who writes, as far as it is known before the raise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub irql: u8,
    pub thread: u32,
    pub process: u32,
    pub flags: u16,
}

/// A whole record in words, ready to be stored; the processor, seq and tick are filled in later.
///
/// It lies on the caller's stack, once: filled in place, and not cleared first, since most records are much smaller.
pub(crate) struct Encoded {
    words: [MaybeUninit<u64>; MAX_WORDS],
    /// Words that are initialised.
    length: usize,
}

/// The processor lies in the lowest bits of word 1.
const WORD_PROCESSOR: usize = core::mem::offset_of!(RecordHeader, processor) / WORD;
const _: () = assert!(core::mem::offset_of!(RecordHeader, processor) == WORD_PROCESSOR * WORD);

impl Encoded {
    /// Nothing yet.
    #[inline]
    pub const fn new() -> Self {
        Self { words: [MaybeUninit::uninit(); MAX_WORDS], length: 0 }
    }

    /// Encodes; false if the draft is larger than a record can be, which its constructors exclude.
    #[inline]
    pub fn fill(&mut self, draft: &Draft<'_>, origin: Origin) -> bool {
        let payload = draft.head.len() + draft.body.len();
        let Some(size) = size_for_payload(payload) else { return false };
        let header = RecordHeader {
            size: (size as u16).into(),
            kind: draft.kind.0,
            level: draft.level.0,
            flags: (draft.flags | origin.flags).into(),
            irql: origin.irql,
            reserved: 0,
            processor: 0.into(),
            payload_size: (payload as u16).into(),
            site: 0.into(),
            seq: 0.into(),
            tick: 0.into(),
            thread: origin.thread.into(),
            process: origin.process.into(),
        };
        let length = size / WORD;
        let Some(last) = self.words.get_mut(length.wrapping_sub(1)) else { return false };
        // The padding is at most seven bytes at the end of the last word.
        last.write(0);
        // The header's size is known here, so its copy is a few stores; most records have no head; one call is left.
        let header = header.as_bytes();
        // SAFETY: the parts are `HEADER_SIZE + payload` bytes together, which is at most `size`, which is at most
        // MAX_SIZE, the size of `words`; source and target are different objects. That goes for all copies here.
        unsafe { core::ptr::copy_nonoverlapping(header.as_ptr(), self.words.as_mut_ptr().cast::<u8>(), HEADER_SIZE) };
        // SAFETY: as above.
        let mut target = unsafe { self.words.as_mut_ptr().cast::<u8>().add(HEADER_SIZE) };
        if !draft.head.is_empty() {
            // SAFETY: as above.
            unsafe { core::ptr::copy_nonoverlapping(draft.head.as_ptr(), target, draft.head.len()) };
            // SAFETY: as above.
            target = unsafe { target.add(draft.head.len()) };
        }
        // SAFETY: as above.
        unsafe { core::ptr::copy_nonoverlapping(draft.body.as_ptr(), target, draft.body.len()) };
        self.length = length;
        true
    }

    /// Says which processor writes.
    #[inline]
    pub fn set_processor(&mut self, processor: u32) {
        if self.length > WORD_PROCESSOR {
            let word = &mut self.words[WORD_PROCESSOR];
            // SAFETY: the first `length` words were filled, header first.
            let value = unsafe { word.assume_init() };
            word.write((value & !0xffff) | u64::from(processor & 0xffff));
        }
    }

    /// The words to store; seq and tick are put into them when it is known.
    #[inline]
    pub fn words(&mut self) -> &mut [u64] {
        let filled = self.words.get_mut(..self.length).unwrap_or_default();
        // SAFETY: `fill` has initialised that many: all parts, and the padding of the last word. Same layout, and the
        // borrow of `self` goes over to the result.
        unsafe { core::slice::from_raw_parts_mut(filled.as_mut_ptr().cast(), filled.len()) }
    }
}
