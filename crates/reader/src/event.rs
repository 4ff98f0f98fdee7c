//! Events: decodes the arguments of a log call, and makes its text by the format of its site.

use std::borrow::Cow;

use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, NEEDS_DRIVER, head_words},
    format::{Count, Piece, Style, Which, pieces},
    record::{WORD, flags},
    site::{Site, SiteRole},
};

use crate::{
    image::Tables,
    record::{Content, Record},
    render::{self, Spec},
    status,
    untrusted::{Untrusted, shorten},
};

pub use crate::render::{MAX_TEXT, guid};

/// The most characters that a field is filled up to. A larger width comes from damaged bytes or a hostile format.
pub const WIDEST: usize = 4096;

/// The most pieces of a format that are rendered.
///
/// [`MAX_TEXT`] alone is no bound: a hole may add nothing to the text.
pub const MAX_PIECES: usize = 1024;

/// The value of one argument of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// An unsigned number, and its width in bits.
    Unsigned(u128, u32),
    /// A signed number, and its width in bits.
    Signed(i128, u32),
    /// A truth value; every number but 0 is true.
    Bool(bool),
    /// A character; a number that is no Unicode scalar value becomes U+FFFD.
    Char(char),
    /// A floating-point number of 32 bits.
    F32(f32),
    /// A floating-point number of 64 bits.
    F64(f64),
    /// An address.
    Pointer(u64),
    /// The keyed hash of an address: equal addresses of one start of the driver have equal hashes.
    HashedPointer(u64),
    /// An NTSTATUS.
    Status(u32),
    /// A GUID, in the byte order of memory.
    Guid([u8; 16]),
    /// Text; bytes or UTF-16 units that are no text become U+FFFD.
    Text(Cow<'a, str>),
    /// Bytes, with no meaning known to irqlog.
    Bytes(&'a [u8]),
    /// The word of an argument whose kind this version does not know.
    Unknown(u64),
}

impl Value<'_> {
    /// Turns a pointer into a hash. Null is never hashed, so it stays an address.
    fn note_hash(&mut self) {
        if let Self::Pointer(word) = *self
            && word != 0
        {
            *self = Self::HashedPointer(word);
        }
    }
}

/// An argument of an event as the reader decodes it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedArgument<'a> {
    /// The type that the driver gave it.
    pub kind: ArgumentKind,
    /// The value, decoded by `kind`.
    pub value: Value<'a>,
    /// Number of bytes that the driver cut off the end of a string; zero for other kinds.
    pub cut: u32,
}

/// An event with the site and the provider of its log call.
#[derive(Clone, Debug)]
pub struct EventView<'a> {
    /// The provider's name; `None` if the site is not in the table.
    pub provider: Option<Untrusted<&'a str>>,
    /// The site; `None` if it is not in the table.
    pub site: Option<Site<'a>>,
    /// The arguments, in the order of the call.
    pub arguments: Vec<DecodedArgument<'a>>,
}

impl<'a> EventView<'a> {
    /// Decodes the event in a record; `None` if the record is a text or a blob.
    #[must_use]
    pub fn of(tables: &'a Tables, record: &'a Record) -> Option<Self> {
        match record.content() {
            Content::Event(payload) => Some(Self::new(tables, record.header.site.get(), payload, record)),
            _ => None,
        }
    }

    /// Decodes an event from the id of its site, its payload, and the flags of its record.
    #[must_use]
    pub fn new(tables: &'a Tables, site: u32, payload: &'a [u8], record: &Record) -> Self {
        let found = tables.sites.find(site);
        let provider =
            found.and_then(|(index, _)| tables.sites.providers().get(index)).map(|provider| provider.name.borrowed());
        let mut arguments = arguments(payload);
        if record.has(flags::POINTERS_HASHED) {
            for argument in &mut arguments {
                argument.value.note_hash();
            }
        }
        Self { provider, site: found.map(|(_, site)| site), arguments }
    }

    /// The event's text. If the site is unknown, it consists of the arguments alone.
    #[must_use]
    pub fn text(&self) -> Untrusted {
        self.text_as_shown().0
    }

    /// The event's text, and whether it was shortened to [`MAX_TEXT`].
    #[must_use]
    pub fn text_as_shown(&self) -> (Untrusted, bool) {
        let (text, is_shortened) = if let Some(site) = self.site {
            let arguments = of_format(&site, &self.arguments);
            shown(&String::from_utf8_lossy(site.format), &String::from_utf8_lossy(site.names), arguments)
        } else {
            let (text, is_shortened) = shown("(unknown site){", "", &self.arguments);
            (text.replacen('{', "", 1), is_shortened)
        };
        (Untrusted::new(text), is_shortened)
    }

    /// The names of the arguments, in order; an argument without a name has an empty one.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let names = self.site.and_then(|site| std::str::from_utf8(site.names).ok()).unwrap_or_default();
        names.split(',').chain(std::iter::repeat("")).take(self.arguments.len())
    }
}

/// Decodes the arguments in an event's payload. A payload that ends early gives fewer arguments.
///
/// Only the record says whether pointers are hashed, so here each is an address; [`EventView::new`] knows better.
#[must_use]
pub fn arguments(payload: &[u8]) -> Vec<DecodedArgument<'_>> {
    let count = payload.first().map_or(0, |&count| usize::from(count & !(NEEDS_DRIVER as u8)));
    let kinds = payload.get(1..=count).unwrap_or_default();
    let mut rest = payload.get(head_words(count) * WORD..).unwrap_or_default();
    let mut arguments = Vec::new();
    for &kind in kinds.iter().take(MAX_ARGUMENTS) {
        let Some((argument, behind)) = take(ArgumentKind(kind), rest) else { break };
        arguments.push(argument);
        rest = behind;
    }
    arguments
}

/// Decodes the argument at the start of `bytes`; gives it and the bytes behind it.
fn take(kind: ArgumentKind, bytes: &[u8]) -> Option<(DecodedArgument<'_>, &[u8])> {
    let (word, behind) = bytes.split_first_chunk().map(|(word, behind)| (u64::from_le_bytes(*word), behind))?;
    if kind.is_string() {
        let (kept, had) = (word as u32 as usize, (word >> 32) as u32);
        let string = behind.get(..kept)?;
        let behind = behind.get(kept.next_multiple_of(WORD)..)?;
        let value = match kind {
            ArgumentKind::Bytes => Value::Bytes(string),
            ArgumentKind::Utf16 => {
                let units = string.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit));
                let text: String =
                    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
                Value::Text(text.into())
            }
            _ => Value::Text(String::from_utf8_lossy(string)),
        };
        return Some((DecodedArgument { kind, value, cut: had.saturating_sub(kept as u32) }, behind));
    }
    let (number, behind) = if kind.words() == 2 {
        let (number, behind) = bytes.split_first_chunk()?;
        (u128::from_le_bytes(*number), behind)
    } else {
        (u128::from(word), behind)
    };
    let value = match kind {
        ArgumentKind::U8 => Value::Unsigned((word as u8).into(), 8),
        ArgumentKind::U16 => Value::Unsigned((word as u16).into(), 16),
        ArgumentKind::U32 => Value::Unsigned((word as u32).into(), 32),
        ArgumentKind::U64 | ArgumentKind::Usize => Value::Unsigned(number, 64),
        ArgumentKind::U128 => Value::Unsigned(number, 128),
        ArgumentKind::I8 => Value::Signed(i128::from(word as i8), 8),
        ArgumentKind::I16 => Value::Signed(i128::from(word as i16), 16),
        ArgumentKind::I32 => Value::Signed(i128::from(word as i32), 32),
        ArgumentKind::I64 | ArgumentKind::Isize => Value::Signed(i128::from(word as i64), 64),
        ArgumentKind::I128 => Value::Signed(number as i128, 128),
        ArgumentKind::Bool => Value::Bool(word != 0),
        ArgumentKind::Char => Value::Char(char::from_u32(word as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
        ArgumentKind::F32 => Value::F32(f32::from_bits(word as u32)),
        ArgumentKind::F64 => Value::F64(f64::from_bits(word)),
        ArgumentKind::Pointer => Value::Pointer(word),
        ArgumentKind::Status => Value::Status(word as u32),
        ArgumentKind::Guid => Value::Guid(number.to_le_bytes()),
        _ => Value::Unknown(word),
    };
    Some((DecodedArgument { kind, value, cut: 0 }, behind))
}

/// The arguments that are for the format of a site: all, but for the pair id that begins a span.
#[must_use]
pub fn of_format<'a, T>(site: &Site<'_>, arguments: &'a [T]) -> &'a [T] {
    match arguments.split_last() {
        Some((_, rest)) if SiteRole(site.header.role.get()) == SiteRole::Begin => rest,
        _ => arguments,
    }
}

/// Makes the text of an event: what `format!` would have made, shortened to [`MAX_TEXT`].
///
/// A hole whose argument is missing shows as `{?}`. Arguments that no hole takes follow in brackets: `[+ 2, 3]`. An invalid
/// format shows as it is, with the arguments behind it.
#[must_use]
pub fn text(format: &str, names: &str, arguments: &[DecodedArgument<'_>]) -> String {
    shown(format, names, arguments).0
}

/// As [`text`]; also answers whether the text was shortened.
fn shown(format: &str, names: &str, arguments: &[DecodedArgument<'_>]) -> (String, bool) {
    let names = names.split(',').take(arguments.len()).collect();
    let mut given = Given { names, arguments, next: 0, taken: 0 };
    let mut text = String::with_capacity(format.len().min(MAX_TEXT) + 8 * arguments.len());
    for (index, piece) in pieces(format).enumerate() {
        if text.len() > MAX_TEXT {
            break;
        }
        if index == MAX_PIECES {
            text.push_str("...");
            shorten(&mut text, MAX_TEXT);
            return (text, true);
        }
        match piece {
            Ok(Piece::Literal(literal)) => text.push_str(literal),
            Ok(Piece::Hole(hole)) => {
                // `.*` takes its precision from the argument before the value.
                let precision = given.count(hole.precision);
                let width = given.count(hole.width);
                match given.find(hole.argument) {
                    Some(argument) => value(&mut text, &argument.value, &Spec::new(&hole, width, precision)),
                    None => text.push_str("{?}"),
                }
            }
            Err(_) => {
                text.clear();
                // Four bytes more than are shown, so that `shorten` finds the text too long.
                text.push_str(&format[..format.floor_char_boundary(MAX_TEXT + 4)]);
                for argument in arguments {
                    text.push(' ');
                    value(&mut text, &argument.value, &Spec::default());
                }
                given.taken = u32::MAX;
                break;
            }
        }
    }
    given.append_rest(&mut text);
    let is_shortened = shorten(&mut text, MAX_TEXT);
    (text, is_shortened)
}

/// How the format of a site and the arguments of its call disagree. Only C can write such a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is no format: a lone brace, or a style that there is none of.
    Invalid,
    /// It has that number of holes whose argument is missing, which show as `{?}`.
    Missing(usize),
    /// No hole takes that number of arguments, which show behind the text.
    Extra(usize),
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid => f.write_str("no format: a lone brace, or an unknown style"),
            Self::Missing(1) => f.write_str("1 placeholder has no argument"),
            Self::Missing(count) => write!(f, "{count} placeholders have no argument"),
            Self::Extra(1) => f.write_str("1 argument has no placeholder"),
            Self::Extra(count) => write!(f, "{count} arguments have no placeholder"),
        }
    }
}

/// Whether a format takes the arguments of its call, `count` of them, as they are.
#[must_use]
pub fn mismatch(format: &str, names: &str, count: usize) -> Option<Mismatch> {
    let argument = DecodedArgument { kind: ArgumentKind::U8, value: Value::Unsigned(0, 8), cut: 0 };
    let arguments = vec![argument; count.min(MAX_ARGUMENTS)];
    let names = names.split(',').take(arguments.len()).collect();
    let mut given = Given { names, arguments: &arguments, next: 0, taken: 0 };
    let mut missing = 0;
    for piece in pieces(format).take(MAX_PIECES) {
        match piece {
            Ok(Piece::Literal(_)) => {}
            Ok(Piece::Hole(hole)) => {
                given.count(hole.precision);
                given.count(hole.width);
                missing += usize::from(given.find(hole.argument).is_none());
            }
            Err(_) => return Some(Mismatch::Invalid),
        }
    }
    let extra = arguments.len() - given.taken.count_ones() as usize;
    match (missing, extra) {
        (0, 0) => None,
        (0, extra) => Some(Mismatch::Extra(extra)),
        (missing, _) => Some(Mismatch::Missing(missing)),
    }
}

/// The arguments of a format, and which of them the next hole takes.
struct Given<'a> {
    names: Vec<&'a str>,
    arguments: &'a [DecodedArgument<'a>],
    /// Index of the argument for the next hole that names none.
    next: usize,
    /// A bit for each argument that a hole has taken.
    taken: u32,
}

const _: () = assert!(MAX_ARGUMENTS <= 32, "an argument has a bit");

impl<'a> Given<'a> {
    fn find(&mut self, which: Which<'_>) -> Option<&'a DecodedArgument<'a>> {
        let index = match which {
            Which::Next => {
                self.next += 1;
                self.next - 1
            }
            Which::Index(index) => index,
            Which::Name(name) => self.names.iter().position(|own| *own == name)?,
        };
        let found = self.arguments.get(index)?;
        self.taken |= 1_u32.checked_shl(index as u32).unwrap_or(0);
        Some(found)
    }

    /// Appends the arguments that no hole has taken.
    fn append_rest(&self, text: &mut String) {
        let rest = self.arguments.iter().enumerate().filter(|(index, _)| self.taken & (1 << index) == 0);
        for (count, (_, argument)) in rest.enumerate() {
            text.push_str(if count == 0 { " [+ " } else { ", " });
            value(text, &argument.value, &Spec::default());
        }
        if self.arguments.len() > self.taken.count_ones() as usize {
            text.push(']');
        }
    }

    fn count(&mut self, count: Option<Count<'_>>) -> Option<usize> {
        let number = match count? {
            Count::Number(number) => number,
            Count::Argument(which) => match self.find(which)?.value {
                Value::Unsigned(number, _) => usize::try_from(number).unwrap_or(usize::MAX),
                _ => return None,
            },
        };
        Some(number.min(WIDEST))
    }
}

/// Renders a value by the specification, or, if its style does not fit the value, in the value's usual style.
fn value(text: &mut String, value: &Value<'_>, spec: &Spec) {
    let is_debug = matches!(spec.style, Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex);
    match value {
        Value::Unsigned(number, _) => render::unsigned(text, *number, spec),
        Value::Signed(number, bits) => render::signed(text, *number, *bits, spec),
        Value::Bool(value) => render::text(text, if *value { "true" } else { "false" }, spec),
        Value::Char(character) if is_debug => text.push_str(&format!("{character:?}")),
        Value::Char(character) => render::text(text, character.encode_utf8(&mut [0; 4]), spec),
        Value::F32(number) => render::f32(text, *number, spec),
        Value::F64(number) => render::f64(text, *number, spec),
        Value::Pointer(address) => render::pointer(text, *address, spec),
        Value::HashedPointer(hash) => render::hashed_pointer(text, *hash, spec),
        Value::Status(status) => match (spec.style, status::name(*status)) {
            (Style::LowerHex | Style::UpperHex | Style::Octal | Style::Binary, _) => {
                render::unsigned(text, (*status).into(), spec);
            }
            (_, Some(name)) => render::text(text, name, spec),
            (_, None) => render::text(text, &format!("{status:#010x}"), spec),
        },
        Value::Guid(guid) => render::text(text, &render::guid(guid), spec),
        Value::Text(string) if is_debug => text.push_str(&format!("{string:?}")),
        Value::Text(string) => render::text(text, string, spec),
        Value::Bytes(bytes) => render::bytes(text, bytes, spec),
        Value::Unknown(word) => {
            render::unsigned(text, (*word).into(), &Spec { alternate: true, style: Style::LowerHex, ..*spec });
        }
    }
}
