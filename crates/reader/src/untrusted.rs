//! Strings from a driver, a file, a server or the command line that irqlog shows to a person.
//!
//! Their author may want the terminal to hide, recolour or forge lines. [`Untrusted`] can therefore only be printed
//! escaped. Code that compares, searches or encodes the string itself calls [`raw`](Untrusted::raw).

use std::{
    borrow::Cow,
    fmt::{self, Debug, Display, Formatter, Write},
    path::Path,
};

use serde::{Serialize, Serializer};

/// A string of unknown origin. Printing it escapes each character that would not show as itself in one line.
///
/// These are control characters (C0, DEL, C1), format characters (bidirectional, zero width, tags), separators of
/// lines and paragraphs, blanks other than the space, combining marks, and code points without a character. They
/// are escaped as Rust does it: `\n` or `\u{1b}`. Quotes and backslashes stay, because people read paths and do not parse
/// them. Width and alignment count the escaped form.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted<S = String>(S);

impl<S: AsRef<str>> Untrusted<S> {
    /// Wraps a string.
    pub const fn new(raw: S) -> Self {
        Self(raw)
    }

    /// The unescaped string, for comparing, searching, or an encoding that escapes by itself; never for a terminal.
    pub fn raw(&self) -> &str {
        self.0.as_ref()
    }

    /// The unescaped string, owned; see [`raw`](Self::raw).
    pub fn into_raw(self) -> S {
        self.0
    }

    /// An `Untrusted` that borrows this string.
    pub fn borrowed(&self) -> Untrusted<&str> {
        Untrusted(self.raw())
    }
}

impl Untrusted<String> {
    /// Wraps a path.
    #[must_use]
    pub fn path(path: &Path) -> Self {
        Self(path.to_string_lossy().into_owned())
    }
}

impl<'a> Untrusted<Cow<'a, str>> {
    /// Wraps bytes that should be UTF-8; invalid bytes become U+FFFD.
    #[must_use]
    pub fn lossy(bytes: &'a [u8]) -> Self {
        Self(String::from_utf8_lossy(bytes))
    }
}

impl<S: AsRef<str>> Display for Untrusted<S> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let raw = self.raw();
        // Most strings need no escape, and looking at each character costs more than printing them all.
        if is_plain(raw) {
            return formatter.pad(raw);
        }
        if formatter.width().is_none() && formatter.precision().is_none() {
            return raw.chars().try_for_each(|character| escape(formatter, character));
        }
        let mut escaped = String::with_capacity(2 * raw.len());
        raw.chars().try_for_each(|character| escape(&mut escaped, character))?;
        formatter.pad(&escaped)
    }
}

/// Prints the string in quotes; quotes and backslashes are escaped too.
impl<S: AsRef<str>> Debug for Untrusted<S> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.raw().chars() {
            match character {
                '\'' => formatter.write_char(character)?,
                '"' | '\\' => write!(formatter, "\\{character}")?,
                _ => escape(formatter, character)?,
            }
        }
        formatter.write_char('"')
    }
}

/// Serializes the unescaped string, since a serializer escapes by itself. Its output must be escaped before it reaches a
/// terminal.
impl<S: AsRef<str>> Serialize for Untrusted<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.serialize_str(self.raw())
    }
}

impl<S: AsRef<str>> PartialEq<str> for Untrusted<S> {
    fn eq(&self, other: &str) -> bool {
        self.raw() == other
    }
}

impl<S: AsRef<str>> PartialEq<&str> for Untrusted<S> {
    fn eq(&self, other: &&str) -> bool {
        self.raw() == *other
    }
}

/// Whether a character does not show as itself, so that it must be escaped where a person reads it.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    // Letters and symbols that show as blanks: the fillers of Hangul, and Braille without a dot.
    const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];
    match character {
        ' '..='~' => false,
        _ => character.escape_debug().len() != 1 || BLANK.contains(&character),
    }
}

/// Shortens a text so that it takes at most `most` bytes in text or JSON, escapes included; answers whether it did.
///
/// A shortened text ends in `...`.
pub fn shorten(text: &mut String, most: usize) -> bool {
    const MARK: &str = "...";
    let (mut shown, mut kept) = (0, 0);
    for (index, character) in text.char_indices() {
        shown += match character {
            '"' | '\\' => 2,
            _ if !is_deceptive(character) => character.len_utf8(),
            // `\u{ffff}`, and in JSON `\uffff` once or twice.
            '\0'..='\u{ffff}' => 8,
            _ => 12,
        };
        if shown > most {
            text.truncate(kept);
            text.push_str(MARK);
            return true;
        }
        if shown <= most.saturating_sub(MARK.len()) {
            kept = index + character.len_utf8();
        }
    }
    false
}

fn escape(out: &mut impl Write, character: char) -> fmt::Result {
    if !is_deceptive(character) {
        return out.write_char(character);
    }
    let escaped = character.escape_debug();
    if escaped.len() == 1 { write!(out, "{}", character.escape_unicode()) } else { write!(out, "{escaped}") }
}

/// Whether the text is printable ASCII, which needs no escape.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_in_its_line() {
        for (text, shown) in [
            ("C:\\path 'x' \"y\"", "C:\\path 'x' \"y\""),
            ("two\nlines\t\u{7f}", "two\\nlines\\t\\u{7f}"),
            ("\u{e9}\u{202e}\u{1f600}\"", "\u{e9}\\u{202e}\u{1f600}\""),
            ("nul\0", "nul\\0"),
        ] {
            assert_eq!(Untrusted::new(text).to_string(), shown);
        }
        assert_eq!(format!("{:?}", Untrusted::new("a \"b\"\\'\u{1b}")), "\"a \\\"b\\\"\\\\'\\u{1b}\"");
    }

    #[test]
    fn nothing_that_fools_a_terminal_or_an_eye_is_printed() {
        let controls = (0..0x20).chain(0x7f..0xa0);
        let format = [0xad, 0x61c, 0x180e, 0xfeff, 0xe_0041, 0xfff9];
        let bidi = [0x200b, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069];
        let lines = [0x2028, 0x2029];
        let blank = [0xa0, 0x3164, 0x2800];
        for code in controls.chain(format).chain(bidi).chain(lines).chain(blank) {
            let character = char::from_u32(code).unwrap();
            let shown = Untrusted::new(character.to_string()).to_string();
            assert!(shown.starts_with('\\') && shown.is_ascii(), "{code:#x} is shown as {shown:?}");
        }
    }

    #[test]
    fn a_text_is_shortened_to_what_is_shown_of_it() {
        for unit in ["a", "\u{e9}", "\u{1b}", "\u{9b}", "\u{202e}", "\u{1f600}", "\u{e0041}", "a\u{1b}\"\\"] {
            let mut text = unit.repeat(1000);
            assert!(shorten(&mut text, 300), "{unit:?}");
            let shown = Untrusted::new(&text).to_string();
            assert!(shown.ends_with("...") && (150..=300).contains(&shown.len()), "{unit:?}: {shown}");
            let whole = text.clone();
            assert!(!shorten(&mut text, 300) && text == whole);
        }
        let mut exact = "a".repeat(300);
        assert!(!shorten(&mut exact, 300) && exact.len() == 300);
    }

    #[test]
    fn width_counts_what_is_shown() {
        assert_eq!(format!("{:8}|", Untrusted::new("a\n")), "a\\n     |");
        assert_eq!(format!("{:>4}|", Untrusted::new("ab")), "  ab|");
    }
}
