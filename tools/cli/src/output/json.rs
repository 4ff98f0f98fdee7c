//! JSON: one object a line.

use std::{
    borrow::Cow,
    io::{Result, Write},
};

use irqlog_reader::{
    event::{self, EventView},
    image::Tables,
    record::{Content, Record},
    untrusted::is_deceptive,
};
use irqlog_wire::{
    image::{DropReason, Engine, LaneKind, Lock, Policy},
    irql,
    record::{Kind, Level, flags},
};
use serde_json::{Map, Value, json};

use super::is_nmi;

/// JSON in which nothing is left that a terminal obeys or an eye does not see: inside strings it is `\\uXXXX`, and
/// outside of strings JSON has nothing of the kind.
pub fn escaped(json: &str) -> Cow<'_, str> {
    // A newline is one between the lines of an object: serde_json escapes those in strings.
    let is_hidden = |character| character != '\n' && is_deceptive(character);
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Beyond this a reader that keeps numbers as doubles loses digits.
const MAX_SAFE: u64 = 1 << 53;

/// An object as one line. Behind each integer beyond 2^53 comes a field with its digits as text: `tick_exact`.
pub fn line(object: Value) -> String {
    let object = if has_large(&object) { with_exact(object) } else { object };
    escaped(&object.to_string()).into_owned()
}

fn is_large(value: &Value) -> bool {
    value.as_u64().is_some_and(|number| number > MAX_SAFE)
        || value.as_i64().is_some_and(|number| number.unsigned_abs() > MAX_SAFE)
}

fn has_large(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_large),
        Value::Object(fields) => fields.values().any(has_large),
        _ => is_large(value),
    }
}

fn with_exact(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(with_exact).collect(),
        Value::Object(fields) => {
            let mut all = Map::new();
            for (name, field) in fields {
                let exact = is_large(&field).then(|| (format!("{name}_exact"), Value::from(field.to_string())));
                all.insert(name, with_exact(field));
                all.extend(exact);
            }
            Value::Object(all)
        }
        other => other,
    }
}

/// A name where there is one, else the number; a text in any case.
fn name_or(name: Option<&'static str>, number: u64) -> Value {
    name.map_or_else(|| number.to_string().into(), Into::into)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a site as each of its events repeats it: the first KiB, with a mark if there is more.
fn start_of(bytes: &[u8]) -> String {
    const MOST: usize = 1024;
    let text = String::from_utf8_lossy(bytes.get(..MOST).unwrap_or(bytes)).into_owned();
    if bytes.len() > MOST { text + "\u{2026}" } else { text }
}

/// An event: its text, where it comes from, and its arguments with their types.
fn event_fields(fields: &mut Map<String, Value>, site: u32, event: &EventView<'_>) {
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("text", event.text().into_raw().into());
    put("site", site.into());
    if let Some(provider) = event.provider {
        put("provider", provider.raw().into());
    }
    if let Some(site) = event.site {
        put("format", start_of(site.format).into());
        put("module", start_of(site.module).into());
        put("file", start_of(site.file).into());
        put("line", site.header.line.get().into());
    }
    let arguments = event.arguments.iter().zip(event.names()).map(|(argument, name)| {
        let mut object = Map::new();
        if !name.is_empty() {
            object.insert("name".into(), start_of(name.as_bytes()).into());
        }
        object.insert("type".into(), name_or(argument.kind.name(), argument.kind.0.into()));
        let (value, exact) = value(&argument.value);
        object.insert("value".into(), value);
        if let Some(exact) = exact {
            object.insert("value_exact".into(), exact.into());
        }
        if argument.cut != 0 {
            object.insert("cut".into(), argument.cut.into());
        }
        Value::Object(object)
    });
    put("arguments", arguments.collect());
}

/// A value, of one JSON type for each kind, and its exact text where a double may not hold it: see `docs/json.md`.
fn value(value: &event::Value<'_>) -> (Value, Option<String>) {
    let number = |number: Value, exact: String| (number, Some(exact));
    match value {
        event::Value::Unsigned(wide, bits) => integer(*bits, wide.to_string(), (*wide as u64).into()),
        event::Value::Signed(wide, bits) => integer(*bits, wide.to_string(), (*wide as i64).into()),
        event::Value::Bool(value) => ((*value).into(), None),
        event::Value::Char(character) => (character.to_string().into(), None),
        // JSON has no NaN and no infinities: `into` makes null of them.
        event::Value::F32(float) => number(f64::from(*float).into(), float.to_string()),
        event::Value::F64(float) => number((*float).into(), float.to_string()),
        event::Value::Pointer(address) => (format!("{address:#x}").into(), None),
        event::Value::Status(status) => {
            (json!({ "status": format!("{status:#010x}"), "name": irqlog_reader::status::name(*status) }), None)
        }
        event::Value::Guid(guid) => (event::guid(guid).into(), None),
        event::Value::Text(text) => (text.as_ref().into(), None),
        event::Value::Bytes(bytes) => (hex(bytes).into(), None),
        event::Value::Unknown(word) => number((*word).into(), word.to_string()),
    }
}

/// An integer and its width in bits: up to 32 bits a number, 64 a number and text, 128 text.
fn integer(bits: u32, digits: String, number: Value) -> (Value, Option<String>) {
    match bits {
        0..=32 => (number, None),
        64 => (number, Some(digits)),
        _ => (digits.clone().into(), Some(digits)),
    }
}

/// A record.
pub fn record(out: &mut impl Write, tables: &Tables, record: &Record) -> Result<()> {
    let header = &record.header;
    let mut object = json!({
        "seconds": tables.seconds(header.tick.get()),
        "tick": header.tick.get(),
        "lane": record.lane,
        "seq": header.seq.get(),
        "cpu": header.processor.get(),
        "irql": header.irql,
        "irql_name": irql::name(header.irql),
        "nmi": is_nmi(tables, record.lane),
        "level": name_or(record.level().name(), header.level.into()),
        "kind": name_or(Kind(header.kind).name(), header.kind.into()),
    });
    let fields = object.as_object_mut().map_or_else(Map::new, std::mem::take);
    let mut fields = fields;
    if let Some((thread, process)) = record.thread() {
        fields.insert("thread".into(), thread.into());
        fields.insert("process".into(), process.into());
    }
    match record.content() {
        Content::Text(text) => {
            fields.insert("text".into(), text.raw().into());
        }
        Content::Blob { header, bytes } => {
            let blob = json!({
                "blob": header.blob.get(), "tag": header.tag.get(), "offset": header.offset.get(),
                "total": header.total.get(), "bytes": hex(bytes),
            });
            fields.insert("blob".into(), blob);
        }
        Content::Event(_) => {
            if let Some(event) = EventView::of(tables, record) {
                event_fields(&mut fields, record.header.site.get(), &event);
            }
        }
        Content::Unknown(bytes) => {
            fields.insert("bytes".into(), hex(bytes).into());
        }
    }
    for (flag, name) in [
        (flags::TRUNCATED, "truncated"),
        (flags::USER, "user"),
        (flags::OWN, "own"),
        (flags::NEVER_WAITS, "never_waits"),
        (flags::POINTERS_HASHED, "pointers_hashed"),
        (flags::POINTERS_RAW, "pointers_raw"),
    ] {
        if record.has(flag) {
            fields.insert(name.into(), true.into());
        }
    }
    if record.late {
        fields.insert("late".into(), true.into());
    }
    writeln!(out, "{}", line(Value::Object(fields)))
}

/// Header, lanes and counters.
pub fn info(tables: &Tables) -> Value {
    let header = &tables.header;
    let lanes: Vec<Value> = tables
        .present()
        .map(|(index, lane)| {
            json!({
                "lane": index,
                "kind": name_or(LaneKind(lane.kind.get()).name(), lane.kind.get().into()),
                "cpu": lane.processor.get(),
                "bytes": lane.data_words.get().saturating_mul(8),
                "written": lane.next_seq.get().wrapping_sub(lane.first_seq.get()),
                "contended": lane.contended.get(),
                "longest_wait_ticks": lane.longest_wait.get(),
                "longest_hold_ticks_sampled": lane.longest_hold.get(),
                "hold_samples": lane.hold_samples.get(),
            })
        })
        .collect();
    let drops: Map<String, Value> = (0..)
        .zip(tables.drops())
        .filter_map(|(index, count)| Some((DropReason(index).name()?.to_owned(), count.into())))
        .collect();
    json!({
        "version": super::version(tables),
        "format": format!("{}.{}", header.major, header.minor),
        "engine": name_or(Engine(header.engine.get()).name(), header.engine.get().into()),
        "lock": name_or(Lock(header.lock.get()).name(), header.lock.get().into()),
        "level": name_or(Level(header.level.get() as u8).name(), header.level.get()),
        "policy": name_or(Policy(header.policy.get() as u32).name(), header.policy.get()),
        "paused": header.paused.get() != 0,
        "active_processors": header.active_processors.get(),
        "tick_frequency": header.tick_frequency.get(),
        "own_calls": header.own_calls.get(),
        "dropped": drops,
        "lanes": lanes,
    })
}
