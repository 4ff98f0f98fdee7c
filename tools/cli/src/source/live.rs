//! The Windows device, by overlapped requests.
//!
//! From [`stop_on_ctrl_c`] on, a request is waited for together with Ctrl-C. Ctrl-C cancels the request; its end is
//! awaited, because the driver may still write to the buffer. Later requests are cancelled too, until [`go_on`]. A second
//! Ctrl-C ends the process; closing the handle ends what is pended then (EvtFileCleanup).

use std::{
    ptr::{null, null_mut},
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use irqlog_reader::session::{SessionError, Source};
use irqlog_wire::ioctl::WIN32_NAME;
use windows_sys::{
    Win32::{
        Foundation::{
            CloseHandle, ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_IO_PENDING, ERROR_OPERATION_ABORTED,
            ERROR_PATH_NOT_FOUND, FALSE, GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, TRUE,
            WAIT_OBJECT_0,
        },
        Storage::FileSystem::{CreateFileW, FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING},
        System::{
            Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler},
            IO::{CancelIoEx, DeviceIoControl, GetOverlappedResult, OVERLAPPED},
            Threading::{CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects},
        },
    },
    core::BOOL,
};

/// Event that is set by Ctrl-C; null until [`stop_on_ctrl_c`].
static CTRL_C: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(null_mut());

/// The first Ctrl-C has come.
static HAS_STOPPED: AtomicBool = AtomicBool::new(false);

/// See [`super::stop_on_ctrl_c`].
pub fn stop_on_ctrl_c() -> std::io::Result<()> {
    // SAFETY: an unnamed event that stays set; it lives as long as the process.
    let event = unsafe { CreateEventW(null(), TRUE, FALSE, null()) };
    if event.is_null() {
        return Err(std::io::Error::last_os_error());
    }
    CTRL_C.store(event, Ordering::Release);
    // SAFETY: a handler of the right type, which lives as long as the process.
    match unsafe { SetConsoleCtrlHandler(Some(on_ctrl), TRUE) } {
        FALSE => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// See [`super::go_on`].
pub fn go_on() -> std::io::Result<()> {
    let event = CTRL_C.load(Ordering::Acquire);
    // SAFETY: the event lives as long as the process; without one the call fails, and nothing was cancelled.
    match unsafe { ResetEvent(event) } {
        FALSE if !event.is_null() => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// See [`super::stop`].
pub fn stop() {
    let event = CTRL_C.load(Ordering::Acquire);
    // SAFETY: the event lives as long as the process; without one the call fails, and nothing is stopped.
    unsafe { SetEvent(event) };
}

/// Runs on a thread that the system makes; FALSE lets the system end the process.
unsafe extern "system" fn on_ctrl(kind: u32) -> BOOL {
    if !matches!(kind, CTRL_C_EVENT | CTRL_BREAK_EVENT) || HAS_STOPPED.swap(true, Ordering::Relaxed) {
        return FALSE;
    }
    // SAFETY: the event lives as long as the process.
    unsafe { SetEvent(CTRL_C.load(Ordering::Acquire)) }
}

/// A handle that is closed.
struct Handle(HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: opened by whoever made this, closed once.
        unsafe { CloseHandle(self.0) };
    }
}

/// The control device.
pub struct Device {
    file: Handle,
    /// Set when a request ends.
    done: Handle,
}

impl Device {
    /// Opens it for reading and writing.
    pub fn open() -> Result<Self, SessionError> {
        let name: Vec<u16> = WIN32_NAME.encode_utf16().chain([0]).collect();
        // SAFETY: a zero-terminated name; the optional pointers are not given.
        let file = unsafe {
            CreateFileW(
                name.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                null_mut(),
            )
        };
        if file == INVALID_HANDLE_VALUE {
            let error = std::io::Error::last_os_error();
            return Err(match code_of(&error) {
                Some(ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND) => SessionError::NotRunning(
                    "its device is not there; `irqlog service start` starts an installed driver".to_owned(),
                ),
                Some(ERROR_ACCESS_DENIED) => SessionError::AccessDenied(super::ONLY_ADMINISTRATORS),
                _ => SessionError::Io(error),
            });
        }
        let file = Handle(file);
        // SAFETY: an unnamed event that stays set until the next request resets it.
        let done = unsafe { CreateEventW(null(), TRUE, FALSE, null()) };
        if done.is_null() {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Self { file, done: Handle(done) })
    }

    /// Waits for a request that is under way, or for Ctrl-C, which cancels it. It has ended when this returns.
    fn end_of(&self, request: &OVERLAPPED) -> std::io::Result<u32> {
        let ctrl_c = CTRL_C.load(Ordering::Acquire);
        let handles = [self.done.0, ctrl_c];
        let count = if ctrl_c.is_null() { 1 } else { 2 };
        // SAFETY: the array holds that number of handles, and they are open.
        let woken_by = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), FALSE, INFINITE) };
        if woken_by != WAIT_OBJECT_0 {
            // It may have ended meanwhile; then there is nothing to cancel, and that is no error.
            // SAFETY: our handle and the request's own structure.
            unsafe { CancelIoEx(self.file.0, request) };
        }
        let mut written = 0;
        // SAFETY: as above; it waits until the request has ended.
        match unsafe { GetOverlappedResult(self.file.0, request, &raw mut written, TRUE) } {
            FALSE => Err(std::io::Error::last_os_error()),
            _ => Ok(written),
        }
    }
}

fn code_of(error: &std::io::Error) -> Option<u32> {
    error.raw_os_error().map(i32::cast_unsigned)
}

impl Source for Device {
    fn control(&mut self, _: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut buffer = vec![0_u8; output];
        let mut request = OVERLAPPED { hEvent: self.done.0, ..OVERLAPPED::default() };
        // SAFETY: both buffers and the structure stay where they are until the request has ended: `end_of` waits for it.
        let done = unsafe {
            DeviceIoControl(
                self.file.0,
                code,
                input.as_ptr().cast(),
                length(input.len()),
                buffer.as_mut_ptr().cast(),
                length(buffer.len()),
                null_mut(),
                &raw mut request,
            )
        };
        let started = if done == FALSE { Err(std::io::Error::last_os_error()) } else { Ok(()) };
        let written = match started {
            Err(error) if code_of(&error) != Some(ERROR_IO_PENDING) => Err(error),
            _ => self.end_of(&request),
        };
        // The text of an error is the system's own, in the user's language.
        let written = written.map_err(|error| match code_of(&error) {
            Some(ERROR_OPERATION_ABORTED) => SessionError::Cancelled,
            _ => SessionError::Io(error),
        })?;
        buffer.truncate(written as usize);
        Ok(buffer)
    }
}
