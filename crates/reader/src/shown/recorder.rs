//! The recorder as `info` and `stats` show it: one value, and two texts of it.

use std::io::{Result, Write};

use irqlog_wire::{
    image::{DROP_REASONS, DropReason, Engine, LaneControl, LaneKind, Lock, Policy},
    record::{Level, WORD},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Named, Show};
use crate::image::Tables;

/// Version, settings, counters and lanes of a recorder.
#[derive(Clone, Debug, Serialize)]
pub struct ShownRecorder {
    /// Version of the driver.
    pub version: String,
    /// Version of the image's format.
    pub format: String,
    /// How a main lane gets a single writer.
    pub engine: Named,
    /// What guards the shared lane.
    pub lock: Named,
    /// The least important level that is written.
    pub level: Named,
    /// What happens when a lane is full.
    pub policy: Named,
    /// Whether writing is paused.
    pub paused: bool,
    /// Processors that were active when the driver started.
    pub active_processors: u32,
    /// Processors that there can be.
    #[serde(skip)]
    pub processor_count: u32,
    /// Ticks in a second.
    pub tick_frequency: u64,
    /// Log calls that irqlog.sys made itself.
    pub own_calls: u64,
    /// Log calls that wrote no record, by reason.
    pub dropped: ShownDrops,
    /// The lanes that are there.
    pub lanes: Vec<ShownLane>,
}

/// A lane of a recorder.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLane {
    /// Index of the lane.
    pub lane: u32,
    /// Whose records it holds.
    pub kind: Named,
    /// Index of its processor; zero for a shared lane.
    pub cpu: u32,
    /// Room for records, in bytes.
    pub bytes: u64,
    /// Records written so far.
    pub written: u64,
    /// Writers that found the lock taken.
    pub contended: u64,
    /// Longest time that one writer waited for the lock, in ticks.
    pub longest_wait_ticks: u64,
    /// Longest time that the lock was held, in ticks, of the sampled records.
    pub longest_hold_ticks_sampled: u64,
    /// Records for which that time was measured.
    pub hold_samples: u64,
}

/// Drops by reason: each reason that has a name, and every other one that was counted.
#[derive(Clone, Copy, Debug)]
pub struct ShownDrops(pub [u64; DROP_REASONS]);

impl ShownDrops {
    /// Reasons with their counts.
    pub fn reasons(&self) -> impl Iterator<Item = (Named, u64)> {
        let reasons = (0_u32..).zip(self.0).map(|(index, count)| (Named::new(index, DropReason(index).name()), count));
        reasons.filter(|(reason, count)| reason.name.is_some() || *count != 0)
    }
}

impl Serialize for ShownDrops {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in self.reasons() {
            map.serialize_entry(&reason, &count)?;
        }
        map.end()
    }
}

impl ShownRecorder {
    /// The recorder with these tables.
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        let header = &tables.header;
        let (level, policy) = (header.level.get(), header.policy.get());
        Self {
            version: tables.version(),
            format: format!("{}.{}", header.major, header.minor),
            engine: Named::new(header.engine, Engine(header.engine.get()).name()),
            lock: Named::new(header.lock, Lock(header.lock.get()).name()),
            level: Named::new(level, Level(level as u8).name()),
            policy: Named::new(policy, Policy(policy as u32).name()),
            paused: header.paused.get() != 0,
            active_processors: header.active_processors.get(),
            processor_count: header.processor_count.get(),
            tick_frequency: header.tick_frequency.get(),
            own_calls: header.own_calls.get(),
            dropped: ShownDrops(tables.drops()),
            lanes: tables.present().map(|(index, lane)| ShownLane::new(index, lane)).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for display")]
    fn microseconds(&self, ticks: u64) -> f64 {
        ticks as f64 * 1e6 / self.tick_frequency.max(1) as f64
    }
}

impl ShownLane {
    fn new(index: u32, lane: &LaneControl) -> Self {
        Self {
            lane: index,
            kind: Named::new(lane.kind, LaneKind(lane.kind.get()).name()),
            cpu: lane.processor.get(),
            bytes: lane.data_words.get().saturating_mul(WORD as u64),
            written: lane.next_seq.get().wrapping_sub(lane.first_seq.get()),
            contended: lane.contended.get(),
            longest_wait_ticks: lane.longest_wait.get(),
            longest_hold_ticks_sampled: lane.longest_hold.get(),
            hold_samples: lane.hold_samples.get(),
        }
    }

    const fn is_shared(&self) -> bool {
        self.kind.number == LaneKind::Shared.0 as u64
    }
}

/// A recorder as `info` shows it: what runs, and with which settings.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Info(pub ShownRecorder);

impl Show for Info {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let ShownRecorder { version, format, engine, lock, level, policy, .. } = &self.0;
        let state = if self.0.paused { "paused" } else { "writing" };
        writeln!(out, "irqlog {version}, format {format}, engine {engine}, lock {lock}")?;
        writeln!(out, "level {level}, policy {policy}, {state}")?;
        let ShownRecorder { active_processors, processor_count, tick_frequency, .. } = self.0;
        writeln!(out, "{active_processors} processors active of {processor_count}, clock {tick_frequency} Hz")?;
        writeln!(out, "lane  kind       cpu     KiB     written")?;
        for lane in &self.0.lanes {
            let processor = if lane.is_shared() { "-".to_owned() } else { lane.cpu.to_string() };
            let ShownLane { lane: index, kind, bytes, written, .. } = lane;
            writeln!(out, "{index:4}  {kind:9}  {processor:>3}  {:6}  {written:10}", bytes / 1024)?;
        }
        Ok(())
    }
}

/// A recorder as `stats` shows it: its counters.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Stats(pub ShownRecorder);

impl Show for Stats {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let recorder = &self.0;
        // Counters of a damaged image may be anything, and their sum larger than a number holds.
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
        writeln!(out, "written   {}", sum(&mut recorder.lanes.iter().map(|lane| lane.written)))?;
        writeln!(out, "dropped   {}", sum(&mut recorder.dropped.0.into_iter()))?;
        for (reason, count) in recorder.dropped.reasons().filter(|(_, count)| *count != 0) {
            writeln!(out, "  {reason:12} {count}")?;
        }
        writeln!(out, "own calls {}", recorder.own_calls)?;
        for lane in recorder.lanes.iter().filter(|lane| lane.is_shared()) {
            writeln!(
                out,
                "lane {}: lock contended {} times, longest wait {:.1} us (of those), longest hold {:.1} us (sampled, {} records)",
                lane.lane,
                lane.contended,
                recorder.microseconds(lane.longest_wait_ticks),
                recorder.microseconds(lane.longest_hold_ticks_sampled),
                lane.hold_samples,
            )?;
        }
        Ok(())
    }
}
