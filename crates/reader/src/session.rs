//! A session sends control requests to a running recorder and parses the answers.
//!
//! It reaches the recorder through a [`Source`]: the control device on Windows, the rig's socket, or a test's recorder.

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
    /// The control device does not exist: the driver is not running.
    #[error("irqlog is not running: {0}")]
    NotRunning(String),
    /// This user may not open the control device; the text says who may, and what to do.
    #[error("access to irqlog was denied: {0}")]
    AccessDenied(&'static str),
    /// The driver refused a request.
    #[error("the driver refused {what} with status {status:#010x}")]
    Refused {
        /// The request's name, such as `READ`.
        what: &'static str,
        /// The NTSTATUS with which the driver completed it.
        status: u32,
    },
    /// The driver did not write the text of a mark, for this reason.
    #[error("the mark was not written: {0}")]
    NotWritten(&'static str),
    /// The driver's answer is not what its format says.
    #[error("the driver's answer to {what} cannot be read: {why}")]
    BadAnswer {
        /// The request's name, such as `READ`.
        what: &'static str,
        /// The first thing that is wrong with the answer.
        why: String,
    },
    /// The answer has a format that this reader does not know.
    #[error(transparent)]
    Format(#[from] ImageError),
    /// The connection to the driver failed.
    // No source: the text has the error already, and whoever prints the chain of causes would print it twice.
    #[error("lost the connection to the driver: {0}")]
    Io(std::io::Error),
    /// The request was cancelled, by Ctrl-C or because the device was closed.
    #[error("cancelled")]
    Cancelled,
}

impl From<std::io::Error> for SessionError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Answers control requests: the Windows device, or the rig.
pub trait Source {
    /// Sends a control request, and waits for its answer of at most `output` bytes.
    ///
    /// # Errors
    /// See [`SessionError`], which names the request by `what`.
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

/// The most bytes of one answer with records or sites.
pub const BATCH: usize = 64 * 1024;

/// The most bytes of header and control tables that a reader accepts; 65,536 processors with two lanes each have fewer.
const MOST_INFO: u64 = 64 << 20;

/// The most bytes of a site table: the largest value of `SitesKiB`.
const MOST_SITES: usize = 16 << 20;

/// How often a reader starts again when the site table changes while it reads it.
const ATTEMPTS: usize = 16;

/// The answer to one READ.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The next cursor, and what the reader lost.
    pub header: BatchHeader,
    /// The records, oldest first.
    pub records: Vec<Record>,
}

impl Batch {
    /// Whether the lane has more records to read now.
    pub const fn has_more(&self) -> bool {
        self.header.flags.get() & batch_flags::MORE != 0
    }
}

/// The settings that CONFIGURE changes. The driver leaves those that are `None` as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The least important level that the driver writes.
    pub level: Option<Level>,
    /// What happens when a lane is full.
    pub policy: Option<Policy>,
    /// Whether the driver drops all log calls.
    pub paused: Option<bool>,
    /// Pointers are written as they are from now on, until the driver stops.
    pub raw_pointers: bool,
}

/// The requests of the control device, each as a method.
#[derive(Debug)]
pub struct Session<S> {
    source: S,
    /// The number of bytes that the last INFO needed.
    info_size: usize,
    /// The site table of the last answer to SITES.
    sites: Option<Known>,
}

/// A site table that this session has read.
#[derive(Debug)]
struct Known {
    state: SitesState,
    table: Arc<SiteTable>,
    /// The caller wants its levels and counts anew.
    is_stale: bool,
}

/// Identifies the contents of the driver's site table: equal states mean equal sites.
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

    /// Whether a table that was read partly in this state and partly in `other` is whole: providers may have come in
    /// between, but none has lost its entry.
    const fn goes_on_as(&self, other: &Self) -> bool {
        self.start_id == other.start_id && self.replaced == other.replaced
    }
}

impl<S: Source> Session<S> {
    /// Opens a session over a source; sends nothing yet.
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

    /// Reads header, control tables, and the site table.
    ///
    /// The site table is read again only after it has changed. Sites that this session has read stay in it, even after the
    /// driver has given their room to other providers.
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

    /// Reads the site table; if that took several answers, reads the other tables again.
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

    /// Reads header and control tables, without sites. The header tells the size of the tables, and the session asks for
    /// exactly that size. It is the same in every answer until the driver starts again.
    fn tables(&mut self) -> Result<Tables, SessionError> {
        loop {
            let answer = self.source.control("INFO", ioctl::INFO, &[], self.info_size)?;
            let header = ImageHeader::read_from_prefix(&answer).map_err(|_| ImageError::NotAnImage)?.0;
            check_version(header.major.get(), header.minor.get())?;
            let size = Tables::size(&header);
            if header.magic != MAGIC || size <= answer.len() as u64 {
                // Without the sites: their offset is one in the image, and the answer is only the start of the image.
                return Ok(Tables::parse(&answer[..answer.len().min(size as usize)])?);
            }
            if size > MOST_INFO || answer.len() < self.info_size || self.info_size as u64 >= size {
                return Err(bad_answer("INFO", &format!("{} bytes where its tables need {size}", answer.len())));
            }
            self.info_size = size as usize;
        }
    }

    /// Makes the next [`info`](Self::info) read the site table even if no site has changed: its levels and counts may have.
    pub fn forget_sites(&mut self) {
        if let Some(known) = &mut self.sites {
            known.is_stale = true;
        }
    }

    /// Reads the whole site table; also gives the number of answers that this took.
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

    /// Changes the level of the provider whose [`first_site`](crate::sites::Provider::first_site) is given.
    ///
    /// The driver refuses it if it has started again since the tables with this `start_id` were read.
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

    /// Reads records of a lane from a cursor on, as many as fit into an answer of `room` bytes.
    ///
    /// Without a cursor, reading starts at the first record that the lane ever had: those that are gone count as lost.
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

    /// Waits until the driver has written more than `seen` records; gives the number that it has written.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn wait(&mut self, seen: u64) -> Result<u64, SessionError> {
        let request = WaitRequest { seen: seen.into() };
        self.ask::<WaitAnswer>("WAIT", ioctl::WAIT, request.as_bytes()).map(|answer| answer.written.get())
    }

    /// Changes settings of the recorder.
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

    /// Hides the records written so far from all readers.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn clear(&mut self) -> Result<(), SessionError> {
        self.source.control("CLEAR", ioctl::CLEAR, &[], 0).map(drop)
    }

    /// Writes a text of at most [`ioctl::MAX_MARK`] bytes into the log.
    ///
    /// # Errors
    /// [`SessionError::NotWritten`] if the driver did not write it; otherwise see [`SessionError`].
    pub fn mark(&mut self, level: Level, text: &str) -> Result<(), SessionError> {
        let header = MarkHeader { level: level.0, reserved: [0; 7] };
        let answer = self.source.control("MARK", ioctl::MARK, &[header.as_bytes(), text.as_bytes()].concat(), 0);
        answer.map(drop).map_err(|error| not_written(&error).map_or(error, SessionError::NotWritten))
    }

    /// Makes the driver log at every IRQL on every processor, and count what arrived.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn selftest(&mut self) -> Result<SelftestAnswer, SessionError> {
        self.ask("SELFTEST", ioctl::SELFTEST, &[])
    }
}

/// The reason why the driver did not write a mark; `None` for any other error.
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
