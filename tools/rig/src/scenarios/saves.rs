//! Logs that are saved while everyone writes: each number of a lane is a record, or part of a loss that is told.
//!
//! The reader and `save` are irqlog's own here; the numbers, which the driver gave, are counted apart from them. With a
//! coarse clock most records have the tick of another one, as on machines whose counter advances in larger steps.

use std::{collections::BTreeMap, io::Cursor, sync::atomic::Ordering};

use anyhow::{Context as _, Result, ensure};
use irqlog_reader::{
    live::LiveLog,
    log::{Item, Log as _, LogError},
    save::{SaveError, save},
    saved::SavedLog,
    session::Session,
};
use irqlog_wire::ioctl;

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, basic::FileSource, stop_last, storm::Storm};
use crate::{
    nt::{
        io::{File, Requestor},
        registry::{self, RegistryValue},
    },
    planted,
};

/// Calls of the threads of one storm.
const CALLS: u64 = 20_000;
/// The coarse clock's step: 5 ms.
const COARSE: u64 = 50_000;

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "saves-under-load",
        processors: DEFAULT_PROCESSORS,
        about: "logs saved in a storm with a small ring: every number is a record or part of a loss that is told",
        run: |stage| saves(stage, "shared", 1),
    },
    Scenario {
        name: "coarse-clock",
        processors: DEFAULT_PROCESSORS,
        about: "the same with a clock of 5 ms, so that most records have the tick of another: lanes keep their order",
        run: |stage| saves(stage, "shared", COARSE),
    },
    Scenario {
        name: "coarse-clock-percpu",
        processors: DEFAULT_PROCESSORS,
        about: "the same with engine percpu: equal ticks in several lanes",
        run: |stage| saves(stage, "percpu", COARSE),
    },
];

/// The contents of the saved logs.
#[derive(Debug, Default)]
struct Found {
    saves: u64,
    records: u64,
    losses: u64,
    /// Losses between two records of their lane.
    inside: u64,
    /// Records with the tick of the one shown before them.
    ties: u64,
}

fn saves(stage: &Stage, engine: &str, grain: u64) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(64));
    planted::CLOCK_GRAIN.store(grain, Ordering::SeqCst);
    let driver = as_process(|| stage.start_irqlog())?;
    let mut found = Found::default();
    // When a reader is lapped is chance: again until it was, within reason.
    for _ in 0..40 {
        let storm = Storm::start(stage, stage.scaled(CALLS))?;
        loop {
            let is_running = storm.is_running()?;
            let image = as_process(|| {
                let file = File::open(ioctl::WIN32_NAME, Requestor::Administrator)
                    .map_err(|status| anyhow::anyhow!("open: {status:#010x}"))?;
                let mut image = Cursor::new(Vec::new());
                let log = LiveLog::open(Session::new(FileSource(&file)));
                let saved = log
                    .map_err(LogError::from)
                    .map_err(SaveError::from)
                    .and_then(|mut log| save(&mut log, &mut image, |_| {}));
                file.cleanup();
                file.close();
                let mut image = image.into_inner();
                image.truncate(saved?.bytes as usize);
                Ok::<_, anyhow::Error>(image)
            })?;
            found.add(image)?;
            if !is_running {
                break;
            }
        }
        storm.finish()?;
        if found.losses != 0 && (grain == 1 || found.ties > found.records / 2) {
            break;
        }
    }
    println!("{found:?}");
    ensure!(found.losses != 0, "no record was overwritten before it could be saved: {found:?}");
    ensure!(grain == 1 || found.ties > found.records / 2, "the clock is not coarse: {found:?}");
    as_process(|| stop_last(&driver))
}

impl Found {
    /// Counts a saved log through, lane by lane, as it is shown.
    fn add(&mut self, image: Vec<u8>) -> Result<()> {
        let mut log = SavedLog::open(Cursor::new(image))?;
        let mut lanes: BTreeMap<_, _> =
            log.tables().present().map(|(index, lane)| (index, (lane.first_seq.get(), lane.next_seq.get()))).collect();
        let mut newest = 0;
        while let Some(item) = log.next()? {
            let (lane, first, count) = match &item {
                Item::Record(record) => (record.lane, record.header.seq.get(), 1),
                Item::Loss(loss) => (loss.lane, loss.first_seq, loss.count),
            };
            let (due, _) = lanes.get_mut(&lane).context("a lane that is not in the tables")?;
            ensure!(first == *due, "lane {lane}: number {first} where {due} was due");
            *due = first.wrapping_add(count);
            match item {
                Item::Record(record) => {
                    let tick = record.header.tick.get();
                    ensure!(tick >= newest, "lane {lane}, number {first}: tick {tick} behind {newest}");
                    self.ties += u64::from(tick == newest);
                    self.records += 1;
                    newest = tick;
                }
                Item::Loss(loss) => {
                    self.losses += 1;
                    self.inside += u64::from(loss.from_tick.is_some() && loss.to_tick.is_some());
                }
            }
        }
        for (lane, (due, end)) in lanes {
            ensure!(due == end, "lane {lane}: {due} of {end} numbers are told");
        }
        ensure!(log.faults().is_empty(), "{:?}", log.faults());
        self.saves += 1;
        Ok(())
    }
}
