//! The ring image: the bytes of the log in non-paged memory, in a saved file and, as secondary data, in a crash dump.
//!
//! ```text
//! ImageHeader                      describes the rest
//! ProcessorControl[processors]     nesting count and drops, one a processor
//! LaneControl[lanes]               geometry, head, tail, floor, one a lane
//! data of lane 0, data of lane 1, ...
//! site table                       see `site`
//! ```
//!
//! Everything is an array of aligned 64-bit words. The driver reads and writes them atomically through the word indexes
//! in [`header_word`], [`processor_word`] and [`lane_word`]. A reader that has a copy, which no longer changes, uses
//! the structures.
//!
//! Positions count words since the lane was made and never wrap in practice (2^64 words); the word at position `p` lies
//! at index `p mod data_words` of the lane's data, and `data_words` is a power of two. All arithmetic on positions and
//! sequence numbers is wrapping, so that tests can start them just below the largest value.

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::{open_enum, record::WORD};

/// First eight bytes of an image. As in PNG, the line end shows whether a transfer in text mode changed the file.
pub const MAGIC: [u8; 8] = *b"IRQLOG\r\n";

/// Number of drop counters: one for each [`DropReason`], and room for reasons of later versions.
pub const DROP_REASONS: usize = 8;

/// Start of an image: geometry, settings and counters of the whole log.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ImageHeader {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// `major` of [`crate::VERSION`].
    pub major: U16,
    /// `minor` of [`crate::VERSION`].
    pub minor: U16,
    /// Size of this structure in bytes.
    pub header_size: U32,
    /// Size of the whole image in bytes, with the lanes of processors that were added later.
    pub total_size: U64,
    /// Offset of the first [`ProcessorControl`], in bytes.
    pub processors_offset: U32,
    /// Size of a [`ProcessorControl`], in bytes.
    pub processor_size: U32,
    /// Number of processor controls: the largest number of processors that the machine can have.
    pub processor_count: U32,
    /// Processors that were active when the driver started.
    pub active_processors: U32,
    /// Offset of the first [`LaneControl`], in bytes.
    pub lanes_offset: U32,
    /// Size of a [`LaneControl`], in bytes.
    pub lane_size: U32,
    /// Number of lane controls.
    pub lane_count: U32,
    /// The [`Engine`] of this start of the driver.
    pub engine: U32,
    /// The [`Lock`] of the shared lane.
    pub lock: U32,
    /// PE machine type of the driver that wrote the image.
    pub machine: U32,
    /// Ticks per second.
    pub tick_frequency: U64,
    /// Tick at the start of the driver.
    pub tick_base: U64,
    /// System time (UTC, 100 ns since 1601) at `tick_base`.
    pub time_base: U64,
    /// Identity of this start of the driver: two images with the same value are of one run.
    pub start_id: U64,
    /// Version of the driver: major, minor, patch, zero.
    pub driver_version: [U16; 4],
    /// See [`build_flags`].
    pub build_flags: U32,
    /// Zero.
    pub reserved0: U32,
    /// Offset of the site table (see [`site`](crate::site)); zero if there is none.
    pub sites_offset: U64,
    /// Bytes of the site table that are used, or were. Only grows.
    pub sites_size: U64,
    /// Records less important than this [`Level`](crate::record::Level) are not written.
    pub level: U64,
    /// The [`Policy`] of the lanes.
    pub policy: U64,
    /// Not zero while writing is paused; see also [`PAUSED_BY_CRASH`](crate::crash::PAUSED_BY_CRASH).
    pub paused: U64,
    /// Number of log calls that irqlog.sys made itself, written or dropped.
    pub own_calls: U64,
    /// Number of the last blob.
    pub blobs: U64,
    /// Number of drops on processors that have no [`ProcessorControl`], by [`DropReason`].
    pub drops: [U64; DROP_REASONS],
    /// Number of refused registrations: no room in the site table, or malformed sites. Since 1.1.
    pub refused_providers: U64,
    /// Not zero once a bug-check callback of irqlog.sys has run; then the fields up to `crash_tick` say more. Since 1.2.
    pub crashed: U64,
    /// Code of the bug check.
    pub crash_code: U64,
    /// Its four parameters.
    pub crash_parameters: [U64; 4],
    /// Index of the processor on which the callback ran: the one that crashed.
    pub crash_processor: U64,
    /// Tick of the first callback.
    pub crash_tick: U64,
    /// Number of times that entries of the site table gave their room to another one; with `sites_size` it tells whether a
    /// copy of the table is still like the table. Since 1.2.
    pub sites_replaced: U64,
    /// Offset of the table of checksums at the end of a saved file: the number of bytes they cover; zero if there is
    /// none. Since 1.3.
    pub checksums_offset: U64,
    /// Bytes of the blocks that a checksum covers.
    pub checksum_block: U64,
    /// Zero.
    pub reserved1: [U64; 23],
}

/// Bits of [`ImageHeader::build_flags`].
pub mod build_flags {
    /// Built with the cargo feature `checked`.
    pub const CHECKED: u32 = 1;
    /// Pointer arguments are stored raw, not hashed: since the start, or since CONFIGURE said so. It only rises.
    pub const RAW_POINTERS: u32 = 1 << 1;
    /// Records have no ids of thread and process: the service parameter `Ids` is 0. Since 1.4.
    pub const NO_IDS: u32 = 1 << 3;
    /// The image is not the driver's memory but a copy that a reader made.
    pub const SAVED: u32 = 1 << 2;
}

/// The words that belong to one processor: its nesting count and its drop counters.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ProcessorControl {
    /// Log calls that are between raise and lower on this processor: 0, 1, or more when an NMI interrupted one. With engine
    /// `percpu`, since 1.4, the count is in the [`LaneControl`] of the processor's main lane, and this is zero.
    pub nesting: U64,
    /// Number of records that were not written, by [`DropReason`].
    pub drops: [U64; DROP_REASONS],
    /// Zero; fills the two cache lines that an adjacent-line prefetcher pairs.
    pub reserved: [U64; 7],
}

/// Number of segments that a lane is divided into: see `irqlog_ring::lane`.
pub const SEGMENTS: usize = 32;

/// The words that belong to one lane besides its data: geometry, positions and statistics.
///
/// What a writer stores for every record lies on 128 bytes of its own, two cache lines that a prefetcher may pair. A
/// reader looks there once for a batch.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LaneControl {
    /// A [`LaneKind`]: whose records the lane holds.
    pub kind: U32,
    /// Index of the processor that the lane belongs to; zero for a shared lane.
    pub processor: U32,
    /// Offset of the data from the start of the image, in bytes.
    pub data_offset: U64,
    /// Words of data, a power of two; zero for a lane that is not there.
    pub data_words: U64,
    /// Seq of the first record ever written.
    pub first_seq: U64,
    /// Position at which the lane started.
    pub first_position: U64,
    /// Records with a seq below this were cleared. Only rises.
    pub floor: U64,
    /// Position of the oldest record. The writer stores it when it enters another segment of the lane.
    pub tail: U64,
    /// Zero.
    pub reserved0: U64,
    /// Number of writers that found the lock taken.
    pub contended: U64,
    /// Longest time that one of those writers waited for the lock, in ticks.
    pub longest_wait: U64,
    /// Longest time the lock was held, in ticks, of the sampled records.
    pub longest_hold: U64,
    /// Number of records for which the time that the lock was held was measured.
    pub hold_samples: U64,
    /// Zero.
    pub reserved1: [U64; 4],
    /// Position behind the newest record.
    pub head: U64,
    /// Seq that the next record gets.
    pub next_seq: U64,
    /// Of the main lane of a processor: its [nesting count](ProcessorControl::nesting), which is here with engine
    /// `percpu`, beside what the same log call stores.
    pub nesting: U64,
    /// Zero.
    pub reserved2: [U64; 13],
    /// For each segment of the lane the position of the first record that begins in it or behind it. For the writer alone.
    pub marks: [U64; SEGMENTS],
}

/// A [`LaneControl`] as it was before version 1.4.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LaneControlBefore4 {
    /// As in [`LaneControl`].
    pub kind: U32,
    /// As in [`LaneControl`].
    pub processor: U32,
    /// As in [`LaneControl`].
    pub data_offset: U64,
    /// As in [`LaneControl`].
    pub data_words: U64,
    /// As in [`LaneControl`].
    pub first_seq: U64,
    /// As in [`LaneControl`].
    pub first_position: U64,
    /// As in [`LaneControl`].
    pub floor: U64,
    /// Zero.
    pub reserved0: [U64; 10],
    /// As in [`LaneControl`].
    pub head: U64,
    /// As in [`LaneControl`].
    pub tail: U64,
    /// As in [`LaneControl`].
    pub next_seq: U64,
    /// As in [`LaneControl`].
    pub contended: U64,
    /// As in [`LaneControl`].
    pub longest_wait: U64,
    /// As in [`LaneControl`].
    pub longest_hold: U64,
    /// As in [`LaneControl`].
    pub hold_samples: U64,
    /// Zero.
    pub reserved1: [U64; 9],
}

impl LaneControl {
    /// Reads an entry of a table of lanes. The size of the entry tells the layout: before version 1.4 it was 256 bytes.
    /// `None` if the bytes are fewer than that.
    #[must_use]
    pub fn of_entry(entry: &[u8]) -> Option<Self> {
        if let Ok((control, _)) = Self::read_from_prefix(entry) {
            return Some(control);
        }
        let (old, _) = LaneControlBefore4::read_from_prefix(entry).ok()?;
        Some(Self {
            kind: old.kind,
            processor: old.processor,
            data_offset: old.data_offset,
            data_words: old.data_words,
            first_seq: old.first_seq,
            first_position: old.first_position,
            floor: old.floor,
            head: old.head,
            tail: old.tail,
            next_seq: old.next_seq,
            contended: old.contended,
            longest_wait: old.longest_wait,
            longest_hold: old.longest_hold,
            hold_samples: old.hold_samples,
            ..Self::new_zeroed()
        })
    }
}

const _: () = {
    assert!(size_of::<ImageHeader>() == 512);
    assert!(size_of::<ProcessorControl>() == 128);
    assert!(size_of::<LaneControl>() == 512);
    assert!(size_of::<LaneControlBefore4>() == 256);
    // Apart by lines: what readers look at for every record, the statistics, what the writer stores for every record, and
    // what it stores for every segment.
    assert!(core::mem::offset_of!(LaneControl, contended) == 64);
    assert!(core::mem::offset_of!(LaneControl, head) == 128);
    assert!(core::mem::offset_of!(LaneControl, marks) == 256);
};

/// Defines, for each field, the index of the 64-bit word at which the field starts.
macro_rules! word_indexes {
    ($(#[$meta:meta])* $module:ident of $structure:ident { $($name:ident = $field:ident,)+ }) => {
        $(#[$meta])*
        pub mod $module {
            use super::{$structure, WORD};
            $(
                #[doc = concat!("Word of [`", stringify!($structure), "::", stringify!($field), "`].")]
                pub const $name: usize = core::mem::offset_of!($structure, $field) / WORD;
                const _: () = assert!(core::mem::offset_of!($structure, $field).is_multiple_of(WORD));
            )+
            /// Words of the whole structure.
            pub const COUNT: usize = size_of::<$structure>() / WORD;
        }
    };
}

word_indexes! {
    /// Word indexes into [`ImageHeader`] of the fields that change while the driver runs.
    header_word of ImageHeader {
        TOTAL_SIZE = total_size, SITES_OFFSET = sites_offset, SITES_SIZE = sites_size, LEVEL = level, POLICY = policy, PAUSED = paused,
        OWN_CALLS = own_calls, BLOBS = blobs, DROPS = drops, REFUSED_PROVIDERS = refused_providers,
        CRASHED = crashed, CRASH_CODE = crash_code, CRASH_PARAMETERS = crash_parameters, CRASH_PROCESSOR = crash_processor,
        CRASH_TICK = crash_tick, BUILD_FLAGS = build_flags,
        SITES_REPLACED = sites_replaced,
    }
}
word_indexes! {
    /// Word indexes into [`ProcessorControl`].
    processor_word of ProcessorControl { NESTING = nesting, DROPS = drops, }
}
word_indexes! {
    /// Word indexes into [`LaneControl`].
    lane_word of LaneControl {
        DATA_OFFSET = data_offset, DATA_WORDS = data_words, FIRST_SEQ = first_seq, FIRST_POSITION = first_position, FLOOR = floor,
        HEAD = head, TAIL = tail, NEXT_SEQ = next_seq, NESTING = nesting,
        CONTENDED = contended, LONGEST_WAIT = longest_wait, LONGEST_HOLD = longest_hold, HOLD_SAMPLES = hold_samples,
        MARKS = marks,
    }
}

open_enum! {
    /// How a main lane gets a single writer at a time.
    Engine: u32 {
        /// One lane, and a spin lock at HIGH_LEVEL.
        Shared = 1 "shared",
        /// A lane for each processor, and no lock.
        PerCpu = 2 "percpu",
    }
}

open_enum! {
    /// The lock of a shared lane.
    Lock: u32 {
        /// None: the engine needs none.
        None = 0 "none",
        /// `KeAcquireSpinLockAtDpcLevel`.
        Kernel = 1 "kernel",
        /// `KeAcquireInStackQueuedSpinLockAtDpcLevel`.
        OsQueued = 2 "os-queued",
        /// irqlog's own: test-and-test-and-set by exchanging the whole word.
        Swap = 3 "swap",
        /// irqlog's own: an in-stack queue lock, fair.
        Queued = 4 "queued",
    }
}

impl Engine {
    /// The names that the service parameter takes.
    pub const CHOICES: [&str; 2] = ["shared", "percpu"];
}

impl Lock {
    /// The names that the service parameter takes.
    pub const CHOICES: [&str; 4] = ["kernel", "os-queued", "swap", "queued"];
}

open_enum! {
    /// What happens when a lane is full.
    Policy: u32 {
        /// The newest records replace the oldest.
        Overwrite = 0 "overwrite",
        /// New records are refused until CLEAR.
        Keep = 1 "keep",
    }
}

open_enum! {
    /// Whose records a lane holds.
    LaneKind: u32 {
        /// The records of all processors, written under the lock.
        Shared = 1 "shared",
        /// The records of one processor.
        Processor = 2 "processor",
        /// The records of calls that found their processor already writing, or could not have the lock and must not
        /// wait.
        Nmi = 3 "nmi",
    }
}

open_enum! {
    /// Why a record was not written. The value is the index of its counter.
    DropReason: u32 {
        /// The data is larger than a record, or than a blob, can be.
        TooLarge = 0 "too-large",
        /// The call interrupted a write of the NMI lane on the same processor.
        Reentered = 1 "re-entered",
        /// The lane was full and its policy is `keep`.
        Refused = 2 "refused",
        /// Writing was paused.
        Paused = 3 "paused",
        /// The processor has no lane.
        NoLane = 4 "no-lane",
        /// The lock was not free within `LockBudget`.
        Budget = 5 "budget",
    }
}
