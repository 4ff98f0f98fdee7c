//! A run that ends badly leaves a dump, and the log is in it.
//!
//! Each end is tried in a child, which is told to leave its dump in a file; the file is read back here.

use std::{path::PathBuf, sync::atomic::Ordering};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::irql::{DISPATCH_LEVEL, HIGH_LEVEL};
use irqlog_reader::{
    log::{Log as _, records},
    record::Content,
    saved::SavedLog,
};
use irqlog_wire::record::{Level, flags};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    coverage::{Caller, WriteTextFn},
    framework::missing_function,
    guards::in_child,
    stop_last,
};
use crate::nt::{dump, exports, machine::current, report::EXIT_BROKEN};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "crash-leaves-dump",
    processors: DEFAULT_PROCESSORS,
    about: "bug check 0x10D of KMDF, faults at two IRQLs and a broken rule each leave a dump, with the log in it",
    run: leave,
}];

const TEXT: &[u8] = b"what was logged before";
/// An address that nothing is at.
const BAD: usize = 0x10;

/// What ends a run.
type End = Box<dyn Fn()>;

fn leave(stage: &Stage) -> Result<()> {
    let irqlog = as_process(|| stage.start_irqlog())?;
    let caller = as_process(Caller::connect)?;
    let [write, _] = caller.entries();
    as_process(|| {
        let ends: [(u32, &str, End); 4] = [
            (0x10d, "KMDF does not have a function", Box::new(missing_function()?)),
            (0xd1, "a bad pointer at DISPATCH_LEVEL", Box::new(move || bad_text(write, DISPATCH_LEVEL))),
            (0x50, "a bad pointer at PASSIVE_LEVEL", Box::new(move || bad_text(write, 0))),
            (0xc4, "a routine above its IRQL", Box::new(break_rule)),
        ];
        for (code, what, end) in ends {
            try_end(code, write, &*end).with_context(|| what.to_owned())?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    as_process(|| {
        caller.file.cleanup();
        caller.file.close();
        stop_last(&irqlog)
    })
}

/// Hands irqlog.sys a text that is not there.
fn bad_text(write: WriteTextFn, irql: u8) {
    let processor = current().expect("a simulated thread").processor();
    processor.irql.store(irql, Ordering::Relaxed);
    write(Level::Info.0, BAD as *const u8, 64);
}

fn break_rule() {
    current().expect("a simulated thread").processor().irql.store(HIGH_LEVEL, Ordering::Relaxed);
    let allocate = exports::find("ExAllocatePool2").expect("an export");
    // SAFETY: the routine has this signature; it ends the run before it does anything.
    unsafe {
        let allocate: extern "efiapi" fn(u64, usize, u32) -> usize = std::mem::transmute(allocate);
        allocate(0x40, 64, 0);
    }
}

/// Ends a child in that way, and looks at its dump.
fn try_end(code: u32, write: WriteTextFn, end: &dyn Fn()) -> Result<()> {
    let path = std::env::temp_dir().join(format!("irqlog-rig-{}.dmp", std::process::id()));
    let left = Left(path);
    let (status, said) = in_child(|| {
        dump::leave_at(&left.0);
        write(Level::Warn.0, TEXT.as_ptr(), TEXT.len());
        end();
    })?;
    ensure!(status == EXIT_BROKEN, "exit status {status}: {said}");
    let bytes = std::fs::read(&left.0).with_context(|| format!("no dump was left: {said}"))?;
    let (header, log) = irqlog_dump::find(&bytes, |_, _| {})?;
    ensure!(header.code == code, "the dump is of bug check {:#x}: {said}", header.code);
    let mut log = SavedLog::open(std::io::Cursor::new(log.image))?;
    let noted = log.tables().header;
    ensure!(noted.crashed.get() == 1 && noted.crash_code.get() == u64::from(code), "noted: {:#x}", noted.crash_code);
    let records = records(log.collect()?);
    let texts: Vec<_> = records
        .iter()
        .rev()
        .take(2)
        .map(|record| match record.content() {
            Content::Text(text) => (record.has(flags::OWN), text.raw().to_string()),
            _ => (false, String::new()),
        })
        .collect();
    let [(true, own), (false, before)] = &texts[..] else { anyhow::bail!("the last records are {texts:?}") };
    ensure!(own.starts_with(&format!("bug check {code:#x} (")), "the own record says {own:?}");
    ensure!(before.as_bytes() == TEXT, "before it there is {before:?}");
    Ok(())
}

/// A file that goes when the scenario ends.
struct Left(PathBuf);

impl Drop for Left {
    fn drop(&mut self) {
        // It may not be there.
        let _ = std::fs::remove_file(&self.0);
    }
}
