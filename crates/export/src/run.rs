//! Logs, merged by time and filtered, into a sink.

use std::{collections::VecDeque, io};

use irqlog_reader::{
    image::Tables,
    log::{Item, Log, LogError, Loss},
};

use crate::{
    balance::BalanceSheet,
    forks::ForkFinder,
    sink::{ExportSummary, Provenance, Sink},
    wall_clock::WallClock,
};

/// A log with the name that the export and its errors call it.
#[derive(Debug)]
pub struct NamedLog<L> {
    /// Name of the file in which the log lies, or of the driver.
    pub name: String,
    /// The log.
    pub log: L,
}

/// Which records are exported. What is missing is always told.
pub struct ExportFilter<'f> {
    /// Whether an item is wanted.
    pub passes: &'f mut dyn FnMut(&Tables, &Item) -> bool,
    /// Only the last records, that number of them, of those that pass.
    pub last: Option<usize>,
    /// A filter is set.
    pub is_filtered: bool,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A log cannot be read.
    #[error("{name}: {error}")]
    Log {
        /// Name of the log.
        name: String,
        /// What is wrong with it.
        error: LogError,
    },
    /// The export cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Reads the logs to their ends, and gives what passes to the sink: in the order of each log, and merged by the time of
/// day where there are several.
///
/// `progress` is told the number of bytes of each record that was read.
///
/// # Errors
/// See [`ExportError`]. What the sink has written then is not whole.
pub fn export<L: Log>(
    logs: &mut [NamedLog<L>],
    selection: ExportFilter<'_>,
    sink: &mut dyn Sink,
    mut progress: impl FnMut(u64),
) -> Result<ExportSummary, ExportError> {
    sink.begin(&provenances(logs))?;
    let finder = ForkFinder::new(logs.iter().map(|log| log.log.tables().header.start_id.get()));
    let mut export =
        Export { sink, selection, last: VecDeque::new(), records_in_last: 0, sheets: Vec::new(), forks: finder };
    export.sheets.resize_with(logs.len(), BalanceSheet::default);
    let mut merged = Merged::default();
    while let Some((number, item)) = merged.next(logs)? {
        if let Item::Record(record) = &item {
            progress(record.header.size.get().into());
        }
        export.take(logs, number, item)?;
    }
    export.end(logs)
}

fn provenances<L: Log>(logs: &[NamedLog<L>]) -> Vec<Provenance<'_>> {
    let all = logs.iter().enumerate();
    all.map(|(number, log)| Provenance { number, name: &log.name, tables: log.log.tables() }).collect()
}

/// An export that is under way.
struct Export<'s, 'f> {
    sink: &'s mut dyn Sink,
    selection: ExportFilter<'f>,
    /// The last items, where only those are wanted.
    last: VecDeque<(usize, Item)>,
    records_in_last: usize,
    /// What each log gave.
    sheets: Vec<BalanceSheet>,
    forks: ForkFinder,
}

impl Export<'_, '_> {
    /// Takes the next item.
    fn take<L: Log>(&mut self, logs: &[NamedLog<L>], number: usize, item: Item) -> io::Result<()> {
        let tables = logs[number].log.tables();
        self.sheets[number].count(tables, &item);
        self.forks.look(number, tables, &item);
        let is_record = matches!(item, Item::Record(_));
        if is_record && !(self.selection.passes)(tables, &item) {
            return Ok(());
        }
        let Some(wanted) = self.selection.last else { return self.give(logs, number, &item) };
        self.records_in_last += usize::from(is_record);
        self.last.push_back((number, item));
        while self.records_in_last > wanted {
            let popped = self.last.pop_front();
            self.records_in_last -= usize::from(matches!(popped, Some((_, Item::Record(_)))));
        }
        Ok(())
    }

    /// Gives an item to the sink.
    fn give<L: Log>(&mut self, logs: &[NamedLog<L>], number: usize, item: &Item) -> io::Result<()> {
        let log = &logs[number];
        let provenance = Provenance { number, name: &log.name, tables: log.log.tables() };
        match item {
            Item::Record(record) => {
                self.sheets[number].count_exported(record.lane);
                self.sink.record(&provenance, record)
            }
            Item::Loss(gap) => self.sink.loss(&provenance, *gap),
        }
    }

    fn end<L: Log>(mut self, logs: &[NamedLog<L>]) -> Result<ExportSummary, ExportError> {
        for (number, item) in std::mem::take(&mut self.last) {
            self.give(logs, number, &item)?;
        }
        let sheets = self.sheets.iter().zip(logs);
        let balances: Vec<_> = sheets.map(|(sheet, log)| sheet.lanes(log.log.tables())).collect();
        let all = || balances.iter().flatten();
        let (delivered, exported) = all().fold((0, 0), |sum: (u64, u64), lane| {
            (sum.0.saturating_add(lane.delivered), sum.1.saturating_add(lane.exported))
        });
        let lost = all().fold(0_u64, |sum, lane| sum.saturating_add(lane.lost));
        let is_filtered = self.selection.is_filtered || self.selection.last.is_some();
        let left_out = delivered.saturating_sub(exported);
        let summary = ExportSummary { balances, is_filtered, exported, left_out, lost, forks: self.forks.forks };
        self.sink.end(&provenances(logs), &summary)?;
        Ok(summary)
    }
}

/// The next item of each log, of which the earliest is taken.
#[derive(Default)]
struct Merged {
    next: Vec<Option<(i128, Item)>>,
}

impl Merged {
    fn next<L: Log>(&mut self, logs: &mut [NamedLog<L>]) -> Result<Option<(usize, Item)>, ExportError> {
        if self.next.is_empty() {
            for log in &mut *logs {
                self.next.push(fetch(log, i128::MIN)?);
            }
        }
        let times = self.next.iter().enumerate().filter_map(|(number, next)| Some((next.as_ref()?.0, number)));
        let Some((_, number)) = times.min() else { return Ok(None) };
        let Some((time, item)) = self.next[number].take() else { return Ok(None) };
        self.next[number] = fetch(&mut logs[number], time)?;
        Ok(Some((number, item)))
    }
}

/// The next item of a log, and its time in nanoseconds. A log keeps its own order, so no item is earlier than the one
/// before it.
fn fetch<L: Log>(log: &mut NamedLog<L>, before: i128) -> Result<Option<(i128, Item)>, ExportError> {
    let item = log.log.next().map_err(|error| ExportError::Log { name: log.name.clone(), error })?;
    let tick = match &item {
        None => return Ok(None),
        Some(Item::Record(record)) => Some(record.header.tick.get()),
        Some(Item::Loss(Loss { from_tick, to_tick, .. })) => to_tick.or(*from_tick),
    };
    let time = tick.map_or(before, |tick| WallClock::new(log.log.tables()).nanoseconds(tick));
    Ok(item.map(|item| (time.max(before), item)))
}
