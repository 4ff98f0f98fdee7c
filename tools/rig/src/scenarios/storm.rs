//! The storm: everything that can log logs at once, interrupted at every moment, while readers are lapped again and again.
//!
//! What is read is checked by [`seen`](super::seen), and at the end every call is accounted for:
//!
//! ```text
//! called + own = written + dropped
//! written = delivered + lost + cleared + in_ring        for every lane and every reader
//! ```

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use irqlog_nt::STATUS_SUCCESS;
use irqlog_storm::{CONTEXTS, COUNTS, DEVICE_NAME, START, Start, counts};
use irqlog_wire::{
    image::{DROP_REASONS, DropReason},
    ioctl,
};
use serde_json::json;

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    seen::{InfoAnswer, Seen, info, reader},
    stop_last,
};
use crate::{
    mutex::lock,
    nt::{
        boot::add_processor,
        io::{ControlCall, File, Requestor},
        machine::{NMI, PREEMPT, kick, machine, raise},
        ps,
        registry::{self, RegistryValue},
    },
    service::Driver,
};

/// A queue lock hands the lock to one certain thread: with more simulated processors than the host has, every hand-over
/// waits for the host to run that thread, and the threads that wait for their turn keep it from running. [`soak`] makes the
/// waiters give way; here they wait as they do on Windows.
const TWO: usize = 2;

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "storm",
        processors: DEFAULT_PROCESSORS,
        about: "100000 calls from every context, two readers, small ring",
        run: |stage| short(stage, "shared", "kernel", "overwrite"),
    },
    Scenario {
        name: "storm-keep",
        processors: DEFAULT_PROCESSORS,
        about: "the same with the policy that keeps the oldest",
        run: |stage| short(stage, "shared", "kernel", "keep"),
    },
    Scenario {
        name: "storm-percpu",
        processors: DEFAULT_PROCESSORS,
        about: "the same with a lane for each processor and no lock",
        run: |stage| short(stage, "percpu", "kernel", "overwrite"),
    },
    Scenario {
        name: "hot-add-percpu",
        processors: TWO,
        about: "engine percpu: two processors come while all others log",
        run: |stage| hot_add(stage, "percpu"),
    },
    Scenario {
        name: "hot-add-shared",
        processors: TWO,
        about: "the same with engine shared: they bring NMI lanes",
        run: |stage| hot_add(stage, "shared"),
    },
    Scenario {
        name: "storm-os-queued",
        processors: TWO,
        about: "the same with engine shared and the lock os-queued",
        run: |stage| short(stage, "shared", "os-queued", "overwrite"),
    },
    Scenario {
        name: "storm-swap",
        processors: DEFAULT_PROCESSORS,
        about: "the same with engine shared and the lock swap",
        run: |stage| short(stage, "shared", "swap", "overwrite"),
    },
    Scenario {
        name: "storm-queued",
        processors: TWO,
        about: "the same with engine shared and the lock queued",
        run: |stage| short(stage, "shared", "queued", "overwrite"),
    },
];

/// Where processors come from while everyone logs.
fn hot_add(stage: &Stage, engine: &str) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    set_budget(NOBODY_GIVES_UP);
    let before = machine().active();
    let result = storm_with(stage, 200_000, || {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(20));
            as_process(add_processor).context("a processor that can be added")?;
        }
        Ok(())
    })?;
    result.check()?;
    ensure!(machine().active() == before + 2, "two processors should have come");
    for processor in before..before + 2 {
        let written = result.by_processor.get(&(processor as u16)).copied().unwrap_or_default();
        ensure!(written != 0, "processor {processor} wrote nothing that a reader saw: {:?}", result.by_processor);
    }
    let dropped = result.drops[DropReason::NoLane.0 as usize];
    ensure!(dropped == 0, "{dropped} records were dropped for want of a lane");
    Ok(())
}

/// The host may take its threads away for longer than any budget.
const NOBODY_GIVES_UP: u32 = 0;

/// Sets how long a waiter waits for a lock of irqlog's own, in microseconds of the virtual clock.
fn set_budget(budget: u32) {
    registry::set_parameter("irqlog", "LockBudget", RegistryValue::Number(budget));
}

fn short(stage: &Stage, engine: &str, lock: &str, policy: &str) -> Result<()> {
    registry::set_parameter("irqlog", "Lock", RegistryValue::Text(lock.to_owned()));
    set_budget(NOBODY_GIVES_UP);
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "Policy", RegistryValue::Text(policy.to_owned()));
    // Where interrupts hit is chance: again until enough have hit irqlog.sys itself, within reason.
    for _ in 0..40 {
        let result = storm(stage, 100_000)?;
        result.check()?;
        ensure!(result.by_context.iter().all(|&calls| calls != 0), "a context never logged: {:?}", result.by_context);
        if result.interrupts_in_driver >= 50 && result.nmis_in_write >= 20 {
            return Ok(());
        }
    }
    bail!("interrupts do not come in irqlog.sys")
}

/// Runs the long form and prints its result as the last line.
///
/// # Errors
/// If anything is unaccounted for.
pub fn soak(stage: &Stage, records: u64, engine: &str, lock: &str) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "Lock", RegistryValue::Text(lock.to_owned()));
    // Waiters of `queued` never give up, unless the driver is a checked one. With a budget they read the clock while they
    // wait. That the rig sees, and lets the host run somebody else: perhaps the one whose turn it is.
    set_budget(if lock == "queued" { 1_000_000 } else { NOBODY_GIVES_UP });
    let result = storm(stage, records)?;
    println!("calls by context: {:?}", CONTEXTS.iter().zip(result.by_context).collect::<Vec<_>>());
    println!("{}", result.to_json());
    result.check()
}

/// Lets the test driver log without a reader, and stops it again; gives the number of calls.
///
/// # Errors
/// If it does not start or stop.
pub fn blow(stage: &Stage, calls: u64) -> Result<()> {
    let (mut called, mut dropped) = (0, 0);
    for _ in 0..40 {
        let counted = Storm::start(stage, stage.scaled(calls))?.finish()?;
        called += counted.called;
        dropped += counted.dropped;
        // Where interrupts hit is chance: again until some NMIs have hit a write.
        if machine().statistics.nmis_in_write.load(Ordering::Relaxed) >= 5 {
            break;
        }
    }
    println!("storm: {}", json!({ "called": called, "dropped": dropped }));
    Ok(())
}

/// The test driver at work, with interrupts.
pub struct Storm {
    driver: Driver,
    file: File,
    interrupts: Option<std::thread::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

/// The counts of the test driver.
pub struct Counted {
    called: u64,
    dropped: u64,
    by_context: [u64; CONTEXTS.len()],
}

impl Storm {
    /// Starts it, with threads that make `calls` calls together.
    ///
    /// # Errors
    /// If the test driver does not start.
    pub fn start(stage: &Stage, calls: u64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (driver, file) = as_process(|| -> Result<_> {
            let driver = stage.start_testdrv()?;
            let file = File::open(DEVICE_NAME, Requestor::Administrator)
                .map_err(|status| anyhow::anyhow!("opening the test driver: {status:#010x}"))?;
            let threads = machine().active() as u32 + 2;
            let input = Start { threads, calls }.to_bytes();
            let started =
                file.control(ControlCall { code: START, internal: false, input: &input, output: 0 }, &|| false);
            ensure!(started.status == STATUS_SUCCESS, "starting the storm: {:#010x}", started.status);
            Ok((driver, file))
        })?;
        let interrupts = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || interrupt(&stop))
        };
        Ok(Self { driver, file, interrupts: Some(interrupts), stop })
    }

    fn counts(&self) -> Result<[u64; counts::WORDS]> {
        as_process(|| read_counts(&self.file))
    }

    /// Whether a thread of it still logs.
    ///
    /// # Errors
    /// If the test driver does not say.
    pub fn is_running(&self) -> Result<bool> {
        Ok(self.counts()?[counts::RUNNING] != 0)
    }

    /// Waits for the threads, ends the interrupts, lets everything that is pending happen, and unloads the driver.
    ///
    /// # Errors
    /// If the test driver does not stop.
    pub fn finish(mut self) -> Result<Counted> {
        while self.is_running()? {
            std::thread::sleep(Duration::from_millis(5));
        }
        // A thread tells that it has ended just before it returns, and its code must stay until then. Threads of other
        // drivers may go on.
        for _ in 0..10_000 {
            if ps::running() == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.stop.store(true, Ordering::SeqCst);
        if let Some(interrupts) = self.interrupts.take() {
            interrupts.join().map_err(|_| anyhow::anyhow!("the interrupt source panicked"))?;
        }
        quiesce()?;
        let words = self.counts()?;
        as_process(|| {
            self.file.cleanup();
            self.file.close();
            ensure!(self.driver.stop()?, "the test driver does not stop");
            Ok(())
        })?;
        let by_context = std::array::from_fn(|index| words[counts::BY_CONTEXT + index]);
        Ok(Counted { called: words[counts::CALLED], dropped: words[counts::DROPPED], by_context })
    }
}

/// Reads the counts of the test driver.
///
/// # Errors
/// If it does not say.
pub fn read_counts(file: &File) -> Result<[u64; counts::WORDS]> {
    let control = ControlCall { code: COUNTS, internal: false, input: &[], output: counts::WORDS * 8 };
    let answer = file.control(control, &|| false);
    ensure!(answer.status == STATUS_SUCCESS && answer.output.len() == counts::WORDS * 8, "{answer:?}");
    let mut words = [0; counts::WORDS];
    for (word, bytes) in words.iter_mut().zip(answer.output.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into()?);
    }
    Ok(words)
}

/// Raises that threads make, at least, between two bunches of interrupts. Interrupts log too, and come before threads: if
/// they always came faster than the lock goes round, no thread would ever get on.
const RAISES_BETWEEN: u64 = 8;

/// Raises interrupts of all device levels, NMIs and thread switches on all processors, at random.
fn interrupt(stop: &AtomicBool) {
    let raises = || machine().statistics.raises_of_threads.load(Ordering::Relaxed);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let (mut enough, mut looks) = (0, 0_u32);
    while !stop.load(Ordering::Relaxed) {
        if raises() < enough {
            looks += 1;
            if looks.is_multiple_of(8) {
                // Waiters may wait in the image: at a signal they let whoever waits for the host run first.
                (0..machine().active()).for_each(kick);
            }
            std::thread::sleep(Duration::from_micros(5));
            continue;
        }
        enough = raises() + RAISES_BETWEEN;
        for _ in 0..24 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bits = match state >> 8 & 7 {
                0..=3 => 1 << (3 + (state >> 16) % 10),
                4..=5 => NMI,
                _ => PREEMPT,
            };
            raise(((state >> 32) % machine().active() as u64) as usize, bits);
        }
        std::thread::sleep(Duration::from_micros(5));
    }
}

/// Waits until nothing is pending anywhere.
fn quiesce() -> Result<()> {
    for _ in 0..2000 {
        let is_quiet = machine().processors.iter().enumerate().all(|(index, processor)| {
            let pending = processor.pending.load(Ordering::SeqCst);
            if pending != 0 {
                kick(index);
            }
            // A routine that still runs has logged perhaps, and not counted that yet.
            let is_running = processor.in_nmi.load(Ordering::SeqCst) || processor.irql.load(Ordering::SeqCst) != 0;
            pending & !PREEMPT == 0 && !is_running && lock(&processor.dpcs).is_empty()
        });
        if is_quiet && machine().dpcs_outstanding.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    bail!("something stays pending: {:?}", machine().processors)
}

/// The totals of a storm.
pub struct StormTotals {
    called: u64,
    own: u64,
    written: u64,
    delivered: u64,
    lost: u64,
    cleared: u64,
    in_ring: u64,
    dropped: u64,
    torn: u64,
    twice: u64,
    by_wrong_entry: u64,
    by_context: [u64; CONTEXTS.len()],
    by_processor: BTreeMap<u16, u64>,
    drops: [u64; DROP_REASONS],
    interrupts_in_driver: u64,
    nmis_in_write: u64,
    lanes_hold: bool,
}

impl StormTotals {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "called": self.called, "own": self.own, "written": self.written, "delivered": self.delivered,
            "lost": self.lost, "cleared": self.cleared, "in_ring": self.in_ring, "dropped": self.dropped,
            "torn": self.torn, "twice": self.twice, "interrupts_in_driver": self.interrupts_in_driver,
            "nmis_in_write": self.nmis_in_write,
        })
    }

    fn check(&self) -> Result<()> {
        ensure!(self.torn == 0, "{} torn records", self.torn);
        ensure!(self.twice == 0, "{} records were delivered twice", self.twice);
        ensure!(self.by_wrong_entry == 0, "{} records were written by the wrong entry", self.by_wrong_entry);
        ensure!(self.lanes_hold, "a lane does not add up: {}", self.to_json());
        ensure!(
            self.called + self.own == self.written + self.dropped,
            "called + own != written + dropped: {}",
            self.to_json()
        );
        Ok(())
    }
}

fn storm(stage: &Stage, calls: u64) -> Result<StormTotals> {
    storm_with(stage, calls, || Ok(()))
}

/// Does something in the middle of a storm.
fn storm_with(stage: &Stage, calls: u64, meanwhile: impl FnOnce() -> Result<()>) -> Result<StormTotals> {
    // A small ring is lapped often.
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(64));
    registry::set_parameter("irqlog", "NmiLaneKiB", RegistryValue::Number(4));
    let irqlog = as_process(|| stage.start_irqlog())?;
    let own_file = as_process(|| File::open(ioctl::WIN32_NAME, Requestor::Administrator))
        .map_err(|status| anyhow::anyhow!("{status:#x}"))?;
    let done = Arc::new(AtomicBool::new(false));
    // One reader that keeps up as well as it can, and one that is slow and clears now and then.
    let readers: Vec<_> = [(Duration::ZERO, false), (Duration::from_millis(20), true)]
        .into_iter()
        .map(|(pause, clears)| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || reader(pause, clears, &done))
        })
        .collect();
    let storm = Storm::start(stage, stage.scaled(calls))?;
    meanwhile()?;
    let counted = storm.finish()?;
    done.store(true, Ordering::SeqCst);
    let mut seen = Vec::new();
    for reader in readers {
        seen.push(reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??);
    }
    let InfoAnswer { dropped, own, nesting, drops, .. } = as_process(|| info(&own_file))?;
    ensure!(nesting == 0, "the nesting counts are {nesting} at rest");
    ensure!(
        dropped >= counted.dropped,
        "the driver counts {dropped} drops, its caller was told of {}",
        counted.dropped
    );
    as_process(|| {
        own_file.cleanup();
        own_file.close();
        stop_last(&irqlog)
    })?;
    let statistics = &machine().statistics;
    let lanes_hold = seen.iter().all(Seen::holds);
    // The first reader's account is shown; both are checked.
    let first = seen.first().context("there are two readers")?;
    Ok(StormTotals {
        called: counted.called,
        own,
        written: first.sum(|lane| lane.written),
        delivered: first.sum(|lane| lane.delivered),
        lost: first.sum(|lane| lane.lost),
        cleared: first.sum(|lane| lane.cleared),
        in_ring: first.sum(|lane| lane.in_ring),
        dropped,
        torn: seen.iter().map(|seen| seen.torn).sum(),
        twice: seen.iter().map(|seen| seen.twice).sum(),
        by_wrong_entry: seen.iter().map(|seen| seen.by_wrong_entry).sum(),
        by_context: counted.by_context,
        by_processor: first.by_processor.clone(),
        drops,
        interrupts_in_driver: statistics.interrupts_in_driver.load(Ordering::Relaxed),
        nmis_in_write: statistics.nmis_in_write.load(Ordering::Relaxed),
        lanes_hold,
    })
}
