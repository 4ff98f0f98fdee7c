//! What is measured: one row each.

use std::{
    hint::black_box,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use irqlog_recorder::{
    Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::Entry,
};
use irqlog_ring::lock::swap::SwapLock;
use irqlog_wire::{image::Engine, record::Level};

use crate::machine::{Host, become_processor, switches, tick};

/// Bytes of payload.
const PAYLOAD: usize = 48;

type Work = Arc<dyn Fn(u64) + Send + Sync>;

/// A row of the table.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    writers: u32,
    work: Work,
}

impl Row {
    /// Lets all writers write so many records each, starting together; nanoseconds a record and writer, or nothing if a
    /// writer was switched away.
    #[expect(clippy::needless_collect, reason = "all threads have to be started before one is waited for")]
    pub fn repeat(&self, records: u64) -> Option<f64> {
        let barrier = Arc::new(Barrier::new(self.writers as usize));
        let threads: Vec<_> = (0..self.writers)
            .map(|index| {
                let (barrier, work) = (Arc::clone(&barrier), Arc::clone(&self.work));
                std::thread::spawn(move || {
                    become_processor(index);
                    work(records / 16 + 1);
                    barrier.wait();
                    let (before, start) = (switches(), Instant::now());
                    work(records);
                    let elapsed = start.elapsed();
                    (switches() == before).then(|| elapsed.as_secs_f64() * 1e9 / records as f64)
                })
            })
            .collect();
        let times: Option<Vec<f64>> = threads.into_iter().map(|thread| thread.join().ok().flatten()).collect();
        times.map(|times| times.iter().sum::<f64>() / times.len() as f64)
    }
}

/// A tick, an exchange on a line of its own, and a copy of 64 bytes into a ring.
fn floor() -> Work {
    let lock = AloneWordPair::default();
    let ring: Vec<AtomicU64> = (0..128 * 1024).map(|_| AtomicU64::new(0)).collect();
    Arc::new(move |records| {
        for record in 0..records {
            black_box(lock.0.swap(1, Ordering::Acquire));
            let now = tick();
            let at = (record as usize * 8) & (ring.len() - 1);
            for word in &ring[at..at + 8] {
                word.store(now, Ordering::Relaxed);
            }
            lock.0.store(0, Ordering::Release);
        }
    })
}

#[derive(Default)]
#[repr(align(128))]
struct AloneWordPair(AtomicU64);

/// Log calls through the recorder.
fn recorder(engine: Engine, writers: u32) -> Work {
    let config = Config { engine, ring_kib: 1024 * writers, ..Config::DEFAULT };
    let layout = Layout::new(&config, writers as usize, writers as usize);
    let words: &'static [AtomicU64] = (0..layout.words()).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak();
    let identity = Identity { machine: 0, tick_frequency: 1, tick: 0, time: 0, version: [0; 3] };
    layout.initialise(words, &config, &identity);
    let lock = SwapLock::new(AtomicU64::new(0), Host, 0);
    let recorder = Recorder::new(words, &layout, Host, lock, 0).expect("an image of that layout");
    let payload: &[u8; PAYLOAD] = &[b'x'; PAYLOAD];
    Arc::new(move |records| {
        for _ in 0..records {
            black_box(recorder.log(&Draft::text(Level::Info, &black_box(payload)[..]), Entry::MayWait));
        }
    })
}

/// All rows, the floor first.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![Row { name: "floor", writers: 1, work: floor() }];
    for (name, engine, writers) in [
        ("percpu, 1 writer", Engine::PerCpu, 1),
        ("percpu, 2 writers", Engine::PerCpu, 2),
        ("shared/swap, 1 writer", Engine::Shared, 1),
        ("shared/swap, 2 writers", Engine::Shared, 2),
    ] {
        rows.push(Row { name, writers, work: recorder(engine, writers) });
    }
    rows
}
