//! Secondary data: blocks that drivers have added to a dump, each with a GUID.
//!
//! The area begins with `DumpBlob`, behind everything else that the dump's directory knows of, and goes to the end of
//! the file: there is no count. A GUID may occur more than once. (Layout as seen in two small dumps of Windows 10 and
//! 11; where the area lies in the other kinds is an open question of docs/windows-develop.md, so it is searched for there.)

use memchr::memmem;

use crate::{
    header::{DumpKind, Header, SIZE},
    pages::DumpPages,
    source::DumpBytes,
};

const MARK: &[u8; 8] = b"DumpBlob";
/// Size of the area's header, which the header says too.
const AREA_HEADER: u32 = 0x10;
/// Size of a block's header, likewise: its size, GUID, size of the data, padding before and behind the data.
const BLOCK_HEADER: u32 = 0x20;

/// A block of secondary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondaryBlock<'s> {
    /// The GUID, as it lies in the file.
    pub guid: [u8; 16],
    /// The data, as far as the file goes.
    pub data: &'s [u8],
}

/// All blocks of a dump, in order; none if it has no secondary data.
#[must_use]
pub fn blocks<'s>(source: &'s impl DumpBytes, header: &Header, pages: &DumpPages) -> Vec<SecondaryBlock<'s>> {
    let from = match header.kind {
        // `SizeOfDump` of TRIAGE_DUMP64.
        DumpKind::Triage => source.u32(SIZE + 4).map_or(SIZE, u64::from),
        _ => pages.end,
    };
    start(source, from).map_or_else(Vec::new, |start| read(source, start))
}

/// Where the area begins, at `from` or behind it.
fn start(source: &impl DumpBytes, from: u64) -> Option<u64> {
    let rest = source.bytes(from, u64::MAX);
    let mut at = 0;
    while let Some(found) = memmem::find(rest.get(at..)?, MARK) {
        let offset = from + (at + found) as u64;
        if source.u32(offset + 8) == Some(AREA_HEADER) {
            return Some(offset);
        }
        at += found + 1;
    }
    None
}

fn read(source: &impl DumpBytes, start: u64) -> Vec<SecondaryBlock<'_>> {
    let mut blocks = Vec::new();
    let mut at = start + u64::from(AREA_HEADER);
    while source.u32(at) == Some(BLOCK_HEADER) {
        let Some(guid) = source.array(at + 4) else { break };
        let number = |offset| u64::from(source.u32(at + offset).unwrap_or(0));
        let (size, before, behind) = (number(20), number(24), number(28));
        let data = at + u64::from(BLOCK_HEADER) + before;
        blocks.push(SecondaryBlock { guid, data: source.bytes(data, size) });
        at = data + size + behind;
    }
    blocks
}
