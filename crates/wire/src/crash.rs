//! The log in a crash dump: the blocks of secondary data that irqlog.sys hands out, and the anchor that leads to the
//! image in a dump of memory.
//!
//! A block of secondary data carries [`GUID`]. It has one of two forms:
//!
//! ```text
//! the image as it lies in memory                begins with image::MAGIC
//! PartHeader, bytes | PartHeader, bytes | ...   begins with PART_MAGIC: one part, or several that Windows joined
//! ```
//!
//! The bytes of all parts, each at its offset, are a **stream** of `total` bytes, whose [`StreamForm`] the parts name: the
//! image again, with the pieces of processors that were added later behind it; or, if the dump has no room for all of
//! it, a row of chunks:
//!
//! ```text
//! Header: ImageHeader | Processor: ... | Lane: ... Records: ... | Lane: ... | Sites: ... | Sites: ...
//! ```
//!
//! A reader puts an image together from the chunks. A chunk that it does not know is skipped by its length.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::{open_enum, record::WORD};

/// The GUID of irqlog's secondary data, b3a5e1d0-6c6f-4967-8a72-715f64756d70: `Data1`, `Data2`, `Data3` and `Data4`.
pub const GUID: (u32, u16, u16, [u8; 8]) =
    (0xb3a5_e1d0, 0x6c6f, 0x4967, [0x8a, 0x72, 0x71, 0x5f, 0x64, 0x75, 0x6d, 0x70]);

/// The same GUID as it lies in a dump.
pub const GUID_BYTES: [u8; 16] =
    [0xd0, 0xe1, 0xa5, 0xb3, 0x6f, 0x6c, 0x67, 0x49, 0x8a, 0x72, 0x71, 0x5f, 0x64, 0x75, 0x6d, 0x70];

/// First eight bytes of a part.
pub const PART_MAGIC: [u8; 8] = *b"IRQPART\n";

/// First eight bytes of the anchor.
pub const ANCHOR_MAGIC: [u8; 8] = *b"IRQANCHR";

/// Name under which irqlog.sys exports its [`Anchor`].
pub const ANCHOR_NAME: &str = "IrqlogAnchor";

/// [`ImageHeader::paused`](crate::image::ImageHeader::paused) after a bug-check callback has paused writing.
pub const PAUSED_BY_CRASH: u64 = 2;

open_enum! {
    /// What the stream of a row of parts consists of.
    StreamForm: u32 {
        /// The image, whole, and behind it the pieces of processors that were added later.
        Whole = 1 "whole",
        /// Chunks: the newest records, and what is needed to read them.
        Cut = 2 "cut",
    }
}

/// The frame in front of each part: it says where the part belongs, whoever joins or splits the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PartHeader {
    /// [`PART_MAGIC`].
    pub magic: [u8; 8],
    /// `major` of [`crate::VERSION`].
    pub major: U16,
    /// `minor` of [`crate::VERSION`].
    pub minor: U16,
    /// Size of this structure in bytes.
    pub header_size: U32,
    /// [`start_id`](crate::image::ImageHeader::start_id) of the image: parts of other starts belong to other streams.
    pub start_id: U64,
    /// Number of this part, from 0 on.
    pub index: U32,
    /// Number of parts that the driver planned.
    pub count: U32,
    /// Offset of this part's bytes in the stream.
    pub offset: U64,
    /// Bytes of the stream in this part, a multiple of eight.
    pub length: U32,
    /// A [`StreamForm`].
    pub form: U32,
    /// Bytes of the whole stream.
    pub total: U64,
    /// Number of records that were in the lanes and are left out of the stream.
    pub records_left_out: U64,
    /// Number of records in the stream.
    pub records: U64,
    /// Bytes that Windows allowed for all parts (`MaximumAllowed`).
    pub allowed: U64,
    /// For each processor this number of its last records is in the stream, however old they are.
    pub kept: U32,
    /// Zero.
    pub reserved: U32,
}

/// Start of a chunk of a [`StreamForm::Cut`] stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ChunkHeader {
    /// A [`ChunkKind`].
    pub kind: U32,
    /// Index of the processor or lane, or the first word in the site table.
    pub index: U32,
    /// Bytes behind this header, a multiple of eight.
    pub length: U64,
}

open_enum! {
    /// The content of a chunk.
    ChunkKind: u32 {
        /// The image header.
        Header = 1 "header",
        /// The used words of a processor control: nesting count and drops.
        Processor = 2 "processor",
        /// A [`LaneSummary`].
        Lane = 3 "lane",
        /// Records of a lane, in the order of their seqs.
        Records = 4 "records",
        /// Bytes of the site table.
        Sites = 5 "sites",
    }
}

/// The words of a lane control that mean something without the lane's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LaneSummary {
    /// A [`LaneKind`](crate::image::LaneKind).
    pub kind: U32,
    /// As in [`LaneControl`](crate::image::LaneControl), like the fields that follow.
    pub processor: U32,
    /// Seq of the first record ever written.
    pub first_seq: U64,
    /// Records with a seq below this were cleared.
    pub floor: U64,
    /// Seq that the next record would have got.
    pub next_seq: U64,
    /// Number of writers that found the lock taken.
    pub contended: U64,
    /// Longest wait for the lock, in ticks.
    pub longest_wait: U64,
    /// Longest hold of the lock, in ticks, of the sampled records.
    pub longest_hold: U64,
    /// Number of records for which the hold was measured.
    pub hold_samples: U64,
}

/// What irqlog.sys exports under [`ANCHOR_NAME`]: it leads to the image without symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Anchor {
    /// [`ANCHOR_MAGIC`].
    pub magic: [u8; 8],
    /// `major` in the low half, `minor` behind it, size of this structure in the high half.
    pub version: U64,
    /// Virtual address of the image; 0 while irqlog.sys has none.
    pub image: U64,
    /// Bytes of the image without the pieces.
    pub image_size: U64,
    /// Virtual address of a table of addresses, one for each processor that can be added; 0 in it where none was.
    pub pieces: U64,
    /// Number of entries in that table.
    pub piece_count: U64,
    /// Bytes of a piece.
    pub piece_size: U64,
}

/// Word indexes into [`Anchor`].
pub mod anchor_word {
    /// Word of [`Anchor::image`](super::Anchor::image); the words that follow are in the order of the fields.
    pub const IMAGE: usize = 2;
    /// Words of the whole structure.
    pub const COUNT: usize = 7;
}

impl Anchor {
    /// The value of [`Anchor::version`] that this crate writes.
    pub const VERSION: u64 =
        crate::VERSION.major as u64 | (crate::VERSION.minor as u64) << 16 | (size_of::<Self>() as u64) << 32;
}

/// Words of [`PartHeader`].
pub const PART_HEADER_WORDS: usize = size_of::<PartHeader>() / WORD;
/// Words of [`ChunkHeader`].
pub const CHUNK_HEADER_WORDS: usize = size_of::<ChunkHeader>() / WORD;

const _: () = {
    assert!(size_of::<PartHeader>() == 88);
    assert!(size_of::<ChunkHeader>() == 16);
    assert!(size_of::<LaneSummary>() == 64);
    assert!(size_of::<Anchor>() == anchor_word::COUNT * WORD);
    assert!(core::mem::offset_of!(Anchor, image) == anchor_word::IMAGE * WORD);
};
