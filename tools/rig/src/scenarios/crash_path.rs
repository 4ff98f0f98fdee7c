//! The system crashes at each instruction of the record path, and nothing in the dump is torn.
//!
//! The breakpoints and the log calls are those of the [`coverage`]. Where a breakpoint is met, a child process crashes: it
//! calls the bug-check callbacks with the record path in that state, writes a dump, and reads it back. Kinds of dump and
//! rooms take turns. In what is read, every record is as its writer made it, none is there twice, the record that was
//! written last is there, and a lane that was not cut has no gap but for the record that was being written. The run goes on
//! behind the breakpoint.
//!
//! One simulated processor runs; a processor that is frozen by another one's crash is in the same states, and the
//! scenarios `crash-*` freeze several at once.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use irqlog_dump::Origin;
use irqlog_makedump::{self as dumps, Crashed, DumpVariety};
use irqlog_reader::{
    log::{Item, Log as _},
    saved::SavedLog,
};
use irqlog_wire::record::flags;

use super::{
    Stage, as_process,
    coverage::{Caller, Coming, ROUNDS, met, plant, record_path, set_parameters, take_back},
    seen::Seen,
    stop_last,
};
use crate::{
    images,
    mutex::lock,
    nt::{
        bugcheck::{self, BugCheckData, DumpSettings},
        dump,
        machine::machine,
    },
    planted::at_breakpoint,
};

/// Kinds of dump with what Windows allows: secondary data whole, cut, and cut to the last records; and memory alone.
const TURNS: [(DumpVariety, u32); 5] = [
    (DumpVariety::Kernel, 1 << 28),
    (DumpVariety::Small, 16 << 10),
    (DumpVariety::Ranges, 0),
    (DumpVariety::Full, 4 << 10),
    (DumpVariety::Small, 1 << 28),
];
const BUG_CHECK: BugCheckData = BugCheckData { code: 0xd1, parameters: [0x10, 15, 0, 0] };

/// Writer and number, plus one, of the text or event that was written last; nothing if none need be there any more.
static NOTED: Mutex<Option<(u16, u32)>> = Mutex::new(None);
/// Crashes so far.
static CRASHES: AtomicUsize = AtomicUsize::new(0);
/// Those of them whose dump was not as it should be.
static FAILED: AtomicUsize = AtomicUsize::new(0);

/// A record has been written.
pub fn note(writer: u16, number: u32) {
    *lock(&NOTED) = Some((writer, number));
}

/// What was noted may be overwritten, or cleared.
pub fn note_nothing() {
    *lock(&NOTED) = None;
}

/// Crashes at each `every`th instruction of the record path, with each engine and lock.
///
/// # Errors
/// If a dump is not as it should be.
pub fn run(stage: &Stage, list: &Path, every: usize) -> Result<()> {
    ensure!(machine().active() == 1, "crashes at each instruction run with --processors 1");
    as_process(|| {
        for (turn, (engine, lock_name)) in ROUNDS.into_iter().enumerate() {
            set_parameters(engine, lock_name);
            let before = CRASHES.load(Ordering::Relaxed);
            // Each round begins elsewhere, so that five rounds see five times as many.
            let of = round(stage, list, turn * every / ROUNDS.len(), every)
                .with_context(|| format!("engine {engine}, lock {lock_name}"))?;
            let crashes = CRASHES.load(Ordering::Relaxed) - before;
            println!("engine {engine}, lock {lock_name}: {crashes} crashes, at {of} instructions tried");
            ensure!(crashes * 3 >= of, "fewer than a third of the instructions were reached");
        }
        Ok(())
    })
}

/// One start of the driver; gives the number of instructions that were tried.
fn round(stage: &Stage, list: &Path, first: usize, every: usize) -> Result<usize> {
    let irqlog = stage.start_irqlog()?;
    let mut caller = Caller::connect()?;
    let path = record_path(list, &irqlog.image)?;
    let mut tried = 0;
    at_breakpoint(Some(met));
    for (&address, name) in path.iter().skip(first).step_by(every) {
        plant(&irqlog.image, address, Coming::Crash)?;
        caller.work()?;
        take_back()?;
        tried += 1;
        ensure!(
            FAILED.load(Ordering::Relaxed) == 0,
            "a crash at {} ({name}): its dump is not as it should be",
            images::describe(address)
        );
    }
    at_breakpoint(None);
    caller.file.cleanup();
    caller.file.close();
    stop_last(&irqlog)?;
    Ok(tried)
}

/// Crashes in a child, at a breakpoint that was met. On the thread that met it.
pub fn crash_here() {
    let (kind, room) = TURNS[CRASHES.fetch_add(1, Ordering::Relaxed) % TURNS.len()];
    // SAFETY: the child has this thread alone, which holds no lock of the rig: it is at an instruction of an image.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends this process by a signal, if it hangs.
        unsafe { libc::alarm(60) };
        let status = crash(kind, room).map_or_else(
            |error| {
                eprintln!("error: {kind:?} with room for {room} bytes: {error:#}");
                1
            },
            |()| 0,
        );
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(status) };
    }
    let mut status = -1;
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    if status != 0 {
        FAILED.fetch_add(1, Ordering::Relaxed);
    }
}

fn crash(kind: DumpVariety, room: u32) -> Result<()> {
    ensure!(bugcheck::freeze_others(Duration::from_secs(5)), "there is one processor");
    let settings = DumpSettings { maximum: room, triage_maximum: room.min(32 << 20), dump_type: kind.dump_type() };
    let given = bugcheck::call_callbacks(&BUG_CHECK, settings);
    dump::with_crash(&BUG_CHECK, &given, |crashed| {
        let bytes = dumps::write(kind, crashed);
        check(&bytes, crashed).inspect_err(|_| dump::keep(&bytes))
    })?
}

/// Reads a dump back, and compares it with what was noted.
fn check(bytes: &[u8], crashed: &Crashed<'_>) -> Result<()> {
    let (_, log) = irqlog_dump::find(&bytes, |_, _| {})?;
    let is_cut = log.origin == Origin::Secondary && log.cut.records_left_out != 0;
    ensure!(log.missing == 0 && log.cut.missing == 0, "{} and {} bytes are missing", log.missing, log.cut.missing);
    let mut saved = SavedLog::open(std::io::Cursor::new(&log.image[..]))?;
    let header = saved.tables().header;
    ensure!(header.crashed.get() == 1 && header.crash_code.get() == u64::from(crashed.code), "no crash is noted");
    let is_inside = saved.tables().processors.iter().any(|control| control.nesting.get() != 0);
    let (mut seen, mut gap, mut own) = (Seen::default(), None, 0);
    while let Some(item) = saved.next()? {
        match item {
            Item::Record(record) => {
                own += usize::from(record.has(flags::OWN) && record.has(flags::NEVER_WAITS));
                seen.take(&record);
            }
            // Older ones were overwritten.
            Item::Loss(loss) if loss.from_tick.is_none() => {}
            // A log call had given its record a number, and was stopped before it published the record.
            Item::Loss(loss) if loss.to_tick.is_none() && loss.count == 1 && is_inside => {}
            Item::Loss(loss) => gap = Some(loss),
        }
    }
    ensure!(saved.faults().is_empty(), "{:?}", saved.faults());
    ensure!(seen.torn == 0 && seen.twice == 0, "{} torn records, {} there twice", seen.torn, seen.twice);
    ensure!(is_cut || gap.is_none(), "a gap: {gap:?}");
    // None where the log call was made to be paused, or to find no room.
    ensure!(own <= 1, "{own} records of the bug check");
    let noted = *lock(&NOTED);
    if let Some((writer, number)) = noted {
        ensure!(seen.has(writer, number), "number {number} of writer {writer:#x} was written and is missing");
    }
    Ok(())
}
