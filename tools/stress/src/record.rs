//! The check of one record: every byte but those of the clock follows from the writer and the number of its record.

use anyhow::{Context as _, Result, bail, ensure};
use irqlog_storm as storm;

use crate::{
    bytes::{u16_at, u32_at, u64_at},
    load, machine,
};

/// Bytes before the payload.
pub const HEADER: usize = 40;
/// The largest record, in bytes.
pub const LARGEST: usize = 1024;
/// Bytes before the bytes of a piece of a blob.
const BLOB_HEADER: usize = 16;

const KIND_EVENT: u8 = 1;
const KIND_TEXT: u8 = 2;
const KIND_BLOB: u8 = 3;

/// Flags: thread and process are not known; the caller never waits; pointers are hashed; a string was cut.
const NO_THREAD: u16 = 1;
const TRUNCATED: u16 = 2;
const NEVER_WAITS: u16 = 4;
const HASHED: u16 = 32;

/// What a whole record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Bytes of the record.
    pub size: usize,
    /// Its number in the lane.
    pub seq: u64,
    /// Its time.
    pub tick: u64,
    /// Who wrote it.
    pub writer: u16,
    /// Number of the writer's record, or of its blob; the pieces of a blob have the same.
    pub number: u32,
    /// Offset of the piece of a blob; `None` for a record that stands for itself.
    pub piece: Option<u32>,
}

/// The size of the record at the start of `bytes`.
///
/// # Errors
/// If no record can have it.
pub fn size(bytes: &[u8]) -> Result<usize> {
    let size = usize::from(u16_at(bytes, 0)?);
    ensure!((HEADER..=LARGEST).contains(&size) && size.is_multiple_of(8), "no record is of {size} bytes");
    Ok(size)
}

/// Checks all bytes of the record at the start of `bytes`.
///
/// # Errors
/// If one is wrong: the record is torn, or is none.
pub fn check(bytes: &[u8]) -> Result<Whole> {
    let size = size(bytes)?;
    let record = bytes.get(..size).with_context(|| format!("a record of {size} bytes has {}", bytes.len()))?;
    let length = usize::from(u16_at(record, 10)?);
    ensure!((HEADER + length).next_multiple_of(8) == size, "{length} bytes of payload in a record of {size}");
    let (payload, padding) = record.split_at(HEADER + length);
    let payload = payload.get(HEADER..).unwrap_or_default();
    ensure!(record[7] == 0 && padding.iter().all(|&byte| byte == 0), "bytes that are zero are not");
    let (writer, number, piece) = match record[2] {
        KIND_TEXT => storm::check_text(payload).map(|(writer, number)| (writer, number, None)),
        KIND_EVENT => storm::check_event(payload).map(|(writer, number)| (writer, number, None)),
        KIND_BLOB => piece(payload)?,
        kind => bail!("no writer writes the kind {kind}"),
    }
    .context("the payload is torn")?;
    ensure!(usize::from(writer) < storm::WRITERS, "there is no writer {writer}");
    let expected = load::Expected::of(writer, number);
    ensure!(record[2] == expected.kind(), "number {number} of writer {writer} is not of kind {}", record[2]);
    ensure!(record[3] == expected.level, "level {} for number {number} of writer {writer}", record[3]);
    ensure!(u16_at(record, 8)? == expected.processor, "writer {writer} on another processor");
    ensure!(u32_at(record, 12)? == expected.site, "another site for number {number} of writer {writer}");
    check_origin(record, &expected)?;
    Ok(Whole { size, seq: u64_at(record, 16)?, tick: u64_at(record, 24)?, writer, number, piece })
}

/// Checks flags, IRQL, and the ids of thread and process.
fn check_origin(record: &[u8], expected: &load::Expected) -> Result<()> {
    let (flags, irql) = (u16_at(record, 4)?, record[6]);
    let never_waits = flags & NEVER_WAITS != 0;
    ensure!(load::is_possible(expected, irql, never_waits), "IRQL {irql} and flags {flags:#x} for {expected:?}");
    let is_known = irql <= 2 && !never_waits;
    ensure!((flags & NO_THREAD == 0) == is_known, "flags {flags:#x} at IRQL {irql}");
    let ids = if is_known { machine::ids(expected.processor) } else { (0, 0) };
    ensure!((u32_at(record, 32)?, u32_at(record, 36)?) == ids, "ids of another thread");
    let of_event = match expected.form {
        Some(storm::EventForm::Everything) => HASHED | TRUNCATED,
        _ => 0,
    };
    ensure!(flags & !(NO_THREAD | NEVER_WAITS) == of_event, "flags {flags:#x} for {expected:?}");
    Ok(())
}

/// Writer, number and offset of the piece of a blob; `None` if a byte is wrong.
fn piece(payload: &[u8]) -> Result<Option<(u16, u32, Option<u32>)>> {
    let (tag, total, offset) = (u32_at(payload, 0)?, u32_at(payload, 8)? as usize, u32_at(payload, 12)?);
    let bytes = payload.get(BLOB_HEADER..).unwrap_or_default();
    let is_whole = storm::check_piece(tag, total, offset as usize, bytes);
    let number = (tag & 0xf_ffff) * storm::BLOB_EVERY + storm::BLOB_EVERY - 1;
    Ok(is_whole.then_some(((tag >> 20) as u16, number, Some(offset))))
}
