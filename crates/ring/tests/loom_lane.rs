//! The lane under loom: every order that the memory model allows, for one writer, for a hand-over between two, and with
//! one and two readers. Each model is run again with one step of the protocol taken out, and must then fail.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc as StdArc,
};

use irqlog_ring::{
    lane::{Copied, Cursor, Lane},
    words::Words,
};
use irqlog_wire::{
    image::{Policy, lane_word as at},
    record::{HEADER_SIZE, HEADER_WORDS, WORD_SEQ, WORD_TICK},
};
use loom::{
    sync::{
        Arc, Mutex,
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
/// Room for one record of five words and not for two: every write overwrites.
const CAPACITY: u64 = 8;
/// Just below the end of the numbers, so that every model runs through it.
const FIRST_SEQ: u64 = u64::MAX;
const FIRST_POSITION: u64 = u64::MAX - 6;

/// What one thread sees of the memory.
struct View {
    words: Arc<Vec<AtomicU64>>,
    without: Without,
    first_tail: Cell<Option<u64>>,
}

impl View {
    fn new(words: &Arc<Vec<AtomicU64>>, without: Without) -> Self {
        Self { words: Arc::clone(words), without, first_tail: Cell::new(None) }
    }

    fn lane(&self) -> Lane<'_, Self> {
        Lane::new(self, CONTROL, DATA, CAPACITY)
    }
}

impl Words for View {
    fn load(&self, index: usize) -> u64 {
        let value = self.words[index].load(Ordering::Relaxed);
        if index == CONTROL + at::TAIL && self.without == Without::TailCheck {
            return self.first_tail.replace(Some(self.first_tail.get().unwrap_or(value))).unwrap_or(value);
        }
        value
    }
    fn load_acquire(&self, index: usize) -> u64 {
        let order = if self.without == Without::HeadAcquire { Ordering::Relaxed } else { Ordering::Acquire };
        self.words[index].load(order)
    }
    fn store(&self, index: usize, value: u64) {
        self.words[index].store(value, Ordering::Relaxed);
    }
    fn store_release(&self, index: usize, value: u64) {
        let order = if self.without == Without::HeadRelease { Ordering::Relaxed } else { Ordering::Release };
        self.words[index].store(value, order);
    }
    fn fetch_add(&self, index: usize, value: u64) -> u64 {
        self.words[index].fetch_add(value, Ordering::Relaxed)
    }
    fn compare_exchange(&self, index: usize, current: u64, value: u64) -> bool {
        self.words[index].compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    fn release_fence(&self) {
        if self.without != Without::WriterFence {
            fence(Ordering::Release);
        }
    }
    fn acquire_fence(&self) {
        if self.without != Without::ReaderFence {
            fence(Ordering::Acquire);
        }
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

fn append(lane: Lane<'_, View>, seq: u64) {
    let mut record = expected(seq);
    // SAFETY: each model has one writer at a time, by construction or by the lock that it models.
    let written = unsafe { lane.append(&mut record, seq ^ 0x5555, Policy::Overwrite) };
    assert_eq!(written, Ok(seq));
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
    (batch.next, delivered, batch.lost)
}

fn memory() -> Arc<Vec<AtomicU64>> {
    let words = Arc::new((0..DATA + CAPACITY as usize).map(|_| AtomicU64::new(0)).collect());
    View::new(&words, Without::Nothing).lane().initialise(FIRST_SEQ, FIRST_POSITION);
    words
}

/// One writer of `writes` records and `readers` readers, each of which reads once meanwhile and once afterwards.
fn one_writer(writes: u64, readers: usize, without: Without) {
    let words = memory();
    let handles: Vec<_> = (0..readers)
        .map(|_| {
            let view = View::new(&words, without);
            thread::spawn(move || read(&view, view.lane().start()))
        })
        .collect();
    let own = View::new(&words, without);
    for n in 0..writes {
        append(own.lane(), FIRST_SEQ.wrapping_add(n));
    }
    for handle in handles {
        let (cursor, delivered, lost) = handle.join().unwrap();
        let (_, rest, lost_since) = read(&View::new(&words, Without::Nothing), cursor);
        assert_eq!(delivered + lost + rest + lost_since, writes, "written is not delivered + lost");
    }
}

/// Two writers that hand the lane over by a lock, and a reader. The lock is loom's own: it gives what
/// [`irqlog_ring::lock::RawLock`] promises, mutual exclusion with acquire and release, and nothing more.
fn hand_over(without: Without) {
    let words = memory();
    let lock = Arc::new(Mutex::new(()));
    let write = |view: View, lock: &Mutex<()>| {
        let _held = lock.lock().unwrap();
        append(view.lane(), view.lane().next_seq());
    };
    let other = {
        let (view, lock) = (View::new(&words, without), Arc::clone(&lock));
        thread::spawn(move || write(view, &lock))
    };
    let reader = {
        let view = View::new(&words, without);
        thread::spawn(move || read(&view, view.lane().start()))
    };
    write(View::new(&words, without), &lock);
    other.join().unwrap();
    let (cursor, delivered, lost) = reader.join().unwrap();
    let (_, rest, lost_since) = read(&View::new(&words, Without::Nothing), cursor);
    assert_eq!(delivered + lost + rest + lost_since, 2);
}

fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
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
        one_writer(2, 1, without);
    });
}

#[test]
fn one_writer_two_readers() {
    holds_only_with(deep(1), &[], |without| one_writer(2, 2, without));
}

#[test]
fn the_lane_is_handed_over() {
    holds_only_with(deep(1), &[Without::WriterFence], hand_over);
}
