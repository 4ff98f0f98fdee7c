//! What is kept of a log while it is read: bounded, however large the log is.

use std::collections::VecDeque;

use irqlog_export::sink::Provenance;
use irqlog_reader::{log::Loss, record::Record};
use irqlog_shown::{
    record::{ShownContent, ShownLoss, ShownRecord},
    text,
};
use irqlog_wire::record::Level;

use crate::{
    density::{Density, TrackRow},
    tally::Tallies,
};

/// The most rows of the table: as many as a browser scrolls through at once.
pub const MOST_ROWS: usize = 100_000;

/// The most bytes that the rows of the table take.
const MOST_BYTES: usize = 32 << 20;

/// What a row takes besides its strings, roughly.
const ROW_BYTES: usize = 128;

/// The most losses that are listed and drawn, from the start of the log on.
pub const MOST_LOSSES: usize = 1000;

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableRow {
    /// A record.
    Record {
        /// Seconds after the driver's start.
        seconds: f64,
        /// Index of the processor.
        cpu: u16,
        /// Name of the IRQL.
        irql: &'static str,
        /// It is shown as a record of an NMI.
        is_nmi: bool,
        /// The level's number.
        level: u8,
        /// Id of the thread, if it was read.
        thread: Option<u32>,
        /// Lane and number.
        number: (u32, u64),
        /// What stands behind the columns of a line, escaped for the eye.
        message: String,
        /// Source file and line of an event, escaped for the eye.
        place: Option<String>,
    },
    /// Records that are missing here.
    Loss {
        /// What a line says of them.
        message: String,
    },
}

impl TableRow {
    const fn bytes(&self) -> usize {
        let strings = match self {
            Self::Record { message, place: Some(place), .. } => message.len() + place.len(),
            Self::Record { message, .. } | Self::Loss { message } => message.len(),
        };
        ROW_BYTES + strings
    }

    const fn is_record(&self) -> bool {
        matches!(self, Self::Record { .. })
    }
}

/// What is known of a log that was read.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Records by where they are.
    pub density: Density,
    /// Records by what they are.
    pub tallies: Tallies,
    /// The first [`MOST_LOSSES`] losses.
    pub losses: Vec<ShownLoss>,
    /// Number of losses behind those.
    pub more_losses: u64,
    /// The last rows of the table.
    pub rows: VecDeque<TableRow>,
    row_bytes: usize,
    /// Number of records that were shown.
    pub records: u64,
    /// Records that were in the table and have made room for newer ones.
    pub older: u64,
    /// Seconds of the earliest and of the latest record.
    pub time: Option<(f64, f64)>,
}

impl Collected {
    /// Takes a record.
    pub fn record(&mut self, log: &Provenance<'_>, record: &Record) {
        let shown = ShownRecord::new(log.tables, record);
        self.records += 1;
        self.tallies.count(log.tables, record, &shown);
        let row = TrackRow { cpu: shown.cpu, irql: (!shown.is_nmi()).then_some(shown.irql) };
        self.density.count(row, ticks(log, shown.tick), Level(record.header.level));
        let (first, last) = self.time.unwrap_or((shown.seconds, shown.seconds));
        self.time = Some((first.min(shown.seconds), last.max(shown.seconds)));
        let place = match &shown.content {
            ShownContent::Event(event) => event.place().map(|(file, line)| format!("{file}:{line}")),
            _ => None,
        };
        self.push(TableRow::Record {
            seconds: shown.seconds,
            cpu: shown.cpu,
            irql: shown.irql_name,
            is_nmi: shown.is_nmi(),
            level: record.header.level,
            thread: shown.thread.map(|thread| thread.thread),
            number: (shown.lane, shown.seq),
            message: text::message(&shown),
            place,
        });
    }

    /// Takes a loss.
    pub fn loss(&mut self, log: &Provenance<'_>, loss: Loss) {
        let shown = ShownLoss::new(log.tables, loss);
        if self.losses.len() < MOST_LOSSES {
            self.losses.push(shown);
        } else {
            self.more_losses += 1;
        }
        self.push(TableRow::Loss { message: irqlog_export::sink::loss_message(log, loss) });
    }

    fn push(&mut self, row: TableRow) {
        self.row_bytes += row.bytes();
        self.rows.push_back(row);
        while self.rows.len() > MOST_ROWS || self.row_bytes > MOST_BYTES {
            let Some(gone) = self.rows.pop_front() else { return };
            self.row_bytes -= gone.bytes();
            self.older += u64::from(gone.is_record());
        }
    }
}

/// Ticks after the driver's start; negative for a record from before it.
pub const fn ticks(log: &Provenance<'_>, tick: u64) -> i64 {
    tick.wrapping_sub(log.tables.header.tick_base.get()).cast_signed()
}
