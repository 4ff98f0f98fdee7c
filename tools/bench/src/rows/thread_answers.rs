//! Rows for two answers of the thread about a spin lock for any IRQL.
//!
//! `crates/ring/tests/thread_answers.rs` shows what is wrong with each, and `docs/any-irql-lock.md` discusses them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    Group, Row, Work,
    recorder::{memory, store},
};
use crate::machine::tick;

/// Words of a record: header and payload, the same as irqlog's.
const WORDS: usize = 11;
/// Words that each record takes: a power of two, so that no record wraps around the end of the ring.
const SLOT: usize = 16;
const RING: usize = 128 * 1024;

/// The poster's lock: it sets a bit, and keeps the saved IRQL in the lock word.
struct PosterLock(AtomicU64);

impl PosterLock {
    fn acquire(&self, irql: u64) {
        while self.0.fetch_or(1, Ordering::Acquire) & 1 != 0 {
            std::hint::spin_loop();
        }
        // Two plain read-modify-writes, as posted.
        self.0.store(self.0.load(Ordering::Relaxed) & 0xff, Ordering::Relaxed);
        self.0.store(self.0.load(Ordering::Relaxed) | irql << 8, Ordering::Relaxed);
    }

    fn release(&self) -> u64 {
        let irql = self.0.load(Ordering::Relaxed) >> 8;
        self.0.fetch_and(!1, Ordering::Release);
        irql
    }
}

fn poster() -> Work {
    let (lock, position, ring) = (PosterLock(AtomicU64::new(0)), AtomicU64::new(0), memory(RING));
    Arc::new(move |records| {
        for _ in 0..records {
            lock.acquire(2);
            let at = position.load(Ordering::Relaxed);
            store(ring, at as usize, &[tick(); WORDS]);
            position.store(at + SLOT as u64, Ordering::Relaxed);
            std::hint::black_box(lock.release());
        }
    })
}

/// A ring whose writers advance the position by one interlocked add.
fn interlocked_add() -> Work {
    let (position, ring) = (AtomicU64::new(0), memory(RING));
    Arc::new(move |records| {
        for _ in 0..records {
            let at = position.fetch_add(SLOT as u64, Ordering::Relaxed);
            store(ring, at as usize, &[tick(); WORDS]);
        }
    })
}

/// The rows of both, with one writer and with two.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, work) in [("the poster's lock", poster as fn() -> Work), ("one interlocked add", interlocked_add)] {
        for writers in [1, 2] {
            rows.push(Row::new(Group::Thread, format!("{name}, {writers} writers"), writers, work()));
        }
    }
    rows
}
