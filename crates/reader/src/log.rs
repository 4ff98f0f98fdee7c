//! A log, wherever it lies: its tables, its records in order, and what is missing between them.
//!
//! [`LiveLog`](crate::live::LiveLog) is what a running driver holds at one moment, [`SavedLog`](crate::saved::SavedLog)
//! an image in a file. A command that is written for [`Log`] works on each.

use std::io;

use crate::{
    image::{ImageError, Tables},
    record::{Damage, Record},
    session::SessionError,
};

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossCause {
    /// Newer records took their place, as they do in every ring that is full: nothing is wrong.
    Overwritten,
    /// They were not in the log when it was saved, though records around them were: overwritten during the save, or
    /// damaged before it.
    NotSaved,
    /// The bytes where they lie are no records.
    Damaged,
    /// The file ends before them.
    CutOff,
}

/// Records of one lane that this reader does not have, told at their place in the log.
///
/// Their number is exact: it comes from the sequence numbers around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// Index of the lane.
    pub lane: u32,
    /// Sequence number of the first missing record.
    pub first_seq: u64,
    /// Number of missing records; their sequence numbers are consecutive.
    pub count: u64,
    /// Tick of the lane's last record before them that this reader had; `None` at the start of the lane.
    pub from_tick: Option<u64>,
    /// Tick of the lane's first record behind them; `None` if there is none yet.
    pub to_tick: Option<u64>,
    /// Why they are missing.
    pub cause: LossCause,
}

/// What a log consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(Record),
    /// Records that are missing at this place.
    Loss(Loss),
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The running driver does not answer as it should.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The bytes are no image, or not one of a version that this reader knows.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// A part of a log that is there but cannot be read. Everything else is shown all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is shorter than its header says.
    #[error(
        "the file is cut off: {length} of {total} bytes are there, and what lay behind them cannot be read{}",
        if *.has_all_sites { "" } else { ". Events whose sites lay there are shown as (unknown site), with their arguments" }
    )]
    CutOff {
        /// Bytes that are there.
        length: u64,
        /// Bytes that the header promises.
        total: u64,
        /// The site table is whole.
        has_all_sites: bool,
    },
    /// A lane cannot be read on.
    #[error("{0}; the rest of that lane cannot be read")]
    Lane(#[from] Damage),
    /// Records of a running recorder have been written into by someone else. They are told as losses too.
    #[error("lane {lane}: {count} damaged records cannot be read")]
    Damaged {
        /// Index of the lane.
        lane: u32,
        /// Number of damaged records.
        count: u64,
    },
    /// Bytes of the file are not those that were saved.
    #[error(
        "bytes {from} to {to} are not those that were saved, as their checksum says: {parts}. What is shown of them may be \
         wrong"
    )]
    Changed {
        /// First byte.
        from: u64,
        /// Last byte.
        to: u64,
        /// What lies there.
        parts: String,
    },
    /// The checksums are not there, or are damaged.
    #[error(
        "the checksums at the end of the file are missing or damaged, so nothing says whether the rest was changed"
    )]
    NoChecksums,
    /// Two lanes claim the same bytes.
    #[error(
        "lane {lane} is left out: the file says that it lies where lane {shown} lies, so one of the two is damaged. \
         The other lanes are shown"
    )]
    Overlap {
        /// Index of the lane that is left out.
        lane: u32,
        /// Index of the lane that is read.
        shown: u32,
    },
    /// The site table is not a row of entries.
    #[error(
        "the site table is damaged: {known} of its {size} bytes can be read. Events of the sites behind them are shown as \
         (unknown site), with their arguments"
    )]
    Sites {
        /// Bytes up to the last whole entry.
        known: u64,
        /// Bytes that the header promises.
        size: u64,
    },
}

/// Tables, records in order, losses.
///
/// Records come by tick; records with equal ticks come by processor and then by lane; but records of one lane always come
/// by sequence number, whatever their ticks say.
pub trait Log {
    /// Header, control tables and site table. Every site that a record given so far names is in it if the log has it.
    fn tables(&self) -> &Tables;

    /// The next record or loss; `None` at the end. Memory stays bounded: a log is never held as a whole.
    ///
    /// # Errors
    /// See [`LogError`]. What was given before stays valid.
    fn next(&mut self) -> Result<Option<Item>, LogError>;

    /// What could not be read; complete when [`next`](Self::next) has given `None`.
    fn faults(&self) -> &[Fault];

    /// The rest of the log as one list, for callers that know that it is small.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    fn collect(&mut self) -> Result<Vec<Item>, LogError> {
        let mut items = Vec::new();
        while let Some(item) = self.next()? {
            items.push(item);
        }
        Ok(items)
    }
}

impl<L: Log + ?Sized> Log for Box<L> {
    fn tables(&self) -> &Tables {
        (**self).tables()
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        (**self).next()
    }

    fn faults(&self) -> &[Fault] {
        (**self).faults()
    }
}

/// The records among the items of a log.
pub fn records(items: Vec<Item>) -> Vec<Record> {
    items
        .into_iter()
        .filter_map(|item| match item {
            Item::Record(record) => Some(record),
            Item::Loss(_) => None,
        })
        .collect()
}
