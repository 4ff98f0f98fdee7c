//! One round: threads as processors that write, signals that interrupt them, readers, and somebody who clears; then the
//! sums, when all is quiet.
//!
//! ```text
//! called = written + dropped                                        over all processors
//! written = delivered + lost + cleared + damaged                    for every lane and reader that has read to its end
//! ```

use std::{
    sync::{
        Barrier, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use irqlog_recorder::{
    Recorder,
    layout::{Identity, Layout},
    pointers::Pointers,
    request::Read,
};
use irqlog_ring::{
    lane::{Cursor, Lane},
    lock::{either::Either, queued::QueuedLock, swap::SwapLock},
};

use crate::{
    batch::{Asked, ReaderTally},
    bytes::{before, u64_at},
    image::{Image, told_from_start},
    interrupts::{ProcessorThread, interrupt},
    load::{Counts, Stressed, Told, Writer},
    machine::{OwnLock, Processors},
    plan::{Chance, Plan},
    words::{Dawdling, Yielding},
};

/// What a round, or all rounds together, came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTotals {
    /// Log calls; each piece of a blob is one.
    pub called: u64,
    /// Records written.
    pub written: u64,
    /// Records dropped.
    pub dropped: u64,
    /// Records that readers were given, over all readers.
    pub delivered: u64,
    /// Records that readers were told as overwritten.
    pub lost: u64,
    /// Records that readers were told as cleared.
    pub cleared: u64,
    /// Records that readers were told as damaged.
    pub damaged: u64,
    /// Records in the lanes at the end.
    pub in_ring: u64,
    /// NMIs.
    pub nmis: u64,
    /// NMIs between raise and lower of a log call.
    pub nmis_in_write: u64,
    /// Calls of CLEAR.
    pub clears: u64,
}

impl RoundTotals {
    /// Adds a round.
    pub const fn add(&mut self, more: &Self) {
        self.called += more.called;
        self.written += more.written;
        self.dropped += more.dropped;
        self.delivered += more.delivered;
        self.lost += more.lost;
        self.cleared += more.cleared;
        self.damaged += more.damaged;
        self.in_ring += more.in_ring;
        self.nmis += more.nmis;
        self.nmis_in_write += more.nmis_in_write;
        self.clears += more.clears;
    }
}

/// Readers at once; the second is slow.
const READERS: usize = 2;
/// How long a machine may let no thread run before it counts as a hang: far longer than any lets it.
const HANGS: Duration = Duration::from_mins(1);
/// Room for the smallest answer to READ, and for the largest that a reader asks for.
const SMALLEST_ROOM: usize = 88 + 1024;
const LARGEST_ROOM: usize = 4096;
/// Records of a lane whose writers' answers are kept: far more than a lane holds.
const TOLD: usize = 1 << 16;

/// What writers were told, by lane and seq.
struct Answers(Vec<Vec<AtomicU64>>);

impl Answers {
    fn new(lanes: usize) -> Self {
        Self((0..lanes).map(|_| (0..TOLD).map(|_| AtomicU64::new(0)).collect()).collect())
    }

    /// Who has the seq, if its writer has been told and nobody behind it has the place: the low bits of seq that the
    /// place does not say, writer, number.
    fn entry(seq: u64, writer: u16, number: u32) -> u64 {
        ((seq / TOLD as u64) & 0x3f_ffff) << 42 | u64::from(writer) << 32 | u64::from(number) | 1 << 41
    }

    /// Checks that the writer of a record was told where it is.
    fn check(&self, lane: usize, seq: u64, writer: u16, number: u32) -> Result<()> {
        let found = self.0[lane][seq as usize % TOLD].load(Ordering::Relaxed);
        let expected = Self::entry(seq, writer, number);
        ensure!(found == expected, "the writer of seq {seq} in lane {lane} was told something else: {found:#x}");
        Ok(())
    }
}

impl Told for Answers {
    fn told(&self, lane: u32, seq: u64, writer: u16, number: u32) {
        let entry = Self::entry(seq, writer, number);
        let place = &self.0[lane as usize][seq as usize % TOLD];
        // A writer that was not run for long must not take the place of a newer one: 22 bits on a circle.
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
            let is_newer = ((entry >> 42).wrapping_sub(old >> 42) & 0x3f_ffff) < 1 << 21;
            (old == 0 || is_newer).then_some(entry)
        });
    }
}

/// What all threads of a round share.
struct Round<'r> {
    plan: Plan,
    memory: &'r [Dawdling],
    recorder: &'r Stressed<'r>,
    lanes: Vec<Asked>,
    /// For each lane a seq below which all is cleared.
    floors: Vec<AtomicU64>,
    counts: Vec<Counts>,
    answers: Answers,
    stop: AtomicBool,
    clears: AtomicU64,
    failed: Mutex<Option<anyhow::Error>>,
}

/// Runs a round.
///
/// # Errors
/// If a record is torn or not accounted for; the message begins with the plan.
pub fn run(plan: &Plan) -> Result<RoundTotals> {
    prepare_and_run(plan).with_context(|| format!("{plan:?}"))
}

fn prepare_and_run(plan: &Plan) -> Result<RoundTotals> {
    let clock = Processors::start();
    let layout = Layout::new(&plan.config(), plan.processors, plan.processors);
    let memory: Vec<_> = (0..layout.words()).map(|_| Dawdling::default()).collect();
    let identity = Identity { machine: 0x8664, tick_frequency: 1_000_000_000, tick: 1, time: 1, version: [0, 1, 0] };
    layout.initialise(&memory, &plan.config(), &identity);
    start_below_the_largest(&memory, plan)?;
    let lock: OwnLock = if plan.is_queued {
        Either::Second(QueuedLock::new(Yielding::default(), clock, 0))
    } else {
        Either::First(SwapLock::new(Yielding::default(), clock, plan.budget))
    };
    let bytes = copy(&memory);
    let image = Image::parse(&bytes)?;
    let pointers = Pointers::Hashed([plan.seed, 1]);
    let recorder = Recorder::new(&memory[..], &layout, clock, lock, image.start_id, pointers).context("a recorder")?;
    let asked = |(lane, control): (usize, &crate::image::StoredLane)| Asked {
        lane: lane as u32,
        start_id: image.start_id,
        first_seq: control.first_seq,
        floor: control.first_seq,
    };
    let lanes: Vec<_> = image.lanes.iter().enumerate().map(asked).collect();
    let round = Round {
        plan: *plan,
        memory: &memory,
        recorder: &recorder,
        floors: lanes.iter().map(|lane| AtomicU64::new(lane.first_seq)).collect(),
        counts: (0..plan.processors).map(|_| Counts::default()).collect(),
        answers: Answers::new(lanes.len()),
        lanes,
        stop: AtomicBool::new(false),
        clears: AtomicU64::new(0),
        failed: Mutex::new(None),
    };
    round.go()
}

/// Makes the lanes anew, so that seqs and positions wrap during the round.
fn start_below_the_largest(memory: &[Dawdling], plan: &Plan) -> Result<()> {
    let bytes = copy(memory);
    let mut chance = Chance::new(plan.seed);
    let (first, size) = (crate::bytes::u32_at(&bytes, 40)? as usize, crate::bytes::u32_at(&bytes, 44)? as usize);
    for index in 0..Image::parse(&bytes)?.lanes.len() {
        let at = first + index * size;
        let (data, words) = (u64_at(&bytes, at + 8)? as usize / 8, u64_at(&bytes, at + 16)? as usize);
        let control = memory.get(at / 8..).and_then(<[_]>::first_chunk).context("a control")?;
        let lane = Lane::new(control, memory.get(data..data + words).context("data")?).context("a power of two")?;
        // NMI lanes have few records; a main lane wraps somewhere within its first half.
        let is_nmi = crate::bytes::u32_at(&bytes, at)? == 3;
        let soon = if is_nmi { 100 } else { plan.calls / 2 };
        lane.initialise(chance.below(soon).wrapping_neg(), (chance.below(soon) * 20).wrapping_neg());
    }
    Ok(())
}

/// The image's bytes. Each word is read at once.
fn copy(memory: &[Dawdling]) -> Vec<u8> {
    memory.iter().flat_map(|word| word.get().to_le_bytes()).collect()
}

impl Round<'_> {
    fn go(&self) -> Result<RoundTotals> {
        let mut readers: Vec<_> = (0..READERS).map(|_| self.new_readers()).collect();
        let mut sums = RoundTotals::default();
        self.write_and_read(&mut readers, false)?;
        if self.plan.damages {
            readers.push(self.damage()?);
            self.write_and_read(&mut readers, true)?;
        }
        let bytes = copy(self.memory);
        let image = Image::parse(&bytes)?;
        sums.called = self.sum(|counts| &counts.called);
        sums.nmis = self.sum(|counts| &counts.nmis);
        sums.nmis_in_write = self.sum(|counts| &counts.nmis_in_write);
        sums.clears = self.clears.load(Ordering::Relaxed);
        (sums.written, sums.dropped) = (image.written(), image.drops);
        ensure!(
            sums.called == sums.written + sums.dropped,
            "{} called, {} written, {} dropped",
            sums.called,
            sums.written,
            sums.dropped
        );
        let not_lowered = self.sum(|counts| &counts.not_lowered);
        ensure!(not_lowered == 0, "{not_lowered} calls came back at another IRQL");
        for (index, lane) in image.lanes.iter().enumerate() {
            ensure!(!before(lane.floor, self.floors[index].load(Ordering::SeqCst)), "CLEAR has left lane {index} out");
        }
        for lanes in &readers {
            for (reader, lane) in lanes.iter().zip(&image.lanes) {
                reader.finish(lane.first_seq, lane.next_seq)?;
                sums.delivered += reader.delivered;
                sums.lost += reader.lost;
                sums.cleared += reader.cleared;
                sums.damaged += reader.damaged;
            }
        }
        ensure!(!self.plan.damages || sums.damaged != 0, "nobody was told of the damage");
        if !self.plan.damages {
            sums.in_ring = self.check_rest(&image)?;
        }
        Ok(sums)
    }

    fn new_readers(&self) -> Vec<ReaderTally> {
        self.lanes.iter().map(|_| ReaderTally::default()).collect()
    }

    fn sum(&self, of: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.counts.iter().map(|counts| of(counts).load(Ordering::Relaxed)).sum()
    }

    /// What is left in the lanes is what their writers were told and what a new reader is given.
    fn check_rest(&self, image: &Image<'_>) -> Result<u64> {
        let mut in_ring = 0;
        for (index, lane) in image.lanes.iter().enumerate() {
            let records = image.records(index)?;
            for (whole, _) in records.iter().filter(|(whole, _)| whole.piece.is_none()) {
                self.answers.check(index, whole.seq, whole.writer, whole.number)?;
            }
            let mut reader = ReaderTally::default();
            let mut given = Vec::new();
            self.read_to_the_end(&mut reader, index, LARGEST_ROOM, false, |bytes| given.push(bytes.to_vec()))?;
            let oldest = records.first().map_or(lane.next_seq, |(whole, _)| whole.seq);
            let expected = told_from_start(lane, oldest);
            let told = (reader.lost, reader.cleared, reader.delivered);
            ensure!(told == expected, "lane {index}: told (lost, cleared, delivered) {told:?}, not {expected:?}");
            let kept = records.iter().filter(|(whole, _)| !before(whole.seq, lane.floor)).map(|(_, bytes)| bytes);
            ensure!(kept.eq(&given), "a reader is given other records than lane {index} has");
            in_ring += records.len() as u64;
        }
        Ok(in_ring)
    }

    /// All writers to their end, with interrupts, readers and CLEAR; then the readers to theirs.
    fn write_and_read(&self, readers: &mut [Vec<ReaderTally>], is_damaged: bool) -> Result<()> {
        self.stop.store(false, Ordering::SeqCst);
        let ready = Barrier::new(self.plan.processors + 1);
        let quiet = Barrier::new(self.plan.processors + 1);
        let threads = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for index in 0..self.plan.processors {
                let (ready, quiet, threads) = (&ready, &quiet, &threads);
                scope.spawn(move || self.processor(index, ready, quiet, threads));
            }
            for (number, lanes) in readers.iter_mut().enumerate() {
                scope.spawn(move || self.try_it(|| self.reader(number, lanes, is_damaged)));
            }
            if self.plan.clears {
                scope.spawn(|| self.clearer());
            }
            ready.wait();
            let threads = threads.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.interrupter(&threads);
            // What was sent has arrived when the threads run again: no signal finds a thread that has ended.
            quiet.wait();
        });
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)?;
        // Signals came until the end, so the readers have something left.
        for (index, reader) in readers.iter_mut().flat_map(|lanes| lanes.iter_mut().enumerate()) {
            self.read_to_the_end(reader, index, LARGEST_ROOM, is_damaged, |_| ())?;
        }
        Ok(())
    }

    /// Writes into records of the main lanes, and sees what a new reader is told: these records, and at most one behind
    /// each, are damaged. Answers the new readers, which go on from there.
    fn damage(&self) -> Result<Vec<ReaderTally>> {
        let bytes = copy(self.memory);
        let image = Image::parse(&bytes)?;
        let mut chance = Chance::new(self.plan.seed ^ 0xb);
        let mut readers = self.new_readers();
        for (index, reader) in readers.iter_mut().enumerate() {
            let lane = &image.lanes[index];
            let (mut position, mut hit) = (lane.tail, 0);
            let records = image.records(index)?;
            // Without the oldest: if its seq is gone, damaged and overwritten ones cannot be told apart.
            for (number, (whole, _)) in records.iter().enumerate() {
                if number != 0 && chance.below(4) == 0 {
                    let (offset, value) = [(0, 0), (0, chance.next()), (2, chance.next())][chance.below(3) as usize];
                    let word = position.wrapping_add(offset) & (lane.words - 1);
                    self.memory[lane.data / 8 + word as usize].set(value);
                    hit += 1;
                }
                position = position.wrapping_add(whole.size as u64 / 8);
            }
            self.read_to_the_end(reader, index, LARGEST_ROOM, true, |_| ())?;
            reader.finish(lane.first_seq, lane.next_seq)?;
            let damaged = reader.damaged;
            ensure!((hit..=2 * hit).contains(&damaged), "lane {index}: {hit} records were hit, {damaged} are told");
        }
        Ok(readers)
    }

    fn try_it(&self, work: impl FnOnce() -> Result<()>) {
        if let Err(error) = work() {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stop.store(true, Ordering::SeqCst);
        }
    }

    /// A thread that is a processor.
    fn processor(&self, index: usize, ready: &Barrier, quiet: &Barrier, threads: &Mutex<Vec<libc::pthread_t>>) {
        let writer = Writer {
            processor: index as u32,
            recorder: self.recorder,
            counts: &self.counts[index],
            told: &self.answers,
        };
        // SAFETY: `writer` is declared before, and dropped later.
        let processor = unsafe { ProcessorThread::begin(&writer) };
        threads.lock().unwrap_or_else(PoisonError::into_inner).push(processor.thread());
        ready.wait();
        let calls = self.plan.calls / self.plan.processors as u64;
        for _ in 0..calls {
            writer.thread_call();
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        self.counts[index].finished.fetch_add(1, Ordering::SeqCst);
        quiet.wait();
    }

    /// Interrupts the processors until all have made their calls.
    fn interrupter(&self, threads: &[libc::pthread_t]) {
        let mut chance = Chance::new(self.plan.seed ^ 7);
        let processors = self.plan.processors as u64;
        let runs = self.sum(|counts| &counts.finished) / processors + 1;
        let (mut called, mut since) = (0, Instant::now());
        while self.sum(|counts| &counts.finished) < runs * processors {
            let number = chance.next();
            let thread = threads[(number >> 8) as usize % threads.len()];
            // Now and then the second comes while the handler of the first writes.
            for which in 0..=(number & 1) as usize {
                // SAFETY: the threads wait for us before they end.
                unsafe { interrupt(thread, which + (number >> 1 & 1) as usize) };
                for _ in 0..(number >> 20) % 32 {
                    std::hint::spin_loop();
                }
            }
            if number.is_multiple_of(4) {
                thread::sleep(Duration::from_micros(50));
            }
            let now = self.sum(|counts| &counts.called);
            if now != called {
                (called, since) = (now, Instant::now());
            } else if since.elapsed() > HANGS {
                // The threads cannot be ended, so neither can the round.
                eprintln!("error: {:?}: nobody has made a call for {HANGS:?}: a writer waits for ever", self.plan);
                std::process::exit(1);
            }
        }
        self.stop.store(true, Ordering::SeqCst);
    }

    fn clearer(&self) {
        let mut chance = Chance::new(self.plan.seed ^ 9);
        while !self.stop.load(Ordering::SeqCst) {
            let next: Vec<_> = (0..self.lanes.len()).map(|lane| self.next_seq(lane)).collect();
            self.recorder.clear();
            self.clears.fetch_add(1, Ordering::Relaxed);
            for (floor, next) in self.floors.iter().zip(next) {
                floor.store(next, Ordering::SeqCst);
            }
            // In bursts, so that readers meet it between any two of their steps.
            if chance.below(64) == 0 {
                thread::sleep(Duration::from_micros(50 + chance.below(1000)));
            }
        }
    }

    /// The next seq of a lane, from its control word.
    fn next_seq(&self, lane: usize) -> u64 {
        let word = |at: usize| self.memory[at / 8].get();
        let lanes = word(40);
        let (first, size) = (lanes as u32 as usize, (lanes >> 32) as usize);
        word(first + lane * size + 136)
    }

    /// A reader that reads all lanes in turn while writers write, and to the end when they have ended.
    fn reader(&self, number: usize, lanes: &mut [ReaderTally], is_damaged: bool) -> Result<()> {
        let mut chance = Chance::new(self.plan.seed ^ number as u64);
        let longest = [100, 3000][number.min(1)];
        loop {
            let is_last = self.stop.load(Ordering::SeqCst);
            for (index, reader) in lanes.iter_mut().enumerate() {
                let room = SMALLEST_ROOM + chance.below((LARGEST_ROOM - SMALLEST_ROOM) as u64) as usize;
                self.read(reader, index, room, is_damaged, |_| ())?;
            }
            if is_last {
                return Ok(());
            }
            thread::sleep(Duration::from_micros(chance.below(longest)));
        }
    }

    /// One READ.
    fn read(
        &self,
        reader: &mut ReaderTally,
        lane: usize,
        room: usize,
        is_damaged: bool,
        mut given: impl FnMut(&[u8]),
    ) -> Result<bool> {
        let mut output = [0; LARGEST_ROOM];
        let output = &mut output[..room];
        let asked = Asked { floor: self.floors[lane].load(Ordering::SeqCst), ..self.lanes[lane] };
        let from = reader.cursor.map(|(seq, position)| Cursor { seq, position });
        let request = Read { lane: asked.lane, from, start_id: asked.start_id };
        let used = self.recorder.read(&request, output).map_err(|refusal| anyhow!("{refusal:?}"))?;
        let allowed = crate::batch::Allowed { damaged: is_damaged, ..self.plan.allowed() };
        reader
            .take(&output[..used], asked, allowed, |_, bytes| {
                given(bytes);
                Ok(())
            })
            .with_context(|| format!("lane {lane} after {reader}"))
    }

    /// READs until there is no more; nobody writes.
    fn read_to_the_end(
        &self,
        reader: &mut ReaderTally,
        lane: usize,
        room: usize,
        is_damaged: bool,
        mut given: impl FnMut(&[u8]),
    ) -> Result<()> {
        for _ in 0..1_000_000 {
            if !self.read(reader, lane, room, is_damaged, &mut given)? {
                return Ok(());
            }
        }
        bail!("READ of lane {lane} never comes to an end")
    }
}
