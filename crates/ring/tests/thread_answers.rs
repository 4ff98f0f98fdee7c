//! The two answers of the thread that are tried there or proposed, and that are not good enough: the poster's own lock, and
//! the ring that is advanced by one interlocked add. What is wrong with them, and what is not, as models; the story is
//! `docs/any-irql-lock.md`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

fn holds(preemptions: usize, model: impl Fn() + Send + Sync + 'static) -> bool {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    catch_unwind(AssertUnwindSafe(|| builder.check(model))).is_ok()
}

/// How the poster's code touches the lock word besides the interlocked bit operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    /// As posted: `*lck &= 0xFF; *lck |= irql << 8`, plain accesses to a word that others access atomically.
    Plain,
    /// As if every access were atomic.
    Atomic,
}

/// The poster's lock.
struct PosterLock {
    word: AtomicU64,
    plain: Plain,
}

impl PosterLock {
    fn look(&self) -> u64 {
        match self.plain {
            // SAFETY: it is not: loom says so if another thread changes the word meanwhile.
            Plain::Plain => unsafe { self.word.unsync_load() },
            Plain::Atomic => self.word.load(Ordering::Relaxed),
        }
    }

    fn acquire(&self, irql: u64) {
        while self.word.fetch_or(1, Ordering::Acquire) & 1 != 0 {
            thread::yield_now();
        }
        // As an exchange of the value read: a store in between would be lost, and none is, since a waiter sets a bit that
        // is set already.
        self.word.swap(self.look() & 0xff, Ordering::Relaxed);
        self.word.swap(self.look() | irql << 8, Ordering::Relaxed);
    }

    fn release(&self) -> u64 {
        let irql = self.look() >> 8;
        self.word.fetch_and(!1, Ordering::Release);
        irql
    }
}

/// Two processors, each with an IRQL of its own, take the lock once each.
fn poster(plain: Plain) {
    let shared = Arc::new((PosterLock { word: AtomicU64::new(0), plain }, UnsafeCell::new(0_u64)));
    let turn = |shared: &(PosterLock, UnsafeCell<u64>), irql: u64| {
        shared.0.acquire(irql);
        // SAFETY: whoever has the lock is alone; loom checks just that.
        shared.1.with_mut(|value| unsafe { *value += 1 });
        assert_eq!(shared.0.release(), irql, "another one's IRQL came back");
    };
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || turn(&shared, 2))
    };
    turn(&shared, 5);
    other.join().unwrap();
}

#[test]
fn the_posters_lock_excludes_and_gives_the_irql_back() {
    assert!(holds(2, || poster(Plain::Atomic)), "what is not wrong with it");
}

#[test]
fn the_posters_lock_is_a_data_race() {
    assert!(!holds(2, || poster(Plain::Plain)), "plain accesses to a word that waiters change");
}

/// A processor that takes the lock again in an interrupt, or an NMI, of its own waits for itself: what the nesting count
/// of irqlog prevents. One thread is enough to see it.
#[test]
fn the_posters_lock_waits_for_its_own_processor() {
    let lock = PosterLockOnHost(std::sync::atomic::AtomicU64::new(0));
    assert!(lock.tries_until_acquired(1000).is_some());
    assert!(lock.tries_until_acquired(1000).is_none(), "it would spin for ever: nothing bounds the loop");
}

/// The same lock off the model.
struct PosterLockOnHost(std::sync::atomic::AtomicU64);

impl PosterLockOnHost {
    fn tries_until_acquired(&self, most: usize) -> Option<usize> {
        (0..most).find(|_| self.0.fetch_or(1, std::sync::atomic::Ordering::Acquire) & 1 == 0)
    }
}

/// Words of a record of the interlocked-add ring: both say who wrote it.
const RECORD: usize = 2;

/// A ring of two records that is advanced by one interlocked add, and nothing else.
struct AddRing {
    position: AtomicU64,
    words: [AtomicU64; 2 * RECORD],
}

impl AddRing {
    fn new() -> Arc<Self> {
        Arc::new(Self { position: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) })
    }

    /// Gives the position that the record got.
    fn write(&self, value: u64) -> u64 {
        let at = self.position.fetch_add(RECORD as u64, Ordering::AcqRel);
        for offset in 0..RECORD {
            self.words[(at as usize + offset) % self.words.len()].store(value, Ordering::Release);
        }
        at
    }

    /// The record at a position that the ring has handed out.
    fn read(&self, at: usize) -> [u64; RECORD] {
        std::array::from_fn(|offset| self.words[(at + offset) % self.words.len()].load(Ordering::Acquire))
    }
}

#[test]
fn one_interlocked_add_gives_every_writer_a_place_of_its_own() {
    assert!(holds(3, || {
        let ring = AddRing::new();
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.write(7))
        };
        let own = ring.write(8);
        let other = other.join().unwrap();
        assert_ne!(own, other, "what is not wrong with it");
        assert_eq!((ring.read(own as usize), ring.read(other as usize)), ([8; 2], [7; 2]));
    }));
}

#[test]
fn one_interlocked_add_shows_readers_what_is_not_written_yet() {
    assert!(!holds(2, || {
        let ring = AddRing::new();
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.write(7))
        };
        // All that a reader has to go by: the place is taken.
        if ring.position.load(Ordering::Acquire) != 0 {
            assert_eq!(ring.read(0), [7; 2], "torn");
        }
        writer.join().unwrap();
    }));
}

#[test]
fn one_interlocked_add_lets_two_writers_a_lap_apart_into_one_place() {
    assert!(!holds(2, || {
        let ring = AddRing::new();
        let slow = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.write(7))
        };
        // Once around: the third record lies where the first one does.
        for value in [8, 9] {
            ring.write(value);
        }
        slow.join().unwrap();
        for at in [0, RECORD] {
            let [first, second] = ring.read(at);
            assert_eq!(first, second, "two records in one, after all writers are done");
        }
    }));
}
