//! Opens logs and the driver. No other module knows where a log lies.
//!
//! | A log | Opened by |
//! |---|---|
//! | of the running driver | [`open_driver`]: the Windows device, or the rig behind a socket |
//! | in a file | `open_file`: an image that `save` wrote, or a crash dump, by its first bytes |

#[cfg(unix)]
mod ctrl_c;
mod dump;
#[cfg(windows)]
mod live;
#[cfg(unix)]
mod rig;

use std::{
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use anyhow::{Context, Error, Result, ensure};
use irqlog_dump::report::DumpFacts;
use irqlog_reader::{
    checksum::Integrity,
    image::Tables,
    live::LiveLog,
    log::{Fault, Item, Log, LogError},
    saved::SavedLog,
    session::{Session, SessionError, Source},
};
use irqlog_shown::recorder::{FileKind, ShownChecksums, ShownFile};
use irqlog_wire::image::build_flags;

use crate::{
    exit::Exit,
    output::{self, Progress},
};

#[cfg(unix)]
use self::ctrl_c as system;
#[cfg(windows)]
use self::live as system;

/// Where a rig is: its socket.
#[cfg(unix)]
pub type Rig = Path;

/// There is no rig on Windows.
#[cfg(not(unix))]
pub type Rig = std::convert::Infallible;

/// A log that is open, and the file in which it lies.
pub struct OpenLog {
    log: Box<dyn Log>,
    /// `None` for the running driver's log.
    file: Option<OpenFile>,
    /// What the dump says in which the log lay.
    dump: Option<DumpFacts>,
}

/// The file in which a log lies.
struct OpenFile {
    name: String,
    path: PathBuf,
    shown: ShownFile,
}

/// Opens the log in `file`, or else that of the running driver. The rig takes the place of a driver, not of a file.
///
/// # Errors
/// If it cannot be opened.
pub fn open_log(file: Option<&Path>, rig: Option<&Rig>) -> Result<OpenLog> {
    match file {
        None => Ok(OpenLog { log: Box::new(LiveLog::open(open_driver(rig)?)?), file: None, dump: None }),
        Some(file) => {
            let name = file.display().to_string();
            let (log, shown, dump) = open_file(file, &name)?;
            Ok(OpenLog { log, file: Some(OpenFile { name, path: file.to_owned(), shown }), dump })
        }
    }
}

/// The end of a log, in seconds after the driver's start: now for the running driver's, the newest record of a saved one.
///
/// # Errors
/// If the file cannot be read.
pub fn end_of(log: &OpenLog) -> Result<f64> {
    let tables = log.tables();
    let Some(OpenFile { name, path, shown }) = &log.file else {
        return Ok(tables.seconds_of_utc(jiff::Timestamp::now().as_nanosecond()));
    };
    if shown.kind == FileKind::CrashDump && tables.header.crashed.get() != 0 {
        return Ok(tables.seconds(tables.header.crash_tick.get()));
    }
    ensure!(
        shown.kind != FileKind::CrashDump,
        "{name}: this dump does not say when its log ended; give seconds after the driver's start, or a date and time"
    );
    let mut newest = None;
    // A second look at the file: the first one begins at its first record, and has not ended.
    let visited = File::open(path).map_err(LogError::from).and_then(SavedLog::open).and_then(|mut again| {
        again.visit(|_, record| {
            let tick = record.header.tick.get();
            newest = newest.max(Some(tick.wrapping_sub(tables.header.tick_base.get()).cast_signed()));
        })
    });
    visited.with_context(|| name.clone())?;
    let tick = newest.unwrap_or_default().cast_unsigned().wrapping_add(tables.header.tick_base.get());
    Ok(tables.seconds(tick))
}

/// Opens the log in a file, whatever kind of file it is.
fn open_file(file: &Path, name: &str) -> Result<(Box<dyn Log>, ShownFile, Option<DumpFacts>)> {
    let open = || {
        let mut file = File::open(file)?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        file.rewind()?;
        let bytes = file.metadata()?.len();
        Ok::<_, LogError>((file, start, bytes))
    };
    let (file, start, bytes) = open().with_context(|| name.to_owned())?;
    if irqlog_dump::is_dump(&start) {
        let (log, facts) = dump::open(&file, name)?;
        let log = Box::new(log);
        let missing_bytes = missing_bytes(&*log);
        let checksums = ShownChecksums::None;
        return Ok((log, ShownFile { kind: FileKind::CrashDump, bytes, missing_bytes, checksums }, Some(facts)));
    }
    let mut log = Box::new(SavedLog::open(file).with_context(|| name.to_owned())?);
    let progress = Progress::new(bytes);
    let found = log.verify(|bytes| progress.advance(bytes));
    progress.end();
    let checksums = match found.with_context(|| name.to_owned())? {
        Integrity::NoChecksums => ShownChecksums::None,
        Integrity::NoTable => ShownChecksums::Unreadable,
        Integrity::Checked(changed) if changed.is_empty() => ShownChecksums::Right,
        Integrity::Checked(_) => ShownChecksums::Wrong,
    };
    let is_saved = log.tables().header.build_flags.get() & build_flags::SAVED != 0;
    let kind = if is_saved { FileKind::Saved } else { FileKind::Memory };
    let missing_bytes = missing_bytes(&*log);
    Ok((log, ShownFile { kind, bytes, missing_bytes, checksums }, None))
}

/// Bytes that the log needs and that are not there.
fn missing_bytes(log: &impl Log) -> Option<u64> {
    log.faults().iter().find_map(|fault| match fault {
        Fault::CutOff { length, total, .. } => Some(total - length),
        _ => None,
    })
}

impl OpenLog {
    /// What the dump says in which the log lay; `None` if it lay in none.
    pub const fn dump(&self) -> Option<&DumpFacts> {
        self.dump.as_ref()
    }

    /// An error with the name of the file, if the log is the one that could not be read.
    pub fn name_in(&self, error: Error) -> Error {
        match &self.file {
            Some(OpenFile { name, .. }) if error.is::<LogError>() => error.context(name.clone()),
            _ => error,
        }
    }

    /// What the file is; `None` for the running driver's log.
    pub fn shown_file(&self) -> Option<ShownFile> {
        self.file.as_ref().map(|file| file.shown.clone())
    }

    /// Says on standard error what could not be read so far, if there is any.
    pub fn report_faults(&self) -> Exit {
        report_faults(self.file.as_ref().map_or(DRIVER, |file| &file.name), self.log.faults())
    }
}

impl Log for OpenLog {
    fn tables(&self) -> &Tables {
        self.log.tables()
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        self.log.next()
    }

    fn faults(&self) -> &[Fault] {
        self.log.faults()
    }
}

/// Who may open the device, by its SDDL string, and what to do.
const ONLY_ADMINISTRATORS: &str = "only administrators may open its device. Start the command as administrator";

/// What messages call the running driver's log.
pub const DRIVER: &str = "driver";

/// Says on standard error what of a log could not be read, if there is any.
pub fn report_faults(name: &str, faults: &[Fault]) -> Exit {
    for fault in faults {
        output::say(&format!("irqlog: {name}: {fault}"));
    }
    if faults.is_empty() { Exit::Done } else { Exit::Found }
}

/// Opens the running driver: the rig behind a socket, or the Windows device.
///
/// # Errors
/// If it is not there or may not be opened.
pub fn open_driver(rig: Option<&Rig>) -> Result<Session<Box<dyn Source>>, SessionError> {
    open_source(rig).map(Session::new)
}

#[cfg(unix)]
fn open_source(rig: Option<&Rig>) -> Result<Box<dyn Source>, SessionError> {
    match rig {
        Some(socket) => Ok(Box::new(rig::RigSource::connect(socket)?)),
        None => open_live(),
    }
}

/// No caller can name a rig here.
#[cfg(not(unix))]
fn open_source(_: Option<&Rig>) -> Result<Box<dyn Source>, SessionError> {
    open_live()
}

/// From now on Ctrl-C ends the request that is under way, and every later one, with [`SessionError::Cancelled`]. A second
/// Ctrl-C ends the process.
///
/// # Errors
/// If the system refuses.
pub fn stop_on_ctrl_c() -> std::io::Result<()> {
    system::stop_on_ctrl_c()
}

/// Does what the first Ctrl-C does.
pub fn stop() {
    system::stop();
}

/// Lets requests through again after [`SessionError::Cancelled`]. The next Ctrl-C ends the process.
///
/// # Errors
/// If the system refuses.
pub fn go_on() -> std::io::Result<()> {
    system::go_on()
}

#[cfg(windows)]
fn open_live() -> Result<Box<dyn Source>, SessionError> {
    Ok(Box::new(live::Device::open()?))
}

#[cfg(not(windows))]
fn open_live() -> Result<Box<dyn Source>, SessionError> {
    Err(SessionError::NotRunning(
        "there is no driver on this system; --rig SOCKET reads from a rig, --file FILE a saved log".to_owned(),
    ))
}
