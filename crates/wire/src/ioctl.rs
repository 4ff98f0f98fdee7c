//! Control codes of the control device, and the structures of their inputs and outputs.
//!
//! Code = device type, access, function and method, as `CTL_CODE` builds it (DDI "Defining I/O Control Codes").

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

/// NT name of the control device.
pub const DEVICE_NAME: &str = r"\Device\irqlog";
/// Its symbolic link, for every session.
pub const LINK_NAME: &str = r"\DosDevices\Global\irqlog";
/// The path with which a Win32 program opens the device.
pub const WIN32_NAME: &str = r"\\.\Global\irqlog";
/// Security descriptor of the device: SYSTEM and Administrators have all access, nobody else any (protected DACL).
pub const SDDL: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)";
/// Name of the driver's service.
pub const SERVICE_NAME: &str = "irqlog";

const FILE_DEVICE_UNKNOWN: u32 = 0x22;
const METHOD_BUFFERED: u32 = 0;
const METHOD_OUT_DIRECT: u32 = 2;
const FILE_READ_DATA: u32 = 1;
const FILE_WRITE_DATA: u32 = 2;

const fn ctl_code(function: u32, method: u32, access: u32) -> u32 {
    (FILE_DEVICE_UNKNOWN << 16) | (access << 14) | (function << 2) | method
}

/// Start of the image out: header, then as much of the control tables as fits.
pub const INFO: u32 = ctl_code(0x800, METHOD_BUFFERED, FILE_READ_DATA);
/// [`ReadRequest`] in, [`BatchHeader`] and records out.
pub const READ: u32 = ctl_code(0x801, METHOD_OUT_DIRECT, FILE_READ_DATA);
/// [`WaitRequest`] in, [`WaitAnswer`] out when something was written since.
pub const WAIT: u32 = ctl_code(0x802, METHOD_BUFFERED, FILE_READ_DATA);
/// [`SitesRequest`] in, [`SitesHeader`] and bytes of the site table out.
pub const SITES: u32 = ctl_code(0x803, METHOD_OUT_DIRECT, FILE_READ_DATA);
/// [`ConfigureRequest`] in.
pub const CONFIGURE: u32 = ctl_code(0x804, METHOD_BUFFERED, FILE_WRITE_DATA);
/// Nothing in: clears every lane.
pub const CLEAR: u32 = ctl_code(0x805, METHOD_BUFFERED, FILE_WRITE_DATA);
/// [`MarkHeader`] and UTF-8 text in. Succeeds only if the text was written; else see [`mark_status`].
pub const MARK: u32 = ctl_code(0x806, METHOD_BUFFERED, FILE_WRITE_DATA);
/// [`SelftestAnswer`] out.
pub const SELFTEST: u32 = ctl_code(0x807, METHOD_BUFFERED, FILE_READ_DATA | FILE_WRITE_DATA);
/// [`ProviderLevelRequest`] in.
pub const PROVIDER_LEVEL: u32 = ctl_code(0x808, METHOD_BUFFERED, FILE_WRITE_DATA);
/// Internal and from kernel mode only: [`Interface`](crate::interface::Interface) out.
pub const CONNECT: u32 = ctl_code(0x880, METHOD_BUFFERED, 0);

/// The longest text that MARK takes, in bytes: the payload of one record.
pub const MAX_MARK: usize = crate::record::MAX_PAYLOAD;

/// Where a reader is in a lane, as the bytes of a request.
///
/// `position` is a hint that saves the driver the walk from the oldest record. The driver ignores a position at which
/// the record `seq` does not lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawCursor {
    /// Seq of the next record wanted.
    pub seq: U64,
    /// Position at which it lies, or any number.
    pub position: U64,
}

/// Input of [`READ`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ReadRequest {
    /// Index of the lane to read.
    pub lane: U32,
    /// See [`read_flags`].
    pub flags: U32,
    /// Where to start reading; ignored with [`read_flags::FROM_START`].
    pub cursor: RawCursor,
    /// The start of the driver that the cursor belongs to; ignored with [`read_flags::FROM_START`].
    pub start_id: U64,
}

/// Bits of [`ReadRequest::flags`].
pub mod read_flags {
    /// Begin with the first record that the lane ever had: records that are no longer there are reported as lost.
    pub const FROM_START: u32 = 1;
}

/// Start of the answer to [`READ`]; `records` bytes of records follow.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BatchHeader {
    /// `major` of [`crate::VERSION`].
    pub major: U16,
    /// `minor` of [`crate::VERSION`].
    pub minor: U16,
    /// Index of the lane.
    pub lane: U32,
    /// Bytes of records that follow.
    pub records: U32,
    /// Number of records that follow.
    pub count: U32,
    /// See [`batch_flags`].
    pub flags: U32,
    /// Records since the cursor that someone else has written into, so that they cannot be read: those with the seqs right
    /// before the batch's first record, or before `next` if it has none. Zero in answers of drivers that do not tell.
    pub damaged: U32,
    /// Identity of this start of the driver.
    pub start_id: U64,
    /// Tick before the driver looked at the lane. A record with a lower tick that is not in this batch, nor in the next
    /// one if it is read at once, is from a writer that stopped between stamp and publish.
    pub barrier: U64,
    /// Cursor for the next READ.
    pub next: RawCursor,
    /// Records that were overwritten since the cursor.
    pub lost: U64,
    /// Records that were cleared since the cursor.
    pub cleared: U64,
    /// Seq that the lane's next record gets.
    pub next_seq: U64,
    /// Seq of the lane's first record.
    pub first_seq: U64,
}

/// Bits of [`BatchHeader::flags`].
pub mod batch_flags {
    /// More records are there: the buffer was full, or the reader was overtaken.
    pub const MORE: u32 = 1;
}

/// Input of [`WAIT`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct WaitRequest {
    /// Number of records that the caller has seen: the sum over all lanes of `next_seq - first_seq` as last read.
    pub seen: U64,
}

/// Output of [`WAIT`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct WaitAnswer {
    /// Records written so far, over all lanes.
    pub written: U64,
}

/// Input of [`SITES`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SitesRequest {
    /// Offset in the site table of the first byte wanted, a multiple of eight.
    pub offset: U64,
}

/// Start of the answer to [`SITES`]; `bytes` bytes of the table follow.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SitesHeader {
    /// `major` of [`crate::VERSION`].
    pub major: U16,
    /// `minor` of [`crate::VERSION`].
    pub minor: U16,
    /// Bytes that follow.
    pub bytes: U32,
    /// Identity of this start of the driver.
    pub start_id: U64,
    /// Used bytes of the whole table.
    pub size: U64,
}

/// Input of [`PROVIDER_LEVEL`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ProviderLevelRequest {
    /// The start of the driver that the id belongs to.
    pub start_id: U64,
    /// Id of the first word of the provider's sites, which no other provider has: see [`site`](crate::site).
    pub first_site: U64,
    /// A [`Level`](crate::record::Level).
    pub level: U32,
    /// Zero.
    pub reserved: U32,
}

/// Input of [`CONFIGURE`]; one of the first three fields that equals [`KEEP`](Self::KEEP) leaves its setting unchanged.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ConfigureRequest {
    /// A [`Level`](crate::record::Level).
    pub level: U32,
    /// A [`Policy`](crate::image::Policy).
    pub policy: U32,
    /// 1 pauses writing, 0 resumes it.
    pub paused: U32,
    /// 1 lets pointers in events be written as they are from now on, until the driver stops; 0 changes nothing. Drivers
    /// before format 1.3 refuse a 1.
    pub raw_pointers: U32,
}

impl ConfigureRequest {
    /// Value of a field that leaves its setting unchanged.
    pub const KEEP: u32 = u32::MAX;

    /// A request that changes nothing.
    pub const fn nothing() -> Self {
        let keep = U32::new(Self::KEEP);
        Self { level: keep, policy: keep, paused: keep, raw_pointers: U32::ZERO }
    }
}

/// The NTSTATUS of a [`MARK`] whose text was not written, by the reason.
///
/// A Win32 caller sees the error code that the system makes of it (documented at "NTSTATUS Values", MS-ERREF); both are
/// named here, because a reader gets one or the other.
pub mod mark_status {
    /// Its level is not enabled: STATUS_REQUEST_NOT_ACCEPTED.
    pub const FILTERED: u32 = 0xc000_00d0;
    /// ERROR_REQ_NOT_ACCEP.
    pub const FILTERED_WIN32: u32 = 71;
    /// Writing is paused; counted as a drop: STATUS_INVALID_DEVICE_STATE.
    pub const PAUSED: u32 = 0xc000_0184;
    /// ERROR_BAD_COMMAND.
    pub const PAUSED_WIN32: u32 = 22;
    /// The lane is full and its policy is to keep what it has; counted as a drop: STATUS_LOG_FILE_FULL.
    pub const FULL: u32 = 0xc000_0188;
    /// ERROR_LOG_FILE_FULL.
    pub const FULL_WIN32: u32 = 1502;
    /// Dropped, and counted, for any other reason: STATUS_INSUFFICIENT_RESOURCES.
    pub const DROPPED: u32 = 0xc000_009a;
    /// ERROR_NO_SYSTEM_RESOURCES.
    pub const DROPPED_WIN32: u32 = 1450;
}

/// The NTSTATUS of a [`WAIT`] beyond the number that may be pended at once: STATUS_QUOTA_EXCEEDED.
pub const TOO_MANY_WAITS: u32 = 0xc000_0044;
/// The most [`WAIT`]s that may be pended through one handle.
pub const MAX_WAITS_OF_A_HANDLE: usize = 16;
/// The most [`WAIT`]s that may be pended at all, over all handles.
pub const MAX_WAITS: usize = 256;

/// Start of the input of [`MARK`]; the rest is the text.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MarkHeader {
    /// A [`Level`](crate::record::Level).
    pub level: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Contexts from which SELFTEST logs, in the order of [`SelftestAnswer::contexts`].
pub const SELFTEST_CONTEXTS: [&str; 6] = ["thread", "apc", "dpc", "dirql", "ipi", "high"];

/// Counts of the log calls that SELFTEST made in one context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SelftestContext {
    /// Log calls made.
    pub called: U32,
    /// Number of those calls that wrote a record.
    pub written: U32,
    /// Number of those calls that were dropped.
    pub dropped: U32,
    /// Number of the written records that a later read found in the ring, with the right IRQL and processor.
    pub found: U32,
}

/// Output of [`SELFTEST`].
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SelftestAnswer {
    /// Processors that took part.
    pub processors: U32,
    /// Zero.
    pub reserved: U32,
    /// See [`SELFTEST_CONTEXTS`].
    pub contexts: [SelftestContext; SELFTEST_CONTEXTS.len()],
}

const _: () = {
    assert!(size_of::<ReadRequest>() == 32);
    assert!(size_of::<BatchHeader>() == 88);
    assert!(size_of::<ConfigureRequest>() == 16);
    assert!(size_of::<MarkHeader>() == 8);
    assert!(size_of::<SitesRequest>() == 8);
    assert!(size_of::<SitesHeader>() == 24);
    assert!(size_of::<ProviderLevelRequest>() == 24);
    assert!(size_of::<SelftestAnswer>() == 104);
};
