//! The metadata of a CTF trace: what describes its bytes, in the language TSDL.

use std::{collections::BTreeSet, fmt::Write};

use irqlog_reader::{event::EventView, untrusted::Untrusted};
use irqlog_wire::{event::ArgumentKind, record::Level};

use crate::sink::{ExportSummary, Provenance, balance_message};

/// The most characters of a provider's name and a format that name an event.
const LONGEST_NAME: usize = 1024;

/// Types, and what every stream has. The first line is the one by which readers know the format.
const HEAD: &str = "\
/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 8; align = 8; signed = false; base = hexadecimal; } := byte_t;
typealias integer { size = 8; align = 8; signed = true; encoding = UTF8; } := utf8_t;
typealias integer { size = 16; align = 16; signed = false; } := uint16_t;
typealias integer { size = 16; align = 16; signed = false; base = hexadecimal; } := flags_t;
typealias integer { size = 32; align = 32; signed = false; } := uint32_t;
typealias integer { size = 64; align = 64; signed = false; } := uint64_t;
typealias enum : uint64_t { none, overwritten, \"not-saved\", damaged, \"cut-off\" } := loss_cause_t;
trace {
    major = 1;
    minor = 8;
    byte_order = le;
    packet.header := struct { uint32_t magic; uint32_t stream_id; };
};
";

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    streams: String,
    classes: String,
}

/// An event class.
pub(super) struct EventClass {
    pub id: u32,
    pub stream: usize,
    pub level: Level,
    pub name: String,
    pub uri: String,
    /// Declarations of the payload's fields.
    pub fields: Vec<String>,
}

/// A string literal.
fn literal(text: &str) -> String {
    let shown = Untrusted::new(text).to_string();
    format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Metadata {
    /// Describes the clock and the streams of a log.
    pub(super) fn stream(&mut self, log: &Provenance<'_>) {
        let (clock, number) = (log.clock(), log.number);
        let frequency = clock.tick_frequency();
        // The same as `WallClock::nanoseconds`, in ticks: an integer, and so exact.
        let offset = clock.counter_zero_in_ticks();
        let seconds = offset.div_euclid(frequency.into());
        let ticks = offset.rem_euclid(frequency.into());
        let absolute = if clock.has_time_of_day() { "true" } else { "false" };
        let name = literal(&format!("performance counter of start {}", log.start()));
        // Writing to a String cannot fail.
        let _ = write!(
            self.streams,
            "\
clock {{
    name = clock_{number};
    description = {name};
    freq = {frequency};
    offset_s = {seconds};
    offset = {ticks};
    absolute = {absolute};
}};
typealias integer {{ size = 64; align = 64; signed = false; map = clock.clock_{number}.value; }} := tick_{number}_t;
stream {{
    id = {number};
    event.header := struct {{ uint32_t id; tick_{number}_t timestamp; }};
    event.context := struct {{
        uint64_t seq; uint64_t tick; uint32_t thread; uint32_t process; uint16_t cpu; flags_t flags; uint8_t irql;
        uint8_t level; uint16_t late;
    }};
    packet.context := struct {{
        uint64_t lane; tick_{number}_t timestamp_begin; tick_{number}_t timestamp_end; uint64_t content_size;
        uint64_t packet_size; uint64_t packet_seq_num; uint64_t events_discarded; uint64_t next_seq; loss_cause_t loss_cause;
    }};
}};
"
        );
    }

    /// Describes an event class.
    pub(super) fn class(&mut self, class: &EventClass) {
        let EventClass { id, stream, level, name, uri, fields } = class;
        // The values of LTTng, which readers name: TRACE_ERR and so on.
        let level = match *level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug => 14,
            _ => 13,
        };
        let _ = writeln!(
            self.classes,
            "event {{\n    name = {};\n    id = {id};\n    stream_id = {stream};",
            literal(name)
        );
        let _ = writeln!(self.classes, "    loglevel = {level};");
        if !uri.is_empty() {
            let _ = writeln!(self.classes, "    model.emf.uri = {};", literal(uri));
        }
        let _ = writeln!(self.classes, "    fields := struct {{ {} }};\n}};", fields.join(" "));
    }

    /// The whole text.
    pub(super) fn finish(&self, logs: &[Provenance<'_>], summary: &ExportSummary) -> String {
        let mut environment = String::new();
        let _ = writeln!(environment, "env {{\n    tracer_name = \"irqlog\";");
        let _ = writeln!(environment, "    filtered = \"{}\";", if summary.is_filtered { "yes" } else { "no" });
        for (log, lanes) in logs.iter().zip(&summary.balances) {
            let number = log.number;
            let _ = writeln!(environment, "    log_{number}_name = {};", literal(log.name));
            let _ = writeln!(environment, "    log_{number}_start = \"{}\";", log.start());
            let _ = writeln!(environment, "    log_{number}_driver_version = \"{}\";", log.tables.version());
            for lane in lanes {
                let name = literal(&log.lane_name(lane.lane));
                let _ = writeln!(environment, "    log_{number}_lane_{} = {name};", lane.lane);
                let balance = literal(&balance_message(lane));
                let _ = writeln!(environment, "    log_{number}_lane_{}_balance = {balance};", lane.lane);
            }
        }
        let _ = writeln!(environment, "}};");
        [HEAD, &environment, &self.streams, &self.classes].concat()
    }
}

/// The declarations of an event's arguments, each of which is a kind, a name, and whether it is text.
pub(super) fn arguments<'n>(arguments: impl Iterator<Item = (ArgumentKind, &'n str, bool)>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let declaration = |(number, (kind, name, is_text)): (usize, (ArgumentKind, &str, bool))| {
        let name = distinct(&identifier(name, number), &mut taken);
        declare(kind, &name, is_text)
    };
    arguments.enumerate().map(declaration).collect()
}

/// A name as an identifier. It begins with an underscore, which readers take off, so no word of the language is one.
fn identifier(name: &str, number: usize) -> String {
    if name.is_empty() {
        return format!("_arg{number}");
    }
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    format!("_{}", name.chars().map(letter).collect::<String>())
}

/// What stands behind the name of a field that belongs to another one.
const PARTS: [&str; 5] = ["", "_length", "_had", "_low", "_high"];

/// A name that no field has, and none of the fields that belong to one.
fn distinct(name: &str, taken: &mut BTreeSet<String>) -> String {
    let is_free =
        |name: &str, taken: &BTreeSet<String>| PARTS.iter().all(|part| !taken.contains(&format!("{name}{part}")));
    let mut own = name.to_owned();
    for number in 2.. {
        if is_free(&own, taken) {
            break;
        }
        own = format!("{name}_{number}");
    }
    taken.extend(PARTS.iter().map(|part| format!("{own}{part}")));
    own
}

/// The declaration of an argument as it lies: in words of 64 bits, of which a small number takes a part.
fn declare(kind: ArgumentKind, name: &str, is_text: bool) -> String {
    let integer = |size: usize, is_signed: bool, base: &str| {
        format!("integer {{ size = {size}; align = 64; signed = {is_signed}; base = {base}; }} {name};")
    };
    let float = |exponent: u32, mantissa: u32| {
        format!("floating_point {{ exp_dig = {exponent}; mant_dig = {mantissa}; align = 64; }} {name};")
    };
    let half =
        |part: &str| format!("integer {{ size = 64; align = 64; signed = false; base = hexadecimal; }} {name}{part};");
    match kind {
        ArgumentKind::U8 => integer(8, false, "decimal"),
        ArgumentKind::U16 => integer(16, false, "decimal"),
        ArgumentKind::U32 | ArgumentKind::Char => integer(32, false, "decimal"),
        ArgumentKind::U64 | ArgumentKind::Usize | ArgumentKind::Bool => integer(64, false, "decimal"),
        ArgumentKind::I8 => integer(8, true, "decimal"),
        ArgumentKind::I16 => integer(16, true, "decimal"),
        ArgumentKind::I32 => integer(32, true, "decimal"),
        ArgumentKind::I64 | ArgumentKind::Isize => integer(64, true, "decimal"),
        ArgumentKind::Status => integer(32, false, "hexadecimal"),
        // The largest integer of a reader has 64 bits.
        ArgumentKind::U128 | ArgumentKind::I128 => format!("{} {}", half("_low"), half("_high")),
        ArgumentKind::F32 => float(8, 24),
        ArgumentKind::F64 => float(11, 53),
        ArgumentKind::Guid => {
            format!("struct {{ byte_t bytes[16]; }} align(64) {name};")
        }
        _ if kind.is_string() => bytes(name, is_text),
        _ => integer(64, false, "hexadecimal"),
    }
}

/// The declaration of a string: bytes that follow, bytes that it had, and the bytes.
fn bytes(name: &str, is_text: bool) -> String {
    let element = if is_text { "utf8_t" } else { "byte_t" };
    format!(
        "integer {{ size = 32; align = 64; signed = false; }} {name}_length; uint32_t {name}_had; \
         {element} {name}[{name}_length];"
    )
}

/// The declarations of a payload that is text, or bytes.
pub(super) fn payload(name: &str, is_text: bool) -> Vec<String> {
    vec![bytes(&identifier(name, 0), is_text)]
}

/// The declarations of a piece of a blob.
pub(super) fn blob() -> Vec<String> {
    let number = |name: &str| format!("uint32_t {name};");
    let mut fields = vec!["integer { size = 32; align = 64; signed = false; base = hexadecimal; } _tag;".to_owned()];
    fields.extend(["_blob", "_total", "_offset"].map(number));
    fields.extend(payload("bytes", false));
    fields
}

/// The name of an event's class, and a URI with the rest that is known of its site.
pub(super) fn name_and_uri(site: u32, view: &EventView<'_>, kinds: &[ArgumentKind]) -> (String, String) {
    let provider = view.provider.map_or("", |provider| provider.into_raw());
    let format = view.site.map_or_else(|| "(unknown site)".into(), |site| String::from_utf8_lossy(site.format));
    let name: String = format!("{provider}: {format}").chars().take(LONGEST_NAME).collect();
    let types: Vec<_> =
        kinds.iter().map(|kind| kind.name().map_or_else(|| kind.0.to_string(), str::to_owned)).collect();
    let mut uri = format!("irqlog:site?id={site}&types={}", types.join(","));
    if let Some(site) = view.site {
        let _ = write!(uri, "&file={}&line={}&module={}", encoded(site.file), site.header.line, encoded(site.module));
    }
    (name, uri)
}

/// Bytes in a URI (RFC 3986): percent-encoded but for letters, digits, and what separates the parts of a path.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
