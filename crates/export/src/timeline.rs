//! One line of time for all logs of an export, as timelines want it: nanoseconds that are never negative.
//!
//! It starts where the performance counter of the earliest log was zero, so every tick lies on it.

use irqlog_reader::log::Loss;

use crate::sink::Provenance;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeline {
    /// Nanoseconds from 1970 to its zero.
    zero: i128,
    /// The latest time that was asked for.
    newest: u64,
}

impl Timeline {
    pub(crate) fn new(logs: &[Provenance<'_>]) -> Self {
        let zeros = logs.iter().map(|log| log.clock().counter_zero());
        Self { zero: zeros.min().unwrap_or_default(), newest: 0 }
    }

    /// Nanoseconds from 1970 to the zero of the timeline.
    pub(crate) const fn zero(&self) -> i128 {
        self.zero
    }

    /// The time of a tick. A tick of a damaged log may lie outside; it gets the nearest time there is, and the record
    /// keeps its tick.
    pub(crate) fn time(&mut self, log: &Provenance<'_>, tick: u64) -> u64 {
        let time = self.at(log, tick);
        self.newest = self.newest.max(time);
        time
    }

    /// From when to when a loss goes: between the records around it. At the start of a lane it goes from the start of
    /// the driver, at the end to the latest record so far.
    pub(crate) fn span(&self, log: &Provenance<'_>, loss: Loss) -> (u64, u64) {
        let at = |tick: Option<u64>| tick.map(|tick| self.at(log, tick));
        let from = at(loss.from_tick).or_else(|| at(Some(log.clock().tick_base()))).unwrap_or_default();
        let to = at(loss.to_tick).unwrap_or(self.newest);
        // Behind a record from before the start of the driver, or with ticks that go back.
        (from.min(to), to)
    }

    fn at(&self, log: &Provenance<'_>, tick: u64) -> u64 {
        let time = log.clock().nanoseconds(tick).saturating_sub(self.zero);
        // Perfetto and others keep times as signed numbers.
        u64::try_from(time.clamp(0, i64::MAX.into())).unwrap_or_default()
    }
}
