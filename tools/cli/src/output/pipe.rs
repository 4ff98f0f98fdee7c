//! Notices that the reader of standard output, a pipe, has closed its end.
//!
//! A program that writes learns it from the write's error. `follow` writes nothing while it waits for records, so a thread
//! watches the pipe.

/// Starts a thread that calls `act` once, when the reader of standard output has closed its end of the pipe.
pub fn when_reader_has_gone(act: impl FnOnce() + Send + 'static) {
    // If no thread can be started, the write of the next record fails instead.
    let _ = std::thread::Builder::new().name("pipe".to_owned()).spawn(move || {
        if wait_for_reader_to_go() {
            act();
        }
    });
}

/// Waits until the reader has closed its end; returns false at once if this cannot be known.
#[cfg(unix)]
fn wait_for_reader_to_go() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};

    let stdout = std::io::stdout();
    // poll() reports errors and hang-ups whatever events were asked for (POSIX, poll()).
    let mut waited = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut waited, None) {
            Ok(_) => return waited[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// As above. Windows reports the state of a pipe only when asked, so the thread asks five times a second ([MS-FSCC],
/// FilePipeLocalInformation).
#[cfg(windows)]
fn wait_for_reader_to_go() -> bool {
    use std::{os::windows::io::AsRawHandle, time::Duration};

    use windows_sys::{
        Wdk::Storage::FileSystem::{
            FILE_PIPE_CLOSING_STATE, FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation, NtQueryInformationFile,
        },
        Win32::System::IO::IO_STATUS_BLOCK,
    };

    const PAUSE: Duration = Duration::from_millis(200);
    let stdout = std::io::stdout().as_raw_handle();
    loop {
        let mut status = IO_STATUS_BLOCK::default();
        let mut pipe = FILE_PIPE_LOCAL_INFORMATION::default();
        // SAFETY: standard output stays open as long as the process; both structures lie on this stack and have the length
        // given.
        let result = unsafe {
            NtQueryInformationFile(
                stdout,
                &raw mut status,
                (&raw mut pipe).cast(),
                size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32,
                FilePipeLocalInformation,
            )
        };
        // Only a pipe answers this question.
        if result < 0 {
            return false;
        }
        if pipe.NamedPipeState == FILE_PIPE_CLOSING_STATE {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
}
