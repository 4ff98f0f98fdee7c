//! One record: a fixed header, then the payload, padded with zeros to a multiple of eight bytes.
//!
//! The same bytes lie in a ring, in the answer to READ and in a file. `size` counts everything, so records follow each
//! other without a gap, and a reader can skip a kind that it does not know.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::open_enum;

/// The unit in which a ring is written: one aligned 64-bit word.
pub const WORD: usize = 8;
/// The largest record in bytes, header included.
pub const MAX_SIZE: usize = 1024;
/// The largest record in words.
pub const MAX_WORDS: usize = MAX_SIZE / WORD;
/// Size of [`RecordHeader`] in bytes.
pub const HEADER_SIZE: usize = size_of::<RecordHeader>();
/// Size of [`RecordHeader`] in words.
pub const HEADER_WORDS: usize = HEADER_SIZE / WORD;
/// The largest payload of one record, in bytes.
pub const MAX_PAYLOAD: usize = MAX_SIZE - HEADER_SIZE;
/// The largest part of a blob that one record holds, in bytes.
pub const MAX_BLOB_PIECE: usize = MAX_PAYLOAD - size_of::<BlobHeader>();
/// The largest blob in bytes, over all its pieces; each piece is a record of its own.
pub const MAX_BLOB: usize = 64 * 1024;

/// Index of the word that holds `size`, `kind`, `level`, `flags` and `irql`.
pub const WORD_SIZE: usize = 0;
/// Index of the word that holds `seq`.
pub const WORD_SEQ: usize = 2;
/// Index of the word that holds `tick`.
pub const WORD_TICK: usize = 3;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RecordHeader {
    /// Bytes of the whole record: header, payload and padding; a multiple of [`WORD`].
    pub size: U16,
    /// A [`Kind`], which says how to read the payload.
    pub kind: u8,
    /// A [`Level`]: how important the record is.
    pub level: u8,
    /// See [`flags`].
    pub flags: U16,
    /// IRQL of the caller before the write raised it.
    pub irql: u8,
    /// Zero.
    pub reserved: u8,
    /// System-wide index of the processor that wrote.
    pub processor: U16,
    /// Bytes of the payload without padding.
    pub payload_size: U16,
    /// Site id of an event; zero for text and blobs.
    pub site: U32,
    /// Number of the record in its lane: consecutive, without a gap.
    pub seq: U64,
    /// Time of the write, in the units of the image's tick frequency.
    pub tick: U64,
    /// Id of the thread that wrote, or 0 with [`flags::NO_THREAD`].
    pub thread: U32,
    /// Id of its process, or 0 with [`flags::NO_THREAD`].
    pub process: U32,
}

const _: () = {
    assert!(size_of::<RecordHeader>() == 40);
    assert!(core::mem::offset_of!(RecordHeader, seq) == WORD_SEQ * WORD);
    assert!(core::mem::offset_of!(RecordHeader, tick) == WORD_TICK * WORD);
    assert!(core::mem::offset_of!(RecordHeader, thread) == 32);
    assert!(core::mem::offset_of!(RecordHeader, processor) == WORD_PROCESSOR * WORD);
    assert!(MAX_SIZE.is_multiple_of(WORD) && MAX_SIZE <= u16::MAX as usize);
};

/// Index of the word that holds `processor`, in its lowest bits: the writer learns the processor last.
pub const WORD_PROCESSOR: usize = 1;

impl RecordHeader {
    /// The header's bytes as words, put together by shifting. A writer that stored the header field by field and read
    /// it back word by word would wait for its own stores: a processor cannot forward several narrow stores to one wide
    /// load.
    #[inline]
    #[must_use]
    pub const fn to_words(&self) -> [u64; HEADER_WORDS] {
        [
            first_word(self.size.get() as u64, self.kind, self.level)
                | origin_bits(self.flags.get(), self.irql)
                | (self.reserved as u64) << 56,
            second_word(self.payload_size.get() as u64, self.site.get()) | processor_bits(self.processor.get() as u32),
            self.seq.get(),
            self.tick.get(),
            last_word(self.thread.get(), self.process.get()),
        ]
    }
}

/// The word with `size`, `kind` and `level`; [`origin_bits`] has the rest of it. The size is in bytes, at most
/// [`MAX_SIZE`].
#[inline]
#[must_use]
pub const fn first_word(size: u64, kind: u8, level: u8) -> u64 {
    // Sums, of which the compiler makes one address computation; no field reaches into another.
    size.wrapping_add((kind as u64) << 16).wrapping_add((level as u64) << 24)
}

/// The bits of the first word that hold `flags` and `irql`.
#[inline]
#[must_use]
pub const fn origin_bits(flags: u16, irql: u8) -> u64 {
    (flags as u64) << 32 | (irql as u64) << 48
}

/// The word with `payload_size` and `site`; [`processor_bits`] has the rest of it. The size is in bytes, at most
/// [`MAX_PAYLOAD`].
#[inline]
#[must_use]
pub const fn second_word(payload_size: u64, site: u32) -> u64 {
    (payload_size << 16).wrapping_add((site as u64) << 32)
}

/// The bits of the second word that hold `processor`.
#[inline]
#[must_use]
pub const fn processor_bits(processor: u32) -> u64 {
    processor as u64 & 0xffff
}

/// The last word of a header, with the ids.
#[inline]
#[must_use]
pub const fn last_word(thread: u32, process: u32) -> u64 {
    thread as u64 | (process as u64) << 32
}

/// The size in bytes that the first word of a record claims. The word is read with one atomic load, so the value is
/// whole even while the record is being overwritten.
#[must_use]
pub const fn size_of_first_word(word: u64) -> usize {
    (word & 0xffff) as usize
}

/// The size in bytes of a record with `payload` bytes of payload, or `None` if that exceeds [`MAX_SIZE`].
#[must_use]
pub const fn size_for_payload(payload: usize) -> Option<usize> {
    if payload > MAX_PAYLOAD { None } else { Some((HEADER_SIZE + payload).next_multiple_of(WORD)) }
}

open_enum! {
    /// The form of the payload.
    Kind: u8 {
        /// Raw arguments of a log call: see [`event`](crate::event).
        Event = 1 "event",
        /// UTF-8 text.
        Text = 2 "text",
        /// A [`BlobHeader`] and raw bytes.
        Blob = 3 "blob",
    }
}

open_enum! {
    /// How important a record is; lower is more important.
    Level: u8 {
        /// Something failed.
        Error = 1 "error",
        /// Something is wrong, and the driver dealt with it.
        Warn = 2 "warn",
        /// Something worth knowing happened.
        Info = 3 "info",
        /// Detail for a person who debugs the component.
        Debug = 4 "debug",
        /// Every step.
        Trace = 5 "trace",
    }
}

/// Bits of [`RecordHeader::flags`].
pub mod flags {
    /// Thread and process were not read. The caller was above `DISPATCH_LEVEL` (`PsGetCurrentThreadId` is annotated for
    /// at most that, ntddk.h), or the service parameter `Ids` is 0.
    pub const NO_THREAD: u16 = 1;
    /// The payload was cut to fit.
    pub const TRUNCATED: u16 = 1 << 1;
    /// The caller used the entry that never waits.
    pub const NEVER_WAITS: u16 = 1 << 2;
    /// irqlog.sys itself wrote the record.
    pub const OWN: u16 = 1 << 3;
    /// A user-mode program wrote the record through MARK.
    pub const USER: u16 = 1 << 4;
    /// Pointer arguments were replaced by keyed hashes.
    pub const POINTERS_HASHED: u16 = 1 << 5;
    /// Pointer arguments are raw.
    pub const POINTERS_RAW: u16 = 1 << 6;
}

/// Start of the payload of a [`Kind::Blob`] record: which piece of which blob it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BlobHeader {
    /// The caller's own mark for the meaning of the bytes.
    pub tag: U32,
    /// Number of the blob since the driver started: pieces with the same number belong together.
    pub blob: U32,
    /// Bytes of the whole blob.
    pub total: U32,
    /// Offset of this piece in the blob, in bytes.
    pub offset: U32,
}

const _: () = assert!(size_of::<BlobHeader>() == 16);
