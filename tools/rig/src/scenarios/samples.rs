//! The sample drivers: they come beside irqlog.sys, log from everywhere, and go; what they logged stays readable.
//!
//! Each has a simulated device, which is a line: a vector whose level is its upper four bits, as on x64, told to the driver by its
//! service parameters.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, ensure};
use irqlog_reader::{
    event::EventView,
    image::Tables,
    live::LiveLog,
    log::{self, Log},
    record::Record,
    session::{Session, SessionError, Source},
    sites::Provider,
};
use irqlog_wire::{
    ioctl,
    irql::{DISPATCH_LEVEL, IPI_LEVEL},
    record::{BlobHeader, Kind, Level, flags},
};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, stop_last};
use crate::{
    nt::{
        io::{ControlCall, File, Requestor},
        machine::{NMI, current, machine, raise},
        registry::{self, RegistryValue},
    },
    service::{Driver, check_nothing_is_left, load_library},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "samples",
    processors: DEFAULT_PROCESSORS,
    about: "two drivers log events from thread, DPC, ISR, IPI and NMI, go, and come again; levels change meanwhile",
    run: samples,
}];

/// A sample, and the line of its device.
struct Sample {
    name: &'static str,
    vector: u32,
    /// Whether the sample is a KMDF driver.
    has_framework: bool,
}

const RUST: Sample = Sample { name: "sample_rust", vector: 0x51, has_framework: true };
const C: Sample = Sample { name: "sample_c", vector: 0x72, has_framework: false };

impl Sample {
    const fn level(&self) -> u8 {
        (self.vector >> 4) as u8
    }

    /// Starts it with its device. On a simulated thread.
    fn start(&self, stage: &Stage) -> Result<Driver> {
        registry::set_parameter(self.name, "Vector", RegistryValue::Number(self.vector));
        registry::set_parameter(self.name, "Irql", RegistryValue::Number(self.level().into()));
        // A framework of its own: ours knows one driver.
        if self.has_framework {
            load_library(&stage.image("WDFLDR.sys"))?;
        }
        Driver::start(self.name, &stage.image(&format!("{}.sys", self.name)))
    }

    /// Raises the interrupt of the sample's device, on some processor.
    fn interrupt(&self, processor: usize) {
        raise(processor % machine().active(), 1 << self.level());
    }
}

/// irqlog's device, for the reader.
struct Device(File);

impl Source for Device {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let answer = self.0.control(ControlCall { code, internal: false, input, output }, &|| false);
        if answer.status < 0 {
            return Err(SessionError::Refused { what, status: answer.status as u32 });
        }
        Ok(answer.output)
    }
}

/// Reads everything, as a process of its own.
pub(super) fn read() -> Result<(Tables, Vec<Record>)> {
    as_process(|| {
        let file = File::open(ioctl::WIN32_NAME, Requestor::Administrator)
            .map_err(|status| anyhow::anyhow!("opening irqlog: {status:#010x}"))?;
        let mut log = LiveLog::open(Session::new(Device(file)))?;
        let records = log::records(log.collect()?);
        let tables = log.tables().clone();
        close(log.into_session());
        Ok((tables, records))
    })
}

fn close(session: Session<Device>) {
    let Device(file) = session.into_source();
    file.cleanup();
    file.close();
}

/// Interrupts of both devices and NMIs on all processors for a while; at most a few at once.
fn blow(rounds: usize) {
    for round in 0..rounds {
        RUST.interrupt(round);
        C.interrupt(round + 1);
        raise(round % machine().active(), NMI);
        as_process(|| {
            if let Some(thread) = current() {
                thread.wait(|| std::thread::sleep(Duration::from_micros(200)));
            }
        });
    }
}

/// Lets both log for some time beside each other, and stops them.
///
/// # Errors
/// If they do not start or stop.
pub fn run_both(stage: &Stage, rounds: usize) -> Result<()> {
    beside_each_other(stage, || blow(rounds))
}

/// Starts both, lets `work` go on, and stops them.
fn beside_each_other(stage: &Stage, work: impl FnOnce()) -> Result<()> {
    let drivers = [&RUST, &C].map(|sample| as_process(|| sample.start(stage)));
    work();
    for driver in drivers {
        let driver = driver?;
        as_process(|| {
            ensure!(driver.stop()?, "a sample does not stop");
            Ok(())
        })?;
    }
    Ok(())
}

/// Lets the sample in C run with its planted race, beside the other one: bursts of interrupts on all processors, each with
/// time for the driver's watchdog.
///
/// # Errors
/// If it does not start or stop.
pub fn race(stage: &Stage) -> Result<()> {
    const BURSTS: usize = 30;
    const INTERRUPTS: usize = 12;
    registry::set_parameter(C.name, "PlantRace", RegistryValue::Number(1));
    let ended = beside_each_other(stage, || {
        for burst in 0..BURSTS {
            for number in 0..INTERRUPTS {
                C.interrupt(burst + number);
                // Some close behind each other: the DPC of one runs while the next one comes, however fast the host is.
                if number % 4 == 3 {
                    std::thread::sleep(Duration::from_micros(30));
                }
            }
            as_process(|| {
                if let Some(thread) = current() {
                    thread.wait(|| std::thread::sleep(Duration::from_millis(8)));
                }
            });
            RUST.interrupt(burst);
        }
    });
    registry::set_parameter(C.name, "PlantRace", RegistryValue::Number(0));
    ended
}

/// Drivers that find no irqlog load, run and unload all the same.
fn without_irqlog(stage: &Stage) -> Result<()> {
    run_both(stage, 10)?;
    check_nothing_is_left();
    Ok(())
}

fn samples(stage: &Stage) -> Result<()> {
    without_irqlog(stage)?;
    let irqlog = as_process(|| stage.start_irqlog())?;
    // Interrupts land where they land: again until every context of both has logged.
    let mut missing = BTreeSet::new();
    for _ in 0..20 {
        run_both(stage, 200)?;
        let (tables, records) = read()?;
        missing = missing_contexts(&tables, &records)?;
        if missing.is_empty() {
            break;
        }
    }
    ensure!(missing.is_empty(), "nothing was logged from {missing:?}");
    run_both(stage, 20)?;
    blobs(&read()?.1)?;
    ensure!(machine().statistics.nmis.load(Ordering::Relaxed) != 0, "there were no NMIs");
    // However often a sample was loaded, it has one entry, and no driver is registered any more.
    let (tables, _) = read()?;
    let names: Vec<_> = tables.sites.providers().iter().map(|provider| provider.name.raw()).collect();
    ensure!(names == [RUST.name, C.name], "the providers are {names:?}");
    let loads = provider(&tables, &RUST)?.registrations;
    ensure!(tables.sites.providers().iter().all(|provider| provider.registered == 0), "a driver is still registered");
    run_both(stage, 1)?;
    let (tables, _) = read()?;
    ensure!(
        tables.sites.providers().len() == 2 && provider(&tables, &RUST)?.registrations == loads + 1,
        "loaded again"
    );
    levels(stage)?;
    as_process(|| stop_last(&irqlog))
}

/// The blobs of both samples: a registry path in UTF-16 from DriverEntry, and two bytes from an NMI callback.
fn blobs(records: &[Record]) -> Result<()> {
    let of_tag = |tag: &'static [u8; 4]| {
        let of_it = move |record: &&Record| record.header.kind == Kind::Blob.0 && record.payload.starts_with(tag);
        records.iter().filter(of_it).map(|record| (record, &record.payload[size_of::<BlobHeader>()..]))
    };
    let wide: Vec<u8> = C.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    ensure!(of_tag(b"path").any(|(_, bytes)| bytes.ends_with(&wide)), "no blob with the path of {}", C.name);
    ensure!(
        of_tag(b"nmi ").any(|(record, bytes)| bytes.len() == 2 && record.has(flags::NEVER_WAITS)),
        "no blob of an NMI callback"
    );
    Ok(())
}

/// One of them logs warnings only; the other goes on. The level is there still when the driver comes again.
fn levels(stage: &Stage) -> Result<()> {
    as_process(|| {
        let file = File::open(ioctl::WIN32_NAME, Requestor::Administrator)
            .map_err(|status| anyhow::anyhow!("opening irqlog: {status:#010x}"))?;
        let mut session = Session::new(Device(file));
        let tables = session.info()?;
        let entry = provider(&tables, &C)?.first_site;
        session.set_provider_level(tables.header.start_id.get(), entry, Level::Warn)?;
        session.clear()?;
        close(session);
        Ok::<_, anyhow::Error>(())
    })?;
    run_both(stage, 200)?;
    let (tables, records) = read()?;
    let mut counts = [[0_u32; 2]; 2];
    for record in &records {
        let Some(event) = EventView::of(&tables, record) else { continue };
        let is_c = event.provider.is_some_and(|provider| provider == C.name);
        counts[usize::from(is_c)][usize::from(record.header.level > Level::Warn.0)] += 1;
    }
    let [[_, rust_details], [c_warnings, c_details]] = counts;
    ensure!(rust_details != 0 && c_warnings != 0 && c_details == 0, "levels: {counts:?}");
    Ok(())
}

fn provider<'t>(tables: &'t Tables, sample: &Sample) -> Result<&'t Provider> {
    let found = tables.sites.providers().iter().find(|provider| provider.name == sample.name);
    found.with_context(|| format!("{} is no provider", sample.name))
}

/// The contexts that have not logged; each by its format, and at the IRQL that belongs to it.
fn missing_contexts(tables: &Tables, records: &[Record]) -> Result<BTreeSet<(&'static str, &'static str)>> {
    const CONTEXTS: [&str; 5] = ["round ", "DPC on ", "interrupt ", "IPI of ", "NMI "];
    let all = [&RUST, &C].into_iter().flat_map(|sample| CONTEXTS.map(|context| (sample.name, context)));
    let mut missing: BTreeSet<_> = all.collect();
    for record in records {
        let Some(event) = EventView::of(tables, record) else { continue };
        let text = event.text();
        let text = text.raw();
        let site = event.site.with_context(|| format!("a record of an unknown site: {text}"))?;
        let sample = if event.provider.is_some_and(|provider| provider == RUST.name) { &RUST } else { &C };
        ensure!(!text.contains("{?}") && !text.contains("unknown"), "{text}");
        let irql = match () {
            () if text.starts_with("DPC on ") => Some(DISPATCH_LEVEL),
            () if text.starts_with("IPI of ") => Some(IPI_LEVEL),
            () if text.starts_with("interrupt ") && text.contains(" of object ") => Some(sample.level()),
            () => None,
        };
        ensure!(irql.is_none_or(|irql| irql == record.header.irql), "{text}: at IRQL {}", record.header.irql);
        ensure!(text.starts_with("NMI ") == record.has(flags::NEVER_WAITS), "{text}: by the wrong entry");
        let file = String::from_utf8_lossy(site.file);
        ensure!(file.ends_with(if sample.name == C.name { "sample_c.c" } else { "lib.rs" }), "{text}: of {file}");
        missing.retain(|(name, context)| *name != sample.name || !text.starts_with(context));
    }
    Ok(missing)
}
