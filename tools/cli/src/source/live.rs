//! The Windows device.
//!
//! One synchronous handle: a WAIT that is pended ends when Ctrl-C ends the process, because closing the handle ends it in
//! the driver (EvtFileCleanup).

use std::ptr::{null, null_mut};

use irqlog_reader::session::{SessionError, Source};
use irqlog_wire::ioctl::WIN32_NAME;
use windows_sys::Win32::{
    Foundation::{
        CloseHandle, ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_OPERATION_ABORTED, ERROR_PATH_NOT_FOUND,
        GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE,
    },
    Storage::FileSystem::{CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING},
    System::IO::DeviceIoControl,
};

/// A handle to the control device.
pub struct Device(HANDLE);

impl Device {
    /// Opens it for reading and writing.
    pub fn open() -> Result<Self, SessionError> {
        let name: Vec<u16> = WIN32_NAME.encode_utf16().chain([0]).collect();
        // SAFETY: a zero-terminated name; the optional pointers are not given.
        let handle = unsafe {
            CreateFileW(
                name.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                null(),
                OPEN_EXISTING,
                FILE_ATTRIBUTE_NORMAL,
                null_mut(),
            )
        };
        if handle != INVALID_HANDLE_VALUE {
            return Ok(Self(handle));
        }
        let error = std::io::Error::last_os_error();
        Err(match error.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND) => SessionError::NotRunning(
                "its device is not there; `sc start irqlog` starts an installed driver".to_owned(),
            ),
            Some(ERROR_ACCESS_DENIED) => SessionError::AccessDenied,
            _ => SessionError::Io(error),
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once.
        unsafe { CloseHandle(self.0) };
    }
}

impl Source for Device {
    fn control(&mut self, _: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut buffer = vec![0_u8; output];
        let mut written = 0;
        // SAFETY: both buffers are valid for the lengths given until the call returns: the handle is synchronous.
        let done = unsafe {
            DeviceIoControl(
                self.0,
                code,
                input.as_ptr().cast(),
                length(input.len()),
                buffer.as_mut_ptr().cast(),
                length(buffer.len()),
                &raw mut written,
                null_mut(),
            )
        };
        if done == 0 {
            // The text is the system's own, in the user's language.
            let error = std::io::Error::last_os_error();
            return Err(match error.raw_os_error().map(i32::cast_unsigned) {
                Some(ERROR_OPERATION_ABORTED) => SessionError::Cancelled,
                _ => SessionError::Io(error),
            });
        }
        buffer.truncate(written as usize);
        Ok(buffer)
    }
}
