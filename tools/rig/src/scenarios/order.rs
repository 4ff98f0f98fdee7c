//! Order over processors: what becomes of a record whose writer stops between its stamp and its publication.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::{Result, ensure};
use irqlog_reader::{follow::Follower, session::Session};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    basic::{FileSource, read_all, texts},
    coverage::Caller,
    seen::info,
    stop_last,
};
use crate::{
    nt::{
        machine::run_thread,
        registry::{self, RegistryValue},
    },
    planted::{HAS_STOPPED, STOPPED_WRITER},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "stopped-writer",
        processors: DEFAULT_PROCESSORS,
        about: "engine percpu: a writer stops between stamp and publish; the others go on, and its record comes late",
        run: stopped_writer,
    },
    Scenario {
        name: "frozen-owner-kernel",
        processors: DEFAULT_PROCESSORS,
        about: "the owner of the lock kernel is frozen; callers at HIGH_LEVEL and NMIs go on without it",
        run: |stage| frozen_owner(stage, "shared", "kernel"),
    },
    Scenario {
        name: "frozen-owner-os-queued",
        processors: DEFAULT_PROCESSORS,
        about: "the same with the lock os-queued, which has no try",
        run: |stage| frozen_owner(stage, "shared", "os-queued"),
    },
    Scenario {
        name: "frozen-owner-swap",
        processors: DEFAULT_PROCESSORS,
        about: "the same with the lock swap; and a waiter gives up when its budget is exhausted",
        run: |stage| frozen_owner(stage, "shared", "swap"),
    },
    Scenario {
        name: "frozen-owner-queued",
        processors: DEFAULT_PROCESSORS,
        about: "the same with the lock queued, which has no try",
        run: |stage| frozen_owner(stage, "shared", "queued"),
    },
    Scenario {
        name: "frozen-owner-percpu",
        processors: DEFAULT_PROCESSORS,
        about: "a processor is frozen in its own lane; the others do not notice",
        run: |stage| frozen_owner(stage, "percpu", "kernel"),
    },
];

/// A processor is frozen while it holds the lock, as at a bug check. Logging from another one ends, and loses nothing
/// silently; the image can be read meanwhile.
fn frozen_owner(stage: &Stage, engine: &str, name: &str) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
    registry::set_parameter("irqlog", "Lock", RegistryValue::Text(name.to_owned()));
    registry::set_parameter("irqlog", "LockBudget", RegistryValue::Number(5000));
    let driver = as_process(|| stage.start_irqlog())?;
    let mut crashing = as_process(Caller::connect)?;
    let mut freezing = as_process(Caller::connect)?;
    STOPPED_WRITER.store(1, Ordering::SeqCst);
    let frozen = std::thread::spawn(move || {
        run_thread(0x3000, 1, true, |_| freezing.text(0, 0));
        freezing
    });
    until_stopped();
    run_thread(0x3004, 0b10, true, |_| -> Result<()> {
        let before = info(&crashing.file)?.dropped;
        // Would never return if one of them waited for the owner: at HIGH_LEVEL, and by the entry that never waits.
        for (entry, irql) in [(0, 15), (1, 0), (1, 15)] {
            crashing.text(entry, irql);
        }
        ensure!(info(&crashing.file)?.dropped == before, "a record was dropped that had an NMI lane to go to");
        if name == "swap" {
            // Below HIGH_LEVEL it waits, for five milliseconds of the clock.
            crashing.text(0, 0);
            ensure!(info(&crashing.file)?.dropped == before + 1, "the waiter that gave up was not counted");
        }
        let seen = texts(&read_all(&crashing.file)?);
        ensure!(seen.iter().filter(|text| text.starts_with('w')).count() == 3, "{seen:?}");
        Ok(())
    })?;
    ensure!(!frozen.is_finished(), "the owner was not frozen");
    STOPPED_WRITER.store(0, Ordering::SeqCst);
    let freezing = frozen.join().map_err(|_| anyhow::anyhow!("the owner panicked"))?;
    as_process(|| {
        for caller in [crashing, freezing] {
            caller.file.cleanup();
            caller.file.close();
        }
        stop_last(&driver)
    })
}

/// Waits until the writer is where it stops.
fn until_stopped() {
    while !HAS_STOPPED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn stopped_writer(stage: &Stage) -> Result<()> {
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text("percpu".to_owned()));
    let driver = as_process(|| stage.start_irqlog())?;
    let mut others = as_process(Caller::connect)?;
    let mut stopping = as_process(Caller::connect)?;
    // On processor 0, and for as long as we like.
    STOPPED_WRITER.store(1, Ordering::SeqCst);
    let stopped = std::thread::spawn(move || {
        run_thread(0x3000, 1, true, |_| stopping.text(0, 0));
        stopping
    });
    until_stopped();
    let (mut follower, before) = run_thread(0x3004, 0b10, true, |_| -> Result<_> {
        // The other writer's numbers go on behind the stopped one's.
        for _ in 0..5 {
            others.text(0, 0);
        }
        let mut session = Session::new(FileSource(&others.file));
        let tables = session.info()?;
        let mut follower = Follower::new(tables.present());
        let round = follower.round(&mut session)?;
        Ok((follower, round.records))
    })?;
    ensure!(!stopped.is_finished(), "the writer did not stop");
    ensure!(texts(&before).iter().filter(|text| text.starts_with('w')).count() == 5, "{:?}", texts(&before));
    ensure!(before.iter().all(|record| !record.late));
    STOPPED_WRITER.store(0, Ordering::SeqCst);
    let stopping = stopped.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
    run_thread(0x3004, 0b10, true, |_| -> Result<()> {
        others.text(0, 0);
        let round = follower.round(&mut Session::new(FileSource(&others.file)))?;
        let seen: Vec<_> = round.records.iter().map(|record| (record.header.processor.get(), record.late)).collect();
        ensure!(seen == [(0, true), (1, false)], "processor and late: {seen:?}");
        ensure!(follower.accounts().all(|(_, account)| account.holds()), "an account does not hold");
        Ok(())
    })?;
    as_process(|| {
        for caller in [others, stopping] {
            caller.file.cleanup();
            caller.file.close();
        }
        stop_last(&driver)
    })
}
