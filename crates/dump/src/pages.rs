//! Where in the file each page of physical memory lies.
//!
//! Every kind becomes one list of runs, sorted by page number, in which no run goes beyond the end of the file.

use crate::{
    header::{DumpError, DumpKind, Header, SIZE},
    source::DumpBytes,
};

/// Size of a page in bytes.
pub const PAGE: u64 = 4096;
/// The most runs that the header of a full dump has room for: up to the context at 0x348.
const HEADER_RUNS: u64 = (0x348 - 0x98) / 16;

/// Pages one behind the other, in memory and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of the first page.
    pub page: u64,
    /// Number of pages.
    pub count: u64,
    /// Offset of the first page in the file.
    pub offset: u64,
}

/// The pages of a dump.
#[derive(Clone, Debug, Default)]
pub struct DumpPages {
    runs: Vec<Run>,
    /// Offset behind the last page, as the directory says.
    pub end: u64,
    /// Pages that the directory names and the file does not have.
    pub missing: u64,
}

impl DumpPages {
    /// Reads the directory of a dump; of a small dump, which has none, nothing.
    ///
    /// # Errors
    /// [`DumpError::Damaged`].
    pub fn read(source: &impl DumpBytes, header: &Header) -> Result<Self, DumpError> {
        match header.kind {
            DumpKind::Full => Ok(Self::full(source)),
            DumpKind::Bitmap => Self::bitmap(source),
            DumpKind::Ranges => Self::ranges(source),
            DumpKind::Triage => Ok(Self::default()),
        }
    }

    fn full(source: &impl DumpBytes) -> Self {
        let mut pages = Self { end: SIZE, ..Self::default() };
        let count = u64::from(source.u32(0x88).unwrap_or(0)).min(HEADER_RUNS);
        for index in 0..count {
            let at = 0x98 + index * 16;
            let (Some(page), Some(count)) = (source.u64(at), source.u64(at + 8)) else { break };
            pages.push(source, page, count);
        }
        pages.sorted()
    }

    fn bitmap(source: &impl DumpBytes) -> Result<Self, DumpError> {
        let mark = source.bytes(SIZE, 8);
        if mark != b"SDMPDUMP" && mark != b"FDMPDUMP" {
            return Err(DumpError::Damaged("bitmap of pages"));
        }
        let field = |offset| source.u64(SIZE + offset).ok_or(DumpError::Damaged("bitmap of pages"));
        let (first, bits) = (field(0x20)?, field(0x30)?);
        let mut pages = Self { end: first, ..Self::default() };
        // As many bits as the file has bytes for.
        let bitmap = source.bytes(SIZE + 0x38, bits.div_ceil(8));
        let mut run: Option<(u64, u64)> = None;
        for (index, &byte) in bitmap.iter().enumerate() {
            let first = index as u64 * 8;
            match (byte, &mut run) {
                (0, None) => {}
                (0xff, Some((_, count))) if first + 8 <= bits => *count += 8,
                _ => {
                    for bit in 0..8_u64.min(bits - first) {
                        match (byte >> bit & 1, &mut run) {
                            (1, Some((_, count))) => *count += 1,
                            (1, None) => run = Some((first + bit, 1)),
                            (_, Some(_)) => {
                                if let Some((page, count)) = run.take() {
                                    pages.push(source, page, count);
                                }
                            }
                            (_, None) => {}
                        }
                    }
                }
            }
        }
        if let Some((page, count)) = run {
            pages.push(source, page, count);
        }
        Ok(pages)
    }

    fn ranges(source: &impl DumpBytes) -> Result<Self, DumpError> {
        if source.bytes(SIZE + 4, 8) != b"RDMPDUMP" {
            return Err(DumpError::Damaged("list of page ranges"));
        }
        let field = |offset| source.u64(SIZE + offset).ok_or(DumpError::Damaged("list of page ranges"));
        let (metadata, first) = (field(0x10)?, field(0x18)?);
        let mut pages = Self { end: first, ..Self::default() };
        // The metadata begin at 0x20, with 0x10 bytes before the list: kdmp-parser (structs.rs, `RdmpHeader64::looks_good`)
        // has the first page at 0x20 + the metadata's size.
        let list = source.bytes(SIZE + 0x30, metadata.saturating_sub(0x10));
        for range in list.as_chunks::<16>().0 {
            let number = |half: &[u8]| half.try_into().map_or(0, u64::from_le_bytes);
            let (page, count) = (number(&range[..8]), number(&range[8..]));
            if count == 0 {
                break;
            }
            pages.push(source, page, count);
        }
        Ok(pages.sorted())
    }

    /// Adds pages that lie behind all others in the file, as far as the file goes.
    fn push(&mut self, source: &impl DumpBytes, page: u64, count: u64) {
        let there = source.length().saturating_sub(self.end) / PAGE;
        let clamped = count.min(there).min(u64::MAX / PAGE - page.min(u64::MAX / PAGE));
        if clamped != 0 {
            self.runs.push(Run { page, count: clamped, offset: self.end });
        }
        self.missing = self.missing.saturating_add(count - clamped);
        self.end = self.end.saturating_add(count.saturating_mul(PAGE));
    }

    fn sorted(mut self) -> Self {
        self.runs.sort_by_key(|run| run.page);
        self
    }

    /// The runs, sorted by page number.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The rest of the page at a physical address; `None` if the dump does not have it.
    #[must_use]
    pub fn rest_of_page<'s>(&self, source: &'s impl DumpBytes, address: u64) -> Option<&'s [u8]> {
        let page = address / PAGE;
        let index = self.runs.partition_point(|run| run.page <= page).checked_sub(1)?;
        let run = self.runs[index];
        let behind = page - run.page;
        if behind >= run.count {
            return None;
        }
        let inside = address % PAGE;
        Some(source.bytes(run.offset + behind * PAGE + inside, PAGE - inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ranges_that_fills_its_room_is_read_to_its_end() {
        const RANGES: [(u64, u64); 3] = [(1, 2), (9, 1), (20, 1)];
        let metadata = 0x10 + RANGES.len() as u64 * 16;
        let first = SIZE + 0x20 + metadata;
        let mut file = vec![0; (first + 4 * PAGE) as usize];
        let mut put = |at: u64, bytes: &[u8]| file[at as usize..][..bytes.len()].copy_from_slice(bytes);
        put(SIZE + 4, b"RDMPDUMP");
        put(SIZE + 0x10, &metadata.to_le_bytes());
        put(SIZE + 0x18, &first.to_le_bytes());
        for (index, (page, count)) in (0..).zip(RANGES) {
            put(SIZE + 0x30 + index * 16, &page.to_le_bytes());
            put(SIZE + 0x38 + index * 16, &count.to_le_bytes());
        }
        let pages = DumpPages::ranges(&file).unwrap();
        let read: Vec<_> = pages.runs().iter().map(|run| (run.page, run.count, run.offset - first)).collect();
        assert_eq!(read, [(1, 2, 0), (9, 1, 2 * PAGE), (20, 1, 3 * PAGE)]);
    }
}
