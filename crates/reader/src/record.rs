//! A record, and records out of a run of bytes.

use irqlog_wire::record::{BlobHeader, HEADER_SIZE, Kind, Level, MAX_SIZE, RecordHeader, WORD, flags};
use zerocopy::FromBytes;

use crate::untrusted::Untrusted;

/// A record with its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The lane it was read from.
    pub lane: u32,
    /// Its fixed part.
    pub header: RecordHeader,
    /// Its payload, without padding.
    pub payload: Vec<u8>,
    /// A newer record was delivered before it: its writer had stopped between stamp and publish.
    pub late: bool,
}

/// What a payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Text; what was no UTF-8 is replaced.
    Text(Untrusted<std::borrow::Cow<'a, str>>),
    /// A piece of a blob.
    Blob {
        /// Which piece of which blob.
        header: BlobHeader,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// The arguments of an event: see [`EventView`](crate::event::EventView).
    Event(&'a [u8]),
    /// A kind that this version cannot show.
    Unknown(&'a [u8]),
}

impl Record {
    /// Its payload, understood.
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

    /// Its level.
    pub const fn level(&self) -> Level {
        Level(self.header.level)
    }

    /// Whether that bit of [`flags`] is set.
    pub const fn has(&self, flag: u16) -> bool {
        self.header.flags.get() & flag != 0
    }

    /// Its thread and process, if they were read.
    pub const fn thread(&self) -> Option<(u32, u32)> {
        if self.has(flags::NO_THREAD) { None } else { Some((self.header.thread.get(), self.header.process.get())) }
    }
}

/// Bytes that are no record where one should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of lane {lane}: no record (size {size})")]
pub struct Damage {
    /// The lane.
    pub lane: u32,
    /// Offset from the start of the run.
    pub offset: usize,
    /// The size that the bytes claim.
    pub size: usize,
}

/// A record where it lies: nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Its fixed part.
    pub header: &'a RecordHeader,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

impl RecordView<'_> {
    /// A copy that lives by itself.
    pub fn to_record(self, lane: u32) -> Record {
        Record { lane, header: *self.header, payload: self.payload.to_vec(), late: false }
    }
}

/// Looks at the record at the start of `bytes`; gives it and the rest.
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

/// Parses the record at the start of `bytes`; gives it and the rest.
///
/// # Errors
/// [`Damage`] with offset 0.
pub fn parse(lane: u32, bytes: &[u8]) -> Result<(Record, &[u8]), Damage> {
    view(lane, bytes).map(|(view, rest)| (view.to_record(lane), rest))
}

/// All records in a run of bytes; stops at damage, and says where.
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
