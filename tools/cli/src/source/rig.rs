//! The rig, through its socket.
//!
//! The rig answers one request after another. So a request that Ctrl-C cancels ends with its connection, as a pended one
//! does on Windows when its handle is closed, and the next request makes a new connection.

use std::{
    io::{Error, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use irqlog_nt::{NtStatus, STATUS_ACCESS_DENIED, STATUS_CANCELLED, STATUS_SUCCESS};
use irqlog_reader::session::{SessionError, Source};
use irqlog_rig_protocol::{AnswerFrame, MAX_BYTES, RequestFrame};
use zerocopy::{FromBytes, IntoBytes};

use super::ctrl_c;

/// Why a socket that is there cannot be opened, and what to do.
const NOT_MY_SOCKET: &str = "the rig's socket, or its folder, is another user's. Run the command as the user who started \
     the rig, or start a rig of your own";

/// What the end of a connection in the middle of an answer means, and what to do.
const ENDED_EARLY: &str = "the rig closed it before its answer was whole. The rig has stopped or crashed, and what it \
     printed last says why; start it again, and repeat the command";

/// The rig's device.
pub struct RigSource {
    socket: PathBuf,
    /// A handle to the device; `None` after a request was cancelled.
    handle: Option<Handle>,
}

/// A connection to the rig.
struct Handle(UnixStream);

impl RigSource {
    /// Opens the device.
    pub fn connect(socket: &Path) -> Result<Self, SessionError> {
        Ok(Self { socket: socket.to_owned(), handle: Some(Handle::open(socket)?) })
    }
}

impl Handle {
    fn open(socket: &Path) -> Result<Self, SessionError> {
        let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
            // It may well be running.
            ErrorKind::PermissionDenied => SessionError::AccessDenied(NOT_MY_SOCKET),
            _ => SessionError::NotRunning(format!("no rig answers at {}: {error}", socket.display())),
        })?;
        let mut handle = Self(stream);
        match handle.answer()? {
            (STATUS_SUCCESS, _) => Ok(handle),
            (STATUS_ACCESS_DENIED, _) => Err(SessionError::AccessDenied(super::ONLY_ADMINISTRATORS)),
            (status, _) => {
                Err(SessionError::NotRunning(format!("the device cannot be opened (status {status:#010x})")))
            }
        }
    }

    fn answer(&mut self) -> Result<(NtStatus, Vec<u8>), SessionError> {
        let mut frame = [0; size_of::<AnswerFrame>()];
        self.0.read_exact(&mut frame).map_err(gone)?;
        let frame = AnswerFrame::read_from_bytes(&frame).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        if frame.output.get() > MAX_BYTES {
            return Err(Error::from(ErrorKind::InvalidData).into());
        }
        let mut output = vec![0; frame.output.get() as usize];
        self.0.read_exact(&mut output).map_err(gone)?;
        Ok((frame.status.get(), output))
    }
}

/// A read that met the end of the connection says so in words that help.
fn gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => Error::new(error.kind(), ENDED_EARLY),
        _ => error,
    }
}

impl Source for RigSource {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).into();
        let frame = RequestFrame { code: code.into(), input: length(input.len()), output: length(output) };
        let mut handle = match self.handle.take() {
            Some(handle) => handle,
            None => Handle::open(&self.socket)?,
        };
        handle.0.write_all(&[frame.as_bytes(), input].concat())?;
        if !ctrl_c::wait_for(&handle.0)? {
            return Err(SessionError::Cancelled);
        }
        let answer = handle.answer()?;
        self.handle = Some(handle);
        match answer {
            (STATUS_SUCCESS, output) => Ok(output),
            (STATUS_CANCELLED, _) => Err(SessionError::Cancelled),
            (status, _) => Err(SessionError::Refused { what, status: status.cast_unsigned() }),
        }
    }
}
