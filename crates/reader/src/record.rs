//! Parses records from the bytes of a lane or of an answer to READ.

use irqlog_wire::record::{BlobHeader, HEADER_SIZE, Kind, Level, MAX_SIZE, RecordHeader, WORD, flags};
use zerocopy::FromBytes;

use crate::untrusted::Untrusted;

/// A record that has been copied out of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the lane that it was read from.
    pub lane: u32,
    /// The 40 bytes that each record starts with.
    pub header: RecordHeader,
    /// The bytes behind the header, without the padding to whole words.
    pub payload: Vec<u8>,
    /// The reader delivered a newer record before this one, whose writer had stopped between stamping and publishing it.
    pub late: bool,
}

/// The payload of a record, by the record's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Text; bytes that are not UTF-8 became U+FFFD.
    Text(Untrusted<std::borrow::Cow<'a, str>>),
    /// A piece of a blob.
    Blob {
        /// Tag and number of the blob, and the place of this piece in it.
        header: BlobHeader,
        /// The bytes of this piece.
        bytes: &'a [u8],
    },
    /// The arguments of an event: see [`EventView`](crate::event::EventView).
    Event(&'a [u8]),
    /// The payload of a kind that this version does not know, or of a damaged blob.
    Unknown(&'a [u8]),
}

impl Record {
    /// Interprets the payload by the record's kind.
    pub fn content(&self) -> Content<'_> {
        match Kind(self.header.kind) {
            Kind::Text => Content::Text(Untrusted::lossy(&self.payload)),
            Kind::Event => Content::Event(&self.payload),
            Kind::Blob => match BlobHeader::read_from_prefix(&self.payload) {
                Ok((header, bytes)) => Content::Blob { header, bytes },
                Err(_) => Content::Unknown(&self.payload),
            },
            _ => Content::Unknown(&self.payload),
        }
    }

    /// How important the record is.
    pub const fn level(&self) -> Level {
        Level(self.header.level)
    }

    /// Whether a bit of [`flags`] is set.
    pub const fn has(&self, flag: u16) -> bool {
        self.header.flags.get() & flag != 0
    }

    /// Ids of the writer's thread and process; `None` if the recorder could not ask for them.
    pub const fn thread(&self) -> Option<(u32, u32)> {
        if self.has(flags::NO_THREAD) { None } else { Some((self.header.thread.get(), self.header.process.get())) }
    }
}

/// Bytes that are not a record at a place where a record should start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of lane {lane}: no record (size {size})")]
pub struct Damage {
    /// Index of the lane.
    pub lane: u32,
    /// Offset in bytes from the start of the lane's data, or of the bytes that were parsed.
    pub offset: usize,
    /// The record size that the bytes there claim.
    pub size: usize,
}

/// A record in the bytes that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The 40 bytes that each record starts with.
    pub header: &'a RecordHeader,
    /// The bytes behind the header, without the padding to whole words.
    pub payload: &'a [u8],
}

impl RecordView<'_> {
    /// Copies the record; `lane` is the index of its lane.
    pub fn to_record(self, lane: u32) -> Record {
        Record { lane, header: *self.header, payload: self.payload.to_vec(), late: false }
    }
}

/// Parses the record at the start of `bytes` without a copy; gives it and the bytes behind it.
///
/// # Errors
/// [`Damage`] with offset 0.
pub fn view(lane: u32, bytes: &[u8]) -> Result<(RecordView<'_>, &[u8]), Damage> {
    let damage = |size| Damage { lane, offset: 0, size };
    let (header, _) = RecordHeader::ref_from_prefix(bytes).map_err(|_| damage(bytes.len()))?;
    let (size, payload) = (usize::from(header.size.get()), usize::from(header.payload_size.get()));
    let is_sane = size.is_multiple_of(WORD) && size <= MAX_SIZE && size <= bytes.len() && HEADER_SIZE + payload <= size;
    if !is_sane {
        return Err(damage(size));
    }
    let (whole, rest) = bytes.split_at(size);
    Ok((RecordView { header, payload: &whole[HEADER_SIZE..HEADER_SIZE + payload] }, rest))
}

/// Parses and copies the record at the start of `bytes`; gives it and the bytes behind it.
///
/// # Errors
/// [`Damage`] with offset 0.
pub fn parse(lane: u32, bytes: &[u8]) -> Result<(Record, &[u8]), Damage> {
    view(lane, bytes).map(|(view, rest)| (view.to_record(lane), rest))
}

/// Parses records up to the end of `bytes` or the first damage; gives the damage too.
pub fn parse_all(lane: u32, bytes: &[u8]) -> (Vec<Record>, Option<Damage>) {
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match parse(lane, rest) {
            Ok((record, behind)) => {
                records.push(record);
                rest = behind;
            }
            Err(damage) => return (records, Some(Damage { offset: bytes.len() - rest.len(), ..damage })),
        }
    }
    (records, None)
}
