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
    path::Path,
};

use anyhow::{Context, Error, Result};
use irqlog_reader::{
    image::Tables,
    live::LiveLog,
    log::{Fault, Item, Log, LogError},
    saved::SavedLog,
    session::{Session, SessionError, Source},
};

use crate::{exit::Exit, output};

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
    /// Name of the file; `None` for the running driver's log.
    file: Option<String>,
}

/// Opens the log in `file`, or else that of the running driver. The rig takes the place of a driver, not of a file.
///
/// # Errors
/// If it cannot be opened.
pub fn open_log(file: Option<&Path>, rig: Option<&Rig>) -> Result<OpenLog> {
    match file {
        None => Ok(OpenLog { log: Box::new(LiveLog::open(open_driver(rig)?)?), file: None }),
        Some(file) => {
            let name = file.display().to_string();
            Ok(OpenLog { log: open_file(file, &name)?, file: Some(name) })
        }
    }
}

/// Opens the log in a file, whatever kind of file it is.
fn open_file(file: &Path, name: &str) -> Result<Box<dyn Log>> {
    let open = || {
        let mut file = File::open(file)?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        file.rewind()?;
        Ok::<_, LogError>((file, start))
    };
    let (file, start) = open().with_context(|| name.to_owned())?;
    if irqlog_dump::is_dump(&start) {
        return Ok(Box::new(dump::open(&file, name)?));
    }
    Ok(Box::new(SavedLog::open(file).with_context(|| name.to_owned())?))
}

impl OpenLog {
    /// An error with the name of the file, if the log is the one that could not be read.
    pub fn name_in(&self, error: Error) -> Error {
        match &self.file {
            Some(name) if error.is::<LogError>() => error.context(name.clone()),
            _ => error,
        }
    }

    /// Says on standard error what could not be read so far, if there is any.
    pub fn report_faults(&self) -> Exit {
        report_faults(self.file.as_deref().unwrap_or(DRIVER), self.log.faults())
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
