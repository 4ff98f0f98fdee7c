//! What became of each record that was written: delivered, lost, or cleared.
//!
//! The sum must be what the lane's control says was written, or the export is not the whole log. The balance counts what
//! the log gave, before any filter, and not what the log says about itself.

use std::collections::BTreeMap;

use irqlog_reader::{
    image::Tables,
    log::{Item, Loss},
};

/// What became of the records of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LaneBalance {
    /// Index of the lane.
    pub lane: u32,
    /// Records that were written to the lane, as its control says.
    pub written: u64,
    /// Records that the log gave.
    pub delivered: u64,
    /// Records that the log told as lost.
    pub lost: u64,
    /// Records that a CLEAR had hidden.
    pub cleared: u64,
    /// Records that are in the export: those that were delivered and passed the filter.
    pub exported: u64,
}

impl LaneBalance {
    /// Whether every record is accounted for.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.delivered.saturating_add(self.lost).saturating_add(self.cleared) == self.written
    }
}

/// Counts the items of one log.
#[derive(Debug, Default)]
pub struct BalanceSheet {
    lanes: BTreeMap<u32, Counted>,
}

/// What was counted of a lane.
#[derive(Debug, Default)]
struct Counted {
    delivered: u64,
    lost: u64,
    exported: u64,
    /// The next sequence number that is expected; it counts from the lane's first record.
    expected: u64,
    /// Numbers that were skipped without a word, as ranges from and up to.
    skipped: Vec<(u64, u64)>,
}

impl Counted {
    /// A run of consecutive numbers was told, delivered or lost.
    fn take(&mut self, first: u64, count: u64) {
        if first > self.expected {
            self.skipped.push((self.expected, first));
        }
        self.expected = self.expected.max(first.saturating_add(count));
    }
}

impl BalanceSheet {
    /// Counts what the log gave.
    pub fn count(&mut self, tables: &Tables, item: &Item) {
        let (lane, seq, count) = match item {
            Item::Record(record) => (record.lane, record.header.seq.get(), 1),
            Item::Loss(Loss { lane, first_seq, count, .. }) => (*lane, *first_seq, *count),
        };
        let start = tables.lanes.get(lane as usize).map_or(0, |control| control.first_seq.get());
        let counted = self.lanes.entry(lane).or_default();
        counted.take(seq.wrapping_sub(start), count);
        match item {
            Item::Record(_) => counted.delivered += 1,
            Item::Loss(_) => counted.lost = counted.lost.saturating_add(count),
        }
    }

    /// Counts a record that is in the export.
    pub fn count_exported(&mut self, lane: u32) {
        self.lanes.entry(lane).or_default().exported += 1;
    }

    /// The balance of each lane that is there. `tables` are those of the log when it has given its last item.
    #[must_use]
    pub fn lanes(&self, tables: &Tables) -> Vec<LaneBalance> {
        let nothing = Counted::default();
        let balance = |(lane, control): (u32, &irqlog_wire::image::LaneControl)| {
            let counted = self.lanes.get(&lane).unwrap_or(&nothing);
            let start = control.first_seq.get();
            let written = control.next_seq.get().wrapping_sub(start);
            // A floor outside of what was written is that of a lane that was never cleared.
            let floor = Some(control.floor.get().wrapping_sub(start)).filter(|floor| *floor <= written).unwrap_or(0);
            let tail = (counted.expected < written).then_some((counted.expected, written));
            let silent = counted.skipped.iter().copied().chain(tail);
            let cleared = silent.map(|(from, to)| to.min(floor).saturating_sub(from)).sum();
            let Counted { delivered, lost, exported, .. } = *counted;
            LaneBalance { lane, written, delivered, lost, cleared, exported }
        };
        tables.present().map(balance).collect()
    }
}
