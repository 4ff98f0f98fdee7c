//! The rows of the table: each measures one way to record.

mod events;
mod lttng;
mod peers;
mod recorder;
mod thread_answers;

use std::{
    sync::{Arc, Barrier},
    time::Instant,
};

use anyhow::Result;
pub use events::{DISABLED, NOTHING, SIX, SIX_FORMATTED, STRING};
pub use peers::IN_FLIGHT;
pub use recorder::{CLOCK, PERCPU, SHARED, WITH_IRQL, WITH_READER, memory, text_of_any_length, with_irql};

use crate::machine::{become_processor, switches};

/// Bytes of payload of each record.
pub const PAYLOAD: usize = 48;

/// Number of records over which instructions are counted: enough for the work that is not done for every record.
const STEPPED: u64 = 2048;
/// Number of records that fill the ring of every row.
const FULL: u64 = 40_000;

/// Writes a number of records on the calling thread.
pub type Work = Arc<dyn Fn(u64) + Send + Sync>;

/// A group of rows in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The work that no recorder with a lock can avoid.
    Floor,
    /// irqlog's own engines and locks.
    Irqlog,
    /// Events through irqlog's provider, and the same content formatted first.
    Events,
    /// Code that was tried or proposed in the thread about a spin lock for any IRQL.
    Thread,
    /// Other recorders and loggers.
    Peer,
}

/// A row of the table.
pub struct Row {
    /// Name of the row.
    pub name: String,
    /// Group of the row.
    pub group: Group,
    /// Number of writers at once.
    pub writers: u32,
    work: Work,
    /// Runs on a core of its own while the writers write, until it is told to stop.
    reader: Option<recorder::BackgroundReader>,
    /// Writes in a process of its own instead.
    elsewhere: Option<lttng::Lttng>,
}

/// Name of LTTng's row.
pub const LTTNG: &str = "LTTng-UST flight recorder, 6 u64";

impl Row {
    /// LTTng's row.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn lttng(program: &std::path::Path) -> Result<Self> {
        let mut row = Self::new(Group::Peer, LTTNG, 1, Arc::new(|_| ()));
        row.elsewhere = Some(lttng::Lttng::start(program)?);
        Ok(row)
    }

    fn new(group: Group, name: impl Into<String>, writers: u32, work: Work) -> Self {
        Self { name: name.into(), group, writers, work, reader: None, elsewhere: None }
    }

    /// Lets all writers start together and write `records` records each. Answers the nanoseconds for each record and
    /// writer; `None` if a writer was switched away.
    pub fn repeat(&self, records: u64) -> Option<f64> {
        if let Some(elsewhere) = &self.elsewhere {
            return elsewhere.repeat(records);
        }
        let barrier = Arc::new(Barrier::new(self.writers as usize));
        let reading = self.reader.as_ref().map(recorder::BackgroundReader::start);
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
        drop(reading);
        times.map(|times| times.iter().sum::<f64>() / times.len() as f64)
    }

    /// Number of instructions for each record, with one writer and a full ring; `None` if they cannot be counted.
    pub fn instructions(&self) -> Option<f64> {
        let work = self.stepped()?;
        let many = crate::instructions::count(&|| work(STEPPED), 1)?;
        let none = crate::instructions::count(&|| work(0), 1)?;
        Some((many - none) / STEPPED as f64)
    }

    /// How often each instruction is executed for a record, by its address in the program's file.
    pub fn addresses(&self) -> Option<Vec<(usize, f64)>> {
        let work = self.stepped()?;
        let found = crate::instructions::addresses(&|| work(STEPPED));
        Some(found.into_iter().map(|(address, times)| (address, times as f64 / STEPPED as f64)).collect())
    }

    /// The work of a row whose instructions can be counted, with a ring that is full already.
    fn stepped(&self) -> Option<&Work> {
        if self.elsewhere.is_some() || self.writers != 1 || self.reader.is_some() {
            return None;
        }
        (self.work)(FULL);
        Some(&self.work)
    }

    /// Ticks of each of `samples` single records of the first writer, while the other writers write too.
    pub fn latencies(&self, samples: usize) -> Vec<u64> {
        if self.elsewhere.is_some() {
            return Vec::new();
        }
        let reading = self.reader.as_ref().map(recorder::BackgroundReader::start);
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let others: Vec<_> = (1..self.writers)
            .map(|index| {
                let (done, work) = (Arc::clone(&done), Arc::clone(&self.work));
                std::thread::spawn(move || {
                    become_processor(index);
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        work(1000);
                    }
                })
            })
            .collect();
        let work = Arc::clone(&self.work);
        let first = std::thread::spawn(move || {
            become_processor(0);
            work(10_000);
            let mut ticks: Vec<u64> = (0..samples)
                .map(|_| {
                    let start = crate::machine::fenced_tick();
                    work(1);
                    crate::machine::fenced_tick().wrapping_sub(start)
                })
                .collect();
            ticks.sort_unstable();
            ticks
        });
        let ticks = first.join().unwrap_or_default();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for other in others {
            // A writer that panicked has said so on standard error.
            let _ = other.join();
        }
        drop(reading);
        ticks
    }
}

/// All rows, the floor first.
pub fn rows() -> Vec<Row> {
    let mut rows = recorder::rows();
    rows.extend(events::rows());
    rows.extend(thread_answers::rows());
    rows.extend(peers::rows());
    rows
}
