//! Rows for the floor and for irqlog itself: both engines, and the locks that run without Windows.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use irqlog_recorder::{
    Platform, Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::Entry,
    pointers::Pointers,
    request::Read,
};
use irqlog_ring::{
    lock::{Attempt, RawLock, queued::QueuedLock, swap::SwapLock},
    word::Alone,
};
use irqlog_wire::{image::Engine, ioctl::BatchHeader, record::Level};
use zerocopy::FromBytes;

use super::{Group, PAYLOAD, Row, Work};
use crate::machine::{Host, WithIrql, become_processor, tick};

/// The recorder as a library, over a lock.
pub type Library<L, P = Host> = Recorder<'static, [AtomicU64], P, L>;

/// Name of the row of engine `percpu`, one writer.
pub const PERCPU: &str = "percpu, 1 writers";
/// Name of the same row with a reader beside the writer.
pub const WITH_READER: &str = "percpu, 1 writer, 1 reader";
/// Name of the row of engine `shared` with the lock `swap`, one writer.
pub const SHARED: &str = "shared/swap, 1 writers";
/// Name of the row of the clock alone.
pub const CLOCK: &str = "the clock alone";
/// Name of the row of engine `percpu` with modelled changes of the IRQL.
pub const WITH_IRQL: &str = "percpu, with modelled IRQL changes";

/// Words of the floor's ring: one mebibyte.
const RING: usize = 128 * 1024;

/// The floor: an exchange on a line of its own, a tick, and a copy of 64 bytes into a ring. The order is the one that a
/// recorder with a lock needs: the tick is read under the lock.
fn floor() -> Work {
    let (lock, ring) = (Alone(AtomicU64::new(0)), memory(RING));
    Arc::new(move |records| {
        for record in 0..records {
            black_box(lock.0.swap(1, Ordering::Acquire));
            let now = tick();
            store(ring, record as usize * 8, &[now; 8]);
            lock.0.store(0, Ordering::Release);
        }
    })
}

/// The second floor: the tick is read first, as only a recorder without a lock may do. Some processors overlap the tick
/// with the exchange.
fn floor_tick_first() -> Work {
    let (lock, ring) = (Alone(AtomicU64::new(0)), memory(RING));
    Arc::new(move |records| {
        for record in 0..records {
            let now = tick();
            black_box(lock.0.swap(1, Ordering::Acquire));
            store(ring, record as usize * 8, &[now; 8]);
            lock.0.store(0, Ordering::Release);
        }
    })
}

/// One read of the clock.
fn clock() -> Work {
    Arc::new(|records| {
        for _ in 0..records {
            black_box(tick());
        }
    })
}

/// Makes zeroed words that are never freed.
pub fn memory(words: usize) -> &'static [AtomicU64] {
    (0..words).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak()
}

/// Stores words from a position on; the size of the ring is a multiple of their number.
#[inline]
pub fn store<const N: usize>(ring: &[AtomicU64], position: usize, values: &[u64; N]) {
    let at = position & (ring.len() - 1);
    let Some(words) = ring.get(at..).and_then(|rest| rest.first_chunk::<N>()) else { return };
    for (word, &value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
}

pub fn library<L: RawLock>(engine: Engine, writers: u32, lock: L) -> Library<L> {
    library_on(Host, engine, writers, lock)
}

fn library_on<L: RawLock, P: Platform>(platform: P, engine: Engine, writers: u32, lock: L) -> Library<L, P> {
    let config = Config { engine, ring_kib: 1024 * writers, ..Config::DEFAULT };
    let layout = Layout::new(&config, writers as usize, writers as usize);
    let words = memory(layout.words());
    let identity = Identity { machine: 0, tick_frequency: 1, tick: 0, time: 0, version: [0; 3] };
    layout.initialise(words, &config, &identity);
    Recorder::new(words, &layout, platform, lock, 0, Pointers::Raw).expect("an image of that layout")
}

/// The lock of an engine that has none.
pub struct NoLock;

// SAFETY: nobody ever holds it: it cannot be acquired.
unsafe impl RawLock for NoLock {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        false
    }
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::Impossible
    }
    unsafe fn release(&self, (): &()) {}
}

const fn swap() -> SwapLock<AtomicU64, Host> {
    SwapLock::new(AtomicU64::new(0), Host, 0)
}

/// Log calls through the recorder, from a call site that knows the size of its text.
fn calls<L: RawLock + Send + Sync + 'static, P: Platform + Send + Sync + 'static>(
    recorder: Arc<Library<L, P>>,
) -> Work {
    let payload: &[u8; PAYLOAD] = &[b'x'; PAYLOAD];
    Arc::new(move |records| {
        for _ in 0..records {
            // The outcome is ignored, as a driver does: to keep it would be counted.
            recorder.log_here(&Draft::text(Level::Info, &black_box(payload)[..]), Entry::MayWait);
        }
    })
}

/// One log call with a text whose length the compiler does not know, as through the function table; engine `percpu`.
pub fn text_of_any_length() -> impl Fn(&[u8]) {
    let recorder = library(Engine::PerCpu, 1, NoLock);
    move |text| {
        black_box(recorder.log(&Draft::text(Level::Info, text), Entry::MayWait));
    }
}

/// A reader that reads all lanes repeatedly while writers write.
pub struct BackgroundReader {
    round: Arc<dyn Fn() + Send + Sync>,
    core: u32,
}

impl BackgroundReader {
    fn of<L: RawLock + Send + Sync + 'static>(recorder: &Arc<Library<L>>, core: u32) -> Self {
        let recorder = Arc::clone(recorder);
        let round = move || {
            let mut output = vec![0; 64 * 1024];
            let mut from = None;
            for _ in 0..64 {
                let read = recorder.read(&Read { lane: 0, from, start_id: 0 }, &mut output);
                let header = read.ok().and_then(|length| BatchHeader::read_from_prefix(&output[..length]).ok());
                let Some((header, _)) = header else { return };
                let (seq, position) = (header.next.seq.get(), header.next.position.get());
                from = Some(irqlog_ring::lane::Cursor { seq, position });
            }
        };
        Self { round: Arc::new(round), core }
    }

    /// Starts the reader; it ends when the result is dropped.
    pub fn start(&self) -> Reading {
        let stop = Arc::new(AtomicBool::new(false));
        let (round, is_over, core) = (Arc::clone(&self.round), Arc::clone(&stop), self.core);
        let thread = std::thread::spawn(move || {
            become_processor(core);
            while !is_over.load(Ordering::Relaxed) {
                round();
            }
        });
        Reading { stop, thread: Some(thread) }
    }
}

/// A running reader; dropping it ends the reader.
pub struct Reading {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

fn engine_rows<L: RawLock + Send + Sync + 'static>(rows: &mut Vec<Row>, name: &str, engine: Engine, lock: fn() -> L) {
    for writers in [1, 2] {
        let recorder = Arc::new(library(engine, writers, lock()));
        rows.push(Row::new(Group::Irqlog, format!("{name}, {writers} writers"), writers, calls(recorder)));
    }
    let recorder = Arc::new(library(engine, 1, lock()));
    let mut row = Row::new(Group::Irqlog, format!("{name}, 1 writer, 1 reader"), 1, calls(Arc::clone(&recorder)));
    row.reader = Some(BackgroundReader::of(&recorder, 1));
    rows.push(row);
}

/// The rows of the floor and of irqlog.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new(Group::Floor, "floor: exchange, tick, copy", 1, floor()),
        Row::new(Group::Floor, "floor: tick, exchange, copy", 1, floor_tick_first()),
        Row::new(Group::Floor, CLOCK, 1, clock()),
    ];
    engine_rows(&mut rows, "percpu", Engine::PerCpu, swap);
    engine_rows(&mut rows, "shared/swap", Engine::Shared, swap);
    engine_rows(&mut rows, "shared/queued", Engine::Shared, || {
        QueuedLock::<AtomicU64, Host>::new(AtomicU64::new(0), Host, 0)
    });
    rows
}

/// The row with changes of the IRQL that cost what [`WithIrql::calibrate`] was told.
pub fn with_irql() -> Row {
    let recorder = Arc::new(library_on(WithIrql, Engine::PerCpu, 1, swap()));
    Row::new(Group::Irqlog, WITH_IRQL, 1, calls(recorder))
}
