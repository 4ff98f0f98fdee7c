//! Parser of the control device's requests: from user input to a [`Request`], or to a [`Refusal`].
//!
//! Every length, range and reserved field is checked here, before anything is done. The result is a value on the kernel
//! stack, which the caller cannot change any more.

#![no_std]

use irqlog_ring::lane::Cursor;
use irqlog_wire::{
    image::{ImageHeader, Policy},
    ioctl::{
        self, BatchHeader, ConfigureRequest, MarkHeader, ProviderLevelRequest, ReadRequest, SelftestAnswer,
        SitesHeader, SitesRequest, WaitAnswer, WaitRequest, mark_status, read_flags,
    },
    record::{Level, MAX_SIZE, WORD},
};
use zerocopy::FromBytes;

/// Why a request was refused, or not done; maps to an NTSTATUS one to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `STATUS_INVALID_DEVICE_REQUEST`: no such control code.
    UnknownCode,
    /// `STATUS_INVALID_PARAMETER`: the input has the wrong size or an impossible value.
    InvalidParameter,
    /// `STATUS_BUFFER_TOO_SMALL`: the output does not fit.
    BufferTooSmall,
    /// `STATUS_ACCESS_DENIED`: from user mode, but only for kernel mode.
    KernelModeOnly,
    /// [`TOO_MANY_WAITS`](ioctl::TOO_MANY_WAITS): as many WAITs as may be are pended already.
    TooManyWaits,
    /// [`mark_status::FILTERED`]: the level of a mark is not enabled.
    MarkFiltered,
    /// [`mark_status::PAUSED`]: writing is paused.
    MarkPaused,
    /// [`mark_status::FULL`]: the lane is full and keeps what it has.
    MarkFull,
    /// [`mark_status::DROPPED`]: a mark was dropped for another reason.
    MarkDropped,
}

impl Refusal {
    /// The NTSTATUS. IRQL: any.
    #[must_use]
    pub const fn status(self) -> u32 {
        match self {
            Self::UnknownCode => 0xc000_0010,
            Self::InvalidParameter => 0xc000_000d,
            Self::BufferTooSmall => 0xc000_0023,
            Self::KernelModeOnly => 0xc000_0022,
            Self::TooManyWaits => ioctl::TOO_MANY_WAITS,
            Self::MarkFiltered => mark_status::FILTERED,
            Self::MarkPaused => mark_status::PAUSED,
            Self::MarkFull => mark_status::FULL,
            Self::MarkDropped => mark_status::DROPPED,
        }
    }
}

/// A request whose fields have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// INFO: the start of the image.
    Info,
    /// READ: records of a lane.
    Read(Read),
    /// WAIT: an answer when a record was written.
    Wait {
        /// Number of records that the caller has seen: see [`WaitRequest::seen`].
        seen: u64,
    },
    /// CONFIGURE: new settings.
    Configure(Configure),
    /// CLEAR: ignore all records written so far.
    Clear,
    /// MARK: write a text record.
    Mark {
        /// Level of the record.
        level: Level,
        /// Text of the record, checked to be UTF-8.
        text: &'a str,
    },
    /// SELFTEST: log at every IRQL on every processor.
    Selftest,
    /// CONNECT: the function table.
    Connect,
    /// SITES: bytes of the site table.
    Sites {
        /// Offset in the table of the first byte wanted.
        offset: u64,
    },
    /// PROVIDER_LEVEL: a new level of a provider.
    ProviderLevel(ProviderLevel),
}

/// The parameters of PROVIDER_LEVEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderLevel {
    /// Identity of the start of the driver that the id belongs to.
    pub start_id: u64,
    /// Id of the first word of the provider's sites.
    pub first_site: u64,
    /// The least important level that is written.
    pub level: Level,
}

/// The parameters of READ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Index of the lane.
    pub lane: u32,
    /// Where to begin; `None` for the first record that the lane ever had.
    pub from: Option<Cursor>,
    /// Identity of the start of the driver that the cursor belongs to.
    pub start_id: u64,
}

/// The settings that CONFIGURE changes; `None` leaves a setting unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configure {
    /// The least important level that is written.
    pub level: Option<Level>,
    /// What happens when a lane is full.
    pub policy: Option<Policy>,
    /// Whether writing is paused.
    pub paused: Option<bool>,
    /// From now on, until the driver stops, pointers in events are written as they are.
    pub raw_pointers: bool,
}

/// The smallest output that READ takes, in bytes: a record of any size fits, so every call makes progress.
pub const MIN_READ_OUTPUT: usize = size_of::<BatchHeader>() + MAX_SIZE;

/// Parses a request. `internal` says that the request is an internal one from kernel mode; `input` is a copy that the
/// caller cannot change; `output_length` is the room for the answer, in bytes.
///
/// # Errors
/// See [`Refusal`].
pub fn parse(code: u32, internal: bool, input: &[u8], output_length: usize) -> Result<Request<'_>, Refusal> {
    if internal != (code == ioctl::CONNECT) {
        return Err(if internal { Refusal::UnknownCode } else { only_known(code)? });
    }
    let room = |needed: usize| if output_length < needed { Err(Refusal::BufferTooSmall) } else { Ok(()) };
    match code {
        ioctl::INFO => {
            no_input(input)?;
            room(size_of::<ImageHeader>())?;
            Ok(Request::Info)
        }
        ioctl::READ => {
            let request: ReadRequest = exactly(input)?;
            room(MIN_READ_OUTPUT)?;
            read(&request)
        }
        ioctl::WAIT => {
            let request: WaitRequest = exactly(input)?;
            room(size_of::<WaitAnswer>())?;
            Ok(Request::Wait { seen: request.seen.get() })
        }
        ioctl::CONFIGURE => configure(&exactly(input)?),
        ioctl::CLEAR => {
            no_input(input)?;
            Ok(Request::Clear)
        }
        ioctl::MARK => mark(input),
        ioctl::SELFTEST => {
            no_input(input)?;
            room(size_of::<SelftestAnswer>())?;
            Ok(Request::Selftest)
        }
        ioctl::CONNECT => {
            no_input(input)?;
            room(irqlog_wire::interface::MIN_INTERFACE)?;
            Ok(Request::Connect)
        }
        ioctl::SITES => {
            let request: SitesRequest = exactly(input)?;
            room(size_of::<SitesHeader>() + WORD)?;
            Ok(Request::Sites { offset: request.offset.get() })
        }
        ioctl::PROVIDER_LEVEL => provider_level(&exactly(input)?),
        _ => Err(Refusal::UnknownCode),
    }
}

/// CONNECT from user mode is a known code, and denied.
const fn only_known(code: u32) -> Result<Refusal, Refusal> {
    if code == ioctl::CONNECT { Err(Refusal::KernelModeOnly) } else { Err(Refusal::UnknownCode) }
}

fn exactly<T: FromBytes>(input: &[u8]) -> Result<T, Refusal> {
    T::read_from_bytes(input).map_err(|_| Refusal::InvalidParameter)
}

const fn no_input(input: &[u8]) -> Result<(), Refusal> {
    if input.is_empty() { Ok(()) } else { Err(Refusal::InvalidParameter) }
}

fn read(request: &ReadRequest) -> Result<Request<'static>, Refusal> {
    let flags = request.flags.get();
    if flags & !read_flags::FROM_START != 0 {
        return Err(Refusal::InvalidParameter);
    }
    let cursor = Cursor { seq: request.cursor.seq.get(), position: request.cursor.position.get() };
    let from = (flags & read_flags::FROM_START == 0).then_some(cursor);
    Ok(Request::Read(Read { lane: request.lane.get(), from, start_id: request.start_id.get() }))
}

fn configure(request: &ConfigureRequest) -> Result<Request<'static>, Refusal> {
    let field = |value: u32| (value != ConfigureRequest::KEEP).then_some(value);
    let known = |ok: bool| if ok { Ok(()) } else { Err(Refusal::InvalidParameter) };
    known(request.raw_pointers.get() <= 1)?;
    let mut configure = Configure { raw_pointers: request.raw_pointers.get() == 1, ..Configure::default() };
    if let Some(level) = field(request.level.get()) {
        let level = Level(u8::try_from(level).map_err(|_| Refusal::InvalidParameter)?);
        known(level.name().is_some())?;
        configure.level = Some(level);
    }
    if let Some(policy) = field(request.policy.get()) {
        known(Policy(policy).name().is_some())?;
        configure.policy = Some(Policy(policy));
    }
    if let Some(paused) = field(request.paused.get()) {
        known(paused <= 1)?;
        configure.paused = Some(paused == 1);
    }
    Ok(Request::Configure(configure))
}

fn provider_level(request: &ProviderLevelRequest) -> Result<Request<'static>, Refusal> {
    let level = u8::try_from(request.level.get()).map_or(Level(0), Level);
    if request.reserved.get() != 0 || level.name().is_none() {
        return Err(Refusal::InvalidParameter);
    }
    let (start_id, first_site) = (request.start_id.get(), request.first_site.get());
    Ok(Request::ProviderLevel(ProviderLevel { start_id, first_site, level }))
}

fn mark(input: &[u8]) -> Result<Request<'_>, Refusal> {
    let (header, text) = MarkHeader::read_from_prefix(input).map_err(|_| Refusal::InvalidParameter)?;
    let level = Level(header.level);
    if header.reserved != [0; 7] || level.name().is_none() || text.len() > ioctl::MAX_MARK {
        return Err(Refusal::InvalidParameter);
    }
    let text = core::str::from_utf8(text).map_err(|_| Refusal::InvalidParameter)?;
    Ok(Request::Mark { level, text })
}
