//! A record, and records that are missing, as they are shown.

use std::borrow::Cow;

use irqlog_reader::{
    event::{self, DecodedArgument, EventView, Value},
    image::Tables,
    log::Loss,
    record::{Content, Record},
    status,
    untrusted::{Untrusted, shorten},
};
use irqlog_wire::{
    irql,
    record::{BlobHeader, Kind, flags},
    site::{Site, SiteRole},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{Hex, Named};

/// A record as it is shown.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the JSON object")]
#[derive(Clone, Debug, Serialize)]
pub struct ShownRecord<'a> {
    /// Seconds from the start of the driver; negative for a record from before it.
    pub seconds: f64,
    /// Performance counter at which the record was stamped.
    pub tick: u64,
    /// Index of the lane.
    pub lane: u32,
    /// Number of the record in its lane.
    pub seq: u64,
    /// Index of the processor that wrote it.
    pub cpu: u16,
    /// IRQL of the caller.
    pub irql: u8,
    /// Name of that IRQL.
    pub irql_name: &'static str,
    /// Whether the lane is an NMI lane.
    pub nmi: bool,
    /// How important the record is.
    pub level: Named,
    /// What the payload is.
    pub kind: Named,
    /// Thread and process of the caller, if they were read.
    #[serde(flatten)]
    pub thread: Option<ShownThread>,
    /// The payload.
    #[serde(flatten)]
    pub content: ShownContent<'a>,
    /// The caller's text or string was longer than a record holds.
    #[serde(skip_serializing_if = "is_unset")]
    pub truncated: bool,
    /// A user-mode program wrote it, by MARK.
    #[serde(skip_serializing_if = "is_unset")]
    pub user: bool,
    /// irqlog.sys wrote it itself.
    #[serde(skip_serializing_if = "is_unset")]
    pub own: bool,
    /// The call came through the entry that never waits, which is for NMI and machine-check callbacks.
    #[serde(skip_serializing_if = "is_unset")]
    pub never_waits: bool,
    /// Pointers among its arguments are hashes.
    #[serde(skip_serializing_if = "is_unset")]
    pub pointers_hashed: bool,
    /// Pointers among its arguments are addresses.
    #[serde(skip_serializing_if = "is_unset")]
    pub pointers_raw: bool,
    /// It is delivered after newer records.
    #[serde(skip_serializing_if = "is_unset")]
    pub late: bool,
}

/// Who called.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShownThread {
    /// Id of the thread.
    pub thread: u32,
    /// Id of the process.
    pub process: u32,
}

/// A payload as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ShownContent<'a> {
    /// Text that the caller made.
    Text {
        /// The text.
        text: Untrusted<Cow<'a, str>>,
    },
    /// A piece of a blob.
    Blob {
        /// The piece.
        blob: ShownBlob<'a>,
    },
    /// The arguments of a log call.
    Event(ShownEvent<'a>),
    /// A payload that this version cannot show.
    Unknown {
        /// The payload.
        bytes: Hex<'a>,
    },
}

/// A piece of a blob.
#[derive(Clone, Debug, Serialize)]
pub struct ShownBlob<'a> {
    /// Number of the blob.
    pub blob: u32,
    /// The caller's tag.
    pub tag: u32,
    /// Bytes of the blob before this piece.
    pub offset: u32,
    /// Bytes of the whole blob.
    pub total: u32,
    /// The bytes of this piece.
    pub bytes: Hex<'a>,
}

/// An event: its text, where it comes from, and its arguments with their types.
#[derive(Clone, Debug, Serialize)]
pub struct ShownEvent<'a> {
    /// The text by the format of the site.
    pub text: Untrusted,
    /// A part of the text was left out: see [`event::MAX_TEXT`].
    #[serde(skip_serializing_if = "is_unset")]
    pub text_shortened: bool,
    /// Id of the site.
    pub site: u32,
    /// Name of the provider, if its site table is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Untrusted<&'a str>>,
    /// What the event stands for besides its text: `begin`, `end` or `counter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Named>,
    /// The site, if it is in the table.
    #[serde(flatten)]
    pub source: Option<ShownPlace<'a>>,
    /// The arguments, in the order of the call.
    pub arguments: Vec<ShownArgument<'a>>,
}

/// What a site repeats with each of its events: what takes a KiB of each text.
#[derive(Clone, Debug, Serialize)]
pub struct ShownPlace<'a> {
    format: Start<'a>,
    module: Start<'a>,
    file: Start<'a>,
    line: u32,
}

/// An argument of an event.
#[derive(Clone, Debug)]
pub struct ShownArgument<'a> {
    /// The name; empty for an argument without one.
    name: &'a str,
    argument: DecodedArgument<'a>,
}

/// Records that are missing, as they are shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLoss {
    /// Which records.
    pub loss: Loss,
    /// Time of the lane's last record before them, in seconds from the start of the driver.
    #[serde(skip)]
    pub from: Option<f64>,
    /// Time of the lane's first record behind them, in seconds from the start of the driver.
    #[serde(skip)]
    pub to: Option<f64>,
}

impl<'a> ShownRecord<'a> {
    /// A record of the log with these tables.
    #[must_use]
    pub fn new(tables: &'a Tables, record: &'a Record) -> Self {
        let header = &record.header;
        let tick = header.tick.get();
        Self {
            seconds: tables.seconds(tick),
            tick,
            lane: record.lane,
            seq: header.seq.get(),
            cpu: header.processor.get(),
            irql: header.irql,
            irql_name: irql::name(header.irql),
            nmi: tables.is_nmi(record.lane),
            level: Named::new(header.level, record.level().name()),
            kind: Named::new(header.kind, Kind(header.kind).name()),
            thread: record.thread().map(|(thread, process)| ShownThread { thread, process }),
            content: content(tables, record),
            truncated: record.has(flags::TRUNCATED),
            user: record.has(flags::USER),
            own: record.has(flags::OWN),
            never_waits: record.has(flags::NEVER_WAITS),
            pointers_hashed: record.has(flags::POINTERS_HASHED),
            pointers_raw: record.has(flags::POINTERS_RAW),
            late: record.late,
        }
    }
}

impl ShownRecord<'_> {
    /// Whether the record is one of an NMI or machine check, as far as the record tells: it lies in an NMI lane, or its
    /// call came through the entry that never waits.
    ///
    /// The IRQL does not tell: in an NMI callback it may be that of the code that was interrupted.
    pub const fn is_nmi(&self) -> bool {
        self.nmi || self.never_waits
    }
}

fn content<'a>(tables: &'a Tables, record: &'a Record) -> ShownContent<'a> {
    match record.content() {
        Content::Text(text) => ShownContent::Text { text },
        Content::Blob { header, bytes } => ShownContent::Blob { blob: blob(&header, bytes) },
        Content::Event(payload) => {
            let site = tables.sites.first_equal(record.header.site.get());
            ShownContent::Event(ShownEvent::new(site, EventView::new(tables, site, payload, record)))
        }
        Content::Unknown(bytes) => ShownContent::Unknown { bytes: Hex(bytes) },
    }
}

const fn blob<'a>(header: &BlobHeader, bytes: &'a [u8]) -> ShownBlob<'a> {
    let BlobHeader { blob, tag, offset, total, .. } = header;
    ShownBlob { blob: blob.get(), tag: tag.get(), offset: offset.get(), total: total.get(), bytes: Hex(bytes) }
}

impl<'a> ShownEvent<'a> {
    fn new(site: u32, event: EventView<'a>) -> Self {
        let ((text, text_shortened), provider) = (event.text_as_shown(), event.provider);
        let source = event.site.as_ref().map(ShownPlace::new);
        let role = event.site.as_ref().map(|site| site.header.role.get()).filter(|role| *role != 0);
        let role = role.map(|role| Named::new(role, SiteRole(role).name()));
        let names: Vec<_> = event.names().collect();
        let arguments = event.arguments.into_iter().zip(names);
        let arguments = arguments.map(|(argument, name)| ShownArgument { name, argument }).collect();
        Self { text, text_shortened, site, provider, role, source, arguments }
    }
}

impl ShownEvent<'_> {
    /// Source file and line of the log call, if its site is in the table.
    pub fn place(&self) -> Option<(Untrusted, u32)> {
        let place = self.source.as_ref()?;
        Some((Untrusted::new(String::from_utf8_lossy(place.file.0).into_owned()), place.line))
    }
}

impl<'a> ShownPlace<'a> {
    const fn new(site: &Site<'a>) -> Self {
        let Site { format, module, file, .. } = *site;
        Self { format: Start(format), module: Start(module), file: Start(file), line: site.header.line.get() }
    }
}

impl ShownLoss {
    /// A loss of the log with these tables.
    #[must_use]
    pub fn new(tables: &Tables, loss: Loss) -> Self {
        let [from, to] = [loss.from_tick, loss.to_tick].map(|tick| tick.map(|tick| tables.seconds(tick)));
        Self { loss, from, to }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_unset(flag: &bool) -> bool {
    !*flag
}

/// The text of a site as each of its events repeats it: what takes a KiB, with `...` at its end if there is more.
#[derive(Clone, Copy, Debug)]
struct Start<'a>(&'a [u8]);

impl Serialize for Start<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const MOST: usize = 1024;
        let mut text = String::from_utf8_lossy(self.0.get(..=MOST).unwrap_or(self.0)).into_owned();
        shorten(&mut text, MOST);
        serializer.serialize_str(&text)
    }
}

impl Serialize for ShownArgument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let DecodedArgument { kind, value, cut } = &self.argument;
        let mut map = serializer.serialize_map(None)?;
        if !self.name.is_empty() {
            map.serialize_entry("name", &Start(self.name.as_bytes()))?;
        }
        map.serialize_entry("type", &Named::new(kind.0, kind.name()))?;
        map.serialize_entry("value", &Plain(value))?;
        if let Some(exact) = exact(value) {
            map.serialize_entry("value_exact", &exact)?;
        }
        if matches!(value, Value::HashedPointer(_)) {
            map.serialize_entry("hashed", &true)?;
        }
        if *cut != 0 {
            map.serialize_entry("cut", cut)?;
        }
        map.end()
    }
}

/// A value as one JSON type for each kind.
struct Plain<'a>(&'a Value<'a>);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Status {
            status: String,
            name: Option<&'static str>,
        }
        match self.0 {
            Value::Unsigned(wide, 128) => serializer.collect_str(wide),
            Value::Signed(wide, 128) => serializer.collect_str(wide),
            Value::Unsigned(wide, _) => serializer.serialize_u64(*wide as u64),
            Value::Signed(wide, _) => serializer.serialize_i64(*wide as i64),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Char(character) => serializer.serialize_char(*character),
            // JSON has no NaN and no infinities: they become null.
            Value::F32(float) => serializer.serialize_f64((*float).into()),
            Value::F64(float) => serializer.serialize_f64(*float),
            Value::Pointer(address) | Value::HashedPointer(address) => {
                serializer.collect_str(&format_args!("{address:#x}"))
            }
            Value::Status(status) => {
                Status { status: format!("{status:#010x}"), name: status::name(*status) }.serialize(serializer)
            }
            Value::Guid(guid) => serializer.serialize_str(&event::guid(guid)),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => Hex(bytes).serialize(serializer),
            Value::Unknown(word) => serializer.serialize_u64(*word),
        }
    }
}

/// The exact text of a value of a kind that a double may not hold.
fn exact(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Unsigned(_, 0..=32) | Value::Signed(_, 0..=32) => None,
        Value::Unsigned(wide, _) => Some(wide.to_string()),
        Value::Signed(wide, _) => Some(wide.to_string()),
        Value::F32(float) => Some(float.to_string()),
        Value::F64(float) => Some(float.to_string()),
        Value::Unknown(word) => Some(word.to_string()),
        _ => None,
    }
}
