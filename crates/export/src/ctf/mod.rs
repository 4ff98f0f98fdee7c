//! The Common Trace Format 1.8, for babeltrace2, Trace Compass and others: a folder with a file for each lane.
//!
//! A stream is a lane, with the clock of its start. An event class is a call site with the types of its arguments, and an
//! event has the arguments as they lie in the ring. Nothing is rendered, so this is the fastest export, and the exact one.
//!
//! Records that are missing are the stream's discarded events. A packet says how many there were up to its end, and a
//! reader takes the difference to the packet before: so a packet ends before each loss, and a stream whose first records
//! are missing begins with an empty one. The packet's context has the number of the lane's next record, which places the
//! loss exactly.
//!
//! A reader wants times in a stream that never go back. Where ticks of a lane do, which only happens in a damaged log or
//! after a virtual machine has gone back to a snapshot, the event's time is the latest one so far. The event's context has
//! the tick itself.
//!
//! The format is specified in "Common Trace Format v1.8.3", diamon.org/ctf.

mod metadata;

use std::{
    collections::{BTreeMap, HashMap},
    io::Result,
};

use irqlog_reader::{
    event::EventView,
    log::Loss,
    record::{Content, Record},
};
use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, NEEDS_DRIVER, head_words},
    record::{RecordHeader, WORD},
};

use self::metadata::{EventClass, Metadata};
use crate::sink::{ExportSummary, Provenance, Sink};

/// Where the files of an export go.
pub trait ExportFolder {
    /// Appends bytes to a file of that name, which is made if it is not there.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
}

/// First four bytes of a packet.
const MAGIC: u32 = 0xc1fc_1fc1;
/// Bytes of a packet's header and context.
const PACKET_START: usize = 80;
/// A packet ends when it is longer than this, in bytes.
const PACKET: usize = 64 << 10;
/// Bytes in a unit of a packet's sizes.
const BITS: u64 = 8;

/// Writes CTF.
#[derive(Debug)]
pub struct Ctf<F> {
    folder: F,
    metadata: Metadata,
    /// Ids of the event classes that were used.
    classes: HashMap<ClassKey, u32>,
    lanes: BTreeMap<(usize, u32), Stream>,
}

/// What makes an event class: the log, the form and the kind of the payload, the site, the level, and the arguments, of
/// which each has a kind and may be text.
type ClassKey = (usize, u8, u8, u32, u8, Vec<(u8, bool)>);

/// An argument where it lies.
#[derive(Clone, Copy)]
struct Raw<'a> {
    kind: ArgumentKind,
    /// Its words.
    words: &'a [u8],
    /// A string that can be shown as text: UTF-8 without NUL, at which text ends in this format.
    is_text: bool,
}

impl<'a> Raw<'a> {
    /// The arguments of an event's payload, as far as they are there.
    fn all(payload: &'a [u8]) -> Vec<Self> {
        let count = payload.first().map_or(0, |&count| usize::from(count & !(NEEDS_DRIVER as u8)));
        let kinds = payload.get(1..=count).unwrap_or_default();
        let mut rest = payload.get(head_words(count) * WORD..).unwrap_or_default();
        let mut all = Vec::with_capacity(kinds.len());
        for &kind in kinds.iter().take(MAX_ARGUMENTS) {
            let kind = ArgumentKind(kind);
            let Some(size) = size(kind, rest) else { break };
            let (words, behind) = rest.split_at(size);
            let is_text =
                kind == ArgumentKind::Str && std::str::from_utf8(string(words)).is_ok_and(|text| !text.contains('\0'));
            all.push(Self { kind, words, is_text });
            rest = behind;
        }
        all
    }

    /// Bytes up to the end of its field: less than its words if the rest of them is padding.
    fn width(&self) -> usize {
        match self.kind {
            ArgumentKind::U8 | ArgumentKind::I8 => 1,
            ArgumentKind::U16 | ArgumentKind::I16 => 2,
            ArgumentKind::U32 | ArgumentKind::I32 | ArgumentKind::Char | ArgumentKind::F32 | ArgumentKind::Status => 4,
            kind if kind.is_string() => WORD + string(self.words).len(),
            _ => self.words.len(),
        }
    }
}

/// Bytes of the words of an argument at the start of `bytes`; `None` if they are not there.
fn size(kind: ArgumentKind, bytes: &[u8]) -> Option<usize> {
    let word = bytes.first_chunk::<WORD>()?;
    let size = if kind.is_string() {
        let kept = u64::from_le_bytes(*word) as u32 as usize;
        WORD + kept.next_multiple_of(WORD)
    } else {
        kind.words() * WORD
    };
    (size <= bytes.len()).then_some(size)
}

/// The bytes of a string in its words.
fn string(words: &[u8]) -> &[u8] {
    let kept = words.first_chunk::<4>().map_or(0, |kept| u32::from_le_bytes(*kept) as usize);
    words.get(WORD..WORD + kept).unwrap_or_default()
}

/// A lane that is being written.
#[derive(Debug, Default)]
struct Stream {
    /// The packet that is open: events behind room for header and context.
    packet: Vec<u8>,
    /// Packets that were written.
    packets: u64,
    /// Records that were missing so far.
    discarded: u64,
    /// Time of the first event of the packet, and of the latest event so far.
    begin: u64,
    newest: u64,
    /// Number of the next record that is expected.
    next_seq: u64,
    /// Why records were missing right before the packet that is open: 0 if none were.
    cause: u64,
}

impl<F: ExportFolder> Ctf<F> {
    /// Into a folder.
    pub fn new(folder: F) -> Self {
        Self { folder, metadata: Metadata::default(), classes: HashMap::new(), lanes: BTreeMap::new() }
    }

    /// Writes the packet of a lane, and begins the next one.
    fn close(&mut self, log: usize, lane: u32) -> Result<()> {
        let Some(stream) = self.lanes.get_mut(&(log, lane)) else { return Ok(()) };
        stream.packet.resize(stream.packet.len().max(PACKET_START), 0);
        let used = stream.packet.len() as u64 * BITS;
        stream.align();
        let bits = stream.packet.len() as u64 * BITS;
        let mut start = Vec::with_capacity(PACKET_START);
        start.extend(MAGIC.to_le_bytes());
        start.extend((log as u32).to_le_bytes());
        let context = [
            u64::from(lane),
            stream.begin,
            stream.newest,
            used,
            bits,
            stream.packets,
            stream.discarded,
            stream.next_seq,
            std::mem::take(&mut stream.cause),
        ];
        start.extend(context.iter().flat_map(|number| number.to_le_bytes()));
        stream.packet[..start.len()].copy_from_slice(&start);
        self.folder.append(&format!("log_{log}_lane_{lane}"), &stream.packet)?;
        stream.packet.truncate(PACKET_START);
        stream.packets += 1;
        stream.begin = stream.newest;
        Ok(())
    }

    /// Id of the class of a record.
    fn class(&mut self, log: &Provenance<'_>, record: &Record, content: &Content<'_>, arguments: &[Raw<'_>]) -> u32 {
        let header = &record.header;
        let (form, site) = match content {
            Content::Event(_) => (0, header.site.get()),
            Content::Text(_) => (1, u32::from(is_text(&record.payload))),
            Content::Blob { .. } => (2, 0),
            Content::Unknown(_) => (3, 0),
        };
        let kinds = arguments.iter().map(|argument| (argument.kind.0, argument.is_text)).collect();
        let key = (log.number, form, header.kind, site, header.level, kinds);
        if let Some(&id) = self.classes.get(&key) {
            return id;
        }
        let id = self.classes.len() as u32;
        self.metadata.class(&event_class(log, record, id, arguments));
        self.classes.insert(key, id);
        id
    }
}

/// Whether a text can be shown as one: UTF-8 without NUL.
fn is_text(payload: &[u8]) -> bool {
    std::str::from_utf8(payload).is_ok_and(|text| !text.contains('\0'))
}

/// The class of a record that is the first of its class.
fn event_class(log: &Provenance<'_>, record: &Record, id: u32, arguments: &[Raw<'_>]) -> EventClass {
    let (name, uri, fields) = match record.content() {
        Content::Text(_) => ("text".to_owned(), String::new(), metadata::payload("text", is_text(&record.payload))),
        Content::Blob { .. } => ("blob".to_owned(), String::new(), metadata::blob()),
        Content::Unknown(_) => {
            (format!("kind {}", record.header.kind), String::new(), metadata::payload("bytes", false))
        }
        Content::Event(payload) => {
            let site = record.header.site.get();
            let view = EventView::new(log.tables, site, payload, record);
            let kinds: Vec<_> = arguments.iter().map(|argument| argument.kind).collect();
            let (name, uri) = metadata::name_and_uri(log.tables.sites.first_equal(site), &view, &kinds);
            let fields = arguments.iter().zip(view.names());
            let fields = metadata::arguments(fields.map(|(argument, name)| (argument.kind, name, argument.is_text)));
            (name, uri, fields)
        }
    };
    EventClass { id, stream: log.number, level: record.level(), name, uri, fields }
}

impl Stream {
    /// Appends a number.
    fn push(&mut self, bytes: &[u8]) {
        self.packet.extend_from_slice(bytes);
    }

    /// Fills up to the next 64-bit word.
    fn align(&mut self) {
        let length = self.packet.len().next_multiple_of(WORD);
        self.packet.resize(length, 0);
    }

    /// Appends bytes as a string lies: the number that follow, the number that it had, and the bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.align();
        let length = (bytes.len() as u32).to_le_bytes();
        self.push(&length);
        self.push(&length);
        self.push(bytes);
    }

    /// Appends header and context of an event.
    fn start(&mut self, id: u32, header: &RecordHeader, time: u64, is_late: bool) {
        self.align();
        self.push(&id.to_le_bytes());
        self.push(&[0; 4]);
        self.push(&time.to_le_bytes());
        self.push(&header.seq.get().to_le_bytes());
        self.push(&header.tick.get().to_le_bytes());
        self.push(&header.thread.get().to_le_bytes());
        self.push(&header.process.get().to_le_bytes());
        self.push(&header.processor.get().to_le_bytes());
        self.push(&header.flags.get().to_le_bytes());
        self.push(&[header.irql, header.level, u8::from(is_late), 0]);
    }
}

impl<F: ExportFolder> Sink for Ctf<F> {
    fn begin(&mut self, logs: &[Provenance<'_>]) -> Result<()> {
        for log in logs {
            self.metadata.stream(log);
        }
        Ok(())
    }

    fn record(&mut self, log: &Provenance<'_>, record: &Record) -> Result<()> {
        let content = record.content();
        let arguments = match &content {
            Content::Event(payload) => Raw::all(payload),
            _ => Vec::new(),
        };
        let id = self.class(log, record, &content, &arguments);
        let stream = self.lanes.entry((log.number, record.lane)).or_default();
        let tick = record.header.tick.get();
        if stream.packet.is_empty() {
            stream.packet.resize(PACKET_START, 0);
        }
        if stream.packets == 0 && stream.packet.len() == PACKET_START {
            (stream.begin, stream.newest) = (tick, tick);
        }
        stream.newest = stream.newest.max(tick);
        stream.next_seq = record.header.seq.get().wrapping_add(1);
        let time = stream.newest;
        stream.start(id, &record.header, time, record.late);
        match content {
            Content::Event(_) => {
                for argument in &arguments {
                    stream.align();
                    stream.push(argument.words);
                }
                // What is behind the last field belongs to no event.
                if let Some(last) = arguments.last() {
                    let end = stream.packet.len() - last.words.len() + last.width();
                    stream.packet.truncate(end);
                }
            }
            Content::Text(_) | Content::Unknown(_) => stream.bytes(&record.payload),
            Content::Blob { header, bytes } => {
                stream.align();
                for number in [header.tag, header.blob, header.total, header.offset] {
                    stream.push(&number.get().to_le_bytes());
                }
                stream.bytes(bytes);
            }
        }
        let is_full = stream.packet.len() > PACKET;
        if is_full { self.close(log.number, record.lane) } else { Ok(()) }
    }

    fn loss(&mut self, log: &Provenance<'_>, loss: Loss) -> Result<()> {
        let stream = self.lanes.entry((log.number, loss.lane)).or_default();
        let is_new = stream.packets == 0 && stream.packet.is_empty();
        if is_new {
            // From where on records are missing: the start of the driver, unless a record is from before.
            let tick = log.clock().tick_base().min(loss.to_tick.unwrap_or(u64::MAX));
            (stream.begin, stream.newest, stream.next_seq) = (tick, tick, loss.first_seq);
        }
        if is_new || stream.packet.len() > PACKET_START {
            self.close(log.number, loss.lane)?;
        }
        if let Some(stream) = self.lanes.get_mut(&(log.number, loss.lane)) {
            stream.discarded = stream.discarded.saturating_add(loss.count);
            stream.cause = loss.cause as u64 + 1;
            stream.next_seq = loss.first_seq.wrapping_add(loss.count);
            stream.newest = stream.newest.max(loss.to_tick.unwrap_or(stream.newest));
        }
        // Right behind the loss, so that each loss has a difference of its own.
        self.close(log.number, loss.lane)
    }

    fn end(&mut self, logs: &[Provenance<'_>], summary: &ExportSummary) -> Result<()> {
        let open: Vec<_> =
            self.lanes.iter().filter(|(_, stream)| stream.packet.len() > PACKET_START).map(|(&key, _)| key).collect();
        for (log, lane) in open {
            self.close(log, lane)?;
        }
        let text = self.metadata.finish(logs, summary);
        self.folder.append("metadata", text.as_bytes())
    }
}
