//! Perfetto's trace format, for ui.perfetto.dev and trace_processor.
//!
//! A start of the driver is a track. Below it is a track for lost records, with one for each lane, where a gap is a slice;
//! and a track for each processor, with one for each IRQL, high to low, and the NMI lane on top. A record is an instant:
//! its name is the format, its arguments are debug annotations. No slice or counter goes from one record to the next:
//! nobody knows what was between them.
//!
//! The same records are packets of Android's log, which fill the log tab of the UI. It filters by level, tag and text.

mod interned;
mod messages;

use std::{
    collections::BTreeSet,
    io::{Result, Write},
};

use irqlog_reader::{
    event::{DecodedArgument, EventView, Value, guid},
    log::Loss,
    record::{Content, Record},
    status,
};
use irqlog_shown::{
    Hex,
    record::{ShownContent, ShownRecord},
    text,
};
use irqlog_wire::{irql, record::Level};
use prost::Message;

use self::{
    interned::Interned,
    messages::{
        AndroidLogEvent, AndroidLogPacket, AnnotationValue, ClockSnapshot, CounterDescriptor, DebugAnnotation,
        SnapshotClock, TracePacket, TrackDescriptor, TrackEvent, builtin_clock, event_type, sequence_flags,
    },
};
use crate::{
    drawings::{Drawing, Drawings},
    jsonl,
    sink::{ExportSummary, Provenance, Sink, balance_message, cause, escaped, loss_message, marks},
    timeline::Timeline,
};

/// The only sequence of packets.
const SEQUENCE: u32 = 1;
/// `ChildTracksOrdering.EXPLICIT`.
const EXPLICIT: i32 = 3;
/// The tag of a packet in `Trace`: field 1, length-delimited.
const PACKET: u8 = 0x0a;

/// Writes Perfetto's format.
#[derive(Debug)]
pub struct Perfetto<W> {
    out: W,
    buffer: Vec<u8>,
    timeline: Timeline,
    interned: Interned,
    /// Tracks that were described.
    tracks: BTreeSet<u64>,
    has_packets: bool,
    drawings: Drawings,
}

/// A track of a log, as its id says.
#[derive(Clone, Copy)]
enum Track {
    Start,
    Losses,
    Lane(u32),
    Cpu(u16),
    /// Of a processor: an IRQL, or [`NMI`], or [`UNKNOWN`].
    Level(u16, u8),
    /// What holds the tracks of spans and of counters.
    Spans,
    /// Of spans, by its index.
    Span(u32),
    /// Of a counter, by its index.
    Counter(u32),
}

/// What stands for the NMI lane among the levels.
const NMI: u8 = irql::HIGH_LEVEL + 1;
/// What stands for the numbers that are no IRQL, which only a damaged record has.
const UNKNOWN: u8 = NMI + 1;

impl Track {
    const fn id(self, log: usize) -> u64 {
        let within = match self {
            Self::Start => 1,
            Self::Losses => 2,
            Self::Lane(lane) => 1 << 40 | lane as u64,
            Self::Cpu(cpu) => 2 << 40 | (cpu as u64) << 8 | 0xff,
            Self::Level(cpu, level) => 2 << 40 | (cpu as u64) << 8 | level as u64,
            Self::Spans => 3,
            Self::Span(index) => 3 << 40 | index as u64,
            Self::Counter(index) => 4 << 40 | index as u64,
        };
        (log as u64 + 1) << 44 | within
    }
}

impl<W: Write> Perfetto<W> {
    /// Into a stream.
    pub fn new(out: W) -> Self {
        Self {
            out,
            buffer: Vec::new(),
            timeline: Timeline::default(),
            interned: Interned::default(),
            tracks: BTreeSet::new(),
            has_packets: false,
            drawings: Drawings::default(),
        }
    }

    fn packet(&mut self, mut packet: TracePacket) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.has_packets, true);
        packet.trusted_packet_sequence_id = Some(SEQUENCE);
        packet.sequence_flags = Some(if is_first {
            sequence_flags::INCREMENTAL_STATE_CLEARED
        } else {
            sequence_flags::NEEDS_INCREMENTAL_STATE
        });
        packet.interned_data = self.interned.take();
        self.buffer.clear();
        self.buffer.push(PACKET);
        packet.encode_length_delimited(&mut self.buffer)?;
        self.out.write_all(&self.buffer)
    }

    /// Describes a track before its first event.
    fn describe(
        &mut self,
        log: &Provenance<'_>,
        track: Track,
        parent: Option<Track>,
        rank: i32,
        name: String,
    ) -> Result<()> {
        let uuid = track.id(log.number);
        if !self.tracks.insert(uuid) {
            return Ok(());
        }
        let descriptor = TrackDescriptor {
            uuid: Some(uuid),
            name: Some(name),
            parent_uuid: parent.map(|parent| parent.id(log.number)),
            counter: matches!(track, Track::Counter(_)).then_some(CounterDescriptor {}),
            child_ordering: Some(EXPLICIT),
            sibling_order_rank: Some(rank),
        };
        self.packet(TracePacket { track_descriptor: Some(descriptor), ..TracePacket::default() })
    }

    /// The track of a record; describes it, and its processor's, before its first event.
    fn track(&mut self, log: &Provenance<'_>, cpu: u16, level: u8) -> Result<u64> {
        let (track, processor) = (Track::Level(cpu, level), Track::Cpu(cpu));
        if !self.tracks.contains(&track.id(log.number)) {
            self.describe(log, processor, Some(Track::Start), 1 + i32::from(cpu), format!("cpu {cpu}"))?;
            // From high to low, and below them what is no IRQL.
            let (rank, name) = match level {
                NMI => (0, "NMI"),
                UNKNOWN => (UNKNOWN, irql::name(level)),
                level => (NMI - level, irql::name(level)),
            };
            self.describe(log, track, Some(processor), rank.into(), name.to_owned())?;
        }
        Ok(track.id(log.number))
    }

    fn annotation(&mut self, name: &str, value: AnnotationValue) -> DebugAnnotation {
        let name_iid = Some(self.interned.annotation(name));
        DebugAnnotation { name_iid, value: Some(value), dict_entries: Vec::new() }
    }

    fn dictionary(&mut self, name: &str, entries: Vec<DebugAnnotation>) -> DebugAnnotation {
        DebugAnnotation { name_iid: Some(self.interned.annotation(name)), value: None, dict_entries: entries }
    }

    /// What a record says of itself besides its payload.
    fn fields(&mut self, log: &Provenance<'_>, shown: &ShownRecord<'_>) -> Vec<DebugAnnotation> {
        use AnnotationValue::{Bool, Text, Uint};
        let mut fields = vec![
            self.annotation("start", Text(log.start())),
            self.annotation("lane", Uint(shown.lane.into())),
            self.annotation("seq", Uint(shown.seq)),
            self.annotation("tick", Uint(shown.tick)),
            self.annotation("level", Text(shown.level.to_string())),
            self.annotation("kind", Text(shown.kind.to_string())),
            self.annotation("cpu", Uint(shown.cpu.into())),
            self.annotation("irql", Uint(shown.irql.into())),
        ];
        if let Some(thread) = shown.thread {
            fields.push(self.annotation("thread", Uint(thread.thread.into())));
            fields.push(self.annotation("process", Uint(thread.process.into())));
        }
        for mark in marks(shown) {
            fields.push(self.annotation(mark, Bool(true)));
        }
        fields
    }

    /// The event of a record, with its payload as annotations.
    fn event(&mut self, log: &Provenance<'_>, record: &Record, shown: &ShownRecord<'_>) -> Result<TrackEvent> {
        let level = match shown.irql {
            _ if shown.is_nmi() => NMI,
            level if level <= irql::HIGH_LEVEL => level,
            _ => UNKNOWN,
        };
        let track_uuid = Some(self.track(log, shown.cpu, level)?);
        let mut event = TrackEvent { r#type: Some(event_type::INSTANT), track_uuid, ..TrackEvent::default() };
        let fields = self.fields(log, shown);
        let category = match record.content() {
            Content::Event(payload) => {
                let view = EventView::new(log.tables, record.header.site.get(), payload, record);
                self.event_parts(&mut event, &view);
                view.provider.map_or_else(|| "event".to_owned(), |provider| without_nul(provider.raw()))
            }
            Content::Text(text) => {
                event.name = Some(without_nul(text.raw()));
                "text".to_owned()
            }
            Content::Blob { header, bytes } => {
                event.name = Some(format!("blob {} tag {:#x}", header.blob, header.tag));
                let parts =
                    [("blob", header.blob), ("tag", header.tag), ("offset", header.offset), ("total", header.total)];
                for (name, number) in parts {
                    let part = self.annotation(name, AnnotationValue::Uint(number.get().into()));
                    event.debug_annotations.push(part);
                }
                let bytes = self.annotation("bytes", AnnotationValue::Text(Hex(bytes).to_string()));
                event.debug_annotations.push(bytes);
                "blob".to_owned()
            }
            Content::Unknown(bytes) => {
                event.name = Some(format!("kind {}", shown.kind));
                let bytes = self.annotation("bytes", AnnotationValue::Text(Hex(bytes).to_string()));
                event.debug_annotations.push(bytes);
                "unknown".to_owned()
            }
        };
        event.category_iids.push(self.interned.category(&category));
        let record = self.dictionary("record", fields);
        event.debug_annotations.push(record);
        Ok(event)
    }

    /// Name, place and arguments of an event.
    fn event_parts(&mut self, event: &mut TrackEvent, view: &EventView<'_>) {
        match &view.site {
            Some(site) => {
                event.name_iid = Some(self.interned.event(&without_nul(&String::from_utf8_lossy(site.format))));
                let place = self.interned.place(escaped(site.file), site.header.line.get());
                event.source_location_iid = Some(place);
            }
            None => event.name_iid = Some(self.interned.event("(unknown site)")),
        }
        if view.arguments.is_empty() {
            return;
        }
        let mut entries = Vec::with_capacity(view.arguments.len());
        let mut types = String::new();
        let mut names = Vec::with_capacity(view.arguments.len());
        for (number, (argument, name)) in view.arguments.iter().zip(view.names()).enumerate() {
            let name = if name.is_empty() { number.to_string() } else { without_nul(name) };
            let name = name.replace(['.', '[', ']'], "_");
            let name = distinct(&name, &names);
            entries.push(self.annotation(&name, value(argument)));
            names.push(name);
            types.push_str(if number == 0 { "" } else { "," });
            types.push_str(argument.kind.name().map_or_else(|| argument.kind.0.to_string(), str::to_owned).as_str());
        }
        let arguments = self.dictionary("arguments", entries);
        event.debug_annotations.push(arguments);
        let types = self.annotation("types", AnnotationValue::Text(types));
        event.debug_annotations.push(types);
    }

    /// Nanoseconds from 1970, as Android's log counts: the clock snapshot leads back to the timeline.
    fn time_of_day(&self, time: u64) -> u64 {
        u64::try_from(self.timeline.zero().max(0).saturating_add(time.into())).unwrap_or(u64::MAX)
    }

    /// Draws the span that ends with a record, or the value of its counter.
    fn draw(&mut self, log: &Provenance<'_>, record: &Record, time: u64) -> Result<()> {
        use AnnotationValue::Uint;
        let Some(drawing) = self.drawings.next(log, record, &mut self.timeline) else { return Ok(()) };
        // Behind all processors.
        self.describe(log, Track::Spans, Some(Track::Start), 1 << 20, "spans and counters".to_owned())?;
        match drawing {
            Drawing::Slice { begin, from, to, writer, track } => {
                let rank = track as i32;
                let track = Track::Span(track);
                self.describe(log, track, Some(Track::Spans), rank, writer.name())?;
                let numbers = [
                    ("lane", begin.lane.into()),
                    ("begin_seq", begin.seq),
                    ("end_lane", record.lane.into()),
                    ("end_seq", record.header.seq.get()),
                ];
                let annotations = numbers.map(|(name, number)| self.annotation(name, Uint(number))).to_vec();
                let track_uuid = Some(track.id(log.number));
                let event = TrackEvent {
                    r#type: Some(event_type::SLICE_BEGIN),
                    track_uuid,
                    name: Some(without_nul(&begin.text)),
                    category_iids: vec![self.interned.category("span")],
                    debug_annotations: vec![self.dictionary("span", annotations)],
                    ..TrackEvent::default()
                };
                self.packet(TracePacket { timestamp: Some(from), track_event: Some(event), ..TracePacket::default() })?;
                let event = TrackEvent { r#type: Some(event_type::SLICE_END), track_uuid, ..TrackEvent::default() };
                self.packet(TracePacket { timestamp: Some(to), track_event: Some(event), ..TracePacket::default() })
            }
            Drawing::Value { name, value, counter } => {
                let rank = (1 << 20) + counter as i32;
                let track = Track::Counter(counter);
                self.describe(log, track, Some(Track::Spans), rank, without_nul(&name))?;
                let event = TrackEvent {
                    r#type: Some(event_type::COUNTER),
                    track_uuid: Some(track.id(log.number)),
                    double_counter_value: Some(value),
                    ..TrackEvent::default()
                };
                self.packet(TracePacket { timestamp: Some(time), track_event: Some(event), ..TracePacket::default() })
            }
        }
    }

    fn log_packet(&mut self, time: u64, event: AndroidLogEvent) -> Result<()> {
        let event = AndroidLogEvent { log_id: Some(0), timestamp: Some(self.time_of_day(time)), ..event };
        let android_log = Some(AndroidLogPacket { events: vec![event] });
        self.packet(TracePacket { timestamp: Some(time), android_log, ..TracePacket::default() })
    }
}

/// A string without NUL, at which trace_processor's answers would end.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\\0")
}

/// A name that no other argument has. Of two with the same name trace_processor keeps one, and it reads a dot or a bracket
/// as a path, which is why the caller has replaced them.
fn distinct(name: &str, others: &[String]) -> String {
    let mut own = name.to_owned();
    for number in 2.. {
        if !others.contains(&own) {
            break;
        }
        own = format!("{name}_{number}");
    }
    own
}

/// The value of an argument in the type of annotation that is nearest to its own.
fn value(argument: &DecodedArgument<'_>) -> AnnotationValue {
    use AnnotationValue::{Bool, Double, Int, Pointer, Text, Uint};
    match &argument.value {
        Value::Unsigned(number, 128) => Text(number.to_string()),
        Value::Signed(number, 128) => Text(number.to_string()),
        Value::Unsigned(number, _) => Uint(*number as u64),
        Value::Signed(number, _) => Int(*number as i64),
        Value::Bool(value) => Bool(*value),
        Value::Char(character) => Text(without_nul(character.encode_utf8(&mut [0; 4]))),
        // SQL has neither NaN nor infinities.
        Value::F32(number) if !number.is_finite() => Text(number.to_string()),
        Value::F64(number) if !number.is_finite() => Text(number.to_string()),
        Value::F32(number) => Double((*number).into()),
        Value::F64(number) => Double(*number),
        Value::Pointer(address) | Value::HashedPointer(address) => Pointer(*address),
        Value::Status(status) => Text(match status::name(*status) {
            Some(name) => format!("{status:#010x} {name}"),
            None => format!("{status:#010x}"),
        }),
        Value::Guid(bytes) => Text(guid(bytes)),
        Value::Text(text) => Text(without_nul(text)),
        Value::Bytes(bytes) => Text(Hex(bytes).to_string()),
        Value::Unknown(word) => Uint(*word),
    }
}

/// Android's priority of a level.
const fn priority(level: u8) -> i32 {
    match Level(level) {
        Level::Error => 6,
        Level::Warn => 5,
        Level::Info => 4,
        Level::Debug => 3,
        _ => 2,
    }
}

impl<W: Write> Sink for Perfetto<W> {
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()> {
        self.timeline = Timeline::new(logs);
        let first = logs.first().map(|log| self.timeline.time(log, log.clock().tick_base())).unwrap_or_default();
        let clock = |id, time| SnapshotClock { clock_id: Some(id), timestamp: Some(time) };
        let clocks =
            vec![clock(builtin_clock::BOOTTIME, first), clock(builtin_clock::REALTIME, self.time_of_day(first))];
        let clock_snapshot = Some(ClockSnapshot { clocks });
        self.packet(TracePacket { timestamp: Some(first), clock_snapshot, ..TracePacket::default() })?;
        for log in logs {
            let name = format!("irqlog {}, start {}", escaped(log.name.as_bytes()), log.start());
            self.describe(log, Track::Start, None, log.number as i32, name)?;
        }
        Ok(())
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let shown = ShownRecord::new(log.tables, record);
        let time = self.timeline.time(log, shown.tick);
        let event = self.event(log, record, &shown)?;
        self.packet(TracePacket { timestamp: Some(time), track_event: Some(event), ..TracePacket::default() })?;
        let tag = match &shown.content {
            ShownContent::Event(event) => event.provider.map(|provider| provider.to_string()),
            _ => None,
        };
        let thread = shown.thread.map(|thread| (thread.process as i32, thread.thread as i32));
        let entry = AndroidLogEvent {
            pid: thread.map(|(process, _)| process),
            tid: thread.map(|(_, thread)| thread),
            tag: Some(tag.unwrap_or_else(|| shown.kind.to_string())),
            prio: Some(priority(record.header.level)),
            message: Some(text::message(&shown)),
            ..AndroidLogEvent::default()
        };
        self.log_packet(time, entry)?;
        self.draw(log, record, time)
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        use AnnotationValue::{Text, Uint};
        self.describe(log, Track::Losses, Some(Track::Start), 0, "lost records".to_owned())?;
        let track = Track::Lane(loss.lane);
        self.describe(log, track, Some(Track::Losses), loss.lane as i32, log.lane_name(loss.lane))?;
        let (from, to) = self.timeline.span(log, loss);
        let mut annotations = vec![
            self.annotation("start", Text(log.start())),
            self.annotation("lane", Uint(loss.lane.into())),
            self.annotation("first_seq", Uint(loss.first_seq)),
            self.annotation("count", Uint(loss.count)),
            self.annotation("cause", Text(cause(loss).to_owned())),
        ];
        for (name, tick) in [("from_tick", loss.from_tick), ("to_tick", loss.to_tick)] {
            annotations.extend(tick.map(|tick| self.annotation(name, Uint(tick))));
        }
        let track_uuid = Some(track.id(log.number));
        let message = loss_message(log, loss);
        let begin = TrackEvent {
            r#type: Some(event_type::SLICE_BEGIN),
            track_uuid,
            name: Some(format!("{} {}", loss.count, cause(loss))),
            category_iids: vec![self.interned.category("loss")],
            debug_annotations: vec![self.dictionary("loss", annotations)],
            ..TrackEvent::default()
        };
        self.packet(TracePacket { timestamp: Some(from), track_event: Some(begin), ..TracePacket::default() })?;
        let end = TrackEvent { r#type: Some(event_type::SLICE_END), track_uuid, ..TrackEvent::default() };
        self.packet(TracePacket { timestamp: Some(to), track_event: Some(end), ..TracePacket::default() })?;
        let entry = AndroidLogEvent {
            tag: Some("irqlog loss".to_owned()),
            prio: Some(priority(Level::Warn.0)),
            message: Some(message),
            ..AndroidLogEvent::default()
        };
        self.log_packet(to, entry)
    }

    /// The account of the export is an instant on the track of each start.
    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        use AnnotationValue::{Bool, Text};
        let about = jsonl::logs(logs)?;
        for (log, lanes) in logs.iter().zip(&summary.balances) {
            let mut annotations = vec![self.annotation("filtered", Bool(summary.is_filtered))];
            for lane in lanes {
                let name = format!("lane {}", lane.lane);
                annotations.push(self.annotation(&name, Text(balance_message(lane))));
            }
            let recorder = about.get(log.number).map(ToString::to_string).unwrap_or_default();
            annotations.push(self.annotation("log", Text(without_nul(&recorder))));
            let event = TrackEvent {
                r#type: Some(event_type::INSTANT),
                track_uuid: Some(Track::Start.id(log.number)),
                name: Some(if summary.is_filtered { "export, filtered" } else { "export" }.to_owned()),
                category_iids: vec![self.interned.category("irqlog export")],
                debug_annotations: vec![self.dictionary("export", annotations)],
                ..TrackEvent::default()
            };
            let time = self.timeline.time(log, log.clock().tick_base());
            self.packet(TracePacket { timestamp: Some(time), track_event: Some(event), ..TracePacket::default() })?;
        }
        self.out.flush()
    }
}
