//! Standard output as a pipe whose reader may go while nothing is written.
//!
//! A program learns from a write that its pipe has gone; one that waits for records writes nothing. A thread looks instead.

/// Calls `act` once, from another thread, when standard output is a pipe and its reader has gone.
pub fn when_reader_has_gone(act: impl FnOnce() + Send + 'static) {
    // Without a thread the next record tells.
    let _ = std::thread::Builder::new().name("pipe".to_owned()).spawn(move || {
        if wait_for_reader_to_go() {
            act();
        }
    });
}

/// Returns true when it has gone, and false if that cannot be known.
#[cfg(unix)]
fn wait_for_reader_to_go() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};

    let stdout = std::io::stdout();
    // No event is asked for: errors and hang-ups are told in any case (POSIX, poll()).
    let mut waited = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut waited, None) {
            Ok(_) => return waited[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// As above; Windows can only be asked, again and again ([MS-FSCC], FilePipeLocalInformation).
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
        // SAFETY: standard output stays open as long as the process; both structures are ours and of the length given.
        let result = unsafe {
            NtQueryInformationFile(
                stdout,
                &raw mut status,
                (&raw mut pipe).cast(),
                size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32,
                FilePipeLocalInformation,
            )
        };
        // Whatever is no pipe refuses the question.
        if result < 0 {
            return false;
        }
        if pipe.NamedPipeState == FILE_PIPE_CLOSING_STATE {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
}
