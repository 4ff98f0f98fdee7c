//! The recorder: what runs and with which settings (`info`), and its counters (`stats`).

use std::{
    fmt::{Display, Formatter, Result as FmtResult},
    io::{Result, Write},
};

use irqlog_reader::image::Tables;
use irqlog_wire::{
    image::{DROP_REASONS, DropReason, Engine, LaneControl, LaneKind, Lock, Policy, build_flags},
    record::{Level, WORD},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    Named, Show,
    retention::{Retention, WANTED_SECONDS},
};

/// A recorder as `info` shows it: what runs, and with which settings.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
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
    /// Whether pointers in events are written as `hashed` or `raw` now.
    pub pointers: &'static str,
    /// Whether records have the ids of thread and process, as far as the caller's IRQL allows.
    pub ids: bool,
    /// Processors that were active when the driver started.
    pub active_processors: u32,
    /// Processors that there can be.
    #[serde(skip)]
    pub processor_count: u32,
    /// Ticks in a second.
    pub tick_frequency: u64,
    /// The lanes that are there.
    pub lanes: Vec<ShownLane>,
    /// What the file is that the log was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<ShownFile>,
}

/// A recorder as `stats` shows it: its counters.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Records written so far, over all lanes.
    pub written: u64,
    /// Log calls that irqlog.sys made itself.
    pub own_calls: u64,
    /// Log calls that wrote no record, by reason.
    pub dropped: ShownDrops,
    /// Ticks in a second.
    pub tick_frequency: u64,
    /// The lanes that are there.
    pub lanes: Vec<ShownCounters>,
    /// How long the ring lasts, if its records tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What the file is that the log was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<ShownFile>,
}

/// What a file is that a log was read from.
#[derive(Clone, Debug, Serialize)]
pub struct ShownFile {
    /// Whose bytes they are.
    pub kind: FileKind,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Bytes that the log in it needs and that are not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_bytes: Option<u64>,
    /// What its checksums say.
    pub checksums: ShownChecksums,
}

/// What a file with a log in it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// `irqlog save` wrote it.
    Saved,
    /// A crash dump.
    CrashDump,
    /// The memory of a recorder, copied by other means.
    Memory,
}

/// What the checksums of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownChecksums {
    /// Every byte is as it was saved.
    Right,
    /// Some bytes are not.
    Wrong,
    /// They are missing or damaged themselves.
    Unreadable,
    /// The file has none: it is no saved one, or was saved before format 1.3.
    None,
}

/// The counters of a lane.
#[derive(Clone, Debug, Serialize)]
pub struct ShownCounters {
    /// The lane.
    #[serde(flatten)]
    pub lane: ShownLane,
    /// Writers that found the lock taken.
    pub contended: u64,
    /// Longest time that one writer waited for the lock, in ticks.
    pub longest_wait_ticks: u64,
    /// Longest time that the lock was held, in ticks, of the sampled records.
    pub longest_hold_ticks_sampled: u64,
    /// Records for which that time was measured.
    pub hold_samples: u64,
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

impl Info {
    /// The recorder with these tables.
    #[must_use]
    pub fn new(tables: &Tables, file: Option<ShownFile>) -> Self {
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
            pointers: if header.build_flags.get() & build_flags::RAW_POINTERS == 0 { "hashed" } else { "raw" },
            ids: header.build_flags.get() & build_flags::NO_IDS == 0,
            active_processors: header.active_processors.get(),
            processor_count: header.processor_count.get(),
            tick_frequency: header.tick_frequency.get(),
            lanes: tables.present().map(|(index, lane)| ShownLane::new(index, lane)).collect(),
            file,
        }
    }
}

impl Stats {
    /// The counters in these tables.
    #[must_use]
    pub fn new(tables: &Tables, retention: Option<Retention>, file: Option<ShownFile>) -> Self {
        let counters = |(index, lane): (u32, &LaneControl)| ShownCounters {
            lane: ShownLane::new(index, lane),
            contended: lane.contended.get(),
            longest_wait_ticks: lane.longest_wait.get(),
            longest_hold_ticks_sampled: lane.longest_hold.get(),
            hold_samples: lane.hold_samples.get(),
        };
        let lanes: Vec<_> = tables.present().map(counters).collect();
        Self {
            // Counters of a damaged image may be anything, and their sum larger than a number holds.
            written: lanes.iter().fold(0, |sum: u64, counters| sum.saturating_add(counters.lane.written)),
            own_calls: tables.header.own_calls.get(),
            dropped: ShownDrops(tables.drops()),
            tick_frequency: tables.header.tick_frequency.get(),
            lanes,
            retention,
            file,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for display")]
    fn microseconds(&self, ticks: u64) -> f64 {
        ticks as f64 * 1e6 / self.tick_frequency.max(1) as f64
    }
}

/// `file: saved by irqlog, 74240 bytes, every byte as it was saved`
impl Display for ShownFile {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        let kind = match self.kind {
            FileKind::Saved => "saved by irqlog",
            FileKind::CrashDump => "a crash dump",
            FileKind::Memory => "the memory of a recorder",
        };
        write!(formatter, "file: {kind}, {} bytes", self.bytes)?;
        if let Some(missing) = self.missing_bytes {
            write!(formatter, ", CUT OFF: {missing} bytes are missing")?;
        }
        formatter.write_str(match (self.checksums, self.kind) {
            (ShownChecksums::Right, _) => ", every byte as it was saved",
            (ShownChecksums::Wrong, _) => ", DAMAGED: not every byte is as it was saved",
            (ShownChecksums::Unreadable, _) => ", its checksums cannot be read",
            (ShownChecksums::None, FileKind::Saved) => ", without checksums: saved before format 1.3",
            (ShownChecksums::None, _) => "",
        })
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
        }
    }

    const fn is_shared(&self) -> bool {
        self.kind.number == LaneKind::Shared.0 as u64
    }
}

impl Show for Info {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let Self { version, format, engine, lock, level, policy, pointers, .. } = self;
        let state = if self.paused { "paused" } else { "writing" };
        writeln!(out, "irqlog {version}, format {format}, engine {engine}, lock {lock}")?;
        let ids = if self.ids { "" } else { ", no ids of threads" };
        writeln!(out, "level {level}, policy {policy}, {state}, pointers {pointers}{ids}")?;
        let Self { active_processors, processor_count, tick_frequency, .. } = self;
        writeln!(out, "{active_processors} processors active of {processor_count}, clock {tick_frequency} Hz")?;
        if let Some(file) = &self.file {
            writeln!(out, "{file}")?;
        }
        writeln!(out, "lane  kind       cpu     KiB     written")?;
        for lane in &self.lanes {
            let processor = if lane.is_shared() { "-".to_owned() } else { lane.cpu.to_string() };
            let ShownLane { lane: index, kind, bytes, written, .. } = lane;
            writeln!(out, "{index:4}  {kind:9}  {processor:>3}  {:6}  {written:10}", bytes / 1024)?;
        }
        Ok(())
    }
}

impl Show for Stats {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        writeln!(out, "written   {}", self.written)?;
        writeln!(out, "dropped   {}", self.dropped.0.into_iter().fold(0, u64::saturating_add))?;
        for (reason, count) in self.dropped.reasons().filter(|(_, count)| *count != 0) {
            writeln!(out, "  {reason:12} {count}")?;
        }
        writeln!(out, "own calls {}", self.own_calls)?;
        // A saved file has only as much room as its records need.
        if let Some(Retention { ring_bytes, lasts_seconds, recommended_kib, .. }) = self.retention
            && self.file.is_none()
        {
            let kib = ring_bytes / 1024;
            write!(out, "ring      {kib} KiB last {lasts_seconds:.1} s at the rate of the records in it")?;
            if lasts_seconds < WANTED_SECONDS {
                write!(out, "; for {WANTED_SECONDS} s: irqlog configure --next-start RingKiB={recommended_kib}")?;
            }
            writeln!(out)?;
        }
        for counters in self.lanes.iter().filter(|counters| counters.lane.is_shared()) {
            writeln!(
                out,
                "lane {}: lock contended {} times, longest wait {:.1} us (of those), longest hold {:.1} us (sampled, {} records)",
                counters.lane.lane,
                counters.contended,
                self.microseconds(counters.longest_wait_ticks),
                self.microseconds(counters.longest_hold_ticks_sampled),
                counters.hold_samples,
            )?;
        }
        if let Some(file) = &self.file {
            writeln!(out, "{file}")?;
        }
        Ok(())
    }
}
