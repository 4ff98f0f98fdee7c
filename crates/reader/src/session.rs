//! A running recorder, through anything that answers control requests.

use std::sync::Arc;

use irqlog_wire::{
    image::{ImageHeader, MAGIC, Policy},
    ioctl::{
        self, BatchHeader, ConfigureRequest, MarkHeader, ProviderLevelRequest, RawCursor, ReadRequest, SelftestAnswer,
        SitesHeader, SitesRequest, WaitAnswer, WaitRequest, batch_flags, mark_status, read_flags,
    },
    record::Level,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    image::{ImageError, Tables, check_version},
    record::{Record, parse_all},
    sites::SiteTable,
};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The device is not there.
    #[error("irqlog is not running: {0}")]
    NotRunning(String),
    /// It may not be opened.
    #[error("access to irqlog was denied: only administrators may read the log. Start the command as administrator")]
    AccessDenied,
    /// The driver refused.
    #[error("the driver refused {what} with status {status:#010x}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// NTSTATUS.
        status: u32,
    },
    /// The text of a mark is not in the log.
    #[error("the mark was not written: {0}")]
    NotWritten(&'static str),
    /// The driver's answer makes no sense.
    #[error("the driver's answer to {what} cannot be read: {why}")]
    BadAnswer {
        /// What was asked.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The answer has another format.
    #[error(transparent)]
    Format(#[from] ImageError),
    /// The way to the driver broke.
    #[error("lost the connection to the driver: {0}")]
    Io(#[from] std::io::Error),
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Something that answers control requests: the Windows device, or the rig.
pub trait Source {
    /// Sends a control request and waits for its answer.
    ///
    /// # Errors
    /// See [`SessionError`]; `what` names the request in it.
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        (**self).control(what, code, input, output)
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        (**self).control(what, code, input, output)
    }
}

/// Room for one answer with records or sites, in bytes.
pub const BATCH: usize = 64 * 1024;

/// More than header and control tables can have, in bytes: each of 65,536 processors with two lanes.
const MOST_INFO: u64 = 64 << 20;

/// More than a site table can have, in bytes (`SitesKiB`).
const MOST_SITES: usize = 16 << 20;

/// How often a site table is read that changes while it is read.
const ATTEMPTS: usize = 16;

/// One answer to READ.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its header.
    pub header: BatchHeader,
    /// Its records, oldest first.
    pub records: Vec<Record>,
}

impl Batch {
    /// Whether there is more to read right now.
    pub const fn has_more(&self) -> bool {
        self.header.flags.get() & batch_flags::MORE != 0
    }
}

/// What CONFIGURE changes; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The least important level that is written.
    pub level: Option<Level>,
    /// What happens when a lane is full.
    pub policy: Option<Policy>,
    /// Whether writing is paused.
    pub paused: Option<bool>,
    /// Pointers are written as they are from now on, until the driver stops.
    pub raw_pointers: bool,
}

/// The requests of the control device.
#[derive(Debug)]
pub struct Session<S> {
    source: S,
    /// Bytes that INFO had to be asked for the last time.
    info_size: usize,
    /// The site table as it was last asked for.
    sites: Option<Known>,
}

/// A site table that was asked for.
#[derive(Debug)]
struct Known {
    state: SitesState,
    table: Arc<SiteTable>,
    /// Levels and counts in it are to be asked for again.
    is_stale: bool,
}

/// Which sites are in the driver's table: they are the same as long as this is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SitesState {
    start_id: u64,
    size: u64,
    replaced: u64,
}

impl SitesState {
    const fn of(header: &ImageHeader) -> Self {
        Self { start_id: header.start_id.get(), size: header.sites_size.get(), replaced: header.sites_replaced.get() }
    }

    /// Whether what was read of the one goes on with what is read of the other: entries may have come, but none has gone.
    const fn goes_on_as(&self, other: &Self) -> bool {
        self.start_id == other.start_id && self.replaced == other.replaced
    }
}

impl<S: Source> Session<S> {
    /// Over a source.
    pub const fn new(source: S) -> Self {
        Self { source, info_size: size_of::<ImageHeader>(), sites: None }
    }

    /// Gives the source back.
    pub fn into_source(self) -> S {
        self.source
    }

    fn ask<T: FromBytes>(&mut self, what: &'static str, code: u32, input: &[u8]) -> Result<T, SessionError> {
        let answer = self.source.control(what, code, input, size_of::<T>())?;
        T::read_from_bytes(&answer).map_err(|_| bad_answer(what, &format!("it has {} bytes", answer.len())))
    }

    /// Header, control tables, and the site table, which is asked for only when it has changed. Sites that this session
    /// has seen stay in it, also when the driver has given their room to others.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn info(&mut self) -> Result<Tables, SessionError> {
        let mut tables = self.tables()?;
        let state = SitesState::of(&tables.header);
        match &self.sites {
            Some(known) if known.state == state && !known.is_stale => tables.sites = Arc::clone(&known.table),
            _ => self.refresh_sites(&mut tables)?,
        }
        Ok(tables)
    }

    /// Asks for the site table, and for the other tables again if that took several answers.
    fn refresh_sites(&mut self, tables: &mut Tables) -> Result<(), SessionError> {
        for _ in 0..ATTEMPTS {
            let before = SitesState::of(&tables.header);
            let (table, answers) = if before.size == 0 { (SiteTable::default(), 0) } else { self.sites()? };
            if answers > 1 {
                *tables = self.tables()?;
                if !before.goes_on_as(&SitesState::of(&tables.header)) {
                    continue;
                }
            }
            let known = self.sites.take().filter(|known| known.state.start_id == before.start_id);
            let table = match known {
                Some(known) => Arc::new(table.with_gone_of(&known.table)),
                None => Arc::new(table),
            };
            tables.sites = Arc::clone(&table);
            self.sites = Some(Known { state: before, table, is_stale: false });
            return Ok(());
        }
        Err(bad_answer("SITES", "its table changes faster than it can be read; try again"))
    }

    /// Header and control tables, without sites. The header says how large they are, so they are asked for with exactly
    /// that size; it is the same each time, for one start of the driver.
    fn tables(&mut self) -> Result<Tables, SessionError> {
        loop {
            let answer = self.source.control("INFO", ioctl::INFO, &[], self.info_size)?;
            let header = ImageHeader::read_from_prefix(&answer).map_err(|_| ImageError::NotAnImage)?.0;
            check_version(header.major.get(), header.minor.get())?;
            let size = Tables::size(&header);
            if header.magic != MAGIC || size <= answer.len() as u64 {
                // Without its sites: their offset is one in the image, of which this is only the start.
                return Ok(Tables::parse(&answer[..answer.len().min(size as usize)])?);
            }
            if size > MOST_INFO || answer.len() < self.info_size || self.info_size as u64 >= size {
                return Err(bad_answer("INFO", &format!("{} bytes where its tables need {size}", answer.len())));
            }
            self.info_size = size as usize;
        }
    }

    /// The next [`info`](Self::info) asks for the site table even if it has not grown: levels and counts in it change.
    pub fn forget_sites(&mut self) {
        if let Some(known) = &mut self.sites {
            known.is_stale = true;
        }
    }

    /// The site table as it is now, levels and counts included, and how many answers that took.
    fn sites(&mut self) -> Result<(SiteTable, usize), SessionError> {
        let mut table = Vec::new();
        for answers in 1.. {
            let request = SitesRequest { offset: (table.len() as u64).into() };
            let answer = self.source.control("SITES", ioctl::SITES, request.as_bytes(), BATCH)?;
            let (header, bytes) = SitesHeader::read_from_prefix(&answer)
                .map_err(|_| bad_answer("SITES", &format!("it has {} bytes", answer.len())))?;
            check_version(header.major.get(), header.minor.get())?;
            if bytes.len() != header.bytes.get() as usize {
                return Err(bad_answer("SITES", &format!("{} bytes where it says {}", bytes.len(), header.bytes)));
            }
            table.extend_from_slice(bytes);
            if bytes.is_empty() || table.len() as u64 >= header.size.get() {
                return Ok((SiteTable::parse(table), answers));
            }
            if table.len() > MOST_SITES {
                break;
            }
        }
        Err(bad_answer("SITES", &format!("more than the {MOST_SITES} bytes that a table can have")))
    }

    /// Changes at which level a provider logs, which is known by
    /// [`Provider::first_site`](crate::sites::Provider::first_site).
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn set_provider_level(&mut self, start_id: u64, first_site: u64, level: Level) -> Result<(), SessionError> {
        let request = ProviderLevelRequest {
            start_id: start_id.into(),
            first_site: first_site.into(),
            level: u32::from(level.0).into(),
            reserved: 0.into(),
        };
        self.source.control("PROVIDER_LEVEL", ioctl::PROVIDER_LEVEL, request.as_bytes(), 0).map(drop)
    }

    /// Records of a lane from a cursor on, as many as fit into `room` bytes; from the first record ever without a cursor.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn read(&mut self, lane: u32, from: Option<(u64, RawCursor)>, room: usize) -> Result<Batch, SessionError> {
        let (start_id, cursor) = from.unwrap_or_default();
        let flags = if from.is_none() { read_flags::FROM_START } else { 0 };
        let request = ReadRequest { lane: lane.into(), flags: flags.into(), cursor, start_id: start_id.into() };
        let answer = self.source.control("READ", ioctl::READ, request.as_bytes(), room)?;
        let (header, bytes) = BatchHeader::read_from_prefix(&answer)
            .map_err(|_| bad_answer("READ", &format!("it has {} bytes", answer.len())))?;
        check_version(header.major.get(), header.minor.get())?;
        let (records, damage) = parse_all(lane, bytes);
        if let Some(damage) = damage {
            return Err(bad_answer("READ", &damage.to_string()));
        }
        if records.len() != header.count.get() as usize {
            return Err(bad_answer("READ", &format!("{} records where it says {}", records.len(), header.count)));
        }
        Ok(Batch { header, records })
    }

    /// Waits until something was written beyond `seen`; gives how much is written.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn wait(&mut self, seen: u64) -> Result<u64, SessionError> {
        let request = WaitRequest { seen: seen.into() };
        self.ask::<WaitAnswer>("WAIT", ioctl::WAIT, request.as_bytes()).map(|answer| answer.written.get())
    }

    /// Changes settings.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn configure(&mut self, settings: Settings) -> Result<(), SessionError> {
        let mut request = ConfigureRequest::nothing();
        if let Some(level) = settings.level {
            request.level = u32::from(level.0).into();
        }
        if let Some(policy) = settings.policy {
            request.policy = policy.0.into();
        }
        if let Some(paused) = settings.paused {
            request.paused = u32::from(paused).into();
        }
        request.raw_pointers = u32::from(settings.raw_pointers).into();
        self.source.control("CONFIGURE", ioctl::CONFIGURE, request.as_bytes(), 0).map(drop)
    }

    /// Makes readers ignore what was written so far.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn clear(&mut self) -> Result<(), SessionError> {
        self.source.control("CLEAR", ioctl::CLEAR, &[], 0).map(drop)
    }

    /// Writes a text, of at most [`ioctl::MAX_MARK`] bytes.
    ///
    /// # Errors
    /// [`SessionError::NotWritten`] if the driver did not write it; else see [`SessionError`].
    pub fn mark(&mut self, level: Level, text: &str) -> Result<(), SessionError> {
        let header = MarkHeader { level: level.0, reserved: [0; 7] };
        let answer = self.source.control("MARK", ioctl::MARK, &[header.as_bytes(), text.as_bytes()].concat(), 0);
        answer.map(drop).map_err(|error| not_written(&error).map_or(error, SessionError::NotWritten))
    }

    /// Lets the driver write at every IRQL on every processor.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn selftest(&mut self) -> Result<SelftestAnswer, SessionError> {
        self.ask("SELFTEST", ioctl::SELFTEST, &[])
    }
}

/// Why a mark was not written, if that is what the error says.
fn not_written(error: &SessionError) -> Option<&'static str> {
    const REASONS: [(u32, u32, &str); 4] = [
        (
            mark_status::FILTERED,
            mark_status::FILTERED_WIN32,
            "its level is not enabled; `irqlog info` shows the level, `irqlog configure --level` changes it",
        ),
        (
            mark_status::PAUSED,
            mark_status::PAUSED_WIN32,
            "writing is paused; `irqlog configure --resume` ends the pause",
        ),
        (
            mark_status::FULL,
            mark_status::FULL_WIN32,
            "the lane is full and its policy is `keep`; `irqlog clear` makes room",
        ),
        (mark_status::DROPPED, mark_status::DROPPED_WIN32, "it was dropped; `irqlog stats` counts it by its reason"),
    ];
    let is_it = |&(status, win32, _): &(u32, u32, &str)| match error {
        SessionError::Refused { status: refused, .. } => *refused == status,
        SessionError::Io(error) => cfg!(windows) && error.raw_os_error() == Some(win32.cast_signed()),
        _ => false,
    };
    REASONS.iter().find(|reason| is_it(reason)).map(|&(.., why)| why)
}

fn bad_answer(what: &'static str, why: &str) -> SessionError {
    SessionError::BadAnswer { what, why: why.to_owned() }
}
