//! A record as it is encoded on the caller's stack, before the IRQL is raised.
//!
//! Arguments are read here and nowhere later, so they may be pageable if the caller is at `APC_LEVEL` or below.

use irqlog_wire::{
    image::DropReason,
    record::{
        BlobHeader, HEADER_SIZE, HEADER_WORDS, Kind, Level, MAX_BLOB_PIECE, MAX_PAYLOAD, MAX_WORDS, RecordHeader, WORD,
        flags,
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
pub(crate) struct Encoded {
    words: [u64; MAX_WORDS],
    length: usize,
}

/// The processor lies in the lowest bits of word 1.
const WORD_PROCESSOR: usize = core::mem::offset_of!(RecordHeader, processor) / WORD;
const _: () = assert!(core::mem::offset_of!(RecordHeader, processor) == WORD_PROCESSOR * WORD);

impl Encoded {
    /// Encodes; `None` if the draft is larger than a record can be, which its constructors exclude.
    #[inline]
    pub fn new(draft: &Draft<'_>, origin: Origin) -> Option<Self> {
        let payload = draft.head.len() + draft.body.len();
        let size = irqlog_wire::record::size_for_payload(payload)?;
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
        let mut encoded = Self { words: [0; MAX_WORDS], length: size / WORD };
        let bytes = encoded.words.as_mut_bytes();
        let mut at = 0;
        for part in [header.as_bytes(), draft.head, draft.body] {
            bytes.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        debug_assert!(at >= HEADER_SIZE, "the header is always there");
        Some(encoded)
    }

    /// Says which processor writes.
    #[inline]
    pub fn set_processor(&mut self, processor: u32) {
        self.words[WORD_PROCESSOR] = (self.words[WORD_PROCESSOR] & !0xffff) | u64::from(processor & 0xffff);
    }

    /// The words to store.
    #[inline]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.length.max(HEADER_WORDS)).unwrap_or(&self.words)
    }
}
