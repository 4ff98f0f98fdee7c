//! DeviceIoControl over a Unix socket: each connection is a handle of a process of its own.

use std::{
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use irqlog_rig_protocol::{AnswerFrame, MAX_BYTES, RequestFrame};
use irqlog_wire::ioctl::WIN32_NAME;
use zerocopy::{FromBytes, IntoBytes};

use crate::nt::{
    io::{ControlCall, File, Requestor},
    machine::run_thread,
};

/// A listening socket, served by a thread until it is dropped.
pub struct Server {
    path: std::path::PathBuf,
    stopping: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Listens at `path`, which is replaced if it is there.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn listen(path: &Path) -> Result<Self> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).with_context(|| format!("listening at {}", path.display()))?;
        let (stopping, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let server =
            Self { path: path.to_path_buf(), stopping: Arc::clone(&stopping), connections: Arc::clone(&connections) };
        std::thread::spawn(move || {
            /// Process ids are multiples of four.
            static NEXT_PROCESS: AtomicU32 = AtomicU32::new(0x1000);
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connections = Arc::clone(&connections);
                connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let process = NEXT_PROCESS.fetch_add(4, Ordering::Relaxed);
                    // A client that goes away is no error of the rig's.
                    let _ = serve(stream, process);
                    connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(server)
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, process: u32) -> std::io::Result<()> {
    let opened = run_thread(process, 0, true, |_| File::open(WIN32_NAME, Requestor::Administrator));
    let file = match opened {
        Ok(file) => {
            answer(&mut stream, 0, &[])?;
            file
        }
        Err(status) => return answer(&mut stream, status, &[]),
    };
    let result = serve_file(&mut stream, process, &file);
    run_thread(process, 0, true, |_| {
        file.cleanup();
        file.close();
    });
    result
}

fn serve_file(stream: &mut UnixStream, process: u32, file: &File) -> std::io::Result<()> {
    loop {
        let mut frame = [0; size_of::<RequestFrame>()];
        stream.read_exact(&mut frame)?;
        let frame = RequestFrame::read_from_bytes(&frame).map_err(|_| std::io::ErrorKind::InvalidData)?;
        if frame.input.get() > MAX_BYTES || frame.output.get() > MAX_BYTES {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut input = vec![0; frame.input.get() as usize];
        stream.read_exact(&mut input)?;
        let control =
            ControlCall { code: frame.code.get(), internal: false, input: &input, output: frame.output.get() as usize };
        let result = run_thread(process, 0, true, |_| file.control(control, &|| is_closed(stream)));
        answer(stream, result.status, &result.output)?;
    }
}

/// Whether the client has closed the connection, whatever it sent before that is not read yet.
fn is_closed(stream: &UnixStream) -> bool {
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one descriptor, which is open; it does not wait.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
}

fn answer(stream: &mut UnixStream, status: i32, output: &[u8]) -> std::io::Result<()> {
    let frame = AnswerFrame { status: status.into(), output: (output.len() as u32).into() };
    stream.write_all(frame.as_bytes())?;
    stream.write_all(output)
}

/// How often a server's owner looks whether it shall end.
pub const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_gone_is_gone_whatever_was_sent_before() {
        for sent in [&b""[..], b"x", &[b'x'; 100]] {
            let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
            assert!(!is_closed(&server));
            client.write_all(sent).expect("room");
            assert!(!is_closed(&server), "{} bytes are no end", sent.len());
            drop(client);
            assert!(is_closed(&server), "behind {} bytes", sent.len());
        }
    }
}
