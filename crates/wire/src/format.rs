//! Parser of format strings, with the grammar of `core::fmt` ("Syntax", doc.rust-lang.org/std/fmt).
//!
//! Both sides of the wire use it: the provider's macros, to report errors of a format at compile time, and the reader,
//! to render it. The parser only splits a format; its callers check that arguments and styles fit.

/// A part of a format: literal text, or a hole for an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is.
    Literal(&'a str),
    /// An argument goes here.
    Hole(Hole<'a>),
}

/// A place for an argument, and how the argument is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole<'a> {
    /// The argument that is shown here.
    pub argument: Which<'a>,
    /// Character that fills up to the width; a space by default.
    pub fill: char,
    /// Side to which the value is aligned, if the format says one.
    pub align: Option<Align>,
    /// `+`: numbers that are not negative get a sign too.
    pub plus: bool,
    /// `#`: the alternate form.
    pub alternate: bool,
    /// `0`: zeros between sign and digits fill up to the width.
    pub zero: bool,
    /// Smallest number of characters.
    pub width: Option<Count<'a>>,
    /// Number of digits behind the point, or largest number of characters of a string.
    pub precision: Option<Count<'a>>,
    /// Notation of the value.
    pub style: Style,
}

impl Hole<'_> {
    /// The hole `{}`: the next argument, with the default of each flag.
    pub const PLAIN: Self = Self {
        argument: Which::Next,
        fill: ' ',
        align: None,
        plus: false,
        alternate: false,
        zero: false,
        width: None,
        precision: None,
        style: Style::Display,
    };
}

/// Names an argument of the log call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// The argument behind the last one that was taken with `Next`.
    Next,
    /// The argument with this number, from 0.
    Index(usize),
    /// The argument with this name.
    Name(&'a str),
}

/// A width or a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count<'a> {
    /// A number that stands in the format.
    Number(usize),
    /// The value of an argument, which is a usize. [`Which::Next`] is `.*`: it is taken before the value to show.
    Argument(Which<'a>),
}

/// Side to which a value is aligned within its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// `<`
    Left,
    /// `^`
    Center,
    /// `>`
    Right,
}

/// Notation in which a value is shown; the characters are those of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No character.
    Display,
    /// `?`
    Debug,
    /// `x?`
    DebugLowerHex,
    /// `X?`
    DebugUpperHex,
    /// `x`
    LowerHex,
    /// `X`
    UpperHex,
    /// `o`
    Octal,
    /// `b`
    Binary,
    /// `e`
    LowerExp,
    /// `E`
    UpperExp,
    /// `p`
    Pointer,
}

/// The notations, each with the text that asks for it at the end of a hole.
pub const STYLES: [(&str, Style); 11] = [
    ("", Style::Display),
    ("?", Style::Debug),
    ("x?", Style::DebugLowerHex),
    ("X?", Style::DebugUpperHex),
    ("x", Style::LowerHex),
    ("X", Style::UpperHex),
    ("o", Style::Octal),
    ("b", Style::Binary),
    ("e", Style::LowerExp),
    ("E", Style::UpperExp),
    ("p", Style::Pointer),
];

/// The sides, each with its character.
pub const ALIGNS: [(char, Align); 3] = [('<', Align::Left), ('^', Align::Center), ('>', Align::Right)];

/// An error in a format, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Offset in the format, in bytes.
    pub offset: usize,
    /// Message that says what is wrong.
    pub what: &'static str,
}

/// Iterator over the pieces of a format; ends after the first error.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    format: &'a str,
    offset: usize,
}

/// Splits `format` into its pieces.
#[must_use]
pub const fn pieces(format: &str) -> Pieces<'_> {
    Pieces { format, offset: 0 }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.format.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let start = self.offset;
        let (piece, used) = match take(rest) {
            Ok(taken) => taken,
            Err(what) => {
                self.offset = self.format.len();
                return Some(Err(Wrong { offset: start, what }));
            }
        };
        self.offset += used;
        Some(Ok(piece))
    }
}

/// The first piece of `rest`, and its length in bytes.
fn take(rest: &str) -> Result<(Piece<'_>, usize), &'static str> {
    let literal = rest.find(['{', '}']).unwrap_or(rest.len());
    if literal != 0 {
        return Ok((Piece::Literal(rest.get(..literal).unwrap_or_default()), literal));
    }
    if rest.starts_with("{{") || rest.starts_with("}}") {
        return Ok((Piece::Literal(rest.get(..1).unwrap_or_default()), 2));
    }
    let inside = rest.strip_prefix('{').ok_or("a `}` without its `{`; for the character itself write `}}`")?;
    let end = closing(inside).ok_or("a `{` without its `}`; for the character itself write `{{`")?;
    let hole = hole(inside.get(..end).unwrap_or_default())?;
    Ok((Piece::Hole(hole), end + 2))
}

/// Offset of the `}` that ends the hole. A `}` may also be the fill: `{:}<5}`.
fn closing(inside: &str) -> Option<usize> {
    let first = inside.find('}')?;
    let is_fill = inside.get(..first).is_some_and(|before| before.ends_with(':'))
        && inside.get(first + 1..).is_some_and(|behind| behind.starts_with(['<', '^', '>']));
    if is_fill { inside.get(first + 1..)?.find('}').map(|more| first + 1 + more) } else { Some(first) }
}

fn hole(inside: &str) -> Result<Hole<'_>, &'static str> {
    let (argument, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let argument = which(argument.trim()).ok_or("this is neither the number nor the name of an argument")?;
    let mut hole = Hole { argument, ..Hole::PLAIN };
    let mut rest = spec.trim_end();
    rest = fill_and_align(rest, &mut hole);
    if let Some(behind) = rest.strip_prefix('+') {
        (hole.plus, rest) = (true, behind);
    } else {
        rest = rest.strip_prefix('-').unwrap_or(rest);
    }
    if let Some(behind) = rest.strip_prefix('#') {
        (hole.alternate, rest) = (true, behind);
    }
    // `0$` is a width that argument 0 gives.
    if let Some(behind) = rest.strip_prefix('0').filter(|behind| !behind.starts_with('$')) {
        (hole.zero, rest) = (true, behind);
    }
    (hole.width, rest) = count(rest);
    if let Some(behind) = rest.strip_prefix('.') {
        (hole.precision, rest) = match behind.strip_prefix('*') {
            Some(behind) => (Some(Count::Argument(Which::Next)), behind),
            None => count(behind),
        };
        if hole.precision.is_none() {
            return Err("behind the `.` there is no precision: a number, an argument with `$`, or `*`");
        }
    }
    let style = STYLES.iter().find(|(text, _)| *text == rest).map(|(_, style)| *style);
    hole.style = style.ok_or("this is no format: `?`, `x?`, `X?`, `x`, `X`, `o`, `b`, `e`, `E`, `p` or nothing")?;
    Ok(hole)
}

fn fill_and_align<'a>(spec: &'a str, hole: &mut Hole<'_>) -> &'a str {
    let align = |character| ALIGNS.iter().find(|(own, _)| *own == character).map(|(_, align)| *align);
    let mut characters = spec.chars();
    let (first, second) = (characters.next(), characters.next());
    if let (Some(fill), Some(found)) = (first, second.and_then(align)) {
        hole.fill = fill;
        hole.align = Some(found);
        return characters.as_str();
    }
    if let Some(found) = first.and_then(align) {
        hole.align = Some(found);
        return spec.get(1..).unwrap_or_default();
    }
    spec
}

/// A number, or an argument and `$`, at the start of `rest`; and the text behind it.
fn count(rest: &str) -> (Option<Count<'_>>, &str) {
    let end = rest.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(rest.len());
    let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if let Some(behind) = behind.strip_prefix('$')
        && let Some(argument) = which(word).filter(|&argument| argument != Which::Next)
    {
        return (Some(Count::Argument(argument)), behind);
    }
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (number, behind) = rest.split_at_checked(digits).unwrap_or((rest, ""));
    match number.parse() {
        Ok(number) => (Some(Count::Number(number)), behind),
        Err(_) => (None, rest),
    }
}

fn which(text: &str) -> Option<Which<'_>> {
    let mut characters = text.chars();
    match characters.next() {
        None => Some(Which::Next),
        Some('0'..='9') => text.parse().ok().map(Which::Index),
        Some(first) if first.is_alphabetic() || first == '_' => {
            characters.all(|character| character.is_alphanumeric() || character == '_').then_some(Which::Name(text))
        }
        Some(_) => None,
    }
}
