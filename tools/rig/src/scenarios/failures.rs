//! Failures by number: each allocation, and each call of the framework that gives a status, fails once.
//!
//! A session is one life of irqlog.sys: start, every request, a driver that connects, stop. It is run without a failure
//! first, which counts the calls; then once for each call, which fails. In every run what fails is told by a status, the
//! same again succeeds, and nothing is left behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use irqlog_nt::{NtStatus, STATUS_CANCELLED, STATUS_SUCCESS};
use irqlog_reader::session::{Session, SessionError, Settings};
use irqlog_wire::{ioctl, record::Level};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    basic::{FileSource, close, open, waiting, written},
    stop_last,
};
use crate::{
    nt::io::{ControlCall, File},
    planted::{ALLOCATIONS, FRAMEWORK_CALLS, NumberedCalls},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "no-memory",
        processors: DEFAULT_PROCESSORS,
        about: "each allocation of start, requests and stop fails once: a status says so, nothing is left",
        run: |stage| by_number(stage, &ALLOCATIONS, "allocations", 1),
    },
    Scenario {
        name: "framework-failures",
        processors: DEFAULT_PROCESSORS,
        about: "each call of the framework that gives a status fails once: the same",
        // Under the emulator some of them.
        run: |stage| by_number(stage, &FRAMEWORK_CALLS, "calls", if stage.is_emulated() { 13 } else { 1 }),
    },
];

/// Lets every `step`th call of a kind fail, in a session of its own.
fn by_number(stage: &Stage, calls: &NumberedCalls, what: &str, step: usize) -> Result<()> {
    // Loads the framework too, whose image stays.
    calls.plant(None);
    let failed = session(stage)?;
    ensure!(failed.is_empty(), "without a planted failure: {failed:?}");
    let count = calls.made();
    let mut told = std::collections::BTreeMap::new();
    for number in (0..count).step_by(step) {
        calls.plant(Some(number));
        let failed = session(stage).with_context(|| format!("{what}, number {number} fails"))?;
        let has_failed = calls.has_failed();
        calls.plant(None);
        // The timer looks at pended requests more or less often; the last numbers may not come.
        ensure!(has_failed || number + 8 >= count, "number {number} of {count} did not come");
        ensure!(failed.len() <= 1, "number {number} fails, and with it {failed:?}");
        for (step, _) in failed {
            *told.entry(step).or_insert(0) += 1;
        }
    }
    println!("{count} {what}; a failure is told by {told:?}");
    ensure!(told.len() >= 2, "almost nothing fails: {told:?}");
    Ok(())
}

/// What failed in a session, and how.
type Failed = Vec<(&'static str, NtStatus)>;

/// Does a step, and if it fails does it again, which has to succeed.
fn step(failed: &mut Failed, name: &'static str, mut work: impl FnMut() -> NtStatus) -> Result<()> {
    let status = work();
    if status < 0 {
        failed.push((name, status));
        let again = work();
        ensure!(again >= 0, "{name} failed with {status:#010x}, and again with {again:#010x}");
    }
    Ok(())
}

/// The status of a call of the reader's.
fn status(result: &Result<(), SessionError>) -> NtStatus {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(SessionError::Refused { status, .. }) => *status as NtStatus,
        Err(_) => NtStatus::MIN,
    }
}

fn session(stage: &Stage) -> Result<Failed> {
    let mut failed = Failed::new();
    let irqlog = match as_process(|| stage.start_irqlog()) {
        Ok(driver) => driver,
        Err(error) => {
            // What a failed start has left behind was looked for.
            ensure!(format!("{error:#}").contains("failed to start with status"), "{error:#}");
            failed.push(("start", NtStatus::MIN));
            as_process(|| stage.start_irqlog()).context("the start after the one that failed")?
        }
    };
    as_process(|| requests(&mut failed))?;
    waits(&mut failed)?;
    as_process(|| connects(stage, &mut failed))?;
    as_process(|| stop_last(&irqlog))?;
    Ok(failed)
}

fn requests(failed: &mut Failed) -> Result<()> {
    let file = open()?;
    let send = |code, input: &[u8], output| {
        file.control(ControlCall { code, internal: false, input, output }, &|| false).status
    };
    step(failed, "INFO", || send(ioctl::INFO, &[], 1 << 20))?;
    step(failed, "SITES", || send(ioctl::SITES, &[0; 8], 4096))?;
    step(failed, "WAIT", || send(ioctl::WAIT, &u64::MAX.to_le_bytes(), 8))?;
    step(failed, "SELFTEST", || send(ioctl::SELFTEST, &[], 104))?;
    let mut session = Session::new(FileSource(&file));
    step(failed, "READ", || status(&session.read(0, None, 4096).map(drop)))?;
    step(failed, "MARK", || status(&session.mark(Level::Info, "a mark")))?;
    let level = Settings { level: Some(Level::Trace), ..Settings::default() };
    step(failed, "CONFIGURE", || status(&session.configure(level)))?;
    step(failed, "CLEAR", || status(&session.clear()))?;
    drop(session);
    close(file);
    Ok(())
}

/// A WAIT that ends with a record, and one that is cancelled.
fn waits(failed: &mut Failed) -> Result<()> {
    let file = Arc::new(as_process(open)?);
    // Not a step: it is made again until it says the number.
    let seen = as_process(|| written(&file).or_else(|_| written(&file)))?;
    let until = |is_cancelled: bool, seen: u64, file: &Arc<File>| {
        let cancel = Arc::new(AtomicBool::new(false));
        let pended = waiting(Arc::clone(file), seen, Arc::clone(&cancel));
        if is_cancelled {
            cancel.store(true, Ordering::SeqCst);
        } else {
            let mark = || status(&Session::new(FileSource(file)).mark(Level::Info, "for the one who waits"));
            while as_process(mark) < 0 {}
        }
        pended.join().expect("joined").status
    };
    step(failed, "WAIT, pended", || until(false, seen, &file))?;
    let seen = as_process(|| written(&file).or_else(|_| written(&file)))?;
    let cancelled = until(true, seen, &file);
    if cancelled != STATUS_CANCELLED {
        failed.push(("WAIT, cancelled", cancelled));
    }
    as_process(|| Arc::into_inner(file).context("still in use").map(close))
}

/// A driver that connects, registers, and goes.
fn connects(stage: &Stage, failed: &mut Failed) -> Result<()> {
    let driver = stage.start_testdrv().or_else(|_| {
        failed.push(("CONNECT", NtStatus::MIN));
        stage.start_testdrv().context("the test driver after the start that failed")
    })?;
    ensure!(driver.stop()?, "the test driver does not stop");
    Ok(())
}
