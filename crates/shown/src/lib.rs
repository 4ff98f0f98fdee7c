//! What is shown of a log: one structure for each thing, printed as text or as JSON from the same value.
//!
//! | Module | What |
//! |---|---|
//! | [`record`] | a record, and records that are missing |
//! | [`recorder`] | the recorder: version, settings, lanes, counters |
//! | [`providers`] | a provider, and a site |
//! | [`retention`] | how long a ring lasts |
//! | [`spans`] | spans and counters: what events stand for besides their text |
//! | [`text`] | a record as a line of text |
//!
//! JSON is what `serde` makes of a structure; `docs/json.md` describes it. Text is what [`Show::text`] writes.

pub mod providers;
pub mod record;
pub mod recorder;
pub mod retention;
pub mod spans;
pub mod text;

use std::{
    fmt::{Display, Formatter, Result as FmtResult},
    io::{Result, Write},
};

use serde::{Serialize, Serializer};

/// Something that can be shown in either form.
pub trait Show: Serialize {
    /// Writes it as lines of text, each with its newline. Nothing in them is left to escape.
    ///
    /// # Errors
    /// Those of `out`.
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()>;
}

/// A number that may have a name. It shows as its name, or as its digits if this version does not know the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The number.
    pub number: u64,
    /// The name.
    pub name: Option<&'static str>,
}

impl Named {
    /// A number and its name.
    pub fn new(number: impl Into<u64>, name: Option<&'static str>) -> Self {
        Self { number: number.into(), name }
    }
}

impl Display for Named {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        match self.name {
            Some(name) => formatter.pad(name),
            None => formatter.pad(&self.number.to_string()),
        }
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.name {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&self.number),
        }
    }
}

/// Bytes that show as two hexadecimal digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
