//! The rig as a server: clients that go in the middle, and what many requests leave behind.

use std::{io::Write, os::unix::net::UnixStream, time::Duration};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::STATUS_INVALID_PARAMETER;
use irqlog_rig_protocol::RequestFrame;
use irqlog_wire::ioctl;
use zerocopy::IntoBytes;

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, stop_last};
use crate::{
    nt::io::{ControlCall, File, Requestor},
    serve::{POLL, Server},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "gone-clients",
        processors: DEFAULT_PROCESSORS,
        about: "a client that goes while its WAIT is pended ends it, whatever it has sent behind the WAIT",
        run: gone_clients,
    },
    Scenario {
        name: "many-requests",
        processors: DEFAULT_PROCESSORS,
        about: "requests that are done with leave no memory behind",
        run: many_requests,
    },
];

fn gone_clients(stage: &Stage) -> Result<()> {
    let driver = as_process(|| stage.start_irqlog())?;
    let socket = std::env::temp_dir().join(format!("irqlog-gone-{}.sock", std::process::id()));
    let server = Server::listen(&socket)?;
    for behind in [0, 1, 11, 4096] {
        let mut client = UnixStream::connect(&socket)?;
        let wait = RequestFrame { code: ioctl::WAIT.into(), input: 8.into(), output: 8.into() };
        client.write_all(&[wait.as_bytes(), &seen()?.to_le_bytes(), &vec![0; behind]].concat())?;
        // Time for the WAIT to be pended; one that is not yet is ended by the next step too.
        std::thread::sleep(Duration::from_millis(50));
        drop(client);
        let mut polls = 0;
        while server.connections() != 0 {
            polls += 1;
            ensure!(polls < 1000, "a WAIT is still pended, {behind} bytes behind it, though its client has gone");
            std::thread::sleep(POLL);
        }
    }
    drop(server);
    as_process(|| stop_last(&driver))
}

/// The count of records written.
fn seen() -> Result<u64> {
    as_process(|| {
        let file = open()?;
        let control = ControlCall { code: ioctl::WAIT, internal: false, input: u64::MAX.as_bytes(), output: 8 };
        let answer = file.control(control, &|| false);
        close(file);
        Ok(u64::from_le_bytes(answer.output[..].try_into()?))
    })
}

fn many_requests(stage: &Stage) -> Result<()> {
    const REQUESTS: usize = 1000;
    const SIZE: usize = 1 << 20;
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let file = open()?;
        let input = vec![1; SIZE];
        let before = resident()?;
        for _ in 0..REQUESTS {
            let control = ControlCall { code: ioctl::MARK, internal: false, input: &input, output: 0 };
            let status = file.control(control, &|| false).status;
            ensure!(status == STATUS_INVALID_PARAMETER, "{status:#010x}");
        }
        let more = resident()?.saturating_sub(before);
        println!("{REQUESTS} requests of {SIZE} bytes left {more} bytes resident");
        ensure!(more < REQUESTS * SIZE / 16, "{REQUESTS} requests of {SIZE} bytes left {more} bytes resident");
        close(file);
        stop_last(&driver)
    })
}

/// Bytes of this process that are in memory.
fn resident() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").context("/proc/self/statm")?;
    let pages = text.split_whitespace().nth(1).context("the second field of statm")?;
    // SAFETY: no arguments but the name.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages.parse::<usize>()? * page as usize)
}

fn open() -> Result<File> {
    File::open(ioctl::WIN32_NAME, Requestor::Administrator).map_err(|status| anyhow::anyhow!("open: {status:#010x}"))
}

fn close(file: File) {
    file.cleanup();
    file.close();
}
