//! Renders values as `core::fmt` does, by flags that are known only at run time.
//!
//! For each combination of flags there is a literal, with which `format!` makes digits, signs, prefixes, precision, and
//! zeros between sign and digits. This module makes only the fill up to a width: a literal would have to contain the
//! fill character.

use std::fmt::Write;

use irqlog_wire::format::{Align, Hole, Style};

/// The most bytes that a shown event text has, in text or in JSON, escapes included.
///
/// A longer text ends in `...`, and is flagged as shortened. A record has at most 1 KiB, so only a format with large widths
/// or many repetitions makes such a text; without a bound, a damaged or hostile format could fill all memory.
pub const MAX_TEXT: usize = 8 << 10;

/// The flags of a hole, with its width and precision as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub fill: char,
    pub align: Option<Align>,
    pub plus: bool,
    pub alternate: bool,
    pub zero: bool,
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub style: Style,
}

impl Spec {
    pub(crate) const fn new(hole: &Hole<'_>, width: Option<usize>, precision: Option<usize>) -> Self {
        let Hole { fill, align, plus, alternate, zero, style, .. } = *hole;
        Self { fill, align, plus, alternate, zero, width, precision, style }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self::new(&Hole::PLAIN, None, None)
    }
}

/// Writes one value with `write!` in one style, by the flags of a specification. The width counts only with the flag `0`.
macro_rules! styled {
    ($out:expr, $value:expr, $spec:expr, $style:literal) => {{
        let zeros = $spec.width.filter(|_| $spec.zero);
        match (zeros, $spec.precision) {
            (None, None) => styled!(@ $out, $spec, "", $style, $value),
            (Some(w), None) => styled!(@ $out, $spec, "0w$", $style, $value, w = w),
            (None, Some(p)) => styled!(@ $out, $spec, ".p$", $style, $value, p = p),
            (Some(w), Some(p)) => styled!(@ $out, $spec, "0w$.p$", $style, $value, w = w, p = p),
        }
    }};
    (@ $out:expr, $spec:expr, $counts:literal, $style:literal, $($arguments:tt)+) => {
        match ($spec.plus, $spec.alternate) {
            (false, false) => write!($out, concat!("{:", $counts, $style, "}"), $($arguments)+),
            (true, false) => write!($out, concat!("{:+", $counts, $style, "}"), $($arguments)+),
            (false, true) => write!($out, concat!("{:#", $counts, $style, "}"), $($arguments)+),
            (true, true) => write!($out, concat!("{:+#", $counts, $style, "}"), $($arguments)+),
        }
    };
}

/// Renders a number in the style of the specification, and fills it up to its width.
macro_rules! number {
    ($text:expr, $value:expr, $spec:expr, $($style:pat => $letter:literal),+ ; else $other:literal) => {{
        let mut digits = String::new();
        // Writing to a String cannot fail.
        let _ = match $spec.style {
            $($style => styled!(digits, $value, $spec, $letter),)+
            _ => styled!(digits, $value, $spec, $other),
        };
        pad($text, &digits, $spec, Align::Right);
    }};
}

/// Renders an unsigned number.
pub(crate) fn unsigned(text: &mut String, value: u128, spec: &Spec) {
    number!(text, value, spec,
        Style::LowerHex | Style::DebugLowerHex => "x", Style::UpperHex | Style::DebugUpperHex => "X",
        Style::Octal => "o", Style::Binary => "b", Style::LowerExp => "e", Style::UpperExp => "E"; else "");
}

/// Renders a signed number of `bits` bits. Hexadecimal, octal and binary digits are those of its two's complement.
pub(crate) fn signed(text: &mut String, value: i128, bits: u32, spec: &Spec) {
    let is_radix = matches!(
        spec.style,
        Style::LowerHex | Style::DebugLowerHex | Style::UpperHex | Style::DebugUpperHex | Style::Octal | Style::Binary
    );
    if is_radix {
        return unsigned(text, value as u128 & (u128::MAX >> (128 - bits)), spec);
    }
    number!(text, value, spec, Style::LowerExp => "e", Style::UpperExp => "E"; else "");
}

/// Renders a floating-point number of 32 bits.
pub(crate) fn f32(text: &mut String, value: f32, spec: &Spec) {
    number!(text, value, spec, Style::LowerExp => "e", Style::UpperExp => "E",
        Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex => "?"; else "");
}

/// Renders a floating-point number of 64 bits.
pub(crate) fn f64(text: &mut String, value: f64, spec: &Spec) {
    number!(text, value, spec, Style::LowerExp => "e", Style::UpperExp => "E",
        Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex => "?"; else "");
}

/// Renders an address: hexadecimal with `0x`; in the alternate form with all of its digits.
pub(crate) fn pointer(text: &mut String, address: u64, spec: &Spec) {
    const DIGITS: usize = 2 + 16;
    let width = if spec.alternate { spec.width.or(Some(DIGITS)) } else { spec.width };
    let zero = spec.zero || spec.alternate;
    unsigned(
        text,
        address.into(),
        &Spec { alternate: true, zero, width, precision: None, style: Style::LowerHex, ..*spec },
    );
}

/// Renders the hash of an address: `#` and all of its hexadecimal digits, so that nobody takes it for an address.
pub(crate) fn hashed_pointer(text: &mut String, hash: u64, spec: &Spec) {
    pad(text, &format!("#{hash:016x}"), spec, Align::Right);
}

/// Renders a text, aligned to the left by default; the precision is the largest number of characters.
pub(crate) fn text(out: &mut String, value: &str, spec: &Spec) {
    let end = spec.precision.and_then(|most| value.char_indices().nth(most)).map_or(value.len(), |(at, _)| at);
    pad(out, &value[..end], &Spec { zero: false, ..*spec }, Align::Left);
}

/// Renders bytes as `{:?}` shows a slice, each byte by the same flags.
pub(crate) fn bytes(out: &mut String, bytes: &[u8], spec: &Spec) {
    let style =
        if matches!(spec.style, Style::DebugLowerHex | Style::DebugUpperHex) { spec.style } else { Style::Debug };
    let element = Spec { style, ..*spec };
    let (before, behind) = if spec.alternate { ("\n    ", ",") } else { ("", "") };
    out.push('[');
    for (index, &byte) in bytes.iter().enumerate() {
        // With a large width, a few bytes fill the text: the rest would be cut off again.
        if out.len() > MAX_TEXT {
            return;
        }
        if index != 0 && !spec.alternate {
            out.push_str(", ");
        }
        out.push_str(before);
        unsigned(out, byte.into(), &element);
        out.push_str(behind);
    }
    if spec.alternate && !bytes.is_empty() {
        out.push('\n');
    }
    out.push(']');
}

/// Renders a GUID in the registry's form, without braces; its first three fields are little-endian numbers.
#[must_use]
pub fn guid(guid: &[u8; 16]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let number = |bytes: &[u8]| hex(&bytes.iter().rev().copied().collect::<Vec<_>>());
    let (first, second, third) = (number(&guid[..4]), number(&guid[4..6]), number(&guid[6..8]));
    format!("{first}-{second}-{third}-{}-{}", hex(&guid[8..10]), hex(&guid[10..]))
}

/// Appends a value, filled up to the width in characters.
fn pad(out: &mut String, value: &str, spec: &Spec, default: Align) {
    let missing = spec.width.unwrap_or(0).saturating_sub(value.chars().count());
    let before = match spec.align.unwrap_or(default) {
        Align::Left => 0,
        Align::Center => missing / 2,
        Align::Right => missing,
    };
    out.extend(std::iter::repeat_n(spec.fill, before));
    out.push_str(value);
    out.extend(std::iter::repeat_n(spec.fill, missing - before));
}
