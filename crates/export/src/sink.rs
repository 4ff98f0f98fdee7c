//! What takes the items of a log, and writes them in one format.

use std::io::Result;

use irqlog_reader::{
    image::Tables,
    log::{Loss, LossCause},
    record::Record,
    untrusted::Untrusted,
};
use irqlog_shown::record::{ShownLoss, ShownRecord};

use crate::{balance::LaneBalance, forks::Fork, wall_clock::WallClock};

/// The log that an item is of.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// Number of the log among those that are exported together, from 0.
    pub number: usize,
    /// Name of the file in which the log lies, or of the driver.
    pub name: &'a str,
    /// Its tables. The site table may grow while a running driver's log is read.
    pub tables: &'a Tables,
}

impl Provenance<'_> {
    /// Identity of the start of the driver: 16 hexadecimal digits.
    #[must_use]
    pub fn start(&self) -> String {
        format!("{:016x}", self.tables.header.start_id)
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> WallClock {
        WallClock::new(self.tables)
    }

    /// What a lane is, for a person: `lane 3, nmi of cpu 1`.
    #[must_use]
    pub fn lane_name(&self, lane: u32) -> String {
        use irqlog_wire::image::LaneKind;
        let Some(control) = self.tables.lanes.get(lane as usize) else { return format!("lane {lane}") };
        match LaneKind(control.kind.get()) {
            LaneKind::Shared => format!("lane {lane}, shared"),
            kind => format!("lane {lane}, {} of cpu {}", kind.name().unwrap_or("?"), control.processor),
        }
    }
}

/// How an export ended.
#[derive(Clone, Debug, Default)]
pub struct ExportSummary {
    /// The balance of each lane of each log, in the order of the logs.
    pub balances: Vec<Vec<LaneBalance>>,
    /// A filter was set, so records may have been left out.
    pub is_filtered: bool,
    /// Records in the export.
    pub exported: u64,
    /// Records that the filter left out.
    pub left_out: u64,
    /// Records that the logs told as lost.
    pub lost: u64,
    /// Lanes whose numbers have two ticks.
    pub forks: Vec<Fork>,
}

/// One format. Everything is given in the order in which it is to be shown.
pub trait Sink {
    /// Begins with these logs, whose items follow.
    ///
    /// # Errors
    /// Those of what the sink writes into; the same holds for the other functions.
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()>;

    /// A record.
    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()>;

    /// Records that are missing here.
    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()>;

    /// Ends. `logs` have their tables as they are now.
    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()>;
}

/// What a loss says in one line: `lane 3: 13 records are missing, number 100 to 112`, and the times around it.
#[must_use]
pub fn loss_message(log: &Provenance<'_>, loss: Loss) -> String {
    use irqlog_shown::Show;
    let mut line = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = ShownLoss::new(log.tables, loss).text(&mut line);
    String::from_utf8_lossy(&line).trim().trim_matches('-').trim().to_owned()
}

/// The name of a loss's cause, as `read --json` has it.
#[must_use]
pub const fn cause(loss: Loss) -> &'static str {
    match loss.cause {
        LossCause::Overwritten => "overwritten",
        LossCause::NotSaved => "not-saved",
        LossCause::Damaged => "damaged",
        LossCause::CutOff => "cut-off",
    }
}

/// The names of the marks that a record has: the flags of `read --json`.
pub(crate) fn marks(record: &ShownRecord<'_>) -> Vec<&'static str> {
    let marks = [
        (record.truncated, "truncated"),
        (record.user, "user"),
        (record.own, "own"),
        (record.never_waits, "never_waits"),
        (record.pointers_hashed, "pointers_hashed"),
        (record.pointers_raw, "pointers_raw"),
        (record.late, "late"),
    ];
    marks.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect()
}

/// What a balance says in one line.
#[must_use]
pub fn balance_message(balance: &LaneBalance) -> String {
    let LaneBalance { lane, written, delivered, lost, cleared, .. } = balance;
    format!("lane {lane}: {written} written, {delivered} delivered, {lost} lost, {cleared} cleared")
}

/// Bytes that ought to be UTF-8, with everything escaped that does not show as itself.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    Untrusted::lossy(bytes).to_string()
}
