//! The record path, interrupted at every instruction.
//!
//! For each instruction of the call graph that `verify-sys` found from the record path's roots a breakpoint is planted
//! in the loaded copy, and a fixed set of log calls runs that is made to reach everything: short and long texts, blobs,
//! a lock that is held elsewhere, a full lane, paused and filtered calls, a processor without lanes. When the breakpoint
//! is met its byte is restored, and either an NMI comes, whose callback logs, or a device interrupt becomes pending, which
//! is taken at once or held back until the IRQL lowers, and whose ISR logs. Afterwards every record must be whole, there
//! once, and every call accounted for. One simulated processor runs, so nothing is left to chance.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::STATUS_SUCCESS;
use irqlog_storm::{
    BLOB_EVERY, Context, DEVICE_NAME, EventForm, MAX_TEXT, blob_byte, blob_length, blob_tag, counts, text, writer,
};
use irqlog_wire::{
    event::NEEDS_DRIVER,
    ioctl::{self, ConfigureRequest},
    irql::HIGH_LEVEL,
    record::{Level, MAX_BLOB, MAX_BLOB_PIECE},
};
use zerocopy::IntoBytes;

use super::{
    Stage, as_process, crash_path,
    providers::connect,
    seen::{CUT, InfoAnswer, Seen, info},
    stop_last,
    storm::read_counts,
};
use crate::{
    arch::{self, BREAKPOINT, step_through},
    images,
    mutex::lock,
    nt::{
        interrupt::deliver,
        io::{ControlCall, File, Requestor},
        machine::{NMI, current, machine},
        registry::{self, RegistryValue},
    },
    pe::LoadedImage,
    planted::{BUSY_TRIES, CLAIMED_PROCESSOR, NMI_AFTER_CLOCK, NMI_AFTER_TRY, at_breakpoint},
};

/// The interruption at the breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// An NMI.
    Nmi,
    /// A device interrupt of the highest level.
    Interrupt,
    /// The end of the system, in a child.
    Crash,
}

/// The planted breakpoint.
struct Planted {
    image: Arc<LoadedImage>,
    address: usize,
    /// The bytes that the breakpoint replaced.
    bytes: [u8; BREAKPOINT.len()],
    coming: Coming,
}

/// Plants the breakpoint at an instruction of an image; [`take_back`] has to follow.
///
/// # Errors
/// If the image cannot be written.
pub fn plant(image: &Arc<LoadedImage>, address: usize, coming: Coming) -> Result<()> {
    // Before the breakpoint is there nobody looks at this.
    let mut planted = lock(&PLANTED);
    let bytes = image.patch(address, BREAKPOINT)?;
    *planted = Some(Planted { image: Arc::clone(image), address, bytes, coming });
    Ok(())
}

/// Takes the breakpoint back if it was not met. Whether it was met.
///
/// # Errors
/// If the image cannot be written.
pub fn take_back() -> Result<bool> {
    let Some(planted) = lock(&PLANTED).take() else { return Ok(true) };
    planted.image.patch(planted.address, planted.bytes)?;
    Ok(false)
}

static PLANTED: Mutex<Option<Planted>> = Mutex::new(None);
/// Interrupts that could not be taken at the breakpoint, because of the IRQL.
static HELD_BACK: AtomicUsize = AtomicUsize::new(0);

const INTERRUPT: u32 = 1 << irqlog_nt::irql::DIRQL_MAX;

/// The breakpoint was met: it goes, and something comes.
pub fn met(pc: usize) {
    let Some(planted) = lock(&PLANTED).take_if(|planted| planted.address == pc) else {
        crate::nt::report::stop("a breakpoint that was not planted", Some(pc));
    };
    if let Err(error) = planted.image.patch(planted.address, planted.bytes) {
        crate::nt::report::broken(&format!("{error:#}"));
    }
    let Some(thread) = current() else { return };
    let bits = match planted.coming {
        Coming::Nmi => NMI,
        Coming::Interrupt => INTERRUPT,
        Coming::Crash => return crash_path::crash_here(),
    };
    thread.processor().pending.fetch_or(bits, Ordering::SeqCst);
    deliver(Some(pc));
    if thread.processor().pending.load(Ordering::SeqCst) & bits != 0 {
        HELD_BACK.fetch_add(1, Ordering::Relaxed);
    }
}

/// A function of the table that writes a text: level, text, length.
pub type WriteTextFn = extern "efiapi" fn(u8, *const u8, usize) -> u32;
type WriteBlob = extern "efiapi" fn(u8, u32, *const u8, usize) -> u32;
type WriteEvent = extern "efiapi" fn(u32, u8, *const u64, usize) -> u32;

/// By which function a record is written: each has the record path of its own.
#[derive(Clone, Copy, Debug)]
enum Write {
    Text,
    Event,
}

/// The rig as a driver that logs.
pub struct Caller {
    text: [WriteTextFn; 2],
    blob: [WriteBlob; 2],
    event: [WriteEvent; 2],
    /// The reference that keeps irqlog.sys loaded.
    pub file: File,
    number: u32,
    called: u64,
}

impl Caller {
    /// Asks for the function table.
    ///
    /// # Errors
    /// If it is refused.
    pub fn connect() -> Result<Self> {
        let (file, functions) = connect()?;
        // SAFETY: the functions of the table, in its order, with their signatures.
        unsafe {
            Ok(Self {
                text: [
                    std::mem::transmute::<usize, WriteTextFn>(functions[0]),
                    std::mem::transmute::<usize, WriteTextFn>(functions[2]),
                ],
                blob: [
                    std::mem::transmute::<usize, WriteBlob>(functions[1]),
                    std::mem::transmute::<usize, WriteBlob>(functions[3]),
                ],
                event: [
                    std::mem::transmute::<usize, WriteEvent>(functions[6]),
                    std::mem::transmute::<usize, WriteEvent>(functions[7]),
                ],
                file,
                number: 0,
                called: 0,
            })
        }
    }

    /// The two entries for texts: the one that may wait, and the one that never does.
    pub const fn entries(&self) -> [WriteTextFn; 2] {
        self.text
    }

    /// Calls at an IRQL, as a driver that has raised itself.
    fn at(irql: u8, call: impl FnOnce()) {
        let processor = current().expect("a simulated thread").processor();
        let old = processor.irql.swap(irql, Ordering::Relaxed);
        call();
        processor.irql.store(old, Ordering::Relaxed);
        deliver(None);
    }

    /// Writes the next text by one of the two entries, at an IRQL.
    pub fn text(&mut self, entry: usize, irql: u8) {
        let mut bytes = [0; MAX_TEXT];
        let length = text(writer(Context::Thread, 63), self.number, &mut bytes);
        self.number += 1;
        self.called += 1;
        let written = || crash_path::note(writer(Context::Thread, 63), self.number - 1);
        Self::at(irql, || {
            if (self.text[entry])(Level::Info.0, bytes.as_ptr(), length) == 0 {
                written();
            }
        });
    }

    /// A text too long for a record.
    fn long_text(&mut self, entry: usize, bytes: &[u8]) {
        // A few of them overwrite an NMI lane, where a lock without a try sends every call of the entry that never waits.
        crash_path::note_nothing();
        self.called += 1;
        (self.text[entry])(Level::Info.0, bytes.as_ptr(), bytes.len());
    }

    fn blob(&mut self, entry: usize, irql: u8) {
        // It may overwrite everything that was noted.
        crash_path::note_nothing();
        let tag = blob_tag(writer(Context::Raised, 63), self.number * BLOB_EVERY);
        self.number += 1;
        let length = blob_length(tag);
        let bytes: Vec<u8> = (0..length).map(|offset| blob_byte(tag, offset)).collect();
        self.called += length.div_ceil(MAX_BLOB_PIECE).max(1) as u64;
        Self::at(irql, || {
            (self.blob[entry])(Level::Info.0, tag, bytes.as_ptr(), length);
        });
    }

    /// Writes the next text, or the next event of numbers.
    fn write(&mut self, what: Write, entry: usize, irql: u8) {
        match what {
            Write::Text => self.text(entry, irql),
            Write::Event => self.event(entry, irql, EventForm::Numbers),
        }
    }

    /// Writes an event in one of the forms that [`check_event`](irqlog_storm::check_event) knows.
    fn event(&mut self, entry: usize, irql: u8, form: EventForm) {
        let mut bytes = [0; MAX_TEXT];
        let (writer, number) = (writer(Context::Thread, 62), self.number);
        let length = text(writer, number, &mut bytes);
        self.number += 1;
        self.called += 1;
        let words = form.call(writer, number, &bytes[..length]);
        Self::at(irql, || {
            if (self.event[entry])(1, Level::Info.0, words.as_ptr(), form.call_words()) == 0 {
                crash_path::note(writer, number);
            }
        });
    }

    /// Words that are no event: each call is a counted drop.
    fn no_events(&mut self, entry: usize) {
        let (too_many, cut_off) = ([0x18 | NEEDS_DRIVER; 30], [0x1401 | NEEDS_DRIVER, 0]);
        let too_large = [0; 200];
        for words in [&too_many[..], &cut_off, &too_large] {
            self.called += 1;
            (self.event[entry])(1, Level::Info.0, words.as_ptr(), words.len());
        }
        // No words at all are no call.
        (self.event[entry])(1, Level::Info.0, std::ptr::null(), 0);
    }

    fn configure(&self, request: ConfigureRequest) -> Result<()> {
        let control = ControlCall { code: ioctl::CONFIGURE, internal: false, input: request.as_bytes(), output: 0 };
        ensure!(self.file.control(control, &|| false).status == STATUS_SUCCESS, "CONFIGURE");
        Ok(())
    }

    /// Everything that the record path has a branch for.
    ///
    /// # Errors
    /// If the driver refuses a request.
    pub fn work(&mut self) -> Result<()> {
        let nothing = ConfigureRequest::nothing();
        let cut = vec![CUT; 1200];
        for entry in [0, 1] {
            for what in [Write::Text, Write::Event] {
                for irql in [0, 2, 5, HIGH_LEVEL] {
                    self.write(what, entry, irql);
                    // The lock is held at the first try; a caller that must not wait falls back.
                    BUSY_TRIES.store(1, Ordering::Relaxed);
                    self.write(what, entry, irql);
                    BUSY_TRIES.store(0, Ordering::Relaxed);
                }
                // An NMI inside a write: its callback finds the count at 1. And one inside the fallback: it finds 2.
                NMI_AFTER_TRY.store(1, Ordering::Relaxed);
                self.write(what, entry, 0);
                BUSY_TRIES.store(1, Ordering::Relaxed);
                NMI_AFTER_CLOCK.store(1, Ordering::Relaxed);
                self.write(what, entry, HIGH_LEVEL);
                for planned in [&BUSY_TRIES, &NMI_AFTER_TRY, &NMI_AFTER_CLOCK] {
                    planned.store(0, Ordering::Relaxed);
                }
            }
            self.long_text(entry, &cut);
            // Characters of two, three and four bytes across the cut, and bytes that are no character.
            for tail in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
                for back in 1..=tail.len() {
                    let mut bytes = vec![CUT; irqlog_wire::record::MAX_PAYLOAD - back];
                    bytes.extend_from_slice(tail.as_bytes());
                    bytes.push(CUT);
                    if back < tail.len() {
                        self.long_text(entry, &bytes);
                    }
                }
            }
            for form in [EventForm::Numbers, EventForm::Text, EventForm::Everything] {
                self.event(entry, 0, form);
                self.event(entry, HIGH_LEVEL, form);
            }
            self.no_events(entry);
            self.blob(entry, 0);
            self.blob(entry, HIGH_LEVEL);
            BUSY_TRIES.store(1, Ordering::Relaxed);
            self.blob(entry, HIGH_LEVEL);
            BUSY_TRIES.store(0, Ordering::Relaxed);
            // A blob that is too large is one call and one drop; one without bytes is one record.
            let large = vec![0; MAX_BLOB + 1];
            self.called += 1;
            (self.blob[entry])(Level::Info.0, 0, large.as_ptr(), large.len());
            // Not enabled: counted nowhere.
            self.configure(ConfigureRequest { level: u32::from(Level::Error.0).into(), ..nothing })?;
            (self.text[entry])(Level::Info.0, cut.as_ptr(), 4);
            (self.blob[entry])(Level::Info.0, 0, cut.as_ptr(), 4);
            (self.event[entry])(1, Level::Info.0, [0].as_ptr(), 1);
            self.configure(ConfigureRequest { level: u32::from(Level::Trace.0).into(), ..nothing })?;
            self.configure(ConfigureRequest { paused: 1.into(), ..nothing })?;
            self.text(entry, 0);
            self.event(entry, 0, EventForm::Numbers);
            self.blob(entry, 0);
            self.configure(ConfigureRequest { paused: 0.into(), ..nothing })?;
            // A processor that was added later: no NMI lane (3), no control at all (300).
            for (claimed, tries) in [(3, 1), (300, 0)] {
                CLAIMED_PROCESSOR.store(claimed, Ordering::Relaxed);
                for what in [Write::Text, Write::Event] {
                    BUSY_TRIES.store(tries, Ordering::Relaxed);
                    self.write(what, entry, HIGH_LEVEL);
                    BUSY_TRIES.store(0, Ordering::Relaxed);
                }
                CLAIMED_PROCESSOR.store(0, Ordering::Relaxed);
            }
        }
        // Over the sampled seqs, and round the ring.
        for _ in 0..140 {
            self.text(0, 0);
        }
        for _ in 0..70 {
            self.event(0, 0, EventForm::Numbers);
        }
        // Full, and keeping what it has; then cleared.
        self.configure(ConfigureRequest { policy: 1.into(), ..nothing })?;
        for _ in 0..130 {
            self.text(0, 0);
        }
        self.event(0, 0, EventForm::Text);
        self.event(0, HIGH_LEVEL, EventForm::Numbers);
        crash_path::note_nothing();
        let clear = ControlCall { code: ioctl::CLEAR, internal: false, input: &[], output: 0 };
        ensure!(self.file.control(clear, &|| false).status == STATUS_SUCCESS, "CLEAR");
        for _ in 0..3 {
            self.text(0, 0);
        }
        // Last, so that they are still there to be looked at.
        for form in EventForm::ALL {
            self.event(0, 0, form);
        }
        self.configure(ConfigureRequest { policy: 0.into(), ..nothing })
    }
}

/// Names and instructions, relative to the image's start.
///
/// # Errors
/// If the list cannot be read.
pub fn record_path(list: &Path, image: &LoadedImage) -> Result<BTreeMap<usize, String>> {
    let text = std::fs::read_to_string(list)
        .with_context(|| format!("reading {}; `cargo xtask verify-sys` writes it", list.display()))?;
    let json: serde_json::Value = serde_json::from_str(&text).context("the record path")?;
    let mut path = BTreeMap::new();
    for function in json["functions"].as_array().context("functions")? {
        for address in function["addresses"].as_array().context("addresses")? {
            let address = address.as_u64().context("an address")?.wrapping_sub(image.preferred_base()) as usize;
            path.insert(image.base() + address, function["name"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(path)
}

/// Bytes of a record's payload: what `tools/bench` writes.
const PAYLOAD: usize = 48;
/// Records that are stepped through, and records that are timed.
const STEPPED: u32 = 200;
const TIMED: u32 = 200_000;

/// Measures one record of the built image; prints instructions and nanoseconds.
///
/// # Errors
/// If the driver does not start or stop.
pub fn measure(stage: &Stage, engine: &str) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(1024));
    let driver = as_process(|| stage.start_irqlog())?;
    let caller = as_process(Caller::connect)?;
    let (instructions, time) = as_process(|| {
        let text = [b'x'; PAYLOAD];
        let write = || {
            (caller.text[0])(Level::Info.0, text.as_ptr(), text.len());
        };
        let start = std::time::Instant::now();
        for _ in 0..TIMED {
            write();
        }
        let time = start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMED);
        // The ring is full by now: every record takes old ones away.
        let steps: Option<u64> = (0..STEPPED).map(|_| step_through(write)).sum();
        (steps.map(|steps| steps / u64::from(STEPPED)), time)
    });
    let instructions = instructions.with_context(|| format!("instructions cannot be counted on {}", arch::NAME))?;
    println!("{instructions} {time}");
    as_process(|| {
        caller.file.cleanup();
        caller.file.close();
        stop_last(&driver)
    })
}

/// Counts the instructions of irqlog.sys that run while a spin lock of the system's is held.
///
/// The text is the longest that fits one record. `None` where instructions cannot be counted.
///
/// # Errors
/// If the driver does not start or stop.
pub fn instructions_under_lock(stage: &Stage, lock_name: &str) -> Result<Option<u64>> {
    /// A record has at most 1024 bytes, of which 40 are its header.
    const LONGEST: usize = 1024 - 40;
    set_parameters("shared", lock_name);
    let driver = as_process(|| stage.start_irqlog())?;
    let caller = as_process(Caller::connect)?;
    let text = [b'x'; LONGEST];
    crate::planted::STEPS_UNDER_LOCK.store(true, Ordering::SeqCst);
    let counted = as_process(|| {
        let write = || {
            (caller.text[0])(Level::Info.0, text.as_ptr(), text.len());
        };
        // The ring is full of short records, of which a long one takes many away.
        for _ in 0..1000 {
            (caller.text[0])(Level::Info.0, text.as_ptr(), 1);
        }
        (0..4).map(|_| arch::step_through(write)).max().flatten()
    });
    crate::planted::STEPS_UNDER_LOCK.store(false, Ordering::SeqCst);
    as_process(|| {
        caller.file.cleanup();
        caller.file.close();
        stop_last(&driver)
    })?;
    Ok(counted)
}

/// Engine and lock of each round: between them they use every part of the record path.
pub const ROUNDS: [(&str, &str); 5] =
    [("shared", "kernel"), ("shared", "os-queued"), ("shared", "swap"), ("shared", "queued"), ("percpu", "kernel")];

/// Small lanes, which are soon full, and this engine and lock.
pub fn set_parameters(engine: &str, lock_name: &str) {
    for (name, value) in [("RingKiB", 16), ("NmiLaneKiB", 4), ("LockBudget", 0)] {
        registry::set_parameter("irqlog", name, RegistryValue::Number(value));
    }
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "Lock", RegistryValue::Text(lock_name.to_owned()));
}

/// Covers the whole list.
///
/// # Errors
/// If a record is torn or a call is unaccounted for after some interruption.
pub fn run(stage: &Stage, list: &Path) -> Result<()> {
    ensure!(machine().active() == 1, "coverage runs with --processors 1");
    as_process(|| {
        let mut covered = BTreeSet::new();
        let mut path = BTreeMap::new();
        for (engine, lock_name) in ROUNDS {
            set_parameters(engine, lock_name);
            let reached =
                round(stage, list, &mut path).with_context(|| format!("engine {engine}, lock {lock_name}"))?;
            println!("engine {engine}, lock {lock_name}: {} instructions interrupted", reached.len());
            covered.extend(reached);
        }
        report(&path, &covered);
        // What is missed is checks that never fail and one waiting loop; more than that, and this has gone blind.
        ensure!(covered.len() * 4 >= path.len() * 3, "less than three quarters of the record path were interrupted");
        ensure!(HELD_BACK.load(Ordering::Relaxed) != 0, "no interrupt was held back");
        Ok(())
    })
}

/// One start of the driver; gives the instructions at which both came, relative to the image.
fn round(stage: &Stage, list: &Path, names: &mut BTreeMap<usize, String>) -> Result<BTreeSet<usize>> {
    let irqlog = stage.start_irqlog()?;
    let testdrv = stage.start_testdrv()?;
    let counter = File::open(DEVICE_NAME, Requestor::Administrator).map_err(|status| anyhow::anyhow!("{status:#x}"))?;
    let mut caller = Caller::connect()?;
    let path = record_path(list, &irqlog.image)?;
    let lanes = info(&caller.file)?.lanes;
    let called_before = read_counts(&counter)?[counts::CALLED];
    let mut covered = BTreeMap::new();
    let mut seen = Seen::default();
    at_breakpoint(Some(met));
    for coming in [Coming::Nmi, Coming::Interrupt] {
        for (&address, name) in &path {
            plant(&irqlog.image, address, coming)?;
            caller.work()?;
            if take_back()? {
                *covered.entry(address).or_insert(0) += 1;
            }
            check(&caller, &counter, called_before, &mut seen, &lanes)
                .with_context(|| format!("{coming:?} at {} ({name})", images::describe(address)))?;
        }
    }
    at_breakpoint(None);
    for file in [counter, caller.file] {
        file.cleanup();
        file.close();
    }
    ensure!(testdrv.stop()?, "the test driver does not stop");
    stop_last(&irqlog)?;
    let base = irqlog.image.base();
    names.extend(path.into_iter().map(|(address, name)| (address - base, name)));
    Ok(covered.into_iter().filter(|&(_, times)| times == 2).map(|(address, _)| address - base).collect())
}

/// Checks that each record is whole, is there once, and that all calls are accounted for.
fn check(log: &Caller, counter: &File, called_before: u64, seen: &mut Seen, lanes: &[u32]) -> Result<()> {
    let pending = current().context("a simulated thread")?.processor().pending.load(Ordering::SeqCst);
    ensure!(pending == 0, "something was held back and never came: {pending:#x}");
    for &lane in lanes {
        seen.read(&log.file, lane, usize::MAX)?;
    }
    ensure!(seen.torn == 0, "{} torn records", seen.torn);
    ensure!(seen.twice == 0, "{} records came twice", seen.twice);
    ensure!(seen.holds(), "a lane does not add up");
    let InfoAnswer { dropped, own, nesting, .. } = info(&log.file)?;
    ensure!(nesting == 0, "the nesting count is {nesting} at rest");
    let called = log.called + read_counts(counter)?[counts::CALLED] - called_before;
    let written = seen.written();
    ensure!(called + own == written + dropped, "called {called} + own {own} != written {written} + dropped {dropped}");
    Ok(())
}

fn report(path: &BTreeMap<usize, String>, covered: &BTreeSet<usize>) {
    println!(
        "record path: {} of {} instructions interrupted by an NMI and by an interrupt ({} times it was held back until the IRQL lowered)",
        covered.len(),
        path.len(),
        HELD_BACK.load(Ordering::Relaxed),
    );
    let mut missed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (address, name) in path.iter().filter(|(address, _)| !covered.contains(address)) {
        missed.entry(name).or_default().push(format!("{address:#x}"));
    }
    for (name, addresses) in missed {
        println!("  not reached: {} instructions of {name}: {}", addresses.len(), addresses.join(" "));
    }
}
