//! Where records come from.

#[cfg(windows)]
mod live;
#[cfg(unix)]
mod rig;

use std::path::Path;

use irqlog_reader::session::{Session, SessionError, Source};

/// A session with whatever was asked for: the rig behind a socket, or the Windows device.
///
/// # Errors
/// If it is not there or may not be opened.
pub fn open(rig: Option<&Path>) -> Result<Session<Box<dyn Source>>, SessionError> {
    match rig {
        Some(socket) => open_rig(socket),
        None => open_live(),
    }
    .map(Session::new)
}

#[cfg(unix)]
fn open_rig(socket: &Path) -> Result<Box<dyn Source>, SessionError> {
    Ok(Box::new(rig::RigSource::connect(socket)?))
}

#[cfg(not(unix))]
fn open_rig(_: &Path) -> Result<Box<dyn Source>, SessionError> {
    Err(SessionError::NotRunning("the rig runs on Linux; leave --rig out to read this machine's driver".to_owned()))
}

/// From now on Ctrl-C ends the request that is under way with [`SessionError::Cancelled`]. Off Windows it ends the
/// process, which the rig takes for the end of its requests.
///
/// # Errors
/// If the system refuses.
#[cfg(windows)]
pub fn stop_on_ctrl_c() -> std::io::Result<()> {
    live::stop_on_ctrl_c()
}

/// As above.
///
/// # Errors
/// Never.
#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail on Windows")]
pub const fn stop_on_ctrl_c() -> std::io::Result<()> {
    Ok(())
}

/// Does what Ctrl-C does.
#[cfg(windows)]
pub fn stop() {
    live::stop();
}

/// As above; a pipe that has gone is no failure.
#[cfg(not(windows))]
pub fn stop() {
    std::process::exit(0);
}

#[cfg(windows)]
fn open_live() -> Result<Box<dyn Source>, SessionError> {
    Ok(Box::new(live::Device::open()?))
}

#[cfg(not(windows))]
fn open_live() -> Result<Box<dyn Source>, SessionError> {
    Err(SessionError::NotRunning(
        "there is no driver on this system; --rig SOCKET reads from a rig, decode FILE a saved log".to_owned(),
    ))
}
