//! The tables of the format as JavaScript: where each field lies, what each number is called, how formats are written.

use std::{fmt::Write, mem::offset_of, path::PathBuf};

use irqlog_reader::{event, status, untrusted::is_deceptive};
use irqlog_wire::{
    VERSION,
    crash::{
        ANCHOR_MAGIC, ANCHOR_NAME, Anchor, ChunkHeader, ChunkKind, GUID_BYTES, LaneSummary, PART_MAGIC, PartHeader,
        StreamForm,
    },
    event::{ArgumentKind, MAX_ARGUMENTS, NEEDS_DRIVER},
    format::{ALIGNS, STYLES},
    image::{
        DropReason, Engine, ImageHeader, LaneControl, LaneControlBefore4, LaneKind, Lock, MAGIC, Policy,
        ProcessorControl,
    },
    irql,
    record::{BlobHeader, Kind, Level, MAX_SIZE, RecordHeader, flags},
    site::{MAX_PROVIDER_NAME, PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader, SiteRole},
};
use serde_json::{Map, Value, json};

use crate::script;

/// The file of the tables.
#[must_use]
pub fn path() -> PathBuf {
    script::folder().join("tables.js")
}

/// A field: name, offset, type, and the number of elements if it is an array.
type Field = (&'static str, usize, &'static str, Option<usize>);

/// A type that a field may have.
trait FieldType {
    /// Its name in the script.
    const NAME: &'static str;
    /// Elements of an array.
    const COUNT: Option<usize> = None;
}

impl FieldType for u8 {
    const NAME: &'static str = "u8";
}
impl FieldType for zerocopy::little_endian::U16 {
    const NAME: &'static str = "u16";
}
impl FieldType for zerocopy::little_endian::U32 {
    const NAME: &'static str = "u32";
}
impl FieldType for zerocopy::little_endian::U64 {
    const NAME: &'static str = "u64";
}
impl<T: FieldType, const N: usize> FieldType for [T; N] {
    const NAME: &'static str = T::NAME;
    const COUNT: Option<usize> = Some(N);
}

/// What the type of a field is; the accessor is never called.
const fn described<S, T: FieldType>(name: &'static str, offset: usize, _: fn(&S) -> &T) -> (Field, usize) {
    ((name, offset, T::NAME, T::COUNT), size_of::<T>())
}

/// The layout of a structure. It has to name each field: their sizes are those of the whole.
macro_rules! layout {
    ($structure:ident { $($field:ident),+ $(,)? }) => {{
        let fields = [$(described::<$structure, _>(stringify!($field), offset_of!($structure, $field), |it| &it.$field)),+];
        assert_eq!(fields.iter().map(|(_, size)| size).sum::<usize>(), size_of::<$structure>(), stringify!($structure));
        (stringify!($structure), size_of::<$structure>(), fields.map(|(field, _)| field).to_vec())
    }};
}

/// Every structure that the script reads: name, size, fields.
#[rustfmt::skip] // A list of names, of which each would get a line.
fn layouts() -> Vec<(&'static str, usize, Vec<Field>)> {
    vec![
        layout!(ImageHeader {
            magic, major, minor, header_size, total_size, processors_offset, processor_size, processor_count,
            active_processors, lanes_offset, lane_size, lane_count, engine, lock, machine, tick_frequency,
            tick_base, time_base, start_id, driver_version, build_flags, reserved0, sites_offset, sites_size, level,
            policy, paused, own_calls, blobs, drops, refused_providers, crashed, crash_code, crash_parameters,
            crash_processor, crash_tick, sites_replaced, checksums_offset, checksum_block, reserved1,
        }),
        layout!(ProcessorControl { nesting, drops, reserved }),
        layout!(LaneControl {
            kind, processor, data_offset, data_words, first_seq, first_position, floor, tail, reserved0, contended,
            longest_wait, longest_hold, hold_samples, reserved1, head, next_seq, nesting, reserved2, marks,
        }),
        layout!(LaneControlBefore4 {
            kind, processor, data_offset, data_words, first_seq, first_position, floor, reserved0, head, tail,
            next_seq, contended, longest_wait, longest_hold, hold_samples, reserved1,
        }),
        layout!(RecordHeader {
            size, kind, level, flags, irql, reserved, processor, payload_size, site, seq, tick, thread, process,
        }),
        layout!(BlobHeader { tag, blob, total, offset }),
        layout!(SiteHeader { magic, size, line, level, arguments, role, format, names, module, file }),
        layout!(ProviderHeader {
            magic, size, name_size, sites_offset, sites_size, site_count, level, registered, registrations,
            first_site, vanished,
        }),
        layout!(PartHeader {
            magic, major, minor, header_size, start_id, index, count, offset, length, form, total, records_left_out,
            records, allowed, kept, reserved,
        }),
        layout!(ChunkHeader { kind, index, length }),
        layout!(LaneSummary {
            kind, processor, first_seq, floor, next_seq, contended, longest_wait, longest_hold, hold_samples,
        }),
        layout!(Anchor { magic, version, image, image_size, pieces, piece_count, piece_size }),
    ]
}

/// The name of a value as an identifier: `re-entered` is `ReEntered`.
fn identifier(name: &str) -> String {
    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// The values of an enumeration by their identifiers, and their names by value.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {
        Value::Object(Map::from_iter([$((stringify!($name).to_owned(), {
            let known = || $name::KNOWN.iter().filter_map(|value| value.name().map(|name| (value.0, name)));
            json!({
                "values": known().map(|(value, name)| (identifier(name), json!(value))).collect::<Map<_, _>>(),
                "names": known().map(|(value, name)| (value.to_string(), json!(name))).collect::<Map<_, _>>(),
            })
        })),+]))
    };
}

/// Code points for which something is true, as the distances between the bounds of their ranges.
fn ranges(is_in: impl Fn(char) -> bool) -> Vec<u32> {
    let (mut distances, mut last, mut was_in) = (Vec::new(), 0, false);
    for code in 0..=u32::from(char::MAX) + 1 {
        let is_in = char::from_u32(code).is_some_and(&is_in);
        if is_in != was_in {
            distances.push(code - last);
            (last, was_in) = (code, is_in);
        }
    }
    distances
}

/// Whether `escape_debug` writes a character as `\u{...}`.
fn is_escaped(character: char) -> bool {
    character.escape_debug().to_string().starts_with("\\u")
}

/// Properties of characters, as Rust's library of this build knows them.
fn unicode() -> Value {
    let blank =
        ('\u{7f}'..=char::MAX).filter(|&character| is_deceptive(character) && character.escape_debug().len() == 1);
    let (major, minor, update) = char::UNICODE_VERSION;
    json!({
        "version": format!("{major}.{minor}.{update}"),
        "blank": blank.map(u32::from).collect::<Vec<_>>(),
        "escaped": ranges(is_escaped),
        "alphabetic": ranges(char::is_alphabetic),
        "alphanumeric": ranges(char::is_alphanumeric),
    })
}

/// The whole file.
#[must_use]
pub fn source() -> String {
    let mut out = String::from(
        "// The tables of the format. Made from crates/wire and crates/reader by tools/debugger/src/tables.rs; do not change\n\
         // them here: `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger` makes them anew.\n\nconst WIRE = {\n",
    );
    let mut entry = |name: &str, value: &Value| put(&mut out, 1, name, value);
    entry("version", &json!({ "major": VERSION.major, "minor": VERSION.minor }));
    entry("driver", &json!("irqlog"));
    entry("anchorName", &json!(ANCHOR_NAME));
    entry("guid", &json!(GUID_BYTES));
    entry("magic", &json!({ "image": MAGIC, "part": PART_MAGIC, "anchor": ANCHOR_MAGIC }));
    entry(
        "limits",
        &json!({
            "maxRecord": MAX_SIZE,
            "maxArguments": MAX_ARGUMENTS,
            "needsDriver": NEEDS_DRIVER,
            "maxProviderName": MAX_PROVIDER_NAME,
            "siteMagic": SITE_MAGIC,
            "providerMagic": PROVIDER_MAGIC,
            "maxText": event::MAX_TEXT,
            "maxPieces": event::MAX_PIECES,
            "widest": event::WIDEST,
        }),
    );
    entry("structures", &structures());
    entry(
        "enums",
        &names!(Kind, Level, ArgumentKind, Engine, Lock, Policy, LaneKind, DropReason, StreamForm, ChunkKind, SiteRole),
    );
    entry(
        "flags",
        &json!({
            "NO_THREAD": flags::NO_THREAD,
            "TRUNCATED": flags::TRUNCATED,
            "NEVER_WAITS": flags::NEVER_WAITS,
            "OWN": flags::OWN,
            "USER": flags::USER,
            "POINTERS_HASHED": flags::POINTERS_HASHED,
            "POINTERS_RAW": flags::POINTERS_RAW,
        }),
    );
    entry("irqls", &(0..=irql::HIGH_LEVEL).map(irql::name).collect());
    let styles = STYLES.iter().map(|(text, style)| json!([text, format!("{style:?}")]));
    let aligns = ALIGNS.iter().map(|(character, align)| json!([character, format!("{align:?}")]));
    entry("format", &json!({ "styles": styles.collect::<Vec<_>>(), "aligns": aligns.collect::<Vec<_>>() }));
    entry(
        "statuses",
        &status::names().map(|(value, name)| (value.to_string(), json!(name))).collect::<Map<_, _>>().into(),
    );
    entry("unicode", &unicode());
    out + "};\n"
}

fn structures() -> Value {
    let all = layouts().into_iter().map(|(name, size, fields)| {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(name, offset, kind, count)| match count {
                Some(count) => json!([name, offset, kind, count]),
                None => json!([name, offset, kind]),
            })
            .collect();
        (name.to_owned(), json!({ "size": size, "fields": fields }))
    });
    all.collect::<Map<_, _>>().into()
}

/// Longest line that is written where a value can be broken.
const WIDTH: usize = 120;

/// Writes an entry of an object: on one line if it has the room, else an element a line; numbers fill their lines.
fn put(out: &mut String, depth: usize, name: &str, value: &Value) {
    let indent = "    ".repeat(depth);
    let key = if name.is_empty() { String::new() } else { format!("{}: ", key(name)) };
    let line = format!("{indent}{key}{},\n", inline(value));
    if line.len() <= WIDTH {
        out.push_str(&line);
        return;
    }
    match value {
        Value::Object(fields) => {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{indent}{key}{{");
            fields.iter().for_each(|(name, value)| put(out, depth + 1, name, value));
            let _ = writeln!(out, "{indent}}},");
        }
        Value::Array(elements) => {
            let _ = writeln!(out, "{indent}{key}[");
            let mut line = String::new();
            for element in elements.iter().map(inline) {
                if !line.is_empty() && indent.len() + 4 + line.len() + element.len() + 2 > WIDTH {
                    let _ = writeln!(out, "{indent}    {}", line.trim_end());
                    line.clear();
                }
                line.push_str(&element);
                line.push_str(", ");
            }
            let _ = writeln!(out, "{indent}    {}", line.trim_end());
            let _ = writeln!(out, "{indent}],");
        }
        _ => out.push_str(&line),
    }
}

fn key(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if is_plain || name.bytes().all(|byte| byte.is_ascii_digit()) { name.to_owned() } else { format!("{name:?}") }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{}: {}", key(name), inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
