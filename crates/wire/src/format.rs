//! The grammar of format strings: that of `core::fmt` ("Syntax", doc.rust-lang.org/std/fmt).
//!
//! Both sides of the wire take a format apart with it: the macros of the provider, to say at compile time what is wrong
//! with one, and the reader, to render it. It only splits; what fits what is theirs.

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is.
    Literal(&'a str),
    /// An argument goes here.
    Hole(Hole<'a>),
}

/// Where an argument goes, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole<'a> {
    /// Which argument.
    pub argument: Which<'a>,
    /// What fills the width; a space if nothing is said.
    pub fill: char,
    /// To which side it goes, if that is said.
    pub align: Option<Align>,
    /// A sign is shown for what is not negative too.
    pub plus: bool,
    /// The alternate form: `#`.
    pub alternate: bool,
    /// Zeros between sign and digits.
    pub zero: bool,
    /// At least so many characters.
    pub width: Option<Count<'a>>,
    /// Digits behind the point, or the most characters.
    pub precision: Option<Count<'a>>,
    /// As what.
    pub style: Style,
}

/// Which argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// The next one that nothing was said about.
    Next,
    /// By its number.
    Index(usize),
    /// By its name.
    Name(&'a str),
}

/// A width or a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count<'a> {
    /// This.
    Number(usize),
    /// That of an argument, which is a usize. [`Which::Next`] is `.*`: it is taken before the value.
    Argument(Which<'a>),
}

/// To which side a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// `<`
    Left,
    /// `^`
    Center,
    /// `>`
    Right,
}

/// As what a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing.
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

/// What is wrong with a format, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Offset in bytes.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// The pieces of a format.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    format: &'a str,
    offset: usize,
}

/// Takes a format apart.
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

/// The first piece, and how many bytes it is.
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

/// Where the hole ends. `}` may be the fill: `{:}<5}`.
fn closing(inside: &str) -> Option<usize> {
    let first = inside.find('}')?;
    let is_fill = inside.get(..first).is_some_and(|before| before.ends_with(':'))
        && inside.get(first + 1..).is_some_and(|behind| behind.starts_with(['<', '^', '>']));
    if is_fill { inside.get(first + 1..)?.find('}').map(|more| first + 1 + more) } else { Some(first) }
}

fn hole(inside: &str) -> Result<Hole<'_>, &'static str> {
    let (argument, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let argument = which(argument.trim()).ok_or("this is neither the number nor the name of an argument")?;
    let mut hole = Hole {
        argument,
        fill: ' ',
        align: None,
        plus: false,
        alternate: false,
        zero: false,
        width: None,
        precision: None,
        style: Style::Display,
    };
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
    hole.style = match rest {
        "" => Style::Display,
        "?" => Style::Debug,
        "x?" => Style::DebugLowerHex,
        "X?" => Style::DebugUpperHex,
        "x" => Style::LowerHex,
        "X" => Style::UpperHex,
        "o" => Style::Octal,
        "b" => Style::Binary,
        "e" => Style::LowerExp,
        "E" => Style::UpperExp,
        "p" => Style::Pointer,
        _ => return Err("this is no format: `?`, `x?`, `X?`, `x`, `X`, `o`, `b`, `e`, `E`, `p` or nothing"),
    };
    Ok(hole)
}

fn fill_and_align<'a>(spec: &'a str, hole: &mut Hole<'_>) -> &'a str {
    let align = |character| match character {
        '<' => Some(Align::Left),
        '^' => Some(Align::Center),
        '>' => Some(Align::Right),
        _ => None,
    };
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

/// A number, or an argument and `$`; what is behind it.
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
