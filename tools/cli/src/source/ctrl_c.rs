//! Ctrl-C off Windows, where only the rig has requests that wait.
//!
//! The signal writes a byte into a socket, which a request waits for together with its answer. The byte stays there, so
//! every later request ends too, until [`go_on`] takes it out.

use std::{
    io::{ErrorKind, Read, Result, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::{consts::SIGINT, flag, low_level::pipe};

/// Both ends of the socket, from [`stop_on_ctrl_c`] on.
static STOP: OnceLock<(UnixStream, UnixStream)> = OnceLock::new();

/// See [`super::stop_on_ctrl_c`].
pub fn stop_on_ctrl_c() -> Result<()> {
    let (told, teller) = UnixStream::pair()?;
    told.set_nonblocking(true)?;
    let is_second = Arc::new(AtomicBool::new(false));
    // In this order: the first signal finds the flag unset, and sets it.
    flag::register_conditional_default(SIGINT, Arc::clone(&is_second))?;
    flag::register(SIGINT, is_second)?;
    pipe::register(SIGINT, teller.try_clone()?)?;
    // A second call has nothing to do: the first pair is still told.
    let _ = STOP.set((told, teller));
    Ok(())
}

/// See [`super::stop`].
pub fn stop() {
    if let Some((_, mut teller)) = STOP.get().map(|(told, teller)| (told, teller)) {
        let _ = teller.write_all(&[0]);
    }
}

/// See [`super::go_on`].
pub fn go_on() -> Result<()> {
    let Some((mut told, _)) = STOP.get().map(|(told, teller)| (told, teller)) else { return Ok(()) };
    loop {
        match told.read(&mut [0; 64]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Waits until there is something to read; false if Ctrl-C came before.
pub fn wait_for(answer: &impl AsFd) -> Result<bool> {
    let Some((told, _)) = STOP.get() else { return Ok(true) };
    let mut waited = [PollFd::new(answer, PollFlags::IN), PollFd::new(told, PollFlags::IN)];
    loop {
        match poll(&mut waited, None) {
            Ok(_) => return Ok(waited[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
