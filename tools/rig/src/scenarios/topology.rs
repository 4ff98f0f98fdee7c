//! Machines with 64, 65, 256 and 2,048 processors in two and more groups, as far as numbers go.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use irqlog_reader::session::Session;
use irqlog_wire::{image::LaneKind, ioctl, record::Level};

use super::{
    DEFAULT_PROCESSORS, Scenario, Stage, as_process,
    basic::{FileSource, close, open, read_all, texts},
    stop_last,
};
use crate::nt::{
    registry::{self, RegistryValue},
    topology,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "processors",
    processors: DEFAULT_PROCESSORS,
    about: "64 to 2048 processors in groups: lanes, INFO, SELFTEST and the processor of each record",
    run: processors,
}];

/// Room for every record of a selftest on the largest machine. The default of 1 MiB overwrites half of them with engine
/// `shared`, before the selftest looks for them.
const RING_KIB: u32 = 8192;

fn processors(stage: &Stage) -> Result<()> {
    let machines: [&[u8]; 5] = [&[64], &[32, 32], &[33, 32], &[64; 4], &[64; 32]];
    registry::set_parameter("irqlog", "RingKiB", RegistryValue::Number(RING_KIB));
    registry::set_parameter("irqlog", "NmiLaneKiB", RegistryValue::Number(4));
    // The emulator is too slow for hundreds; what differs between architectures does not depend on their number.
    let count = if stage.is_emulated() { 3 } else { machines.len() };
    for groups in machines.into_iter().take(count) {
        for engine in ["shared", "percpu"] {
            registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
            topology::simulate(groups);
            let checked = as_process(|| one_machine(stage, engine));
            topology::simulate(&[]);
            checked.map_err(|error| error.context(format!("groups of {groups:?}, engine {engine}")))?;
        }
    }
    Ok(())
}

fn one_machine(stage: &Stage, engine: &str) -> Result<()> {
    let total = topology::count(u16::MAX, 0);
    let driver = stage.start_irqlog()?;
    let file = open()?;
    let mut session = Session::new(FileSource(&file));
    let tables = session.info()?;
    let nmi = tables.lanes.iter().filter(|lane| lane.kind.get() == LaneKind::Nmi.0).count();
    let main = if engine == "percpu" { total } else { 1 };
    ensure!(tables.processors.len() == total, "{} processors in the image, of {total}", tables.processors.len());
    let shown = (tables.lanes.len() - nmi, nmi);
    ensure!(shown == (main, total), "{shown:?} lanes, expected {:?}", (main, total));
    session.clear()?;
    let answer = session.selftest()?;
    ensure!(answer.processors.get() as usize == total, "selftest of {} processors", answer.processors.get());
    for (name, context) in ioctl::SELFTEST_CONTEXTS.iter().zip(answer.contexts) {
        let calls = total as u32 * if *name == "dirql" { 10 } else { 1 };
        let seen = (context.called.get(), context.written.get(), context.dropped.get(), context.found.get());
        ensure!(seen == (calls, calls, 0, calls), "{name}: {seen:?}, expected {calls}");
    }
    session.mark(Level::Info, "after the selftest")?;
    let records = read_all(&file)?;
    for text in ["selftest: thread", "selftest: DPC", "selftest: IPI", "selftest: HIGH_LEVEL"] {
        let seen: BTreeSet<_> = records
            .iter()
            .filter(|record| texts(std::slice::from_ref(*record)) == [text])
            .map(|record| usize::from(record.header.processor.get()))
            .collect();
        ensure!(seen == (0..total).collect(), "{text:?} came from {} processors of {total}", seen.len());
    }
    println!("{total} processors, engine {engine}: {} lanes, {} records", tables.lanes.len(), records.len());
    close(file);
    stop_last(&driver)
}
