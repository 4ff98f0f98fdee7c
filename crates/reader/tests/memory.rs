//! Memory while a log is saved does not grow with the log.
//!
//! Everything that is allocated is counted: what a log of sixteen times the size needs more is less than a buffer.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;

mod direct;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs::{File, OpenOptions},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{SMALL, recorder};
use direct::session;
use irqlog_reader::{
    live::LiveLog,
    log::Log,
    save::{Saved, save},
    saved::SavedLog,
};
use irqlog_recorder::{config::Config, draft::Draft, log::Entry};
use irqlog_wire::record::Level;

/// The system's allocator, counted.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; the counters change nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and the most bytes that it had allocated at a time.
fn most_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::SeqCst);
    MOST.store(before, Ordering::SeqCst);
    let done = work();
    (done, MOST.load(Ordering::SeqCst) - before)
}

fn file(name: &str) -> File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap()
}

/// Saves a log into a file; gives the file, what was saved, and the most memory that it took.
fn saved(log: &mut impl Log, name: &str) -> (File, Saved, usize) {
    let mut file = file(name);
    let (saved, most) = most_bytes(|| save(log, &mut file, |_| {}).unwrap());
    file.set_len(saved.bytes).unwrap();
    (file, saved, most)
}

/// The most memory for a ring of that size: saved from the recorder, and saved again from the file.
fn memory_for(ring_kib: u32) -> [usize; 2] {
    let config = Config { ring_kib, ..SMALL };
    let (recorder, ..) = recorder(&config, 1, 1);
    for number in 0..ring_kib * 16 {
        recorder.log(&Draft::text(Level::Info, format!("a record with number {number}").as_bytes()), Entry::MayWait);
    }
    let mut live = LiveLog::open(session(recorder, |_| {})).unwrap();
    let (file, first, live_memory) = saved(&mut live, &format!("memory-{ring_kib}.irqlog"));
    assert!(first.bytes >= u64::from(ring_kib) << 10 && first.records > u64::from(ring_kib) * 12, "{first:?}");
    let mut log = SavedLog::open(file).unwrap();
    let (_, again, saved_memory) = saved(&mut log, &format!("memory-{ring_kib}-again.irqlog"));
    assert_eq!((again.records, again.bytes), (first.records, first.bytes));
    [live_memory, saved_memory]
}

#[test]
fn memory_does_not_grow_with_the_log() {
    let (small, large) = (memory_for(512), memory_for(16 * 512));
    for (small, large) in small.into_iter().zip(large) {
        assert!(large <= small + (64 << 10), "{large} bytes for 8 MiB of log, {small} for 512 KiB");
        assert!(large <= 1 << 20, "{large} bytes");
    }
}
