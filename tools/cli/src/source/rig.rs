//! The rig, through its socket.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use irqlog_reader::{
    rig::{AnswerFrame, MAX_BYTES, RequestFrame},
    session::{SessionError, Source},
};
use zerocopy::{FromBytes, IntoBytes};

const STATUS_CANCELLED: u32 = 0xc000_0120;
const STATUS_ACCESS_DENIED: u32 = 0xc000_0022;

/// A handle to the rig's device.
pub struct RigSource(UnixStream);

impl RigSource {
    /// Opens the device.
    pub fn connect(socket: &Path) -> Result<Self, SessionError> {
        let stream = UnixStream::connect(socket)
            .map_err(|error| SessionError::NotRunning(format!("no rig answers at {}: {error}", socket.display())))?;
        let mut source = Self(stream);
        match source.answer()? {
            (0, _) => Ok(source),
            (STATUS_ACCESS_DENIED, _) => Err(SessionError::AccessDenied),
            (status, _) => {
                Err(SessionError::NotRunning(format!("the device cannot be opened (status {status:#010x})")))
            }
        }
    }

    fn answer(&mut self) -> Result<(u32, Vec<u8>), SessionError> {
        let mut frame = [0; size_of::<AnswerFrame>()];
        self.0.read_exact(&mut frame)?;
        let frame =
            AnswerFrame::read_from_bytes(&frame).map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))?;
        if frame.output.get() > MAX_BYTES {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into());
        }
        let mut output = vec![0; frame.output.get() as usize];
        self.0.read_exact(&mut output)?;
        Ok((frame.status.get() as u32, output))
    }
}

impl Source for RigSource {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).into();
        let frame = RequestFrame { code: code.into(), input: length(input.len()), output: length(output) };
        self.0.write_all(&[frame.as_bytes(), input].concat())?;
        match self.answer()? {
            (0, output) => Ok(output),
            (STATUS_CANCELLED, _) => Err(SessionError::Cancelled),
            (status, _) => Err(SessionError::Refused { what, status }),
        }
    }
}
