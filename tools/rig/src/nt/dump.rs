//! Crash dumps of the simulated machine: of a crash that a scenario wants to look at, and of a run that ends badly.
//!
//! A run leaves a dump where `--dump` says, when a driver calls KeBugCheckEx, faults or breaks a rule, and when a scenario
//! fails while irqlog.sys still runs: `irqlog crash` then shows what was logged before. A child process writes it, so
//! that a callback that fails or hangs costs the dump and nothing else. Children of the run, which scenarios let break
//! rules on purpose, leave none.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use irqlog_makedump::{self as dumps, Crashed, DumpVariety};

use super::{
    bugcheck::{self, BugCheckData, CallbackData, DumpSettings},
    heap,
    machine::{current, machine, run_thread},
};
use crate::{arch, images, mutex::lock};

/// LIVE_SYSTEM_DUMP: nothing has crashed, but the scenario is not content.
const LIVE: BugCheckData = BugCheckData { code: 0x161, parameters: [0; 4] };
/// Time after which a child that writes a dump is ended.
const LIMIT: u32 = 60;
/// Time for the other processors to freeze, and for the thread of [`leave_of_failure`].
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a dump is left, and by which process.
static PLACE: Mutex<Option<(PathBuf, u32)>> = Mutex::new(None);
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// From now on this process leaves a dump there when it ends badly.
pub fn leave_at(path: &Path) {
    *lock(&PLACE) = Some((path.to_owned(), std::process::id()));
    IS_LEFT.store(false, Ordering::SeqCst);
}

/// What a dump of the machine is written of, with its memory: the image of irqlog.sys and its pool.
pub fn with_crash<T>(
    bug_check: &BugCheckData,
    given: &CallbackData,
    write: impl FnOnce(&Crashed<'_>) -> T,
) -> Result<T> {
    let image = images::find("irqlog.sys").context("irqlog.sys is loaded")?;
    // SAFETY: the image is mapped, readable, and nobody runs in it.
    let bytes = unsafe { std::slice::from_raw_parts(image.base() as *const u8, image.size()) }.to_vec();
    let memory: Vec<_> = std::iter::once((image.base(), bytes)).chain(heap::contents()).collect();
    Ok(write(&Crashed {
        code: bug_check.code,
        parameters: bug_check.parameters.map(|parameter| parameter as u64),
        machine: u32::from(arch::MACHINE),
        processors: machine().active() as u32,
        levels: 4,
        memory: &memory,
        modules: &[],
        added: &given.memory,
        blocks: &given.blocks,
    }))
}

/// Keeps a dump that a scenario found wrong, if one shall be left at all; also in a child.
pub fn keep(dump: &[u8]) {
    if let Some((path, _)) = lock(&PLACE).as_ref() {
        tell(path, write(path, dump));
    }
}

/// Leaves a dump of a bug check, if this process shall, and irqlog.sys listens for it.
pub fn leave(bug_check: &BugCheckData) {
    let Some(path) = place() else { return };
    if bugcheck::registered() == 0 || !current().is_some_and(super::machine::Thread::holds_processor) {
        return;
    }
    if IS_LEFT.swap(true, Ordering::SeqCst) {
        return;
    }
    // Without it the log is as it is at any instruction, which readers of a dump have to live with as well.
    let is_frozen = bugcheck::freeze_others(PATIENCE);
    tell(&path, in_child(|| write_of(&path, bug_check)));
    if !is_frozen {
        eprintln!("    some processors did not freeze");
    }
}

/// Leaves a dump of a machine whose scenario has failed.
pub fn leave_of_failure() {
    if place().is_none() || bugcheck::registered() == 0 {
        return;
    }
    let (done, wait) = std::sync::mpsc::channel();
    // A processor that nobody gives back must not hold up the end of the run.
    std::thread::spawn(move || {
        run_thread(0x2000, 0, true, |_| leave(&LIVE));
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(PATIENCE + Duration::from_secs(u64::from(LIMIT)));
}

fn place() -> Option<PathBuf> {
    lock(&PLACE).as_ref().filter(|(_, process)| *process == std::process::id()).map(|(path, _)| path.clone())
}

fn tell(path: &Path, result: Result<()>) {
    match result {
        Ok(()) => eprintln!("    dump: {}", path.display()),
        Err(error) => eprintln!("    no dump: {error:#}"),
    }
}

fn write_of(path: &Path, bug_check: &BugCheckData) -> Result<()> {
    let settings =
        DumpSettings { maximum: 1 << 28, triage_maximum: 1 << 25, dump_type: DumpVariety::Kernel.dump_type() };
    let given = bugcheck::call_callbacks(bug_check, settings);
    write(path, &with_crash(bug_check, &given, |crashed| dumps::write(DumpVariety::Kernel, crashed))?)
}

fn write(path: &Path, dump: &[u8]) -> Result<()> {
    std::fs::write(path, dump).with_context(|| format!("writing {}", path.display()))
}

/// Does something in a child, within [`LIMIT`].
fn in_child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: the child has this thread alone, writes a file, and ends without returning.
    let child = unsafe { libc::fork() };
    ensure!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: ends this process by a signal, if it hangs.
        unsafe { libc::alarm(LIMIT) };
        let status = work().map_or_else(
            |error| {
                eprintln!("    {error:#}");
                1
            },
            |()| 0,
        );
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    ensure!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        "the process that writes it ended with {status:#x}"
    );
    Ok(())
}
