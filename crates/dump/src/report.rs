//! What is shown of a crash: the bug check, what of the log is missing, each processor, and the last records.
//!
//! A frozen processor's IRQL is not in the log. Two things are: a processor that is inside a log call has raised to
//! HIGH_LEVEL, and each record has the IRQL at which its writer called. [`IrqlFrom`] says which of the two it is.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{Result as IoResult, Write},
};

use irqlog_reader::{
    image::Tables,
    log::{Item, Log, LogError},
    record::Record,
    secondary::Cut,
};
use irqlog_shown::{Show, record::ShownRecord, recorder::ShownDrops, text};
use irqlog_wire::{irql, record::flags};
use serde::Serialize;

use crate::{
    bugcheck::{Explained, ExplainedParameter, explain},
    find::Origin,
    header::{DumpKind, Header, MachineType},
};

/// What a dump says, besides the log that was found in it.
#[derive(Clone, Copy, Debug)]
pub struct DumpFacts {
    /// The dump's header.
    pub header: Header,
    /// Where the log was.
    pub origin: Origin,
    /// What was cut from the secondary data.
    pub cut: Cut,
    /// Bytes of the log's memory that the dump does not have.
    pub missing: u64,
}

/// How many records are shown.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of each processor.
    pub each: usize,
    /// Of all processors together.
    pub last: usize,
}

/// A log that was read to its end, with the records that are shown.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    records: u64,
    older: u64,
    lost: u64,
    newest_tick: Option<u64>,
    processors: BTreeMap<u16, Recent>,
    last: VecDeque<Record>,
}

/// The newest records of a processor.
#[derive(Clone, Debug, Default)]
struct Recent {
    records: u64,
    /// The last record that its own code wrote before the crash.
    before_crash: Option<u8>,
    last: VecDeque<Record>,
}

impl Gathered {
    /// Reads a log to its end, and keeps the records that are wanted.
    ///
    /// # Errors
    /// Those of [`Log::next`].
    pub fn from(log: &mut impl Log, wanted: Wanted) -> Result<Self, LogError> {
        let header = log.tables().header;
        let mut gathered = Self::default();
        while let Some(item) = log.next()? {
            match item {
                Item::Loss(loss) => {
                    let is_older = loss.from_tick.is_none() && loss.to_tick.is_some();
                    let sum = if is_older { &mut gathered.older } else { &mut gathered.lost };
                    *sum = sum.saturating_add(loss.count);
                }
                Item::Record(record) => {
                    let tick = record.header.tick.get();
                    let recent = gathered.processors.entry(record.header.processor.get()).or_default();
                    recent.records += 1;
                    // The bug check itself is logged at HIGH_LEVEL, and so is what drivers log in their callbacks.
                    let is_after = header.crashed.get() != 0 && tick >= header.crash_tick.get();
                    if !is_after && !record.has(flags::OWN) {
                        recent.before_crash = Some(record.header.irql);
                    }
                    keep(&mut recent.last, wanted.each, || record.clone());
                    gathered.records += 1;
                    gathered.newest_tick = gathered.newest_tick.max(Some(tick));
                    keep(&mut gathered.last, wanted.last, || record);
                }
            }
        }
        Ok(gathered)
    }
}

/// Appends to the last `most`.
fn keep(last: &mut VecDeque<Record>, most: usize, record: impl FnOnce() -> Record) {
    if most == 0 {
        return;
    }
    if last.len() == most {
        last.pop_front();
    }
    last.push_back(record());
}

/// A crash as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownCrash<'a> {
    /// The bug check; `None` if neither a dump nor the driver has noted one.
    pub bug_check: Option<Explained>,
    /// The dump; `None` for a saved log.
    pub dump: Option<ShownDump>,
    /// Number of records in the log.
    pub records: u64,
    /// Number of records that were ever written.
    pub written: u64,
    /// Number of records that are missing and older than the first of their lane: overwritten, or left out.
    pub older: u64,
    /// Number of records that are missing between those of a lane or behind them.
    pub lost: u64,
    /// Log calls that wrote no record, by reason.
    pub dropped: ShownDrops,
    /// What ages of records are counted to.
    pub ages_before: AgesBefore,
    /// The processors.
    pub processors: Vec<ShownProcessor<'a>>,
    /// The last records of all processors, in order.
    pub last: Vec<ShownAged<'a>>,
}

/// A dump as it is shown.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShownDump {
    /// What Windows calls it.
    #[serde(skip)]
    pub name: &'static str,
    /// How its memory is stored.
    pub kind: DumpKind,
    /// `DumpType` of its header.
    pub dump_type: u32,
    /// The instruction set.
    pub machine: MachineType,
    /// Number of processors.
    pub processors: u32,
    /// Where the log was.
    pub log_from: Origin,
    /// What was cut from the secondary data.
    pub cut: Cut,
    /// Bytes of the log's memory that the dump does not have.
    pub missing_memory: u64,
}

/// The moment to which ages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgesBefore {
    /// The first call of a bug-check callback of irqlog.sys.
    Crash,
    /// The newest record: no callback was called.
    NewestRecord,
}

/// A processor as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownProcessor<'a> {
    /// Index of the processor.
    pub cpu: u32,
    /// Whether it is the one that crashed; `None` if that was not noted.
    pub crashed: Option<bool>,
    /// Number of log calls that it was inside of; more than one if NMIs logged too.
    pub inside_log_calls: u64,
    /// Its IRQL, as far as the log shows it.
    #[serde(flatten)]
    pub irql: Option<ShownIrql>,
    /// Number of its records in the log.
    pub records: u64,
    /// The last of them, oldest first.
    pub last: Vec<ShownAged<'a>>,
}

/// An IRQL, and where it is known from.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShownIrql {
    /// The level.
    pub irql: u8,
    /// Its name.
    pub irql_name: &'static str,
    /// What shows it.
    pub irql_from: IrqlFrom,
}

/// What shows the IRQL of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IrqlFrom {
    /// It was inside a log call, which raises to HIGH_LEVEL.
    LogCall,
    /// Its last record before the crash has it.
    LastRecord,
}

/// A record with its age.
#[derive(Clone, Debug, Serialize)]
pub struct ShownAged<'a> {
    /// Seconds from the record to the crash; negative for a record behind it.
    pub before: f64,
    /// The record.
    #[serde(flatten)]
    pub record: ShownRecord<'a>,
}

impl<'a> ShownCrash<'a> {
    /// The crash of the system that wrote a log, which lay in a dump or in a saved file.
    #[must_use]
    pub fn new(tables: &'a Tables, gathered: &'a Gathered, facts: Option<&DumpFacts>) -> Self {
        let header = &tables.header;
        let is_noted = header.crashed.get() != 0;
        let noted = || explain(header.crash_code.get() as u32, header.crash_parameters.map(u64::from));
        let bug_check = match facts {
            Some(facts) => Some(explain(facts.header.code, facts.header.parameters)),
            None => is_noted.then(noted),
        };
        let (ages_before, tick) = if is_noted {
            (AgesBefore::Crash, header.crash_tick.get())
        } else {
            (AgesBefore::NewestRecord, gathered.newest_tick.unwrap_or_default())
        };
        let aged = |record| ShownAged::new(tables, record, tick);
        let written = tables.present().map(|(_, lane)| lane.next_seq.get().wrapping_sub(lane.first_seq.get()));
        Self {
            bug_check,
            dump: facts.map(ShownDump::new),
            records: gathered.records,
            written: written.fold(0, u64::saturating_add),
            older: gathered.older,
            lost: gathered.lost,
            dropped: ShownDrops(tables.drops()),
            ages_before,
            processors: processors(tables, gathered, &aged),
            last: gathered.last.iter().map(aged).collect(),
        }
    }
}

/// The processors that were active, or have something to tell.
fn processors<'a>(
    tables: &'a Tables,
    gathered: &'a Gathered,
    aged: &impl Fn(&'a Record) -> ShownAged<'a>,
) -> Vec<ShownProcessor<'a>> {
    let header = &tables.header;
    // A damaged image may claim any number of them.
    let active = header.active_processors.get().min(tables.processors.len() as u32);
    let inside = (0..).zip(&tables.processors).filter(|(_, control)| control.nesting.get() != 0);
    let mut indexes: Vec<u32> = (0..active).chain(inside.map(|(index, _)| index)).collect();
    indexes.extend(gathered.processors.keys().map(|&index| u32::from(index)));
    indexes.sort_unstable();
    indexes.dedup();
    let shown = |cpu: u32| {
        let recent = u16::try_from(cpu).ok().and_then(|cpu| gathered.processors.get(&cpu));
        let inside_log_calls = tables.processors.get(cpu as usize).map_or(0, |control| control.nesting.get());
        let known = if inside_log_calls != 0 {
            Some((irql::HIGH_LEVEL, IrqlFrom::LogCall))
        } else {
            recent.and_then(|recent| recent.before_crash).map(|level| (level, IrqlFrom::LastRecord))
        };
        ShownProcessor {
            cpu,
            crashed: (header.crashed.get() != 0).then(|| header.crash_processor.get() == u64::from(cpu)),
            inside_log_calls,
            irql: known.map(|(irql, irql_from)| ShownIrql { irql, irql_name: irql::name(irql), irql_from }),
            records: recent.map_or(0, |recent| recent.records),
            last: recent.map_or_else(Vec::new, |recent| recent.last.iter().map(aged).collect()),
        }
    };
    indexes.into_iter().map(shown).collect()
}

impl ShownDump {
    const fn new(facts: &DumpFacts) -> Self {
        let DumpFacts { header, origin, cut, missing } = *facts;
        let Header { kind, dump_type, machine, processors, .. } = header;
        Self {
            name: header.name(),
            kind,
            dump_type,
            machine,
            processors,
            log_from: origin,
            cut,
            missing_memory: missing,
        }
    }
}

impl<'a> ShownAged<'a> {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    fn new(tables: &'a Tables, record: &'a Record, crash: u64) -> Self {
        let ticks = crash.wrapping_sub(record.header.tick.get()).cast_signed();
        let before = ticks as f64 / tables.header.tick_frequency.get().max(1) as f64;
        Self { before, record: ShownRecord::new(tables, record) }
    }
}

impl Show for ShownCrash<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        match &self.bug_check {
            Some(bug_check) => bug_check.text(out)?,
            None => writeln!(out, "no bug check was noted")?,
        }
        writeln!(out)?;
        if let Some(dump) = &self.dump {
            dump.text(out)?;
        }
        self.text_of_losses(out)?;
        let moment = match self.ages_before {
            AgesBefore::Crash => "the crash",
            AgesBefore::NewestRecord => "the newest record: no bug-check callback of irqlog.sys was called",
        };
        writeln!(out, "times are seconds after {moment}")?;
        for processor in &self.processors {
            processor.text(out)?;
        }
        writeln!(out, "\nlast {} records of all processors", self.last.len())?;
        self.last.iter().try_for_each(|record| record.text(out))
    }
}

impl ShownCrash<'_> {
    fn text_of_losses<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        let Self { records, written, older, lost, .. } = self;
        write!(out, "{records} of {written} written records are in the log")?;
        if *older != 0 {
            write!(out, "; {older} older ones are not")?;
        }
        if *lost != 0 {
            write!(out, "; {lost} are missing between or behind them")?;
        }
        writeln!(out)?;
        let mut before = "log calls without a record:";
        for (reason, count) in self.dropped.reasons().filter(|(_, count)| *count != 0) {
            write!(out, "{before} {count} {reason}")?;
            before = ",";
        }
        if before == "," { writeln!(out) } else { Ok(()) }
    }
}

impl Show for Explained {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        let Self { code, name, cause, parameters } = self;
        writeln!(out, "bug check {code:#x}: {}", name.unwrap_or("a code that this version does not know"))?;
        if let Some(cause) = cause {
            writeln!(out, "  {cause}")?;
        }
        for (number, ExplainedParameter { value, what, meaning }) in (1..).zip(parameters) {
            let what = if what.is_empty() && name.is_some() { "reserved" } else { what };
            write!(out, "  {number}: {value:#018x}  {what}")?;
            match meaning {
                Some(meaning) => writeln!(out, ": {meaning}")?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}

impl Show for ShownDump {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        let Self { name, kind: _, dump_type, machine, processors, log_from, cut, missing_memory } = self;
        writeln!(
            out,
            "{name} (type {dump_type}), {} with {processors} processors; the log is from {}",
            machine.text(),
            log_from.text()
        )?;
        if cut.records_left_out != 0 {
            let Cut { records_left_out, allowed, .. } = cut;
            writeln!(out, "the driver left out {records_left_out} older records: Windows allowed {allowed} bytes")?;
        }
        if cut.missing != 0 {
            writeln!(out, "{} bytes of the secondary data are not in the dump", cut.missing)?;
        }
        if *missing_memory != 0 {
            writeln!(out, "{missing_memory} bytes of the log's memory are not in the dump")?;
        }
        Ok(())
    }
}

impl Show for ShownProcessor<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        write!(out, "\nprocessor {}: ", self.cpu)?;
        out.write_all(match self.crashed {
            Some(true) => b"crashed",
            Some(false) => b"stopped by the crash",
            None => b"not known whether it crashed",
        })?;
        match self.inside_log_calls {
            0 => {}
            1 => write!(out, ", inside a log call")?,
            calls => write!(out, ", inside {calls} log calls, one in another")?,
        }
        match self.irql {
            Some(ShownIrql { irql_name, irql_from: IrqlFrom::LogCall, .. }) => write!(out, ", IRQL {irql_name}")?,
            Some(ShownIrql { irql_name, irql_from: IrqlFrom::LastRecord, .. }) => {
                write!(out, ", IRQL {irql_name} at its last record")?;
            }
            None => {}
        }
        match self.records {
            0 => writeln!(out, ", no records"),
            records => writeln!(out, ", {records} records"),
        }?;
        self.last.iter().try_for_each(|record| record.text(out))
    }
}

impl Show for ShownAged<'_> {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> IoResult<()> {
        // Zero without a sign.
        let seconds = if self.before == 0.0 { 0.0 } else { -self.before };
        text::line(out, &format!("{seconds:13.7}"), &self.record)
    }
}
