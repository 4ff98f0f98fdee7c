//! The lane under loom: every order that the memory model allows, for one writer, for a hand-over between two, and with
//! one and two readers. Each model is run again with one step of the protocol taken out, and must then fail.

mod common;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc as StdArc,
};

use common::{LoomWord, NoClock};
use irqlog_ring::{
    lane::{Copied, Cursor, Geometry, Lane, NewRecord},
    lock::{Attempt, RawLock, queued::QueuedLock, swap::SwapLock},
    word::Word,
};
use irqlog_wire::{
    image::{Policy, lane_word as at},
    record::{HEADER_SIZE, HEADER_WORDS, WORD_SEQ, WORD_TICK},
};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
    thread,
};

/// A step of the protocol that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    /// write:B
    WriterFence,
    /// write:B of a record that ends inside its segment
    InsideFence,
    /// The Release of write:D
    HeadRelease,
    /// The Acquire of read:A
    HeadAcquire,
    /// read:D
    ReaderFence,
    /// read:E: the second load of `tail` gives what the first one gave
    TailCheck,
}

const CONTROL: usize = 0;
const DATA: usize = at::COUNT;

/// A lane of a model.
#[derive(Clone, Copy)]
struct Shape {
    /// Words of data.
    words: usize,
    segments: usize,
    /// Records that are in the lane before the threads start.
    before: u64,
    /// Whether each record that the threads write ends inside the segment that the last one ended in.
    inside: &'static [bool],
}

/// Room for one record of five words and not for two, with segments of one word: every write enters another segment, and
/// overwrites.
const TINY: Shape = Shape { words: 8, segments: 4, before: 0, inside: &[false, false] };

/// Room for three records, in two segments. The first record that the threads write frees the other segment, with two records
/// in it; the second one ends inside it, and overwrites what the first one has freed.
const HALVES: Shape = Shape { words: 16, segments: 2, before: 2, inside: &[false, true] };

/// Just below the end of the numbers, so that every model runs through it.
const FIRST_SEQ: u64 = u64::MAX;
const FIRST_POSITION: u64 = u64::MAX - 6;

/// A word as one thread sees it.
struct Seen {
    shared: Arc<Vec<AtomicU64>>,
    index: usize,
    without: Without,
    /// What the thread's first look at `tail` gave.
    first_tail: Rc<Cell<Option<u64>>>,
    /// Whether the thread appends a record inside its segment.
    is_inside: Rc<Cell<bool>>,
}

impl Seen {
    fn word(&self) -> &AtomicU64 {
        &self.shared[self.index]
    }
}

impl Word for Seen {
    fn load(&self) -> u64 {
        let value = self.word().load(Ordering::Relaxed);
        if self.index == CONTROL + at::TAIL && self.without == Without::TailCheck {
            return self.first_tail.replace(Some(self.first_tail.get().unwrap_or(value))).unwrap_or(value);
        }
        value
    }
    fn load_acquire(&self) -> u64 {
        let order = if self.without == Without::HeadAcquire { Ordering::Relaxed } else { Ordering::Acquire };
        self.word().load(order)
    }
    fn store(&self, value: u64) {
        self.word().store(value, Ordering::Relaxed);
    }
    fn store_release(&self, value: u64) {
        let order = if self.without == Without::HeadRelease { Ordering::Relaxed } else { Ordering::Release };
        self.word().store(value, order);
    }
    fn fetch_add(&self, value: u64) -> u64 {
        self.word().fetch_add(value, Ordering::Relaxed)
    }
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.word().compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.word().compare_exchange(current, value, Ordering::Release, Ordering::Relaxed).is_ok()
    }
    fn swap_acquire(&self, value: u64) -> u64 {
        self.word().swap(value, Ordering::Acquire)
    }
    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.word().swap(value, Ordering::AcqRel)
    }
    fn release_fence(&self) {
        let is_left_out = match self.without {
            Without::WriterFence => true,
            Without::InsideFence => self.is_inside.get(),
            _ => false,
        };
        if !is_left_out {
            fence(Ordering::Release);
        }
    }
    fn acquire_fence(&self) {
        if self.without != Without::ReaderFence {
            fence(Ordering::Acquire);
        }
    }
}

/// What one thread sees of the memory. It is made by that thread.
struct View {
    words: Vec<Seen>,
    first_tail: Rc<Cell<Option<u64>>>,
    is_inside: Rc<Cell<bool>>,
    shape: Shape,
}

impl View {
    fn new(shared: &Arc<Vec<AtomicU64>>, shape: Shape, without: Without) -> Self {
        let (first_tail, is_inside) = (Rc::default(), Rc::<Cell<bool>>::default());
        let seen = |index| Seen {
            shared: Arc::clone(shared),
            index,
            without,
            first_tail: Rc::clone(&first_tail),
            is_inside: Rc::clone(&is_inside),
        };
        Self { words: (0..shared.len()).map(seen).collect(), first_tail, is_inside, shape }
    }

    fn lane(&self) -> Lane<'_, Seen> {
        let geometry = Geometry::with_segments(self.shape.words, self.shape.segments).unwrap();
        let (control, data) = (self.words[CONTROL..].first_chunk().unwrap(), &self.words[DATA..]);
        assert_eq!(data.len(), geometry.words());
        // SAFETY: as many words as the geometry says.
        unsafe { Lane::with_geometry(control, data, geometry) }
    }
}

/// The record with that seq, worked out without the lane.
fn expected(seq: u64) -> [u64; HEADER_WORDS] {
    let mut words = [seq.wrapping_mul(0x9e37_79b9_7f4a_7c15); HEADER_WORDS];
    words[0] = HEADER_SIZE as u64 | (seq & 0xff) << 32;
    words[WORD_SEQ] = seq;
    words[WORD_TICK] = seq ^ 0x5555;
    words
}

/// Appends as the recorder does; answers whether the record ended inside its segment.
fn append(view: &View, seq: u64) -> bool {
    let lane = view.lane();
    view.is_inside.set(true);
    // SAFETY: each model has one writer at a time, by construction or by the lock that it models.
    let inside = unsafe { lane.append_inside::<0>(expected(seq), &[], || seq ^ 0x5555) };
    if let Some(written) = inside {
        assert_eq!(written, seq);
        return true;
    }
    view.is_inside.set(false);
    let record = NewRecord { header: expected(seq), payload: &[] };
    // SAFETY: as above.
    let written = unsafe { lane.append(record, || seq ^ 0x5555, Policy::Overwrite) };
    assert_eq!(written, Ok(seq));
    false
}

/// Reads once from `cursor`; checks every record; gives the new cursor, and the records delivered and lost.
fn read(view: &View, cursor: Cursor) -> (Cursor, u64, u64) {
    view.first_tail.set(None);
    let mut delivered = 0;
    let mut next = None;
    let batch = view.lane().read(cursor, &mut Copied::default(), |record| {
        let seq = record[WORD_SEQ];
        assert_eq!(record, expected(seq), "torn");
        assert!(next.is_none_or(|next: u64| next == seq), "a record is missing in a batch");
        next = Some(seq.wrapping_add(1));
        delivered += 1;
        true
    });
    assert_eq!(cursor.seq.wrapping_add(batch.lost + delivered), batch.next.seq, "the batch does not add up");
    assert_eq!(batch.damaged, 0, "being overtaken is no damage");
    (batch.next, delivered, batch.lost)
}

fn memory(shape: Shape) -> Arc<Vec<AtomicU64>> {
    let words = Arc::new((0..DATA + shape.words).map(|_| AtomicU64::new(0)).collect());
    let view = View::new(&words, shape, Without::Nothing);
    view.lane().initialise(FIRST_SEQ, FIRST_POSITION);
    for n in 0..shape.before {
        append(&view, FIRST_SEQ.wrapping_add(n));
    }
    words
}

/// One writer of two records and `readers` readers, each of which reads once meanwhile and once afterwards.
fn one_writer(shape: Shape, readers: usize, without: Without) {
    let words = memory(shape);
    let handles: Vec<_> = (0..readers)
        .map(|_| {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let view = View::new(&words, shape, without);
                read(&view, view.lane().start())
            })
        })
        .collect();
    let own = View::new(&words, shape, without);
    for (n, &inside) in (shape.before..).zip(shape.inside) {
        assert_eq!(append(&own, FIRST_SEQ.wrapping_add(n)), inside);
    }
    for handle in handles {
        let (cursor, delivered, lost) = handle.join().unwrap();
        let (_, rest, lost_since) = read(&View::new(&words, shape, Without::Nothing), cursor);
        let written = shape.before + shape.inside.len() as u64;
        assert_eq!(delivered + lost + rest + lost_since, written, "written is not delivered + lost");
    }
}

/// What [`RawLock`] promises, mutual exclusion with acquire and release, and nothing more: it stands for the system's locks.
#[derive(Default)]
struct SystemLock(LoomWord);

// SAFETY: one exchange takes it, and acquires; one store gives it back, and releases.
unsafe impl RawLock for SystemLock {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        while self.try_acquire() != Attempt::Acquired(()) {
            self.0.pause();
        }
        true
    }
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::of(self.0.swap_acquire(1) == 0)
    }
    unsafe fn release(&self, (): &()) {
        self.0.store_release(0);
    }
}

/// Two writers that hand the lane over by a lock, and a reader.
fn hand_over<L: RawLock + Send + Sync + 'static>(shape: Shape, lock: L, without: Without) {
    let words = memory(shape);
    let lock = Arc::new(lock);
    let write = move |words: &Arc<Vec<AtomicU64>>, lock: &L| {
        let view = View::new(words, shape, without);
        let node = Box::new(L::Node::default());
        // SAFETY: the node stays in its box until the release.
        assert!(unsafe { lock.acquire(&node) });
        append(&view, view.lane().next_seq());
        // SAFETY: acquired above, with that node.
        unsafe { lock.release(&node) };
    };
    let other = {
        let (words, lock) = (Arc::clone(&words), Arc::clone(&lock));
        thread::spawn(move || write(&words, &lock))
    };
    let reader = {
        let words = Arc::clone(&words);
        thread::spawn(move || {
            let view = View::new(&words, shape, without);
            read(&view, view.lane().start())
        })
    };
    write(&words, &lock);
    other.join().unwrap();
    let (cursor, delivered, lost) = reader.join().unwrap();
    let (_, rest, lost_since) = read(&View::new(&words, shape, Without::Nothing), cursor);
    assert_eq!(delivered + lost + rest + lost_since, shape.before + 2);
}

fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    // A thread that makes more than the usual thousand steps makes no endless loop.
    builder.max_branches = 10_000;
    builder.check(model);
}

/// The bound on preemptions: `cargo xtask soak` sets `IRQLOG_DEEP_MODELS` and lets the larger models run for minutes.
fn deep(shallow: usize) -> usize {
    shallow + usize::from(std::env::var_os("IRQLOG_DEEP_MODELS").is_some())
}

/// The model holds as it is and fails without any one of `steps`.
fn holds_only_with(preemptions: usize, steps: &[Without], model: impl Fn(Without) + Send + Sync + 'static) {
    let model = StdArc::new(model);
    let run = |without| {
        let model = StdArc::clone(&model);
        explore(preemptions, move || model(without));
    };
    run(Without::Nothing);
    for &step in steps {
        let result = catch_unwind(AssertUnwindSafe(|| run(step)));
        assert!(result.is_err(), "the model does not notice that {step:?} is missing");
    }
}

#[test]
fn one_writer_one_reader() {
    use Without::{HeadAcquire, HeadRelease, ReaderFence, TailCheck, WriterFence};
    holds_only_with(3, &[WriterFence, ReaderFence, TailCheck, HeadAcquire, HeadRelease], |without| {
        one_writer(TINY, 1, without);
    });
}

#[test]
fn one_writer_one_reader_inside_a_segment() {
    use Without::{HeadAcquire, HeadRelease, ReaderFence, TailCheck};
    holds_only_with(deep(1), &[ReaderFence, TailCheck, HeadAcquire, HeadRelease], |without| {
        one_writer(HALVES, 1, without);
    });
}

#[test]
fn one_writer_two_readers() {
    // Readers store nothing that the other reader or the writer looks at, so no preemption is needed: what a reader sees is
    // explored as well, and the models with one reader have preemptions.
    holds_only_with(deep(0), &[Without::ReaderFence, Without::TailCheck], |without| one_writer(TINY, 2, without));
}

#[test]
fn the_lane_is_handed_over() {
    holds_only_with(deep(1), &[Without::WriterFence], |without| hand_over(TINY, SystemLock::default(), without));
    // With our own locks in the model, a preemption more is for soak.
    holds_only_with(deep(0), &[Without::WriterFence], |without| {
        hand_over(TINY, SwapLock::new(LoomWord::default(), NoClock, 0), without);
    });
    holds_only_with(deep(0), &[Without::WriterFence], |without| {
        hand_over(TINY, QueuedLock::<LoomWord, NoClock>::new(LoomWord::default(), NoClock, 0), without);
    });
}

/// One owner frees a segment, and the next one writes inside it.
#[test]
fn the_lane_is_handed_over_inside_a_segment() {
    holds_only_with(deep(0), &[Without::InsideFence], |without| hand_over(HALVES, SystemLock::default(), without));
}
