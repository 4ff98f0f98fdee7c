//! The system crashes while everybody logs: what is in the dumps is what was logged.
//!
//! Writers are pinned to a processor each, and note in memory of the rig which of their records has been written. One of
//! them calls KeBugCheckEx; the other processors are frozen at any instruction. From that moment a child is forked for
//! each kind of dump and each room that Windows may allow; it calls the callbacks, writes the dump, reads it back with
//! `crates/dump`, and compares it with the notes, which neither the driver nor the reader knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result, bail, ensure};
use irqlog_dump::Origin;
use irqlog_makedump::{self as dumps, Crashed, DumpVariety};
use irqlog_nt::irql::DISPATCH_LEVEL;
use irqlog_reader::{log::Item, log::Log as _, record::Content, saved::SavedLog};
use irqlog_wire::{
    crash::{GUID_BYTES, PAUSED_BY_CRASH},
    irql::HIGH_LEVEL,
    record::{Level, flags},
};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    coverage::{Caller, WriteTextFn},
    kept_dumps::{self, Required},
};
use crate::{
    images,
    nt::{
        boot::add_processor,
        bugcheck::{self, BugCheckData, DumpSettings},
        dump, heap,
        interrupt::deliver,
        machine::{current, machine, run_thread},
        registry::{self, RegistryValue},
    },
    planted,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "crash-kernel",
        processors: DEFAULT_PROCESSORS,
        about: "a bug check with engine shared, lock kernel: every kind of dump, every room, has what was logged",
        run: |stage| crash(stage, CRASH),
    },
    Scenario {
        name: "crash-os-queued",
        processors: DEFAULT_PROCESSORS,
        about: "the same with lock os-queued",
        run: |stage| crash(stage, Crash { lock: "os-queued", ..CRASH }),
    },
    Scenario {
        name: "crash-swap",
        processors: DEFAULT_PROCESSORS,
        about: "the same with lock swap",
        run: |stage| crash(stage, Crash { lock: "swap", ..CRASH }),
    },
    Scenario {
        name: "crash-queued",
        processors: DEFAULT_PROCESSORS,
        about: "the same with lock queued",
        run: |stage| crash(stage, Crash { lock: "queued", ..CRASH }),
    },
    Scenario {
        name: "crash-percpu",
        processors: DEFAULT_PROCESSORS,
        about: "the same with engine percpu",
        run: |stage| crash(stage, Crash { engine: "percpu", ..CRASH }),
    },
    Scenario {
        name: "crash-one-part",
        processors: DEFAULT_PROCESSORS,
        about: "the same where the multi-part callback cannot be registered",
        run: |stage| crash(stage, Crash { lacks: irqlog_nt::KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA, ..CRASH }),
    },
    Scenario {
        name: "crash-hot-add",
        processors: DEFAULT_PROCESSORS,
        about: "the same with engine percpu and a processor that was added: its piece is in the dump",
        run: |stage| crash(stage, Crash { engine: "percpu", hot_add: true, ..CRASH }),
    },
    Scenario {
        name: "crash-fault",
        processors: DEFAULT_PROCESSORS,
        about: "the same where a driver hands irqlog.sys a bad pointer at DISPATCH_LEVEL: bug check 0xD1 of a fault",
        run: |stage| crash(stage, Crash { by_fault: true, ..CRASH }),
    },
];

/// How the system crashes.
#[derive(Clone, Copy)]
struct Crash {
    engine: &'static str,
    lock: &'static str,
    /// The reason of callbacks that cannot be registered; 0 for none.
    lacks: u32,
    /// A processor is added before.
    hot_add: bool,
    /// By a fault in irqlog.sys, not by KeBugCheckEx.
    by_fault: bool,
}

const CRASH: Crash = Crash { engine: "shared", lock: "kernel", lacks: 0, hot_add: false, by_fault: false };

/// What Windows may allow.
const ROOMS: [u32; 5] = [0, 1 << 10, 4 << 10, 64 << 10, 1 << 28];
/// The most writers: one a processor.
const WRITERS: usize = 8;
/// Calls of each writer before the crash.
const CALLS: u64 = 600;
/// The most records that a writer has written more than another.
const LEAD: u64 = 60;
/// The fewest records that each writer has written when the system crashes: more than the eight that a cut keeps.
const LEAST: u64 = 16;
const CODE: u32 = 0xd1;
const PARAMETERS: [usize; 4] = [0x10, 2, 1, 0xabcd];

/// For each writer the number of its records that have been written.
static WRITTEN: [AtomicU64; WRITERS] = [const { AtomicU64::new(0) }; WRITERS];

/// The number up to which every writer has written.
fn slowest(writers: usize) -> u64 {
    WRITTEN[..writers].iter().map(|written| written.load(Ordering::SeqCst)).min().unwrap_or(0)
}

/// The text of a writer's record: its length and its bytes follow from the number.
fn text(writer: usize, number: u64) -> String {
    let mut text = format!("writer {writer} number {number} ");
    let length = (number * 37 + writer as u64 * 11) % 90;
    text.extend((0..length).map(|at| char::from(b'a' + ((number + at) % 26) as u8)));
    text
}

/// Writer and number of a text, if it is one of ours and whole.
fn parse(found: &str) -> Result<Option<(usize, u64)>> {
    let mut words = found.split(' ');
    if words.next() != Some("writer") {
        return Ok(None);
    }
    let writer = words.next().context("a writer")?.parse()?;
    let number = words.nth(1).context("a number")?.parse()?;
    ensure!(text(writer, number) == found, "a torn record: {found:?}");
    Ok(Some((writer, number)))
}

/// Logs until the crash: from thread level by the entry that waits, and each fourth time at HIGH_LEVEL by the one
/// that does not.
///
/// No writer is far ahead of another: else the records of the fast ones would overwrite those of a slow one.
fn log(writer: usize, writers: usize, entries: [WriteTextFn; 2]) {
    let processor = current().expect("a simulated thread").processor();
    for number in 1.. {
        while number > slowest(writers) + LEAD {
            deliver(None);
            std::thread::yield_now();
        }
        let text = text(writer, number);
        let irql = if number % 4 == 3 { HIGH_LEVEL } else { 0 };
        let old = processor.irql.swap(irql, Ordering::Relaxed);
        let outcome = entries[usize::from(number % 8 == 7)](Level::Info.0, text.as_ptr(), text.len());
        if outcome == 0 {
            WRITTEN[writer].store(number, Ordering::SeqCst);
        }
        processor.irql.store(old, Ordering::Relaxed);
        deliver(None);
    }
}

fn crash(stage: &Stage, how: Crash) -> Result<()> {
    let Crash { engine, lock, lacks, hot_add, by_fault } = how;
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "Lock", RegistryValue::Text(lock.to_owned()));
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(128));
    planted::LACKS_REASON.store(lacks as usize, Ordering::SeqCst);
    planted::at_between_passes(log_between);
    // Kept: a system that has crashed unloads no driver.
    let driver = as_process(|| stage.start_irqlog())?;
    std::mem::forget(driver);
    if hot_add {
        as_process(add_processor).context("a processor that can be added")?;
    }
    let caller = as_process(Caller::connect)?;
    let entries = caller.entries();
    ENTRIES.set(entries).ok().context("one caller")?;
    let writers = machine().active();
    let every = if stage.is_emulated() { DumpVariety::ALL.len() } else { 1 };
    bugcheck::expect(move |bug_check| {
        if let Err(error) = judge(bug_check, every, writers, how) {
            eprintln!("error: {error:#}");
            std::process::exit(1);
        }
    });
    for writer in 1..writers {
        std::thread::spawn(move || run_thread(0x3000, 1 << writer, true, |_| log(writer, writers, entries)));
    }
    run_thread(0x3000, 1, true, |thread| -> Result<()> {
        for number in 1..=stage.scaled(CALLS).max(40) {
            while number > slowest(writers) + LEAD {
                thread.wait(std::thread::yield_now);
            }
            let text = text(0, number);
            if entries[0](Level::Info.0, text.as_ptr(), text.len()) == 0 {
                WRITTEN[0].store(number, Ordering::SeqCst);
            }
        }
        // Under an emulator there are fewer calls than one writer may be ahead of another.
        while slowest(writers) < LEAST {
            thread.wait(std::thread::yield_now);
        }
        if by_fault {
            thread.processor().irql.store(DISPATCH_LEVEL, Ordering::Relaxed);
            entries[0](Level::Info.0, PARAMETERS[0] as *const u8, 64);
            bail!("irqlog.sys did not fault");
        }
        bugcheck::crash(BugCheckData { code: CODE, parameters: PARAMETERS });
    })
}

/// The two entries for texts; for the callback of another driver.
static ENTRIES: std::sync::OnceLock<[WriteTextFn; 2]> = std::sync::OnceLock::new();

/// The callback of another driver logs between the two passes.
fn log_between() {
    if let Some(entries) = ENTRIES.get() {
        let text = b"the callback of another driver";
        entries[1](Level::Info.0, text.as_ptr(), text.len());
    }
}

/// Tries every room with every kind of dump, each in a child that starts from the crash.
///
/// With `every` above 1, for an emulator, each room meets each `every`th kind only; together the rooms meet all.
fn judge(bug_check: &BugCheckData, every: usize, writers: usize, how: Crash) -> Result<()> {
    let is_right = if how.by_fault {
        // A read of that address by irqlog.sys, at DISPATCH_LEVEL or inside the log call.
        let [address, irql, access, pc] = bug_check.parameters;
        let is_raised = [usize::from(DISPATCH_LEVEL), usize::from(HIGH_LEVEL)].contains(&irql);
        bug_check.code == CODE && address == PARAMETERS[0] && is_raised && access == 0 && images::is_irqlog(pc)
    } else {
        *bug_check == BugCheckData { code: CODE, parameters: PARAMETERS }
    };
    ensure!(is_right, "{bug_check:x?}");
    let mut tried = 0;
    for (turn, room) in ROOMS.into_iter().enumerate() {
        for kind in DumpVariety::ALL.into_iter().skip(turn % every).step_by(every) {
            // SAFETY: the other processors are frozen outside the rig's locks; the child has this thread alone.
            let child = unsafe { libc::fork() };
            ensure!(child >= 0, "fork: {}", std::io::Error::last_os_error());
            if child == 0 {
                let status = match (Trial { room, kind, writers, how, bug_check: *bug_check }).run() {
                    Ok(()) => 0,
                    Err(error) => {
                        eprintln!("error: {kind:?} with room for {room} bytes: {error:#}");
                        1
                    }
                };
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(status) };
            }
            let mut status = 0;
            // SAFETY: waits for our own child.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            ensure!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "a dump is not as it should be");
            tried += 1;
        }
    }
    let written: Vec<_> = WRITTEN[..writers].iter().map(|written| written.load(Ordering::SeqCst)).collect();
    println!("{tried} dumps of one crash; written by processor: {written:?}");
    Ok(())
}

/// One dump.
struct Trial {
    room: u32,
    kind: DumpVariety,
    writers: usize,
    how: Crash,
    bug_check: BugCheckData,
}

impl Trial {
    /// The plain callback gives one part, and is not told which bug check it is.
    const fn is_one_part(&self) -> bool {
        self.how.lacks != 0
    }

    fn run(&self) -> Result<()> {
        let Self { room, kind, bug_check, .. } = *self;
        let settings = DumpSettings { maximum: room, triage_maximum: room.min(32 << 20), dump_type: kind.dump_type() };
        let given = bugcheck::call_callbacks(&bug_check, settings);
        ensure!(given.blocks.iter().all(|block| block.guid == GUID_BYTES), "another GUID");
        ensure!(!self.is_one_part() || given.blocks.len() <= 1, "{} blocks", given.blocks.len());
        dump::with_crash(&bug_check, &given, |crashed| self.try_dumps(crashed))?
    }

    /// With secondary data, without them, and without the anchor: each way to the log by itself.
    fn try_dumps(&self, crashed: &Crashed<'_>) -> Result<()> {
        let Self { kind, .. } = *self;
        let with_secondary = dumps::write(kind, crashed);
        let checked = self.check_or_keep(&with_secondary, !crashed.blocks.is_empty(), crashed.added.len())?;
        self.keep_for_others("", &with_secondary, &checked)?;
        if kind != DumpVariety::Small {
            let without = dumps::write(kind, &Crashed { blocks: &[], ..*crashed });
            let checked = self.check_or_keep(&without, false, 0)?;
            ensure!(checked.origin == Origin::Anchor, "found by {:?}", checked.origin);
            // What is in memory does not depend on the room.
            if self.room == 0 {
                self.keep_for_others("-memory", &without, &checked)?;
            }
            // Without the driver's own memory there is no anchor. Pieces are found through it alone.
            if !self.how.hot_add {
                let pool = &heap::contents()[..];
                let without_anchor = dumps::write(kind, &Crashed { memory: pool, blocks: &[], ..*crashed });
                let checked = self.check_or_keep(&without_anchor, false, 0)?;
                ensure!(checked.origin == Origin::Scan, "found by {:?}", checked.origin);
                if self.room == 0 {
                    self.keep_for_others("-pool", &without_anchor, &checked)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps a dump for readers that are not the rig's, if they are wanted.
    fn keep_for_others(&self, what: &str, dump: &[u8], checked: &Checked) -> Result<()> {
        let texts = checked.required.iter().map(|&(writer, number)| text(writer, number)).collect();
        let required = Required { records: checked.records, texts, is_scan: checked.origin == Origin::Scan };
        kept_dumps::keep(&format!("{:?}-{}{what}", self.kind, self.room), dump, &required)
    }

    fn check_or_keep(&self, dump: &[u8], has_secondary: bool, added: usize) -> Result<Checked> {
        self.check(dump, has_secondary, added).inspect_err(|_| dump::keep(dump))
    }

    /// Reads a dump back and compares it with the notes.
    fn check(&self, dump: &[u8], has_secondary: bool, added: usize) -> Result<Checked> {
        let is_small = self.kind == DumpVariety::Small;
        let result = irqlog_dump::find(&dump, |_, _| {});
        // What a small dump has room for: at least the header and a record, or an anchor and the header.
        let may_be_none = is_small && !has_secondary && added < 2;
        let (header, log) = match result {
            Err(irqlog_dump::find::FindError::NoLog(_)) if may_be_none => {
                return Ok(Checked { origin: Origin::Secondary, records: 0, required: Vec::new() });
            }
            result => result?,
        };
        let parameters = self.bug_check.parameters.map(|parameter| parameter as u64);
        ensure!((header.code, header.parameters) == (self.bug_check.code, parameters));
        let mut saved = SavedLog::open(std::io::Cursor::new(&log.image[..]))?;
        let image = saved.tables().header;
        ensure!(image.crashed.get() == 1, "the header does not say that the system has crashed");
        if !self.is_one_part() {
            ensure!(image.crash_code.get() == u64::from(CODE), "code {:#x}", image.crash_code.get());
        }
        ensure!(image.crash_processor.get() == 0);
        let (mut numbers, mut own, mut foreign, mut records) = (BTreeMap::new(), 0, 0, 0);
        while let Some(item) = saved.next()? {
            let Item::Record(record) = item else { continue };
            records += 1;
            own += usize::from(record.has(flags::OWN) && record.has(flags::NEVER_WAITS));
            let Content::Text(text) = record.content() else { continue };
            foreign += usize::from(text == "the callback of another driver");
            if let Some((writer, number)) = parse(text.raw())? {
                let is_new = numbers.entry(writer).or_insert_with(BTreeSet::new).insert(number);
                ensure!(is_new, "writer {writer}, number {number}: there twice");
                ensure!(usize::from(record.header.processor.get()) == writer, "written on another processor");
            }
        }
        ensure!(saved.faults().is_empty(), "{:?}", saved.faults());
        let is_cut = log.origin == Origin::Secondary && log.cut.records_left_out != 0;
        ensure!(is_cut || own == 1, "{own} own records");
        // Another driver logs twice before the data are asked for, and again after that, when writing is paused. With the
        // plain callback each call is a pass.
        ensure!(is_cut || foreign == 2, "{foreign} records of the other driver");
        // A small dump may have a part that was made before the passes.
        let is_paused = image.paused.get() == PAUSED_BY_CRASH;
        ensure!(is_paused || self.kind == DumpVariety::Small, "writing is not paused");
        let mut required = Vec::new();
        for writer in 0..self.writers {
            let numbers = numbers.remove(&writer).unwrap_or_default();
            let of_writer = self.check_writer(writer, &numbers, &log)?;
            required.extend(of_writer.map(|number| (writer, number)));
        }
        Ok(Checked { origin: log.origin, records, required })
    }

    /// Checks the records of a writer; gives the numbers that have to be there by the notes.
    fn check_writer(
        &self,
        writer: usize,
        numbers: &BTreeSet<u64>,
        log: &irqlog_dump::FoundLog,
    ) -> Result<std::ops::RangeInclusive<u64>> {
        let written = WRITTEN[writer].load(Ordering::SeqCst);
        let is_cut = log.cut.records_left_out != 0 && log.origin == Origin::Secondary;
        // The writer may have been frozen behind the publication of a record and before the note.
        let newest = numbers.last().copied().unwrap_or(0);
        ensure!(newest <= written + 1, "writer {writer}: number {newest} of {written}");
        let kept = if !is_cut {
            numbers.len() as u64
        } else if self.room < 64 << 10 {
            // For eight of each processor there is no room; with 1 KiB not even for one of each.
            u64::from(self.room >= 4096 && writer != 0)
        } else {
            // The crashed processor has written three more: the own record, and those of the other driver.
            if writer == 0 { 5 } else { 8 }
        };
        ensure!(is_cut || kept >= 8, "writer {writer}: only {kept} records");
        let required = (written + 1).saturating_sub(kept.min(8))..=written;
        for number in required.clone() {
            ensure!(numbers.contains(&number), "writer {writer}: number {number} of {written} is missing: {numbers:?}");
        }
        Ok(required)
    }
}

/// What a dump had, and has to have.
struct Checked {
    origin: Origin,
    records: usize,
    /// Writers and numbers of the records that have to be there by the notes.
    required: Vec<(usize, u64)>,
}
